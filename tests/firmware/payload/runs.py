"""The other parties of the equivalence: the node on MicroPython, the codec in QuickJS, the CDDL validator."""

import json
import re

import pycddl
import quickjs

from tests.on_micropython import ROOT, run_on_micropython

GENERATED = ROOT / "firmware" / "payload" / "generated"
NODE = ROOT / "tests" / "firmware" / "payload" / "node_here.py"
_AT_ONCE = 1000


def encode_on_node(reports, tmp_path, folder=None, timeout_s=600):
    """Frames of (module, values, flags, limit) as genuine MicroPython encodes them; None for too long."""
    file = tmp_path / "reports.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for name, values, flags, limit in reports:
            plain = [{"x": value.hex()} if isinstance(value, bytes) else value for value in values]
            out.write(json.dumps([name, plain, flags, limit]) + "\n")
    lines = run_on_micropython(NODE, str(file), *([str(folder)] if folder else []), timeout_s=timeout_s).split("\n")
    return [None if line == "too long" else bytes.fromhex(line) for line in lines[:-1]]


class Codec:
    """The generated JavaScript in QuickJS, in strict mode."""

    def __init__(self, file=GENERATED / "spatz.js"):
        self.text = file.read_text("utf-8")
        self._context = quickjs.Context()
        self._context.eval('"use strict";' + self.text)

    def call(self, function, argument):
        return json.loads(self._context.eval(f"JSON.stringify({function}({json.dumps(argument)}))"))

    def decode(self, fport, data, **more):
        return self.call("decodeUplink", {"fPort": fport, "bytes": list(data), **more})

    def decode_all(self, frames):
        """Decode (fport, bytes) one after the other and return the results."""
        results = []
        for at in range(0, len(frames), _AT_ONCE):
            inputs = [{"fPort": fport, "bytes": list(data)} for fport, data in frames[at : at + _AT_ONCE]]
            results += json.loads(self._context.eval(f"JSON.stringify({json.dumps(inputs)}.map(decodeUplink))"))
        return results


class Cddl:
    """The generated rules of one profile, in pycddl."""

    def __init__(self, name):
        self._text = (GENERATED / "cddl" / f"{name}.cddl").read_text("utf-8")
        self._whole = pycddl.Schema(self._text)
        self._schemas = {}
        if found := re.search(r"^report =\n(.*?)\n\n", self._text, re.DOTALL | re.MULTILINE):
            # An array can only match the choice of its length; pycddl 0.6 is led astray by the others.
            for choice in (line.rstrip(" /") for line in found[1].split("\n")):
                alone = self._text.replace(found[0], f"report = {choice}\n\n")
                self._schemas[choice.count(",") + 1] = pycddl.Schema(alone)

    def accepts(self, data):
        schema = self._schemas.get(data[0] & 31) if self._schemas else self._whole
        if schema is None:
            return False
        try:
            schema.validate_cbor(data)
        except pycddl.ValidationError:
            return False
        return True
