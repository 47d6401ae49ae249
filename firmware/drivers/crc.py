"""The two checksums of our sensors; both CRC-8 with polynomial x^8 + x^5 + x^4 + 1 (0x31), in opposite bit orders."""


def crc8_sensirion(data):
    """CRC-8 of a Sensirion word: polynomial 0x31, start 0xFF, not reflected (SHT3x-DIS datasheet, table 20)."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ 0x31 if crc & 0x80 else crc << 1
            crc &= 0xFF
    return crc


def crc8_maxim(data):
    """CRC-8/MAXIM of ROM and scratchpad: polynomial 0x31 reflected, start 0 (Maxim application note 27).

    Over data followed by its own CRC the result is 0. So it is over nothing but zeros: reject those by content.
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8C if crc & 1 else crc >> 1
    return crc
