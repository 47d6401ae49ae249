"""The air between nodes and gateway, and the gateway's concentrator.

`air.py` carries transmissions in virtual time; `concentrator.py` is a packet forwarder without sockets, and
`udp.py` and `direct.py` are its two shells.
"""
