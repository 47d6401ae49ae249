"""Findings of the doctor: each thing that can be wrong, and its next step."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor import disk, running, sources
from gateway.findings import Finding, Level
from gateway.papers import papers as examine_papers
from gateway.settings import Settings, parse

HEALTH: dict[str, Any] = {
    "buffered": 0,
    "gateways": ["0016c001ff10a235"],
    "silent": [],
    "last_uplink": None,
    "spool": {"disk_full": False},
    "destinations": {"city": {"state": "up", "since_s": 7300, "buffered": 0}},
    "duty_cycle": [],
}


def settings(
    directory: Path, source: str = 'type = "semtech_udp"\nbind = "127.0.0.1:1700"', more: str = ""
) -> Settings:
    text = f"""
[spool]
path = "spool.db"
[[source]]
{source}
[[destination]]
name = "city"
type = "chirpstack_mqtt"
server = "mqtts://127.0.0.1"
{more}
"""
    return parse(text, directory / "gateway.toml")


def bad(findings: list[Finding]) -> dict[str, Finding]:
    wrong = {one.subject: one for one in findings if one.level is not Level.GOOD}
    assert all(one.advice for one in wrong.values()), wrong
    return wrong


@pytest.mark.parametrize(
    ("changes", "subject", "what", "level"),
    [
        ({"gateways": []}, "concentrator", "none heard", Level.BAD),
        ({"silent": ["0016c001ff10a235"]}, "concentrator", "no sign of life from 0016c001ff10a235", Level.BAD),
        ({"spool": {"disk_full": True}}, "disk", "full, the spool lives on its reserve", Level.BAD),
        ({"destinations": {"city": {"state": "down", "since_s": 90, "buffered": 5}}}, "destination city",
         "down for 90 s, 5 waiting", Level.BAD),
        ({"destinations": {"city": {"state": "holding", "since_s": 7300, "buffered": 5}}}, "destination city",
         "holding for 2 h, 5 waiting", Level.BAD),
        ({"destinations": {"city": {"state": "saving", "since_s": 200_000, "buffered": 5}}}, "destination city",
         "saving for 2 d, 5 waiting", Level.WARNING),
        ({"destinations": {"city": {"state": "spent", "since_s": 300, "buffered": 5}}}, "destination city",
         "spent for 5 min, 5 waiting", Level.BAD),
        ({"duty_cycle": [{"gateway_id": "a", "band": "868.0-868.6", "used_ms": 33_000, "limit_ms": 36_000}]},
         "duty cycle 868.0-868.6 MHz", "33000 of 36000 ms used", Level.WARNING),
    ],
)  # fmt: skip
def test_what_a_running_gateway_suffers_from_is_named(
    changes: dict[str, Any], subject: str, what: str, level: Level, tmp_path: Path
) -> None:
    wrong = bad(running(settings(tmp_path), {**HEALTH, **changes}))
    assert (wrong[subject].what, wrong[subject].level) == (what, level)


def test_a_gateway_without_a_complaint_gets_none(tmp_path: Path) -> None:
    assert set(bad(running(settings(tmp_path), HEALTH))) == {"last uplink"}


def test_concentratord_is_looked_for_at_its_sockets(tmp_path: Path) -> None:
    event, command = tmp_path / "event", tmp_path / "command"
    text = f'type = "concentratord"\nevent = "ipc://{event}"\ncommand = "ipc://{command}"'
    assert "there is no" in bad(sources(settings(tmp_path, text)))["concentratord events"].what
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(command))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(event))
        listening.listen()
        wrong = bad(sources(settings(tmp_path, text)))
        assert list(wrong) == ["concentratord commands"]
        assert "left behind" in wrong["concentratord commands"].advice


def test_a_disk_that_cannot_hold_the_quota_is_told(tmp_path: Path) -> None:
    big = parse("[spool]\nmax_bytes = 9000000000000000\n" + GOOD, tmp_path / "gateway.toml")
    assert "the spool may grow by" in bad(disk(big))["disk"].what


GOOD = """
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:1700"
[[destination]]
name = "city"
type = "semtech_udp"
server = "127.0.0.1:1701"
"""


def test_certificates_are_told_by_their_days_and_secrets_by_who_can_read_them(
    papers_dir: Path, papers: dict[str, Path]
) -> None:
    for name in ("client-key", "server-key"):
        papers[name].chmod(0o600)
    (papers_dir / "token").write_text("Authorization: hush-hush")
    (papers_dir / "token").chmod(0o644)
    station = (
        'type = "basics_station"\nbind = "127.0.0.1:0"\ncert = "server.pem"\nkey = "server.key"\ntoken_file = "token"'
    )
    one = settings(papers_dir, station, 'cert = "client.pem"\nkey = "client.key"\nca = "ca.pem"')
    found = examine_papers(one)
    assert {(finding.subject, finding.level) for finding in found} == {
        ("certificate source 0", Level.WARNING),
        ("secret source 0", Level.WARNING),
        ("certificate city", Level.WARNING),
        ("authority city", Level.WARNING),
    }
    assert "hush" not in str(found)
    papers["client"].write_text("no certificate")
    assert bad(examine_papers(one))["certificate city"].level is Level.BAD


@pytest.fixture
def papers_dir(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_secret_we_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    one = settings(tmp_path, more='username = "me"\npassword_file = "password"')
    (tmp_path / "password").chmod(0)
    assert "Permission denied" in bad(examine_papers(one))["secret city"].what
