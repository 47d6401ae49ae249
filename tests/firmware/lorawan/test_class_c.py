"""Class C and multicast groups. Runs on both interpreters."""

from binascii import hexlify, unhexlify

from firmware.lorawan import frames
from firmware.lorawan.class_c import ClassCMac
from firmware.lorawan.crypto import Key
from firmware.lorawan.errors import StateCorrupt
from firmware.lorawan.ids import DevAddr
from firmware.lorawan.multicast import Group, group_keys
from firmware.lorawan.store import pack_identity, pack_record
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Battery, Device, Heard, names, raises

GROUP_ADDR = b"\x01\x02\x03\x04"
NET_SKEY, APP_SKEY = group_keys(bytes(range(16)), GROUP_ADDR)


class ClassCDevice(Device):
    def boot(self):
        self.mac = ClassCMac(self.region, self.store, self.random, Battery())
        self.mac.start(self.now_ms)
        return self

    def hear(self, frame):
        return self.mac.hear(Heard(frame, window=0), self.now_ms)


def joined(**settings):
    device = ClassCDevice()
    device.join(**settings)
    return device


def to_group(fcnt, data=b"all", port=7, ftype=frames.UNCONFIRMED_DOWN, fctrl=0, fopts=b"", keys=(NET_SKEY, APP_SKEY)):
    buffer = bytearray(256)
    nwk, app = Key(keys[0]), Key(keys[1])
    size = frames.build_data(buffer, ftype, GROUP_ADDR, fctrl, fcnt, fopts, len(fopts), port, data, nwk, app)
    return bytes(buffer[:size])


def test_rxc_follows_rx2_by_construction():
    device = ClassCDevice()
    assert device.mac.listening(0) is None
    device.join(dl_settings=0x03)
    window = device.mac.listening(device.now_ms)
    assert (window.freq_hz, window.sf, window.bw_hz) == (869_525_000, 9, 125_000)

    device.command("0505d2ad84")  # RXParamSetupReq: DR5, 869.525 MHz

    assert device.mac.listening(device.now_ms).sf == 7


def test_exchanges_say_where_to_listen_in_their_pauses_but_not_while_joining():
    device = ClassCDevice()
    assert device.mac.join(device.now_ms).rxc is None
    device = joined()
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"x", device.now_ms)
    assert exchange.rxc.sf == 12
    device.finish(exchange)
    device.now_ms += 3_600_000
    assert device.mac.join(device.now_ms).rxc is None


def test_a_frame_on_rxc_is_reported_and_its_counter_survives_a_reset():
    device = joined()
    frame = device.network.downlink(9, b"dim 50")

    (event,) = device.hear(frame)

    assert (event.port, event.data, event.group) == (9, b"dim 50", None)
    assert device.hear(frame) == []
    device.boot()
    assert device.hear(frame) == []


def test_mac_commands_on_rxc_are_ignored_and_adr_goes_on_counting():
    device = joined()
    for _ in range(3):
        device.uplink()

    assert device.hear(device.network.downlink(fopts=b"\x06")) == []
    assert device.hear(device.network.downlink(0, b"\x06")) == []
    assert names(device.hear(device.network.downlink(9, b"a", fopts=b"\x06"))) == ["Downlink"]

    assert device.uplink()[0]["fopts"] == ""
    assert device.mac.state(device.now_ms)["unanswered"] == 4


def test_a_confirmed_frame_on_rxc_is_acknowledged_within_eight_seconds_or_not_at_all():
    device = joined()
    device.hear(device.network.downlink(9, b"a", confirmed=True))
    device.now_ms += 5_000
    assert device.network.hear(device.mac.send_answers(device.now_ms))["ack"] is True

    device = joined()
    device.hear(device.network.downlink(9, b"a", confirmed=True))
    assert device.uplink(pause_ms=9_000)[0]["ack"] is False


def test_a_confirmed_frame_in_a_window_is_acknowledged_however_late():
    device = joined()
    device.hear(device.network.downlink(9, b"a", confirmed=True))
    device.uplink(pause_ms=1_000, answer=lambda: device.network.downlink(9, b"b", confirmed=True))

    assert device.uplink(pause_ms=600_000)[0]["ack"] is True


def test_repetitions_go_on_after_a_frame_on_rxc():
    device = joined()
    device.command("0350070002")
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"x", device.now_ms)
    device.hear(device.network.downlink(9, b"a"))

    assert names(device.finish(exchange)) == ["Repeat"]


def test_a_group_frame_is_taken_on_rxc_and_in_a_window():
    device = joined()
    device.mac.groups.put(0, Group(GROUP_ADDR, NET_SKEY, APP_SKEY))

    (event,) = device.hear(to_group(0))
    assert (event.port, event.data, event.group, event.fcnt) == (7, b"all", 0, 0)

    found, events = device.uplink(answer=to_group(1), confirmed=True)
    assert names(events) == ["NotAcknowledged", "Downlink"]
    assert not found["exchange"].wants(to_group(2))


def test_group_frames_against_the_rules_are_dropped():
    device = joined()
    device.mac.groups.put(1, Group(GROUP_ADDR, NET_SKEY, APP_SKEY, first=10, end=20))
    for bad in (
        to_group(10, ftype=frames.CONFIRMED_DOWN),
        to_group(10, port=0),
        to_group(10, port=None, data=b""),
        to_group(10, fopts=b"\x06"),
        to_group(10, fctrl=frames.ACK),
        to_group(9),
        to_group(20),
        to_group(10, keys=(APP_SKEY, NET_SKEY)),
    ):
        assert device.hear(bad) == []
    assert names(device.hear(to_group(10))) == ["Downlink"]
    assert device.hear(to_group(10)) == []
    assert names(device.hear(to_group(19))) == ["Downlink"]


def test_no_group_frame_is_taken_twice_across_a_reset():
    device = joined()
    device.mac.groups.put(0, Group(GROUP_ADDR, NET_SKEY, APP_SKEY))
    taken = []
    for fcnt in range(60):
        for again in (fcnt, max(0, fcnt - 3)):
            taken += [event.fcnt for event in device.hear(to_group(again))]
        if fcnt % 25 == 24:
            device.boot()

    assert taken == sorted(set(taken))
    assert len(taken) >= 60 - 2 * 16


def test_groups_survive_a_reset_and_are_deleted_for_good():
    device = joined()
    device.mac.groups.put(2, Group(GROUP_ADDR, NET_SKEY, APP_SKEY))
    device.boot()
    assert names(device.hear(to_group(0))) == ["Downlink"]

    device.mac.groups.put(2, None)

    assert device.hear(to_group(40)) == []
    assert device.boot().hear(to_group(41)) == []
    raises(ValueError, device.mac.groups.put, 4, None)
    device.store.records["groups"] = pack_record(b"short")
    raises(StateCorrupt, device.boot)


def test_a_multicast_session_moves_rxc_for_its_time_and_not_rx2():
    device = joined()
    device.mac.move_rxc(868_100_000, 5, device.now_ms + 10_000, device.now_ms + 100_000)

    assert device.mac.listening(device.now_ms).freq_hz == 869_525_000
    window = device.mac.listening(device.now_ms + 10_000)
    assert (window.freq_hz, window.sf) == (868_100_000, 7)
    device.now_ms += 60_000
    assert device.mac.send(1, b"x", device.now_ms).rx2.freq_hz == 869_525_000
    assert device.mac.listening(device.now_ms + 100_000).freq_hz == 869_525_000


def test_a_gen_app_key_travels_in_the_identity_and_the_join_key_stays_its_own():
    device = ClassCDevice()
    assert device.mac.gen_app_key == b""
    device.store.records["identity"] = pack_identity(DEV_EUI, JOIN_EUI, APP_KEY, bytes(range(16)))

    device.boot().join()

    assert device.mac.gen_app_key == bytes(range(16))
    raises(ValueError, pack_identity, DEV_EUI, JOIN_EUI, APP_KEY, b"short")


def test_group_keys_are_those_of_the_published_vectors():
    addr = DevAddr.from_hex("01020304").to_wire()

    net_skey, app_skey = group_keys(unhexlify("0102030405060708090a0b0c0d0e0f10"), addr)

    assert hexlify(app_skey) == b"95cb4518ee375606735bbacbdce837fa"  # vector mcapps
    assert net_skey != app_skey
