"""AXP192 power management on I2C, as a T-Beam uses it: LDO2 with its voltage, and the battery's converter.

Source: X-Powers AXP192 datasheet v1.1, register tables. Left out: charging, the other outputs, interrupts, the key.
"""

from __future__ import annotations

from bench.chips.part import Part, Quantity, round_half_up
from bench.chips.ports import Line, Nak
from bench.schedule import Schedule

IC_TYPE, OUTPUTS, LDO23_VOLTAGE, ADC_ENABLE = 0x03, 0x12, 0x28, 0x82
BATTERY_HIGH, BATTERY_LOW = 0x78, 0x79
RESET = {IC_TYPE: 0x03, OUTPUTS: 0x13, LDO23_VOLTAGE: 0xCF, ADC_ENABLE: 0x83}
LDO2_ON, BATTERY_ADC_ON = 0x04, 0x80
BATTERY_STEP_UV = 1_100
RADIO_NEEDS_MV = 3_000


class AXP192(Part):
    """The chip. `voltage` gives the battery in mV. `ldo2` is high while that output carries what a radio needs.

    Faults: `bus` (does not acknowledge).
    """

    FAULTS = frozenset({"bus"})
    address = 0x34

    def __init__(self, schedule: Schedule, voltage: Quantity, *, powered: bool = True) -> None:
        super().__init__(schedule, powered)
        self.ldo2 = Line(0)
        self._voltage = voltage
        self._registers = dict(RESET)
        self._pointer = 0
        self._start()

    def _power_on(self) -> None:
        self._registers = dict(RESET)
        self._update()

    def _power_off(self) -> None:
        self.ldo2.set(0)

    def write(self, data: bytes) -> None:
        """A register address, then values; addresses count up."""
        self._answer()
        for place, byte in enumerate(data):
            if place == 0:
                self._pointer = byte
                continue
            if self._pointer not in {IC_TYPE, BATTERY_HIGH, BATTERY_LOW}:
                self._registers[self._pointer] = byte
            self._pointer = (self._pointer + 1) & 0xFF
        self._update()

    def read(self, count: int) -> bytes:
        """Values from the register address on."""
        self._answer()
        if self._pointer == BATTERY_HIGH:
            self._convert()
        data = bytes(self._registers.get((self._pointer + place) & 0xFF, 0) for place in range(count))
        self._pointer = (self._pointer + count) & 0xFF
        return data

    def _answer(self) -> None:
        if not self.powered or "bus" in self.faults:
            raise Nak("AXP192")

    def _convert(self) -> None:
        """12 bits of 1.1 mV, high eight first; both registers stand still between two conversions."""
        if not self._registers[ADC_ENABLE] & BATTERY_ADC_ON:
            return
        voltage_mv = round_half_up(self._voltage(self._schedule.now_us))
        self._play("battery", voltage_mv)
        code = (voltage_mv * 1000 + BATTERY_STEP_UV // 2) // BATTERY_STEP_UV
        self._registers[BATTERY_HIGH], self._registers[BATTERY_LOW] = code >> 4, code & 0x0F

    def _update(self) -> None:
        voltage_mv = 1_800 + 100 * (self._registers[LDO23_VOLTAGE] >> 4)
        on = self._registers[OUTPUTS] & LDO2_ON and voltage_mv >= RADIO_NEEDS_MV
        self.ldo2.set(int(bool(on)))
