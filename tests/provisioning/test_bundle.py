"""What goes onto a node: no module too few, none too many."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning import bundle
from provisioning.board_facts import known_boards
from provisioning.bundle import build, firmware_root, modules_for, node_json
from provisioning.errors import BoardError, SettingsError
from provisioning.redaction import Redactor
from provisioning.settings import parse

PROFILES = ("fill", "air", "light")
BOARDS = ("virtual", "rak11200", "rak11310")


def settings(board="virtual", profile="fill", more=""):
    return parse(f'name = "n1"\nboard = "{board}"\nprofile = "{profile}"\n{more}', Path("node.toml"))


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_bundle_has_its_own_board_and_profile_and_no_other(board, profile):
    modules = modules_for(board, profile, "EU868", firmware_root())

    wirings = [name for name in modules if name.endswith(".wiring")]
    measures = [name for name in modules if name.startswith("firmware.node.measure.")]
    assert wirings == [f"firmware.boards.{board}.wiring"]
    assert measures == [f"firmware.node.measure.{profile}"]


def test_what_only_a_host_can_import_stays_on_the_host():
    modules = modules_for("virtual", "fill", "EU868", firmware_root())

    assert "firmware.lorawan.explain" not in modules
    assert "firmware.payload.report" not in modules


@pytest.mark.parametrize("profile", PROFILES)
def test_every_import_of_a_bundle_is_in_the_bundle(profile):
    """Each module is imported by a CPython that sees nothing but the bundle's modules and stands in for `machine`."""
    modules = modules_for("virtual", profile, "EU868", firmware_root())
    code = (
        "import sys, types, importlib, importlib.abc\n"
        f"allowed = set({modules!r})\n"
        "class Gate(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.startswith('firmware') and name not in allowed:\n"
        "            raise ImportError('not in the bundle: ' + name)\n"
        "sys.meta_path.insert(0, Gate())\n"
        "for name in ('machine', 'onewire', 'ds18x20', 'esp32'): sys.modules[name] = types.ModuleType(name)\n"
        "for name in sorted(allowed): importlib.import_module(name)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=firmware_root(), check=False
    )

    assert ended.returncode == 0, ended.stderr


def test_main_comes_last_and_the_settings_before_it(tmp_path):
    files = list(build(settings(), tmp_path, Redactor()))

    assert files[-2:] == ["/node.json", "/main.py"]
    assert all(path.startswith("/lib/firmware/") and path.endswith(".mpy") for path in files[:-2])


def test_the_second_build_compiles_nothing(tmp_path, monkeypatch):
    first = build(settings(), tmp_path, Redactor())
    monkeypatch.setattr(bundle, "run", None)

    assert build(settings(), tmp_path, Redactor()) == first


def test_a_module_that_does_not_compile_is_named(tmp_path):
    source = tmp_path / "wrong.py"
    source.write_text("def broken(:\n")

    with pytest.raises(BoardError) as caught:
        bundle.compile_module(source, Path("firmware/wrong.py"), tmp_path / "cache", Redactor())

    assert "SyntaxError" in str(caught.value.fields["reason"])


def test_tracebacks_on_the_node_name_the_module(tmp_path):
    code = build(settings(), tmp_path, Redactor())["/lib/firmware/node/main.mpy"]

    assert b"firmware.node.main" in code
    assert str(firmware_root()).encode() not in code


def test_the_node_gets_what_node_toml_says():
    content = json.loads(node_json(settings(more="start_delay_s = 0\n[calibration]\nempty_mm = 1500\n")))

    assert content == {
        "version": 1,
        "name": "n1",
        "board": "virtual",
        "profile": "fill",
        "report_interval_s": 900,
        "confirmed": False,
        "calibration": {"empty_mm": 1500},
        "region": "EU868",
        "start_delay_s": 0,
    }


def test_the_node_itself_accepts_the_settings():
    from firmware.node.config import parse as node_reads

    config = node_reads(node_json(settings(more="sample_interval_s = 60\nwatchdog = false\nstrict_join = true\n")))

    assert (config.name, config.report_interval_s, config.sample_interval_s, config.watchdog) == ("n1", 900, 60, False)
    assert config.strict_join
    assert not node_reads(node_json(settings())).strict_join


def test_an_unknown_profile_is_refused_with_those_there_are():
    with pytest.raises(SettingsError) as caught:
        modules_for("virtual", "fil", "EU868", firmware_root())

    assert "fill" in str(caught.value.fields["known"])


def test_the_boards_are_those_with_a_page_of_facts():
    assert set(BOARDS) <= set(known_boards())


def test_only_a_node_that_names_them_gets_class_c_and_packages():
    root = bundle.firmware_root()
    plain = set(bundle.modules_for("virtual", "fill", "EU868", root))
    extras = bundle.Extras("C", ("fragmentation",))
    more = set(bundle.modules_for("virtual", "fill", "EU868", root, extras)) - plain

    assert {"firmware.lorawan.class_c", "firmware.node.listening", "firmware.lorawan.packages.fragmentation"} <= more
    assert not [name for name in plain if "packages" in name or "class_c" in name or name.endswith("serving")]
    assert not [name for name in more if "certification" in name or "clock_sync" in name or "multicast_setup" in name]


def test_the_node_reads_class_and_packages_from_what_is_deployed():
    from firmware.node import config

    read = config.parse(node_json(settings(more='class = "C"\npackages = ["clock-sync"]\n')))

    assert (read.device_class, list(read.packages)) == ("C", ["clock-sync"])
