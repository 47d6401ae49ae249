"""Receive windows with a clock that is 100 ppm off and wake-ups up to 10 ms late: no downlink is missed."""

import random

import pytest

from bench.wires import HostTime
from tests.firmware.radio.rig import Rig, Rig127x, exchange

RX2_HZ = 869_525_000


class WorseTime(HostTime):
    """A clock that is off by `ppm`, and each sleep up to 10 ms too long."""

    def __init__(self, schedule, ppm, chance):
        super().__init__(schedule, error_ppm=ppm)
        self._chance = chance

    def sleep_ms(self, duration_ms):
        super().sleep_us(1_000 * duration_ms + self._chance.randrange(10_001))


@pytest.mark.parametrize("ppm", [-100, 100])
@pytest.mark.parametrize("kind", [Rig, Rig127x], ids=["sx1262", "sx1276"])
@pytest.mark.parametrize("delay_s", [1, 5, 15], ids=["data", "join", "longest"])
def test_no_downlink_is_missed_in_either_window_at_any_spreading_factor(kind, ppm, delay_s):
    chance = random.Random(f"{ppm}/{delay_s}")
    rig = kind(time=lambda schedule: WorseTime(schedule, ppm, chance))
    rig.radio.start()
    for sf in range(7, 13):
        for window, freq_hz in ((1, None), (2, RX2_HZ)):
            made = exchange(sf, rx2_sf=sf)
            made.rx1.delay_ms, made.rx2.delay_ms = 1_000 * delay_s, 1_000 * (delay_s + 1)
            rig.station.reply = lambda uplink, window=window, freq_hz=freq_hz, sf=sf: [
                rig.downlink(uplink, b"\x60 x", delay_us=1_000_000 * (delay_s + window - 1), freq_hz=freq_hz, sf=sf)
            ]

            heard = rig.radio.carry_out(made)

            assert heard is not None, (sf, window, rig.air.records[-1].unheard)
            assert heard.window == window
