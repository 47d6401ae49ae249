"""Models of chips at register or byte level, one file each, written from the datasheet.

A model knows nothing of our drivers and nothing of the supervisor: it is handed a `Schedule`, the
world it measures (functions of time), and speaks through one of the ports in `ports.py`.
"""
