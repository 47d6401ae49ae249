"""A stand-in for ChirpStack Concentratord: genuine ZeroMQ sockets, a PUB and a REP, and its answers."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import zmq
from chirpstack_api import gw

from tests.gateway.kit import EUI, PATIENCE_S


class Concentratord:
    """Binds both sockets under `directory`. `silent`: takes commands and never answers. `answers`: bytes to give next
    instead of its own.
    """

    def __init__(self, directory: Path, gateway_id: str = EUI) -> None:
        self.event_url = f"ipc://{directory}/event"
        self.command_url = f"ipc://{directory}/command"
        self.gateway_id = gateway_id
        self.silent = False
        self.status = gw.OK
        self.answers: list[bytes] = []
        self.commands: list[Any] = []
        self.start()

    def start(self) -> None:
        self._context = zmq.Context()
        self._events = self._context.socket(zmq.XPUB)
        self._events.setsockopt(zmq.SNDHWM, 100_000)
        self._events.bind(self.event_url)
        self._ending = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As if it were killed: what waits in its sockets is gone."""
        self._ending = True
        self._thread.join(PATIENCE_S)
        self._events.close(linger=0)
        self._context.term()

    def wait_subscriber(self) -> None:
        assert self._events.poll(PATIENCE_S * 1000), "nobody subscribes"
        assert self._events.recv() == b"\x01"

    def _serve(self) -> None:
        replies = self._context.socket(zmq.REP)
        replies.setsockopt(zmq.LINGER, 0)
        replies.bind(self.command_url)
        while not self._ending:
            if not replies.poll(20):
                continue
            answer = self._answer(replies.recv())
            if self.silent:
                # A REP socket must answer before it hears the next request; a stuck daemon does neither.
                while self.silent and not self._ending:
                    time.sleep(0.005)
                if self._ending:
                    break
            replies.send(answer)
        replies.close()

    def _answer(self, data: bytes) -> bytes:
        command = gw.Command()
        try:
            command.ParseFromString(data)
        except Exception:
            return b""
        self.commands.append(command)
        if self.answers:
            return self.answers.pop(0)
        kind = command.WhichOneof("command")
        if kind == "get_gateway_id":
            return gw.GetGatewayIdResponse(gateway_id=self.gateway_id).SerializeToString()
        if kind == "send_downlink_frame":
            frame = command.send_downlink_frame
            ack = gw.DownlinkTxAck(gateway_id=self.gateway_id, downlink_id=frame.downlink_id)
            for _ in frame.items:
                ack.items.add().status = self.status
            return ack.SerializeToString()
        return b""

    def orders(self) -> list[Any]:
        return [one.send_downlink_frame for one in self.commands if one.HasField("send_downlink_frame")]

    def publish(self, event: Any) -> None:
        self._events.send(event if isinstance(event, bytes) else event.SerializeToString())

    def __enter__(self) -> Concentratord:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def uplink_event(phy_payload: bytes, gateway_id: str = EUI, context: bytes = b"\0\0\x04\xd2", **changes: Any) -> Any:
    event = gw.Event()
    frame = event.uplink_frame
    frame.phy_payload = phy_payload
    frame.tx_info.frequency = 868_100_000
    lora = frame.tx_info.modulation.lora
    lora.bandwidth, lora.spreading_factor, lora.code_rate = 125_000, 7, gw.CR_4_5
    info = frame.rx_info
    info.gateway_id, info.uplink_id, info.rssi, info.snr = gateway_id, 4711, -60, 7.5
    info.context, info.crc_status = context, gw.CRC_OK
    info.gw_time.seconds = 1_600_000_000  # wrong on purpose: it is the clock of the machine, and the gateway's own
    for key, value in changes.items():
        setattr(info, key, value)
    return event


def stats_event(received: int, gateway_id: str = EUI) -> Any:
    event = gw.Event()
    stats = event.gateway_stats
    stats.gateway_id, stats.rx_packets_received, stats.rx_packets_received_ok = gateway_id, received, received - 1
    stats.rx_packets_per_frequency[868_100_000] = received
    stats.tx_packets_per_status["OK"] = 2
    counter = stats.rx_packets_per_modulation.add(count=received)
    counter.modulation.lora.bandwidth, counter.modulation.lora.spreading_factor = 125_000, 7
    counter.modulation.lora.code_rate = gw.CR_4_5
    stats.location.latitude, stats.location.longitude = 51.5, 7.4
    return event
