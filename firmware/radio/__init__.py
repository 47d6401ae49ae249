"""Radios behind one port (`port.py`), one file per chip family; buses, pins and the clock are handed in."""
