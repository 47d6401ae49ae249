"""LoRaWAN 1.0.4 for MicroPython: class A MAC without I/O.

Start at `mac.py` (`Mac`). Bytes, the time in milliseconds and random numbers go in; exchanges to carry out, events and
refusals come out. Radios are in `firmware.radio`; state that has to survive goes through `store.py`.
"""
