"""The merge gate's settings file: what is wrong, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.errors import SettingsError
from gateway.merge.gate import Rules
from gateway.merge.settings import parse
from gateway.settings import parse as parse_gateway

GOOD = """\
[merge]
partitions = "01234567"
[broker]
server = "mqtt://127.0.0.1:1883"
client_id = "spatz-merge-1"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        parse(text, Path("merge.toml"))
    return [str(problem) for problem in error.value.problems]


def test_a_short_file_is_enough_and_its_defaults_are_those_of_the_gate() -> None:
    settings = parse(GOOD, Path("/etc/spatz/merge.toml"))
    assert settings.rules() == Rules()
    assert settings.resolve(settings.merge.path) == Path("/etc/spatz/merge.db")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            'partitions = "01234567"',
            'partiton = "0"',
            'line 2: merge.partiton: unknown key; did you mean "partitions"?',
        ),
        (
            '"01234567"',
            '"0011"',
            'line 2: merge.partitions: hex digits in lower case, each once, for example "01234567"',
        ),
        ('"01234567"', '"0F"', 'line 2: merge.partitions: hex digits in lower case, each once, for example "01234567"'),
        ('"01234567"', '"0"\nquiet = "1h"', "line 3: merge.quiet: more than nothing and at most longest_wait"),
        (
            '"01234567"',
            '"0"\ndevice_spacing = "100ms"',
            "line 3: merge.device_spacing: at least 500ms, or the server may lose frames",
        ),
        ('client_id = "spatz-merge-1"', "", 'line 3: broker: key "client_id" is missing'),
        ("mqtt://", "http://", "line 4: broker.server: a broker is written as"),
        (
            '"spatz-merge-1"',
            '"a/b"',
            "line 5: broker.client_id: 1 to 64 letters, digits, - and _; another one for each",
        ),
        ('"spatz-merge-1"', '"a"\nca = "ca.pem"', "line 4: broker.server: ca, cert and key need mqtts://"),
        ("[broker]", "[brokr]", 'line 3: brokr: unknown section; did you mean "broker"?'),
    ],
)
def test_each_mistake_is_named_with_its_line(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    assert any(problem.startswith(complaint) for problem in problems(GOOD.replace(old, new))), complaint


def test_a_file_without_broker_says_so() -> None:
    assert problems("[merge]\n") == ["file: no [broker]: say where the network server's broker is"]


@pytest.mark.parametrize(
    "policy", ['live_frames = "live-first"', "live_first_for_answers = true", "live_first_above = 3"]
)
def test_a_destination_with_a_gate_keeps_the_order_of_frames(policy: str) -> None:
    text = f"""
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:1700"
[[destination]]
name = "city"
type = "chirpstack_mqtt"
server = "mqtt://127.0.0.1"
merge = true
{policy}
"""
    with pytest.raises(SettingsError, match="merge: a gate keeps the order of frames"):
        parse_gateway(text, Path("gateway.toml"))


@pytest.mark.parametrize(
    ("text", "code", "says"), [(GOOD, 0, "good. Broker"), ("[x]\n", 2, "line 1: x: unknown section")]
)
def test_the_command_checks_a_file_without_running(text: str, code: int, says: str, tmp_path: Path) -> None:
    file = tmp_path / "merge.toml"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["merge", "--check", "--config", str(file)])
    assert (result.exit_code, says in result.output) == (code, True)
