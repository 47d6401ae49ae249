"""The socket of packet forwarders: what waits in it goes before everything else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from gateway.frames import GatewayReport, Uplink
from gateway.logs import Tally
from gateway.setting_types import Address
from gateway.sources import semtech_udp
from gateway.sources.port import Source
from gateway.sources.semtech_udp import SemtechUdpSource
from tests.gateway.kit import FakeClock, data_frame, push_data, rxpk


class Sink:
    """Stores nothing, acknowledges at once, and notes in which turn of the loop a frame came."""

    def __init__(self) -> None:
        self.turns: list[int] = []
        self.turn = 0

    def receive(self, uplinks: Sequence[Uplink]) -> asyncio.Future[bool]:
        self.turns += [self.turn] * len(uplinks)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        done.set_result(True)
        return done

    def report(self, report: GatewayReport) -> None: ...

    def concentrator(self, gateway_id: str, source: Source) -> None: ...


def test_datagrams_that_wait_are_taken_together_but_not_without_end() -> None:
    most = semtech_udp._MOST_IN_TURN

    async def scenario() -> None:
        sink = Sink()
        source = SemtechUdpSource(Address.of("127.0.0.1", 0), "", sink, FakeClock(), Tally())
        address = await source.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forwarder:
            forwarder.connect((address.host, address.port))
            for number in range(most + 8):
                forwarder.send(push_data([rxpk(data_frame(7, number))], token=number))
            while len(sink.turns) < most + 8:
                sink.turn += 1
                await asyncio.sleep(0)
            assert [sink.turns.count(turn) for turn in sorted(set(sink.turns))] == [most, 8]
            await asyncio.sleep(0)  # acknowledgements leave when the sink's word has gone round
            forwarder.settimeout(5)
            assert [len(forwarder.recv(64)) for _ in range(most + 8)] == [4] * (most + 8)
        await source.stop()

    asyncio.run(asyncio.wait_for(scenario(), 10))
