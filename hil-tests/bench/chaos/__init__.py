"""Chaos: the real gateway between a model of a packet forwarder and the bench's server, with everything failing.

plan.py        what fails when, from a seed                                         pure
judge.py       was every promise kept? values in, findings out                      pure
records.py     the values the two speak
clock.py       clocks of the gateway's machine that can step, restart, and be unsynchronised
machine.py     `spatz-gateway run` with those clocks, as a process
mqtt_wire.py   MQTT packets out of a byte stream                                    pure
link.py        the network between a client and the broker: it stalls, swallows, breaks
load.py        devices, and the packet forwarder that hears them; lossy datagrams
city.py        the processes, and the devices registered at the server
run.py         carries out a plan and keeps the record
"""
