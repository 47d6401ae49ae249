"""Known answers of the sensors, asked of the drivers. Runs on CPython and on MicroPython alike.

`check(vector)` gives None when the driver says what the vector expects, a sentence when not, and raises KeyError for a
sensor without a driver. As a script: `sensor_cases.py VECTORS.json` prints how many held and fails on the first that
does not.
"""

from firmware.drivers import a02yyuw, ads1115, alphasense, battery, ds18b20, faults, fill_level, opt3001, sht4x
from firmware.drivers.crc import crc8_maxim, crc8_sensirion
from firmware.drivers.pir import Presence


def data(vector):
    return bytes(int(byte, 16) for byte in vector["bytes"].split())


def near(got, wanted, tolerance):
    return not isinstance(got, str) and abs(got - wanted) <= tolerance + 1e-9


class SmallTicks:
    """A clock's `ticks_diff` for times that never wrap."""

    @staticmethod
    def ticks_diff(end, start):
        return end - start


def distance(vector):
    readings = a02yyuw.frames(data(vector))
    wanted = vector["expected"]
    if isinstance(wanted, list):
        return readings == wanted, readings
    if isinstance(wanted, int):
        return readings == [wanted], readings
    words = {"error:no-target-or-blanked": "no-target"}
    return readings == [words.get(wanted, wanted[len("error:") :])], readings


def temperature(vector):
    got = ds18b20.sixteenths(data(vector))
    wanted = vector["expected"]
    if isinstance(wanted, str):
        return got in wanted[len("error:") :].split("-or-"), got
    return got == wanted * 16, got


def climate(vector):
    raw = sht4x.words(data(vector))
    if raw is None:
        return vector["expected"] == "error:" + faults.CRC, raw
    got = sht4x.temperature_centi(raw[0]) / 100, sht4x.humidity_centi(raw[1]) / 100
    wanted, tolerance = vector["expected"], vector["tolerance"]
    held = near(got[0], wanted["t_c"], tolerance["t_c"]) and near(got[1], wanted["rh_pct"], tolerance["rh_pct"])
    return held, got


def illuminance(vector):
    raw = data(vector)
    got = opt3001.lux_centi(raw[0] << 8 | raw[1]) / 100
    return near(got, vector["expected"], vector["tolerance"]), got


def converter(vector):
    full_scale_mv = round(vector["fsr_v"] * 1000)
    if "mux" in vector:
        mux = ads1115.DIFFERENTIAL_0_1 if vector["mux"] == "AIN0-AIN1" else ads1115.single_ended(int(vector["mux"][3]))
        got = ads1115.configuration(mux, full_scale_mv, vector["sps"])
        return got == int(vector["expected"].replace(" ", ""), 16), got
    raw = data(vector)
    code = ads1115.signed(raw[0] << 8 | raw[1])
    wanted = vector["expected"]
    clipped = isinstance(wanted, dict)
    got = ads1115.microvolts(code, 1, full_scale_mv) / 1_000_000
    held = near(got, wanted["v"] if clipped else wanted, vector["tolerance"])
    return held and ads1115.is_clipped(code) == clipped, got


def cell_of(vector, table):
    label = vector["cal"]
    return alphasense.Electrodes(
        table,
        round(label["we_electronic_mv"] * 1000),
        round(label["ae_electronic_mv"] * 1000),
        round(label["sens_mv_ppb"] * 1_000_000),
    )


def gas(vector, table, name, heard_nv=0):
    cell = cell_of(vector, table)
    we_uv, ae_uv = round(vector["we_mv"] * 1000), round(vector["ae_mv"] * 1000)
    centi = vector["temp_c"] * 100
    wanted, tolerance = vector["expected"], vector["tolerance"]
    got = (
        alphasense.n_t(table, centi) / 10_000,
        (cell.corrected_nv(we_uv, ae_uv, centi) - heard_nv) / 1_000_000,
        cell.ppb_centi(we_uv, ae_uv, centi, heard_nv) / 100,
    )
    held = near(got[0], wanted["n_T"], 1e-6)
    held = held and near(got[1], wanted["we_c_mv"], 0.001) and near(got[2], wanted[name], tolerance)
    return held, got


def nitrogen_dioxide(vector):
    return gas(vector, alphasense.NO2_B43F_NT, "no2_ppb")


def ozone(vector):
    other = round(vector["no2_ppb"] * 100), round(vector["cal"]["sens_no2_mv_ppb"] * 1_000_000)
    return gas(vector, alphasense.OX_B431_NT, "o3_ppb", alphasense.cross_nv(*other))


def sensitivity(vector):
    got = alphasense.sensitivity_nv_ppb(vector["sens_na_ppm"], round(vector["gain_mv_na"] * 1000)) / 1_000_000
    return near(got, vector["expected"], vector["tolerance"]), got


def voltage(vector):
    at_pin = battery.pin_uv(vector["adc"], round(vector["full_scale_v"] * 1_000_000), vector["bits"])
    got = battery.battery_mv(at_pin, int(vector["r_top"]), int(vector["r_bottom"])) / 1000
    return near(got, vector["expected"], vector["tolerance"]), got


def presence(vector):
    counter = Presence(SmallTicks, vector["merge_gap_ms"], vector.get("debounce_ms", 0))
    last_ms = 0
    for at_ms, level in vector["edges_ms"]:
        counter.edge(at_ms, level == vector["active"])
        last_ms = at_ms
    counter.settle(last_ms + 60_000)
    got = counter.take()
    wanted = vector["expected"]
    return got == (wanted["events"], wanted["occupied_ms"]), got


def level(vector):
    share = fill_level.height_share(vector["distance_mm"], vector["empty_mm"], vector["full_mm"])
    if vector["shape"].startswith("horizontal cylinder"):
        share = fill_level.cylinder_share(share)
    return near(share / 100, vector["expected"], vector["tolerance"]), share


def checksum(crc):
    def compare(vector):
        got = crc(data(vector))
        return got == vector["expected"], got

    return compare


CASES = {
    "A02YYUW": distance,
    "DYP-A02 newer firmware": distance,
    "DS18B20": temperature,
    "onewire-crc8": checksum(crc8_maxim),
    "sensirion-crc8": checksum(crc8_sensirion),
    "ADS1115": converter,
    "Alphasense NO2-B43F": nitrogen_dioxide,
    "Alphasense OX-B431": ozone,
    "Alphasense ISB": sensitivity,
    "SHT4x": climate,
    "OPT3001": illuminance,
    "PIR": presence,
    "battery": voltage,
    "fill-level": level,
}


def check(vector):
    held, got = CASES[vector["sensor"]](vector)
    return None if held else "{}: expected {}, got {}".format(vector["id"], vector["expected"], got)


def main(path):
    import json

    with open(path) as file:  # noqa: PTH123 - MicroPython has no pathlib
        vectors = json.load(file)["vectors"]
    failed = 0
    asked = 0
    for vector in vectors:
        if vector["sensor"] in CASES:
            asked += 1
            wrong = check(vector)
            if wrong:
                failed += 1
                print(wrong)
    print(f"{asked - failed} held, {failed} failed")


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
