"""The MAC and the SX1262 driver together, over the bench's air, against a network on the other side."""

import random

from firmware.boards.virtual import facts
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Network, names
from tests.firmware.radio.rig import JitteryTime, Rig


class Town:
    """A node on a rig, and a network that answers in the window the test chooses."""

    def __init__(self, **rig):
        self.rig = Rig(**rig)
        self.network = Network()
        chance = random.Random(5)
        store = MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY)
        self.mac = Mac(eu868, store, lambda: chance.getrandbits(32))
        self.rig.radio.start()
        self.mac.start(self.now_ms)

    @property
    def now_ms(self):
        return self.rig.clock.now_ms()

    def pass_s(self, seconds):
        self.rig.clock.sleep_ms(1000 * seconds)

    def exchange(self, exchange, answer, window=1):
        """Carry out; the network answers with `answer(frame)` in `window`; the events."""
        chosen = exchange.rx1 if window == 1 else exchange.rx2

        def reply(uplink):
            self.network.hear(exchange)
            assert uplink.payload == bytes(exchange.frame)
            downlink = self.rig.downlink(
                uplink, answer(uplink.payload), delay_us=1000 * chosen.delay_ms, freq_hz=chosen.freq_hz, sf=chosen.sf
            )
            return [downlink]

        self.rig.station.reply = reply
        return self.mac.conclude(exchange, self.rig.radio.carry_out(exchange), self.now_ms)


def test_join_and_downlinks_in_both_windows_at_every_data_rate():
    town = Town()
    assert names(town.exchange(town.mac.join(town.now_ms), town.network.accept, window=2)) == ["Joined"]
    for data_rate in range(6):
        town.pass_s(300)
        town.mac.set_data_rate(data_rate)
        for window in (1, 2):
            town.pass_s(300)
            exchange = town.mac.send(5, b"reading", town.now_ms, confirmed=True)
            events = town.exchange(exchange, lambda _: town.network.downlink(6, b"command", ack=True), window)
            assert names(events) == ["Acknowledged", "Downlink"], (data_rate, window, town.rig.air.records[-1].unheard)


def test_a_hundred_exchanges_with_late_wake_ups_miss_nothing():
    chance = random.Random(9)
    town = Town(time=lambda schedule: JitteryTime(schedule, chance, 4_000))
    town.exchange(town.mac.join(town.now_ms), town.network.accept)
    for turn in range(100):
        town.pass_s(200)
        town.mac.set_data_rate(turn % 6)
        exchange = town.mac.send(5, bytes(turn % 40), town.now_ms)
        events = town.exchange(exchange, lambda _: town.network.downlink(6, b"c"), 1 + turn % 2)
        assert names(events) == ["Downlink"], (turn, town.rig.air.records[-1].unheard)


def test_the_radiated_power_follows_link_adr():
    town = Town()
    town.exchange(town.mac.join(town.now_ms), town.network.accept)
    town.pass_s(100)
    exchange = town.mac.send(5, b"x", town.now_ms)
    town.exchange(exchange, lambda _: town.network.downlink(fopts=bytes.fromhex("0355070001")))
    town.pass_s(100)

    town.exchange(town.mac.send(5, b"x", town.now_ms), lambda _: town.network.downlink())

    joined_dbm, before_dbm, after_dbm = [frame.power_dbm for frame in town.rig.station.heard]
    assert joined_dbm == before_dbm
    assert before_dbm - after_dbm == 10
    assert facts.RADIO["max_power_dbm"] >= 16
