"""Small pieces the sections are made of: times, chips, tables, the line of a signal. Pure.

Nothing is said by colour alone: a chip has a sign and a word, a signal has bars, a word and figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.frames import Fsk, LoRa, Modulation
from gateway.page.markup import Content, Markup, element
from gateway.page.words import Words

_SECOND_US = 1_000_000
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
# Margin over the demodulation floor: with 10 dB, the usual installation margin of ADR, a frame also gets through rain
# and a parked van; below 3 dB the next one may be missing.
_STRONG_DB = 10.0
_GOOD_DB = 3.0
# Without a floor (FSK): sensitivity at 50 kbit/s is about -110 dBm.
_STRONG_DBM = -90
_GOOD_DBM = -103

_LINE_WIDTH = 96
_LINE_HEIGHT = 20
# Never draw a wobble of two decibels as a mountain range.
_LEAST_RANGE_DB = 12

# Signs of the page, 16 by 16, drawn with the colour of the text around them.
_SIGNS = {
    "ok": "M3 8.5l3.2 3.2L13 5",
    "bad": "M4 4l8 8M12 4l-8 8",
    "hold": "M6 4v8M10 4v8",
    "wait": "M8 4.5V8l2.3 1.6M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8",
    "late": "M8 5v3l2 1.5M2.6 6.2A5.8 5.8 0 1 1 2.4 9.6M2.2 2.8v3.6h3.6",
    "none": "M4 8h8",
    "look": "M8 3.2v6M8 12.4v.2",
}


def sign(name: str) -> Markup:
    """A sign; it repeats what the word beside it says, so nobody has to read it aloud."""
    return Markup(f'<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><path d="{_SIGNS[name]}"/></svg>')


def chip(mood: str, sign_name: str, *words: Content) -> Markup:
    """A state: `mood` ("good", "warn", "bad", "calm") chooses the colour, sign and words say it."""
    return element("span", sign(sign_name), element("span", *words), class_=f"chip {mood}")


# Times


def clock(us: int, now_us: int | None = None) -> Markup:
    """A time of day; with `now_us` the date too, if it is not that of now."""
    then = time.localtime(us // _SECOND_US)
    text = time.strftime("%H:%M:%S", then)
    if now_us is not None and then[:3] != time.localtime(now_us // _SECOND_US)[:3]:
        text = time.strftime("%Y-%m-%d %H:%M", then)
    return element("time", text, datetime=time.strftime("%Y-%m-%dT%H:%M:%S%z", then))


def span(seconds: float) -> str:
    """A length of time in at most two units: "3 h 20 min"."""
    left = max(0, int(seconds))
    for index, (unit, size) in enumerate(_UNITS):
        if left < size and unit != "s":
            continue
        text = f"{left // size}\N{NO-BREAK SPACE}{unit}"
        rest = left % size
        if unit in ("d", "h") and rest >= _UNITS[index + 1][1]:
            smaller, smaller_size = _UNITS[index + 1]
            text += f" {rest // smaller_size}\N{NO-BREAK SPACE}{smaller}"
        return text
    return ""


def octets(words: Words, number: float) -> str:
    """Bytes in a unit that fits."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{words.number(number, 0 if unit == 'B' or number >= 100 else 1)}\N{NO-BREAK SPACE}{unit}"
        number /= 1024
    return f"{words.number(number, 1)}\N{NO-BREAK SPACE}GiB"


def frames(words: Words, number: int) -> str:
    """ "1 frame", "12 frames"."""
    return f"{words.number(number)} {words['frame' if number == 1 else 'frames-unit']}"


# Radio


def rate(words: Words, modulation: Modulation) -> str:
    """SF7, with the bandwidth if it is not the usual one; FSK with its bit rate."""
    if isinstance(modulation, LoRa):
        wide = "" if modulation.bandwidth_hz == 125_000 else f" {modulation.bandwidth_hz // 1000}\N{NO-BREAK SPACE}kHz"
        return f"SF{modulation.spreading_factor}{wide}"
    if isinstance(modulation, Fsk):
        return f"FSK {words.number(modulation.datarate_bps / 1000)}\N{NO-BREAK SPACE}kbit/s"
    return "LR-FHSS"


def megahertz(words: Words, hertz: int) -> str:
    """868.1 MHz, at most four digits behind the point."""
    text = f"{hertz / 1e6:.4f}".rstrip("0")
    text += "0" if text.endswith(".") else ""
    return f"{text if words.language == 'en' else text.replace('.', ',')}\N{NO-BREAK SPACE}MHz"


def signal(words: Words, rssi_dbm: int, snr_db: float, margin_db: float | None) -> Markup:
    """Bars, figures and a word."""
    if margin_db is None:
        level = 3 if rssi_dbm >= _STRONG_DBM else 2 if rssi_dbm >= _GOOD_DBM else 1
    else:
        level = 3 if margin_db >= _STRONG_DB else 2 if margin_db >= _GOOD_DB else 1
    word = words[("weak", "good", "strong")[level - 1]]
    bars = "".join(
        f'<rect class="{"on" if bar < level else "off"}" x="{1 + bar * 5}" y="{9 - bar * 4}" width="3" '
        f'height="{3 + bar * 4}" rx="1"/>'
        for bar in range(3)
    )
    figures = f"{words.number(rssi_dbm)}\N{NO-BREAK SPACE}dBm, {words.number(snr_db, 1)}\N{NO-BREAK SPACE}dB"
    return element(
        "span",
        Markup(f'<svg class="bars" viewBox="0 0 15 13" aria-hidden="true">{bars}</svg>'),
        element("span", figures, class_="figures"),
        " ",
        element("span", word, class_="word"),
        class_="signal",
    )


def line(words: Words, values: Sequence[int]) -> Markup:
    """The way of a signal as a small line, and in words."""
    low, high = min(values), max(values)
    key = "history-one" if len(values) == 1 else "history-text"
    text = words.say(key, low=words.number(low), high=words.number(high), count=words.number(len(values)))
    middle, reach = (low + high) / 2, max(high - low, _LEAST_RANGE_DB)
    step = (_LINE_WIDTH - 6) / max(1, len(values) - 1)
    points = [
        (3 + index * step, 3 + (_LINE_HEIGHT - 6) * (0.5 - (value - middle) / reach))
        for index, value in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    last_x, last_y = points[-1]
    drawing = Markup(
        f'<svg class="line" viewBox="0 0 {_LINE_WIDTH} {_LINE_HEIGHT}" aria-hidden="true">'
        f'<polyline points="{path}"/><circle cx="{last_x:.1f}" cy="{last_y:.1f}" r="2.2"/></svg>'
    )
    return element("span", drawing, element("span", text, class_="small"), class_="history")


def gauge(share: float) -> Markup:
    """How full something is, as a bar; the figures stand beside it."""
    width = 100 * min(1.0, max(0.0, share))
    return Markup(
        '<svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="off" width="100" height="6"/><rect class="on" width="{width:.2f}" height="6"/></svg>'
    )


# Tables and lists


class Column(NamedTuple):
    """One column: its head, and the class of its cells. `label`: the head stands before the cell on a phone too."""

    head: str
    class_: str = ""
    label: bool = False


def table(name: str, columns: Sequence[Column], rows: Iterable[tuple[str, Sequence[Content]]]) -> Markup:
    """A table. `rows`: a key that tells a row from others, and its cells.

    On a phone rows are drawn as cards; browsers then forget that it is a table, so the roles say it.
    """
    heads = [element("th", one.head, scope="col", role="columnheader", class_=one.class_ or None) for one in columns]
    body = [
        element(
            "tr",
            [
                element("td", cell, role="cell", class_=one.class_ or None, data_label=one.head if one.label else None)
                for one, cell in zip(columns, cells, strict=True)
            ],
            role="row",
            data_key=key or None,
        )
        for key, cells in rows
    ]
    return element(
        "table",
        element("thead", element("tr", heads, role="row"), role="rowgroup"),
        element("tbody", body, role="rowgroup"),
        role="table",
        class_=name,
        aria_labelledby=f"h-{name}",
    )


def facts(pairs: Iterable[tuple[str, Content]], class_: str = "facts") -> Markup:
    """Names and values."""
    return element(
        "dl", [element("div", element("dt", name), element("dd", value)) for name, value in pairs], class_=class_
    )
