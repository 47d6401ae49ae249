"""Host side: reports with names and physical units, to bytes and back.

The decoder is strict and agrees with the generated JavaScript codec to the letter: `Report.data()` is what
`decodeUplink` returns as `data`. What profiles there are comes from a catalogue (`generated/catalog.json`), so a
maker's profile works with a catalogue of its own and without a line of code.
"""

import json
import os

from firmware.payload import batch, encoder
from firmware.payload.cbor import loads
from firmware.payload.errors import CborError, DecodeError, ReportError
from firmware.payload.fields import Table, from_wire, hex_text, modelled, to_node, whole

_MAX_FLAGS = 65535
_LARGEST_BYTES = 242  # the most LoRaWAN carries at all (RP002, N of the fastest data rates)
_MS_PER_MIN = 60000


class Report(dict):
    """What a node reported: name -> value in the unit of the catalogue, None for "fitted, but no reading".

    `profile` is the name, `flags` the number, `flag_words` their words, `warnings` what a person should notice,
    `time` the time of the observation (datetime, or a list of them for a batch) if the reception time was given.
    """

    def __init__(self, values: dict, about: dict, flags: int, flag_words: list, warnings: list):
        dict.__init__(self, values)
        self.about = about
        self.profile = about["name"]
        self.flags = flags
        self.flag_words = flag_words
        self.warnings = warnings
        self.time = None

    def data(self) -> dict:
        """Return the object that the JavaScript codec gives for the same bytes."""
        data = {"profile": self.profile}
        if self.about["layout"] != "answer":
            data["flags"] = self.flag_words
            data["warnings"] = self.warnings
        data.update(self)
        if isinstance(self.time, list):
            data["time"] = [_iso(time) for time in self.time]
        elif self.time is not None:
            data["time"] = _iso(self.time)
        return data

    def units(self) -> dict:
        """Return name -> unit for the values present."""
        return {field["name"]: field["unit"] for field in self.about["fields"] if field["name"] in self}

    def model(self) -> dict:
        """Return the values under the names and units of the Smart Data Model of this profile.

        {"type": "WasteContainer", "fillingLevel": {"value": 0.47}, ...}; readings that are missing and attributes
        that need what a node cannot know (a site's calibration) are left out.
        """
        model = {"type": self.about["model"]}
        for field in self.about["fields"]:
            attribute = field["attribute"]
            if not attribute or "needs" in attribute or self.get(field["name"]) is None:
                continue
            entry = {"value": modelled(field, self[field["name"]])}
            if attribute.get("unit_code"):
                entry["unitCode"] = attribute["unit_code"]
            if self.time is not None:
                times = self.time if isinstance(self.time, list) else [self.time]
                entry["observedAt"] = [_iso(t) for t in times] if isinstance(self.time, list) else _iso(times[0])
            model[attribute["name"]] = entry
        return model


class Catalog:
    """All profiles and commands as data. `default()` gives the one that ships with Spatz."""

    def __init__(self, data: dict):
        self.flag_words = data["flags"]
        self.profiles = data["profiles"]
        self.commands = data["commands"]
        self._by_name = {profile["name"]: profile for profile in self.profiles}
        self._by_fport = {profile["fport"]: profile for profile in self.profiles}

    @classmethod
    def from_file(cls, path) -> "Catalog":
        """Read a catalog.json."""
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))

    def profile(self, name: str) -> dict:
        """Return the profile of this name; raises ReportError with the names there are."""
        if name not in self._by_name:
            raise ReportError("no profile %r; there are %s" % (name, ", ".join(sorted(self._by_name))))
        about: dict = self._by_name[name]
        return about

    def encode(self, name: str, report: dict, flags: int = 0) -> "tuple[int, bytes]":
        """Encode a report in physical units; return (fport, bytes).

        `report` maps names to values (None: no reading; list: a column; word: a choice). Version 1 fields that are
        missing are taken as None. `flags` is a number, or `report["flags"]` a list of words. Raises ReportError.
        """
        about = self.profile(name)
        if about["layout"] == "answer":
            return about["fport"], self._encode_answer(report)
        table, values, flags = self._prepare(about, report, flags)
        buf = bytearray(_LARGEST_BYTES)
        return about["fport"], bytes(buf[: encoder.encode_into(table, values, flags, buf, len(buf))])

    def encode_parts(self, name: str, report: dict, flags: int = 0, limit: int = 51) -> "tuple[int, list[bytes]]":
        """Encode a report so that no frame exceeds `limit` bytes; return (fport, [bytes, ...]), the newest first.

        Batches are split by the profile's rule; other reports lose extension fields, or raise PayloadTooLong.
        """
        about = self.profile(name)
        if about["layout"] == "answer":
            return about["fport"], [self._encode_answer(report)]
        table, values, flags = self._prepare(about, report, flags)
        buf = bytearray(limit)
        if not about["split"]:
            return about["fport"], [bytes(buf[: encoder.encode_into(table, values, flags, buf, limit)])]
        step = about["split"].get("step_min") or report[about["split"]["step"]]
        return about["fport"], [bytes(buf[:n]) for n in batch.parts(table, values, flags, buf, limit, step)]

    def _prepare(self, about, report, flags):
        """Return the table, the list of values as a node would hold it, and the flags."""
        name = about["name"]
        table = Table(about)
        values = [encoder.ABSENT] * len(table.FIELDS)
        known = set(table.FIELDS) | {"profile", "flags", "warnings", "time"}
        for key in report:
            if key not in known:
                raise ReportError("%s: no field of profile %s; there are %s" % (key, name, ", ".join(table.FIELDS)))
        for i, field in enumerate(about["fields"]):
            if field["name"] == "flags":
                continue  # key 0 of a map; told apart from values, as everywhere
            if field["name"] in report:
                values[i] = to_node(field, report[field["name"]])
            elif i < table.BASE:
                values[i] = None
        _readings(about, {key: value for key, value in report.items() if key in table.FIELDS}, ReportError)
        return table, values, flags | self._flags(report.get("flags", ()))

    def decode(self, fport: int, data: bytes, received=None) -> "Report":
        """Decode an uplink; `received` (aware datetime) adds the time of the observation.

        Raises CborError for what is no CBOR of our subset, DecodeError for what is no frame of this FPort.
        """
        about = self._by_fport.get(fport)
        if about is None:
            raise DecodeError("FPort %s is no profile" % fport)
        item = loads(data)
        if about["layout"] == "answer":
            return Report(self._answer(item), about, 0, [], [])
        warnings: "list[str]" = []
        if about["layout"] == "map":
            values, flags = _decode_map(about, item, warnings)
        else:
            values, flags = _decode_array(about, item, warnings)
        words = [self._flag_word(bit) for bit in range(16) if flags >> bit & 1]
        report = Report(values, about, flags, words, warnings)
        readings = _readings(about, values)
        if received is not None:
            report.time = _times(about, values, readings, received)
        return report

    def _flag_word(self, bit):
        return self.flag_words[bit] if bit < len(self.flag_words) else "bit %d" % bit

    def _flags(self, words):
        if isinstance(words, int):
            return words
        flags = 0
        for word in words:
            names = [self._flag_word(bit) for bit in range(16)]
            if word not in names:
                raise ReportError("flags: %r is none of %s" % (word, ", ".join(self.flag_words)))
            flags |= 1 << names.index(word)
        return flags

    def _command_name(self, key):
        if key == 0:
            return "seq"  # what a refusal of a used sequence number is about
        for command in self.commands:
            if command["key"] == key:
                return command["name"]
        return str(key)

    def _answer(self, item):
        if not isinstance(item, list) or len(item) < 2:
            raise DecodeError("answer: not an array of at least 2")
        values = {"seq": whole("seq", item[0], 0, 65535), "ok": item[1] == 0 and item[1] is not False}
        if values["ok"]:
            if len(item) > 2:
                values["config"] = hex_text("config", item[2], 4)
            return values
        if not isinstance(item[1], list) or not item[1]:
            raise DecodeError("result: not 0 or refusals")
        values["refused"] = [self._refusal(pair) for pair in item[1]]
        return values

    def _refusal(self, pair):
        if not isinstance(pair, list) or len(pair) < 2:
            raise DecodeError("result: not [key, code]")
        code = whole("code", pair[1], 1, 255)
        reason = REASONS[code - 1] if code <= len(REASONS) else "code %d" % code
        return {"key": self._command_name(whole("key", pair[0], 0, 23)), "reason": reason}

    def _encode_answer(self, report):
        from firmware.payload.commands import encode_answer

        config = report.get("config")
        if report["ok"]:
            return encode_answer(report["seq"], 0, None if config is None else bytes.fromhex(config))
        keys = {command["name"]: command["key"] for command in self.commands}
        keys["seq"] = 0
        pairs = []
        for refusal in report["refused"]:
            reason, key = refusal["reason"], refusal["key"]
            code = REASONS.index(reason) + 1 if reason in REASONS else int(reason[5:])
            pairs.append((keys[key] if key in keys else int(key), code))
        return encode_answer(report["seq"], pairs)


# Words for the codes of an answer; code 1 is the first (commands.py).
REASONS = ("unknown_key", "wrong_type", "out_of_range", "wrong_step", "wrong_boot", "not_now", "seq_reused")

_default: "list[Catalog]" = []


def default() -> Catalog:
    """Return the catalogue that ships with Spatz; it is read once."""
    if not _default:
        here = os.path.dirname(os.path.abspath(__file__))
        _default.append(Catalog.from_file(os.path.join(here, "generated", "catalog.json")))
    return _default[0]


def encode(name: str, report: dict, flags: int = 0) -> "tuple[int, bytes]":
    """`Catalog.encode` with the catalogue that ships with Spatz."""
    return default().encode(name, report, flags)


def decode(fport: int, data: bytes, received=None) -> Report:
    """`Catalog.decode` with the catalogue that ships with Spatz."""
    return default().decode(fport, data, received)


def as_decoded(name: str, field_name: str, reading, catalog: "Catalog | None" = None):
    """Return the physical value that decoders give when the node encodes this reading.

    `reading` is a whole number in the quantity's unit of the node (or True/False, bytes, None, a fault word). For
    judging a run: what a sensor model played, against what the server decoded.
    """
    about = (catalog or default()).profile(name)
    field = next(one for one in about["fields"] if one["name"] == field_name)
    table = Table({"name": name, "fport": 1, "base": 1, "age": -1, "fields": [field]})
    buf = bytearray(_LARGEST_BYTES)
    size = encoder.encode_into(table, [reading], 0, buf, len(buf))
    return from_wire(field, loads(bytes(buf[:size]))[0])


def _decode_map(about, item, warnings):
    if not isinstance(item, dict):
        raise DecodeError("%s: not a map" % about["name"])
    fields = {field["key"]: field for field in about["fields"]}
    values, flags = {}, 0
    for key in sorted(item, key=_map_order):
        if not isinstance(key, int) or key < 0:
            raise CborError("key: not a whole number from 0")
        if key == 0:
            flags = whole("flags", item[key], 0, _MAX_FLAGS)
        elif key in fields:
            values[fields[key]["name"]] = from_wire(fields[key], item[key])
        else:
            warnings.append("unknown value %d" % key)
    return values, flags


def _map_order(key):
    return (0, key, "") if isinstance(key, int) else (1, 0, str(key))


def _decode_array(about, item, warnings):
    base, fields = about["base"], about["fields"]
    if not isinstance(item, list) or len(item) < base:
        # Fewer values than version 1 has would shift their meaning.
        raise DecodeError("%s: not an array of at least %d" % (about["name"], base))
    flags = whole("flags", item[base], 0, _MAX_FLAGS) if len(item) > base else 0
    values = {}
    for i, field in enumerate(fields):
        at = i if i < base else i + 1
        if at < len(item):
            values[field["name"]] = from_wire(field, item[at])
    # What a newer node has to say is left out, with a word about it; rule 8 of the wire design.
    for at in range(len(fields) + 1, len(item)):
        warnings.append("unknown value %d" % at)
    return values, flags


def _readings(about, values, error=DecodeError):
    """Return how many readings the columns of a batch hold (1 for a single report); they must agree."""
    if not about["split"]:
        return 1
    count = 0
    for field in about["fields"]:
        column = values.get(field["name"])
        if isinstance(column, list):
            if count and len(column) != count:
                raise error("%s: columns differ in length" % field["name"])
            count = len(column)
    return count or 1


def _times(about, values, readings, received):
    """Reading i of n was taken at received - age - (n - 1 - i) * step (payload.md section 2, rule 9)."""
    from datetime import timedelta

    newest = received - timedelta(minutes=values.get("age") or 0)
    if not about["split"]:
        return newest
    step = about["split"].get("step_min") or values.get(about["split"].get("step"))
    if not step:
        return [None] * readings
    return [newest - timedelta(minutes=step * (readings - 1 - i)) for i in range(readings)]


def _iso(time):
    """ISO 8601 in UTC with milliseconds and Z, as JavaScript's toISOString; None stays None."""
    from datetime import timezone

    if time is None:
        return None
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
