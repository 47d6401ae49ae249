"""The sections of the status page about the state of the daemon: a picture and a language in, HTML out. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.duty import Account
from gateway.page.look import Concentrator, Destination, Picture
from gateway.page.markup import Content, Markup, element
from gateway.page.pieces import (
    Column,
    chip,
    clock,
    facts,
    frames,
    gauge,
    octets,
    sign,
    span,
    table,
)
from gateway.page.words import Words
from gateway.state import State

_SECOND_US = 1_000_000
_MOST_REFUSALS = 20
MOODS = {
    State.UP: ("good", "ok"),
    State.SAVING: ("warn", "hold"),
    State.SPENT: ("warn", "hold"),
    State.HOLDING: ("warn", "hold"),
    State.DOWN: ("bad", "bad"),
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
    bad = [one for one in picture.destinations if not one.state.flowing]
    if picture.concentrators:
        for destination in bad:
            yield words.say(f"is-{destination.state}", name=destination.name)
        if bad:
            yield words["kept"]
    if picture.disk_full:
        yield words["disk-full"]
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
        "glance",
    )


# Where frames go


def destinations(picture: Picture, words: Words) -> Content:
    """A card for each destination."""
    return element("ul", [_destination(one, picture, words) for one in picture.destinations], class_="cards")


def _destination(one: Destination, picture: Picture, words: Words) -> Markup:
    mood, sign_name = MOODS[one.state]
    why: Content = words.reason(one.why) or (element("span", one.why, lang="en") if one.why else "")
    if one.state in (State.SAVING, State.SPENT, State.HOLDING):
        why = words[f"{one.state}-why"]
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
    for period in one.budget:
        if not period.limit_bytes:
            continue
        used = words.say("used-of", used=octets(words, period.used_bytes), most=octets(words, period.limit_bytes))
        pairs.append((words[f"budget-{period.name}"], (used, gauge(period.used_bytes / period.limit_bytes))))
    if one.in_flight:
        pairs.append((words["in-flight"], words.number(one.in_flight)))
    return element(
        "li",
        element("h3", one.name),
        chip(mood, sign_name, words[one.state]),
        element("p", words["since"], " ", clock(one.since_us, picture.now_us), class_="small since"),
        element("p", words["why"], ": ", why, class_="why") if why and one.state is not State.UP else "",
        facts(pairs),
        element("p", one.server, class_="small server"),
        class_=f"card {one.state}",
        data_destination=one.name,
    )


def buffer(picture: Picture, words: Words) -> Content:
    """The spool: how much waits, since when, how much room is left, what was given up."""
    share = picture.spool_bytes / max(1, picture.spool_max_bytes)
    used = words.say("used-of", used=octets(words, picture.spool_bytes), most=octets(words, picture.spool_max_bytes))
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


def airtime(picture: Picture, words: Words) -> Content:
    """The duty-cycle account: what was transmitted in the last hour, by concentrator and sub-band."""
    if not picture.airtime:
        return element("p", words["airtime-none"], class_="empty")
    columns = (
        Column(words["band"], "device"),
        Column(words["share"], "reception"),
    )
    return table(
        "airtime", columns, ((f"{one.gateway_id}/{one.band}", _account(one, words)) for one in picture.airtime)
    )


def _account(one: Account, words: Words) -> list[Content]:
    band = one.band if words.language == "en" else one.band.replace(".", ",")
    used, limit = words.number(one.used_ms / 1000, 2), words.number(one.limit_ms / 1000)
    text = words.say("used-of", used=f"{used}\N{NO-BREAK SPACE}s", most=f"{limit}\N{NO-BREAK SPACE}s")
    return [
        (
            element("span", f"{band.replace('-', '–')}\N{NO-BREAK SPACE}MHz", class_="band"),
            " ",
            element("code", one.gateway_id, class_="small"),
        ),
        (text, gauge(one.used_ms / max(1, one.limit_ms))),
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
        (f"{event}/{kind}", _refusal(event, kind, count, words))
        for event, kind, count in picture.refusals[:_MOST_REFUSALS]
    )
    return table("refusals", columns, rows)


def _refusal(event: str, kind: str, count: int, words: Words) -> list[Content]:
    return [element("span", event, lang="en"), element("span", kind, lang="en"), words.number(count)]


def foot(picture: Picture, words: Words) -> Content:
    """What the times mean, and that nothing can be broken here."""
    zone = time.localtime(picture.now_us // _SECOND_US).tm_zone
    return element("p", f"{words['times']} ({zone}). {words['readonly']}", class_="small")


def _ago(us: int, picture: Picture, words: Words) -> Content:
    age = words.say("ago", span=span((picture.now_us - us) / _SECOND_US))
    return (clock(us, picture.now_us), " ", element("span", f"({age})", class_="small"))


def _when(us: int | None, picture: Picture, words: Words) -> Content:
    return words["none-yet"] if us is None else clock(us, picture.now_us)
