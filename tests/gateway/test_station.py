"""Basics Station: its messages as values, and the source on a real WebSocket with a real broker behind it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chirpstack_api import gw
from hypothesis import given
from hypothesis import strategies as st

from bench.broker import Broker
from gateway.errors import BadFrame
from gateway.frames import Delay, DownlinkItem, Fsk, GpsTime, Immediately, LoRa
from gateway.gps_time import gps_from_utc_us
from gateway.station import messages
from gateway.station.eui import read_eui, write_dashed, write_id6
from gateway.station.regions import REGIONS, reaches, router_config
from tests.gateway.kit import (
    EUI,
    GatewayThread,
    Listener,
    ShiftClock,
    data_frame,
    downlink_frame,
    join_request,
    wait_for,
    write_settings,
)

EU868 = REGIONS["EU868"]
XTIME = (1 << 48) * 0x5A + 123_456_789_012


def radio(**changes: Any) -> dict[str, Any]:
    upinfo = {"rctx": 3, "xtime": XTIME, "gpstime": 0, "fts": -1, "rssi": -57, "snr": 9.25, "rxtime": 1.5}
    return {"RefTime": 0.0, "DR": 5, "Freq": 868_100_000, "upinfo": {**upinfo, **changes}}


def taken_apart(frame: bytes, **changes: Any) -> dict[str, Any]:
    """A data frame as a station sends it."""
    fopts = frame[5] & 15
    body = frame[8 + fopts : -4]
    return {
        "msgtype": "updf",
        "MHdr": frame[0],
        "DevAddr": int.from_bytes(frame[1:5], "little", signed=True),
        "FCtrl": frame[5],
        "FCnt": int.from_bytes(frame[6:8], "little"),
        "FOpts": frame[8 : 8 + fopts].hex(),
        "FPort": body[0] if body else -1,
        "FRMPayload": body[1:].hex(),
        "MIC": int.from_bytes(frame[-4:], "little", signed=True),
        **radio(),
        **changes,
    }


def item(**changes: Any) -> DownlinkItem:
    values: dict[str, Any] = {
        "phy_payload": b"\x60abc",
        "frequency_hz": 868_100_000,
        "power_dbm": 14,
        "modulation": LoRa(7, 125_000, "4/5"),
        "timing": Delay(1_000_000),
        "context": (3).to_bytes(8, "big") + XTIME.to_bytes(8, "big"),
    }
    return DownlinkItem(**{**values, **changes})


def test_identifiers_are_read_in_all_their_forms() -> None:
    assert read_eui("::1") == 1
    assert read_eui("a:b:c:d") == 0x000A000B000C000D
    assert read_eui("a::d") == 0x000A00000000000D
    assert read_eui("1::") == 0x0001000000000000
    assert read_eui("00-16-c0-01-ff-10-a2-35") == read_eui("0016C001FF10A235") == int(EUI, 16)
    assert read_eui(int(EUI, 16)) == int(EUI, 16)
    for bad in ("", "1:2:3", "1:2:3:4:5", "::12345", "xyz", None, -1, 1 << 64, True, 1.0):
        with pytest.raises(BadFrame):
            read_eui(bad)


@given(st.integers(0, (1 << 64) - 1))
def test_identifiers_survive_writing_and_reading(value: int) -> None:
    assert read_eui(write_id6(value)) == read_eui(write_dashed(value)) == value


@pytest.mark.parametrize(
    "frame", [data_frame(0x26011BDA, 7), data_frame(0xFF011BDA, 65535), data_frame(1, 1, tail=b"")]
)
def test_data_frames_are_put_together_as_they_were_on_air(frame: bytes) -> None:
    assert messages.phy_payload(taken_apart(frame)) == frame


def test_frame_options_stand_between_counter_and_port() -> None:
    frame = bytearray(data_frame(1, 1, tail=b"\x02\x03\x01abcd"))
    frame[5] = 2
    assert messages.phy_payload(taken_apart(bytes(frame))) == bytes(frame)


def test_a_gps_time_that_is_no_number_is_none() -> None:
    message = taken_apart(data_frame(1, 1), upinfo={**radio()["upinfo"], "gpstime": True})
    heard = messages.uplink(EUI, EU868, message)
    assert heard.gps_us is None
    assert type(heard).from_bytes(heard.to_bytes()) == heard


def test_join_requests_are_put_together_with_their_identifiers_turned() -> None:
    message = {
        "msgtype": "jreq",
        "MHdr": 0,
        "JoinEui": "01-02-03-04-05-06-07-08",
        "DevEui": "00-00-00-00-00-00-00-00",
        "DevNonce": 513,
        "MIC": int.from_bytes(b"MIC.", "little", signed=True),
    }
    assert messages.phy_payload(message) == join_request(513)


def test_proprietary_frames_are_whole() -> None:
    assert messages.phy_payload({"msgtype": "propdf", "FRMPayload": "e0616263"}) == b"\xe0abc"


def test_context_keeps_all_bits_of_rctx_and_xtime() -> None:
    one = messages.uplink(EUI, EU868, taken_apart(data_frame(1, 1)))
    assert one.context == (3).to_bytes(8, "big") + XTIME.to_bytes(8, "big")
    assert (one.rssi_dbm, one.snr_db, one.modulation, one.gps_us) == (-57, 9.25, LoRa(7, 125_000, "4/5"), None)


def test_gps_time_of_a_station_is_taken_over() -> None:
    gps_us = gps_from_utc_us(1_780_000_000_000_000)
    one = messages.uplink(EUI, EU868, {**taken_apart(data_frame(1, 1)), **radio(gpstime=gps_us)})
    assert (one.gps_us, one.utc_us) == (gps_us, 1_780_000_000_000_000)


def test_orders_name_window_and_moment_of_their_class() -> None:
    a = messages.order(EU868, item(), 9, 1.5)
    assert {k: a[k] for k in ("dC", "RxDelay", "RX1DR", "RX1Freq", "rctx", "xtime", "diid", "pdu")} == {
        "dC": 0,
        "RxDelay": 1,
        "RX1DR": 5,
        "RX1Freq": 868_100_000,
        "rctx": 3,
        "xtime": XTIME,
        "diid": 9,
        "pdu": "60616263",
    }
    c = messages.order(EU868, item(timing=Immediately(), context=b"", modulation=LoRa(12, 125_000)), 9, 1.5)
    assert (c["dC"], c["RX2DR"], "xtime" in c) == (2, 0, False)
    b = messages.order(EU868, item(timing=GpsTime(77), modulation=LoRa(9, 125_000)), 9, 1.5)
    assert (b["dC"], b["DR"], b["gpstime"]) == (1, 3, 77)
    assert messages.order(EU868, item(modulation=Fsk(50_000)), 9, 1.5)["RX1DR"] == 7
    american = item(modulation=LoRa(8, 500_000), frequency_hz=923_300_000)
    assert messages.order(REGIONS["US915"], american, 9, 1.5)["RX1DR"] == 12


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"timing": Delay(1_500_000)}, "station-delay"),
        ({"timing": Delay(17_000_000)}, "station-delay"),
        ({"context": b"\0\0\0\1"}, "station-delay"),
        ({"modulation": LoRa(6, 125_000)}, "station-rate"),
        ({"frequency_hz": 923_300_000}, "station-freq"),
    ],
)
def test_what_a_station_cannot_do_is_refused(changes: dict[str, Any], kind: str) -> None:
    with pytest.raises(BadFrame, match=kind):
        messages.order(EU868, item(**changes), 1, 0.0)


def test_the_latest_window_of_all_is_the_second_of_the_longest_delay() -> None:
    # s2e.c takes an RxDelay of 0 to 15 and adds a second for RX2 if there is no RX1.
    assert messages.order(EU868, item(timing=Delay(15_000_000)), 1, 0.0)["RxDelay"] == 15
    order = messages.order(EU868, item(timing=Delay(16_000_000)), 1, 0.0)
    assert (order["RxDelay"], order["RX2DR"], order["RX2Freq"]) == (15, 5, 868_100_000)
    assert "RX1Freq" not in order


@pytest.mark.parametrize("name", sorted(REGIONS))
def test_a_station_is_told_to_filter_nothing(name: str) -> None:
    # Empty lists would: s2e.c clears its table of NetIDs for [] and fills it for null.
    config = router_config(REGIONS[name], 1.0)
    assert (config["NetID"], config["JoinEui"]) == (None, None)
    assert config["max_eirp"] >= 14


def test_a_station_may_write_identifiers_with_capitals() -> None:
    message = {"msgtype": "jreq", "MHdr": 0, "JoinEUI": "::1", "DevEUI": "::2", "DevNonce": 3, "MIC": -4}
    frame = messages.phy_payload(message)
    assert (frame[1:9], frame[9:17]) == ((1).to_bytes(8, "little"), (2).to_bytes(8, "little"))


@pytest.mark.parametrize("name", sorted(REGIONS))
def test_every_channel_of_a_region_is_within_reach_of_its_radio_and_range(name: str) -> None:
    region = REGIONS[name]
    config = router_config(region, 1.0)
    assert reaches(region)
    assert all(region.range_hz[0] <= hz <= region.range_hz[1] for hz in region.channels_hz)
    assert len(config["DRs"]) == 16
    concentrator = config["sx1301_conf"][0]
    heard = {
        concentrator[f"radio_{channel['radio']}"]["freq"] + channel["if"]
        for key, channel in concentrator.items()
        if key.startswith("chan_multiSF") and channel["enable"]
    }
    assert heard == set(region.channels_hz)


_values = st.none() | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=5) | st.just({})


@given(st.dictionaries(st.sampled_from(sorted(taken_apart(data_frame(1, 1)))), _values))
def test_no_message_makes_the_reader_stumble(changes: dict[str, Any]) -> None:
    for kind in messages.UPLINKS:
        with suppress(BadFrame):
            messages.uplink(EUI, EU868, {**taken_apart(data_frame(1, 1)), **changes, "msgtype": kind})


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_text_makes_the_reader_stumble(data: bytes | str) -> None:
    for reader in (messages.read, messages.read_router):
        with suppress(BadFrame):
            reader(data)


# The source


def station_settings(directory: Path, broker: Broker, extra: str = "") -> Path:
    settings = write_settings(directory, broker.url)
    text = settings.read_text().replace('type = "semtech_udp"', f'type = "basics_station"\n{extra}', 1)
    settings.write_text(text)
    return settings


def talk(
    gateway: GatewayThread,
    work: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[None]],
    **options: Any,
) -> None:
    """Do as a station does: ask where to go, connect there, say the version, be configured, then `work`."""

    async def scenario() -> None:
        host, port = gateway.address
        tls = options.get("ssl")
        scheme = "ws" if tls is None else "wss"
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{scheme}://{host}:{port}/router-info", **options) as discovery:
                await discovery.send_str(json.dumps({"router": write_dashed(int(EUI, 16))}))
                answer = await discovery.receive_json()
            assert answer["router"] == write_id6(int(EUI, 16))
            async with session.ws_connect(answer["uri"], **options) as station:
                await station.send_str(json.dumps({"msgtype": "version", "station": "2.0.6", "protocol": 2}))
                config = await station.receive_json()
                assert (config["msgtype"], config["region"]) == ("router_config", "EU863")
                await work(station)

    asyncio.run(scenario())


def class_a(context: bytes, items: int = 1, downlink_id: int = 1) -> Any:
    frame = gw.DownlinkFrame(downlink_id=downlink_id, gateway_id=EUI)
    for number in range(items):
        one = frame.items.add(phy_payload=downlink_frame(1))
        one.tx_info.frequency = 868_100_000 if number == 0 else 869_525_000
        lora = one.tx_info.modulation.lora
        lora.bandwidth, lora.spreading_factor, lora.code_rate = 125_000, 7 if number == 0 else 12, gw.CR_4_5
        one.tx_info.timing.delay.delay.seconds = 1 + number
        one.tx_info.context = context
    return frame


@pytest.mark.live
def test_frames_and_answers_of_a_station_go_all_the_way(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    async def work(station: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.to_thread(gateway.up)
        await station.send_str("nonsense")
        await station.send_str(json.dumps(taken_apart(data_frame(1, 7))))
        frame = (await asyncio.to_thread(listener.wait_uplinks, 1))[0]
        assert frame.phy_payload == data_frame(1, 7)
        assert frame.rx_info.context[13:] == (3).to_bytes(8, "big") + XTIME.to_bytes(8, "big")

        listener.send_downlink(class_a(frame.rx_info.context))
        order = await station.receive_json()
        assert (order["msgtype"], order["xtime"], order["rctx"], order["RxDelay"]) == ("dnmsg", XTIME, 3, 1)
        assert order["pdu"] == downlink_frame(1).hex()
        await station.send_str(json.dumps({"msgtype": "dntxed", "diid": order["diid"], "xtime": XTIME}))
        await asyncio.to_thread(listener.wait, lambda one: bool(one.acks()), "acknowledgement")
        assert [one.status for one in listener.acks()[0].items] == [gw.OK]

        await station.send_str(json.dumps({"msgtype": "timesync", "txtime": 55}))
        answer = await station.receive_json()
        assert answer["txtime"] == 55
        assert abs(answer["gpstime"] - gps_from_utc_us(gateway.clock.wall_us())) < 5_000_000

    with GatewayThread(station_settings(tmp_path, broker), ShiftClock()) as gateway:
        talk(gateway, work)


@pytest.mark.live
def test_silence_after_the_first_window_leads_to_the_second_and_never_to_ok(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    async def work(station: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.to_thread(gateway.up)
        await station.send_str(json.dumps(taken_apart(data_frame(1, 7))))
        frame = (await asyncio.to_thread(listener.wait_uplinks, 1))[0]
        listener.send_downlink(class_a(frame.rx_info.context, items=2))
        first, second = await station.receive_json(), await station.receive_json()
        assert [(one["RxDelay"], one["RX1Freq"], one["RX1DR"]) for one in (first, second)] == [
            (1, 868_100_000, 5),
            (2, 869_525_000, 0),
        ]
        await asyncio.to_thread(listener.wait, lambda one: bool(one.acks()), "acknowledgement")
        assert [one.status for one in listener.acks()[0].items] == [gw.INTERNAL_ERROR, gw.INTERNAL_ERROR]

    with GatewayThread(station_settings(tmp_path, broker), ShiftClock()) as gateway:
        talk(gateway, work)


@pytest.mark.live
def test_rule_02_a_join_request_of_a_station_is_relayed_live(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    async def work(station: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.to_thread(gateway.up)
        message = {
            "msgtype": "jreq",
            "MHdr": 0,
            "JoinEui": write_dashed(0x0102030405060708),
            "DevEui": "::0",
            "DevNonce": 5,
            "MIC": int.from_bytes(b"MIC.", "little"),
            **radio(),
        }
        await station.send_str(json.dumps(message))
        assert (await asyncio.to_thread(listener.wait_uplinks, 1))[0].phy_payload == join_request(5)

    with GatewayThread(station_settings(tmp_path, broker), ShiftClock()) as gateway:
        talk(gateway, work)


@pytest.mark.live
def test_rule_01_frames_of_a_station_survive_an_outage(broker: Broker, tmp_path: Path) -> None:
    async def work(station: aiohttp.ClientWebSocketResponse) -> None:
        for counter in range(3):
            await station.send_str(json.dumps(taken_apart(data_frame(1, counter))))
        await asyncio.to_thread(wait_for, lambda: gateway.daemon.buffered == 3, "three frames in the spool")

    broker.stop()
    with GatewayThread(station_settings(tmp_path, broker), ShiftClock()) as gateway:
        talk(gateway, work)
        broker.start()
        with Listener(broker) as listener:
            assert [frame.phy_payload for frame in listener.wait_uplinks(3)] == [data_frame(1, n) for n in range(3)]


@pytest.mark.live
def test_a_station_without_the_token_is_not_let_in(broker: Broker, tmp_path: Path) -> None:
    async def work(_station: aiohttp.ClientWebSocketResponse) -> None:
        pass

    (tmp_path / "token").write_text("Bearer sparrow\n")
    with GatewayThread(station_settings(tmp_path, broker, 'token_file = "token"'), ShiftClock()) as gateway:
        talk(gateway, work, headers={"Authorization": "Bearer sparrow"})
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            talk(gateway, work, headers={"Authorization": "Bearer crow"})


@pytest.mark.live
def test_floods_and_oversized_messages_end_the_connection_and_nothing_else(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    async def oversized(station: aiohttp.ClientWebSocketResponse) -> None:
        await station.send_str("x" * 100_000)
        assert (await station.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    async def flood(station: aiohttp.ClientWebSocketResponse) -> None:
        await asyncio.to_thread(gateway.up)
        for _ in range(2000):
            await station.send_str('{"msgtype":"updf"}')
        await station.send_str(json.dumps(taken_apart(data_frame(1, 1))))
        await asyncio.to_thread(listener.wait_uplinks, 1)

    with GatewayThread(station_settings(tmp_path, broker), ShiftClock()) as gateway:
        talk(gateway, oversized)
        talk(gateway, flood)
        assert gateway.daemon.tally.counts["station message refused", "station-MHdr"] == 2000


@pytest.mark.live
def test_with_an_authority_only_stations_with_its_certificate_are_let_in(
    broker: Broker, tmp_path: Path, papers: dict[str, Path]
) -> None:
    async def work(_station: aiohttp.ClientWebSocketResponse) -> None:
        pass

    extra = 'ca = "ca.pem"\ncert = "server.pem"\nkey = "server.key"'
    with GatewayThread(station_settings(tmp_path, broker, extra), ShiftClock()) as gateway:
        known = ssl.create_default_context(cafile=papers["ca"])
        with pytest.raises(aiohttp.ClientError):
            talk(gateway, work, ssl=known)
        known.load_cert_chain(papers["client"], papers["client-key"])
        talk(gateway, work, ssl=known)
