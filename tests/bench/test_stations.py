"""The node's own measuring code on a station's models: every report has to be what the models played."""

import pytest

from bench.air.air import Air
from bench.schedule import Schedule
from bench.stations import Station, agrees
from bench.wires import HostADC, HostDS18X20, HostI2C, HostOneWire, HostPin, HostTime, HostUART
from bench.world import US, World
from firmware.boards.rak11200 import facts as rak11200
from firmware.boards.rak11310 import facts as rak11310
from firmware.boards.virtual import facts as virtual
from firmware.drivers.battery import Battery
from firmware.node.clock import Clock
from firmware.node.config import Config
from firmware.node.measure import air, fill, light
from firmware.node.report import Encoder, blank
from firmware.node.sampler import sample
from firmware.payload import decode

KINDS = {"fill": fill.Fill, "air": air.Air, "light": light.Light}
INTERVAL_S = 300


class HostHardware:
    """What the node asks its board for, on the host."""

    def __init__(self, station, facts, schedule, clock):
        harness = station.harness
        self._clock = clock
        self._facts = facts
        self._harness = harness
        self._schedule = schedule
        self._i2c = HostI2C(schedule, harness.i2c.get(facts.I2C["id"], []))

    def i2c(self):
        return self._i2c

    def uart(self, baud):
        return HostUART(self._schedule, self._harness.uart[self._facts.UART["id"]], baud)

    def onewire(self):
        return HostDS18X20(HostOneWire(self._schedule, self._harness.onewire[self._facts.ONEWIRE_PIN]))

    def pir(self):
        return HostPin(self._harness.inputs[self._facts.PIR_PIN]), self._facts.PIR_ACTIVE

    def battery(self, config):
        facts = self._facts
        adc = HostADC(self._schedule, self._harness.adc[facts.BATTERY["adc"]])
        return Battery(adc, facts.BATTERY["r_top_ohm"], facts.BATTERY["r_bottom_ohm"], facts.ADC_FULL_SCALE_UV)

    def sensor_power(self, on):
        facts = self._facts.SENSOR_POWER
        if facts is not None:
            self._harness.outputs[facts["pin"]].set(facts["on"] if on else 1 - facts["on"])
            if on:
                self._clock.sleep_ms(facts["settle_ms"])


class Node:
    def __init__(self, profile, facts, seed=0, **station_settings):
        self.schedule = Schedule()
        self.world = World(seed)
        self.station = Station(profile, facts, self.schedule, self.world, Air(self.schedule), seed, **station_settings)
        for part in self.station.harness.powered:
            part.set_power(True)
        for pin in ("rf_power", "module_power"):
            if facts.RADIO.get(pin) is not None:
                self.station.harness.outputs[facts.RADIO[pin]].set(1)
        self.clock = Clock(HostTime(self.schedule))
        settings = {"name": "n", "board": facts.NAME, "profile": profile, "report_interval_s": INTERVAL_S}
        config = Config(settings | self.station.settings, b"hash")
        self.hardware = HostHardware(self.station, facts, self.schedule, self.clock)
        self.kind = KINDS[profile](self.hardware, config, self.clock)
        self.values = blank(self.kind.table)
        self.encoder = Encoder()

    def report(self):
        """One pass of the node's cycle: measure, encode; what a server would decode."""
        self.hardware.sensor_power(True)
        sample(self.kind.sensors, self.clock.sleep_ms)
        self.kind.collect(self.values)
        if not self.kind.always_powered:
            self.hardware.sensor_power(False)
        payload = bytes(self.encoder.encode(self.kind.table, self.values, 0))
        return decode(self.kind.table.FPORT, payload)

    def pause(self, seconds):
        self.schedule.run_until(self.schedule.now_us + round(seconds * US))


@pytest.mark.parametrize("facts", [virtual, rak11310, rak11200], ids=lambda facts: facts.NAME)
@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_every_report_is_what_the_models_played(profile, facts):
    node = Node(profile, facts, seed=1)
    unique = 0
    for number in range(40):
        decoded = node.report()
        node.pause(1)
        acceptable = node.station.expected(node.schedule.now_us)
        assert agrees(decoded, acceptable) == [], (number, decoded, acceptable)
        assert acceptable.keys() >= decoded.keys() - {"flags"}
        unique += all(len(values) == 1 for values in acceptable.values())
        node.pause(INTERVAL_S * (0.9 + number % 7 / 30))
    assert unique >= 25  # most samples leave no choice at all
    assert len(node.station.samples()) == 40


@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_a_wrong_value_is_not_acceptable(profile):
    node = Node(profile, virtual, seed=2, hold_s=(100_000, 100_001))
    node.report()
    node.pause(90)
    decoded = dict(node.report())
    acceptable = node.station.expected(node.schedule.now_us)
    assert agrees(decoded, acceptable) == []
    steps = {"temperature": 0.1, "humidity": 0.5, "battery": 0.02, "illuminance": 1, "distance": 1, "no2": 1, "o3": 1}
    for name, step in steps.items():
        if name in decoded:
            assert agrees(decoded | {name: decoded[name] + step}, acceptable) == [name]
            assert agrees(decoded | {name: None}, acceptable) == [name]


@pytest.mark.parametrize(
    ("profile", "part", "fault", "empty"),
    [
        ("fill", "distance", "no-response", {"distance", "fill"}),
        ("fill", "distance", "no-target", {"distance", "fill"}),
        ("fill", "distance", "below-blanking", {"distance"}),
        ("fill", "distance", "interference", {"distance", "fill"}),
        ("fill", "temperature", "crc", {"temperature"}),
        ("fill", "temperature", "no-response", {"temperature"}),
        ("fill", "temperature", "short-line", {"temperature"}),
        ("fill", "temperature", "power-on-value", {"temperature"}),
        ("air", "electrodes", "bus", {"no2", "o3", "raw"}),
        ("air", "electrodes", "saturated", {"no2", "o3", "raw"}),
        ("air", "climate", "crc", {"temperature", "humidity", "no2", "o3"}),
        ("light", "illuminance", "bus", {"illuminance"}),
        ("light", "illuminance", "saturated", {"illuminance"}),
    ],
)
def test_a_broken_sensor_is_expected_as_null_and_shows_as_null(profile, part, fault, empty):
    node = Node(profile, virtual, seed=3)
    node.report()
    node.station.parts[part].fail(fault)
    node.pause(90)

    decoded = node.report()

    acceptable = node.station.expected(node.schedule.now_us)
    assert agrees(decoded, acceptable) == []
    assert {name for name in empty if acceptable[name] == {None}} == empty
    if fault == "below-blanking":
        assert acceptable["fill"] == {100}


def test_some_bad_frames_do_not_spoil_a_distance():
    node = Node("fill", virtual, seed=4)
    for fault in ("checksum", "stray-ff", "mid-frame"):
        node.station.parts["distance"].fail(fault)
    decoded = node.report()
    assert decoded["distance"] is not None
    assert agrees(decoded, node.station.expected(node.schedule.now_us)) == []


def test_a_late_report_is_found_among_older_samples():
    node = Node("fill", virtual, seed=6)
    reports = []
    for _ in range(5):
        reports.append(node.report())
        node.pause(INTERVAL_S)
    found = [node.station.sample_of(report, node.schedule.now_us) for report in reports]
    assert [sample.end_us for sample in found] == [sample.end_us for sample in node.station.samples()]
    assert node.station.sample_of(dict(reports[0]) | {"distance": 7}, node.schedule.now_us) is None


def test_before_any_sample_there_is_nothing_to_expect():
    node = Node("fill", virtual)
    with pytest.raises(LookupError, match="fill-0"):
        node.station.expected(10)


def test_sensors_lose_their_supply_between_samples_and_the_radio_does_not():
    node = Node("fill", virtual)
    node.report()
    assert not node.station.parts["distance"].powered
    assert node.station.radio.powered
    node.hardware.sensor_power(True)
    assert node.station.parts["temperature"].powered


def test_on_a_board_whose_supply_feeds_the_radio_too_both_go_together():
    node = Node("fill", rak11200)
    line = node.station.harness.outputs[rak11200.RADIO["module_power"]]
    assert node.station.radio.powered
    line.set(0)
    assert not node.station.radio.powered
    assert not node.station.parts["distance"].powered


def test_the_record_of_a_station_is_in_the_order_of_time():
    node = Node("air", virtual)
    node.report()
    times = [entry.time_us for entry in node.station.played]
    assert times == sorted(times)
    assert {entry.quantity for entry in node.station.played} >= {"ain0", "ain3", "temperature", "humidity", "battery"}
