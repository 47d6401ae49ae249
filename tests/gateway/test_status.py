"""The HTTP face without a browser: what it serves, what it refuses, what it remembers."""

from __future__ import annotations

import http.client
import json
import re
import tomllib
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.broker import Broker
from gateway import settings
from gateway.frames import Downlink, DownlinkResult, GatewayReport, Moment, TxStatus
from gateway.header import read
from gateway.page import document, pieces, sections, traffic
from gateway.page.markup import Markup, element, join
from gateway.page.words import Words, choose, keys
from gateway.settings_reader import Section
from gateway.state import State
from gateway.watch import Fate, Watch
from tests.gateway.kit import (
    Forwarder,
    GatewayThread,
    Listener,
    ShiftClock,
    data_frame,
    join_request,
    rxpk,
    uplink,
    wait_for,
    write_settings,
)

PAGE = resources.files("gateway.page")
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def gateway(broker: Broker, tmp_path: Path) -> Iterator[GatewayThread]:
    settings = write_settings(tmp_path, broker.url, '[status]\nbind = "127.0.0.1:0"\nhosts = ["mast.example"]')
    with GatewayThread(settings, ShiftClock()) as gateway:
        yield gateway


def get(gateway: GatewayThread, path: str, **headers: str) -> tuple[str, Any]:
    request = urllib.request.Request(f"http://{gateway.daemon.status_address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode(), answer.headers


def ask(gateway: GatewayThread, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, Any]:
    address = gateway.daemon.status_address
    assert address is not None
    connection = http.client.HTTPConnection(address.host, address.port, timeout=5)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, answer.headers


def number(text: str, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    raise AssertionError(f"{name} {labels} not in metrics")


@pytest.mark.live
def test_health_and_metrics_tell_the_same_story(gateway: GatewayThread, listener: Listener) -> None:
    assert json.loads(get(gateway, "/health")[0])["status"] == "degraded", "no concentrator yet"
    with Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        gateway.up()
        forwarder.push(rxpk(data_frame(0x26011BDA, 1)), rxpk(b"", data="???"))
        listener.wait_uplinks(1)
        wait_for(lambda: gateway.daemon.buffered == 0, "empty buffer")

    health = json.loads(get(gateway, "/health")[0])
    assert (health["status"], health["buffered"], health["received"]) == ("ok", 0, 1)
    assert health["destinations"]["city"]["state"] == "up"
    metrics, headers = get(gateway, "/metrics")
    assert headers["Content-Type"].startswith("text/plain")
    assert number(metrics, "spatz_gateway_uplinks_received_total") == 1
    assert number(metrics, "spatz_gateway_frames_delivered_total", destination="city") == 1
    assert number(metrics, "spatz_gateway_destination_up", destination="city") == 1
    assert number(metrics, "spatz_gateway_events_total", event="element refused", kind="base64") == 1


@pytest.mark.live
def test_every_metric_stands_in_the_reference_and_the_reference_names_no_other(
    gateway: GatewayThread, listener: Listener
) -> None:
    with Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        forwarder.push(rxpk(data_frame(0x26011BDA, 1)))
        listener.wait_uplinks(1)
        text, _ = get(gateway, "/metrics")
    served = {
        family.name + ("_total" if family.type == "counter" else "") for family in text_string_to_metric_families(text)
    }
    assert all(family.documentation for family in text_string_to_metric_families(text))
    for name in ("metrics.md", "metrics.de.md"):
        table = (DOCS / "reference" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"^\| `(spatz_gateway_\w+)` \|", table, re.M)) == served


@pytest.mark.live
def test_only_names_of_its_own_and_addresses_are_answered(gateway: GatewayThread) -> None:
    port = gateway.daemon.status_address.port
    for path in ("/", "/health", "/metrics", "/page.js"):
        for host in ("127.0.0.1", f"127.0.0.1:{port}", "[::1]:80", "localhost", "LOCALHOST:1", "mast.example:8800"):
            assert ask(gateway, "GET", path, {"Host": host})[0] == 200, host
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a:b",
            "",
        ):
            status, body, headers = ask(gateway, "GET", path, {"Host": host})
            assert status == 421
            assert "hosts" in body
            assert "spatz_gateway" not in body
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.live
def test_nothing_can_be_changed_over_http(gateway: GatewayThread) -> None:
    for path in ("/", "/health", "/metrics"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert ask(gateway, method, path)[0] == 405
    assert ask(gateway, "GET", "/../gateway.toml")[0] == 404


@pytest.mark.live
def test_the_page_is_whole_without_a_script_and_loads_nothing_from_elsewhere(gateway: GatewayThread) -> None:
    with Forwarder(gateway.address) as forwarder:
        forwarder.push(rxpk(data_frame(0x26011BDA, 7), rssi=-101))
    page, headers = get(gateway, "/")
    assert "26011bda" in page
    assert "−101" in page
    texts = page + "".join(PAGE.joinpath("static", name).read_text("utf-8") for name in ("page.js", "page.css"))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", texts.replace("// ", ""))
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.search(r"<script(?! src=\"page.js\")|<style| style=| on\w+=", page), "the policy would stop it"


@pytest.mark.live
def test_who_has_the_page_already_gets_nothing_again(gateway: GatewayThread) -> None:
    script, headers = get(gateway, "/page.js")
    status, body, _ = ask(gateway, "GET", "/page.js", {"If-None-Match": headers["ETag"]})
    assert script
    assert (status, body) == (304, "")


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "de", "de"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "fr,en;q=0.5,de;q=0.7", "de"),
        (None, "en,de", "en"),
        (None, "de;q=0", "en"),
        (None, "de;q=nonsense, en;q=0.1", "en"),
        ("de", "en", "de"),
        ("en", "de", "en"),
        ("xx", "de", "de"),
        (None, "de;q=0.9," * 10_000, "de"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_browsers(asked: str | None, accepted: str, language: str) -> None:
    assert choose(asked, accepted) == language


def test_every_state_of_a_destination_has_its_look_and_its_words() -> None:
    assert set(sections.MOODS) == set(State)
    for language in ("en", "de"):
        assert all(Words(language)[state] for state in State)


def test_every_word_of_the_page_is_used() -> None:
    sources = "".join(
        Path(module.__file__ or "").read_text("utf-8") for module in (document, pieces, sections, traffic)
    )
    built = {f"is-{state}" for state in sections.MOODS} | set(sections.MOODS) | {f"f-{fate.value}" for fate in Fate}
    built |= {f"{state}-why" for state in ("saving", "spent", "holding")} | {"budget-day", "budget-month"}
    built |= {f"r-{status.name.lower().replace('_', '-')}" for status in TxStatus}
    for key in keys():
        assert key in built or re.search(f"""["']{key}["']""", sources), key
        for language in ("en", "de"):
            assert Words(language)[key]
            assert re.findall(r"\{\w+\}", Words("en")[key]) == re.findall(r"\{\w+\}", Words("de")[key])


def test_numbers_are_written_as_each_language_does() -> None:
    assert Words("en").number(-12345.6, 1) == "−12\u202f345.6"
    assert Words("de").number(-12345.6, 1) == "−12\u202f345,6"
    assert [pieces.span(s) for s in (0, 59, 61, 3600, 12_000, 200_000)] == [
        "0\xa0s", "59\xa0s", "1\xa0min", "1\xa0h", "3\xa0h 20\xa0min", "2\xa0d 7\xa0h",
    ]  # fmt: skip


def test_text_can_neither_become_markup_nor_turn_the_writing_round() -> None:
    assert join("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"
    assert element("p", "<i>", title='"><script>').text == '<p title="&quot;&gt;&lt;script&gt;">&lt;i&gt;</p>'
    assert join(["a\u202eb\0c\nd", Markup("<br>")]) == "a\ufffdb\ufffdc\ufffdd<br>"


def test_the_script_never_writes_markup_from_data() -> None:
    script = PAGE.joinpath("static", "page.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """WCAG 2.2, definition of relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


TEXTS = [
    *((text, ground) for text in ("ink", "quiet", "accent") for ground in ("ground", "paper", "fresh")),
    *((mood, f"{mood}-ground") for mood in ("good", "warn", "bad")),
    ("quiet", "calm-ground"),
]
SHAPES = [("edge", "ground"), ("edge", "paper"), ("accent", "paper"), ("accent", "calm-ground")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_pair_of_colours_is_legible(scheme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", PAGE.joinpath("static", "page.css").read_text("utf-8"), re.S)
    palette = colours(light) | (colours(dark) if scheme == "dark" else {})
    assert set(colours(light)) == set(colours(dark)), "each scheme has every colour"
    for text, ground in TEXTS:
        assert contrast(palette[text], palette[ground]) >= 4.5, f"{text} on {ground} (1.4.3)"
    for shape, ground in SHAPES:
        assert contrast(palette[shape], palette[ground]) >= 3, f"{shape} on {ground} (1.4.11)"


def note(watch: Watch, frame: bytes, seq: int, wall_us: int = 0, **changes: Any) -> None:
    front = read(frame)
    assert front is not None
    watch.heard(uplink(frame, **changes), front, Moment(1, 0, wall_us), seq, ("city",))


def test_what_was_heard_is_remembered_within_bounds() -> None:
    watch = Watch()
    huge = {f"key{index}": "x" * 10_000 for index in range(100)}
    for count in range(2000):
        note(watch, data_frame(count, count), count, count * 1000, gateway_id=f"{count:016x}", metadata=huge)
        order = Downlink(count, "", ())
        watch.ordered(1, order, DownlinkResult(count, "", (TxStatus.OK,)), 0)
    note(watch, join_request(1), 2000)
    for _ in range(100):
        note(watch, data_frame(1, 1), 2001, rssi_dbm=-70)
    frames, nodes = list(watch.frames()), list(watch.nodes())
    assert (len(frames), len(nodes), len(list(watch.downlinks()))) == (40, 500, 15)
    assert (frames[1].kind.value, frames[0].port, frames[0].fcnt) == ("join", 1, 1)
    assert (nodes[0].dev_addr, len(nodes[0].rssi_dbm), nodes[0].frames) == (1, 24, 100)
    assert watch.concentrator(f"{0:016x}") is None
    latest = watch.concentrator(f"{1999:016x}")
    assert latest is not None
    assert sum(len(key) + len(value) for key, value in latest.metadata.items()) <= 4 * 128


def test_the_fate_of_a_frame_is_told_for_each_destination() -> None:
    watch = Watch()
    for seq in (1, 2, 3):
        note(watch, data_frame(7, seq), seq)
    watch.delivered(2, "city", late=False)
    watch.superseded(7, 3, "city")
    watch.delivered(3, "city", late=True)
    watch.delivered(99, "city", late=True)
    assert [one.fates["city"] for one in watch.frames()] == [Fate.LATE, Fate.LIVE, Fate.SUPERSEDED]


def test_counters_of_a_concentrator_are_kept_with_what_it_says_of_itself() -> None:
    watch = Watch()
    watch.reported(GatewayReport("a" * 16, rx_received=4, rx_ok=3, metadata={"model": "m"}), 5)
    known = watch.concentrator("a" * 16)
    assert known is not None
    assert (known.report.rx_ok, known.metadata, known.wall_us) == (3, {"model": "m"}, 5)


SECTIONS: dict[str, type[Section]] = {
    "`[gateway]`": settings.Gateway,
    "`[spool]`": settings.Spool,
    "`[[source]]` `semtech_udp`": settings.SemtechUdpSource,
    "`[[source]]` `basics_station`": settings.BasicsStation,
    "`[[source]]` `concentratord`": settings.Concentratord,
    "`[[destination]]` `chirpstack_mqtt`": settings.ChirpstackMqtt,
    "`[[destination]]` `semtech_udp`": settings.SemtechUdp,
    "`[status]`": settings.Status,
}


@pytest.mark.parametrize("name", ["gateway.md", "gateway.de.md"])
def test_every_setting_stands_in_the_reference_with_its_default_and_the_reference_names_no_other(name: str) -> None:
    text = (DOCS / "how-to" / name).read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: part for part in re.split(r"^#{2,3} ", text, flags=re.M)}
    rows = {title: dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\| ", part, re.M)) for title, part in parts.items()}
    common = rows["`[[destination]]`"]
    for title, section in SECTIONS.items():
        told = rows[title] | (common if title.startswith("`[[destination]]`") else {})
        fields = {field.name: field for field in msgspec.structs.fields(section)}
        assert set(told) == set(fields), title
        for key, written in told.items():
            default = fields[key].default
            if default is msgspec.NODEFAULT:
                assert written == "", key
            else:
                value = tomllib.loads(f"value = {written.strip('`')}")["value"]
                parsed = type(default).parse(value) if hasattr(type(default), "parse") else value
                assert parsed == (list(default) if isinstance(default, tuple) else default), key
