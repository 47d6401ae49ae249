"""When to open a receive window and for how long, in integers.

The formula is that of LoRaMac-node (RegionCommon.c, RegionCommonComputeRxWindowParameters): with a clock error of
`error_us` either way, at least MIN_SYMBOLS of the preamble have to fall into the window. Ours never opens after the
nominal instant, as TS001-1.0.4 section 3.3 demands, and ends where the formula ends.
"""

MIN_SYMBOLS = 6  # of the preamble's 8, for a receiver to lock
ERROR_US = 20_000  # a MicroPython node: interpreter, garbage, interrupt latency; LoRaMac-node in C has 10 ms


def symbol_us(sf, bw_hz):
    """Duration of one LoRa symbol in microseconds (exact for 125, 250 and 500 kHz)."""
    return (1000 << sf) // (bw_hz // 1000)


def window_us(sf, bw_hz, error_us=ERROR_US, wakeup_us=0):
    """(offset, length) in microseconds: open `offset` (<= 0) relative to the nominal instant, listen for `length`.

    `wakeup_us`: what the radio takes from the command to listening.
    """
    symbol = symbol_us(sf, bw_hz)
    symbols = max(-(-((2 * MIN_SYMBOLS - 8) * symbol + 2 * error_us) // symbol), MIN_SYMBOLS)
    offset = 4 * symbol - symbols * symbol // 2 - wakeup_us
    length = symbols * symbol
    if offset > -wakeup_us:
        return -wakeup_us, length + offset + wakeup_us
    return offset, length


def longest_frame_us(sf, bw_hz):
    """How long a frame of 255 bytes lasts at most, from its preamble on: nobody has to wait longer for its end."""
    payload_symbols = 8 + 5 * (-(-(8 * 255 + 28) // (4 * (sf - 2))))
    return (13 + payload_symbols) * symbol_us(sf, bw_hz)
