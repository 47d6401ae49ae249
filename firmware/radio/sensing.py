"""Listen before talk: whether a channel stays quiet. Loaded for the first exchange with `sense_first` (KR920).

The level is that of the receiver at the exchange's frequency and bandwidth, read over and over. LoRaMac-node does the
same (`RadioIsChannelFree`) with the FSK receiver at 200 kHz, whose noise floor is 2 dB higher.
"""

_STEP_US = 250  # between two readings
_SETTLE_US = 1_000  # from the start of the receiver to a level that means something: its gain control has to settle


def quiet(radio, exchange):
    """Whether the level stays below `exchange.sense_first`: (dBm, ms). Leaves the radio awake."""
    threshold_dbm, duration_ms = exchange.sense_first
    clock = radio._clock
    radio._wake()
    radio._ready()
    radio._tune(exchange.freq_hz, exchange.sf, exchange.bw_hz, 255, 1, 0)
    radio._receive(0, 0)
    clock.sleep_us(_SETTLE_US)
    end_us = clock.ticks_add(clock.ticks_us(), 1000 * duration_ms)
    while clock.ticks_diff(end_us, clock.ticks_us()) > 0:
        if radio._rssi_dbm() >= threshold_dbm:
            return False
        clock.sleep_us(_STEP_US)
    return True
