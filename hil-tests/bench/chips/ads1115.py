"""ADS1115: four-channel 16-bit converter on I2C.

Source: TI SBAS444 (ADS111x): section 7.3.3 (full-scale ranges), 7.4.2 (modes), 8.1 (registers), 6.5 (data
rate within 10 %). It keeps the old result until a conversion is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bench.chips.part import Part, round_half_up
from bench.chips.ports import AnalogSource, ForbiddenUse, Nak
from bench.schedule import Schedule

CONFIG_RESET = 0x8583
FULL_SCALE_UV = (6_144_000, 4_096_000, 2_048_000, 1_024_000, 512_000, 256_000, 256_000, 256_000)
DATA_RATE_SPS = (8, 16, 32, 64, 128, 250, 475, 860)
WAKE_US = 30  # section 7.4.2.1: about 25 us until a single shot starts
RATE_ERROR = Fraction(11, 10)  # section 6.5: the oscillator may be 10 % slow
INPUT_MARGIN_UV = 300_000  # section 6.1: inputs at most 0.3 V beyond the supply
_MUX_PAIRS = ((0, 1), (0, 3), (1, 3), (2, 3), (0, None), (1, None), (2, None), (3, None))


class ADS1115(Part):
    """The converter with an `AnalogSource` (or None, open) on each of AIN0..AIN3. `played` has `ain0`.. in 0.1 mV.

    Faults: `bus` (does not acknowledge), `no-data` (never finishes), `saturated` (every input at the rail).
    """

    FAULTS = frozenset({"bus", "no-data", "saturated"})

    def __init__(
        self,
        schedule: Schedule,
        inputs: Sequence[AnalogSource | None],
        *,
        address: int = 0x48,
        supply_uv: int = 3_300_000,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered)
        self.address = address
        self._inputs = [*inputs, *[None] * (4 - len(inputs))]
        self._supply_uv = supply_uv
        self._pointer = 0
        self._registers = [0, 0, 0, 0]
        self._busy_until_us: int | None = None
        self._running = 0
        self._result_name = ""
        self._start()

    def _power_on(self) -> None:
        self._pointer = 0
        self._registers = [0x0000, CONFIG_RESET & 0x7FFF, 0x8000, 0x7FFF]
        self._busy_until_us = None
        self._result_name = ""

    def write(self, data: bytes) -> None:
        """Pointer byte, then the register's two bytes if it is written."""
        self._acknowledge()
        if not data:
            return
        if data[0] > 3 or len(data) not in {1, 3}:
            raise ForbiddenUse(f"ADS1115: write of {data.hex(' ')} is no register access (SBAS444, section 7.5)")
        self._pointer = data[0]
        if len(data) == 1:
            return
        value = int.from_bytes(data[1:], "big")
        if self._pointer == 0:
            raise ForbiddenUse("ADS1115: the conversion register cannot be written (SBAS444, table 4)")
        if self._pointer == 1:
            self._configure(value)
        else:
            self._registers[self._pointer] = value

    def read(self, count: int) -> bytes:
        """The register at the pointer, again and again."""
        self._acknowledge()
        self._finish()
        value = self._registers[self._pointer]
        if self._pointer == 1 and self._busy_until_us is None:
            value |= 0x8000  # OS reads 1 when no conversion runs
        if self._pointer == 0 and self._result_name:
            self._tell_played()
        return (value.to_bytes(2, "big") * count)[:count]

    def _acknowledge(self) -> None:
        if not self.powered or "bus" in self.faults:
            raise Nak

    def _configure(self, value: int) -> None:
        self._finish()
        self._registers[1] = value & 0x7FFF
        single_shot = value & 0x0100
        if single_shot and not value & 0x8000:
            self._busy_until_us = None if not self._running & 0x0100 else self._busy_until_us
        elif self._busy_until_us is None or not single_shot:
            self._begin(value, self._schedule.now_us + WAKE_US)

    def _begin(self, config: int, start_us: int) -> None:
        rate_sps = DATA_RATE_SPS[config >> 5 & 7]
        self._running = config
        self._busy_until_us = start_us + round_half_up(1_000_000 * RATE_ERROR / rate_sps)

    def _finish(self) -> None:
        """Catch up with the conversions that have ended by now."""
        if self._busy_until_us is None or self._schedule.now_us < self._busy_until_us or "no-data" in self.faults:
            return
        config = self._running
        period_us = round_half_up(1_000_000 * RATE_ERROR / DATA_RATE_SPS[config >> 5 & 7])
        ended_us = self._busy_until_us
        if config & 0x0100:
            self._busy_until_us = None
        else:
            periods = (self._schedule.now_us - ended_us) // period_us
            ended_us += periods * period_us
            self._busy_until_us = ended_us + period_us
        full_scale_uv = FULL_SCALE_UV[config >> 9 & 7]
        plus, minus = _MUX_PAIRS[config >> 12 & 7]
        voltage_uv = self._voltage_uv(plus, ended_us) - (0 if minus is None else self._voltage_uv(minus, ended_us))
        code = round_half_up(Fraction(voltage_uv * 32768, full_scale_uv))
        self._registers[0] = max(-32768, min(code, 32767)) & 0xFFFF
        self._result_name = f"ain{plus}" if minus is None else f"ain{plus}-ain{minus}"
        self._result_full_scale_uv = full_scale_uv

    def _voltage_uv(self, channel: int, when_us: int) -> int:
        if "saturated" in self.faults:
            return self._supply_uv
        source = self._inputs[channel]
        voltage_uv = 0 if source is None else source(when_us)
        if not -INPUT_MARGIN_UV <= voltage_uv <= self._supply_uv + INPUT_MARGIN_UV:
            raise ForbiddenUse(f"ADS1115: AIN{channel} at {voltage_uv} uV is beyond the supply (SBAS444, section 6.1)")
        return voltage_uv

    def _tell_played(self) -> None:
        code = self._registers[0] - (self._registers[0] >> 15 << 16)
        if code in {32767, -32768}:
            self._play(self._result_name, "saturated")
        else:
            self._play(self._result_name, Fraction(code * self._result_full_scale_uv, 32768 * 100))
