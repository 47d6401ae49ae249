"""The payload codec of a device profile, run in QuickJS as ChirpStack v4 runs it.

Source: chirpstack `codec/js`; facts in the fact sheet on payloads, section 5. A fresh runtime per call; the script
is an ES module, so strict mode; 100 ms for parsing and running together; `warnings` are dropped; non-empty `errors`
fail the call. Not copied: the preimported `Buffer`, which our codecs must not use (The Things Stack has none).
The time limit counts processor time here, so that a busy test machine does not fail an innocent codec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import quickjs

from bench.server.errors import CodecError

_MODULE = """{script}
;globalThis.__output = {function}(__input);
"""

_RESULT = """(function () {
    function plain(value) {
        if (typeof value === "number") return isFinite(value) ? value : null;
        if (typeof value === "string" || typeof value === "boolean") return value;
        if (value === null || typeof value !== "object") return null;
        if (Array.isArray(value)) return value.map(plain);
        var out = {};
        Object.keys(value).forEach(function (key) { out[key] = plain(value[key]); });
        return out;
    }
    return JSON.stringify(plain(globalThis.__output));
})()"""
"""As rquickjs hands values over: no toJSON, so a Date arrives as an empty object; NaN and functions as nothing."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One script and its limit."""

    script: str = field(repr=False)
    max_execution_ms: int = 100

    def decode(
        self, data: bytes, *, f_port: int, recv_time_us: int, variables: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """`decodeUplink`: the object under `data`, or CodecError."""
        value = {"bytes": list(data), "fPort": f_port, "variables": dict(variables or {})}
        output = self._run("decodeUplink", value, f"__input.recvTime = new Date({recv_time_us / 1000!r});")
        decoded = output.get("data")
        if not isinstance(decoded, dict):
            raise CodecError("decodeUplink did not return 'data'")
        return decoded

    def encode(
        self, value: Mapping[str, Any], *, f_port: int, variables: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """`encodeDownlink`: FPort and bytes. The codec may name another FPort; it is not told ours."""
        output = self._run("encodeDownlink", {"data": dict(value), "variables": dict(variables or {})}, "")
        numbers = output.get("bytes")
        if not isinstance(numbers, list):
            raise CodecError("JS error: encodeDownlink did not return 'bytes'")
        port = output.get("fPort", f_port)
        return _saturate(port if isinstance(port, int | float) else f_port), bytes(map(_saturate, numbers))

    def _run(self, function: str, value: Mapping[str, Any], prepare: str) -> dict[str, Any]:
        context = quickjs.Context()
        context.set_time_limit(self.max_execution_ms / 1000)
        try:
            context.eval(f"globalThis.__input = {json.dumps(value)}; {prepare}")
            context.module(_MODULE.format(script=self.script, function=function))
            output = json.loads(context.eval(_RESULT))
        except quickjs.JSException as error:
            raise CodecError(f"JS error: {error}".strip()) from None
        if not isinstance(output, dict):
            raise CodecError(f"JS error: {function} did not return an object")
        errors = output.get("errors")
        if isinstance(errors, list) and errors:
            raise CodecError(f"{function} returned errors: {', '.join(map(str, errors))}")
        return output


def _saturate(number: object) -> int:
    """A JavaScript number as an unsigned byte: cut, then held between 0 and 255, without complaint."""
    if not isinstance(number, int | float):
        return 0
    return int(min(max(number, 0), 255))
