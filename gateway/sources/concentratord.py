"""Source "concentratord": ChirpStack Concentratord on the same machine, over two ZeroMQ sockets.

    event     PUB there, SUB here: every uplink and the counters. What we do not fetch in time is lost without a word,
              so the queue here is deep, and reading stops only while the disk cannot follow.
    command   REP there, REQ here, strictly in turn. A request without an answer makes the socket unusable: it is closed
              with what it still held, so that an order cannot be carried out later, and made anew.

There is no acknowledgement for uplinks in this protocol: what Concentratord has published is ours to keep at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import zmq
import zmq.asyncio

from gateway.clock import Clock
from gateway.concentratord import messages
from gateway.errors import BadFrame, NoAnswer, NoPath
from gateway.frames import DownlinkItem, TxStatus, Uplink
from gateway.logs import Tally
from gateway.setting_types import ZmqUrl
from gateway.sources.port import Sink

_log = logging.getLogger(__name__)

# chirpstack-mqtt-forwarder gives a command 100 ms: the answer comes from a queue in memory, not from the radio.
_ANSWER_PATIENCE_S = 0.1
# Messages kept by ZeroMQ while this program works: 20 s of the greatest burst, 1000 frames/s, about 6 MB.
_MOST_QUEUED = 20_000
# An event holds 255 bytes of frame, or counters per frequency; ZeroMQ drops a peer that sends more.
_LONGEST_MESSAGE = 65_536
_MOST_IN_BATCH = 256
# Not to be stopped by one slow commit, but by a disk that does not follow.
_MOST_UNSTORED = 1024
# Asked again and again: it may be restarted with another concentrator, and silence shows that it is gone.
_ASK_EVERY_S = 10.0
_ASK_AGAIN_S = 1.0
# Over a local socket into the queue of a thread that wakes every few milliseconds.
_LEAD_US = 10_000
# The least time Concentratord's queue accepts, as lora_pkt_fwd's: 1.5 + 1 + 40 ms.
_QUEUE_MARGIN_US = 42_500


class ConcentratordSource:
    """One Concentratord. `only` restricts service to one EUI; "" serves whoever it is."""

    def __init__(self, event: ZmqUrl, command: ZmqUrl, *, only: str, sink: Sink, clock: Clock, tally: Tally) -> None:
        self.name = f"concentratord {event}"
        self._event_url = event
        self._command_url = command
        self._only = only
        self._sink = sink
        self._clock = clock
        self._tally = tally
        self._gateway_id = ""
        self._answering = False
        self._number = 0
        self._context: zmq.asyncio.Context | None = None
        self._command: zmq.asyncio.Socket | None = None
        self._turn = asyncio.Lock()
        self._doubt = asyncio.Event()
        self._unstored: dict[asyncio.Future[bool], int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> ZmqUrl:
        """See `Source.start`. Concentratord need not be there yet."""
        try:
            self._context = zmq.asyncio.Context(io_threads=1)
            events = self._subscribe(self._context)
        except zmq.ZMQError as error:
            raise OSError(error.errno, f"{self._event_url}: {error.strerror}") from None
        self._tasks = [
            asyncio.create_task(self._listen(self._context, events), name="concentratord-events"),
            asyncio.create_task(self._keep_asking(), name="concentratord-asks"),
        ]
        _log.info("source ready", extra={"source": "concentratord", "address": self._event_url})
        return self._event_url

    async def stop(self) -> None:
        """See `Source.stop`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drop_command_socket()
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None

    def reachable(self) -> frozenset[str]:
        """See `Source.reachable`."""
        return frozenset((self._gateway_id,)) if self._answering else frozenset()

    # Events

    def _subscribe(self, context: zmq.asyncio.Context) -> zmq.asyncio.Socket:
        events = context.socket(zmq.SUB)
        events.setsockopt(zmq.RCVHWM, _MOST_QUEUED)
        events.setsockopt(zmq.MAXMSGSIZE, _LONGEST_MESSAGE)
        events.setsockopt(zmq.LINGER, 0)
        events.subscribe(b"")
        events.connect(self._event_url)
        return events

    async def _listen(self, context: zmq.asyncio.Context, events: zmq.asyncio.Socket) -> None:
        """Read until the connection ends, then on a new socket: after a peer that sent too much, ZeroMQ never calls
        again by itself.
        """
        while True:
            monitor = events.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            gone = asyncio.ensure_future(monitor.recv_multipart())
            reading = asyncio.create_task(self._read(events), name="concentratord-reads")
            try:
                await asyncio.wait((gone, reading), return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    await reading
            finally:
                gone.cancel()
                reading.cancel()
                await asyncio.gather(gone, reading, return_exceptions=True)
                while batch := _fetch(events):
                    self._heard(batch)
                events.disable_monitor()
                events.close(linger=0)
            _log.info("concentratord disconnected", extra={"address": self._event_url})
            events = self._subscribe(context)

    async def _read(self, events: zmq.asyncio.Socket) -> None:
        """Until cancelled; whatever is fetched is also handed on."""
        while True:
            await events.poll()
            self._heard(_fetch(events))
            # What is ready at once never suspends: without this, a flood would keep everybody else from running.
            await asyncio.sleep(0)
            while sum(self._unstored.values()) > _MOST_UNSTORED:
                await asyncio.wait(self._unstored, return_when=asyncio.FIRST_COMPLETED)

    def _heard(self, batch: Sequence[bytes]) -> None:
        """A handful of events. What cannot be understood is counted and costs nothing else."""
        uplinks: list[Uplink] = []
        for data in batch:
            try:
                event = messages.read_event(data)
                self._serve(event.gateway_id)
            except BadFrame as error:
                self._tally.count(_log, "event refused", error.kind)
                continue
            if isinstance(event, Uplink):
                uplinks.append(event)
            elif isinstance(event, messages.Mesh):
                self._tally.count(_log, "event ignored", "mesh")
            else:
                self._sink.report(event)
        if uplinks:
            stored = self._sink.receive(uplinks)
            self._unstored[stored] = len(uplinks)
            stored.add_done_callback(self._unstored.pop)

    def _serve(self, gateway_id: str) -> None:
        """Concentratord speaks for this concentrator. Raises BadFrame if that is not the one to be served."""
        if self._only and gateway_id != self._only:
            raise BadFrame("gateway-unknown")
        if gateway_id != self._gateway_id:
            _log.info("concentratord serves", extra={"gateway": gateway_id, "before": self._gateway_id or None})
            self._gateway_id = gateway_id
        self._sink.concentrator(gateway_id, self)

    # Commands

    async def _keep_asking(self) -> None:
        """Learn whom Concentratord serves, so that downlinks find it before its first uplink."""
        while True:
            try:
                self._serve(messages.read_gateway_id(await self._ask(messages.ask_gateway_id())))
                self._answering = True
            except NoPath:
                self._tally.count(_log, "concentratord silent", self._command_url)
                self._answering = False
            except BadFrame as error:
                self._tally.count(_log, "concentratord refused", error.kind)
                self._answering = False
            self._doubt.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ASK_EVERY_S if self._answering else _ASK_AGAIN_S):
                    await self._doubt.wait()

    async def _ask(self, request: bytes) -> bytes:
        """One command and its answer. Raises NoPath after 100 ms. The caller waits for its turn before."""
        async with self._turn:
            return await self._ask_now(request)

    async def _ask_now(self, request: bytes) -> bytes:
        if self._context is None:
            raise NoPath("the source is closed")
        answer: bytes
        try:
            if self._command is None:
                self._command = self._context.socket(zmq.REQ)
                self._command.setsockopt(zmq.LINGER, 0)
                self._command.setsockopt(zmq.MAXMSGSIZE, _LONGEST_MESSAGE)
                self._command.connect(self._command_url)
            async with asyncio.timeout(_ANSWER_PATIENCE_S):
                await self._command.send(request)
                answer = await self._command.recv()
        except TimeoutError:
            self._drop_command_socket()
            if self._answering:
                self._answering = False
                self._doubt.set()
            raise NoAnswer("no answer from Concentratord within 100 ms") from None
        except zmq.ZMQError as error:
            self._drop_command_socket()
            raise NoPath(f"Concentratord: {error.strerror}") from None
        except asyncio.CancelledError:
            self._drop_command_socket()
            raise
        return answer

    def _drop_command_socket(self) -> None:
        if self._command is not None:
            self._command.close(linger=0)
            self._command = None

    # Down

    @property
    def lead_us(self) -> int:
        """See `Source.lead_us`."""
        return _LEAD_US

    async def transmit(self, gateway_id: str, item: DownlinkItem, left_us: int | None) -> TxStatus:
        """See `Source.transmit`."""
        if gateway_id != self._gateway_id:
            raise NoPath(f"Concentratord serves {self._gateway_id or 'nobody yet'}, not {gateway_id}")
        deadline_us = None if left_us is None else self._clock.mono_us() + left_us
        async with self._turn:
            # The turn may have come late, after others that got no answer.
            if deadline_us is not None and deadline_us - self._clock.mono_us() < _QUEUE_MARGIN_US:
                return TxStatus.TOO_LATE
            self._number = (self._number + 1) & 0xFFFFFFFF
            answer = await self._ask_now(messages.order(gateway_id, self._number, item))
        try:
            return messages.read_verdict(answer, self._number)
        except BadFrame as error:
            raise NoAnswer(f"Concentratord answered something else ({error.kind})") from None


def _fetch(events: zmq.asyncio.Socket) -> list[bytes]:
    """What has arrived, up to a handful, without waiting."""
    plain: zmq.Socket[bytes] = zmq.Socket.shadow(events.underlying)
    batch: list[bytes] = []
    with contextlib.suppress(zmq.Again):
        while len(batch) < _MOST_IN_BATCH:
            batch.append(plain.recv(zmq.NOBLOCK))
    return batch
