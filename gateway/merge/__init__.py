"""The merge gate: late frames of all gateways of a city, merged, put in order, and handed to the network server.

A small process beside the broker. Gateways whose destination says `merge = true` publish what is late to topics of the
gate instead of to the server; the gate keeps it on disk, waits until those that have a backlog have handed it in, and
republishes each frame once, device by device in the order of the frame counter (facts/gateway.md section 6 rule 10b).

    words.py     topics, and what gate and gateways say to each other
    copies.py    one gateway's copy of a frame, out of a message                    pure
    store.py     the copies on disk
    gate.py      what to publish next, and what to tell the gateways                pure but for the store; no clock
    way.py       the gateway's side: this frame to the server, or to the gate?      pure
    settings.py  the settings file
    service.py   the MQTT shell
    face.py      health and metrics over HTTP
"""
