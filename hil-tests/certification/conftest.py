"""The test house: a device under test, a gateway and a network server in one air, and the hands of a tester.

The device is the real MAC and the real SX1262 driver on the chip's model. A tester lets the server talk
(`server_says`), or takes its place in the windows of one uplink (`answer_with`), with frames
that no server would send.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bench.air.air import Air
from bench.air.concentrator import Concentrator, TxOutcome, TxPacket
from bench.air.direct import DirectLink
from bench.air.host_node import HostNode, Identity, settled_heap
from bench.air.transmission import Transmission, on_air
from bench.schedule import Schedule
from bench.server.core import NetworkServer, default_profile
from bench.server.downlink import JOIN_ACCEPT_DELAY_S
from bench.server.frames import DataFrame, FType, frame_type
from bench.server.outputs import AppEvent
from bench.server.records import Device, Session
from bench.server.settings import Settings
from firmware.lorawan import explain
from firmware.lorawan.errors import Wait
from firmware.lorawan.packages.certification import Certification

EPOCH_US = 1_795_305_600_000_000
GATEWAY_ID = "70b3d5fffe0000a1"
IDENTITY = Identity("70b3d57ed0051234", "70b3d57ed0000001", bytes(range(16)))
TESTER = "tester"


@dataclass
class Turn:
    """One uplink, its repetitions and what came back."""

    sent: list[Transmission]
    events: list[Any]
    seen: dict[str, Any]
    """The first of the frames explained, decrypted."""

    def of(self, kind: str) -> list[Any]:
        """The events of one class, by its name."""
        return [event for event in self.events if type(event).__name__ == kind]

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    @property
    def commands(self) -> list[dict[str, Any]]:
        """MAC commands of the uplink, from FOpts or FPort 0."""
        return list(self.seen.get("commands", []))

    @property
    def command_names(self) -> list[str]:
        return [command["command"] for command in self.commands]


class TestHouse:
    """Time passes only in its calls."""

    __test__ = False  # not a class of tests, whatever it is called

    def __init__(self, device_class: str = "A", *, battery: int = 200, **settings: Any) -> None:
        self.schedule = Schedule()
        self.air = Air(self.schedule, seed=1, fading_db=0)
        self.server = NetworkServer(Settings(**{"adr_disabled": True, **settings}), seed=1)
        self.outputs: list[Any] = []
        self.link = DirectLink(self.schedule, self.server, unix_us=EPOCH_US, on_output=self.outputs.append)
        self.concentrator = Concentrator(self.schedule, self.air, seed=1)
        self.link.attach(self.concentrator, GATEWAY_ID)
        profile = default_profile()
        profile.supports_class_c = device_class == "C"
        profile.class_c_timeout = 8
        self.server.add_device(IDENTITY.dev_eui, IDENTITY.app_key, profile=profile)
        self.class_c = device_class == "C"
        chance = random.Random(7)
        self.refused: list[str] = []
        self.node = HostNode(
            "device",
            self.schedule,
            self.air,
            IDENTITY,
            random_u32=lambda: chance.getrandbits(32),
            class_c=self.class_c,
            battery=battery,
            judged=lambda _frame, why: self.refused.append(why) if why else None,
        )
        self.mac = self.node.mac
        self.node.start()

    @property
    def device(self) -> Device:
        """What the server knows of the device."""
        return self.server.storage.device(IDENTITY.dev_eui)

    @property
    def session(self) -> Session:
        """The server's side of the session."""
        session = self.device.session
        assert session is not None
        return session

    @property
    def sent(self) -> list[Transmission]:
        """Everything the device ever sent."""
        return [record.frame for record in self.air.records if record.frame.sender == "device"]

    def events(self, kind: str) -> list[Any]:
        """The server's events of one kind, oldest first."""
        return [output.message for output in self.outputs if isinstance(output, AppEvent) and output.kind == kind]

    def state(self) -> dict[str, Any]:
        """What the device's stack says of itself."""
        return dict(self.mac.state(self.node.now_ms))

    # The device

    def join(self) -> Turn:
        """One Join-Request, as soon as the device's own rules allow it."""
        return self.exchange(lambda: self.mac.join(self.node.now_ms))

    def joined(self) -> TestHouse:
        """With a fresh session, and the CFList's channels in use."""
        assert self.join().kinds == ["Joined"]
        return self

    def uplink(self, data: bytes = b"\x01", port: int = 1, *, confirmed: bool = False, pause_s: float = 60) -> Turn:
        """An application frame after a pause, carried out with its repetitions; events of the pause come first."""
        heard = self.rest(pause_s)
        turn = self.exchange(lambda: self.mac.send(port, data, self.node.now_ms, confirmed))
        turn.events[:0] = heard
        return turn

    def answers(self, pause_s: float = 60) -> Turn:
        """As `uplink`, without application data."""
        heard = self.rest(pause_s)
        turn = self.exchange(lambda: self.mac.send_answers(self.node.now_ms))
        turn.events[:0] = heard
        return turn

    def rest(self, duration_s: float) -> list[Any]:
        """Let time pass; a class C device listens, and its events come back."""
        until_us = self.schedule.now_us + round(1_000_000 * duration_s)
        found = []
        while (left_us := until_us - self.schedule.now_us) > 0:
            found += self.node.listen_for(-(-left_us // 1000))
        return found

    def exchange(self, begin: Callable[[], Any]) -> Turn:
        """What `begin` asks for, when the duty cycle allows it."""
        while True:
            try:
                exchange = begin()
                break
            except Wait as refusal:
                self.node.clock.sleep_ms(refusal.ms)
        before = len(self.sent)
        keys = None if self.device.session is None else self.device.session.keys
        counter = self.state().get("fcnt_up", 1) - 1
        events = self.node.carry_out(exchange)
        sent = self.sent[before:]
        known = {} if keys is None else {"nwk_skey": keys.nwk_s_key, "app_skey": keys.app_s_key, "fcnt32": counter}
        seen = explain.explain(sent[0].payload, app_key=IDENTITY.app_key, **known)
        return Turn(sent, events, seen)

    # The network

    def server_says(self, block: bytes) -> Turn:
        """The server sends a block of MAC commands after one uplink; the next uplink, with the answers, comes back."""
        self.server.request_mac(IDENTITY.dev_eui, block)
        self.uplink()
        return self.uplink()

    def tester_says(self, block: bytes) -> Turn:
        """As `server_says`, by the tester: the server itself would ask for its own settings again at once.

        Tell the session what is to be expected now. The answer is in the frame that comes back.
        """
        self.answer_with(self.build(f_opts=block))
        return self.answer_with()

    def enqueue(self, data: bytes, port: int = 2, *, confirmed: bool = False) -> None:
        """Application data for the device."""
        now_us = EPOCH_US + self.schedule.now_us
        self.server.enqueue(IDENTITY.dev_eui, port, data, confirmed=confirmed, now_us=now_us)
        self.link.touch()

    def build(
        self,
        *,
        port: int | None = None,
        data: bytes = b"",
        f_opts: bytes = b"",
        f_cnt: int | None = None,
        confirmed: bool = False,
        ack: bool = False,
        dev_addr: str | None = None,
    ) -> bytes:
        """A genuine downlink of this session, or one that differs in what is given."""
        if f_cnt is None:
            f_cnt = self.session.f_cnt_down
            self.session.f_cnt_down += 1
        ftype = FType.CONFIRMED_DOWN if confirmed else FType.UNCONFIRMED_DOWN
        frame = DataFrame(
            ftype,
            dev_addr or self.session.dev_addr,
            f_cnt & 0xFFFF,
            ack=ack,
            f_opts=f_opts,
            f_port=port,
            payload=data,
        )
        return frame.build(self.session.keys, f_cnt)

    def answer_with(
        self,
        rx1: bytes | None = None,
        rx2: bytes | None = None,
        *,
        rx1_hz: int | None = None,
        unanswered: int = 0,
        uplink: Callable[[], Turn] | None = None,
    ) -> Turn:
        """The next uplink is answered by these frames in these windows; the server is silent.

        `rx1_hz`: elsewhere; `unanswered`: so many of its transmissions are let pass first.
        """
        connected, self.link.connected = self.link.connected, False
        self.air.add_gateway(_Tester(self, rx1, rx2, rx1_hz=rx1_hz, unanswered=unanswered))
        try:
            return (uplink or self.uplink)()
        finally:
            self.air.remove(TESTER)
            self.link.connected = connected

    def keep_to_rx2(self) -> None:
        """From now on the gateway finds no time to transmit in RX1, and sends the second item of each downlink."""
        concentrator = self.concentrator
        genuine = concentrator.request
        rx2_hz = self.server.settings.rx2_frequency_hz

        def request(packet: TxPacket) -> TxOutcome:
            return genuine(packet) if packet.freq_hz == rx2_hz else TxOutcome("COLLISION_PACKET")

        concentrator.request = request  # type: ignore[method-assign]

    def on_rxc(self, frame: bytes, listen_s: float = 10) -> list[Any]:
        """The tester sends to a class C device between its uplinks; what the device makes of it."""
        window = self.mac.listening(self.node.now_ms)
        start_us = self.schedule.now_us + 500_000
        self.air.transmit(
            on_air(start_us, frame, TESTER, window.freq_hz, window.sf, window.bw_hz, iq_inverted=True, crc_on=False)
        )
        return self.rest(listen_s)


class _Tester:
    """Hears the device and answers once."""

    name = TESTER

    def __init__(
        self, house: TestHouse, rx1: bytes | None, rx2: bytes | None, *, rx1_hz: int | None, unanswered: int
    ) -> None:
        self._house = house
        self._answers = (rx1, rx2)
        self._rx1_hz = rx1_hz
        self._unanswered = unanswered

    def ignores(self, frame: Transmission) -> str | None:
        return "polarity (IQ) differs" if frame.iq_inverted else None

    def on_received(self, received: Any) -> None:
        self._unanswered -= 1
        if self._unanswered >= 0:
            return
        (rx1, rx2), self._answers = self._answers, (None, None)
        house, uplink = self._house, received.frame
        joining = frame_type(uplink.payload) is FType.JOIN_REQUEST
        session = house.session
        delay_s = JOIN_ACCEPT_DELAY_S if joining else session.rx1_delay_s
        if rx1 is not None:
            sf = uplink.sf if joining else min(uplink.sf + session.rx1_dr_offset, 12)
            self._send(rx1, uplink.end_us + 1_000_000 * delay_s, self._rx1_hz or uplink.freq_hz, sf)
        if rx2 is not None:
            sf = house.server.settings.region.data_rates[session.rx2_dr].sf
            self._send(rx2, uplink.end_us + 1_000_000 * (delay_s + 1), session.rx2_frequency_hz, sf)

    def _send(self, frame: bytes, start_us: int, freq_hz: int, sf: int) -> None:
        self._house.air.transmit(on_air(start_us, frame, TESTER, freq_hz, sf, iq_inverted=True, crc_on=False))


class Driven:
    """The application of a device in test mode: it does what TS009 commands ask and sends nothing else."""

    def __init__(self, house: TestHouse) -> None:
        self.house = house
        self.test = Certification(house.mac)

    def command(self, data: bytes, port: int = Certification.PORT) -> Turn:
        """The test house sends a command after an uplink; the next uplink, with the answer, comes back."""
        self.house.enqueue(data, port)
        answer = self.deliver(self.house.uplink())
        return self.house.uplink(answer, Certification.PORT) if answer else self.house.answers()

    def deliver(self, turn: Turn) -> bytes:
        """Hand the application what arrived; its answer."""
        answer = b""
        for downlink in turn.of("Downlink"):
            answer = self.test.take(downlink, self.house.node.now_ms)
        return answer


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    with settled_heap():
        yield


@pytest.fixture(params=["A", "C"], ids=["class A", "class C"])
def house(request: pytest.FixtureRequest) -> TestHouse:
    """A joined device of either class."""
    return TestHouse(request.param).joined()


@pytest.fixture
def new_house() -> type[TestHouse]:
    """For tests that want other settings, or to see the join."""
    return TestHouse


@pytest.fixture
def driven(house: TestHouse) -> Driven:
    """A joined device of either class in test mode."""
    return Driven(house)
