"""The messages of ChirpStack Concentratord as values and bytes: no sockets, no clocks.

Source: chirpstack-concentratord 4.7 libconcentratord, and chirpstack_api.gw (Event, Command).
"""
