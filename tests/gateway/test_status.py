from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.broker import Broker
from gateway.frames import Moment
from gateway.header import read
from gateway.watch import Watch
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

PAGE = Path(__file__).resolve().parents[2] / "gateway"


@pytest.fixture
def gateway(broker: Broker, tmp_path: Path) -> Iterator[GatewayThread]:
    settings = write_settings(tmp_path, broker.url, '[status]\nbind = "127.0.0.1:0"')
    with GatewayThread(settings, ShiftClock()) as gateway:
        yield gateway


def get(gateway: GatewayThread, path: str) -> tuple[str, Any]:
    with urllib.request.urlopen(f"http://{gateway.daemon.status_address}{path}", timeout=5) as answer:
        return answer.read().decode(), answer.headers


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
def test_the_page_and_its_state_are_served_and_load_nothing_from_elsewhere(gateway: GatewayThread) -> None:
    page, headers = get(gateway, "/")
    script, _ = get(gateway, "/status.js")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "https://" not in page + script
    with Forwarder(gateway.address) as forwarder:
        forwarder.push(rxpk(data_frame(0x26011BDA, 7), rssi=-101))
    state = json.loads(get(gateway, "/state")[0])
    assert state["watch"]["nodes"][0]["name"] == "26011bda"
    assert state["watch"]["frames"][0]["rssi"] == -101


def test_every_word_of_the_page_exists_in_both_languages() -> None:
    script = (PAGE / "status_page.js").read_text(encoding="utf-8")
    english, german = (
        set(re.findall(r"(\w+): \"", block)) for block in re.findall(r"(?:en|de): \{(.*?)\n  \}", script, re.S)
    )
    assert english == german
    used = set(re.findall(r"\bt\(\"(\w+)\"\)", script)) | set(
        re.findall(r'data-t="(\w+)"', (PAGE / "status_page.html").read_text(encoding="utf-8"))
    )
    assert used <= english


def test_the_page_never_writes_markup_from_data() -> None:
    script = (PAGE / "status_page.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_what_was_heard_is_remembered_within_bounds() -> None:
    watch = Watch()
    for number_ in range(2000):
        frame = data_frame(number_, number_)
        front = read(frame)
        assert front is not None
        watch.note(uplink(frame), front, Moment(1, 0, number_ * 1000))
    front = read(join_request(1))
    assert front is not None
    watch.note(uplink(join_request(1)), front, Moment(1, 0, 0))
    state = watch.state()
    assert (len(state["frames"]), len(state["nodes"])) == (50, 500)
    assert state["frames"][0]["kind"] == "join"
    assert state["nodes"][0] == {"name": "000007cf", "frames": 1, "rssi": -60, "snr": 7.5, "fcnt": 1999, "at": 1999}
