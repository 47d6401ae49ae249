"""Tables that nodes import, one module a profile. Made by `spatz payload build`."""
