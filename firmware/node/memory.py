"""Giving memory back: modules that are needed now and then live on flash in between."""

import sys


def forget(*names):
    """Take modules out of `sys.modules` and out of their packages, so that the collector can have them.

    Only for modules of which nothing is kept: no object, no class, no function. The next import loads them again,
    which takes some ten milliseconds and wears nothing.
    """
    for name in names:
        sys.modules.pop(name, None)
        package, leaf = name.rsplit(".", 1)
        if package in sys.modules:
            try:
                delattr(sys.modules[package], leaf)
            except (AttributeError, KeyError):  # the latter on MicroPython
                pass  # folded away at deployment, or never loaded
