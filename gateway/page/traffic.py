"""The sections of the status page about single frames: uplinks, downlinks, and the signal of each device. Pure."""

from __future__ import annotations

from gateway.header import Kind, downlink_dev_addr
from gateway.page.look import Picture, expired
from gateway.page.markup import Content, element
from gateway.page.pieces import Column, chip, clock, line, megahertz, rate, signal, table
from gateway.page.words import Words
from gateway.watch import Fate, Heard, Node, Ordered, margin_db

_FATES = {
    Fate.LIVE: ("good", "ok"),
    Fate.LATE: ("good", "late"),
    Fate.WAITING: ("warn", "wait"),
    Fate.SUPERSEDED: ("calm", "none"),
}


# What was heard


def live(picture: Picture, words: Words) -> Content:
    """The last uplinks."""
    if not picture.frames:
        return element("p", words["frames-none"], class_="empty")
    columns = (
        Column(words["time"], "time"),
        Column(words["device"], "device"),
        Column(words["counter"], "counter num", label=True),
        Column(words["port"], "port num", label=True),
        Column(words["rate"], "rate"),
        Column(words["frequency"], "frequency num"),
        Column(words["signal"], "reception"),
        Column(words["fate"], "fate"),
    )
    return table("frames", columns, ((str(one.seq), _frame(one, picture, words)) for one in picture.frames))


def _frame(one: Heard, picture: Picture, words: Words) -> list[Content]:
    extra = element("span", words["confirmed"], class_="small") if one.confirmed else ""
    return [
        clock(one.wall_us, picture.now_us),
        (_name(one, words), " ", extra),
        "" if one.fcnt is None else str(one.fcnt),
        "" if one.port is None else str(one.port),
        rate(words, one.modulation),
        megahertz(words, one.frequency_hz),
        signal(words, one.rssi_dbm, one.snr_db, margin_db(one.modulation, one.snr_db)),
        _fates(one, picture, words),
    ]


def _name(one: Heard, words: Words) -> Content:
    if one.dev_addr is not None:
        return element("code", f"{one.dev_addr:08x}")
    if one.join_eui is not None:
        return (words["join"], " ", element("code", f"{one.join_eui:016x}"))
    return words["join" if one.kind is Kind.JOIN else "proprietary"]


def _fates(one: Heard, picture: Picture, words: Words) -> Content:
    """One chip a destination; without names where there is only one."""
    if not one.fates:
        return chip("calm", "none", words["f-filtered"])
    too_late = expired(one, picture)
    several = len(picture.destinations) > 1
    chips = []
    for name, fate in one.fates.items():
        mood, sign_name = _FATES[fate]
        word = words[f"f-{fate.value}"]
        if too_late and fate is Fate.WAITING:
            mood, sign_name, word = "calm", "none", words["f-expired"]
        chips.append(chip(mood, sign_name, f"{name}: {word}" if several else word))
    return [(one, " ") for one in chips]


def nodes(picture: Picture, words: Words) -> Content:
    """The signal of each device, latest first."""
    if not picture.nodes:
        return element("p", words["nodes-none"], class_="empty")
    columns = (
        Column(words["node"], "device"),
        Column(words["signal"], "reception"),
        Column(words["history"], "lately"),
        Column(words["count"], "count num", label=True),
        Column(words["last"], "time"),
    )
    more = picture.known_nodes - len(picture.nodes)
    return (
        table("nodes", columns, ((f"{one.dev_addr:08x}", _node(one, picture, words)) for one in picture.nodes)),
        element("p", words.say("nodes-more", count=words.number(more)), class_="small") if more else "",
    )


def _node(one: Node, picture: Picture, words: Words) -> list[Content]:
    margin = "" if one.margin_db is None else words.say("margin", db=words.number(one.margin_db, 0))
    return [
        element("code", f"{one.dev_addr:08x}"),
        (signal(words, one.rssi_dbm[-1], one.snr_db, one.margin_db), " ", element("span", margin, class_="small")),
        line(words, list(one.rssi_dbm)),
        words.number(one.frames),
        clock(one.wall_us, picture.now_us),
    ]


# The way back


def downlinks(picture: Picture, words: Words) -> Content:
    """The last orders of the servers, and what became of them."""
    total = words.say("downlinks-sum", sent=words.number(picture.sent), refused=words.number(picture.refused_downlinks))
    if not picture.downlinks:
        return element("p", words["downlinks-none"], class_="empty")
    columns = (
        Column(words["time"], "time"),
        Column(words["device"], "device"),
        Column(words["from"], "from"),
        Column(words["rate"], "rate"),
        Column(words["frequency"], "frequency num"),
        Column(words["power"], "power num"),
        Column(words["result"], "fate"),
    )
    rows = ((str(one.number), _downlink(one, picture, words)) for one in picture.downlinks)
    return (element("p", total, class_="small"), table("downlinks", columns, rows))


def _downlink(one: Ordered, picture: Picture, words: Words) -> list[Content]:
    item = one.item
    dev_addr = None if item is None else downlink_dev_addr(item.phy_payload)
    results = []
    for number, status in enumerate(one.result.statuses, 1):
        if status.name == "IGNORED" and len(one.result.statuses) > 1:
            continue
        word = words[f"r-{status.name.lower().replace('_', '-')}"]
        place = f"RX{number} " if len(one.result.statuses) > 1 else ""
        good = status.name == "OK"
        results.append((chip("good" if good else "bad", "ok" if good else "bad", f"{place}{word}"), " "))
    return [
        clock(one.wall_us, picture.now_us),
        words["join-accept"] if dev_addr is None else element("code", f"{dev_addr:08x}"),
        picture.numbers.get(one.destination, words["unknown"]),
        "" if item is None else rate(words, item.modulation),
        "" if item is None else megahertz(words, item.frequency_hz),
        "" if item is None else f"{words.number(item.power_dbm)}\N{NO-BREAK SPACE}dBm",
        results,
    ]
