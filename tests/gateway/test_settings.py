from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SettingsError
from gateway.setting_types import Address, BrokerUrl, DevAddrPrefix, Duration, GatewayId, JoinEuiPrefix
from gateway.settings import ChirpstackMqtt, Concentratord, SemtechUdpSource, load, parse

EXAMPLE = """\
[gateway]
id = "auto"                    # or 16 hex digits
[spool]
path = "spool.db"
durability = "balanced"
max_bytes = 268435456
max_age = "7d"
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:1700"
[[destination]]
name = "dortmund"
type = "chirpstack_mqtt"
server = "mqtt://127.0.0.1:1883"
topic_prefix = "eu868"
dev_addr_prefixes = []         # empty: all
join_eui_prefixes = []
[status]
bind = "127.0.0.1:8800"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(text, Path("gateway.toml"))
    return [str(problem) for problem in caught.value.problems]


def test_the_documented_example_is_good() -> None:
    settings = parse(EXAMPLE, Path("/etc/spatz/gateway.toml"))

    assert isinstance(settings.source[0], SemtechUdpSource)
    assert settings.source[0].bind.port == 1700
    destination = settings.destination[0]
    assert isinstance(destination, ChirpstackMqtt)
    assert (destination.server.host, destination.server.port, destination.server.tls) == ("127.0.0.1", 1883, False)
    assert settings.spool.max_age == 7 * 86_400 * 1_000_000
    assert settings.resolve(settings.spool.path) == Path("/etc/spatz/spool.db")


def _zmq(line: str) -> tuple[str, str]:
    return 'type = "semtech_udp"\nbind = "127.0.0.1:1700"\n', f'type = "concentratord"\n{line}\n'


def test_concentratord_is_looked_for_where_its_own_configuration_puts_it() -> None:
    source = parse(EXAMPLE.replace(*_zmq("")), Path("gateway.toml")).source[0]

    assert isinstance(source, Concentratord)
    assert (source.event.path, source.command.path) == ("/tmp/concentratord_event", "/tmp/concentratord_command")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("durability", "durabilty"), 'line 5: spool.durabilty: unknown key; did you mean "durability"?'),
        (("[spool]", "[spol]"), 'line 3: spol: unknown section; did you mean "spool"?'),
        (('"7d"', '"7 weeks"'), "line 7: spool.max_age: a duration is a text of number and unit"),
        (('"7d"', '"32d"'), "line 7: spool.max_age: more than nothing and at most 31d"),
        (("268435456", '"big"'), "line 6: spool.max_bytes: Expected `int`, got `str`"),
        (("268435456", "100"), "line 6: spool.max_bytes: at least 1048576 (1 MiB)"),
        (('"auto"', '"0016c001"'), 'line 2: gateway.id: a gateway id is "auto" or 16 hex digits'),
        (('"127.0.0.1:1700"', '"1700"'), "line 10: source[0].bind: an address is host:port"),
        (('"semtech_udp"', '"semtech"'), "line 9: source[0].type: Invalid value 'semtech'; known are basics"),
        (_zmq('event = "ipc://tmp/x"'), "line 10: source[0].event: an ipc socket is named by its whole path"),
        (
            _zmq('event = "udp://h:1"'),
            'line 10: source[0].event: a ZeroMQ socket is "ipc:///path" or "tcp://host:port"',
        ),
        (_zmq('command = "tcp://h"'), "line 10: source[0].command: an address is host:port"),
        (_zmq('command = "tcp://*:5"'), "line 10: source[0].command: the socket of a server has a host and a port"),
        (_zmq(f'event = "ipc:///{"x" * 108}"'), "line 10: source[0].event: the path of a socket has at most 107 bytes"),
        (_zmq('event = "tcp://h:5"\ncommand = "tcp://h:5"'), "line 11: source[0].command: is the socket of the events"),
        (_zmq("event = 5"), "line 10: source[0].event: a ZeroMQ socket is"),
        (_zmq('bind = "127.0.0.1:1700"'), "line 10: source[0].bind: unknown key; known are command, event, type"),
        (("[[source]]", "[source]"), "line 8: source: is written [[source]], with two brackets"),
        (('bind = "127.0.0.1:1700"\n', ""), 'line 8: source[0]: key "bind" is missing'),
        (("mqtt://", "http://"), 'line 14: destination[0].server: a broker is written as "mqtt://host:1883"'),
        (("mqtt://", "mqtt://me:secret@"), "line 14: destination[0].server: no credentials in the URL"),
        (('"eu868"', '"eu868/#"'), "line 15: destination[0].topic_prefix: no wildcards"),
        (("= []         #", '= ["26011/20"] #'), "line 16: destination[0].dev_addr_prefixes: a prefix is 8 hex digits"),
        (('server = "m', 'ca = "no.pem"\nserver = "m'), "line 14: destination[0].ca: no such file: no.pem"),
        (('server = "m', 'device_spacing = "100ms"\nserver = "m'), "line 14: destination[0].device_spacing: at least"),
        (("[status]", "[status"), "line 18: Expected ']' at the end of a table declaration"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(change: tuple[str, str], complaint: str) -> None:
    found = problems(EXAMPLE.replace(*change, 1))

    assert any(problem.startswith(complaint) for problem in found), found


def test_all_mistakes_are_told_at_once() -> None:
    text = EXAMPLE.replace("max_age", "max_aeg").replace('"127.0.0.1:1700"', "1700").replace("topic_prefix", "tpic")

    assert len(problems(text)) == 3


def test_an_empty_token_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" \n")
    station = 'type = "basics_station"\ntoken_file = "token"\n'
    with pytest.raises(SettingsError, match=r"line 10: source\[0\].token_file: is empty"):
        parse(EXAMPLE.replace('type = "semtech_udp"\n', station), tmp_path / "gateway.toml")


def test_a_budget_is_large_enough_to_stay_connected() -> None:
    text = EXAMPLE.replace('topic_prefix = "eu868"', 'topic_prefix = "eu868"\nmax_bytes_per_day = 1000')
    assert problems(text) == ["line 16: destination[0].max_bytes_per_day: 0 for no limit, or at least 1048576 (1 MiB)"]


def test_two_destinations_need_two_names() -> None:
    second = EXAMPLE[EXAMPLE.index("[[destination]]") : EXAMPLE.index("[status]")]

    assert problems(EXAMPLE + second) == ['line 21: destination[1].name: "dortmund" is the name of destination 0']


def test_an_empty_file_says_what_is_needed() -> None:
    assert [problem.split(":")[1].strip() for problem in problems("")] == ["no [[source]]", "no [[destination]]"]


def test_a_missing_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(tmp_path / "absent.toml")


def test_keys_in_texts_and_comments_do_not_confuse_the_line_numbers() -> None:
    text = '# [spool]\n[gateway]\nlog_level = """\n[[source]]\nbind = 1\n"""\n' + EXAMPLE.replace("[gateway]\n", "")

    assert any(problem.startswith("line 3: gateway.log_level") for problem in problems(text))


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("20ms", 20_000), ("1.5s", 1_500_000), ("2min", 120_000_000), ("1h", 3_600_000_000), ("7d", 604_800_000_000)],
)
def test_durations(text: str, microseconds: int) -> None:
    assert Duration.parse(text) == microseconds


def test_addresses_and_urls_know_ipv6() -> None:
    assert (Address.parse("[::1]:1700").host, Address.parse("[::1]:1700").loopback) == ("::1", True)
    assert not Address.parse("0.0.0.0:1700").loopback
    assert (BrokerUrl.parse("mqtts://[::1]").host, BrokerUrl.parse("mqtts://[::1]").port) == ("::1", 8883)


def test_gateway_ids_are_lower_case() -> None:
    assert GatewayId.parse("0016C001FF10A235") == "0016c001ff10a235"


def test_prefixes_match_leading_bits_in_printed_order() -> None:
    assert DevAddrPrefix.parse("26011a00/24").matches(0x26011AFF)
    assert not DevAddrPrefix.parse("26011a00/24").matches(0x26011B00)
    assert DevAddrPrefix.parse("00000000/0").matches(0xFFFFFFFF)
    assert JoinEuiPrefix.parse("0102030400000000/32").matches(0x01020304AABBCCDD)
    assert not JoinEuiPrefix.parse("0102030405060708/64").matches(0x0102030405060709)


_words = st.sampled_from([*EXAMPLE.split(), "[[", "]]", '"', "'''", "=", "{", "}", "\n", "\0", "ü", "1e999", "true"])


@given(st.lists(_words, max_size=30).map(" ".join))
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    with suppress(SettingsError):
        parse(text, Path("gateway.toml"))


@given(st.data())
def test_any_damage_to_a_good_file_is_judged_without_a_crash(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(EXAMPLE)))
    length = data.draw(st.integers(0, 20))
    text = EXAMPLE[:at] + data.draw(st.text(max_size=5)) + EXAMPLE[at + length :]
    with suppress(SettingsError):
        parse(text, Path("gateway.toml"))


def test_a_duration_of_hundreds_of_digits_is_refused_like_any_other_wrong_one() -> None:
    with pytest.raises(ValueError, match="a duration is"):
        Duration.parse("9" * 400 + "d")


def test_a_complaint_about_a_monstrous_value_stays_readable() -> None:
    found = problems(EXAMPLE.replace('"dortmund"', f'"dortmund"\n{"x" * 5000} = 1'))
    assert all(len(problem) < 600 for problem in found)
