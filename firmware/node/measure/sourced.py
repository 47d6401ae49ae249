"""A profile that needs no code of its own: its TOML file names the driver of each field (`source`).

The table then has SOURCES, one "driver.reading" a field ("" for extensions without one). Drivers are built when they
are first named, one each, so a profile costs only what it uses.
"""

from firmware.drivers import faults


class Sourced:
    """What a node with such a profile measures. `table` is the module of its table."""

    alarms = ()

    def __init__(self, table, hardware, config, clock):
        self.table = table
        self._hardware = hardware
        self._clock = clock
        self.battery = hardware.battery(config)
        self._drivers = {"battery": self.battery}
        self._places = []  # (place in the report, driver, which of its readings; None when it has only one)
        for place, source in enumerate(table.SOURCES):
            if source:
                name, _, reading = source.partition(".")
                if name not in self._drivers:
                    self._drivers[name] = self._build(name)
                which = ("temperature", "humidity").index(reading) if name == "sht4x" else None
                self._places.append((place, self._drivers[name], which))
        # A motion sensor counts all the time.
        self.always_powered = "pir" in self._drivers
        self.sensors = tuple(self._drivers.values())

    def collect(self, values):
        """Put the readings into `values`; True when all parts work."""
        healthy = True
        readings = {}
        for place, driver, which in self._places:
            if driver not in readings:
                readings[driver] = driver.read()
            reading = readings[driver]
            values[place] = reading if which is None else reading[which]
            healthy = healthy and not faults.is_fault(values[place])
        if self.battery not in readings:
            self.battery.read()
        return healthy

    def _build(self, name):
        hardware, clock = self._hardware, self._clock
        if name == "a02yyuw":
            from firmware.drivers.a02yyuw import A02YYUW

            return A02YYUW(hardware.uart(9600), clock)
        if name == "ds18b20":
            from firmware.drivers.ds18b20 import DS18B20

            return DS18B20(hardware.onewire(), clock)
        if name == "sht4x":
            from firmware.drivers.sht4x import SHT4x

            return SHT4x(hardware.i2c(), clock)
        if name == "opt3001":
            from firmware.drivers.opt3001 import OPT3001

            return OPT3001(hardware.i2c(), clock)
        if name == "pir":
            from firmware.drivers.pir import AM312_WARMUP_MS, MERGE_GAP_MS, PIR, Presence

            pin, active = hardware.pir()
            return PIR(pin, clock, active, AM312_WARMUP_MS, Presence(clock, MERGE_GAP_MS))
        raise ValueError("no driver %s" % name)
