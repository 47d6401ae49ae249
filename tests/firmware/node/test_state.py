"""Boot counter and interval survive a reset; a new configuration wins over an old command."""

from __future__ import annotations

import json

from firmware.lorawan.memory_store import MemoryStore
from firmware.node import config
from firmware.node.state import State


def configured(interval_s=900):
    settings = {"version": 1, "name": "n", "board": "virtual", "profile": "fill", "report_interval_s": interval_s}
    return config.parse(json.dumps(settings).encode())


def test_boots_are_counted():
    store = MemoryStore()
    for boot in range(1, 4):
        state = State(store, configured())

        assert state.begin()
        assert state.boots == boot


def test_interval_set_by_command_survives_a_reset():
    store = MemoryStore()
    state = State(store, configured())
    state.begin()
    state.set_interval_s = 120
    assert state.save()

    after = State(store, configured())
    after.begin()

    assert after.report_interval_s == 120


def test_new_configuration_wins_over_an_old_command():
    store = MemoryStore()
    state = State(store, configured(900))
    state.begin()
    state.set_interval_s = 120
    state.save()

    after = State(store, configured(600))
    after.begin()

    assert after.report_interval_s == 600
    assert after.boots == 2


def test_damaged_record_starts_anew_and_says_so():
    store = MemoryStore({"state": b"\x01nonsense"})
    state = State(store, configured())

    assert not state.begin()
    assert state.boots == 1


def test_flash_that_refuses_does_not_stop_the_node():
    class Full(MemoryStore):
        def save(self, name, body):
            raise OSError(28)

    state = State(Full(), configured())

    assert not state.begin()
    assert state.report_interval_s == 900
