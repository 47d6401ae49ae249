"""The sections of the status page: a picture and a language in, HTML out. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.header import Kind, downlink_dev_addr
from gateway.page.look import Concentrator, Destination, Picture, expired
from gateway.page.markup import Content, Markup, element
from gateway.page.pieces import (
    Column,
    chip,
    clock,
    facts,
    frames,
    gauge,
    line,
    megahertz,
    octets,
    rate,
    sign,
    signal,
    span,
    table,
)
from gateway.page.words import Words
from gateway.watch import Fate, Heard, Node, Ordered, margin_db

_SECOND_US = 1_000_000
MOODS = {"connected": ("good", "ok"), "held": ("warn", "hold"), "dead": ("bad", "bad")}
_FATES = {
    Fate.LIVE: ("good", "ok"),
    Fate.LATE: ("good", "late"),
    Fate.WAITING: ("warn", "wait"),
    Fate.SUPERSEDED: ("calm", "none"),
}


def headline(picture: Picture, words: Words) -> Content:
    """One sentence that says whether somebody has to do something."""
    troubles = list(_troubles(picture, words))
    if not troubles:
        return element(
            "p", sign("ok"), element("strong", words["all-well"]), " ", words["all-well-more"], class_="headline good"
        )
    text = " ".join(troubles)
    return element("p", sign("look"), element("strong", words["attention"]), " ", text, class_="headline bad")


def _troubles(picture: Picture, words: Words) -> Iterator[str]:
    if not picture.concentrators:
        yield words["no-concentrator"]
    for one in picture.concentrators:
        if not one.reachable:
            yield words.say("silent", name=one.gateway_id)
    bad = [one for one in picture.destinations if one.state != "connected"]
    if picture.concentrators:
        for destination in bad:
            yield words.say(f"is-{destination.state}", name=destination.name)
        if bad:
            yield words["kept"]
    if not picture.clock_verified:
        yield words["clock-wrong"]
    if picture.evicted + picture.expired:
        yield words["has-lost"]


def figures(picture: Picture, words: Words) -> Content:
    """The few numbers a glance is for."""
    last = picture.last_uplink_us
    watch = words["synchronised" if picture.clock_verified else "unsynchronised"]
    return facts(
        (
            (words["waiting-now"], frames(words, picture.buffered)),
            (words["received"], frames(words, picture.received)),
            (words["last-frame"], words["none-yet"] if last is None else clock(last, picture.now_us)),
            (words["uptime"], span(picture.uptime_s)),
            (words["clock"], (sign("ok" if picture.clock_verified else "bad"), watch)),
        ),
        "figures",
    )


# Where frames go


def destinations(picture: Picture, words: Words) -> Content:
    """A card for each destination."""
    return element("ul", [_destination(one, picture, words) for one in picture.destinations], class_="cards")


def _destination(one: Destination, picture: Picture, words: Words) -> Markup:
    mood, sign_name = MOODS[one.state]
    why: Content = words["held-why"] if one.state == "held" else element("span", one.why, lang="en") if one.why else ""
    pairs: list[tuple[str, Content]] = [
        (words["waiting"], frames(words, one.waiting)),
        (words["delivered"], words.number(one.delivered)),
        (words["of-these-late"], words.number(one.late)),
        (words["acknowledged"], _when(one.acknowledged_us, picture, words)),
    ]
    if one.oldest_us is not None:
        pairs.insert(1, (words["oldest"], _ago(one.oldest_us, picture, words)))
    if one.superseded:
        pairs.append((words["overtaken"], words.number(one.superseded)))
    if one.in_flight:
        pairs.append((words["in-flight"], words.number(one.in_flight)))
    return element(
        "li",
        element("h3", one.name),
        chip(mood, sign_name, words[one.state]),
        element("p", words["since"], " ", clock(one.since_us, picture.now_us), class_="small since"),
        element("p", words["why"], ": ", why, class_="why") if why and one.state != "connected" else "",
        facts(pairs),
        element("p", one.server, class_="small server"),
        class_=f"card {one.state}",
        data_destination=one.name,
    )


def buffer(picture: Picture, words: Words) -> Content:
    """The spool: how much waits, since when, how much room is left, what was given up."""
    share = picture.spool_bytes / max(1, picture.spool_max_bytes)
    used = words.say(
        "used-of", used=octets(words, picture.spool_bytes), most=octets(words, picture.spool_max_bytes)
    )
    pairs: list[tuple[str, Content]] = [
        (words["depth"], element("strong", words.number(picture.buffered), id="depth")),
        (words["used"], (used, f" ({words.number(100 * share, 1)}\N{NO-BREAK SPACE}%)", gauge(share))),
        (words["keeps-for"], span(picture.max_age_us / _SECOND_US)),
        (words["durability"], element("span", picture.durability, lang="en")),
        (words["evicted"], _loss(picture.evicted, words)),
        (words["too-old"], _loss(picture.expired, words)),
    ]
    if picture.oldest_us is not None:
        pairs.insert(1, (words["oldest"], _ago(picture.oldest_us, picture, words)))
    if len(picture.destinations) > 1:
        each = [element("li", f"{one.name}: ", frames(words, one.waiting)) for one in picture.destinations]
        pairs.insert(1, (words["per-destination"], element("ul", each, class_="plain")))
    return facts(pairs, "facts wide")


def _loss(number: int, words: Words) -> Content:
    return chip("bad", "bad", frames(words, number)) if number else words.number(0)


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
    total = words.say(
        "downlinks-sum", sent=words.number(picture.sent), refused=words.number(picture.refused_downlinks)
    )
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


# Where frames come from


def concentrators(picture: Picture, words: Words) -> Content:
    """The concentrators, and where they are listened for."""
    listening = facts(((words["sources"], ", ".join(picture.sources)),))
    if not picture.concentrators:
        return (element("p", words["concentrators-none"], class_="empty"), listening)
    cards = element("ul", [_concentrator(one, picture, words) for one in picture.concentrators], class_="cards")
    return (cards, listening)


def _concentrator(one: Concentrator, picture: Picture, words: Words) -> Markup:
    state = chip("good", "ok", words["reachable"]) if one.reachable else chip("bad", "bad", words["unreachable"])
    pairs: list[tuple[str, Content]] = [
        (words["source"], one.source),
        (words["received"], frames(words, one.uplinks)),
        (words["last"], _when(one.seen_us, picture, words)),
    ]
    report = one.report
    if report is not None:
        if report.rx_received:
            good = 100 * report.rx_ok / report.rx_received
            pairs.append((words["checksum"], f"{words.number(good, 0)}\N{NO-BREAK SPACE}%"))
        if report.acknowledged_percent is not None:
            percent = words.number(report.acknowledged_percent, 1)
            pairs.append((words["acked"], f"{percent}\N{NO-BREAK SPACE}%"))
        pairs.append((words["emitted"], words.number(report.tx_emitted)))
    if one.metadata:
        texts = [element("li", f"{key}: {value}") for key, value in one.metadata.items()]
        pairs.append((words["about"], element("ul", texts, class_="plain")))
    return element("li", element("h3", element("code", one.gateway_id)), state, facts(pairs), class_="card")


def refusals(picture: Picture, words: Words) -> Content:
    """What was refused or dropped, and how often: the words of the log, so that they can be looked up there."""
    if not picture.refusals:
        return element("p", words["refusals-none"], class_="empty")
    columns = (Column(words["what"], "what"), Column(words["kind"], "kind"), Column(words["number"], "num"))
    rows = (
        (f"{event}/{kind}", [element("span", event, lang="en"), element("span", kind, lang="en"), words.number(count)])
        for event, kind, count in picture.refusals
    )
    return table("refusals", columns, rows)


def foot(picture: Picture, words: Words) -> Content:
    """What the times mean, and that nothing can be broken here."""
    zone = time.localtime(picture.now_us // _SECOND_US).tm_zone
    return element("p", f"{words['times']} ({zone}). {words['readonly']}", class_="small")


def _ago(us: int, picture: Picture, words: Words) -> Content:
    age = words.say("ago", span=span((picture.now_us - us) / _SECOND_US))
    return (clock(us, picture.now_us), " ", element("span", f"({age})", class_="small"))


def _when(us: int | None, picture: Picture, words: Words) -> Content:
    return words["none-yet"] if us is None else clock(us, picture.now_us)
