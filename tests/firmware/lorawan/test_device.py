"""The API for programs without the rest of Spatz, on the chip's model and the virtual air."""

import random

import pytest

from firmware.lorawan import identity
from firmware.lorawan.device import LoRaWAN
from firmware.lorawan.errors import NoIdentity, NotJoined, PayloadTooLong
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from firmware.radio.errors import TransmitFailed
from tests.firmware.lorawan.net import APP_KEY, DEV_ADDR, DEV_EUI, JOIN_EUI, Network, names
from tests.firmware.radio.rig import Rig


class Town:
    """A device, and a network that answers each frame as `answers` says next: a function of the frame, or None."""

    def __init__(self, store=None):
        self.rig = Rig()
        self.network = Network()
        self.answers = []
        self.rig.station.reply = self._reply
        self.store = store or MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY)
        chance = random.Random(3)
        mac = Mac(eu868, self.store, lambda: chance.getrandbits(32))
        self.lorawan = LoRaWAN(mac, self.rig.radio, self.rig.clock)
        self.events = []
        self.lorawan.on_event = self.events.append

    def _reply(self, uplink):
        self.network.hear(type("Frame", (), {"frame": uplink.payload}))
        make = self.answers.pop(0) if self.answers else None
        joining = uplink.payload[0] == 0
        return (
            []
            if make is None
            else [self.rig.downlink(uplink, make(uplink.payload), delay_us=5_000_000 if joining else 1_000_000)]
        )

    def joined(self):
        self.answers.append(self.network.accept)
        assert self.lorawan.join()
        return self

    @property
    def now_s(self):
        return self.rig.schedule.now_us / 1_000_000


def test_join_tries_until_somebody_answers():
    town = Town()
    town.answers = [None, None, town.network.accept]

    assert town.lorawan.join() is True

    assert town.network.dev_nonces == [0, 1, 2]
    assert names(town.events) == ["JoinFailed", "JoinFailed", "Joined"]
    assert town.lorawan.join() is True  # and at once, from now on
    assert town.network.dev_nonces == [0, 1, 2]


def test_join_gives_up_in_time_and_says_why_it_waits():
    town = Town()

    assert town.lorawan.join(timeout_ms=60_000) is False

    assert town.now_s < 60
    state = town.lorawan.state()
    assert (state["next"], state["joined"]) == ("join", False)
    assert state["in_ms"] > 0
    assert "back-off" in state["why"]


def test_state_before_the_start_and_with_nothing_to_wait_for():
    town = Town()
    assert town.lorawan.state() == {"next": "start", "in_ms": 0, "why": ""}

    town.joined()

    town.rig.clock.sleep_ms(600_000)
    state = town.lorawan.state()
    assert (state["next"], state["in_ms"], state["why"], state["dev_addr"]) == ("send", 0, "", str(DEV_ADDR))


def test_state_during_an_exchange_says_so():
    town = Town().joined()
    seen = []
    town.rig.station.reply = lambda uplink: seen.append(town.lorawan.state()["why"])

    town.lorawan.send(1, b"x")

    assert seen == ["an exchange is under way: its windows, or a repetition"]


def test_sending_without_a_session_is_refused():
    with pytest.raises(NotJoined):
        Town().lorawan.send(1, b"x")


def test_an_acknowledgement_decides_what_a_confirmed_uplink_gives():
    town = Town().joined()
    town.answers = [lambda _: town.network.downlink(ack=True), None, None]

    assert town.lorawan.send(1, b"x", confirmed=True) is True
    assert town.lorawan.send(1, b"x", confirmed=True) is False

    assert names(town.events)[-2:] == ["Acknowledged", "NotAcknowledged"]


def test_the_pause_after_a_missing_acknowledgement_is_waited_for_and_named():
    town = Town().joined()
    town.lorawan.send(1, b"x", confirmed=True)

    state = town.lorawan.state()

    assert 0 < state["in_ms"] <= 3_000
    before_s = town.now_s
    assert town.lorawan.send(1, b"y")
    assert town.now_s - before_s > state["in_ms"] / 1000


def test_the_duty_cycle_is_waited_for_or_told():
    town = Town().joined()
    town.lorawan.mac.set_data_rate(0)
    sent = 0
    while town.lorawan.send(1, bytes(40), timeout_ms=0):
        sent += 1
        assert sent < 100

    state = town.lorawan.state()
    assert "duty cycle" in state["why"]
    assert state["in_ms"] > 0
    assert town.lorawan.send(1, bytes(40)) is True  # patiently


def test_downlinks_are_kept_until_they_are_taken_and_the_oldest_is_lost_first():
    town = Town().joined()
    for turn in range(18):
        town.answers.append(lambda _, turn=turn: town.network.downlink(6, bytes((turn,))))
        town.rig.clock.sleep_ms(60_000)
        town.lorawan.send(1, b"x")

    taken = []
    while (downlink := town.lorawan.receive()) is not None:
        taken.append(downlink.data[0])

    assert taken == list(range(2, 18))
    assert town.lorawan.lost_downlinks == 2


def test_answers_to_the_network_make_room_for_a_payload_that_just_fits():
    town = Town().joined()
    town.lorawan.mac.set_data_rate(0)
    town.answers = [lambda _: town.network.downlink(fopts=b"\x06")]
    town.lorawan.send(1, b"x")
    assert town.lorawan.mac.room(town.rig.clock.now_ms()) < 51

    assert town.lorawan.send(1, bytes(51)) is True

    assert [len(frame.payload) for frame in town.rig.station.heard[-2:]] == [12 + 3, 13 + 51]
    with pytest.raises(PayloadTooLong):
        town.lorawan.send(1, bytes(52))


def test_a_radio_that_fails_is_started_anew_and_no_counter_is_used_twice():
    town = Town().joined()
    station, town.rig.air.add_gateway = town.rig.station, None
    town.rig.radio._FAILED, sound = 0xFFFF, town.rig.radio._FAILED
    town.rig.radio._SENT, sent = 0, town.rig.radio._SENT
    with pytest.raises(TransmitFailed):
        town.lorawan.send(1, b"lost")
    town.rig.radio._FAILED, town.rig.radio._SENT = sound, sent
    starts = []
    start = town.rig.radio.start
    town.rig.radio.start = lambda: (starts.append(1), start())

    assert town.lorawan.send(1, b"next") is True

    assert starts == [1]
    assert len(station.heard) == 3
    assert len(set(town.network.fcnts)) == len(town.network.fcnts)


def test_save_lets_the_next_start_go_on_without_a_gap():
    town = Town().joined()
    town.lorawan.send(1, b"x")
    town.lorawan.save()

    again = Town(town.store)
    again.network = town.network
    again.lorawan.send(1, b"y")

    assert [fcnt for _, fcnt in town.network.fcnts] == [0, 1]


def test_the_identity_is_written_once_and_checked():
    store = MemoryStore()
    with pytest.raises(NoIdentity):
        Town(store).lorawan.join()
    writes = []
    save = store.save
    store.save = lambda name, body: (writes.append(name), save(name, body))

    for _ in range(3):
        identity.otaa(store, str(DEV_EUI), str(JOIN_EUI), APP_KEY.hex())

    assert writes == ["identity"]
    assert store.records == MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        identity.otaa(store, str(DEV_EUI), str(JOIN_EUI), "00")
