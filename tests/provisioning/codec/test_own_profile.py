"""A maker's profile is one TOML file: no Python, no JavaScript, and it works from the sensor to the application."""

import json
import shutil

import pytest

from bench import block as bench_block
from bench.boards import InterpreterMissing
from bench.boards.software import compile_firmware
from bench.street import Plan
from provisioning.bundle import modules_for
from provisioning.codec.build import build, catalog_of
from provisioning.codec.loader import load
from tests.firmware.payload.runs import Codec, encode_on_node
from tests.on_micropython import ROOT

POND = """
name = "pond"
fport = 50
title = { de = "Teich", en = "Pond" }
about = { de = "Teich mit Fröschen", en = "Pond with frogs" }
privacy_class = 0
model = "WeatherObserved"
downlinks = ["interval", "reboot"]

[[field]]
name = "water"
quantity = "distance"
source = "a02yyuw.distance"

[[field]]
name = "warmth"
quantity = "temperature"
step = 0.1
source = "ds18b20.temperature"
attribute = { name = "temperature" }

[[field]]
name = "battery"
quantity = "battery"
step = 0.02
source = "battery.voltage"

[[extension]]
name = "age"
quantity = "age"
clip = true
"""
REPORT_INTERVAL_S = 60
HOUR_S = 3600


@pytest.fixture
def made(tmp_path):
    """Everything generated from the profiles of Spatz and this one, in a folder of its own."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "pond.toml").write_text(POND, "utf-8")
    root = tmp_path / "made"
    build(load(more_profiles=profiles), root)
    return root


@pytest.fixture
def catalog(tmp_path, made):
    return catalog_of(load(more_profiles=tmp_path / "profiles"))


def test_the_table_the_codec_and_the_decoder_follow_from_the_file(made, catalog, tmp_path):
    tables = made / "firmware" / "payload" / "tables"

    (frame,) = encode_on_node([("pond", [812, 1437, 3620, "absent"], 1, 51)], tmp_path, folder=tables)

    data = {"profile": "pond", "flags": ["low_battery"], "warnings": [], "water": 812, "warmth": 14.4, "battery": 3.62}
    assert catalog.decode(50, frame).data() == data
    assert Codec(made / "firmware/payload/generated/spatz.js").decode(50, frame)["data"] == data
    assert catalog.encode("pond", data) == (50, frame)
    assert (made / "docs/profiles/pond.de.md").read_text("utf-8").startswith("# Teich (`pond`)")
    assert (made / "firmware/payload/generated/cddl/pond.cddl").is_file()


def test_deploying_takes_the_common_measuring_module_and_only_the_tables_it_needs(made, tmp_path):
    root = _tree_with(made, tmp_path)

    modules = modules_for("virtual", "pond", "EU868", root)

    assert {"firmware.payload.tables.pond", "firmware.node.measure.sourced"} <= set(modules)
    assert not {"firmware.payload.tables.fill", "firmware.node.measure.fill", "firmware.payload.report"} & set(modules)


def test_a_virtual_board_with_this_profile_is_read_by_the_application(made, tmp_path, monkeypatch):
    codec = (made / "firmware/payload/generated/spatz.js").read_text("utf-8")
    monkeypatch.setattr(bench_block, "codec_script", lambda: codec)
    # The station of a waste bin has the sensors that the pond wants; what is wired is not the profile's business.
    plan = Plan("pond-1", "fill", report_interval_s=REPORT_INTERVAL_S, settings={"profile": "pond", "start_delay_s": 0})
    try:
        block = bench_block.Block(tmp_path / "block", [plan], seed=5)
    except InterpreterMissing as error:
        pytest.skip(str(error))
    with block:
        node = block.street.nodes["pond-1"]
        node.board.write_files(compile_firmware("virtual", "pond", root=_tree_with(made, tmp_path)))
        block.switch_on()
        block.bench.run_for(HOUR_S)

        readings = [reading for reading in block.readings("pond-1") if reading.f_port == 50]
        assert len(readings) >= HOUR_S // REPORT_INTERVAL_S - 5, node.board.console
        names = {"water": "distance", "warmth": "temperature", "battery": "battery"}
        for reading in readings:
            expected = node.station.expected(block.sent_us(reading))
            assert reading.decoded["profile"] == "pond"
            for name, played in names.items():
                assert reading.decoded[name] in expected[played], json.dumps(dict(reading.decoded))
        assert len({reading.decoded["water"] for reading in readings}) > 5


def _tree_with(made, tmp_path):
    """A copy of the firmware in which the made table lies beside the others."""
    root = tmp_path / "tree"
    shutil.copytree(ROOT / "firmware", root / "firmware")
    shutil.copy(made / "firmware/payload/tables/pond.py", root / "firmware/payload/tables")
    return root
