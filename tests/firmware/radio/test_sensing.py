"""Who else is on the air: listening before talking, and detection of channel activity."""

import random

import pytest

from bench.air.transmission import on_air
from firmware.lorawan.device import LoRaWAN
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import kr920
from firmware.radio import sx126x_cad, sx127x_cad
from firmware.radio.errors import ChannelBusy
from firmware.radio.sx126x_class_c import SX1262ClassC
from firmware.radio.sx127x_class_c import SX1276ClassC
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Network
from tests.firmware.radio.rig import Rig, Rig127x, exchange

CHANNEL_HZ = 868_100_000
NEIGHBOUR = "neighbour"
CHIPS = [(Rig, sx126x_cad), (Rig127x, sx127x_cad)]
LISTENERS = [(Rig, SX1262ClassC), (Rig127x, SX1276ClassC)]
IDS = ["sx1262", "sx1276"]


def speak(rig, after_us=0, *, freq_hz=CHANNEL_HZ, sf=9, size=60, loss_db=60, **kinds):
    """A neighbour's uplink; by default it arrives with -46 dBm."""
    rig.air.set_loss(NEIGHBOUR, "node", loss_db)
    frame = on_air(rig.schedule.now_us + after_us, bytes(size), NEIGHBOUR, freq_hz, sf, power_dbm=14.0, **kinds)
    rig.air.transmit(frame)
    return frame


@pytest.fixture(params=CHIPS, ids=IDS)
def both(request):
    kind, cad = request.param
    rig = kind()
    rig.radio.start()
    return rig, cad.activity


@pytest.fixture
def rig(both):
    return both[0]


def careful(threshold_dbm=-65, duration_ms=6, **settings):
    made = exchange(**settings)
    made.sense_first = (threshold_dbm, duration_ms)
    return made


class TestListenBeforeTalk:
    def test_a_quiet_channel_is_used(self, rig):
        rig.radio.carry_out(careful())

        assert len(rig.station.heard) == 1
        assert rig.model.remarks == set()

    def test_the_channel_is_listened_to_for_as_long_as_was_asked(self, rig):
        for duration_ms in (6, 50):
            before_us = rig.schedule.now_us
            rig.radio.carry_out(exchange())
            plain_us = rig.station.heard[-1].start_us - before_us
            before_us = rig.schedule.now_us
            rig.radio.carry_out(careful(duration_ms=duration_ms))
            extra_us = rig.station.heard[-1].start_us - before_us - plain_us
            assert 1_000 * duration_ms <= extra_us < 1_000 * duration_ms + 15_000

    @pytest.mark.parametrize("sf", [7, 12])
    def test_nothing_is_sent_into_a_frame_of_whatever_spreading_factor(self, rig, sf):
        speak(rig, sf=sf, size=200)
        rig.clock.sleep_ms(5)

        with pytest.raises(ChannelBusy, match="868100000 Hz"):
            rig.radio.carry_out(careful())

        rig.clock.sleep_ms(8_000)
        assert [frame.sender for frame in rig.station.heard] == [NEIGHBOUR]
        assert rig.model.mode.name == "SLEEP"

    def test_a_frame_that_begins_while_listening_is_noticed(self, rig):
        speak(rig, 30_000)

        with pytest.raises(ChannelBusy):
            rig.radio.carry_out(careful(duration_ms=60))

    @pytest.mark.parametrize("other", [{"freq_hz": CHANNEL_HZ + 200_000}, {"loss_db": 85}], ids=["channel", "weak"])
    def test_what_is_elsewhere_or_below_the_threshold_does_not_matter(self, rig, other):
        speak(rig, size=200, **other)

        rig.radio.carry_out(careful())

        assert "node" in [frame.sender for frame in rig.station.heard]

    @pytest.mark.parametrize(("kind", "driver"), LISTENERS, ids=IDS)
    def test_a_class_c_radio_goes_on_listening_after_a_busy_channel(self, kind, driver):
        rig = kind(driver=driver)
        rig.radio.start()
        made = careful()
        made.rxc = made.rx2
        speak(rig)
        rig.clock.sleep_ms(5)
        with pytest.raises(ChannelBusy):
            rig.radio.carry_out(made)

        frame = on_air(
            rig.schedule.now_us + 10_000, b"\x60 c", "station", 869_525_000, 12, iq_inverted=True, crc_on=False
        )
        rig.air.transmit(frame)
        rig.clock.sleep_ms(2_000)

        assert bytes(rig.radio.poll().frame) == b"\x60 c"

    def test_in_korea_a_device_tries_again_until_its_channel_is_free(self):
        rig = Rig()
        network = Network()

        def reply(uplink):
            return (
                []
                if uplink.sender != "node"
                else [rig.downlink(uplink, network.accept(uplink.payload), delay_us=5_000_000)]
            )

        rig.station.reply = reply
        chance = random.Random(3)
        mac = Mac(kr920, MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY), lambda: chance.getrandbits(32))
        lorawan = LoRaWAN(mac, rig.radio, rig.clock)
        for freq_hz in kr920.DEFAULT_CHANNELS_HZ:
            for turn in range(20):
                speak(rig, 300_000 * turn, freq_hz=freq_hz, sf=9)  # six seconds on all channels

        assert lorawan.join()

        own = [frame for frame in rig.station.heard if frame.sender == "node"]
        assert own[0].start_us > 6_000_000
        for frame in own:
            for other in rig.station.heard:
                apart = other.end_us <= frame.start_us or other.start_us >= frame.end_us
                assert other is frame or apart or other.freq_hz != frame.freq_hz


class TestActivity:
    @pytest.mark.parametrize("sf", range(7, 13))
    def test_a_frame_far_below_the_noise_is_found_and_silence_is_not(self, both, sf):
        rig, activity = both
        assert activity(rig.radio, CHANNEL_HZ, sf, 125_000) is False
        speak(rig, sf=sf, size=200, loss_db=136 if sf < 9 else 140)
        rig.clock.sleep_ms(20)

        assert activity(rig.radio, CHANNEL_HZ, sf, 125_000) is True
        assert rig.model.mode.name == "SLEEP"
        assert rig.model.remarks == set()

    def test_other_spreading_factors_channels_and_directions_are_not_found(self, both):
        rig, activity = both
        speak(rig, sf=9, size=200)
        rig.clock.sleep_ms(5)

        assert activity(rig.radio, CHANNEL_HZ, 9, 125_000, inverted=1) is False
        assert activity(rig.radio, CHANNEL_HZ, 10, 125_000) is False
        assert activity(rig.radio, CHANNEL_HZ + 200_000, 9, 125_000) is False
        assert activity(rig.radio, CHANNEL_HZ, 9, 125_000) is True

    def test_an_exchange_goes_well_afterwards(self, both):
        rig, activity = both
        activity(rig.radio, CHANNEL_HZ, 12, 125_000)
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer")]

        assert bytes(rig.radio.carry_out(exchange()).frame) == b"\x60 an answer"
