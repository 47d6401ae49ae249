"""The MQTT shell: gateways and applications on a real broker, with ChirpStack's topics and messages.

    <prefix>/gateway/<id>/event/up|stats|ack           from gateways, protobuf or JSON
    <prefix>/gateway/<id>/command/down                 to gateways, in the encoding the gateway spoke last
    application/<id>/device/<eui>/event/<kind>         to applications, JSON
    application/<id>/device/<eui>/command/down         from applications, JSON

Defaults are ChirpStack's (QoS 0, random client id, no session kept), which means that a broker's acknowledgement to
a gateway does not say that the server got the frame; `MqttSettings` can be set to the recommended profile instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiomqtt
from chirpstack_api import gw, integration
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import DecodeError, Message
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bench.server import events
from bench.server.errors import Invalid, Refused
from bench.server.live import LiveServer
from bench.server.outputs import AppEvent, LogEvent, Output, SendDownlink
from bench.server.storage import parse_eui

RECONNECT_S = 0.5
_CANCEL_AGAIN_S = 1.0
JSON_MARK = b"gatewayId"
"""ChirpStack takes a message for JSON when this text is in it."""
EVENT_MESSAGES: dict[str, type[Message]] = {
    "up": gw.UplinkFrame,
    "stats": gw.GatewayStats,
    "ack": gw.DownlinkTxAck,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach the broker, and how much it keeps for us while we are away."""

    url: str
    """mqtt://[user[:password]@]host[:port]"""
    prefix: str = "eu868"
    """`topic_prefix` of the region; empty for none."""
    qos: int = 0
    client_id: str = ""
    """Empty: random, so no session survives."""
    session_expiry_s: int = 0

    @property
    def gateway_topic(self) -> str:
        """What stands before the gateway's id."""
        return f"{self.prefix}/gateway" if self.prefix else "gateway"


class MqttShell:
    """A thread with an event loop that is connected, or trying to be."""

    def __init__(self, live: LiveServer, settings: MqttSettings) -> None:
        self._live = live
        self._settings = settings
        self._json_gateways: set[str] = set()
        self._outbox: asyncio.Queue[tuple[str, str | bytes]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._subscribed = threading.Event()
        self._gateway_event = re.compile(rf"{re.escape(settings.gateway_topic)}/([0-9a-f]{{16}})/event/(up|stats|ack)")
        live.listen(self._publish_later)

    @property
    def subscribed(self) -> bool:
        """Whether gateways are heard now."""
        return self._subscribed.is_set()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Wait until gateways are heard; False after the timeout."""
        return self._subscribed.wait(timeout_s)

    def __enter__(self) -> MqttShell:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="server-mqtt", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        while thread.is_alive():  # `asyncio.wait_for`, which aiomqtt uses, may swallow a cancellation in CPython 3.11
            with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
                loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task else None)
            thread.join(_CANCEL_AGAIN_S)

    # ------------------------------------------------------------------------------------------- inside the loop

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        self._task = loop.create_task(self._stay_connected())
        try:
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(self._task)
        finally:
            self._loop = None
            loop.close()

    async def _stay_connected(self) -> None:
        while True:
            try:
                async with self._connected() as client:
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                log.info("broker not reachable: %s", error)
            finally:
                self._subscribed.clear()
            await asyncio.sleep(RECONNECT_S)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiomqtt.Client]:
        address = urlsplit(self._settings.url)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        async with aiomqtt.Client(
            address.hostname or "127.0.0.1",
            address.port or 1883,
            username=address.username,
            password=address.password,
            identifier=self._settings.client_id or None,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=not self._settings.client_id,
            properties=properties,
            # Nagle's algorithm holds a downlink 40 ms behind an acknowledgement, and the next one waits for it.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=logging.getLogger(f"{__name__}.client"),
        ) as client:
            yield client

    async def _serve(self, client: aiomqtt.Client) -> None:
        qos = self._settings.qos
        await client.subscribe(f"{self._settings.gateway_topic}/+/event/+", qos=qos)
        await client.subscribe("application/+/device/+/command/+", qos=qos)
        self._subscribed.set()
        sending = asyncio.create_task(self._send(client))
        try:
            async for message in client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                self.receive(message.topic.value, payload)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await sending

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            topic, payload = await self._outbox.get()
            await client.publish(topic, payload, qos=self._settings.qos)

    # --------------------------------------------------------------------------------------------------- incoming

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message from the broker. One that cannot be understood leaves a log line."""
        try:
            if found := self._gateway_event.fullmatch(topic):
                self._from_gateway(found[1], found[2], payload)
            elif topic.startswith("application/"):
                self._from_application(topic, payload)
        except (DecodeError, ParseError, Refused) as error:
            log.warning("message on %s dropped: %s", topic, error)
        except Exception:
            # A fault of ours with one message must not end the connection for all others.
            log.exception("message on %s failed", topic)

    def _from_gateway(self, gateway_id: str, kind: str, payload: bytes) -> None:
        message = EVENT_MESSAGES[kind]()
        if JSON_MARK in payload:
            self._json_gateways.add(gateway_id)
            Parse(payload, message, ignore_unknown_fields=True)
        else:
            self._json_gateways.discard(gateway_id)
            message.ParseFromString(payload)
        with self._live.turn() as turn:
            if isinstance(message, gw.UplinkFrame):
                turn.emit(turn.core.handle_uplink(message, turn.now_us))
            elif isinstance(message, gw.DownlinkTxAck):
                turn.emit(turn.core.handle_tx_ack(message, turn.now_us))
            else:
                turn.emit(turn.core.handle_stats(message, turn.now_us))

    def _from_application(self, topic: str, payload: bytes) -> None:
        _, application_id, _, dev_eui, _, command = topic.split("/")
        if command != "down":
            raise Invalid(f"unknown command {command!r}")
        down = Parse(payload, integration.DownlinkCommand())
        if down.dev_eui != dev_eui:
            raise Invalid("Payload dev_eui does not match topic dev_eui")
        with self._live.turn() as turn:
            if turn.core.storage.device(parse_eui(dev_eui)).application_id != application_id:
                raise Invalid("the device belongs to another application")
            turn.core.enqueue(
                dev_eui,
                down.f_port,
                down.data,
                confirmed=down.confirmed,
                decoded=events.struct_to_dict(down.object) if down.HasField("object") else None,
                expires_us=down.expires_at.ToMicroseconds() if down.HasField("expires_at") else None,
                item_id=down.id,
                now_us=turn.now_us,
            )

    # --------------------------------------------------------------------------------------------------- outgoing

    def _publish_later(self, output: Output, _now_us: int) -> None:
        """A listener of the live server: runs in whatever thread had the turn."""
        if isinstance(output, LogEvent):
            log.log(logging.getLevelName(output.level.upper()), "%s %s", output.text, output.fields or "")
            return
        item = self._topic_and_payload(output)
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closing: nobody will send any more
                loop.call_soon_threadsafe(self._outbox.put_nowait, item)

    def _topic_and_payload(self, output: SendDownlink | AppEvent) -> tuple[str, str | bytes]:
        if isinstance(output, AppEvent):
            topic = f"application/{output.application_id}/device/{output.dev_eui}/event/{output.kind}"
            return topic, events.to_json(output.message)
        gateway_id = output.frame.gateway_id
        topic = f"{self._settings.gateway_topic}/{gateway_id}/command/down"
        if gateway_id in self._json_gateways:
            return topic, MessageToJson(output.frame, indent=None)
        return topic, output.frame.SerializeToString()
