"""The MQTT shell of the merge gate: moves messages between broker and `gateway.merge.gate`, and knows the time.

Nothing is lost by a kill at any moment: a message is acknowledged to the broker only after its copy is on disk, and
leaves the disk only after the broker has acknowledged the republication. In between it may be published twice, which
the server recognises by its counter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gateway.clock import Clock, SystemClock
from gateway.errors import BadFrame, LinkLost, LinkRefused, SpoolError
from gateway.forwarders import mqtt
from gateway.forwarders.access import broker_for
from gateway.forwarders.backoff import Backoff
from gateway.logs import Tally
from gateway.merge.copies import check_gateway_id, read_copy
from gateway.merge.face import Face
from gateway.merge.gate import Bundle, Gate
from gateway.merge.settings import MergeSettings
from gateway.merge.store import MergeStore
from gateway.merge.words import PARTITIONS, decimal
from gateway.setting_types import Address
from gateway.systemd import Notifier
from gateway.turns import Verdict

_log = logging.getLogger(__name__)

# Messages the broker may send before we acknowledge: one commit serves them all.
_UNACKNOWLEDGED = 500
_TIDY_S = 600.0
_FAREWELL_S = 1.0
_LONGEST_REST_S = 5.0


class _Delivery(NamedTuple):
    topic: str
    payload: bytes
    number: int


class Service:
    """One instance. `await run(stop)` until `stop` is set."""

    def __init__(self, settings: MergeSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.tally = Tally()
        self.connected = False
        self.gate: Gate
        self._clock = clock or SystemClock()
        self._prefix = f"{settings.broker.topic_prefix.rstrip('/')}/" if settings.broker.topic_prefix else ""
        self._inbox: deque[_Delivery] = deque()
        self._answers: deque[tuple[Bundle, Verdict]] = deque()
        self._wake = asyncio.Event()
        self._store: MergeStore
        self._notifier = Notifier()

    @property
    def _presence(self) -> str:
        return f"{self._prefix}merge/{self.settings.broker.client_id}"

    def now_us(self) -> int:
        """Monotonic microseconds."""
        return self._clock.mono_us()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop. Raises SpoolError (also when the disk fails) and OSError (address in use)."""
        self._store = MergeStore(self.settings.resolve(self.settings.merge.path))
        self.gate = Gate(self.settings.rules(), self._store, self.now_us())
        face = Face(self) if self.settings.status is not None else None
        address: Address | None = None
        link = asyncio.create_task(self._stay_connected(), name="link")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        housekeeping = asyncio.create_task(self._housekeeping(), name="housekeeping")
        try:
            if face is not None and self.settings.status is not None:
                address = await face.start(self.settings.status.bind)
            _log.info("ready", extra={"status": address, "waiting": self.gate.waiting})
            self._notifier.tell("READY=1")
            done, _ = await asyncio.wait({link, stopping, housekeeping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                await task
        except sqlite3.Error as error:
            path = self.settings.resolve(self.settings.merge.path)
            advice = "What was not stored stays with the broker. Look at free space and permissions, then start again."
            raise SpoolError(f"{path}: {error}. {advice}") from None
        finally:
            self._notifier.tell("STOPPING=1")
            for task in (link, stopping, housekeeping):
                task.cancel()
            await asyncio.gather(link, stopping, housekeeping, return_exceptions=True)
            if face is not None:
                await face.stop()
            with contextlib.suppress(sqlite3.Error):
                self._store.close()
            _log.info("stopped", extra={"waiting": self.gate.waiting})

    async def _housekeeping(self) -> None:
        pause_s = min(_TIDY_S, self._notifier.watchdog_s or _TIDY_S)
        tidied_us = self.now_us()
        while True:
            await asyncio.sleep(pause_s)
            self._notifier.tell("WATCHDOG=1")
            if self.now_us() - tidied_us >= _TIDY_S * 1_000_000:
                tidied_us = self.now_us()
                self.gate.tidy()
                self._store.commit()

    # The connection

    async def _stay_connected(self) -> None:
        broker = self.settings.broker
        backoff = Backoff(broker.reconnect_max.seconds)
        parameters = broker_for(self.settings.resolve, broker)
        while True:
            try:
                why = await self._serve(parameters, backoff)
            except (LinkLost, LinkRefused) as error:
                why = str(error)
                self.tally.count(_log, "broker unreachable", why[:100])
            if self.connected:
                _log.warning("disconnected", extra={"why": why})
            self.connected = False
            await asyncio.sleep(backoff.pause_s())

    async def _serve(self, parameters: Callable[[str], mqtt.Broker], backoff: Backoff) -> str:
        """One connection from begin to end; returns why it ended."""
        broker = self.settings.broker
        # What an earlier connection delivered and was not acknowledged comes again.
        self._inbox.clear()
        session = mqtt.Session(int(broker.session_expiry.seconds), self._deliver, _UNACKNOWLEDGED)
        will = mqtt.Will(self._presence, b"")
        connection = await mqtt.Connection.open(parameters(broker.client_id), will, lambda *_: None, session)
        try:
            mine = self.settings.merge.partitions
            late = f"{self._prefix}gateway/+/late/"
            connection.unsubscribe([late + digit for digit in PARTITIONS if digit not in mine])
            await connection.subscribe([late + digit for digit in mine] + [f"{late}backlog"])
            # Only now: gateways that read this begin to send.
            connection.publish(self._presence, mine.encode(), retain=True).add_done_callback(_take_note)
            self.gate.connected(self.now_us())
            self.connected = True
            backoff.reset()
            _log.info("connected", extra={"waiting": self.gate.waiting, "partitions": mine})
            while not connection.closed.done():
                self._step(connection)
                await self._rest(connection)
            self._step(connection)
            return connection.closed.result()
        finally:
            await self._farewell(connection)

    async def _farewell(self, connection: mqtt.Connection) -> None:
        if connection.closed.done():
            return
        sent = connection.publish(self._presence, b"", retain=True)
        await asyncio.wait([sent], timeout=_FAREWELL_S)
        _take_note(sent)
        connection.close()

    async def _rest(self, connection: mqtt.Connection) -> None:
        now_us = self.now_us()
        due_us = self.gate.next_due(now_us)
        pause_s = _LONGEST_REST_S if due_us is None else min(_LONGEST_REST_S, (due_us - now_us) / 1_000_000)
        if self._wake.is_set() or pause_s <= 0:
            await asyncio.sleep(0)
        else:
            timer = asyncio.get_running_loop().call_later(pause_s, self._wake.set)
            woken = asyncio.create_task(self._wake.wait(), name="wake")
            try:
                await asyncio.wait((woken, connection.closed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                woken.cancel()
        self._wake.clear()

    # One step: everything that has come, one commit, everything that is due

    def _step(self, connection: mqtt.Connection) -> None:
        while self._answers:
            bundle, verdict = self._answers.popleft()
            if verdict in (Verdict.UNHEARD, Verdict.REFUSED):
                self.tally.count(_log, "frame held", verdict.value)
            self.gate.answered(bundle, verdict, self.now_us())
        numbers = []
        while self._inbox:
            delivery = self._inbox.popleft()
            self._handle(delivery)
            if delivery.number:
                numbers.append(delivery.number)
        self._store.commit()
        connection.acknowledge(numbers)
        if connection.closed.done():
            return
        now_us = self.now_us()
        for bundle in self.gate.take(now_us):
            self._publish(connection, bundle)
        for gateway_id, word in self.gate.through(now_us):
            topic = f"{self._prefix}gateway/{gateway_id}/command/merge"
            connection.publish(topic, word.to_bytes()).add_done_callback(_take_note)

    def _deliver(self, topic: str, payload: bytes, number: int) -> None:
        self._inbox.append(_Delivery(topic, payload, number))
        self._wake.set()

    def _handle(self, delivery: _Delivery) -> None:
        gateway_id, _, tail = delivery.topic.removeprefix(f"{self._prefix}gateway/").partition("/late/")
        try:
            if tail == "backlog":
                frames = decimal(delivery.payload)
                if frames is None:
                    raise BadFrame("late-backlog")
                self.gate.announced(check_gateway_id(gateway_id), frames, self.now_us())
            else:
                self.gate.receive(read_copy(gateway_id, tail, delivery.payload), self.now_us())
        except BadFrame as error:
            self.tally.count(_log, "message refused", error.kind)

    def _publish(self, connection: mqtt.Connection, bundle: Bundle) -> None:
        """Copies go out one right after the other, so that they come within one de-duplication window."""
        published = [
            connection.publish(f"{self._prefix}gateway/{gateway_id}/event/up", payload)
            for gateway_id, payload in bundle.messages
        ]
        verdicts = asyncio.gather(*published, return_exceptions=True)

        def answered(done: asyncio.Future[list[int | BaseException]]) -> None:
            reasons = [None] if done.cancelled() else done.result()
            self._answers.append((bundle, _verdict(reasons)))
            self._wake.set()

        verdicts.add_done_callback(answered)


def _verdict(reasons: list[int | BaseException] | list[None]) -> Verdict:
    """Of all copies: a frame is with the server only if each of them is."""
    if any(not isinstance(reason, int) for reason in reasons):
        return Verdict.LOST
    if all(reason == mqtt.SUCCESS for reason in reasons):
        return Verdict.TAKEN
    return Verdict.UNHEARD if mqtt.NO_SUBSCRIBER in reasons else Verdict.REFUSED


def _take_note(published: asyncio.Future[int]) -> None:
    """Nothing hangs on this message; an error in it has been noticed by the connection already."""
    if published.done() and not published.cancelled():
        published.exception()
