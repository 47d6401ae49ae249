"""What a scenario file may say: one TOML file, one frozen value a table, every complaint with line and key.

Unknown keys are refused, so that a misspelt one cannot be silently without effect.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

import firmware
from gateway.toml_lines import line_of, locate

Seconds = Annotated[float, Meta(ge=0, le=31 * 86_400)]
Duration = Annotated[float, Meta(gt=0, le=31 * 86_400)]
Interval = Annotated[float, Meta(ge=10, le=86_400)]
"""As a node's own report interval."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
EuiText = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{16}$")]
HexText = Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{2})*$", max_length=484)]
"""Up to 242 bytes, the longest application payload of EU868."""
Port = Annotated[int, Meta(ge=1, le=223)]
Region = Literal["EU868", "IN865", "KR920", "US915", "AU915", "AS923-1", "AS923-2", "AS923-3", "AS923-4"]
Metres = tuple[float, float]
Span = tuple[Seconds, Seconds]
"""From, to."""


class ScenarioError(Exception):
    """A scenario file cannot be used. Correct the places in `problems`: each says line, key and reason."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.path = path
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `line` from 1, 0 unknown; `key` as a dotted path."""

    line: int
    key: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.key}: {self.reason}" if self.key else f"{where}{self.reason}"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class Gateway(_Table, frozen=True):
    """[[gateway]]. `off_s`: spans in which it has no power."""

    name: Name = "gateway"
    position_m: Metres | None = None
    off_s: tuple[Span, ...] = ()


class Node(_Table, frozen=True, kw_only=True):
    """[[node]]. It sends the example report of `profile`, or `payload`, or, given neither, a counter of two bytes."""

    name: Name
    start_s: Seconds = 0
    report_interval_s: Interval = 60
    profile: str = ""
    payload: HexText = ""
    f_port: Port = 1
    confirmed: bool = False
    class_: Literal["A", "C"] = msgspec.field(default="A", name="class")
    data_rate: Annotated[int, Meta(ge=0, le=5)] | None = None
    """Fixed, without ADR; else the network chooses."""
    dev_eui: EuiText = ""
    position_m: Metres | None = None
    path_loss_db: Annotated[float, Meta(ge=0, le=300)] | None = None
    """To every gateway."""
    clock_error_ppm: Annotated[int, Meta(ge=-200_000, le=200_000)] = 0
    """How much faster its clock runs: a crystal has some tens, an RC oscillator tens of thousands."""
    random_seed: int | None = None
    """Two nodes of one seed make the same random choices."""
    registered: bool = True
    wrong_app_key: bool = False
    """The server has another AppKey than the node."""
    dev_nonces_used: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """The server has seen so many DevNonces already, from 0 on; the node knows nothing of it."""


class Loss(_Table, frozen=True):
    """[[loss]]: from `at_s` on the next `frames` frames of `sender` (a node or a gateway) reach nobody."""

    sender: Name
    at_s: Seconds = 0
    frames: Annotated[int, Meta(ge=1, le=10_000)] = 1


class Downlink(_Table, frozen=True):
    """[[downlink]]: at `at_s` the application queues `data` for `node`."""

    node: Name
    at_s: Seconds
    data: HexText
    f_port: Port = 2
    confirmed: bool = False


class MacRequest(_Table, frozen=True):
    """[[mac]]: at `at_s` the server is told to send these MAC `commands` (identifier first) with its next downlink."""

    node: Name
    at_s: Seconds
    commands: HexText


class Network(_Table, frozen=True):
    """[network]. `region` of everybody; `backhaul_off_s`: spans in which no gateway reaches the server."""

    region: Region = "EU868"
    rx1_delay_s: Annotated[int, Meta(ge=1, le=15)] = 1
    adr: bool = True
    backhaul_off_s: tuple[Span, ...] = ()


class Scenario(_Table, frozen=True, kw_only=True):
    """The whole file."""

    duration_s: Duration
    seed: int = 0
    loss_share: Annotated[float, Meta(ge=0, le=1)] = 0
    """Of all frames, lost by chance at each antenna."""
    network: Network = Network()
    gateway: tuple[Gateway, ...] = (Gateway(),)
    node: tuple[Node, ...]
    loss: tuple[Loss, ...] = ()
    downlink: tuple[Downlink, ...] = ()
    mac: tuple[MacRequest, ...] = ()


def load(path: Path) -> Scenario:
    """Read and judge a scenario; raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(path, [Problem(0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ScenarioError(path, [Problem(0, "", "is no UTF-8 text")]) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Scenario:
    """Judge the text of the scenario at `path`; raises ScenarioError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+)", str(error))
        reason = re.sub(r" \(at [^)]*\)$", "", str(error))
        raise ScenarioError(
            path, [Problem(int(place.group(1)) if place else text.count("\n") + 1, "", reason)]
        ) from None
    lines = locate(text)
    try:
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        key, reason = _explained(str(error))
        line = line_of(lines, key) or line_of(lines, (*key, 0))  # a table of an unknown array
        raise ScenarioError(path, [Problem(line, _dotted(key), reason)]) from None
    problems = [Problem(line_of(lines, key), _dotted(key), reason) for key, reason in _contradictions(scenario)]
    if problems:
        raise ScenarioError(path, problems)
    return scenario


def profile_report(name: str) -> tuple[int, bytes]:
    """FPort and payload of the first example of a profile; raises LookupError with the known names."""
    found = {}
    for file in sorted((Path(firmware.__path__[0]) / "payload" / "profiles").glob("*.toml")):
        profile = tomllib.loads(file.read_text("utf-8"))
        if profile.get("example"):
            found[file.stem] = (int(profile["fport"]), bytes.fromhex(profile["example"][0]["hex"]))
    if name not in found:
        raise LookupError(f'no profile "{name}"' + _hint(name, list(found)))
    return found[name]


_Key = tuple[str | int, ...]


def _contradictions(scenario: Scenario) -> list[tuple[_Key, str]]:
    """What no single table can know."""
    found: list[tuple[_Key, str]] = []
    taken: dict[str, str] = {}
    named = [
        ("gateway", [gateway.name for gateway in scenario.gateway]),
        ("node", [node.name for node in scenario.node]),
    ]
    for kind, names in named:
        for index, name in enumerate(names):
            if name in taken:
                found.append(((kind, index, "name"), f'"{name}" is the name of a {taken[name]} already'))
            taken.setdefault(name, kind)
    nodes = [node.name for node in scenario.node]
    for index, node in enumerate(scenario.node):
        place: _Key = ("node", index)
        if node.profile and node.payload:
            found.append(((*place, "payload"), "profile and payload exclude each other"))
        if node.profile:
            try:
                profile_report(node.profile)
            except LookupError as error:
                found.append(((*place, "profile"), str(error.args[0])))
        if node.position_m and node.path_loss_db is not None:
            found.append(((*place, "path_loss_db"), "position_m and path_loss_db exclude each other"))
    for index, loss in enumerate(scenario.loss):
        if loss.sender not in taken:
            found.append(
                (("loss", index, "sender"), f'no node or gateway "{loss.sender}"' + _hint(loss.sender, [*taken]))
            )
    wishes = [("downlink", [wish.node for wish in scenario.downlink]), ("mac", [wish.node for wish in scenario.mac])]
    for kind, names in wishes:
        for index, name in enumerate(names):
            if name not in nodes:
                found.append(((kind, index, "node"), f'no node "{name}"' + _hint(name, nodes)))
    spans: list[tuple[_Key, tuple[Span, ...]]] = [(("network", "backhaul_off_s"), scenario.network.backhaul_off_s)]
    spans += [(("gateway", index, "off_s"), gateway.off_s) for index, gateway in enumerate(scenario.gateway)]
    for key, pairs in spans:
        if any(end <= begin for begin, end in pairs):
            found.append((key, "each span is [from, to], and to comes after from"))
    return found


def _explained(message: str) -> tuple[_Key, str]:
    """msgspec's sentence as key and reason."""
    reason, _, where = message.partition(" - at `")
    key = tuple(int(number) if number else name for name, number in re.findall(r"\.([A-Za-z0-9_]+)|\[(\d+)\]", where))
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason):
        table = key[0] if key else ""
        return (*key, unknown.group(1)), "unknown key" + _hint(unknown.group(1), _keys_of(str(table)))
    if missing := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return key, f'key "{missing.group(1)}" is missing'
    return key, reason


def _keys_of(table: str) -> list[str]:
    kinds: dict[str, Any] = {
        "gateway": Gateway,
        "node": Node,
        "loss": Loss,
        "downlink": Downlink,
        "mac": MacRequest,
        "network": Network,
    }
    return [field.encode_name for field in msgspec.structs.fields(kinds.get(table, Scenario))]


def _dotted(key: _Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
