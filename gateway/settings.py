"""The settings file: one TOML file, one frozen value a component, every complaint with line and key.

Unknown keys are refused, so that a misspelt one cannot be silently without effect. Relative paths in the file are
relative to the file. Nothing secret stands in it: passwords and keys are files of their own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from gateway.setting_types import (
    Address,
    BrokerUrl,
    DevAddrPrefix,
    Duration,
    GatewayId,
    JoinEuiPrefix,
    ZmqUrl,
)
from gateway.settings_reader import Reader, Section, document, read_text

_DAY = Duration.parse("1d")
# ChirpStack forgets device sessions after 31 days (device_session_ttl): older frames can only be refused.
_LONGEST_AGE = Duration.parse("31d")
_SMALLEST_SPOOL_BYTES = 1 << 20
# Less is used up by keepalives and connecting.
_SMALLEST_BUDGET_BYTES = 1 << 20
# Frames of a device are counted up to here with every frame stored: the cost of an append must stay small.
_MOST_COUNTED = 1000


class Gateway(Section, frozen=True):
    """[gateway]. With `id` = "auto" every concentrator is served under the EUI it reports itself; with an EUI only
    that one is, it is announced from the start, and all others are refused and counted.
    `duty_cycle`: whose limits downlinks keep, see `gateway.duty`; elsewhere than in Europe "off".
    `clock` tells whether the machine's time may be believed: "auto" asks the kernel.
    """

    id: GatewayId = GatewayId("auto")
    duty_cycle: Literal["EU868", "off"] = "EU868"
    clock: Literal["auto", "always", "never"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Spool(Section, frozen=True):
    """[spool]: the durable buffer. `durability`: see `gateway.spool`."""

    path: str = "spool.db"
    durability: Literal["paranoid", "balanced", "wear-saving"] = "balanced"
    max_bytes: int = 256 << 20
    max_age: Duration = Duration(7 * _DAY)


class SemtechUdpSource(Section, frozen=True, tag="semtech_udp", tag_field="type"):
    """[[source]] type = "semtech_udp": packet forwarders send here (lora_pkt_fwd and its relatives)."""

    bind: Address

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.bind


class BasicsStation(Section, frozen=True, kw_only=True, tag="basics_station", tag_field="type"):
    """[[source]] type = "basics_station": stations connect here by WebSocket. With cert and key over TLS, with `ca`
    only with a client certificate of that authority, with token_file only with that Authorization header.
    """

    bind: Address
    region: Literal["EU868", "US915", "AU915", "AS923-1", "AS923-2", "AS923-3", "AS923-4", "KR920", "IN865"] = "EU868"
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_file: str = ""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.bind


class Concentratord(Section, frozen=True, tag="concentratord", tag_field="type"):
    """[[source]] type = "concentratord": ChirpStack Concentratord. The defaults are those of its own configuration."""

    event: ZmqUrl = ZmqUrl.parse("ipc:///tmp/concentratord_event")
    command: ZmqUrl = ZmqUrl.parse("ipc:///tmp/concentratord_command")

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.event


Source = SemtechUdpSource | BasicsStation | Concentratord


class _Destination(Section, frozen=True):
    """What every destination has. Empty prefix lists let everything pass."""

    name: str
    dev_addr_prefixes: tuple[DevAddrPrefix, ...] = ()
    join_eui_prefixes: tuple[JoinEuiPrefix, ...] = ()
    lorawan_only: bool = False
    # facts/gateway.md section 6 rule 4: one second between two frames of a device, 20 replayed frames a second.
    device_spacing: Duration = Duration.parse("1s")
    replay_per_second: float = 20.0
    # Rule 2: a join-accept must leave 5 s after the request (JOIN_ACCEPT_DELAY1), so 4 s is the last useful moment.
    join_lifetime: Duration = Duration.parse("4s")
    # Rule 5: whether a frame just received overtakes the backlog of its device, which is then given up.
    live_frames: Literal["history", "live-first"] = "history"
    live_first_for_answers: bool = False
    live_first_above: int = 0
    # For uplinks that cost money: see `gateway.budget`. 0: no limit.
    max_bytes_per_day: int = 0
    max_bytes_per_month: int = 0
    late_downlink_ack: Literal["too_late", "silent"] = "too_late"


class ChirpstackMqtt(_Destination, frozen=True, kw_only=True, tag="chirpstack_mqtt", tag_field="type"):
    """[[destination]] type = "chirpstack_mqtt": ChirpStack v4, or anything that speaks its gateway topics."""

    server: BrokerUrl
    topic_prefix: str = ""
    marshaler: Literal["protobuf", "json"] = "protobuf"
    client_id: str = ""
    username: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive: Duration = Duration.parse("30s")
    reconnect_max: Duration = Duration.parse("10s")
    # Rule 1 and facts section 3: what to make of "no matching subscribers" (MQTT 5 reason 0x10).
    hold_without_listener: Literal["auto", "on", "off"] = "auto"
    # Rule 10: late frames go to the merge gate beside the broker, see `gateway.merge`.
    merge: bool = False


class SemtechUdp(_Destination, frozen=True, kw_only=True, tag="semtech_udp", tag_field="type"):
    """[[destination]] type = "semtech_udp": any server that packet forwarders can talk to."""

    server: Address
    keepalive: Duration = Duration.parse("10s")


Destination = ChirpstackMqtt | SemtechUdp


class Status(Section, frozen=True):
    """[status]: page, health and metrics over HTTP. No section, no server. `hosts`: names it may be asked for under,
    besides IP addresses and localhost; all others are refused, so that no web page can get in by a name of its own.
    """

    bind: Address
    hosts: tuple[str, ...] = ()


class Settings(Section, frozen=True):
    """The whole file; `directory` is where it lies, for relative paths."""

    gateway: Gateway = Gateway()
    spool: Spool = Spool()
    source: tuple[Source, ...] = ()
    destination: tuple[Destination, ...] = ()
    status: Status | None = None
    directory: Path = Path()

    def resolve(self, path: str) -> Path:
        """A path of the file, seen from here."""
        return self.directory / path


_TABLES: dict[str, Any] = {"gateway": Gateway, "spool": Spool, "status": Status}
_ARRAYS: dict[str, Any] = {"source": Source, "destination": Destination}


def load(path: Path) -> Settings:
    """Read and judge a settings file; raises SettingsError with every problem found."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> Settings:
    """Judge the text of a settings file that lies at `path`."""
    reader = Reader(text, _TABLES, _ARRAYS)
    values = reader.sections(document(text, path))
    settings = None
    if values is not None:
        settings = Settings(**values, directory=path.parent)
        _Judge(reader).judge(settings)
    return reader.conclude(path, settings)


class _Judge:
    """What no single section of the gateway's file can know."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._say = reader.say

    def judge(self, settings: Settings) -> None:
        """Tell the reader."""
        if not settings.source:
            self._say((), "no [[source]]: say where the concentrator's packets come from")
        if not settings.destination:
            self._say((), "no [[destination]]: say where frames shall go")
        if settings.spool.max_bytes < _SMALLEST_SPOOL_BYTES:
            self._say(("spool", "max_bytes"), f"at least {_SMALLEST_SPOOL_BYTES} (1 MiB)")
        if not 0 < settings.spool.max_age <= _LONGEST_AGE:
            self._say(("spool", "max_age"), "more than nothing and at most 31d, when network servers forget sessions")
        taken: dict[str, int] = {}
        for index, source in enumerate(settings.source):
            self._judge_source(settings, ("source", index), source, taken)
        names: dict[str, int] = {}
        for index, destination in enumerate(settings.destination):
            place = ("destination", index)
            if names.setdefault(destination.name, index) != index:
                self._say(
                    (*place, "name"), f'"{destination.name}" is the name of destination {names[destination.name]}'
                )
            self._judge_destination(settings, place, destination)

    def _judge_source(self, settings: Settings, place: tuple[str, int], source: Source, taken: dict[str, int]) -> None:
        key = "event" if isinstance(source, Concentratord) else "bind"
        free = not isinstance(source, Concentratord) and source.bind.port == 0
        if not free and taken.setdefault(source.place, place[1]) != place[1]:
            self._say((*place, key), f"{source.place} is taken by source {taken[source.place]} already")
        self._reader.judge_files(settings.resolve, place, source)
        if isinstance(source, BasicsStation) and source.ca and not source.cert:
            self._say((*place, "ca"), "needs cert and key: a station shows its certificate over TLS only")
        if isinstance(source, Concentratord) and source.event == source.command:
            self._say((*place, "command"), "is the socket of the events; Concentratord has one of its own for commands")

    def _judge_destination(self, settings: Settings, place: tuple[str, int], destination: Destination) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", destination.name):
            self._say((*place, "name"), "1 to 32 letters, digits, - and _")
        # Rule 4: never below 500 ms = de-duplication 200 ms + processing + 100 ms.
        if destination.device_spacing < 500_000:
            self._say((*place, "device_spacing"), "at least 500ms, or the server may lose frames")
        for key in ("max_bytes_per_day", "max_bytes_per_month"):
            limit = getattr(destination, key)
            if limit and limit < _SMALLEST_BUDGET_BYTES:
                self._say((*place, key), f"0 for no limit, or at least {_SMALLEST_BUDGET_BYTES} (1 MiB)")
        if not 0.1 <= destination.replay_per_second <= 1000:
            self._say((*place, "replay_per_second"), "0.1 to 1000")
        if not 0 < destination.join_lifetime <= 5_000_000:
            self._say((*place, "join_lifetime"), "at most 5s: afterwards no join-accept can reach the device")
        if not 0 <= destination.live_first_above <= _MOST_COUNTED:
            self._say((*place, "live_first_above"), f"0 (never) to {_MOST_COUNTED} frames")
        self._reader.judge_files(settings.resolve, place, destination)
        if not 100_000 <= destination.keepalive <= 3600_000_000:
            self._say((*place, "keepalive"), "100ms to 1h")
        if isinstance(destination, ChirpstackMqtt):
            self._judge_mqtt(place, destination)
        elif destination.server.port == 0:
            self._say((*place, "server"), "a server has a port, usually 1700")

    def _judge_mqtt(self, place: tuple[str, int], destination: ChirpstackMqtt) -> None:
        if (destination.ca or destination.cert) and not destination.server.tls:
            self._say((*place, "server"), "ca, cert and key need mqtts://")
        if re.search(r"[+#\0]", destination.topic_prefix) or destination.topic_prefix.startswith("/"):
            self._say((*place, "topic_prefix"), "no wildcards (+, #) and no slash in front")
        first = destination.live_first_for_answers or destination.live_first_above
        if destination.merge and (destination.live_frames != "history" or first):
            self._say((*place, "merge"), "a gate keeps the order of frames: not together with live-first settings")
        if destination.keepalive < 1_000_000:
            self._say((*place, "keepalive"), "at least 1s: MQTT counts it in seconds")
