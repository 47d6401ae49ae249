"""A frame as a line for people and as an object for programs: when, where, what, and why it came to nothing.

No key and no decrypted payload is in any of them; keys serve to read MAC commands on port 0 and Join-Accepts only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.air.transmission import FrameRecord
from bench.server.crypto import SessionKeys
from firmware.lorawan import explain
from firmware.lorawan.errors import Malformed

_SHOWN = (
    "join_eui",
    "dev_eui",
    "dev_nonce",
    "join_nonce",
    "net_id",
    "devaddr",
    "fcnt16",
    "fport",
    "adr",
    "adr_ack_req",
    "ack",
    "fpending",
    "rx1_dr_offset",
    "rx2_dr",
    "rx_delay",
)
"""Fields of `explain` that may be shown; everything else in it may hold or lead to secrets."""
_FLAGS = {"adr": "ADR", "adr_ack_req": "ADRACKReq", "ack": "ACK", "fpending": "FPending"}
_WORDS = {"join_eui": "JoinEUI", "dev_eui": "DevEUI", "dev_nonce": "DevNonce", "join_nonce": "JoinNonce"}


@dataclass(frozen=True, slots=True)
class FrameLine:
    """One frame. `reason` is why it was not heard or not accepted, empty when it was accepted."""

    time_us: int
    sender: str
    downlink: bool
    receiver: str | None
    """The node a downlink is for, if known."""
    header: dict[str, Any]
    record: FrameRecord
    channel: int | None
    place: str
    """The channel, for people."""
    accepted: bool
    reason: str

    def as_dict(self) -> dict[str, object]:
        """For a line of JSON."""
        frame = self.record.frame
        plain = self.record.as_dict()
        return {
            "event": "frame",
            "time_s": frame.start_us / 1_000_000,
            "sender": self.sender,
            "for": self.receiver,
            "downlink": self.downlink,
            "channel": self.channel,
            "freq_hz": frame.freq_hz,
            "sf": frame.sf,
            "bw_hz": frame.bw_hz,
            "airtime_us": frame.end_us - frame.start_us,
            "power_dbm": frame.power_dbm,
            "size": len(frame.payload),
            "header": self.header,
            "heard": plain["heard"],
            "unheard": plain["unheard"],
            "accepted": self.accepted,
            "reason": self.reason,
        }

    def text(self, width: int) -> str:
        """For people; `width` of the column of names."""
        frame = self.record.frame
        arrow = "<" if self.downlink else ">"
        who = (self.receiver or "?") if self.downlink else self.sender
        place = f"{frame.freq_hz / 1_000_000:.3f} {self.place:<4} SF{frame.sf:<2}"
        outcome = "ok" if self.accepted else self.reason
        return f"{_clock(self.time_us)}  {place} {arrow} {who:<{width}}  {_header_text(self.header)}  | {outcome}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a node, a gateway or the server has to say."""

    time_us: int
    who: str
    said: str

    def as_dict(self) -> dict[str, object]:
        """For a line of JSON."""
        return {"event": "remark", "time_s": self.time_us / 1_000_000, "who": self.who, "text": self.said}

    def text(self, width: int) -> str:
        """For people."""
        return f"{_clock(self.time_us)}  {'':<17} * {self.who:<{width}}  {self.said}"


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """What became of a node. `accepted` of its `sent` frames, repetitions counted."""

    time_us: int
    name: str
    joined: bool
    sent: int
    accepted: int

    def as_dict(self) -> dict[str, object]:
        """For a line of JSON."""
        return {
            "event": "summary",
            "node": self.name,
            "joined": self.joined,
            "frames": self.sent,
            "accepted": self.accepted,
        }

    def text(self, width: int) -> str:
        """For people."""
        word = "joined" if self.joined else "never joined"
        return f"{self.name:<{width}}  {word}; {self.accepted} of {self.sent} frames accepted by the server"


Line = FrameLine | Remark | NodeSummary


class Teller:
    """Knows what a run knew. `verdicts`: (record number, judge) to the reason of a refusal; judge "" is the server."""

    def __init__(
        self,
        *,
        gateways: list[str],
        channels: Mapping[int, int],
        downlink_channels: Mapping[int, int],
        keys: Mapping[str, SessionKeys],
        verdicts: Mapping[tuple[int, str], str],
        app_keys: Mapping[str, bytes],
        target: Callable[[bytes], str | None],
    ) -> None:
        self._gateways = gateways
        self._channels = channels
        self._downlink_channels = downlink_channels
        self._keys = keys
        self._verdicts = verdicts
        self._app_keys = app_keys
        self._target = target

    def frame(self, record: FrameRecord) -> FrameLine:
        """The line of a frame that is over."""
        frame = record.frame
        downlink = frame.sender in self._gateways
        receiver = self._target(frame.payload) if downlink else None
        reason = self._fate_down(record, receiver) if downlink else self._fate_up(record)
        return FrameLine(
            time_us=frame.start_us,
            sender=frame.sender,
            downlink=downlink,
            receiver=receiver,
            header=self._header(frame.payload, receiver),
            record=record,
            channel=self._channels.get(frame.freq_hz),
            place=self._place(frame.freq_hz, downlink=downlink),
            accepted=not reason,
            reason=reason,
        )

    def _place(self, freq_hz: int, *, downlink: bool) -> str:
        if downlink and freq_hz in self._downlink_channels:
            return f"dn{self._downlink_channels[freq_hz]}"
        if freq_hz in self._channels:
            return f"ch{self._channels[freq_hz]}"
        return "RX2" if downlink else "-"

    def _fate_up(self, record: FrameRecord) -> str:
        heard = [name for name in self._gateways if name in record.heard]
        if not heard:
            reasons = (f"{name}: {record.unheard.get(name, 'switched off')}" for name in self._gateways)
            return "not heard by " + "; ".join(reasons)
        verdict = self._verdicts.get((record.number, ""))
        if verdict is None:
            return f"heard by {', '.join(heard)}, but it never reached the server"
        return f"refused by the server: {verdict}" if verdict else ""

    def _fate_down(self, record: FrameRecord, receiver: str | None) -> str:
        if receiver is None:
            return "for no node of this scenario"
        if receiver not in record.heard:
            return f"not heard by {receiver}: {record.unheard.get(receiver, 'the run ended before')}"
        verdict = self._verdicts.get((record.number, receiver), "its window was over, the frame was not read")
        return f"refused by {receiver}: {verdict}" if verdict else ""

    def _header(self, payload: bytes, receiver: str | None) -> dict[str, Any]:
        try:
            found = explain.explain(payload, app_key=self._app_keys.get(receiver or ""))
            keys = self._keys.get(found.get("devaddr", ""))
            if keys is not None and found["mtype"] != "JoinAccept":
                found = explain.explain(payload, nwk_skey=keys.nwk_s_key)
        except Malformed as error:
            return {"type": "unreadable", "why": str(error)}
        if found["mtype"] == "JoinAccept" and not found.get("mic_valid"):
            return {"type": "JoinAccept"}  # of another key: what it decrypts to means nothing
        header = {"type": found["mtype"]}
        header |= {name: found[name] for name in _SHOWN if name in found and found[name] is not None}
        if found.get("mic_valid", True):
            header["commands"] = found.get("commands", [])
        return header


def _header_text(header: Mapping[str, Any]) -> str:
    parts = [header["type"].replace("Data", "")]
    parts += [f"{word} {header[name]}" for name, word in _WORDS.items() if name in header]
    if "devaddr" in header:
        parts.append(header["devaddr"])
    if "fcnt16" in header:
        parts.append(f"FCnt {header['fcnt16']}")
    if "fport" in header:
        parts.append(f"port {header['fport']}")
    parts += [word for name, word in _FLAGS.items() if header.get(name)]
    for command in header.get("commands", []):
        fields = ", ".join(f"{name}={value}" for name, value in command.items() if name != "command")
        parts.append(f"{command['command'] or 'unknown'}({fields})")
    return " ".join(str(part) for part in parts)


def _clock(time_us: int) -> str:
    milliseconds = time_us // 1000
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
