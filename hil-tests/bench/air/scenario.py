"""Runs a scenario: nodes with the real MAC and driver, the air, gateways and the network server, in virtual time.

    lines = ScenarioRun(load(path)).run()

gives every frame that was in the air and every remark of nodes and server, in the order of time. A run is repeatable
from its seed. All keys are drawn from it; they protect nothing and appear in no line.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.direct import DirectLink
from bench.air.fiber import Fiber
from bench.air.host_node import HostNode, Identity, region_page, settled_heap
from bench.air.networks import NETWORKS
from bench.air.scenario_file import Downlink, MacRequest, Scenario, profile_report
from bench.air.scenario_file import Node as NodePlan
from bench.air.telling import FrameLine, Line, NodeSummary, Remark, Teller
from bench.air.transmission import FrameRecord
from bench.air.witness import Witness
from bench.schedule import Schedule
from bench.server.core import NetworkServer, default_profile
from bench.server.settings import Settings
from firmware.lorawan.errors import LorawanError, PayloadTooLong, Wait

EPOCH_US = 1_795_305_600_000_000
"""Unix time of the beginning: 2026-11-22T00:00:00Z."""
JOIN_EUI = "70b3d57ed0000001"
SECOND_US = 1_000_000
_QUIET_MS = 1_000
"""Waits shorter than this are not worth a line."""


class ScenarioRun:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._schedule = Schedule()
        self._air = Air(self._schedule, scenario.seed)
        self._air.lose_share(scenario.loss_share)
        network = scenario.network
        self._server = NetworkServer(
            Settings.of(network.region, rx1_delay_s=network.rx1_delay_s, adr_disabled=not network.adr),
            seed=scenario.seed,
        )
        self._remarks: list[Remark] = []
        self._verdicts: dict[tuple[int, str], str] = {}
        """Record number and receiver ("" for the server) to the reason of a refusal; "" for an accepted frame."""
        self._witness = Witness(self._server, self._server_judged, lambda text: self._remark("server", text))
        self._link = DirectLink(self._schedule, self._witness, unix_us=EPOCH_US, on_output=lambda _output: None)
        self._concentrators: dict[str, Concentrator] = {}
        for number, gateway in enumerate(scenario.gateway):
            concentrator = Concentrator(
                self._schedule, self._air, gateway.name, seed=scenario.seed, **NETWORKS[network.region]._asdict()
            )
            self._link.attach(concentrator, f"70b3d5fffe{0xA1 + number:06x}")
            self._concentrators[gateway.name] = concentrator
            if gateway.position_m:
                self._air.place(gateway.name, *gateway.position_m)
        self._lives = {plan.name: self._settle(plan) for plan in scenario.node}

    def run(self) -> list[Line]:
        """Let the whole duration pass; all lines in order of time, one summary for each node at the end."""
        self._plan_events()
        try:
            with settled_heap():
                self._schedule.run_until(round(SECOND_US * self._scenario.duration_s))
        finally:
            for life in self._lives.values():
                life.fiber.close()
        teller = Teller(
            gateways=list(self._concentrators),
            channels={hz: index for index, hz in self._server.settings.network_channels_hz().items()},
            downlink_channels={
                hz: index for index, hz in enumerate(self._server.settings.region.downlink_channels_hz())
            },
            keys=self._witness.keys,
            verdicts=self._verdicts,
            app_keys={name: life.node.identity.app_key for name, life in self._lives.items()},
            target=self._target,
        )
        frames = [
            teller.frame(record) for record in self._air.records if record.frame.start_us <= self._schedule.now_us
        ]
        lines: list[Line] = sorted([*frames, *self._remarks], key=lambda line: line.time_us)
        return lines + [self._summary(life, frames) for life in self._lives.values()]

    @property
    def region(self) -> str:
        """Where it all happens."""
        return self._scenario.network.region

    # Set-up

    def _settle(self, plan: NodePlan) -> _Life:
        seed = self._scenario.seed
        dev_eui = plan.dev_eui.lower() or _derived(seed, plan.name, 8).hex()
        app_key = _derived(seed, plan.name, 16)
        if plan.registered:
            profile = default_profile(self._server.settings.region.common_name)
            profile.supports_class_c = plan.class_ == "C"
            known_key = _derived(seed, f"{plan.name}/another", 16) if plan.wrong_app_key else app_key
            self._server.add_device(dev_eui, known_key, name=plan.name, profile=profile)
            used = self._server.storage.device_keys(dev_eui).dev_nonces
            used[JOIN_EUI] = list(range(plan.dev_nonces_used))
        if plan.position_m:
            self._air.place(plan.name, *plan.position_m)
        if plan.path_loss_db is not None:
            for gateway in self._concentrators:
                self._air.set_loss(plan.name, gateway, plan.path_loss_db)
        return _Life(self, plan, self._schedule, self._air, Identity(dev_eui, JOIN_EUI, app_key))

    def _plan_events(self) -> None:
        scenario = self._scenario
        for life in self._lives.values():
            life.fiber.start(round(SECOND_US * life.plan.start_s))
        for loss in scenario.loss:
            self._at(loss.at_s, lambda loss=loss: self._air.lose_next(loss.sender, loss.frames))  # type: ignore[misc]
        for downlink in scenario.downlink:
            self._at(downlink.at_s, lambda wish=downlink: self._enqueue(wish))  # type: ignore[misc]
        for request in scenario.mac:
            self._at(request.at_s, lambda wish=request: self._request(wish))  # type: ignore[misc]
        for gateway in scenario.gateway:
            concentrator = self._concentrators[gateway.name]
            for begin_s, end_s in gateway.off_s:
                self._switch(gateway.name, "power", begin_s, concentrator.switch_off, end_s, concentrator.switch_on)
        for begin_s, end_s in scenario.network.backhaul_off_s:
            self._switch("server", "backhaul", begin_s, self._disconnect, end_s, self._connect)

    def _switch(
        self, who: str, what: str, begin_s: float, off: Callable[[], None], end_s: float, on: Callable[[], None]
    ) -> None:
        for at_s, act, word in ((begin_s, off, "off"), (end_s, on, "on")):

            def turn(act: Callable[[], None] = act, word: str = word) -> None:
                act()
                self._remark(who, f"{what} {word}")

            self._at(at_s, turn)

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        self._schedule.at(round(SECOND_US * at_s), act)

    def _connect(self) -> None:
        self._link.connected = True

    def _disconnect(self) -> None:
        self._link.connected = False

    def _enqueue(self, wish: Downlink) -> None:
        life = self._lives[wish.node]
        if not life.plan.registered:
            self._remark("server", f"no device {wish.node} to send to: it is not registered")
            return
        now_us = EPOCH_US + self._schedule.now_us
        data = bytes.fromhex(wish.data)
        self._server.enqueue(life.node.identity.dev_eui, wish.f_port, data, confirmed=wish.confirmed, now_us=now_us)
        self._link.touch()
        self._remark("server", f"downlink for {wish.node} queued: port {wish.f_port}, {len(data)} bytes")

    def _request(self, wish: MacRequest) -> None:
        life = self._lives[wish.node]
        if life.plan.registered:
            self._server.request_mac(life.node.identity.dev_eui, bytes.fromhex(wish.commands))

    # What is observed

    def _remark(self, who: str, text: str) -> None:
        self._remarks.append(Remark(self._schedule.now_us, who, text))

    def _server_judged(self, frame: bytes, reason: str) -> None:
        record = self._latest(frame, lambda record: bool(record.heard.keys() & self._concentrators.keys()), "")
        if record is not None:
            self._verdicts[record.number, ""] = reason

    def node_judged(self, name: str, frame: bytes, reason: str) -> None:
        """A node's MAC took a frame, or refused it."""
        record = self._latest(frame, lambda record: name in record.heard, name)
        if record is not None:
            self._verdicts[record.number, name] = reason

    def remark_of_node(self, name: str, text: str) -> None:
        """A node has something to say."""
        self._remark(name, text)

    def _latest(self, frame: bytes, fits: Callable[[FrameRecord], bool], judge: str) -> FrameRecord | None:
        for record in reversed(self._air.records):
            if record.frame.payload == frame and fits(record) and (record.number, judge) not in self._verdicts:
                return record
        return None

    def _target(self, frame: bytes) -> str | None:
        dev_eui = self._witness.target(frame)
        return next((name for name, life in self._lives.items() if life.node.identity.dev_eui == dev_eui), None)

    def _summary(self, life: _Life, frames: list[FrameLine]) -> NodeSummary:
        own = [line for line in frames if line.sender == life.plan.name]
        return NodeSummary(
            self._schedule.now_us, life.plan.name, life.node.mac.joined, len(own), sum(line.accepted for line in own)
        )


class _Life:
    """What one node does: join, then report, and listen meanwhile if it is of class C."""

    def __init__(self, run: ScenarioRun, plan: NodePlan, schedule: Schedule, air: Air, identity: Identity) -> None:
        self.plan = plan
        self.fiber = Fiber(schedule, self._live)
        chance = random.Random(f"{plan.name if plan.random_seed is None else plan.random_seed}/{run._scenario.seed}")
        self.node = HostNode(
            plan.name,
            self.fiber,
            air,
            identity,
            random_u32=lambda: chance.getrandbits(32),
            class_c=plan.class_ == "C",
            clock_error_ppm=plan.clock_error_ppm,
            judged=lambda frame, reason: run.node_judged(plan.name, frame, reason),
            region=region_page(run.region),
        )
        self._say: Callable[[str], None] = lambda text: run.remark_of_node(plan.name, text)
        self._port, self._payload = plan.f_port, bytes.fromhex(plan.payload)
        if plan.profile:
            self._port, self._payload = profile_report(plan.profile)
        self._count = 0

    def _live(self) -> None:
        node, mac = self.node, self.node.mac
        node.start()
        try:
            while not mac.joined:
                self._exchange(lambda: mac.join(node.now_ms))
            if self.plan.data_rate is not None:
                mac.set_adr(False)
                mac.set_data_rate(self.plan.data_rate)
            due_ms = node.now_ms
            while True:
                self._rest(due_ms - node.now_ms)
                due_ms += round(1000 * self.plan.report_interval_s)
                self._report()
        except (LorawanError, ValueError) as error:  # ValueError: a data rate that the region does not have
            self._say(f"gives up: {error}")

    def _report(self) -> None:
        node, mac = self.node, self.node.mac
        payload = self._payload or self._count.to_bytes(2, "big")
        self._count = (self._count + 1) & 0xFFFF
        try:
            self._exchange(lambda: mac.send(self._port, payload, node.now_ms, self.plan.confirmed))
        except PayloadTooLong as refusal:
            self._say(f"its report of {len(payload)} bytes does not fit: {refusal.max} bytes at this data rate")
            self._exchange(lambda: mac.send_answers(node.now_ms))

    def _exchange(self, begin: Callable[[], Any]) -> None:
        while True:
            try:
                exchange = begin()
                break
            except Wait as refusal:
                if refusal.ms >= _QUIET_MS:
                    why = {"JoinWait": "join back-off", "DutyCycleWait": "duty cycle"}
                    name = type(refusal).__name__
                    self._say(f"waits {refusal.ms / 1000:.1f} s: {why.get(name, 'acknowledgement time-out')}")
                self._rest(refusal.ms)
        self._tell(self.node.carry_out(exchange))

    def _rest(self, duration_ms: int) -> None:
        until_ms = self.node.now_ms + duration_ms
        while (left_ms := until_ms - self.node.now_ms) > 0:
            events = self.node.listen_for(left_ms)
            self._tell(events)
            if any(getattr(event, "confirmed", False) for event in events):
                self._exchange(lambda: self.node.mac.send_answers(self.node.now_ms))

    def _tell(self, events: list[Any]) -> None:
        for event in events:
            text = _EVENTS.get(type(event).__name__)
            if text is not None:
                self._say(text.format(event=event))


_EVENTS = {
    "Joined": "joined as {event.dev_addr}",
    "JoinFailed": "no Join-Accept for it in either window",
    "Downlink": "took a downlink on port {event.port}",
    "Acknowledged": "frame {event.fcnt} acknowledged",
    "NotAcknowledged": "frame {event.fcnt} not acknowledged",
    "SettingsChanged": "takes new settings of the network",
    "LinkCheck": "link check: margin {event.margin_db} dB, {event.gateways} gateways",
}
"""Class name of a MAC event to what is said of it."""


def _derived(seed: int, name: str, size: int) -> bytes:
    return hashlib.sha256(f"scenario/{seed}/{name}/{size}".encode()).digest()[:size]
