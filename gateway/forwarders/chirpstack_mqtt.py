"""Destination "chirpstack_mqtt": ChirpStack v4's gateway topics over MQTT 5.

    P/gateway/ID/event/up      UplinkFrame       QoS 1; the PUBACK decides (see `gateway.turns`)
    P/gateway/ID/event/ack     DownlinkTxAck
    P/gateway/ID/event/stats   GatewayStats
    P/gateway/ID/state/conn    ConnState, retained: ONLINE once the subscription stands, OFFLINE as will and farewell
    P/gateway/ID/command/down  DownlinkFrame

With `merge = true` late data frames go to the merge gate instead: topics and words in `gateway.merge.words`.

One connection for all concentrators, because order needs one connection. It opens as soon as one concentrator is known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from google.protobuf.message import Message

from gateway.contexts import Contexts
from gateway.dating import Dated
from gateway.downlinks import Desk
from gateway.errors import BadFrame, LinkLost, LinkRefused
from gateway.filters import Filter
from gateway.forwarders import chirpstack_messages as messages
from gateway.forwarders import mqtt
from gateway.forwarders.backoff import Backoff
from gateway.forwarders.marks import marks
from gateway.forwarders.wire import Wire
from gateway.frames import Downlink, GatewayReport, TxStatus
from gateway.logs import Tally
from gateway.merge.way import To, Way
from gateway.merge.words import Through, partition
from gateway.relay import Relay
from gateway.settings import ChirpstackMqtt
from gateway.store import NO_DEV_ADDR
from gateway.turns import Parcel, Verdict

_log = logging.getLogger(__name__)

# A server schedules a handful of downlinks a second; more at once is a broken or hostile one.
_MOST_DOWNLINKS = 64
_FAREWELL_S = 1.0
# Known, and of no concern to a relay. Other words are not repeated in log and metrics: there could be any number.
_OTHER_COMMANDS = frozenset(f"command/{what}" for what in ("config", "exec", "mesh", "raw"))
_BACKLOG_LOOK_S = 0.5
_VERDICTS = {mqtt.SUCCESS: Verdict.TAKEN, mqtt.NO_SUBSCRIBER: Verdict.UNHEARD}


class ChirpstackLink:
    """The link of one such destination. `broker_for` makes the connection's parameters for a client id."""

    def __init__(
        self,
        settings: ChirpstackMqtt,
        *,
        number: int,
        broker_for: Callable[[str], mqtt.Broker],
        contexts: Contexts,
        desk: Desk,
        tally: Tally,
    ) -> None:
        self._settings = settings
        self._number = number
        self._broker_for = broker_for
        self._contexts = contexts
        self._desk = desk
        self._tally = tally
        self._filter = Filter(settings.dev_addr_prefixes, settings.join_eui_prefixes, settings.lorawan_only)
        self._prefix = f"{settings.topic_prefix.rstrip('/')}/" if settings.topic_prefix else ""
        self._as_json = settings.marshaler == "json"
        self._way = Way() if settings.merge else None
        self._backlog_announced = False
        self.wire = Wire()
        self._gateways: dict[str, None] = {}
        self._relay: Relay | None = None
        self._news = asyncio.Event()
        self._connection: mqtt.Connection | None = None
        self._downlinks: set[asyncio.Task[None]] = set()

    def concentrator(self, gateway_id: str) -> None:
        """A concentrator exists: serve its topics."""
        if gateway_id not in self._gateways:
            self._gateways[gateway_id] = None
            self._news.set()

    def _topic(self, gateway_id: str, tail: str) -> str:
        return f"{self._prefix}gateway/{gateway_id}/{tail}"

    # The connection

    async def run(self, relay: Relay) -> None:
        """See `Link.run`."""
        self._relay = relay
        backoff = Backoff(self._settings.reconnect_max.seconds)
        while True:
            if not self._gateways:
                self._news.clear()
                await self._news.wait()
            why = ""
            try:
                why = await self._serve(relay, backoff)
            except (LinkLost, LinkRefused) as error:
                why = str(error)
                self._tally.count(_log, "destination unreachable", f"{relay.name}: {why}"[:100])
            relay.link_down(why)
            await asyncio.sleep(backoff.pause_s())

    async def _serve(self, relay: Relay, backoff: Backoff) -> str:
        """One connection from begin to end; returns why it ended."""
        first = next(iter(self._gateways))
        client_id = self._settings.client_id or f"spatz-{first}-{self._settings.name}"
        will = mqtt.Will(self._topic(first, "state/conn"), self._state(first, online=False))
        connection = await mqtt.Connection.open(self._broker_for(client_id), will, self._message, wire=self.wire)
        self._connection = connection
        announced: set[str] = set()
        backlog: asyncio.Task[None] | None = None
        try:
            if self._way is not None:
                self._way.reset()
                await connection.subscribe([f"{self._prefix}merge/+"])
                self._announce_backlog(relay)
                backlog = asyncio.create_task(self._watch_backlog(relay), name="backlog")
            while not connection.closed.done():
                self._news.clear()
                await self._announce(connection, [name for name in self._gateways if name not in announced])
                announced.update(self._gateways)
                if not relay.turns.up:
                    backoff.reset()
                    relay.link_up()
                await self._something_new(connection)
            return connection.closed.result()
        finally:
            self._connection = None
            if backlog is not None:
                backlog.cancel()
            if not connection.closed.done():
                await self._farewell(connection, announced)

    async def _watch_backlog(self, relay: Relay) -> None:
        """Tell the gate of a backlog, and when all of it has been handed in. What passes in a second is none."""
        looks = 0
        while True:
            await asyncio.sleep(_BACKLOG_LOOK_S)
            looks = looks + 1 if relay.turns.backlog else 0
            if bool(looks) != self._backlog_announced and looks != 1:
                self._announce_backlog(relay)

    def _announce_backlog(self, relay: Relay) -> None:
        frames = relay.buffered if relay.turns.backlog else 0
        self._backlog_announced = frames > 0
        if self._connection is not None:
            topic = self._topic(next(iter(self._gateways)), "late/backlog")
            self._connection.publish(topic, str(frames).encode()).add_done_callback(_take_note)

    async def _something_new(self, connection: mqtt.Connection) -> None:
        news = asyncio.create_task(self._news.wait(), name="news")
        try:
            await asyncio.wait((news, connection.closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    async def _announce(self, connection: mqtt.Connection, gateway_ids: list[str]) -> None:
        """Rule 13: ONLINE only after the subscription to the commands is acknowledged."""
        for gateway_id in gateway_ids:
            await connection.subscribe([self._topic(gateway_id, "command/#")])
            connection.publish(
                self._topic(gateway_id, "state/conn"), self._state(gateway_id, online=True), retain=True
            ).add_done_callback(_take_note)

    async def _farewell(self, connection: mqtt.Connection, gateway_ids: set[str]) -> None:
        """Rule 13: a clean stop says OFFLINE itself; without an answer in time the will says it."""
        sent = [
            connection.publish(self._topic(name, "state/conn"), self._state(name, online=False), retain=True)
            for name in gateway_ids
        ]
        answered = not sent
        if sent:
            _, open_ = await asyncio.wait(sent, timeout=_FAREWELL_S)
            answered = not open_
        if answered:
            connection.close()
        else:
            connection.abort("no farewell")
        for future in sent:
            _take_note(future)

    def _state(self, gateway_id: str, online: bool) -> bytes:
        return messages.write(messages.conn_state(gateway_id, online), self._as_json)

    # Up

    def send(self, parcel: Parcel, dated: Dated, late: bool) -> asyncio.Future[Verdict]:
        """See `Link.send`."""
        uplink = parcel.uplink
        context = self._contexts.write(parcel.seq, uplink.context)
        frame = messages.uplink_frame(uplink, context, dated, late, marks(parcel, dated) if late else {})
        tail = "event/up"
        if self._way is not None and parcel.dev_addr != NO_DEV_ADDR:
            to = self._way.choose(uplink.gateway_id, parcel.dev_addr, uplink.uplink_id, late)
            if to is To.NOWHERE:
                unheard: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
                unheard.set_result(Verdict.UNHEARD)
                return unheard
            if to is To.GATE:
                tail = f"late/{partition(parcel.dev_addr)}"
        return self._publish_judged(uplink.gateway_id, tail, frame)

    def report(self, report: GatewayReport, utc_us: int | None) -> asyncio.Future[Verdict]:
        """See `Link.report`."""
        return self._publish_judged(report.gateway_id, "event/stats", messages.stats(report, utc_us))

    def _publish_judged(self, gateway_id: str, tail: str, message: Message) -> asyncio.Future[Verdict]:
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        if self._connection is None:
            verdict.set_exception(LinkLost("not connected"))
            return verdict
        published = self._connection.publish(self._topic(gateway_id, tail), messages.write(message, self._as_json))
        published.add_done_callback(lambda future: _judge(future, verdict))
        return verdict

    # Down

    def _message(self, topic: str, payload: bytes) -> None:
        if self._way is not None and topic.startswith(f"{self._prefix}merge/"):
            if self._way.instance(topic, payload) and self._relay is not None:
                self._announce_backlog(self._relay)
                if self._relay.turns.holding:
                    self._relay.link_up()  # not at the next probe, half a minute later
            return
        gateway_id, _, command = topic.removeprefix(f"{self._prefix}gateway/").partition("/")
        if self._way is not None and command == "command/merge":
            if (word := Through.from_bytes(payload)) is not None and gateway_id in self._gateways:
                self._way.through(gateway_id, word)
            return
        if command != "command/down" or gateway_id not in self._gateways:
            self._tally.count(_log, "command ignored", command if command in _OTHER_COMMANDS else "unknown")
            return
        try:
            downlink = messages.downlink(payload)
        except BadFrame as error:
            self._tally.count(_log, "command refused", error.kind)
            return
        if downlink.gateway_id != gateway_id:
            self._tally.count(_log, "command refused", "gateway id differs from topic")
            return
        if len(self._downlinks) >= _MOST_DOWNLINKS:
            self._tally.count(_log, "command refused", "too many at once")
            return
        task = asyncio.create_task(self._carry_out(downlink), name=f"downlink-{downlink.downlink_id}")
        self._downlinks.add(task)
        task.add_done_callback(self._downlinks.discard)

    async def _carry_out(self, downlink: Downlink) -> None:
        result = await self._desk.carry_out(self._number, self._filter, downlink)
        if result is None or self._connection is None:
            return
        if self._settings.late_downlink_ack == "silent" and set(result.statuses) == {TxStatus.TOO_LATE}:
            return
        self._connection.publish(
            self._topic(downlink.gateway_id, "event/ack"), messages.write(messages.tx_ack(result), self._as_json)
        ).add_done_callback(_take_note)


def _judge(published: asyncio.Future[int], verdict: asyncio.Future[Verdict]) -> None:
    if verdict.done():
        return
    if published.cancelled():
        verdict.cancel()
    elif (error := published.exception()) is not None:
        verdict.set_exception(error)
    else:
        verdict.set_result(_VERDICTS.get(published.result(), Verdict.REFUSED))


def _take_note(published: asyncio.Future[int]) -> None:
    """Nothing hangs on this message; an error in it has been noticed by the connection already."""
    if published.done() and not published.cancelled():
        published.exception()
