"""The `spatz` command: a thin skin over the functions of this package."""
