"""Time on air against Semtech's calculator (figures of the fact sheet, milliseconds)."""

from firmware.lorawan.airtime import airtime_us, symbol_us

TABLE = (
    (13, (1155.1, 577.5, 288.8, 164.9, 82.4, 46.3)),
    (23, (1482.8, 823.3, 370.7, 205.8, 113.2, 61.7)),
    (64, (2793.5, 1560.6, 698.4, 390.1, 215.6, 118.0)),
)


def test_time_on_air_of_uplinks():
    for length, expected in TABLE:
        for sf, ms in zip((12, 11, 10, 9, 8, 7), expected):  # noqa: B905 (MicroPython)
            assert abs(airtime_us(length, sf, 125_000) - 1000 * ms) <= 60, (length, sf)


def test_downlinks_have_no_payload_crc_and_short_factors_a_longer_preamble():
    assert airtime_us(12, 7, 125_000, crc=False) == 41_216
    assert airtime_us(10, 6, 125_000, preamble=12) > airtime_us(10, 6, 125_000, preamble=8)
    assert symbol_us(12, 500_000) == 8_192
