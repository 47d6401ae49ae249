"""The command: help, languages, exit statuses, and what it does not load."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import provisioning
from provisioning.cli.main import COMMANDS, run

ROOT = Path(__file__).parents[2]
HEAVY = ("grpc", "esptool", "mpremote", "serial", "cryptography", "segno", "sqlite3", "chirpstack_api")


@pytest.fixture
def node_toml(tmp_path):
    file = tmp_path / "node.toml"
    file.write_text('name = "n1"\nboard = "virtual"\nprofile = "fill"\n')
    return file


def arguments(tmp_path, node_toml, step, *more):
    return [step, str(node_toml), "--state", str(tmp_path / "state"), *more]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(capsys, name):
    assert run([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_without_a_command_the_overview_is_shown(capsys):
    assert run([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("wrong", [["nonsense"], ["keys"], ["keys", "--no-such"], ["frame", "decode"]])
def test_wrong_usage_ends_with_2(wrong):
    assert run(wrong) == 2


def test_the_overview_loads_nothing_heavy():
    code = f"import sys, provisioning.cli.main as m; m.run(['--help']); print([n for n in {HEAVY} if n in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    assert ended.stdout.splitlines()[-1] == "[]"


def test_esptool_is_never_imported_anywhere():
    for path in Path(provisioning.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("esptool", "espefuse", "espsecure")], path


def test_messages_come_in_the_language_asked_for(capsys, tmp_path, node_toml):
    assert run(arguments(tmp_path, node_toml, "identify", "--lang", "de")) == 2
    assert "Es wurde kein Port angegeben" in capsys.readouterr().err
    assert run(arguments(tmp_path, node_toml, "identify", "--lang", "en")) == 2
    assert "No port was given" in capsys.readouterr().err


def test_an_error_has_three_parts_for_people_and_for_machines(capsys, tmp_path, node_toml):
    run(arguments(tmp_path, node_toml, "identify", "--port", "/dev/no-such-port", "--json"))
    event = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert (event["event"], event["code"], event["exit"]) == ("error", "port-missing", 3)
    assert event["what"]
    assert event["why"]
    assert event["next"]


def test_an_unknown_board_is_refused_before_anything_happens(capsys, tmp_path, node_toml):
    node_toml.write_text(node_toml.read_text().replace("virtual", "virtaul"))

    assert run(arguments(tmp_path, node_toml, "provision", "--json")) == 2
    event = json.loads(capsys.readouterr().out)
    assert event["code"] == "board-unknown"
    assert "virtual" in event["next"]


def test_a_passphrase_is_asked_for_only_at_a_terminal(capsys, tmp_path, node_toml, monkeypatch):
    from provisioning.journal import Journal

    (tmp_path / "state").mkdir(mode=0o700)
    with Journal(tmp_path / "state" / "journal.db") as journal:
        device = journal.enrol("n1", "virtual", "fill")
        journal.set_unit(device, "240ac4123456")
        journal.begin(device, "identify", "virtual")
        journal.finish(device, "identify", {}, fingerprint="virtual")
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115

    assert run(arguments(tmp_path, node_toml, "keys", "--json")) == 2
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["code"] == "passphrase-needed"


def test_devices_and_journal_tell_what_is_known(capsys, tmp_path):
    from provisioning.journal import Journal

    state = tmp_path / "state"
    assert run(["devices", "--state", str(state)]) == 3
    assert not state.exists()
    state.mkdir()
    with Journal(state / "journal.db") as journal:
        device = journal.enrol("n1", "virtual", "fill")
        journal.begin(device, "keys", "")
        journal.finish(device, "keys", {"created": True}, fingerprint="")
    capsys.readouterr()

    assert run(["devices", "--state", str(state), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == {"keys": "done"}
    assert run(["devices", "--state", str(state)]) == 0
    assert "keys:done" in capsys.readouterr().out
    assert run(["journal", "n1", "--state", str(state), "--json"]) == 0
    assert [json.loads(line)["what"] for line in capsys.readouterr().out.splitlines()] == ["begin", "done"]
    assert run(["journal", "n2", "--state", str(state)]) == 2


def test_a_fault_of_our_own_ends_with_a_cleaned_traceback(capsys, tmp_path, node_toml, monkeypatch):
    def fail(*_):
        raise RuntimeError("key " + "a1" * 16)

    monkeypatch.setattr("provisioning.cli.provision.load", fail)

    assert run(arguments(tmp_path, node_toml, "keys")) == 1
    err = capsys.readouterr().err
    assert "RuntimeError" in err
    assert "a1a1" not in err
