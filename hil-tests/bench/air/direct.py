"""The concentrator attached to the network-server core without sockets, for runs in virtual time.

It stands where gateway and broker stand in a live run: `UplinkFrame` up, `DownlinkFrame` down, `DownlinkTxAck`
back, each `latency_us` on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from chirpstack_api import gw

from bench.air.concentrator import Concentrator, RxPacket, TxPacket
from bench.air.forwarder import GPS_EPOCH_UNIX_S, GPS_LEAP_S
from bench.schedule import Event, Schedule

LATENCY_US = 30_000
"""One way through gateway, backhaul and broker."""

_CODE_RATES = {1: gw.CodeRate.CR_4_5, 2: gw.CodeRate.CR_4_6, 3: gw.CodeRate.CR_4_7, 4: gw.CodeRate.CR_4_8}


class Server(Protocol):
    """The network-server core: time is microseconds of the Unix epoch."""

    def handle_uplink(self, frame: Any, now_us: int) -> Iterable[Any]:
        """Take an uplink; what is to be done comes back."""

    def handle_tx_ack(self, ack: Any, now_us: int) -> Iterable[Any]:
        """Take the outcome of a downlink."""

    def poll(self, now_us: int) -> Iterable[Any]:
        """Do what is due."""

    def next_us(self) -> int | None:
        """When `poll` is wanted next."""


class DirectLink:
    """Joins one or more concentrators to a server core. Outputs that are no downlinks go to `on_output`."""

    def __init__(
        self,
        schedule: Schedule,
        server: Server,
        *,
        unix_us: int,
        on_output: Callable[[Any], None] | None = None,
        latency_us: int = LATENCY_US,
        gps: bool = True,
    ) -> None:
        self.outputs: list[Any] = []
        self.outcomes: list[str] = []
        """The status of each downlink item in order, by its name in `gw.TxAckStatus`."""
        self.connected = True
        """False is an outage of the backhaul: nothing passes, uplinks are lost."""
        self._schedule = schedule
        self._server = server
        self._unix_us = unix_us
        self._on_output = on_output or self.outputs.append
        self._latency_us = latency_us
        self._gps = gps
        self._concentrators: dict[str, Concentrator] = {}
        self._uplink_id = 0
        self._wake: Event | None = None

    def attach(self, concentrator: Concentrator, gateway_id: str) -> None:
        """Put a concentrator on the link; `gateway_id` is 16 hex digits."""
        self._concentrators[gateway_id] = concentrator
        concentrator.on_packet = lambda packet: self._up(gateway_id, packet)

    def touch(self) -> None:
        """Call after changing the server from outside (a queued downlink, say): its next deadline may have moved."""
        self._rearm()

    def _now_unix_us(self) -> int:
        return self._unix_us + self._schedule.now_us

    def _up(self, gateway_id: str, packet: RxPacket) -> None:
        if not self.connected:
            return
        frame = self._uplink_frame(gateway_id, packet)

        def arrive() -> None:
            self._take(self._server.handle_uplink(frame, self._now_unix_us()))

        self._schedule.after(self._latency_us, arrive)

    def _take(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            frame = getattr(output, "frame", None)
            if isinstance(frame, gw.DownlinkFrame):
                self._schedule.after(self._latency_us, lambda frame=frame: self._down(frame))  # type: ignore[misc]
            self._on_output(output)
        self._rearm()

    def _rearm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due_us = self._server.next_us()
        if due_us is not None:
            self._wake = self._schedule.at(max(due_us - self._unix_us, self._schedule.now_us), self._poll)

    def _poll(self) -> None:
        self._wake = None
        self._take(self._server.poll(self._now_unix_us()))

    def _uplink_frame(self, gateway_id: str, packet: RxPacket) -> Any:
        received, channel = packet.received, packet.channel
        self._uplink_id += 1
        frame = gw.UplinkFrame(phy_payload=received.payload)
        frame.tx_info.frequency = channel.freq_hz
        lora = frame.tx_info.modulation.lora
        lora.bandwidth, lora.spreading_factor = received.frame.bw_hz, received.frame.sf
        lora.code_rate = _CODE_RATES[received.frame.coding_rate]
        info = frame.rx_info
        info.gateway_id, info.uplink_id = gateway_id, self._uplink_id
        info.rssi, info.snr = round(received.rssi_dbm), round(received.snr_db, 1)
        info.channel, info.rf_chain = channel.number, channel.rf_chain
        info.context = packet.count_us.to_bytes(4, "big")
        info.crc_status = gw.CRCStatus.CRC_OK
        unix_us = self._unix_us + packet.ended_us
        info.gw_time.FromMicroseconds(unix_us)
        if self._gps:
            info.time_since_gps_epoch.FromMicroseconds(unix_us - (GPS_EPOCH_UNIX_S - GPS_LEAP_S) * 1_000_000)
        return frame

    def _down(self, frame: Any) -> None:
        concentrator = self._concentrators.get(frame.gateway_id)
        if concentrator is None or not concentrator.powered or not self.connected:
            return
        ack = gw.DownlinkTxAck(gateway_id=frame.gateway_id, downlink_id=frame.downlink_id)
        sent = False
        for item in frame.items:
            error = None if sent else concentrator.request(self._tx_packet(item, concentrator)).error
            name = "IGNORED" if sent else error or "OK"
            sent = sent or error is None
            self.outcomes.append(name)
            ack.items.add(status=gw.TxAckStatus.Value(name))

        def arrive() -> None:
            self._take(self._server.handle_tx_ack(ack, self._now_unix_us()))

        self._schedule.after(self._latency_us, arrive)

    def _tx_packet(self, item: Any, concentrator: Concentrator) -> TxPacket:
        info = item.tx_info
        lora = info.modulation.lora
        timing = info.timing
        count_us: int | None = None
        if timing.HasField("delay"):
            count_us = int.from_bytes(info.context, "big") + timing.delay.delay.ToMicroseconds()
        elif timing.HasField("gps_epoch"):
            gps_us = timing.gps_epoch.time_since_gps_epoch.ToMicroseconds()
            now_gps_us = self._now_unix_us() - (GPS_EPOCH_UNIX_S - GPS_LEAP_S) * 1_000_000
            count_us = concentrator.count_us + gps_us - now_gps_us
        coding_rate = next((rate for rate, code in _CODE_RATES.items() if code == lora.code_rate), 1)
        return TxPacket(
            payload=item.phy_payload,
            freq_hz=info.frequency,
            sf=lora.spreading_factor,
            bw_hz=lora.bandwidth,
            power_dbm=info.power,
            count_us=count_us,
            coding_rate=coding_rate,
            iq_inverted=lora.polarization_inversion,
            crc_on=not lora.no_crc,
            preamble=lora.preamble or 8,
        )
