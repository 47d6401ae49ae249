"""What the person at the mast does: check, status, doctor, spool, reload, service manager."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.broker import Broker
from gateway.doctor import examine
from gateway.findings import Level
from gateway.settings import load
from gateway.systemd import Notifier
from tests.gateway.kit import (
    ROOT,
    FakeClock,
    Forwarder,
    GatewayProcess,
    Listener,
    data_frame,
    rxpk,
    wait_for,
    write_settings,
)

pytestmark = pytest.mark.live

FILES = ROOT / "packaging"


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def full(broker: Broker, tmp_path: Path) -> Path:
    """A spool with three frames of an outage, and its settings."""
    broker.stop()
    settings = write_settings(tmp_path, broker.url)
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        for counter in range(3):
            forwarder.push(rxpk(data_frame(0x26011BDA, counter)))
    return settings


def test_check_is_silent_about_good_files_and_exact_about_bad_ones(tmp_path: Path) -> None:
    settings = write_settings(tmp_path, "mqtt://127.0.0.1:1883")
    good = command("check", "--config", settings)
    assert (good.returncode, good.stderr) == (0, "")
    settings.write_text(settings.read_text().replace("topic_prefix", "topik_prefix"))
    bad = command("check", "--config", settings)
    assert bad.returncode == 2
    assert 'destination[0].topik_prefix: unknown key; did you mean "topic_prefix"?' in bad.stderr
    assert command("run", "--config", settings).returncode == 2
    assert command("check").returncode == 2


def test_the_settings_that_are_installed_are_good() -> None:
    assert command("check", "--config", FILES / "gateway.toml").returncode == 0


def test_spool_show_and_export_tell_what_is_stored(full: Path) -> None:
    summary = json.loads(command("spool", "show", "--config", full, "--json").stdout)
    assert (summary["frames"], summary["devices"], summary["waiting"]) == (3, 1, {"city": 3})
    lines = [json.loads(line) for line in command("spool", "export", "--config", full).stdout.splitlines()]
    assert [line["fcnt16"] for line in lines] == [0, 1, 2]
    assert lines[0]["phy_payload"] == data_frame(0x26011BDA, 0).hex()
    assert lines[0]["waiting"] == ["city"]


def test_spool_can_be_looked_at_but_not_pruned_while_the_gateway_runs(full: Path) -> None:
    with GatewayProcess(full):
        assert command("spool", "show", "--config", full).returncode == 0
        refused = command("spool", "prune", "--config", full, "--yes")
        assert (refused.returncode, "in use by another gateway" in refused.stderr) == (3, True)


def test_spool_prune_throws_away_what_it_is_told(full: Path) -> None:
    unknown = command("spool", "prune", "--config", full, "--destination", "nowhere", "--yes")
    assert (unknown.returncode, "known are city" in unknown.stderr) == (3, True)
    assert "3 entries" in command("spool", "prune", "--config", full, "--destination", "city", "--yes").stdout
    assert json.loads(command("spool", "show", "--config", full, "--json").stdout)["frames"] == 0


def test_status_asks_the_running_gateway(broker: Broker, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = write_settings(tmp_path, broker.url, f'[status]\nbind = "127.0.0.1:{port}"')
    nobody = command("status", "--config", settings)
    assert (nobody.returncode, "doctor" in nobody.stderr) == (3, True)
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        gateway.wait_event("destination up")
        assert json.loads(command("status", "--config", settings, "--json").stdout)["status"] == "ok"
        assert "city: up, 0 delivered, 0 waiting" in command("status", "--config", settings).stdout
        found = [json.loads(line) for line in command("doctor", "--config", settings, "--json").stdout.splitlines()]
        assert {one["subject"]: one["level"] for one in found} == {
            "disk": "good",
            "clock": "good",
            "gateway": "good",
            "concentrator": "good",
            "last uplink": "warning",
            "destination city": "good",
            "broker city": "good",
        }


def test_doctor_names_the_next_step_for_everything_that_is_wrong(broker: Broker, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, broker.url, '[status]\nbind = "127.0.0.1:9"')
    broker.stop()
    clock = FakeClock()
    clock.is_verified = False
    findings = examine(load(settings), clock)
    wrong = {finding.subject: finding for finding in findings if finding.level is not Level.GOOD}
    assert set(wrong) == {"clock", "gateway", "broker city"}
    assert all(finding.advice for finding in wrong.values())
    assert command("doctor", "--config", settings).returncode == 1


def test_sighup_takes_new_destinations_without_losing_a_frame(broker: Broker, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, broker.url)
    with (
        Listener(broker, "#") as listener,
        GatewayProcess(settings) as gateway,
        Forwarder(gateway.address) as forwarder,
    ):
        forwarder.pull()
        gateway.wait_event("destination up")
        forwarder.push(rxpk(data_frame(1, 1)))
        listener.wait_uplinks(1)
        settings.write_text(settings.read_text().replace('topic_prefix = "eu868"', 'topic_prefix = "other"'))
        os.kill(gateway.pid, signal.SIGHUP)
        for counter in range(10):
            forwarder.push(rxpk(data_frame(2 + counter, counter)))
        gateway.wait_event("reloaded", destinations=["city"], restart_needed_for=[])
        forwarder.push(rxpk(data_frame(99, 1)))
        listener.wait_uplinks(12)
        assert any(topic.startswith("other/") for topic, _, _ in listener.messages)
        assert len({frame.phy_payload for frame in listener.uplinks()}) == 12

        settings.write_text("nonsense")
        os.kill(gateway.pid, signal.SIGHUP)
        gateway.wait_event("reload refused")
        forwarder.push(rxpk(data_frame(100, 1)))
        listener.wait_uplinks(13)


def test_sighup_says_what_needs_a_restart(broker: Broker, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, broker.url)
    with GatewayProcess(settings) as gateway:
        settings.write_text(settings.read_text().replace('path = "spool.db"', 'path = "spool.db"\nmax_age = "1d"'))
        os.kill(gateway.pid, signal.SIGHUP)
        gateway.wait_event("reloaded", restart_needed_for=["spool"])


def test_the_service_manager_is_told_ready_alive_and_stopping(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        heard: list[bytes] = []
        with GatewayProcess(write_settings(tmp_path, broker.url)) as gateway:
            while {b"READY=1", b"WATCHDOG=1"} - set(heard):
                heard.append(manager.recv(100))
            gateway.stop()
        while b"STOPPING=1" not in heard:
            heard.append(manager.recv(100))


def test_without_a_service_manager_nothing_is_told() -> None:
    notifier = Notifier({})
    notifier.tell("READY=1")
    assert notifier.watchdog_s is None


def test_the_unit_starts_what_the_package_installs() -> None:
    unit = (FILES / "spatz-gateway.service").read_text()
    build = (FILES / "build_deb.py").read_text()
    assert "ExecStart=spatz-gateway run --config /etc/spatz/gateway.toml" in unit
    assert '"usr/bin/spatz-gateway"' in build
    assert '"etc/spatz/gateway.toml"' in build
    assert "WatchdogSec=" in unit
    for script in ("postinst", "prerm", "postrm"):
        assert subprocess.run(["sh", "-n", FILES / "debian" / script], check=False).returncode == 0


def test_a_gateway_that_is_stopped_stops_at_once(full: Path, broker: Broker) -> None:
    broker.start()
    with Listener(broker) as listener:
        for _ in range(3):
            with GatewayProcess(full) as gateway, Forwarder(gateway.address) as forwarder:
                forwarder.push(rxpk(data_frame(5, 1)))
                wait_for(lambda: bool(listener.of("/event/up")), "a frame")
                assert gateway.stop() == 0
