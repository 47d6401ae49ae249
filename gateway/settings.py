"""The settings file: one TOML file, one frozen value a component, every complaint with line and key.

Unknown keys are refused, so that a misspelt one cannot be silently without effect. Relative paths in the file are
relative to the file. Nothing secret stands in it: passwords and keys are files of their own.
"""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway.errors import Problem, SettingsError
from gateway.setting_types import (
    Address,
    BrokerUrl,
    DevAddrPrefix,
    Duration,
    GatewayId,
    JoinEuiPrefix,
    decode_hook,
)
from gateway.toml_lines import line_of, locate

_DAY = Duration.parse("1d")
# ChirpStack forgets device sessions after 31 days (device_session_ttl): older frames can only be refused.
_LONGEST_AGE = Duration.parse("31d")
_SMALLEST_SPOOL_BYTES = 1 << 20
_MOST_PROBLEMS = 50
# Frames of a device are counted up to here with every frame stored: the cost of an append must stay small.
_MOST_COUNTED = 1000


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class Gateway(_Section, frozen=True):
    """[gateway]. With `id` = "auto" every concentrator is served under the EUI it reports itself; with an EUI only
    that one is, it is announced from the start, and all others are refused and counted.
    `clock` tells whether the machine's time may be believed: "auto" asks the kernel.
    """

    id: GatewayId = GatewayId("auto")
    clock: Literal["auto", "always", "never"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Spool(_Section, frozen=True):
    """[spool]: the durable buffer. `durability`: see `gateway.spool`."""

    path: str = "spool.db"
    durability: Literal["paranoid", "balanced", "wear-saving"] = "balanced"
    max_bytes: int = 256 << 20
    max_age: Duration = Duration(7 * _DAY)


class SemtechUdpSource(_Section, frozen=True, tag="semtech_udp", tag_field="type"):
    """[[source]] type = "semtech_udp": packet forwarders send here (lora_pkt_fwd and its relatives)."""

    bind: Address


class BasicsStation(_Section, frozen=True, kw_only=True, tag="basics_station", tag_field="type"):
    """[[source]] type = "basics_station": stations connect here by WebSocket. With cert and key over TLS, with `ca`
    only with a client certificate of that authority, with token_file only with that Authorization header.
    """

    bind: Address
    region: Literal["EU868", "US915", "AU915", "AS923", "KR920", "IN865"] = "EU868"
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_file: str = ""


Source = SemtechUdpSource | BasicsStation


class _Destination(_Section, frozen=True):
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


class SemtechUdp(_Destination, frozen=True, kw_only=True, tag="semtech_udp", tag_field="type"):
    """[[destination]] type = "semtech_udp": any server that packet forwarders can talk to."""

    server: Address
    keepalive: Duration = Duration.parse("10s")


Destination = ChirpstackMqtt | SemtechUdp


class Status(_Section, frozen=True):
    """[status]: page, health and metrics over HTTP. No section, no server."""

    bind: Address


class Settings(_Section, frozen=True):
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
_FILE_KEYS = ("password_file", "token_file", "ca", "cert", "key")


def load(path: Path) -> Settings:
    """Read and judge a settings file; raises SettingsError with every problem found."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(str(path), (Problem(0, "", f"cannot be read: {error.strerror}"),)) from None
    except UnicodeDecodeError:
        raise SettingsError(str(path), (Problem(0, "", "is no UTF-8 text"),)) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Settings:
    """Judge the text of a settings file that lies at `path`."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r" \(at line (\d+)", str(error))
        line = int(place.group(1)) if place else text.count("\n") + 1
        message = re.sub(r" \(at [^)]*\)$", "", str(error)) or "nested too deeply"
        raise SettingsError(str(path), (Problem(line, "", message),)) from None
    reader = _Reader(text)
    settings = reader.read(document, path.parent)
    if reader.problems or settings is None:
        problems = sorted(reader.problems, key=lambda problem: problem.line)
        raise SettingsError(str(path), tuple(problems[:_MOST_PROBLEMS]))
    return settings


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


class _Reader:
    """Turns a parsed document into Settings and gathers problems on the way."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self._lines = locate(text)

    def read(self, document: dict[str, Any], directory: Path) -> Settings | None:
        values: dict[str, Any] = {}
        for name, content in document.items():
            if name in _TABLES:
                values[name] = self._section((name,), content, _TABLES[name])
            elif name in _ARRAYS:
                if not isinstance(content, list):
                    self._say((name,), f"is written [[{name}]], with two brackets")
                    continue
                values[name] = tuple(
                    self._section((name, index), element, _ARRAYS[name]) for index, element in enumerate(content)
                )
            else:
                self._say((name,), "unknown section" + _hint(name, [*_TABLES, *_ARRAYS]))
        if self.problems:
            return None
        settings = Settings(**values, directory=directory)
        self._judge(settings)
        return settings

    def _say(self, path: tuple[str | int, ...], message: str) -> None:
        self.problems.append(Problem(line_of(self._lines, path), _dotted(path), message))

    def _section(self, path: tuple[str | int, ...], content: Any, wanted: Any) -> Any:
        """Convert one table. After a problem the key is taken out and the rest judged again, to find all at once."""
        content = copy.deepcopy(content)
        removed: set[str] = set()
        while len(self.problems) < _MOST_PROBLEMS:
            try:
                return msgspec.convert(content, wanted, dec_hook=decode_hook)
            except msgspec.ValidationError as error:
                message, _, tail = str(error).partition(" - at `")
                key, message = self._explain(message, tail.removesuffix("`"), wanted)
                if key is None or key in removed:
                    if key is None or not message.startswith("missing"):
                        self._say(path, message)
                    return None
                self._say((*path, key) if message != "missing" else path, self._phrase(key, message))
                if message == "missing" or not isinstance(content, dict) or key not in content:
                    return None
                del content[key]
                removed.add(key)
        return None

    @staticmethod
    def _phrase(key: str, message: str) -> str:
        return f'key "{key}" is missing' if message == "missing" else message

    @staticmethod
    def _explain(message: str, where: str, wanted: Any) -> tuple[str | None, str]:
        """Split msgspec's sentence into the key of this table and what is wrong with it."""
        if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
            return unknown.group(1), "unknown key" + _hint(unknown.group(1), _field_names(wanted))
        if missing := re.fullmatch(r"Object missing required field `(.*)`", message, re.DOTALL):
            return missing.group(1), "missing"
        top = re.match(r"\$\.([A-Za-z0-9_]+)", where)
        return (top.group(1) if top else None), message

    def _judge(self, settings: Settings) -> None:
        """What no single section can know."""
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
            bind = str(source.bind)
            if source.bind.port and taken.setdefault(bind, index) != index:
                self._say(("source", index, "bind"), f"{bind} is taken by source {taken[bind]} already")
            self._judge_files(settings, ("source", index), source)
            if isinstance(source, BasicsStation) and source.ca and not source.cert:
                self._say(("source", index, "ca"), "needs cert and key: a station shows its certificate over TLS only")
        names: dict[str, int] = {}
        for index, destination in enumerate(settings.destination):
            place = ("destination", index)
            if names.setdefault(destination.name, index) != index:
                self._say(
                    (*place, "name"), f'"{destination.name}" is the name of destination {names[destination.name]}'
                )
            self._judge_destination(settings, place, destination)

    def _judge_destination(self, settings: Settings, place: tuple[str, int], destination: Destination) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", destination.name):
            self._say((*place, "name"), "1 to 32 letters, digits, - and _")
        # Rule 4: never below 500 ms = de-duplication 200 ms + processing + 100 ms.
        if destination.device_spacing < 500_000:
            self._say((*place, "device_spacing"), "at least 500ms, or the server may lose frames")
        if not 0.1 <= destination.replay_per_second <= 1000:
            self._say((*place, "replay_per_second"), "0.1 to 1000")
        if not 0 < destination.join_lifetime <= 5_000_000:
            self._say((*place, "join_lifetime"), "at most 5s: afterwards no join-accept can reach the device")
        if not 0 <= destination.live_first_above <= _MOST_COUNTED:
            self._say((*place, "live_first_above"), f"0 (never) to {_MOST_COUNTED} frames")
        self._judge_files(settings, place, destination)
        if not 100_000 <= destination.keepalive <= 3600_000_000:
            self._say((*place, "keepalive"), "100ms to 1h")
        if isinstance(destination, ChirpstackMqtt):
            self._judge_mqtt(place, destination)
        elif destination.server.port == 0:
            self._say((*place, "server"), "a server has a port, usually 1700")

    def _judge_files(self, settings: Settings, place: tuple[str, int], part: Source | Destination) -> None:
        for key in _FILE_KEYS:
            name = getattr(part, key, "")
            if name and not settings.resolve(name).is_file():
                self._say((*place, key), f"no such file: {settings.resolve(name)}")
        if bool(getattr(part, "cert", "")) != bool(getattr(part, "key", "")):
            self._say((*place, "cert"), "cert and key belong together")

    def _judge_mqtt(self, place: tuple[str, int], destination: ChirpstackMqtt) -> None:
        if (destination.ca or destination.cert) and not destination.server.tls:
            self._say((*place, "server"), "ca, cert and key need mqtts://")
        if re.search(r"[+#\0]", destination.topic_prefix) or destination.topic_prefix.startswith("/"):
            self._say((*place, "topic_prefix"), "no wildcards (+, #) and no slash in front")
        if destination.keepalive < 1_000_000:
            self._say((*place, "keepalive"), "at least 1s: MQTT counts it in seconds")


def _field_names(wanted: Any) -> list[str]:
    types = getattr(wanted, "__args__", (wanted,))
    return sorted({"type", *(name for one in types for name in one.__struct_fields__)})


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
