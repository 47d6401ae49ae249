"""`spatz` as a process, mpremote's library and mpy-cross as they are, against a virtual board and the bench server."""

import hashlib
import json
import random
import signal
import sqlite3
import time

import pytest

from firmware.lorawan.ids import Eui
from firmware.lorawan.store import pack_identity
from provisioning.steps import NAMES

pytestmark = pytest.mark.live

JOIN_EUI = "70b3d57ed0000001"


def assert_provisioned(technician, board):
    """Vault, node and server hold the same identity, once."""
    with technician.journal() as journal:
        (device,) = journal.devices()
    with technician.vault() as vault:
        assert [(eui, field) for eui, field, _ in vault.entries()] == [(device.dev_eui, "app_key")]
        with vault.secret(device.dev_eui, "app_key") as key:
            expected = pack_identity(Eui.from_hex(device.dev_eui), Eui.from_hex(JOIN_EUI), key)
            assert board.read_file("/lorawan/identity") == expected
            assert technician.server.keys(device.dev_eui).nwk_key == key.hex()
    assert not [path for path in board.list_files() if path.endswith(".new")]
    on_server = technician.server.device(device.dev_eui)
    assert (on_server.name, on_server.tags["spatz_unit"]) == (device.name, device.unit)
    assert technician.server.device_count(on_server.application_id) == 1
    return device


@pytest.mark.usefixtures("joiner")
def test_one_command_takes_a_board_from_bare_to_joined(technician, board):
    status, events, _ = technician.run()

    assert status == 0
    assert technician.outcomes(events) == dict.fromkeys(NAMES, "done")
    device = assert_provisioned(technician, board)
    assert device.dev_eui == device.unit[:6] + "fffe" + device.unit[6:]
    config = json.loads(board.read_file("/node.json"))
    assert (config["name"], config["board"], config["profile"], config["version"]) == ("n1", "virtual", "light", 1)
    assert events[-1]["event"] == "node"


@pytest.mark.usefixtures("joiner")
def test_the_node_runs_what_was_deployed(technician, board):
    technician.run()

    until = time.monotonic() + 10
    while "spatz: start n1 board=virtual profile=light" not in board.console and time.monotonic() < until:
        time.sleep(0.1)

    assert "spatz: start n1 board=virtual profile=light" in board.console
    assert "ImportError" not in board.console


@pytest.mark.usefixtures("joiner")
def test_the_second_run_does_nothing_and_leaves_the_node_running(technician, board):
    technician.run()
    writes = board.flash_writes

    status, events, _ = technician.run()

    assert status == 0
    assert technician.outcomes(events) == dict.fromkeys(NAMES, "skipped")
    assert board.flash_writes - writes < 20  # the node's own


@pytest.mark.usefixtures("joiner")
def test_a_changed_setting_is_deployed_alone(technician, board):
    technician.run()
    technician.write_node(more="report_interval_s = 600")

    _, events, _ = technician.run()

    assert technician.outcomes(events) == {**dict.fromkeys(NAMES, "skipped"), "deploy": "done"}
    deployed = next(event for event in events if event.get("step") == "deploy" and event["outcome"] == "done")
    assert deployed["written"] == 2  # node.json, and main.py that was taken away meanwhile
    assert json.loads(board.read_file("/node.json"))["report_interval_s"] == 600


@pytest.mark.usefixtures("joiner")
def test_another_profile_takes_away_what_the_old_one_needed(technician, board):
    technician.run()
    assert "/lib/firmware/node/measure/light.mpy" in board.list_files()
    technician.write_node(profile="fill")

    technician.run()

    files = board.list_files()
    assert "/lib/firmware/node/measure/fill.mpy" in files
    assert "/lib/firmware/node/measure/light.mpy" not in files


def test_single_steps_can_be_called_in_order_and_ask_for_the_one_they_need(technician, board, joiner):
    status, events, _ = technician.run("deploy")
    assert (status, events[-1]["code"]) == (2, "step-needs")

    for name in NAMES:
        status, events, _ = technician.run(name)
        assert (status, technician.outcomes(events)) == (0, {name: "done"})
    assert_provisioned(technician, board)


@pytest.mark.usefixtures("joiner")
def test_another_board_on_the_port_is_not_given_the_identity(technician, board, bench):
    technician.run()
    stranger = bench.add_board("stranger")
    stranger.power_on()
    technician.port = stranger.port
    technician.write_node(more="report_interval_s = 600")

    status, events, _ = technician.run()

    assert (status, events[-1]["code"]) == (1, "unit-differs")
    assert stranger.list_files() == []


@pytest.mark.usefixtures("joiner")
def test_a_board_that_is_another_node_already_is_refused(technician, board):
    technician.run()
    technician.write_node(name="n2")

    status, events, _ = technician.run()

    assert (status, events[-1]["code"]) == (3, "unit-taken")


def test_a_board_without_power_is_named_as_silent(technician, board):
    board.power_off()

    status, events, _ = technician.run("identify")

    assert (status, events[-1]["code"]) == (1, "board-silent")


def test_a_port_held_by_another_program_is_named_as_busy(technician, board):
    import serial

    with serial.Serial(board.port, exclusive=True):
        status, events, _ = technician.run("identify")

    assert (status, events[-1]["code"]) == (3, "port-busy")


def test_a_server_that_is_away_costs_only_the_steps_that_need_it(technician, board, chirpstack):
    url, chirpstack.url = chirpstack.url, "http://127.0.0.1:9"

    status, events, _ = technician.run()

    assert (status, events[-1]["code"]) == (4, "server-unreachable")
    assert technician.outcomes(events)["key"] == "done"
    chirpstack.url = url
    status, events, _ = technician.run("register")
    assert status == 0


def test_a_node_that_does_not_join_is_told_with_what_to_check(technician):
    status, events, _ = technician.run("provision", "--join-timeout", "0.5")

    assert (status, events[-1]["code"]) == (1, "not-joined")


def test_two_at_once_on_the_same_node_are_kept_apart(technician, joiner):
    first = technician.start()
    time.sleep(0.3)

    status, events, _ = technician.run()

    first.communicate(timeout=60)
    assert first.returncode == 0
    assert (status, events[-1]["code"]) == (3, "node-busy")


@pytest.mark.usefixtures("joiner")
def test_a_file_changed_behind_our_back_is_put_right(technician, board):
    technician.run()
    board.power_off()
    board.write_files({"/lib/firmware/node/main.mpy": b"broken", "/lib/firmware/old.mpy": b"old"})
    board.power_on()
    time.sleep(0.3)

    _, events, _ = technician.run("deploy")

    deployed = events[-2]
    assert (deployed["written"], deployed["removed"]) == (2, 1)


@pytest.mark.usefixtures("joiner")
def test_a_node_whose_files_were_erased_begins_anew_at_the_server_too(technician, board):
    technician.run()
    with technician.journal() as journal:
        (device,) = journal.devices()
    with technician.server.service.live.turn() as turn:
        turn.core.storage.device_keys(device.dev_eui).dev_nonces[JOIN_EUI] = [0, 1]
    board.power_off()
    with board.flash_file.open("r+b") as flash:  # the firmware stays
        flash.seek(board.unit.layout.files_offset)
        flash.write(b"\xff" * board.unit.layout.files_bytes)
    board.power_on()
    time.sleep(0.3)

    status, events, _ = technician.run("provision", "--again")

    assert status == 0
    assert technician.outcomes(events)["join"] == "done"
    assert not any(technician.server.nonces(device.dev_eui).values())
    assert_provisioned(technician, board)


def history(technician):
    """Names of the steps that were begun so far, as the journal's file says from outside."""
    file = technician.state / "journal.db"
    if not file.exists():
        return []
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
            return [name for (name,) in db.execute("SELECT step FROM event WHERE what = 'begin'")]
    except sqlite3.OperationalError:
        return []


def kill_when(process, condition, after_s):
    """SIGKILL `after_s` after `condition` holds, unless the process is faster."""
    while process.poll() is None and not condition():
        time.sleep(0.002)
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.usefixtures("joiner")
@pytest.mark.parametrize("step", NAMES)
def test_killed_in_a_step_and_started_again_it_goes_on(technician, board, step):
    kill_when(technician.start(), lambda: step in history(technician), random.Random(step).uniform(0, 0.1))

    status, events, _ = technician.run()

    assert status == 0
    before = NAMES[: NAMES.index(step)]
    assert {name: outcome for name, outcome in technician.outcomes(events).items() if name in before} == dict.fromkeys(
        before, "skipped"
    )
    assert_provisioned(technician, board)


@pytest.mark.usefixtures("joiner")
def test_killed_again_and_again_it_arrives_with_one_key(technician, board):
    chance = random.Random(5)
    keys = set()
    for _ in range(12):
        steps = len(history(technician)) + chance.randint(1, 2)
        kill_when(technician.start(), lambda steps=steps: len(history(technician)) >= steps, chance.uniform(0, 0.2))
        if (technician.state / "vault.spatz").exists():
            with technician.vault() as vault:
                keys.update(vault.mark(eui, field) for eui, field, _ in vault.entries())

    status, _, _ = technician.run()

    assert status == 0
    assert len(keys) == 1
    assert_provisioned(technician, board)


@pytest.mark.usefixtures("joiner")
@pytest.mark.parametrize("write", [40, 150])
def test_power_cut_while_deploying_leaves_no_half_program_and_the_next_run_completes_it(technician, board, write):
    technician.run("identify")
    technician.run("keys")
    technician.run("flash")
    board.cut_power_at_write(write)

    first, _, _ = technician.run()
    status, _, _ = technician.run()

    assert first in (0, 1)
    assert status == 0
    assert_provisioned(technician, board)
    assert hashlib.sha256(board.read_file("/main.py")).hexdigest()
