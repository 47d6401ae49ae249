"""The Semtech packet forwarder `lora_pkt_fwd` without its sockets: datagrams in, datagrams out, time by the schedule.

Source: sx1302_hal `packet_forwarder/PROTOCOL.md` v1.6 and `lora_pkt_fwd.c`. Behaviour that matters to a relay, and
that is therefore kept:

* The upstream thread looks for frames every 10 ms, sends what it finds in one PUSH_DATA, and waits at most 100 ms for
  PUSH_ACK. An unacknowledged PUSH_DATA is never sent again.
* PULL_DATA goes out every few seconds; PULL_RESP is taken at any time and answered by TX_ACK at once, before the
  frame has been transmitted.
* Answers with another version, an unknown type or a foreign token are ignored.
"""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.air.concentrator import Concentrator, RxPacket, TxPacket
from bench.schedule import Event, Schedule

VERSION = 2
PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)

FETCH_US = 10_000  # FETCH_SLEEP_MS
FETCH_PACKETS = 255  # NB_PKT_MAX
PUSH_PATIENCE_US = 100_000  # PUSH_TIMEOUT_MS
KEEPALIVE_US = 5_000_000
STAT_US = 30_000_000

GPS_EPOCH_UNIX_S = 315_964_800
GPS_LEAP_S = 18

Send = Callable[[bytes], None]


@dataclass(slots=True)
class ForwardedUplink:
    """One frame handed to the backend, for the account of losses."""

    packet: RxPacket
    sent_us: int
    acknowledged_us: int | None = None


@dataclass(slots=True)
class _Push:
    token: bytes
    uplinks: list[ForwardedUplink]


class PacketForwarder:
    """One forwarder process. `send_up` and `send_down` go out of its two sockets.

    `unix_us` is the Unix time in microseconds at bench time 0; with `gps` frames carry `time` and `tmms`.
    """

    def __init__(
        self,
        schedule: Schedule,
        concentrator: Concentrator,
        gateway_eui: str,
        *,
        send_up: Send,
        send_down: Send,
        unix_us: int,
        gps: bool = False,
        seed: int = 0,
        keepalive_us: int = KEEPALIVE_US,
        stat_us: int = STAT_US,
    ) -> None:
        self.uplinks: list[ForwardedUplink] = []
        self.pushes = self.push_acks = self.pulls = self.pull_acks = self.downlinks = 0
        self.outcomes: list[str] = []
        """The word of each TX_ACK, in order; NONE for accepted."""
        self._schedule = schedule
        self._concentrator = concentrator
        self._eui = bytes.fromhex(gateway_eui)
        self._send_up = send_up
        self._send_down = send_down
        self._unix_us = unix_us
        self._gps = gps
        self._random = random.Random(f"forwarder/{gateway_eui}/{seed}")
        self._keepalive_us = keepalive_us
        self._stat_us = stat_us
        self._fetched: list[RxPacket] = []
        self._fetch: Event | None = None
        self._waiting: _Push | None = None
        self._patience: Event | None = None
        self._pull_token = b""
        self._beats: list[Event] = []
        self._stat_due = False
        self._counted = {"rxnb": 0, "rxok": 0, "rxfw": 0, "pushes": 0, "acks": 0, "dwnb": 0, "txnb": 0}
        self._forwarded = 0
        concentrator.on_packet = self._heard

    def start(self) -> None:
        """Begin keepalives and statistics."""
        self._pull()
        self._beats.append(self._schedule.after(self._stat_us, self._statistics))

    def stop(self) -> None:
        """The process ends; frames that were not sent yet are lost with it."""
        for event in (*self._beats, self._fetch, self._patience):
            if event is not None:
                event.cancel()
        self._beats.clear()
        self._fetch = self._patience = self._waiting = None
        self._fetched.clear()
        self._concentrator.on_packet = None

    # Up

    def _heard(self, packet: RxPacket) -> None:
        self._fetched.append(packet)
        self._want_fetch()

    def _want_fetch(self) -> None:
        if self._fetch is None and self._waiting is None:
            next_look_us = (self._schedule.now_us // FETCH_US + 1) * FETCH_US
            self._fetch = self._schedule.at(next_look_us, self._push)

    def _push(self) -> None:
        self._fetch = None
        packets, self._fetched = self._fetched[:FETCH_PACKETS], self._fetched[FETCH_PACKETS:]
        body: dict[str, Any] = {}
        if packets:
            body["rxpk"] = [self._rxpk(packet) for packet in packets]
        if self._stat_due:
            body["stat"] = self._stat()
            self._stat_due = False
        if not body:
            return
        uplinks = [ForwardedUplink(packet, self._schedule.now_us) for packet in packets]
        token = self._random.randbytes(2)
        self.uplinks += uplinks
        self._forwarded += len(packets)
        self.pushes += 1
        self._waiting = _Push(token, uplinks)
        self._patience = self._schedule.after(PUSH_PATIENCE_US, self._give_up)
        self._send_up(bytes((VERSION, *token, PUSH_DATA)) + self._eui + _compact(body))

    def _give_up(self) -> None:
        self._waiting = self._patience = None
        if self._fetched or self._stat_due:
            self._want_fetch()

    def up_received(self, datagram: bytes) -> None:
        """A datagram on the upstream socket."""
        waiting = self._waiting
        if len(datagram) < 4 or datagram[0] != VERSION or datagram[3] != PUSH_ACK:
            return
        if waiting is None or datagram[1:3] != waiting.token:
            return  # too late, or for somebody else
        self.push_acks += 1
        for uplink in waiting.uplinks:
            uplink.acknowledged_us = self._schedule.now_us
        if self._patience is not None:
            self._patience.cancel()
        self._give_up()

    def _rxpk(self, packet: RxPacket) -> dict[str, Any]:
        frame, received = packet.received.frame, packet.received
        rxpk: dict[str, Any] = {"jver": 1, "tmst": packet.count_us}
        if self._gps:
            unix_us = self._unix_us + packet.ended_us
            rxpk["time"] = (
                f"{datetime.fromtimestamp(unix_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{unix_us % 1_000_000:06d}Z"
            )
            rxpk["tmms"] = unix_us // 1000 - (GPS_EPOCH_UNIX_S - GPS_LEAP_S) * 1000
        rxpk |= {
            "chan": packet.channel.number,
            "rfch": packet.channel.rf_chain,
            "freq": packet.channel.freq_hz / 1_000_000,
            "mid": 0,
            "stat": 1,
            "modu": "LORA",
            "datr": f"SF{frame.sf}BW{frame.bw_hz // 1000}",
            "codr": f"4/{4 + frame.coding_rate}",
            "rssis": round(received.rssi_dbm),
            "lsnr": round(received.snr_db, 1),
            "foff": 0,
            "rssi": round(received.rssi_dbm),
            "size": len(received.payload),
            "data": base64.b64encode(received.payload).decode("ascii"),
        }
        return rxpk

    def _statistics(self) -> None:
        self._beats = [event for event in self._beats if event.action is not None]
        self._beats.append(self._schedule.after(self._stat_us, self._statistics))
        self._stat_due = True
        self._want_fetch()

    def _stat(self) -> dict[str, Any]:
        now = {
            "rxnb": self._concentrator.received,
            "rxok": self._forwarded + len(self._fetched),
            "rxfw": self._forwarded,
            "pushes": self.pushes,
            "acks": self.push_acks,
            "dwnb": self.downlinks,
            "txnb": self._concentrator.transmitted,
        }
        since = {name: count - self._counted[name] for name, count in now.items()}
        self._counted = now
        unix_s = (self._unix_us + self._schedule.now_us) // 1_000_000
        return {
            "time": f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S} GMT",
            "rxnb": since["rxnb"],
            "rxok": since["rxok"],
            "rxfw": since["rxfw"],
            "ackr": round(100 * since["acks"] / since["pushes"], 1) if since["pushes"] else 0.0,
            "dwnb": since["dwnb"],
            "txnb": since["txnb"],
        }

    # Down

    def _pull(self) -> None:
        self._beats = [event for event in self._beats if event.action is not None]
        self._beats.append(self._schedule.after(self._keepalive_us, self._pull))
        self._pull_token = self._random.randbytes(2)
        self.pulls += 1
        self._send_down(bytes((VERSION, *self._pull_token, PULL_DATA)) + self._eui)

    def down_received(self, datagram: bytes) -> None:
        """A datagram on the downstream socket."""
        if len(datagram) < 4 or datagram[0] != VERSION:
            return
        if datagram[3] == PULL_ACK:
            self.pull_acks += datagram[1:3] == self._pull_token
        elif datagram[3] == PULL_RESP:
            self._transmit(datagram[1:3], datagram[4:])

    def _transmit(self, token: bytes, body: bytes) -> None:
        self.downlinks += 1
        try:
            txpk = json.loads(body)["txpk"]
            packet = self._tx_packet(txpk)
        except (ValueError, KeyError, TypeError, binascii.Error):
            return  # lora_pkt_fwd logs "TX aborted" and answers nothing
        if packet is None:
            self._acknowledge(token, "GPS_UNLOCKED", None)
            return
        outcome = self._concentrator.request(packet)
        self._acknowledge(token, outcome.error, outcome.power_dbm)

    def _tx_packet(self, txpk: dict[str, Any]) -> TxPacket | None:
        """The request; None when it asks for GPS time and there is none."""
        count_us: int | None
        if txpk.get("imme"):
            count_us = None
        elif "tmst" in txpk:
            count_us = int(txpk["tmst"])
        else:
            gps_us = int(txpk["tmms"]) * 1000
            if not self._gps:
                return None
            now_gps_us = self._unix_us + self._schedule.now_us - (GPS_EPOCH_UNIX_S - GPS_LEAP_S) * 1_000_000
            count_us = self._concentrator.count_us + gps_us - now_gps_us
        if txpk["modu"] != "LORA":
            raise ValueError("this concentrator sends LoRa")
        sf, bandwidth = str(txpk["datr"]).removeprefix("SF").split("BW")
        return TxPacket(
            payload=base64.b64decode(_padded(txpk["data"])),
            freq_hz=round(float(txpk["freq"]) * 1_000_000),
            sf=int(sf),
            bw_hz=int(bandwidth) * 1000,
            power_dbm=int(txpk.get("powe", 14)),
            count_us=count_us,
            coding_rate=int(str(txpk["codr"]).removeprefix("4/")) - 4,
            iq_inverted=bool(txpk.get("ipol", False)),
            crc_on=not txpk.get("ncrc", False),
            preamble=max(int(txpk.get("prea", 8)), 6),
        )

    def _acknowledge(self, token: bytes, error: str | None, power_dbm: int | None) -> None:
        self.outcomes.append(error or "NONE")
        head = bytes((VERSION, *token, TX_ACK)) + self._eui
        if error is not None:
            self._send_down(head + _compact({"txpk_ack": {"error": error}}))
        elif power_dbm is not None:
            self._send_down(head + _compact({"txpk_ack": {"warn": "TX_POWER", "value": power_dbm}}))
        else:
            self._send_down(head + _compact({"txpk_ack": {"error": "NONE"}}))


def _compact(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
