"""NODE.toml: what one node shall be. Read once, frozen, unknown keys refused with line and key.

name = "bin-hansaplatz-1"        # how people and the network server call it
board = "rak11200"               # a folder in firmware/boards
profile = "fill"                 # a file in firmware/payload/profiles
report_interval_s = 900
confirmed = false
region = "EU868"
class = "C"                      # optional: listens all the time, on mains
packages = ["clock-sync"]        # optional: application packages of the LoRa Alliance

[calibration]                    # whole numbers, handed to the node as they are
empty_mm = 1500

[identity]
dev_eui = "mac"                  # "mac", "random" (laboratory), or 16 hex digits
join_eui = "70b3d57ed0000001"    # one of your own, the same for the whole network

[firmware]                       # optional: without it the board keeps the MicroPython it has
image = "ESP32_GENERIC.bin"      # relative to this file
sha256 = "..."                   # optional, 64 hex digits

[network]
application = "Spatz"
tenant = ""                      # name or id; needed where the token sees none or several
tags = { street = "Hansaplatz" }
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from provisioning.board_facts import board_facts, known_boards
from provisioning.errors import SettingsError
from provisioning.identity import parse_eui
from provisioning.regions import known_regions

# The name travels in a tag, a label and file names. 63 is what ChirpStack's tables and a DNS label take.
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Interval = Annotated[int, msgspec.Meta(ge=10, le=86400)]  # limits of the downlink command, profiles.md section 1
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86400)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{64}$")]

DEFAULT_JOIN_EUI = "0000000000000000"


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the DevEUI comes from, the JoinEUI, and that the node joins."""

    dev_eui: str = "mac"
    join_eui: str = DEFAULT_JOIN_EUI
    activation: str = "otaa"


class Firmware(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The MicroPython image for a board that has none, or an old one."""

    image: str | None = None
    sha256: Sha256 | None = None


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the device belongs on the network server."""

    application: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "Spatz"
    tenant: str = ""
    tags: dict[str, Any] = {}  # checked below


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node, as its NODE.toml says."""

    name: Name
    board: Word
    profile: Word
    report_interval_s: Interval = 900
    confirmed: bool = False
    region: str = "EU868"
    sample_interval_s: Seconds | None = None
    spread_percent: Annotated[int, msgspec.Meta(ge=0, le=50)] | None = None
    start_delay_s: Annotated[int, msgspec.Meta(ge=0, le=86400)] | None = None
    dim_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    watchdog: bool | None = None
    strict_join: bool | None = None
    device_class: Literal["A", "C"] = msgspec.field(name="class", default="A")
    packages: tuple[Word, ...] = ()
    calibration: dict[str, Any] = {}  # checked below, with the line of the entry
    identity: Identity = Identity()
    firmware: Firmware = Firmware()
    network: Network = Network()


def load(path: Path) -> NodeSettings:
    """Read NODE.toml. Raises SettingsError with file, line, key and reason."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise SettingsError("settings-missing", file=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("settings-unreadable", file=path, reason=str(error)) from None
    return parse(text, path)


def parse(text: str, path: Path) -> NodeSettings:
    """The same from text; `path` is for messages and for finding the image beside it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("settings-syntax", file=path, reason=str(error)) from None
    try:
        settings = msgspec.convert(table, NodeSettings)
    except msgspec.ValidationError as error:
        raise _located(text, path, str(error)) from None
    _check(settings, text, path)
    return settings


def _check(settings: NodeSettings, text: str, path: Path) -> None:
    identity = settings.identity
    if identity.dev_eui not in ("mac", "random"):
        parse_eui(identity.dev_eui, where=f"{path}:{line_of(text, ('identity', 'dev_eui'))} identity.dev_eui")
    if identity.join_eui != DEFAULT_JOIN_EUI:
        parse_eui(identity.join_eui, where=f"{path}:{line_of(text, ('identity', 'join_eui'))} identity.join_eui")
    if identity.activation != "otaa":
        reason = 'a node joins ("otaa"); personalised devices (ABP) are for programs with the LoRaWAN stack alone'
        raise _wrong(text, path, ("identity", "activation"), reason)
    _check_calibration(settings.calibration, ("calibration",), text, path)
    _check_radio(settings, text, path)
    for key, value in settings.network.tags.items():
        if type(value) is not str:
            raise _wrong(text, path, ("network", "tags", key), "a text is expected")
    if settings.region not in known_regions():
        raise _wrong(text, path, ("region",), f"the regions are {', '.join(known_regions())}")


def _check_radio(settings: NodeSettings, text: str, path: Path) -> None:
    """Class and packages that can be: a modem has its own stack, and a group is heard by class C only."""
    known = known_packages()
    for name in settings.packages:
        if name not in known:
            raise _wrong(text, path, ("packages",), f"{name}: the packages are {', '.join(known)}")
    if "multicast-setup" in settings.packages and settings.device_class != "C":
        raise _wrong(text, path, ("packages",), 'multicast-setup needs class = "C"')
    if settings.device_class != "A" or settings.packages or settings.strict_join:
        chip = board_facts(settings.board).RADIO["chip"] if settings.board in known_boards() else None
        if chip == "rui3":
            key = "packages" if settings.packages else "class" if settings.device_class != "A" else "strict_join"
            reason = f"board {settings.board} has a modem: class A without packages, and it joins by its own rules"
            raise _wrong(text, path, (key,), reason)


def known_packages() -> list[str]:
    """Names of all application packages."""
    from importlib.resources import files

    modules = (entry.name for entry in files("firmware").joinpath("node", "packages").iterdir())
    return sorted(
        name.removesuffix(".py").replace("_", "-")
        for name in modules
        if name.endswith(".py") and not name.startswith("__")
    )


def _check_calibration(table: dict[str, Any], place: tuple[str, ...], text: str, path: Path) -> None:
    """Boards have floats of 32 bits or none: whatever is measured in fractions is given in a smaller unit."""
    for key, value in table.items():
        if isinstance(value, dict):
            _check_calibration(value, (*place, key), text, path)
        elif type(value) not in (int, str):
            raise _wrong(text, path, (*place, key), "a whole number is expected")


def _wrong(text: str, path: Path, keys: tuple[str, ...], reason: str) -> SettingsError:
    return SettingsError("settings-value", file=path, line=line_of(text, keys), key=".".join(keys), reason=reason)


def join_eui(settings: NodeSettings) -> str:
    """The JoinEUI as 16 lower-case hex digits."""
    return settings.identity.join_eui.lower().translate({ord(c): None for c in ":- "})


def image_path(settings: NodeSettings, settings_file: Path) -> Path | None:
    """The firmware image, found relative to NODE.toml; None when none is asked for."""
    image = settings.firmware.image
    return None if image is None else settings_file.parent / image


def _located(text: str, path: Path, message: str) -> SettingsError:
    """Turn msgspec's "... - at `$.identity`" into file, line, key, reason, and a guess for a mistyped key."""
    reason, _, place = message.partition(" - at ")
    keys = tuple(re.findall(r"[A-Za-z0-9_-]+", place.strip("`").removeprefix("$")))
    if unknown := re.search(r"unknown field `(.+)`", reason):
        keys = (*keys, unknown.group(1))
        known = _fields_of(keys[:-1])
        close = difflib.get_close_matches(unknown.group(1), known, n=1)
        hint = close[0] if close else ", ".join(known)
        return SettingsError("settings-unknown-key", file=path, line=line_of(text, keys), key=".".join(keys), hint=hint)
    if missing := re.search(r"missing required field `(.+)`", reason):
        key = ".".join((*keys, missing.group(1)))
        return SettingsError("settings-missing-key", file=path, key=key)
    return _wrong(text, path, keys, reason)


def _fields_of(keys: tuple[str, ...]) -> list[str]:
    struct: Any = NodeSettings
    for key in keys:
        struct = {field.name: field.type for field in msgspec.structs.fields(struct)}.get(key, NodeSettings)
    return [field.name for field in msgspec.structs.fields(struct)]


def line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line of a key in TOML text, counted from 1; the line of its table when the key is not found."""
    table: tuple[str, ...] = ()
    best = 1
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := re.match(r"\[\s*([^\[\]]+?)\s*\]", stripped):
            table = tuple(part.strip().strip("\"'") for part in header.group(1).split("."))
            if table == keys[: len(table)]:
                best = number
            if table == keys:
                return number
        elif assignment := re.match(r"([\w.\"'-]+)\s*=", stripped):
            here = (*table, *(part.strip("\"'") for part in assignment.group(1).split(".")))
            if here == keys[: len(here)]:
                return number
    return best
