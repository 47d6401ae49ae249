"""Node, bench server, bench concentrator, gateway and provisioning each have tables of regions; they must agree."""

import re
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from chirpstack_api import common

from bench.air.networks import NETWORKS
from bench.server.regions import REGIONS as SERVED
from firmware.radio.rui3_dialogue import BANDS
from gateway.settings import BasicsStation
from gateway.station.regions import REGIONS as STATIONS
from gateway.station.regions import reaches, router_config
from provisioning.bundle import region_module
from provisioning.regions import chirpstack_name, known_regions

REGIONS = known_regions()


def page_of(name):
    return import_module(region_module(name))


def uplink_channels(page):
    plan = page.Plan(page)
    number = 72 if hasattr(page, "WIDE_DR") else len(page.DEFAULT_CHANNELS_HZ)
    return [plan.frequency_hz(channel) for channel in range(number)]


def uplink_rates(page):
    return len(page.RX1_DR) // page.RX1_OFFSETS


def test_all_tables_have_the_same_regions():
    assert set(REGIONS) == set(SERVED) == set(NETWORKS) == set(STATIONS)
    assert len(REGIONS) == 9
    choices = get_args(get_type_hints(BasicsStation)["region"])
    for name in REGIONS:
        assert name == page_of(name).NAME
        assert name in BANDS.split()
        assert name in choices
        assert common.Region.Value(chirpstack_name(name)) == common.Region.Value(SERVED[name].common_name)


@pytest.mark.parametrize("name", REGIONS)
def test_node_and_server_agree_on_channels_windows_and_sizes(name):
    page, served = page_of(name), SERVED[name]
    assert tuple(uplink_channels(page)) == served.join_channels_hz
    assert (served.rx2_hz, served.rx2_dr) == (page.RX2_HZ, page.RX2_DR)
    assert served.rx1_dr_offset_max + 1 == page.RX1_OFFSETS
    assert served.tx_power_index_max == page.TX_POWER_LOWEST
    assert getattr(page, "TX_PARAMS", None) == served.tx_params
    assert len(page.SPREADING_FACTORS) == len(served.data_rates)
    for rate, wanted in enumerate(served.data_rates):
        bandwidth_hz = 125_000 * page.BANDWIDTHS[rate]
        found = (page.SPREADING_FACTORS[rate], bandwidth_hz, page.MAX_PAYLOAD_BYTES[rate])
        assert found == (wanted.sf, wanted.bandwidth_hz, wanted.payload_bytes_max)
        assert (rate < uplink_rates(page)) == wanted.uplink
    for rate in range(uplink_rates(page)):
        for offset in range(page.RX1_OFFSETS):
            assert page.RX1_DR[rate * page.RX1_OFFSETS + offset] == served.rx1_data_rate(rate, offset)


@pytest.mark.parametrize("name", REGIONS)
def test_every_channel_of_the_bench_network_may_be_used_by_a_node_and_is_heard(name):
    page, served, network = page_of(name), SERVED[name], NETWORKS[name]
    heard = {channel.freq_hz for channel in network.channels}
    plan = page.Plan(page)
    for hz in served.extra_channels_hz:
        assert plan.allows(hz)
    channels = dict(enumerate((*served.join_channels_hz, *served.extra_channels_hz)))
    for number in channels if served.enabled_channels is None else served.enabled_channels:
        assert channels[number] in heard
    low, high = network.tx_range_hz
    assert low <= page.RX2_HZ <= high


@pytest.mark.parametrize("name", REGIONS)
def test_a_station_is_told_what_a_node_does(name):
    page, station = page_of(name), STATIONS[name]
    assert reaches(station)
    rates = [station.rates[rate] if rate < len(station.rates) else (-1, 0, 0) for rate in range(16)]
    for rate in range(len(page.SPREADING_FACTORS)):
        sf, bandwidth_khz, down_only = rates[rate]
        if page.SPREADING_FACTORS[rate]:
            assert (sf, bandwidth_khz) == (page.SPREADING_FACTORS[rate], 125 * page.BANDWIDTHS[rate])
            assert bool(down_only) == (rate >= uplink_rates(page))
    low, high = station.range_hz
    assert low <= page.RX2_HZ <= high
    if hasattr(page, "WIDE_DR"):
        octet = uplink_channels(page)[8:16]
        assert list(station.channels_hz) == octet
        assert station.wide == (uplink_channels(page)[65], 500_000, page.SPREADING_FACTORS[page.WIDE_DR])
    else:
        assert set(page.DEFAULT_CHANNELS_HZ) <= set(station.channels_hz)
        assert all(page.Plan(page).allows(hz) for hz in station.channels_hz)
    assert router_config(station, 0.0)["max_eirp"] == page.MAX_EIRP_DBM


def test_the_groups_of_as923_are_the_first_one_moved():
    for group, offset_hz in ((2, -1_800_000), (3, -6_600_000), (4, -5_900_000)):
        moved = tuple(hz + offset_hz for hz in SERVED["AS923-1"].join_channels_hz)
        assert SERVED[f"AS923-{group}"].join_channels_hz == moved


@pytest.mark.parametrize("language", ["md", "de.md"])
def test_the_reference_page_says_what_the_pages_of_facts_say(language):
    text = (Path(__file__).parent.parent / "docs" / "reference" / f"regions.{language}").read_text("utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `") and "dBm" in line}
    assert set(rows) == set(REGIONS)
    for name, row in rows.items():
        page = page_of(name)
        assert f"| {page.REVISION} |" in row
        assert f"DR{uplink_rates(page) - 1} |" in row
        assert f"| {page.RX2_HZ / 1e6:g} MHz DR{page.RX2_DR} |" in row
        assert f"| {page.MAX_EIRP_DBM} dBm" in row
        assert re.search(rf"0 \w+ {page.TX_POWER_LOWEST} \| {1 if hasattr(page, 'WIDE_DR') else 0} \|$", row)
