from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import BadFrame, NoPath
from gateway.frames import Crc, Delay, DownlinkItem, Fsk, GpsTime, Immediately, LoRa, LrFhss, TxStatus
from gateway.gwmp.datagrams import Datagram, Kind
from gateway.gwmp.rxpk import read_base64, read_push, write_rxpk
from gateway.gwmp.server import PacketForwarders, Pulled, Pushed, Transmitted
from gateway.gwmp.txpk import read_ack, write_txpk
from tests.gateway.kit import EUI, data_frame, push_data, rxpk

PEER = ("127.0.0.1", 4000)
FRAME = data_frame(0x26011BDA, 1)


def read_one(**changes: Any) -> Any:
    push = read_push(EUI, json.dumps({"rxpk": [rxpk(FRAME, **changes)]}).encode())
    assert not push.rejected, push.rejected
    return push.uplinks[0]


def item(**changes: Any) -> DownlinkItem:
    values: dict[str, Any] = {
        "phy_payload": b"\x60abc",
        "frequency_hz": 868_100_000,
        "power_dbm": 14,
        "modulation": LoRa(7, 125_000, "4/5"),
        "timing": Delay(1_000_000),
        "context": bytes.fromhex("000004d2"),
    }
    return DownlinkItem(**{**values, **changes})


def txpk(one: DownlinkItem) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(write_txpk(one))["txpk"]
    return content


def test_datagrams_survive_writing_and_reading() -> None:
    for kind in Kind:
        eui = EUI if kind in (Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK) else ""
        body = b"" if kind in (Kind.PUSH_ACK, Kind.PULL_ACK, Kind.PULL_DATA) else b"{}"
        datagram = Datagram(kind, 2, b"\x02\xd2", eui, body)
        assert Datagram.from_bytes(datagram.to_bytes()) == datagram


def test_the_header_bytes_stand_where_the_protocol_says() -> None:
    assert Datagram(Kind.PULL_RESP, 2, b"\x02\xd2").to_bytes() == bytes.fromhex("0202d203")
    assert Datagram(Kind.TX_ACK, 2, b"\x02\xd2", EUI).to_bytes() == bytes.fromhex("0202d205" + EUI)


def test_the_counter_1234_becomes_the_context_000004d2() -> None:
    # Vector of chirpstack-mqtt-forwarder, tests/semtech_udp_test.rs.
    assert read_one(tmst=1234).context == bytes.fromhex("000004d2")
    assert txpk(item())["tmst"] == 1_001_234


def test_the_sum_of_counter_and_delay_wraps_at_32_bits() -> None:
    assert txpk(item(context=b"\xff\xff\xff\xff"))["tmst"] == 999_999


@pytest.mark.parametrize(
    ("freq", "hz"), [(868.1, 868_100_000), (867.9, 867_900_000), (868.3, 868_300_000), (869, 869_000_000)]
)
def test_frequencies_are_rounded_and_not_truncated(freq: float, hz: int) -> None:
    assert read_one(freq=freq).frequency_hz == hz


def test_vendors_may_omit_what_is_not_needed() -> None:
    one = read_one(chan=..., rfch=..., lsnr=..., codr=..., stat=..., size=...)
    assert (one.channel, one.rf_chain, one.snr_db, one.crc) == (0, 0, 0.0, Crc.OK)


def test_modulations_are_told_apart() -> None:
    assert read_one(datr="SF12BW500").modulation == LoRa(12, 500_000, "4/5")
    assert read_one(modu="FSK", datr=50_000).modulation == Fsk(50_000)
    assert read_one(modu="LR-FHSS", datr="M0CW137", codr="4/6").modulation == LrFhss(137_000, "4/6")


def test_the_strongest_antenna_speaks_for_an_element_without_own_signal() -> None:
    antennas = [{"ant": 0, "chan": 3, "rssic": -90, "lsnr": 1.0}, {"ant": 1, "chan": 4, "rssic": -70, "lsnr": 5.5}]
    one = read_one(rssi=..., lsnr=..., rsig=antennas)
    assert (one.antenna, one.channel, one.rssi_dbm, one.snr_db) == (1, 4, -70, 5.5)


def test_gps_times_are_taken_over() -> None:
    one = read_one(tmms=1_300_000_000_123, time="2021-03-18T07:06:22.123456Z")
    assert one.gps_us == 1_300_000_000_123_000
    assert one.utc_us == 1_616_051_182_123_456
    assert read_one(time="yesterday").utc_us is None


@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_either_alphabet_with_any_padding(alphabet: Any) -> None:
    data = bytes.fromhex("fbff3e")
    for tail in (b"\xfb", b"\xfb\xff", b""):
        text = alphabet(data + tail).decode()
        assert read_base64(text) == read_base64(text.rstrip("=")) == data + tail


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"data": "???"}, "base64"),
        ({"data": ""}, "size"),
        ({"data": base64.b64encode(bytes(256)).decode()}, "size"),
        ({"datr": "SF7"}, "modulation"),
        ({"datr": 5}, "modulation"),
        ({"modu": "GFSK"}, "modulation"),
        ({"freq": 1e300}, "freq"),
        ({"freq": -1}, "freq"),
        ({"tmst": -1}, "tmst"),
        ({"tmst": 1 << 32}, "tmst"),
        ({"rssi": ...}, "rssi"),
        ({"rssi": 1e308}, "rssi"),
        ({"tmst": ...}, "rxpk-json"),
        ({"freq": "868.1"}, "rxpk-json"),
    ],
)
def test_a_bad_element_is_left_out_with_a_word_for_it(changes: dict[str, Any], kind: str) -> None:
    push = read_push(EUI, json.dumps({"rxpk": [rxpk(FRAME, **changes), rxpk(FRAME)]}).encode())

    assert push.rejected == (kind,)
    assert [one.phy_payload for one in push.uplinks] == [FRAME]


def test_absurd_side_values_do_not_cost_the_frame() -> None:
    one = read_one(lsnr=1e300, chan=-5, rfch=1 << 70, meta={"a": "b", "c": 1, "d": "x" * 1000})
    assert (one.snr_db, one.channel, one.rf_chain, one.metadata) == (0.0, 0, 0, {"a": "b"})


def test_counters_are_read_from_stat() -> None:
    stat = {"time": "2026-01-01 00:00:00 GMT", "lati": 51.5, "long": 7.46, "alti": 86, "rxnb": 3, "rxok": 2, "dwnb": 1}
    report = read_push(EUI, json.dumps({"stat": stat}).encode()).report
    assert report is not None
    assert (report.rx_received, report.rx_ok, report.tx_received, report.tx_emitted) == (3, 2, 1, 0)
    assert (report.latitude, report.longitude, report.altitude_m) == (51.5, 7.46, 86.0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", TxStatus.OK),
        (b"\0", TxStatus.OK),
        (b'{"txpk_ack":{"error":"NONE"}}', TxStatus.OK),
        (b'{"txpk_ack":{"warn":"TX_POWER","value":14}}', TxStatus.OK),
        (b'{"txpk_ack":{"error":"TX_POWER"}}', TxStatus.OK),
        (b'{"txpk_ack":{"error":"TOO_LATE"}}', TxStatus.TOO_LATE),
        (b'{"txpk_ack":{"error":"TOO_EARLY"}}', TxStatus.TOO_EARLY),
        (b'{"txpk_ack":{"error":"COLLISION_PACKET"}}', TxStatus.COLLISION_PACKET),
        (b'{"txpk_ack":{"error":"COLLISION_BEACON"}}', TxStatus.COLLISION_BEACON),
        (b'{"txpk_ack":{"error":"TX_FREQ"}}', TxStatus.TX_FREQ),
        (b'{"txpk_ack":{"error":"GPS_UNLOCKED"}}', TxStatus.GPS_UNLOCKED),
        (b'{"txpk_ack":{"error":"SOMETHING"}}', TxStatus.INTERNAL_ERROR),
    ],
)
def test_tx_ack_words_become_statuses(body: bytes, status: TxStatus) -> None:
    assert read_ack(body) is status


def test_a_downlink_names_its_timing_once_and_leaves_out_what_means_nothing() -> None:
    class_a = txpk(item())
    assert class_a == {
        "rfch": 0,
        "freq": 868.1,
        "powe": 14,
        "modu": "LORA",
        "datr": "SF7BW125",
        "codr": "4/5",
        "ipol": True,
        "size": 4,
        "data": "YGFiYw==",
        "tmst": 1_001_234,
    }
    assert txpk(item(timing=Immediately()))["imme"] is True
    assert txpk(item(timing=GpsTime(1_300_000_000_123_000)))["tmms"] == 1_300_000_000_123
    assert txpk(item(modulation=Fsk(50_000, 25_000)))["fdev"] == 25_000


def test_downlinks_go_where_the_latest_pull_data_came_from() -> None:
    core = PacketForwarders()
    with pytest.raises(NoPath):
        core.pull_resp(EUI, item())
    for port in (4000, 4001):
        pulled = core.receive(b"\x02ab\x02" + bytes.fromhex(EUI), ("127.0.0.1", port), 0)
        assert isinstance(pulled, Pulled)
        assert pulled.ack == b"\x02ab\x04"

    order = core.pull_resp(EUI, item())

    assert order.peer == ("127.0.0.1", 4001)
    ack = core.receive(b"\x02" + order.token + b"\x05" + bytes.fromhex(EUI), PEER, 0)
    assert ack == Transmitted(EUI, order.token, TxStatus.OK)


def test_two_downlinks_never_share_a_token() -> None:
    core = PacketForwarders()
    core.receive(b"\x02ab\x02" + bytes.fromhex(EUI), PEER, 0)
    assert len({core.pull_resp(EUI, item()).token for _ in range(1000)}) == 1000


def test_a_named_gateway_is_the_only_one_served() -> None:
    core = PacketForwarders(only=EUI)
    assert isinstance(core.receive(push_data([]), PEER, 0), Pushed)
    with pytest.raises(BadFrame, match="gateway-unknown"):
        core.receive(push_data([], eui="00" * 8), PEER, 0)


def test_forged_gateways_fill_no_memory_and_make_room_again() -> None:
    core = PacketForwarders()
    refused = 0
    for number in range(1000):
        try:
            core.receive(b"\x02ab\x02" + number.to_bytes(8, "big"), PEER, 0)
        except BadFrame:
            refused += 1
    assert refused == 1000 - 64
    assert isinstance(core.receive(b"\x02ab\x02" + bytes.fromhex(EUI), PEER, 301_000_000), Pulled)


@given(st.binary(max_size=300))
@example(b"\x02ab\0" + bytes(8) + b'{"rxpk":' + b"[" * 5000)
@example(b"\x02ab\0" + bytes(8) + b'{"rxpk":[{"tmst":1e999}]}')
@example(b"\x02ab\0" + bytes(8) + b'{"rxpk":[null,1,"\\ud800"],"stat":{"rxnb":-1e300}}')
@example(b"\x02ab\x05" + bytes(8) + b'{"txpk_ack":{"error":"\xff"}}')
def test_no_datagram_makes_the_core_stumble(data: bytes) -> None:
    with suppress(BadFrame):
        PacketForwarders().receive(data, PEER, 0)


# JSON has neither NaN nor infinities.
_floats = st.floats(allow_nan=False, allow_infinity=False)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _floats | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted({*rxpk(b"x"), "rsig", "meta", "tmms", "time"})), _json))
def test_no_value_in_an_element_makes_the_reader_stumble(changes: dict[str, Any]) -> None:
    body = json.dumps({"rxpk": [{**rxpk(FRAME), **changes}]}).encode()
    for one in read_push(EUI, body).uplinks:
        assert write_rxpk(one, 1)
        assert one.to_bytes()
