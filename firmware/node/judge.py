"""Judging readings: rules that turn values into events, each told once.

A rule is asked after every sample. `check(values)` gives the value to report when its event begins, else None. A
fault word or a missing value is no evidence: it neither begins nor ends anything.
"""

from firmware.drivers.faults import is_fault


def _number(values, field):
    value = values[field]
    return None if value is None or is_fault(value) else value


class Threshold:
    """A field reaches `limit` in `samples` samples in a row; over once it falls below `limit - hysteresis`."""

    def __init__(self, event, field, limit, samples, hysteresis):
        self.event = event
        self._field = field
        self._limit = limit
        self._samples = samples
        self._hysteresis = hysteresis
        self._seen = 0
        self._told = False

    def check(self, values):
        """The value at which the event began, or None."""
        value = _number(values, self._field)
        if value is None:
            return None
        if value >= self._limit:
            self._seen += 1
        else:
            self._seen = 0
            if value < self._limit - self._hysteresis:
                self._told = False
        if self._seen < self._samples or self._told:
            return None
        self._told = True
        return value


class Drop:
    """A field falls by at least `step` from one sample to the next: a container was emptied."""

    def __init__(self, event, field, step):
        self.event = event
        self._field = field
        self._step = step
        self._before = None

    def check(self, values):
        """The value after the drop, or None."""
        value = _number(values, self._field)
        if value is None:
            return None
        before, self._before = self._before, value
        if before is None or before - value < self._step:
            return None
        return value
