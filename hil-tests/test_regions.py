"""Whole boards in other regions than Europe: deployed, joined, reporting, obeying a command."""

from dataclasses import replace

import pytest

from bench.air.transmission import on_air
from bench.block import Block
from bench.street import Plan
from firmware.payload.commands import COMMAND_FPORT, INTERVAL, encode_command
from provisioning.bundle import firmware_root, modules_for, region_module


@pytest.mark.parametrize("region", ["US915", "AS923-2"])
def test_a_deployed_node_joins_reports_and_obeys(tmp_path, region):
    settings = {"spread_percent": 0, "start_delay_s": 0}
    plan = Plan("node-1", "fill", report_interval_s=60, settings=settings, region=region)
    with Block(tmp_path, [plan], seed=3) as block:
        block.switch_on()
        assert block.bench.run_until(lambda: bool(block.readings("node-1")), 1_200)
        block.enqueue("node-1", COMMAND_FPORT, encode_command(17, {INTERVAL: 90}))

        def obeyed() -> bool:
            ports = [reading.f_port for reading in block.readings("node-1")]
            return 31 in ports and ports.count(20) >= 2

        assert block.bench.run_until(obeyed, 600)
        channels = set(block.server.settings.network_channels_hz().values())
        assert {record.frame.freq_hz for record in block.air.records if record.frame.sender == "node-1"} <= channels


def test_a_node_in_korea_keeps_quiet_while_others_speak_and_sends_its_reports_later(tmp_path):
    settings = {"spread_percent": 0, "start_delay_s": 0}
    plan = Plan("node-1", "fill", report_interval_s=60, settings=settings, region="KR920")
    with Block(tmp_path, [plan], seed=3) as block:
        block.switch_on()
        assert block.bench.run_until(lambda: bool(block.readings("node-1")), 1_200)
        begin_us = block.bench.now_us
        end_us = begin_us + 300_000_000
        block.air.set_loss("somebody", "node-1", 60)
        for hz in block.server.settings.network_channels_hz().values():
            noise = on_air(begin_us, b"without end", "somebody", hz, 9)
            block.air.transmit(replace(noise, end_us=end_us))

        block.bench.run_for(780)

        sent = [record.frame for record in block.air.records if record.frame.sender == "node-1"]
        assert not [frame for frame in sent if begin_us < frame.start_us < end_us]
        reports = [reading for reading in block.readings("node-1") if reading.f_port == 20]
        assert len(reports) >= 13, "one for each of the minutes, the late ones too"
        assert len({(reading.dev_addr, reading.f_cnt) for reading in reports}) == len(reports)


def test_a_node_carries_its_own_region_and_plan_alone():
    plans = {"dynamic_plan", "fixed_plan", "sensing_plan", "dwell"}
    wanted = {
        "EU868": {"dynamic_plan"},
        "US915": {"fixed_plan", "dwell"},
        "AU915": {"fixed_plan", "dwell"},
        "AS923-3": {"dynamic_plan", "dwell"},
        "KR920": {"dynamic_plan", "sensing_plan"},
    }
    for region, expected in wanted.items():
        modules = modules_for("virtual", "fill", region, firmware_root())
        assert {name.rpartition(".")[2] for name in modules} & plans == expected
        pages = {name for name in modules if name.startswith("firmware.lorawan.regions.")}
        assert {page for page in pages if "._" not in page} == {region_module(region)}
