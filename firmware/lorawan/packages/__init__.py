"""Application packages of the LoRa Alliance: each has its FPort, takes a downlink's data, gives the answer to send.

    answer = package.handle(event.data, now_ms)      # b"": nothing to send; otherwise an uplink on package.PORT

All are pure: the time is handed in, and what has to be stored is stored by what they act on.
"""
