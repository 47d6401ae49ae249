"""Modules can be given back and come again."""

from __future__ import annotations

import sys

from firmware.node.memory import forget
from tests.on_micropython import run_on_micropython


def test_forgotten_module_is_loaded_anew():
    import firmware.node.judge as before

    forget("firmware.node.judge")
    assert "firmware.node.judge" not in sys.modules

    import firmware.node.judge as after

    assert after is not before


def test_forgetting_what_was_never_loaded_is_harmless():
    forget("firmware.node.no_such_module", "firmware.no_such_package.module")


def test_forgetting_what_was_never_loaded_is_harmless_on_the_genuine_interpreter():
    out = run_on_micropython(
        "from firmware.node.memory import forget\nforget('firmware.node.no_such_module')\nprint('lives')"
    )

    assert out == "lives\n"
