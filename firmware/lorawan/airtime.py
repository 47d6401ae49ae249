"""Time on air of a LoRa frame, in integers (SX1261/2 datasheet rev. 2.1 section 6.1.4)."""

PREAMBLE_SYMBOLS = 8  # RP002-1.0.4 for LoRa in every region


def symbol_us(sf, bw_hz):
    """Duration of one symbol in microseconds, rounded up (exact for 125, 250 and 500 kHz)."""
    return -(-(1000 << sf) // (bw_hz // 1000))


def airtime_us(length, sf, bw_hz, crc=True, preamble=PREAMBLE_SYMBOLS):
    """Microseconds from the first to the last sample of a frame of `length` bytes.

    Explicit header, coding rate 4/5, low data rate optimisation where a symbol lasts 16 ms or more; `crc`: on for
    uplinks, off for downlinks.
    """
    symbol = symbol_us(sf, bw_hz)
    per_block = 4 * (sf - 2) if symbol >= 16_000 else 4 * sf
    if sf < 7:
        bits = 8 * length + (16 if crc else 0) - 4 * sf + 20
        quarter_symbols = 4 * preamble + 25  # 6.25 symbols
    else:
        bits = 8 * length + (16 if crc else 0) - 4 * sf + 28
        quarter_symbols = 4 * preamble + 17  # 4.25 symbols
    blocks = -(-bits // per_block) if bits > 0 else 0
    return (quarter_symbols + 4 * (8 + 5 * blocks)) * symbol // 4
