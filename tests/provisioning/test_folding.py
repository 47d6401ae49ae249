"""Constants become literals, and nothing else changes: neither what a program does nor where its lines are."""

import ast

import pytest

from provisioning.bundle import firmware_root, modules_for
from provisioning.folding import Source, fold
from provisioning.pruning import prune
from provisioning.shortening import shorten
from tests.on_micropython import run_on_micropython


def folded(program, keep=()):
    return {
        name: text.decode()
        for name, text in fold({name: Source(text.encode()) for name, text in program.items()}, keep).items()
    }


PROGRAM = {
    "limits": "from micropython import const\nLOW = -3\nHIGH = const(\n    1 << 5\n)\n_STEP = LOW + 5\nWORD = 'ok'\n",
    "user": """import limits
from limits import HIGH, WORD as SAID


def spread(n):
    return (HIGH - limits.LOW) ** 2 // limits._STEP + n * -limits.LOW, HIGH.to_bytes(2, 'big'), SAID
""",
    "main": "from user import spread\n\nprint(spread(7))\nprint(1 // 0)\n",
}
CATCHING = """
import sys
try:
    import main
except ZeroDivisionError as error:
    sys.print_exception(error, sys.stdout)
"""
USES = """
from firmware.drivers.a02yyuw import frames
from firmware.drivers.fill_level import cylinder_share
from firmware.radio.windows import window_us

print(frames(bytes.fromhex("ff07a1a7ff0003ffffffffff0200ff01")))
print([cylinder_share(share) for share in range(0, 10001, 617)])
print([window_us(sf, 125000) for sf in range(7, 13)])
"""


def run(program, folder, script=CATCHING):
    """What the script prints, without the part that names the script itself."""
    for name, text in program.items():
        place = folder.joinpath(*name.split(".")).with_suffix(".py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    lines = run_on_micropython(script, path=(folder,)).splitlines()
    return [line.replace(str(folder), "") for line in lines if "script.py" not in line]


def test_a_folded_program_does_the_same_on_micropython_and_fails_at_the_same_line(tmp_path):
    before = run(PROGRAM, tmp_path / "plain")
    after = run(folded(PROGRAM), tmp_path / "folded")

    assert before == after
    assert "(633, b'\\x00 ', 'ok')" in after
    assert any("line 4" in line for line in after)


def test_drivers_give_the_same_when_built_as_they_lie_on_a_node(tmp_path):
    names = ("drivers.a02yyuw", "drivers.faults", "drivers.fill_level", "radio.windows")
    program = {
        f"firmware.{name}": firmware_root().joinpath("firmware", *name.split(".")).with_suffix(".py").read_text("utf-8")
        for name in names
    }
    made = shorten(prune({name: text.encode() for name, text in folded(program).items()}, USES.split()))

    before = run(program, tmp_path / "plain", USES)
    after = run({name: text.decode() for name, text in made.items()}, tmp_path / "made", USES)

    assert before == after
    assert len(after) == 3


def test_neither_the_names_nor_the_imports_are_left():
    after = folded(PROGRAM)

    assert not {"LOW", "HIGH", "SAID", "WORD"} & {
        node.id for text in after.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)
    }
    assert "import" not in after["user"]


@pytest.mark.parametrize(
    "user",
    [
        "def f(any_module):\n    return any_module.LIMIT\n",
        "import limits\nprint(getattr(limits, 'LIMIT'))\n",
        "import limits\nfor name in 'LIMIT OTHER'.split():\n    print(getattr(limits, name))\n",
        "import limits\nprint(getattr(limits, 'LIM' + 'IT'))\n",
        "from limits import *\nprint(LIMIT)\n",
        "import limits\nprint(f'{limits.LIMIT}')\n",
        "from limits import LIMIT\nprint(f'{LIMIT}')\n",
        "import limits\nlimits = limits\nprint(limits.LIMIT)\n",
        "from limits import LIMIT\nif LIMIT:\n    LIMIT = 4\n",
    ],
)
def test_what_is_reached_in_any_other_way_keeps_its_definition(user):
    after = folded({"limits": "LIMIT = 3\n", "user": user})

    assert after["limits"] == "LIMIT = 3\n"
    assert after["user"] == user


@pytest.mark.parametrize(
    "text",
    [
        "LIMIT = 3\nLIMIT = 4\nprint(LIMIT)\n",
        "LIMIT = 3\n\n\ndef f(LIMIT):\n    return LIMIT\n",
        "LIMIT = 3\n\n\ndef f():\n    global LIMIT\n    LIMIT += 1\n",
        "if True:\n    LIMIT = 3\nprint(LIMIT)\n",
        "LIMIT = True\nprint(LIMIT)\n",
        "LIMIT = [3]\nprint(LIMIT)\n",
        "LIMIT = 1 // 0\nprint(LIMIT)\n",
        "LIMIT = LIMIT + 1\nprint(LIMIT)\n",
        "LONG = 'more than ten characters'\nprint(LONG, LONG)\n",
        "limit = 3\nprint(limit)\n",
        "LIMIT = 3\nprint(globals()['LIM' + 'IT'])\n",
    ],
)
def test_what_is_no_constant_stays_as_it_is(text):
    assert folded({"module": text})["module"] == text


def test_a_module_that_is_changed_from_outside_has_no_constants():
    program = {"limits": "LIMIT = 3\n", "user": "import limits\n\nlimits.LIMIT = 4\nprint(limits.LIMIT)\n"}

    assert folded(program) == program


def test_a_name_that_is_passed_on_is_replaced_where_it_arrives():
    program = {"a": "LIMIT = 3\n", "b": "from a import LIMIT\n", "c": "from b import LIMIT\nprint(LIMIT)\n"}

    assert folded(program) == {"a": "pass\n", "b": "pass\n", "c": "pass\nprint(3)\n"}


def test_what_the_outside_reads_is_kept():
    assert folded({"limits": "LIMIT = 3\n_OTHER = 4\n"}, keep=["limits.LIMIT"])["limits"] == "LIMIT = 3\npass\n"


def test_the_stand_in_for_const_goes_with_its_last_use():
    text = (
        "try:\n    from micropython import const\nexcept ImportError:\n    const = int\n"
        "_A = const(5)\nB = const('text')\n\n\ndef f():\n    return _A\n"
    )

    assert "const" in folded({"module": text + "print(B, B.upper())\n" + "C = [const(1)]\n"})["module"]
    assert folded({"module": text.replace("B = const('text')\n", "")})["module"] == (
        "pass\n\n\n\npass\n\n\ndef f():\n    return 5\n"
    )


@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_no_line_of_the_firmware_moves(profile):
    root = firmware_root()
    program = {}
    for module in modules_for("virtual", profile, "EU868", root):
        path = root.joinpath(*module.split("."))
        is_package = path.is_dir()
        text = (path / "__init__.py" if is_package else path.with_suffix(".py")).read_bytes()
        program[module] = Source(text, is_package)

    for module, text in fold(program).items():
        assert text.count(b"\n") == program[module].text.count(b"\n")
        assert lines_of_functions(text) <= lines_of_functions(program[module].text)


def lines_of_functions(text):
    return {(node.name, node.lineno) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
