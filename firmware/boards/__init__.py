"""One folder a board: `facts` (importable anywhere) and `wiring` (the only code that imports `machine`)."""
