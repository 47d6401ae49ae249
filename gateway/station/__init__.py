"""The LNS protocol of Basics Station as values and texts: no sockets, no clocks.

Source: doc.sm.tc/station, "The LNS Protocol"; basicstation 2.0.6 src/s2e.c, lora.c.
"""
