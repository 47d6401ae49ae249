"""What all boards have in common: buses and pins made from the facts, one at a time, when a driver asks.

`machine` and the stock 1-Wire modules are handed in by a board's `wiring`, so this file and all that uses it run on
the host too.
"""

import os

from firmware.node.config import BATTERY_FULL_MV, BATTERY_LOW_MV

_RESET_CODES = (
    ("PWRON_RESET", 1),
    ("HARD_RESET", 2),
    ("WDT_RESET", 3),
    ("DEEPSLEEP_RESET", 4),
    ("SOFT_RESET", 5),
)
"""Names in `machine` to the words of profile `status`. A port has some of them; values differ from port to port."""

_SERVICE_WINDOW_MS = 600_000
"""So long after power-up the board only idles, and USB and serial console answer; then it sleeps deeper, and the
watchdog begins. A technician who wants in switches it off and on."""


class Hardware:
    """The parts of one board. `stack`: the module beside this one that builds MAC and radio; named by the board's
    wiring, so that only what it needs is deployed. `light_sleep(ms)`: the deep way to wait; None where there is none.
    """

    def __init__(self, machine, facts, config, clock, stack, light_sleep=None):
        self._machine = machine
        self._facts = facts
        self._config = config
        self._clock = clock
        self._stack = stack
        self._light_sleep = light_sleep
        self._i2c = None
        self._power = None
        self._battery = None
        self._watchdog = None
        self._counting = False
        self.reset_code = self._reset_code()

    def _reset_code(self):
        cause = self._machine.reset_cause()
        for name, code in _RESET_CODES:
            if getattr(self._machine, name, None) == cause:
                return code
        return 0

    # -- buses and pins

    def i2c(self):
        """The sensor bus; the same object for all who ask."""
        if self._i2c is None:
            facts = self._facts.I2C
            pin = self._machine.Pin
            self._i2c = self._machine.I2C(
                facts["id"], scl=pin(facts["scl"]), sda=pin(facts["sda"]), freq=facts["freq_hz"]
            )
        return self._i2c

    def uart(self, baud):
        """The sensor UART, 8N1."""
        facts = self._facts.UART
        pin = self._machine.Pin
        return self._machine.UART(facts["id"], baudrate=baud, tx=pin(facts["tx"]), rx=pin(facts["rx"]))

    def onewire(self):
        """The stock DS18X20 driver on the 1-Wire pin."""
        import ds18x20
        import onewire

        return ds18x20.DS18X20(onewire.OneWire(self._machine.Pin(self._facts.ONEWIRE_PIN)))

    def pir(self):
        """(pin, active level) of the motion sensor. From now on the board only idles: its edges have to be counted."""
        self.stay_awake()
        machine = self._machine
        return machine.Pin(self._facts.PIR_PIN, machine.Pin.IN), self._facts.PIR_ACTIVE

    def battery(self, config):
        """The battery driver; `battery_permille` of the calibration corrects divider and converter."""
        if self._battery is None:
            from firmware.drivers.battery import Battery

            facts = self._facts.BATTERY
            pin = self._machine.Pin
            if "enable_pin" in facts:  # the divider has a switch; closed for good, it draws microamperes
                pin(facts["enable_pin"], pin.OUT, value=facts["enable"])
            adc = self._machine.ADC
            tap = pin(facts["adc"])
            # ESP32: the full range; a divided battery gives up to 2.5 V. Ports without attenuators have no such name.
            converter = adc(tap, atten=adc.ATTN_11DB) if hasattr(adc, "ATTN_11DB") else adc(tap)
            self._battery = Battery(
                converter,
                facts["r_top_ohm"],
                facts["r_bottom_ohm"],
                self._facts.ADC_FULL_SCALE_UV,
                config.calibration.get("battery_permille", 1000),
            )
        return self._battery

    def sensor_power(self, on):
        """Switch the sensors' supply; returns when they may be talked to. Without a switch they are always on."""
        facts = self._facts.SENSOR_POWER
        if facts is None:
            return
        if self._power is None:
            machine = self._machine
            self._power = machine.Pin(facts["pin"], machine.Pin.OUT, value=1 - facts["on"])
        level = facts["on"] if on else 1 - facts["on"]
        if self._power.value() != level:
            self._power.value(level)
            if on:
                self._clock.sleep_ms(facts["settle_ms"])

    def lorawan(self, region, directory, kinds=()):
        """(MAC, radio) of this board, neither of them started; supplies that the radio needs are on.

        `region`: a module of `firmware.lorawan.regions`; `directory`: where the records are; `kinds`: class of the MAC
        and class of the radio, when they shall not be the stack's own.
        """
        return self._stack.build(self, self._machine, self._facts.RADIO, self._clock, region, directory, *kinds)

    def radio_spi(self):
        """The bus of a radio chip; supplies that the radio needs are on."""
        from firmware.boards.radio_bus import radio_spi

        return radio_spi(self._machine, self._facts.RADIO)

    # -- the rest of the board

    def random_u32(self):
        """32 random bits from the port's own source."""
        return int.from_bytes(os.urandom(4), "big")

    def battery_level(self):
        """For DevStatusAns (TS001-1.0.4 section 5.5): 0 external power, 1 empty to 254 full, 255 not known.

        By the last measured voltage, linearly between `battery_low_mv` and `battery_full_mv` of the calibration. A
        class C node lives on external power, whatever else is connected.
        """
        config = self._config
        if config.device_class == "C":
            return 0
        millivolts = None if self._battery is None else self._battery.last_mv
        if millivolts is None:
            return 255
        low_mv = config.calibration.get("battery_low_mv", BATTERY_LOW_MV)
        width_mv = max(1, config.calibration.get("battery_full_mv", BATTERY_FULL_MV) - low_mv)
        return max(1, min(254, 1 + 253 * (millivolts - low_mv) // width_mv))

    def free_kb(self):
        """Free flash of the file system in kB."""
        stat = os.statvfs("/")
        return stat[0] * stat[3] // 1024

    def reboot(self):
        """Reset the board; does not return."""
        self._machine.reset()

    # -- time

    def stay_awake(self):
        """From now on the board only idles."""
        self._counting = True

    def feed(self):
        """The node is alive. Begins the watchdog once the service window is over, if the configuration wants one."""
        if self._watchdog is not None:
            self._watchdog.feed()
        elif self._config.watchdog and not self._in_service_window():
            self._watchdog = self.make_watchdog()

    def make_watchdog(self):
        """A running watchdog with `feed()`."""
        return self._machine.WDT(timeout=self._facts.WATCHDOG_MAX_MS)

    def _in_service_window(self):
        return self._clock.now_ms() < _SERVICE_WINDOW_MS

    def sleep(self, duration_ms):
        """Wait, as deep as is safe now, and feed the watchdog meanwhile."""
        end_ms = self._clock.now_ms() + duration_ms
        while True:
            left_ms = end_ms - self._clock.now_ms()
            if left_ms <= 0:
                return
            self._wait(min(left_ms, self._longest_wait_ms()))
            self.feed()

    def _longest_wait_ms(self):
        if self._watchdog is None and not self._config.watchdog:
            return 24 * 3_600_000
        return self._facts.WATCHDOG_MAX_MS // 2

    def _wait(self, duration_ms):
        shallow = self._light_sleep is None or self._counting or self._in_service_window()
        if shallow or duration_ms < _WORTH_SLEEPING_MS:
            self._clock.sleep_ms(duration_ms)
        else:
            self._light_sleep(duration_ms)


_WORTH_SLEEPING_MS = 50
"""Below this, going to sleep and coming back costs more than it saves."""
