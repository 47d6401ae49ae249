"""One MQTT 5 connection on asyncio: paho does the protocol, this file moves its socket into the event loop.

paho is used directly, because it hands out the reason code of every PUBACK; wrappers above it swallow that code, and
"no matching subscribers" (0x10) decides whether a frame may be forgotten.

A connection object lives for one connection. After `closed` is done it is of no use any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import LinkLost, LinkRefused
from gateway.forwarders.wire import Wire

# MQTT 5.0 section 3.4.2.1: success, and "no matching subscribers". From 0x80 on a reason is an error.
SUCCESS = 0x00
NO_SUBSCRIBER = 0x10
_FIRST_ERROR = 0x80

_CONNECT_PATIENCE_S = 5.0
_ANSWER_PATIENCE_S = 10.0
# A PUBACK takes a round trip. After this the path is taken for dead, long before TCP notices.
_PUBACK_PATIENCE_S = 10.0
_MISC_INTERVAL_S = 1.0
# Gateway commands are a few hundred bytes; Receive Maximum keeps a broker from flooding us with QoS 1 messages.
_RECEIVE_MAXIMUM = 50

OnMessage = Callable[[str, bytes], None]
OnDelivery = Callable[[str, bytes, int], None]


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect, and as whom."""

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 30


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the connection ends without a farewell."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """For a consumer that must not miss a message: the broker keeps subscriptions and messages for `expiry_s` seconds
    after a loss of the connection, and `on_delivery` gets every message with a number that it acknowledges itself
    (`Connection.acknowledge`); until then the message is the broker's and comes again. At most `receive_maximum` are
    unacknowledged.
    """

    expiry_s: int
    on_delivery: OnDelivery
    receive_maximum: int


class Connection:
    """Use `Connection.open`. `closed` ends with a word on why."""

    def __init__(
        self,
        broker: Broker,
        will: Will,
        on_message: OnMessage,
        session: Session | None = None,
        wire: Wire | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._broker = broker
        self._wire = wire or Wire()
        self._on_message = on_message
        self._session = session
        self._connected: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._publishing: dict[int, tuple[float, asyncio.Future[int]]] = {}
        self._subscribing: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._misc: asyncio.Task[None] | None = None
        self._abandoned = threading.Event()
        self._client = self._make_client(will)

    def _make_client(self, will: Will) -> paho.Client:
        broker = self._broker
        client = paho.Client(
            CallbackAPIVersion.VERSION2, broker.client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = _CONNECT_PATIENCE_S
        client.manual_ack_set(self._session is not None)
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.on_connect = self._paho_connect
        client.on_disconnect = self._paho_disconnect
        client.on_publish = self._paho_publish
        client.on_subscribe = self._paho_subscribe
        client.on_message = self._paho_message
        client.on_socket_open = self._paho_socket_open
        client.on_socket_close = self._paho_socket_close
        client.on_socket_register_write = self._paho_register_write
        client.on_socket_unregister_write = self._paho_unregister_write
        return client

    @classmethod
    async def open(
        cls,
        broker: Broker,
        will: Will,
        on_message: OnMessage,
        session: Session | None = None,
        wire: Wire | None = None,
    ) -> Connection:
        """Connect. With `session`, messages go to its `on_delivery` and `on_message` is not called.

        `wire` counts what the connection costs. Raises LinkLost (cannot be reached) or LinkRefused (answered no).
        """
        connection = cls(broker, will, on_message, session, wire)
        try:
            await asyncio.to_thread(connection._connect)
            async with asyncio.timeout(_ANSWER_PATIENCE_S):
                reason = await connection._connack()
        except LinkLost:
            raise
        except TimeoutError:
            connection._end("no answer")
            raise LinkLost("no answer") from None
        except (OSError, ValueError) as error:
            connection._end(str(error))
            connection._wire.failed(broker.tls is not None)
            raise LinkLost(str(error) or type(error).__name__) from None
        except BaseException:
            connection._abandoned.set()
            connection._end("abandoned")
            raise
        if reason.is_failure:
            connection._end(str(reason))
            raise LinkRefused(str(reason))
        connection._misc = asyncio.create_task(connection._keep_up(), name="mqtt-keepalive")
        return connection

    def _connect(self) -> None:
        """In a worker thread: name look-up, TCP and TLS handshake block."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session, broker = self._session, self._broker
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM if session is None else session.receive_maximum
        if session is not None:
            properties.SessionExpiryInterval = session.expiry_s
        self._client.connect(
            broker.host, broker.port, broker.keepalive_s, clean_start=session is None, properties=properties
        )
        if self._abandoned.is_set():
            self._client.disconnect()

    async def _connack(self) -> ReasonCode:
        """The broker's answer. A refused certificate shows only now, as a closed connection (TLS 1.3)."""
        await asyncio.wait((self._connected, self.closed), return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            raise LinkLost(self.closed.result())
        return self._connected.result()

    # Use

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> asyncio.Future[int]:
        """Publish with QoS 1; the future ends with the reason code of the PUBACK, or LinkLost."""
        done: asyncio.Future[int] = self._loop.create_future()
        if self.closed.done():
            done.set_exception(LinkLost(self.closed.result()))
            return done
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            done.set_exception(LinkLost(paho.error_string(info.rc)))
            return done
        self._publishing[info.mid] = (time.monotonic(), done)
        return done

    def acknowledge(self, numbers: Iterable[int]) -> None:
        """Tell the broker that these messages of a `Session` are ours now, in the order they came."""
        for number in numbers:
            if not self.closed.done():
                self._client.ack(number, 1)

    def unsubscribe(self, topics: list[str]) -> None:
        """What an earlier connection of the session subscribed to and this one does not want."""
        if topics and not self.closed.done():
            self._client.unsubscribe(topics)

    async def subscribe(self, topics: list[str]) -> None:
        """Subscribe with QoS 1 and wait for the SUBACK. Raises LinkRefused, LinkLost."""
        code, mid = self._client.subscribe([(topic, 1) for topic in topics])
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise LinkLost(paho.error_string(code))
        answer = self._subscribing[mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(_ANSWER_PATIENCE_S):
                reasons = await answer
        except TimeoutError:
            raise LinkLost("no SUBACK") from None
        finally:
            self._subscribing.pop(mid, None)
        refused = [f"{topic}: {reason}" for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure]
        if refused:
            raise LinkRefused("; ".join(refused))

    def close(self) -> None:
        """Say goodbye; the broker does not publish the will then."""
        if not self.closed.done():
            self._client.disconnect()
            # With socket callbacks paho leaves writing to the event loop, which gets no chance any more.
            self._guard(self._client.loop_write)
        self._end("closed")

    def abort(self, why: str) -> None:
        """End without goodbye; the broker publishes the will."""
        self._end(why)

    # The life of the connection

    async def _keep_up(self) -> None:
        while not self.closed.done():
            await asyncio.sleep(_MISC_INTERVAL_S)
            code = self._client.loop_misc()
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end(paho.error_string(code))
            oldest = next(iter(self._publishing.values()), None)
            if oldest is not None and time.monotonic() - oldest[0] > _PUBACK_PATIENCE_S:
                self._end(f"no PUBACK within {_PUBACK_PATIENCE_S:.0f} s")

    def _end(self, why: str) -> None:
        """Everybody who waits for an answer gets to know that there will be none."""
        if self.closed.done():
            return
        self.closed.set_result(why)
        if self._misc is not None:
            self._misc.cancel()
        sock = self._client.socket()
        if sock is not None:
            self._paho_socket_close(self._client, None, sock)
            with contextlib.suppress(OSError):
                sock.close()
        for _, future in self._publishing.values():
            if not future.done():
                future.set_exception(LinkLost(why))
        self._publishing.clear()
        for answer in self._subscribing.values():
            if not answer.done():
                answer.set_exception(LinkLost(why))

    def _guard(self, step: Callable[[], Any]) -> None:
        """Run a step of paho. What a broken peer makes it raise ends the connection, not the program."""
        try:
            step()
        except Exception as error:
            self._end(f"{type(error).__name__}: {error}")

    # Callbacks of paho. Socket callbacks may come from the connecting thread.

    def _paho_connect(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not self._connected.done():
            self._connected.set_result(reason)

    def _paho_disconnect(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._loop.call_soon_threadsafe(self._end, str(reason))

    def _paho_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        _, future = self._publishing.pop(mid, (0.0, None))
        if future is not None and not future.done():
            future.set_result(reason.value)

    def _paho_subscribe(self, _c: Any, _u: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        answer = self._subscribing.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reasons)

    def _paho_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        if self._session is None:
            self._on_message(message.topic, bytes(message.payload))
        else:
            self._session.on_delivery(message.topic, bytes(message.payload), message.mid if message.qos else 0)

    def _paho_socket_open(self, client: paho.Client, _u: Any, sock: Any) -> None:
        self._wire.attach(sock)
        # Nagle's algorithm would hold a message up to 40 ms behind an acknowledgement: too long for a receive window.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.call_soon_threadsafe(self._read_from, client, sock)

    def _read_from(self, client: paho.Client, sock: Any) -> None:
        if not self.closed.done() and sock.fileno() >= 0:
            self._loop.add_reader(sock.fileno(), self._guard, lambda: self._read(client, sock))

    @staticmethod
    def _read(client: paho.Client, sock: socket.socket | ssl.SSLSocket) -> None:
        client.loop_read()
        # TLS may have decrypted more than paho took; no event will tell.
        while isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending():
            client.loop_read()

    def _paho_socket_close(self, _c: Any, _u: Any, sock: Any) -> None:
        self._wire.detach()
        fileno = sock.fileno()
        if fileno >= 0:
            self._loop.remove_reader(fileno)
            self._loop.remove_writer(fileno)

    def _paho_register_write(self, client: paho.Client, _u: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._write_to, client, sock)

    def _write_to(self, client: paho.Client, sock: Any) -> None:
        if not self.closed.done() and sock.fileno() >= 0 and client.want_write():
            self._loop.add_writer(sock.fileno(), self._guard, client.loop_write)

    def _paho_unregister_write(self, _c: Any, _u: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())
