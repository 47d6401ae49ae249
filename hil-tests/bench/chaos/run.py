"""Carries out a plan: real gateway, real mosquitto, the bench's server, and the record of what happened.

load --UDP--> gateway --MQTT--> Link --> mosquitto --> Link --> server --> events file
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from chirpstack_api import gw

from bench.broker import Broker
from bench.chaos import mqtt_wire
from bench.chaos.city import GATEWAY_EUI, ChaosGateway, ChaosServer
from bench.chaos.clock import Hands
from bench.chaos.link import Link
from bench.chaos.load import Load, device
from bench.chaos.mqtt_wire import Packet
from bench.chaos.plan import RADIO_SILENCE_S, Act, Action, Plan
from bench.chaos.records import Arrival, Claim, Key, Period, Record
from gateway import spool_tool

_EVENTS = "eu868/gateway/+/event/+"
_POLL_S = 0.25
# A held destination is probed every 30 s at the latest.
_NO_PROGRESS_S = 75.0
# With an empty spool frames can only be on their way through the broker, whom the server may have to find again.
_EMPTY_S = 20.0


class Run:
    """One run; `await carry_out()` once, then look at `record`."""

    def __init__(self, plan: Plan, directory: Path, tell: Callable[[str], None] = lambda text: None) -> None:
        self.plan = plan
        self.record = Record()
        self.did: list[tuple[float, Action]] = []
        self.published: dict[Key, list[float]] = {}
        """When the gateway published a frame."""
        self.count: Counter[str] = Counter()
        self._directory = directory
        self._tell = tell
        self._orders: dict[int, list[bytes]] = {}
        self._rate = plan.scale.rate
        self._silent_until_s = 0.0
        self._arrived: set[Key] = set()
        self._gateway_turn = asyncio.Lock()
        self._right_since_s: float | None = None

    async def carry_out(self) -> None:
        """From the first process to the last frame."""
        scale = self.plan.scale
        with contextlib.ExitStack() as stack:
            root = self._directory / "broker"
            lasting = (*_LASTING, f"persistence_location {root}/")
            broker = stack.enter_context(Broker(root, max_queued_messages=0, extra=lasting))
            self._broker = broker
            self.uplink = Link(broker.port, self._heard)
            self.downlink = Link(broker.port)
            await self.uplink.start()
            await self.downlink.start()
            clock_file = self._directory / "clock"
            self._clock = Hands(clock_file)
            self._right_since_s = time.time()
            self.server = ChaosServer(self._directory, self.downlink.port)
            self.gateway = ChaosGateway(self._directory, self.uplink.port, scale, clock_file)
            stack.callback(self.server.stop)
            stack.callback(self.gateway.stop)
            devices = [device(number) for number in range(scale.devices)]
            await asyncio.to_thread(self.server.start)
            await asyncio.to_thread(self.server.register, devices)
            await asyncio.to_thread(self.gateway.start)
            self.load = Load(self.record, GATEWAY_EUI, devices, scale.weather, self.plan.seed)
            await self.load.start(self.gateway.address)
            try:
                await self._storm()
                await self._calm()
                await self._drain()
            finally:
                self.load.stop()
                await self.uplink.stop()
                await self.downlink.stop()
        if self._right_since_s is not None:
            self.record.synchronised.append(Period(self._right_since_s, time.time()))

    # The three threads of a run

    async def _storm(self) -> None:
        async with asyncio.TaskGroup() as together:
            together.create_task(self._send())
            together.create_task(self._act(together))

    async def _send(self) -> None:
        due_s = time.monotonic()
        for number in range(self.plan.scale.frames):
            due_s += 1 / self._rate
            now_s = time.monotonic()
            if now_s < self._silent_until_s:
                due_s = self._silent_until_s
            if due_s > now_s:
                await asyncio.sleep(due_s - now_s)
            self.load.send_next(self.plan.scale.confirmed)
            if number % 500 == 499:
                self._look()
                self._tell(f"{number + 1} sent, {len(self._arrived)} arrived")

    async def _act(self, together: asyncio.TaskGroup) -> None:
        started_s = time.monotonic()
        for action in self.plan.actions:
            await asyncio.sleep(max(0.0, started_s + action.at_s - time.monotonic()))
            self.did.append((time.time(), action))
            self.count[action.act.value] += 1
            # Misfortunes do not wait for each other.
            if action.act in (Act.KILL, Act.RESTART):
                together.create_task(self._kill(action))
            elif action.act is Act.RADIO:
                together.create_task(self._restart_radio(action))
            else:
                await self._do(action)

    async def _kill(self, action: Action) -> None:
        async with self._gateway_turn:
            await asyncio.to_thread(self.gateway.kill)
            if action.act is Act.RESTART:
                self._wrong()
                self._clock.restart_machine(int(action.value * 1e6))
            else:
                await asyncio.sleep(action.value)
            await asyncio.to_thread(self.gateway.start)

    async def _restart_radio(self, action: Action) -> None:
        self._silent_until_s = time.monotonic() + RADIO_SILENCE_S
        await asyncio.sleep(RADIO_SILENCE_S - 0.5)
        self.load.restart_radio(action.value)

    async def _do(self, action: Action) -> None:
        act, link = action.act, self.uplink
        if act is Act.RATE:
            self._rate = action.value
        elif act is Act.BROKER_DOWN:
            await asyncio.to_thread(self._broker.stop)
            for one in (self.uplink, self.downlink):
                one.refuse()
        elif act is Act.BROKER_UP:
            await asyncio.to_thread(self._broker.start)
            for one in (self.uplink, self.downlink):
                await one.start()
        elif act is Act.CUT:
            link.cut()
        elif act is Act.CUT_PUBACKS:
            link.cut(up=False)
        elif act in (Act.HEAL, Act.HEAL_BROKEN):
            link.heal(lose=act is Act.HEAL_BROKEN)
        elif act is Act.DEAF:
            self.downlink.slip_in(mqtt_wire.unsubscribe(_EVENTS))
        elif act is Act.HEARING:
            self.downlink.slip_in(mqtt_wire.subscribe(_EVENTS))
        elif act is Act.STEP:
            self._wrong()
            self._clock.step(int(action.value * 1e6))
        elif act is Act.SYNCHRONISE:
            async with self._gateway_turn:
                self._clock.synchronise(int(action.value * 1e6))
                self._right_since_s = self._right_since_s or time.time()

    def _wrong(self) -> None:
        if self._right_since_s is not None:
            self.record.synchronised.append(Period(self._right_since_s, time.time()))
            self._right_since_s = None

    # The end

    async def _calm(self) -> None:
        """Everything works again."""
        if not self._broker.running:
            await self._do(Action(0, Act.BROKER_UP))
        await self._do(Action(0, Act.HEAL))
        await self._do(Action(0, Act.HEARING))
        if not self._clock.synchronised:
            await self._do(Action(0, Act.SYNCHRONISE))

    async def _drain(self) -> None:
        """Until every acknowledged frame has arrived, or nothing arrives any more."""
        progress_s, before = time.monotonic(), -1
        while self._owed():
            if len(self._arrived) != before:
                before, progress_s = len(self._arrived), time.monotonic()
            patience_s = _NO_PROGRESS_S if self._stored() else _EMPTY_S
            if time.monotonic() - progress_s > patience_s:
                return
            await asyncio.sleep(_POLL_S)
        # What would arrive twice, or be transmitted late, gets its chance.
        await asyncio.sleep(3.0)
        self._look()

    def _owed(self) -> int:
        self._look()
        return sum(1 for sent in self.record.sent if sent.acked_s is not None and sent.key not in self._arrived)

    def _stored(self) -> int:
        frames: int = spool_tool.summary(self._directory / "spool.db")["frames"]
        return frames

    def _look(self) -> None:
        fresh = self.server.arrivals()
        self.record.arrivals += [self._with_publication(arrival) for arrival in fresh]
        self._arrived.update(arrival[:2] for arrival in fresh)

    def _with_publication(self, arrival: Arrival) -> Arrival:
        """The latest writing of the frame before it arrived."""
        times = self.published.get((arrival.dev_addr, arrival.f_cnt), [])
        return arrival._replace(published_s=max((at_s for at_s in times if at_s <= arrival.at_s), default=None))

    # What passes between gateway and broker

    def _heard(self, up: bool, packet: Packet) -> None:
        if packet.kind == mqtt_wire.PUBLISH:
            topic, payload = mqtt_wire.published(packet)
            if up and topic.endswith("/event/up"):
                frame = gw.UplinkFrame.FromString(payload).phy_payload
                key = (int.from_bytes(frame[1:5], "little"), int.from_bytes(frame[6:8], "little"))
                self.published.setdefault(key, []).append(time.time())
            elif up and topic.endswith("/event/ack"):
                self._claimed(gw.DownlinkTxAck.FromString(payload))
            elif not up and topic.endswith("/command/down"):
                order = gw.DownlinkFrame.FromString(payload)
                self._orders[order.downlink_id] = [item.phy_payload for item in order.items]

    def _claimed(self, answer: gw.DownlinkTxAck) -> None:
        for item, phy_payload in zip(answer.items, self._orders.get(answer.downlink_id, []), strict=False):
            self.count[f"tx ack {gw.TxAckStatus.Name(item.status)}"] += 1
            if item.status == gw.OK:
                self.record.claims.append(Claim(answer.downlink_id, phy_payload, time.time()))


# A broker that is restarted in order keeps what it acknowledged; what one that crashes loses, no gateway can know.
# Without Nagle's algorithm, which with delayed acknowledgements costs a downlink 40 ms a hop.
_LASTING = ("persistence true", "autosave_interval 0", "set_tcp_nodelay true")
