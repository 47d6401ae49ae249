"""The Semtech UDP protocol (GWMP) as values and bytes: shared by the source that serves packet forwarders and the
destination that acts as one. No sockets, no clocks.

Source: sx1302_hal packet_forwarder/PROTOCOL.md, version 1.6.
"""
