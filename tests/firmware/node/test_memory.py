"""Modules can be given back and come again."""

from __future__ import annotations

import sys

from firmware.node.memory import forget


def test_forgotten_module_is_loaded_anew():
    import firmware.node.judge as before

    forget("firmware.node.judge")
    assert "firmware.node.judge" not in sys.modules

    import firmware.node.judge as after

    assert after is not before


def test_forgetting_what_was_never_loaded_is_harmless():
    forget("firmware.node.no_such_module", "firmware.no_such_package.module")
