"""Modules that are loaded together become one on a node, and the program does the same."""

import pytest

from provisioning import bundle
from provisioning.cli.main import run as run_spatz
from provisioning.merging import merge
from tests.on_micropython import run_on_micropython

BASE = """
import struct

_TABLE = (1, 2)


class Base:
    def size(self):
        return _step(_TABLE[1])


def _step(value):
    return struct.calcsize("<H") + value
"""
TOOLS = """
_TABLE = (10, 20)


def tool(number):
    return number + _TABLE[0]


def other(number):
    return tool(number) + 1
"""
HEAD = """
from . import tools as names
from .base import Base as Parent
from .tools import other


class Child(Parent):
    def all(self):
        from .late import late

        return self.size(), names.tool(1), other(1), late(1)
"""
LATE = """
from .base import Base
from .tools import _TABLE, tool


def late(number):
    return isinstance(Base(), Base), tool(number), _TABLE
"""
MAIN = """
import sys
from box import base, head
from box.base import Base

print(head.Child().all(), issubclass(head.Child, Base), base.Base is Base)
print(sorted(name for name in sys.modules if name.startswith("box")))
"""


def program(**changed):
    texts = {"base": BASE, "tools": TOOLS, "head": HEAD, "late": LATE}
    texts = {f"box.{name}": text for name, text in {**texts, **changed}.items()}
    return {name: text.encode() for name, text in {"box": "", "main": MAIN, **texts}.items()}


def run(texts, folder):
    """What the program prints on MicroPython."""
    for name, text in texts.items():
        path = folder.joinpath(*name.split(".")) / "__init__.py" if name == "box" else folder.joinpath(*name.split("."))
        path = path if name == "box" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return run_on_micropython(folder / "main.py", path=(folder,))


def test_a_group_becomes_one_module_and_the_program_does_the_same(tmp_path):
    merged = merge(program(), [("box.head",)])

    assert set(merged.texts) == {"box", "box.head", "box.late", "main"}
    before, after = run(program(), tmp_path / "before"), run(merged.texts, tmp_path / "after")
    assert before.splitlines()[0] == after.splitlines()[0] == "(4, 11, 12, (True, 11, (10, 20))) True True"
    assert after.splitlines()[1] == "['box', 'box.head', 'box.late']"


def test_a_line_of_a_merged_module_is_found_again():
    merged = merge(program(), [("box.head",)])
    lines = merged.texts["box.head"].decode().splitlines()
    sources = {name: text.decode().splitlines() for name, text in program().items()}

    for word in ("class Base:", "def other(number):", "class Child"):
        number = next(at for at, line in enumerate(lines, 1) if line.startswith(word))
        module, line = merged.origin("box.head", number)
        assert sources[module][line - 1].startswith(word)
    assert merged.origin("box.late", 7) == ("box.late", 7)
    assert merged.origin("box.head", 999) == ("box.head", 999)  # there is no such line
    assert len(lines) == sum(count for _, count in merged.parts["box.head"])


def test_a_module_that_is_loaded_or_forgotten_by_name_stays_apart():
    merged = merge(program(late='LEFT = "box.tools"'), [("box.head",)])

    assert set(merged.texts) == {"box", "box.head", "box.late", "box.tools", "main"}


def test_further_heads_join_the_first_one_there_is():
    assert set(merge(program(), [("box.head", "box.late")]).texts) == {"box", "box.head", "main"}
    assert set(merge(program(), [("box.none", "box.base", "box.tools")]).texts) == {
        *("box", "box.base", "box.head", "box.late", "main")
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tools": "class Base:\n    pass\n\n\ndef other():\n    pass\n"}, "Base of box.base is something else"),
        ({"base": "from main import x\n\n\nclass Base:\n    pass\n"}, "would load itself"),
        ({"head": HEAD + "\n\nkept = names\n"}, "used as a value"),
        ({"head": HEAD + '\n\nprint(f"{names._TABLE}")\n'}, "stands in an f-string"),
        ({"late": "import box.tools\n\nlate = box.tools.tool\n"}, "is more than the module"),
    ],
)
def test_what_cannot_be_merged_is_refused(changed, reason):
    with pytest.raises(ValueError, match=reason):
        merge(program(**changed), [("box.head",)])


def test_a_name_that_shadows_what_another_module_means_is_refused():
    with pytest.raises(ValueError, match="len is another module's"):
        merge(
            program(
                tools="def len(x):\n    return 0\n\n\ndef tool(x):\n    return x\n\n\nother = tool\n",
                base="class Base:\n    def size(self):\n        return len('abc')\n",
            ),
            [("box.head",)],
        )


@pytest.mark.parametrize(
    ("board", "region"), [("virtual", "EU868"), ("virtual", "AS923-1"), ("lilygo_t3", "US915"), ("lilygo_t3", "KR920")]
)
def test_of_each_stack_what_is_always_loaded_is_one_module_and_the_radio_another(board, region):
    root = bundle.firmware_root()
    modules = bundle.modules_for(board, "fill", region, root)
    merged = bundle.merged(modules, root)
    stack = sorted(name for name in merged.texts if name.startswith(("firmware.lorawan.", "firmware.radio.")))
    loaded_later = ("activation", "aes", "commands", "errors", "recovery", "sensing")

    assert "firmware.lorawan.errors" not in stack
    assert [name for name in stack if not name.endswith(loaded_later) and ".regions" not in name] == [
        "firmware.lorawan.mac",
        "firmware.radio.sx126x" if board == "virtual" else "firmware.radio.sx127x",
    ]


def test_spatz_where_finds_the_source_of_a_line_in_a_traceback(tmp_path, capsys):
    node = tmp_path / "node.toml"
    node.write_text('name = "n1"\nboard = "virtual"\nprofile = "fill"\n')
    root = bundle.firmware_root()
    merged = bundle.merged(bundle.modules_for("virtual", "fill", "EU868", root), root)
    text = merged.texts["firmware.lorawan.mac"].decode().splitlines()
    place = next(at for at, line in enumerate(text, 1) if "def count_uplink" in line)

    assert run_spatz(["where", str(node), "firmware.lorawan.mac", str(place)]) == 0

    module, line = capsys.readouterr().out.split()
    source = root.joinpath(*module.split(".")).with_suffix(".py").read_text().splitlines()
    assert module == "firmware.lorawan.link"
    assert "def count_uplink" in source[int(line) - 1]
