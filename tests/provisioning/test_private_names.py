"""Private names are short on a node; public ones, and whatever somebody could say, stay."""

import ast

import pytest

from provisioning.private_names import shorten_private
from tests.on_micropython import run_on_micropython

CLASSES = """
class Base:
    def __init__(self):
        self._common_state = 1

    def _secret_step(self):
        return self._common_state


class Child(Base):
    _class_constant = 7

    def __init__(self):
        super().__init__()
        self._own_state = 2

    def tell(self):
        return self._secret_step() + self._own_state + self._class_constant + super()._secret_step()


class Stranger:
    def __init__(self):
        self._another_state = 3

    def tell(self):
        return _helper_of_module(self._another_state)


def _helper_of_module(value):
    return value + _TABLE_OF_MODULE[0]


_TABLE_OF_MODULE = (10, 20)
print(Child().tell(), Stranger().tell())
"""


def shortened(**program):
    return {name: text.decode() for name, text in shorten_private({n: t.encode() for n, t in program.items()}).items()}


def names(text):
    tree = ast.parse(text)
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return found | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_private_names_become_short_and_the_program_does_the_same_on_both_interpreters(capsys):
    after = shortened(main=CLASSES)["main"]

    assert not {name for name in names(after) if name.startswith("_") and len(name) > 3 and name != "__init__"}
    assert run_on_micropython(after) == run_on_micropython(CLASSES) == "11 13\n"
    exec(after, {"__name__": "main"})
    assert capsys.readouterr().out == "11 13\n"


def test_classes_that_inherit_never_share_a_short_name_and_strangers_do():
    after = shortened(main=CLASSES)["main"]

    family, stranger = after.split("class Stranger")
    in_family = [name for name in names(family) if name.startswith("_") and not name.startswith("__")]
    assert len(in_family) == 4
    assert names("class Stranger" + stranger) & set(in_family)


def test_no_line_moves():
    assert shortened(main=CLASSES)["main"].count("\n") == CLASSES.count("\n")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "def look(thing):\n    return thing._secret_step()\n",
        "def look(thing):\n    return getattr(thing, '_secret_step')\n",
        "def look(thing):\n    return thing(_secret_step=1)\n",
        "def look(thing):\n    return f'{thing._secret_step}'\n",
    ],
)
def test_a_private_name_that_somebody_could_say_stays(elsewhere):
    assert "_secret_step" in shortened(main=CLASSES, elsewhere=elsewhere)["main"]


def test_names_of_classes_that_inherit_from_outside_stay():
    text = "import machine\n\n\nclass Own(machine.Pin):\n    def __init__(self):\n        self._secret_state = 1\n"
    assert shortened(main=text)["main"] == text


def test_what_is_imported_or_used_through_its_module_stays():
    library = "def _first_helper():\n    return 1\n\n\ndef _second_helper():\n    return _first_helper()\n"
    by_name = "from library import _second_helper\n"
    through_module = "import library\n\nlibrary._second_helper()\n"
    for user in (by_name, through_module):
        after = shortened(library=library, main=user)
        assert "_second_helper" in after["library"]
        assert "_first_helper" not in after["library"]
        assert after["main"] == user


def test_a_short_name_that_the_module_has_already_is_not_taken():
    text = "_a = 5\n\n\ndef _helper(_b):\n    return _a + _b\n\n\nprint(_helper(1))\n"
    assert run_on_micropython(shortened(main=text)["main"]) == "6\n"
    assert "_helper" not in shortened(main=text)["main"]
