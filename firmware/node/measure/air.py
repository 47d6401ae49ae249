"""Profile `air`: NO2-B43F and OX-B431 behind one ADS1115, SHT4x beside the cells, battery.

Wiring of the ADS1115: AIN0 NO2 working electrode, AIN1 NO2 auxiliary, AIN2 OX working, AIN3 OX auxiliary.

Calibration keys: `no2` and `ox`, each {`we_electronic_uv`, `ae_electronic_uv`, `sensitivity_nv_ppb`} from the cell's
label (0.25 mV/ppb = 250000 nV/ppb), `ox` with `no2_sensitivity_nv_ppb` too;
`id` of the calibration; `average_s` (60) and
`warmup_s` (21600: after a gap in the bias the cells drift for hours; readings are flagged so long).
Without a label there is no ppb; the raw electrodes are reported always, so values can be computed later.
"""

from firmware.drivers import faults
from firmware.drivers.ads1115 import ADS1115
from firmware.drivers.alphasense import NO2_B43F_NT, OX_B431_NT, Electrodes, cross_nv
from firmware.drivers.isb import Electrodes4
from firmware.drivers.sht4x import SHT4x
from firmware.payload.tables import air as table

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


_NO2 = const(0)
_NO = const(1)
_TEMPERATURE = const(2)
_HUMIDITY = const(3)
_BATTERY = const(4)
_O3 = const(5)
_RAW = const(6)
_CALIBRATION = const(7)

_AVERAGE_S = const(60)
_ROUND_EVERY_S = const(5)
_WARMUP_S = const(21_600)
_FULL_SCALE_MV = const(1024)
"""One step is 31.25 uV, an eighth of a ppb; clean air gives 200 to 300 mV, so 2000 ppb still fit."""
_HUMID_PERMILLE = const(950)
"""Above this the readings are doubtful (profile N3)."""


class Air:
    """What an `air` node measures."""

    table = table
    always_powered = True  # cells need their bias all the time
    alarms = ()  # no public alarm from a single node (profile N3)

    def __init__(self, hardware, config, clock):
        calibration = config.calibration
        average_s = min(calibration.get("average_s", _AVERAGE_S), config.report_interval_s // 2)
        rounds = max(1, average_s // _ROUND_EVERY_S)
        adc = ADS1115(hardware.i2c(), clock, full_scale_mv=_FULL_SCALE_MV)
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._warmup_ms = calibration.get("warmup_s", _WARMUP_S) * 1000
        self._electrodes = Electrodes4(adc, clock, rounds, average_s * 1000)
        self._climate = SHT4x(hardware.i2c(), clock)
        self.battery = hardware.battery(config)
        self.sensors = (self._electrodes, self._climate, self.battery)
        self._no2 = _cell(NO2_B43F_NT, calibration.get("no2"))
        self._ox = _cell(OX_B431_NT, calibration.get("ox"))
        self._ox_to_no2 = (calibration.get("ox") or {}).get("no2_sensitivity_nv_ppb", 0)
        self._id = calibration.get("id")

    def collect(self, values):
        """Put the readings into `values`; True when all parts work and are warm."""
        temperature, humidity = self._climate.read()
        electrodes = self._electrodes.read()
        values[_TEMPERATURE] = temperature
        values[_HUMIDITY] = humidity
        values[_BATTERY] = self.battery.read()
        values[_NO2] = values[_NO] = values[_O3] = None
        if self._id is not None:
            values[_CALIBRATION] = self._id
        if faults.is_fault(electrodes):
            values[_RAW] = electrodes
            return False
        values[_RAW] = [(microvolts + 50) // 100 for microvolts in electrodes]
        if faults.is_fault(temperature):
            return False
        self._gases(values, electrodes, temperature)
        return humidity <= _HUMID_PERMILLE and self._clock.now_ms() - self._started_ms >= self._warmup_ms

    def _gases(self, values, electrodes, temperature):
        if self._no2 is None:
            return
        no2 = self._no2.ppb_centi(electrodes[0], electrodes[1], temperature)
        values[_NO2] = (no2 + 50) // 100
        if self._ox is not None:
            heard = cross_nv(no2, self._ox_to_no2)
            values[_O3] = (self._ox.ppb_centi(electrodes[2], electrodes[3], temperature, heard) + 50) // 100


def _cell(table_nt, label):
    """The cell of a label, or None without one."""
    if not label:
        return None
    return Electrodes(table_nt, label["we_electronic_uv"], label["ae_electronic_uv"], label["sensitivity_nv_ppb"])


Kind = Air
