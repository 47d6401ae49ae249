import pytest

from bench.air import lora

# Milliseconds of lorawan.md sections 3 and 5 and payload.md section 1.3, EU868, 125 kHz
PUBLISHED = [
    (13, {12: 1155.1, 11: 577.5, 10: 288.8, 9: 164.9, 8: 82.4, 7: 46.3}),
    (23, {12: 1482.8, 11: 823.3, 10: 370.7, 9: 205.8, 8: 113.2, 7: 61.7}),
    (64, {12: 2793.5, 11: 1560.6, 10: 698.4, 9: 390.1, 8: 215.6, 7: 118.0}),
]


@pytest.mark.parametrize(("size", "sf", "ms"), [(size, sf, ms) for size, row in PUBLISHED for sf, ms in row.items()])
def test_airtime_equals_the_published_examples(size, sf, ms):
    assert round(lora.airtime_us(size, sf) / 1000, 1) == pytest.approx(ms, abs=0.051)


def test_a_downlink_without_crc_is_shorter():
    assert lora.airtime_us(21, 7, crc_on=False) <= lora.airtime_us(21, 7)
    assert lora.airtime_us(16, 12, crc_on=False) == 1_155_072


def test_header_end_lies_between_preamble_and_end():
    # 8 + 4.25 + 8 symbols of 1.024 ms
    assert lora.header_end_us(7, 125_000, 8) == 20_736


def test_noise_floor_of_125_khz():
    assert lora.noise_floor_dbm(125_000) == pytest.approx(-117.03)
