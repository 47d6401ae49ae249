"""Codec and example files in the form of the two public device repositories (payload.md section 6).

`chirpstack/`: chirpstack-device-profiles, where a test compares `JSON.stringify` of both sides, so the order of keys
matters. `the-things-stack/`: lorawan-devices, whose examples are YAML; JSON in flow style is YAML too.
"""

import json
from typing import Any

from firmware.payload.commands import encode_command
from firmware.payload.report import Catalog
from provisioning.codec.javascript import codec
from provisioning.codec.schema import Schema

# (what it shows, settings by name)
_COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("report every 15 minutes", {"seq": 17, "interval": 900}),
    ("interval and thresholds", {"seq": 18, "interval": 900, "thresholds": [0, 4000], "full_threshold": 80}),
    ("empty container is 1850 mm deep", {"seq": 19, "empty_distance": 1850}),
    ("restart, only if it is still boot 20", {"seq": 20, "reboot": 20}),
    ("ask for the status", {"seq": 21, "status": 0}),
    ("set the clock", {"seq": 22, "time": 1480000000}),
    ("lamp at 60 % for 30 minutes", {"seq": 23, "lamp": [60, 30]}),
)


def repository_files(schema: Schema, catalog: Catalog) -> dict[str, str]:
    """Return path -> text."""
    decode = [
        {"name": f"{profile.name}: {example.title}", "fport": profile.fport, "data": bytes.fromhex(example.hex)}
        for profile in schema.profiles
        for example in profile.examples
    ]
    return {
        "chirpstack/codecs/spatz.js": codec(schema),
        "chirpstack/codecs/test_decode_spatz.json": _json([_chirpstack(one, catalog) for one in decode]),
        "chirpstack/codecs/test_encode_spatz.json": _json([_chirpstack_command(*one, schema) for one in _COMMANDS]),
        "the-things-stack/spatz.js": codec(schema, downlink_decoder=True),
        "the-things-stack/spatz-codec.yaml": _things_stack(decode, schema, catalog),
    }


def uplink_result(catalog: Catalog, fport: int, data: bytes) -> dict[str, Any]:
    """Return what `decodeUplink` returns without a reception time, keys in its order."""
    report = catalog.decode(fport, data)
    result: dict[str, Any] = {"data": report.data()}
    if report.about["layout"] != "answer":
        result["warnings"] = report.warnings
    return result


def _chirpstack(one: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    given = {"fPort": one["fport"], "bytes": list(one["data"])}
    return {"name": one["name"], "input": given, "expected": uplink_result(catalog, one["fport"], one["data"])}


def _chirpstack_command(name: str, settings: dict[str, Any], schema: Schema) -> dict[str, Any]:
    return {"name": name, "input": {"data": settings}, "expected": _downlink(settings, schema)}


def _downlink(settings: dict[str, Any], schema: Schema) -> dict[str, Any]:
    keys = {command.name: command.key for command in schema.commands}
    data = encode_command(settings["seq"], {keys[name]: value for name, value in settings.items() if name != "seq"})
    return {"bytes": list(data), "fPort": schema.command_fport}


def _things_stack(decode: list[dict[str, Any]], schema: Schema, catalog: Catalog) -> str:
    lines = ["# Made by `spatz payload build`.", "uplinkDecoder:", "  fileName: spatz.js", "  examples:"]
    for one in decode:
        result = uplink_result(catalog, one["fport"], one["data"])
        output = {key: value for key, value in result.items() if key == "data" or value}
        lines += _example(one["name"], {"fPort": one["fport"], "bytes": list(one["data"])}, output)
    lines += ["downlinkEncoder:", "  fileName: spatz.js", "  examples:"]
    for name, settings in _COMMANDS:
        lines += _example(name, {"data": settings}, _downlink(settings, schema))
    lines += ["downlinkDecoder:", "  fileName: spatz.js", "  examples:"]
    for name, settings in _COMMANDS:
        coded = _downlink(settings, schema)
        lines += _example(name, {"fPort": coded["fPort"], "bytes": coded["bytes"]}, {"data": settings})
    return "\n".join(lines) + "\n"


def _example(description: str, given: dict[str, Any], output: dict[str, Any]) -> list[str]:
    return [
        f"    - description: {json.dumps(description)}",
        f"      input: {json.dumps(given)}",
        f"      output: {json.dumps(output, ensure_ascii=False)}",
    ]


def _json(data: list[dict[str, Any]]) -> str:
    """One test a line: short enough to read, and a change is one line of difference."""
    return "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in data) + "\n]\n"
