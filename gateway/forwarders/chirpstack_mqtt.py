"""Destination "chirpstack_mqtt": ChirpStack v4's gateway topics over MQTT 5.

    P/gateway/ID/event/up      UplinkFrame       QoS 1; the PUBACK decides (see `gateway.turns`)
    P/gateway/ID/event/ack     DownlinkTxAck
    P/gateway/ID/event/stats   GatewayStats
    P/gateway/ID/state/conn    ConnState, retained: ONLINE once the subscription stands, OFFLINE as will and farewell
    P/gateway/ID/command/down  DownlinkFrame

One connection for all concentrators, because order needs one connection. It opens as soon as one concentrator is known.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
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
from gateway.frames import Downlink, GatewayReport, TxStatus
from gateway.logs import Tally
from gateway.relay import Relay
from gateway.settings import ChirpstackMqtt, Settings
from gateway.turns import Parcel, Verdict

_log = logging.getLogger(__name__)

# A server schedules a handful of downlinks a second; more at once is a broken or hostile one.
_MOST_DOWNLINKS = 64
_FAREWELL_S = 1.0
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
        self._gateways: dict[str, None] = {}
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
        connection = await mqtt.Connection.open(self._broker_for(client_id), will, self._message)
        self._connection = connection
        announced: set[str] = set()
        try:
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
            if not connection.closed.done():
                await self._farewell(connection, announced)

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
        return self._publish_judged(uplink.gateway_id, "event/up", frame)

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
        gateway_id, _, command = topic.removeprefix(f"{self._prefix}gateway/").partition("/")
        if command != "command/down" or gateway_id not in self._gateways:
            self._tally.count(_log, "command ignored", command[:40])
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


def tls_context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """TLS as the settings say: their authority or the system's, and a client certificate if there is one."""
    context = ssl.create_default_context(cafile=ca or None)
    if cert:
        context.load_cert_chain(cert, key)
    return context


def broker_for(settings: Settings, destination: ChirpstackMqtt) -> Callable[[str], mqtt.Broker]:
    """Credentials are read anew for every connection, so that a renewed certificate needs no restart."""

    def broker(client_id: str) -> mqtt.Broker:
        password = ""
        if destination.password_file:
            password = settings.resolve(destination.password_file).read_text(encoding="utf-8").strip()
        tls = None
        if destination.server.tls:
            ca, cert, key = (
                str(settings.resolve(name)) if name else ""
                for name in (destination.ca, destination.cert, destination.key)
            )
            tls = tls_context(ca, cert, key)
        return mqtt.Broker(
            destination.server.host,
            destination.server.port,
            client_id,
            destination.username,
            password,
            tls,
            int(destination.keepalive.seconds),
        )

    return broker
