"""What a program never mentions is left out; what it might reach stays."""

import pytest

from provisioning.pruning import prune
from provisioning.shortening import shorten


def pruned(program, keep=()):
    return {
        name: text.decode()
        for name, text in prune({name: text.encode() for name, text in program.items()}, keep).items()
    }


def test_functions_classes_and_imports_that_nobody_mentions_are_left_out_and_lines_stay():
    library = """def used():
    return helper()


def helper():
    return 1


def unused():
    return lost()


def lost():
    return 2
"""
    after = pruned({"library": library, "main": "from library import used, unused\n\nprint(used())\n"})

    assert after["main"] == "from library import used\n\nprint(used())\n"
    assert after["library"].startswith(library[: library.index("def unused")])
    assert "lost" not in after["library"]
    assert after["library"].count("\n") == library.count("\n")


def test_a_method_that_is_mentioned_for_any_object_stays():
    text = """class A:
    def __init__(self):
        pass

    def run(self):
        pass

    @property
    def size(self):
        pass


A()
print(x.run)
"""

    after = pruned({"main": text})["main"]

    assert "def run" in after
    assert "def __init__" in after
    assert "size" not in after
    assert "@" not in after


@pytest.mark.parametrize(
    "user", ["print(getattr(a, 'run'))\n", "NAMES = 'stop run'\n", "from a import run as start\n", "print(a.run)\n"]
)
def test_every_way_to_name_a_function_keeps_it(user):
    assert "def run" in pruned({"a": "def run():\n    return 1\n", "b": user})["a"]


def test_a_class_on_a_base_of_the_interpreter_stays_whole():
    text = "import io\n\n\nclass Stream(io.IOBase):\n    def readinto(self, buf):\n        return 0\n\n\nStream()\n"

    assert pruned({"main": text})["main"] == text


def test_what_is_called_from_outside_is_kept():
    text = "def run():\n    return 1\n"

    assert pruned({"main": text}, keep=["run"])["main"] == text
    assert pruned({"main": text})["main"] == "pass\n\n"


def shortened(text, keywords=None):
    return shorten({"main": text.encode()}, keywords)["main"].decode()


def test_parameters_that_no_call_names_get_short_names():
    text = "def f(self, amount, other):\n    amount += 1\n    return [each + other for each in amount]\n"

    assert shortened(text) == "def f(self, _1, _2):\n    _1 += 1\n    return [each + _2 for each in _1]\n"


@pytest.mark.parametrize(
    "text",
    [
        "def f(amount):\n    return amount\n\n\nf(amount=3)\n",
        "def f(amount):\n    return amount\n\n\nf(**options)\n",
        "def f(*, amount):\n    return amount\n",
        "def f(amount):\n    return lambda: amount\n",
        "def f(amount):\n    return [amount for amount in amount]\n",
        "def f(amount):\n    return f'{amount}'\n",
        "def f(amount=3, other=0):\n    import amount\n",
    ],
)
def test_parameters_with_any_other_meaning_stay(text):
    assert "amount" in shortened(text)


def test_a_default_is_evaluated_outside_and_keeps_its_name():
    assert shortened("total = 1\n\n\ndef f(total=total):\n    return total\n").endswith(
        "def f(total=total):\n    return total\n"
    )


def test_known_keywords_stay_and_the_others_are_shortened_even_with_spread_calls():
    text = "def f(amount, speed):\n    return amount + speed\n\n\nf(**options)\n"

    assert shortened(text, ["speed"]).startswith("def f(_0, speed):\n    return _0 + speed\n")
