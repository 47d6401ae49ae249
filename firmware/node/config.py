"""The node's configuration: one JSON file, written by `spatz`, never by the node.

    {"version": 1, "name": "bin-7", "board": "rak11310", "profile": "fill", "region": "EU868",
     "report_interval_s": 900, "confirmed": false, "calibration": {"empty_mm": 1500, "full_mm": 300}}

Optional: `sample_interval_s` (judge alarms more often than is reported), `spread_percent` (of all intervals, 10),
`start_delay_s` (default: random up to 300, against mass restarts), `watchdog` (true), `dim_percent` (lamp level of a
mast without a controllable lamp), `strict_join` (false; true: JoinNonces have to rise), `class` ("A"; "C" for a node on
mains that listens all the time), `packages` (names of `firmware.node.packages`, none). `calibration` is read by the
profile's own module in `measure/`; `battery_low_mv` and `battery_full_mv` in it say when the battery counts as empty
and as full. All numbers are whole numbers: 32-bit boards have 32-bit floats.

What a downlink changes is not written here but in `state.State`, bound to the hash of this file: a new deployment wins.
"""

import hashlib
import json

from firmware.node.errors import ConfigError

PATH = "/node.json"
VERSION = 1

INTERVAL_MIN_S = 10
"""Shortest report interval. The duty cycle is kept by the MAC, whatever is set here."""
INTERVAL_MAX_S = 86_400
BATTERY_LOW_MV = 3_300
"""Below it a lithium-ion cell is nearly empty."""
BATTERY_FULL_MV = 4_200
"""A lithium-ion cell at the end of charging."""
START_DELAY_MAX_S = 300
"""After a power failure in a whole quarter, nodes must not join all at once (profiles, rules common to all)."""


class Config:
    """The checked values of one configuration file, and its hash."""

    def __init__(self, settings, digest):
        self.hash = digest
        self.name = _text(settings, "name")
        self.board = _text(settings, "board")
        self.profile = _text(settings, "profile")
        self.region = settings.get("region", "EU868")
        self.report_interval_s = _whole(settings, "report_interval_s", INTERVAL_MIN_S, INTERVAL_MAX_S)
        self.sample_interval_s = _whole(settings, "sample_interval_s", 1, INTERVAL_MAX_S, default=None)
        self.spread_percent = _whole(settings, "spread_percent", 0, 50, default=10)
        self.start_delay_s = _whole(settings, "start_delay_s", 0, INTERVAL_MAX_S, default=None)
        self.dim_percent = _whole(settings, "dim_percent", 0, 100, default=None)
        self.confirmed = bool(settings.get("confirmed", False))
        self.watchdog = bool(settings.get("watchdog", True))
        self.strict_join = bool(settings.get("strict_join", False))
        self.calibration = settings.get("calibration") or {}
        self.device_class = settings.get("class", "A")
        self.packages = settings.get("packages", ())
        if self.device_class not in ("A", "C"):
            raise ConfigError('class: "A" or "C"')


def load(path=PATH):
    """Read and check the file. Raises ConfigError with the key that is wrong."""
    try:
        with open(path, "rb") as file:
            return parse(file.read())
    except OSError:
        raise ConfigError("no %s" % path)


def parse(data):
    """Check the bytes of a configuration file; gives a `Config`. Its hash is the first 4 bytes of SHA-256 over them."""
    try:
        settings = json.loads(data)
    except ValueError:
        raise ConfigError("not JSON")
    if not isinstance(settings, dict):
        raise ConfigError("not an object")
    if settings.get("version") != VERSION:
        raise ConfigError("version: this firmware reads version %d" % VERSION)
    return Config(settings, hashlib.sha256(data).digest()[:4])


_REQUIRED = "required"


def _whole(settings, key, low, high, default=_REQUIRED):
    value = settings.get(key, default)
    if value == _REQUIRED:
        raise ConfigError("%s: missing" % key)
    if value is None and default is None:
        return None
    if not isinstance(value, int) or value is True or value is False or not low <= value <= high:
        raise ConfigError("%s: a whole number from %d to %d" % (key, low, high))
    return value


def _text(settings, key):
    value = settings.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError("%s: missing" % key)
    return value
