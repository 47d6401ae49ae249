"""The status page as a person sees it: a real gateway, a real broker, frames, and a real Chromium."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from bench.broker import Broker
from tests.gateway.browser import DESK, FOREIGN_NAME, PHONE, Browser
from tests.gateway.kit import (
    Forwarder,
    GatewayProcess,
    Listener,
    data_frame,
    join_request,
    rxpk,
    wait_for,
    write_settings,
)
from tests.gateway.test_chain import order

OF_ITS_OWN = ("chrome:", "chrome-untrusted:", "data:", "about:")  # pages inside the browser, as of a new tab

pytestmark = pytest.mark.live

HOSTILE = '"><img src=x onerror="harmed=1"><script>harmed=1</script>\u202e'


class Street:
    """What the page is about: broker, gateway, packet forwarder; `heard()` makes one frame arrive."""

    def __init__(self, broker: Broker, gateway: GatewayProcess, forwarder: Forwarder) -> None:
        self.broker = broker
        self.gateway = gateway
        self.forwarder = forwarder
        self.url = f"http://{gateway.status}/"
        self._counter = itertools.count(1)

    def heard(self, dev_addr: int = 0x26011BDA, **changes: Any) -> int:
        """A frame of the device; returns its counter."""
        counter = next(self._counter)
        self.forwarder.push(rxpk(data_frame(dev_addr, counter), **changes))
        return counter


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    root = tmp_path_factory.mktemp("street")
    with Broker(root / "broker") as broker:
        # The shortest spacing there is, so that a backlog is gone soon.
        settings = write_settings(root, broker.url, '[status]\nbind = "127.0.0.1:0"', 'device_spacing = "500ms"')
        with Listener(broker), GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            gateway.wait_event("destination up")
            yield Street(broker, gateway, forwarder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def test_a_frame_appears_while_one_looks_with_all_that_is_known_of_it(street: Street, browser: Browser) -> None:
    browser.open(street.url)
    browser.wait_text("h1", "Spatz Gateway")
    counter = street.heard(0x260B1234, rssi=-117, lsnr=-11.2, datr="SF12BW125", freq=868.3)
    browser.wait_text(".frames tbody", "260b1234")
    row = browser.text(".frames tbody tr")
    for part in (str(counter), "SF12", "868.3 MHz", "−117 dBm", "−11.2 dB", "good"):
        assert part in row
    browser.wait_text(".frames tbody tr", "live")
    assert "weak" not in row
    node = browser.text(".nodes tbody tr")
    assert "260b1234" in node
    assert "margin 9 dB" in node


def test_an_outage_is_told_in_words_and_the_buffer_counts_up_and_empties(street: Street, browser: Browser) -> None:
    browser.open(street.url)
    browser.wait_text("[data-destination=city]", "connected")
    browser.wait_text("[data-part=headline]", "All well")

    street.broker.stop()
    browser.wait_text("[data-destination=city]", "not reachable")
    for number in range(4):
        street.heard(0x260B0000 + number)
    browser.wait_text("#depth", "4")
    browser.wait_text(".frames tbody tr", "waits")
    browser.wait_text("[data-destination=city]", "connection refused: does the server run?")
    assert "city cannot be reached" in browser.text("[data-part=headline]")
    assert "Oldest" in browser.text("[data-part=buffer]")

    street.broker.start()
    with Listener(street.broker):
        browser.wait_text("[data-destination=city]", "connected")
        browser.wait(lambda: browser.text("#depth") == "0", "an empty buffer")
        browser.wait_text(".frames tbody tr", "l")
        browser.wait_text("[data-part=headline]", "All well")
    assert browser.text(".frames tbody tr .fate") in ("live", "late")


def test_a_downlink_is_shown_with_what_became_of_it_and_the_airtime_it_took(street: Street, browser: Browser) -> None:
    with Listener(street.broker) as listener:
        street.heard(0x01020304)
        context = listener.wait_uplinks(1)[0].rx_info.context
        listener.send_downlink(order(context, downlink_id=1, items=2))
        street.forwarder.answer_pull_resp("TOO_LATE")
        street.forwarder.answer_pull_resp("NONE")
        listener.send_downlink(order(b"", downlink_id=2))
        listener.wait(lambda one: len(one.acks()) == 2, "two results")
    browser.open(street.url)
    browser.wait(lambda: len(browser.all(".downlinks tbody tr")) == 2, "two downlinks")
    refused, sent = browser.all(".downlinks tbody tr")
    for part in ("01020304", "city", "SF7", "869.525 MHz", "14 dBm", "RX1 too late", "RX2 sent"):
        assert part in sent.text
    assert "too late" in refused.text
    assert "1 sent, 1 not sent" in browser.text("[data-part=downlinks]")
    airtime = browser.text(".airtime tbody tr")
    assert "869.4–869.65 MHz" in airtime
    assert "0.05 s of 360 s" in airtime


@pytest.mark.parametrize("size", [PHONE, DESK, (1024, 768), (768, 1024)])
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_off_at_any_width_in_either_language(
    street: Street, browser: Browser, size: tuple[int, int], language: str
) -> None:
    street.heard(0x260BFFFF, datr="SF12BW500", rssi=-101, lsnr=-10.5)
    street.forwarder.push(rxpk(join_request(1)))
    browser.open(f"{street.url}?lang={language}", size)
    assert browser.run("return innerWidth") == size[0]
    assert browser.run("return document.documentElement.scrollWidth") <= size[0]
    wider = (
        "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    )
    assert browser.run(f"{wider}.map(e => e.outerHTML)") == []
    beyond = "return [...document.querySelectorAll('section *')].filter(e => e.getBoundingClientRect().right >"
    assert browser.run(f"{beyond} e.closest('section').getBoundingClientRect().right).map(e => e.outerHTML)") == []
    small = (
        "return [...document.querySelectorAll('header a, header button')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(browser.run(small)) >= 44, "fingers need room (WCAG 2.5.5)"
    sizes = "return [...document.querySelectorAll('main *')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert min(browser.run(sizes)) >= 13


def test_both_languages_are_offered_and_the_browsers_own_comes_first(
    street: Street, browser: Browser, tmp_path: Path
) -> None:
    browser.open(street.url)
    assert browser.run("return document.documentElement.lang") == "en"
    browser.driver.find_element(By.LINK_TEXT, "Deutsch").click()
    browser.wait_text("main", "Laufende Pakete")
    assert browser.run("return document.documentElement.lang") == "de"
    assert browser.text("a[aria-current]") == "Deutsch"
    for word in ("Ziele", "Puffer", "verbunden", "Empfang je Knoten", "synchron"):
        assert word in browser.text("main")
    with Browser(tmp_path, "de-DE,de") as german:
        german.open(street.url)
        assert german.run("return document.documentElement.lang") == "de"


def test_the_page_is_whole_without_a_script(street: Street, tmp_path: Path) -> None:
    counter = street.heard(0x260BABCD)
    with Browser(tmp_path, scripts=False) as browser:
        browser.open(street.url)
        assert "260babcd" in browser.text(".frames")
        assert "All well" in browser.text("main")
        assert not browser.driver.find_element(By.ID, "pause").is_displayed()
        street.heard(0x260BABCE)
        assert "260babce" not in browser.text(".frames"), "nothing moves by itself"

        def loaded_again() -> bool:
            browser.driver.find_element(By.LINK_TEXT, "Load again").click()
            return "260babce" in browser.text(".frames")

        browser.wait(loaded_again, "the new frame, when asked for")
        assert counter


def test_hostile_names_from_the_air_stay_text(street: Street, browser: Browser) -> None:
    evil = Forwarder(street.gateway.address, eui="66" * 8)
    with evil:
        evil.pull()
        evil.push(rxpk(data_frame(0x3C3C3C3C, 1), meta={HOSTILE: HOSTILE, "model": "</ul></main><h1>mine</h1>"}))
        evil.push(rxpk(data_frame(1, 1), data=HOSTILE), rxpk(data_frame(1, 2), datr=HOSTILE, modu=HOSTILE))
        browser.open(street.url)
        browser.wait_text("[data-part=concentrators]", "<script>harmed=1</script>")
        browser.wait_text("[data-part=concentrators]", "</ul></main><h1>mine</h1>")
    assert browser.run("return window.harmed") is None
    assert browser.run("return document.querySelectorAll('main img, main script, h1').length") == 1
    assert "\u202e" not in browser.text()


def test_a_foreign_web_page_cannot_ask_under_a_name_of_its_own(street: Street, browser: Browser) -> None:
    host, _, port = str(street.gateway.status).rpartition(":")
    browser.open(f"http://{FOREIGN_NAME}:{port}/")
    assert host == "127.0.0.1"
    assert "does not know itself by the name" in browser.text()
    assert "city" not in browser.text()
    browser.complaints.clear()


def test_the_keyboard_reaches_everything_and_keeps_its_place(street: Street, browser: Browser) -> None:
    browser.open(street.url)
    visited = []
    for _ in range(14):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        visited.append(browser.driver.switch_to.active_element.text)
        outline = browser.run("return getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px", f"{visited[-1]} shows where the keyboard is"
    assert visited[:4] == ["Skip to the state", "English", "Deutsch", "Pause"]
    assert {"Destinations", "Live frames", "Downlinks"} <= set(visited)
    street.heard(0x260B5555)
    browser.wait_text(".frames tbody", "260b5555")
    assert browser.driver.switch_to.active_element.text == visited[-1]


def test_whoever_wants_to_read_in_peace_can_stop_the_page(street: Street, browser: Browser) -> None:
    browser.open(street.url)
    pause = browser.driver.find_element(By.ID, "pause")
    pause.click()
    assert pause.text == "Go on"
    assert "What you see is old" in browser.text("#message")
    before = len(browser.requests)
    street.heard(0x260B6666)
    browser.run("return document.hidden")
    assert len(browser.requests) == before
    assert "260b6666" not in browser.text(".frames")
    pause.click()
    browser.wait_text(".frames tbody", "260b6666")
    assert browser.text("#message") == ""


def test_the_page_says_when_the_gateway_is_gone(tmp_path: Path, broker: Broker, browser: Browser) -> None:
    with GatewayProcess(write_settings(tmp_path, broker.url, '[status]\nbind = "127.0.0.1:0"')) as gateway:
        browser.open(f"http://{gateway.status}/")
        browser.wait_text("[data-part=headline]", "No concentrator heard so far.")
        browser.wait_text("[data-destination=city]", "waits for the first concentrator")
        gateway.kill()
        browser.wait_text("#message", "The gateway does not answer. What you see is old.")
    browser.driver.get("about:blank")
    browser.complaints.clear()


def test_tables_are_tables_for_those_who_listen(street: Street, browser: Browser) -> None:
    street.heard()
    for size in (PHONE, DESK):
        browser.open(street.url, size)
        tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = [node["role"]["value"] for node in tree if "role" in node and not node.get("ignored")]
        names = {(node["role"]["value"], node.get("name", {}).get("value")) for node in tree if "role" in node}
        for role in ("banner", "main", "contentinfo", "navigation", "table", "row", "columnheader", "cell", "status"):
            assert role in roles, f"{role} at {size}"
        assert ("table", "Live frames") in names
        assert ("region", "Destinations") in names
        assert roles.count("heading") >= 10


def test_movement_stops_for_those_who_want_none_and_the_night_is_dark(street: Street, browser: Browser) -> None:
    browser.open(street.url, dark=True, calm=True)
    browser.run("document.querySelector('.frames tbody tr').classList.add('new')")
    assert browser.run("return getComputedStyle(document.querySelector('tr.new')).animationName") == "none"
    dark = browser.run("return getComputedStyle(document.documentElement).backgroundColor")
    browser.open(street.url)
    assert dark != browser.run("return getComputedStyle(document.documentElement).backgroundColor")
    assert dark == "rgb(16, 21, 20)"


def test_health_and_metrics_can_be_read_beside_the_page(street: Street, browser: Browser) -> None:
    browser.open(f"{street.url}health")
    assert json.loads(browser.text())["destinations"]["city"]["state"] == "up"
    browser.open(f"{street.url}metrics")
    assert 'spatz_gateway_destination_up{destination="city"} 1.0' in browser.text()


def test_the_console_is_silent_and_nobody_else_was_asked(street: Street, browser: Browser) -> None:
    """Last: over all that this browser has seen, apart from what was meant to fail."""
    browser.open(street.url)
    street.heard()
    wait_for(lambda: "live" in browser.text(".frames tbody tr"), "a live frame")
    assert browser.complaints == []
    foreign = [
        url
        for url in browser.requests
        if not url.startswith(("http://127.0.0.1:", *OF_ITS_OWN, f"http://{FOREIGN_NAME}:"))
    ]
    assert foreign == []
