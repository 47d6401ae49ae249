"""The network between MQTT clients and their broker, as a TCP relay on loopback.

A cut is what a network that drops packets looks like from both ends: nothing arrives, nothing is refused. Bytes on
their way are held while it lasts. It ends either with everything arriving late, or with the connection broken and
those bytes lost. One direction can be cut alone. While a direction is cut, new connections are accepted (the SYN of a
real network would be lost; the client notices neither way before its own timeout) and get no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from bench.chaos import mqtt_wire
from bench.chaos.mqtt_wire import Packet, Packets

_CHUNK = 65_536

Ear = Callable[[bool, Packet], None]
"""Called for each packet when it was sent, whether it passes or not: (from client to broker?, packet)."""


class Link:
    """Listens on a loopback port (`port` after `start`) and relays to `broker_port`."""

    def __init__(self, broker_port: int, ear: Ear | None = None) -> None:
        self.port = 0
        self.broken = 0
        self._broker_port = broker_port
        self._ear = ear
        self._open = {True: asyncio.Event(), False: asyncio.Event()}
        for gate in self._open.values():
            gate.set()
        self._pairs: set[_Pair] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; after `refuse` on the same port again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """The broker is gone: refuse connections as its own port does."""
        if self._server is not None:
            self._server.close()

    async def stop(self) -> None:
        """Break everything and close the port."""
        self.refuse()
        self.heal(lose=True)
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """Let nothing pass any more, to the broker (`up`) or from it (`down`)."""
        if up:
            self._open[True].clear()
        if down:
            self._open[False].clear()

    def heal(self, *, lose: bool) -> None:
        """Let pass again. `lose`: what was held is lost and the connections are broken."""
        if lose:
            self.reset()
        for gate in self._open.values():
            gate.set()

    def reset(self) -> None:
        """Break all connections."""
        for pair in list(self._pairs):
            self.broken += 1
            pair.abort()

    def slip_in(self, data: bytes) -> None:
        """Send a packet to the broker in the client's name; the answer to `OWN_PACKET_ID` is kept from the client."""
        for pair in self._pairs:
            pair.slip_in(data)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        up = asyncio.create_task(self._pump(reader, far_writer, True))
        down = asyncio.create_task(self._pump(far_reader, writer, False))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            # What the one end said before it closed still has to get through.
            for out in (far_writer, writer):
                with contextlib.suppress(OSError):
                    await asyncio.wait_for(out.drain(), 1)
        finally:
            up.cancel()
            down.cancel()
            pair.close()
            self._pairs.discard(pair)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: bool) -> None:
        held: asyncio.Queue[bytes] = asyncio.Queue()
        passing = asyncio.create_task(self._pass_on(held, writer, up))
        packets = Packets()
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(_CHUNK):
                    for packet in packets.feed(data):
                        if _ours(packet):
                            continue
                        if self._ear is not None:
                            self._ear(up, packet)
                        held.put_nowait(packet.data)
                await held.join()
        finally:
            passing.cancel()

    async def _pass_on(self, held: asyncio.Queue[bytes], writer: asyncio.StreamWriter, up: bool) -> None:
        while True:
            data = await held.get()
            await self._open[up].wait()
            writer.write(data)
            held.task_done()


class _Pair:
    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._near, self._far = near, far

    def slip_in(self, data: bytes) -> None:
        self._far.write(data)

    def abort(self) -> None:
        self._near.transport.abort()
        self._far.transport.abort()

    def close(self) -> None:
        self._near.close()
        self._far.close()


def _ours(packet: Packet) -> bool:
    answers = (mqtt_wire.SUBACK, mqtt_wire.UNSUBACK)
    return packet.kind in answers and mqtt_wire.packet_id(packet) == mqtt_wire.OWN_PACKET_ID
