"""Alphasense NO2-B43F and OX-B431: from the two electrode voltages of a cell to ppb, in integers.

Algorithm 1 of application note AAN 803: WEc = (WEu - WEe) - nT * (AEu - AEe), ppb = WEc / sensitivity. nT comes from
the note's table by linear interpolation with the ends held; a polynomial through the table swings between its
points. Values may be negative: that is zero drift, and information.

Units: electrodes uV, temperature 0.01 degree Celsius, sensitivity nV/ppb (0.25 mV/ppb = 250000), results 0.01 ppb.
Products can pass 2^30 and then live on the heap for a moment; this runs once a report.
"""

_TABLE_FROM_CENTI = -3000
_TABLE_STEP_CENTI = 1000

NO2_B43F_NT = (13, 13, 13, 13, 10, 6, 4, 2, -15)
"""nT * 10 of the NO2-B43F at -30, -20, .. 50 degrees (AAN 803, table of algorithm 1, its first choice)."""
OX_B431_NT = (9, 9, 10, 13, 15, 17, 20, 25, 37)
"""nT * 10 of the OX-B431 at -30, -20, .. 50 degrees (AAN 803, table of algorithm 1)."""


def n_t(table, temperature_centi):
    """nT * 10000 at a temperature. Exact: tenths over 10 degrees are 1/10000 a 0.01 degree."""
    offset = min(max(temperature_centi - _TABLE_FROM_CENTI, 0), _TABLE_STEP_CENTI * (len(table) - 1))
    place = min(offset // _TABLE_STEP_CENTI, len(table) - 2)
    low = table[place]
    return low * 1000 + (table[place + 1] - low) * (offset - place * _TABLE_STEP_CENTI)


def sensitivity_nv_ppb(na_per_ppm, gain_uv_na):
    """Sensitivity in nV/ppb from cell (nA/ppm) and board gain (uV/nA); both are negative for NO2 and OX."""
    return na_per_ppm * gain_uv_na


class Electrodes:
    """One cell: its working and auxiliary electrode, its calibration label, its nT table."""

    def __init__(self, table, we_electronic_uv, ae_electronic_uv, sensitivity):
        self._table = table
        self._we_electronic_uv = we_electronic_uv
        self._ae_electronic_uv = ae_electronic_uv
        self._sensitivity = sensitivity

    def corrected_nv(self, we_uv, ae_uv, temperature_centi):
        """WEc in nV: the working electrode without its electronic zero and the scaled auxiliary electrode."""
        auxiliary = n_t(self._table, temperature_centi) * (ae_uv - self._ae_electronic_uv)
        return (we_uv - self._we_electronic_uv) * 1000 - divide(auxiliary, 10)

    def ppb_centi(self, we_uv, ae_uv, temperature_centi, other_nv=0):
        """Concentration in 0.01 ppb; `other_nv` is what another gas adds to the signal (OX hears NO2 too)."""
        return divide((self.corrected_nv(we_uv, ae_uv, temperature_centi) - other_nv) * 100, self._sensitivity)


def cross_nv(ppb_centi, sensitivity):
    """Signal in nV that a gas of `ppb_centi` gives on a cell that is sensitive to it by `sensitivity` nV/ppb."""
    return divide(ppb_centi * sensitivity, 100)


def divide(dividend, divisor):
    """Quotient rounded half up, for any sign of the dividend; `divisor` > 0."""
    return (2 * dividend + divisor) // (2 * divisor)
