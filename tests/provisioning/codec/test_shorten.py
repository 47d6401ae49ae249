"""The shortener changes how the program looks and nothing it does."""

import pytest
import quickjs

from provisioning.codec.javascript import shorten


def run(program, call):
    context = quickjs.Context()
    context.eval('"use strict";' + program)
    return context.eval(call)


@pytest.mark.parametrize(
    ("program", "call", "result"),
    [
        ("function decodeUplink(input) {\n  // a remark\n  return input + + 1;\n}", "decodeUplink(1)", 2),
        ("function decodeUplink(input) { return input - -1; }", "decodeUplink(1)", 2),
        ("function decodeUplink(i) { i++; return i + 1; }", "decodeUplink(1)", 3),
        ('function decodeUplink(input) { return "input  // stays"; }', "decodeUplink(1)", "input  // stays"),
        ("function decodeUplink(name) { return { name: name }.name; }", "decodeUplink(7)", 7),
        ("function decodeUplink(flag) { var yes = 1, no = 2; return flag ? yes : no; }", "decodeUplink(0)", 2),
        (
            "var decodeUplink = function (value) { var inner = value; return typeof inner; };",
            "decodeUplink(1)",
            "number",
        ),
        (
            "function decodeUplink(x) { try { throw Error(x); } catch (error) { return error.message; } }",
            "decodeUplink('a')",
            "a",
        ),
    ],
)
def test_a_shortened_program_does_the_same(program, call, result):
    short = shorten(program)

    assert run(program, call) == run(short, call) == result
    assert len(short) < len(program)


def test_names_that_servers_call_stay():
    assert "decodeUplink" in shorten("function decodeUplink(input) { return input; }")
    assert "input" not in shorten("function decodeUplink(input) { return input; }")
