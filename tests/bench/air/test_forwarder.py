import base64
import json
import socket
import threading
import time

import pytest

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.forwarder import PULL_ACK, PULL_DATA, PULL_RESP, PUSH_ACK, PUSH_DATA, TX_ACK, PacketForwarder
from bench.air.transmission import on_air
from bench.air.udp import UdpForwarder
from bench.schedule import Schedule

EUI = "0102030405060708"
S = 1_000_000
UNIX_US = 1_800_000_000_000_000


class Bench:
    def __init__(self, gps=False, acknowledge=True):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.concentrator = Concentrator(self.schedule, self.air)
        self.up, self.down = [], []
        self.acknowledge = acknowledge
        self.forwarder = PacketForwarder(
            self.schedule,
            self.concentrator,
            EUI,
            send_up=self._up,
            send_down=lambda datagram: self.down.append((self.schedule.now_us, datagram)),
            unix_us=UNIX_US,
            gps=gps,
        )

    def _up(self, datagram):
        self.up.append((self.schedule.now_us, datagram))
        if self.acknowledge:
            self.schedule.after(20_000, lambda: self.forwarder.up_received(answer(datagram, PUSH_ACK)))

    def uplink(self, start_us, freq_hz=868_100_000, sf=7, sender="node", payload=b"\xff\xfe" * 7):
        self.air.transmit(on_air(start_us, payload, sender, freq_hz, sf))

    def run_until(self, seconds):
        self.schedule.run_until(round(seconds * S))

    def bodies(self):
        return [json.loads(datagram[12:]) for _, datagram in self.up]

    def pull_resp(self, token=b"\xab\xcd", **changes):
        txpk = {
            "imme": False,
            "tmst": (self.concentrator.count_us + S) % (1 << 32),
            "freq": 868.1,
            "rfch": 0,
            "powe": 14,
            "modu": "LORA",
            "datr": "SF7BW125",
            "codr": "4/5",
            "ipol": True,
            "size": 17,
            "data": base64.b64encode(b"d" * 17).decode(),
        } | changes
        txpk = {key: value for key, value in txpk.items() if value is not None}
        head = b"\x02" + token + bytes((PULL_RESP,))
        self.forwarder.down_received(head + json.dumps({"txpk": txpk}).encode())
        datagram = self.down[-1][1]
        assert datagram[:4] == b"\x02" + token + bytes((TX_ACK,))
        assert datagram[4:12].hex() == EUI
        return json.loads(datagram[12:])["txpk_ack"]


def answer(datagram, kind):
    return datagram[:3] + bytes((kind,))


@pytest.fixture
def bench():
    return Bench()


class TestUp:
    def test_a_frame_becomes_one_push_data_at_the_next_look(self, bench):
        bench.uplink(0)
        bench.run_until(1)

        when_us, datagram = bench.up[0]
        assert when_us == 50_000  # the frame ends at 46.3 ms; the forwarder looks every 10 ms
        assert datagram[0] == 2
        assert datagram[3] == PUSH_DATA
        assert datagram[4:12].hex() == EUI
        rxpk = json.loads(datagram[12:])["rxpk"][0]
        ended_ago_us = when_us - bench.air.records[0].frame.end_us
        assert (bench.concentrator.count_us - rxpk["tmst"]) % (1 << 32) == S - when_us + ended_ago_us
        assert {key: rxpk[key] for key in ("freq", "chan", "rfch", "modu", "datr", "codr", "stat", "size")} == {
            "freq": 868.1,
            "chan": 0,
            "rfch": 1,
            "modu": "LORA",
            "datr": "SF7BW125",
            "codr": "4/5",
            "stat": 1,
            "size": 14,
        }
        assert base64.b64decode(rxpk["data"]) == b"\xff\xfe" * 7
        assert rxpk["rssi"] == -91
        assert "time" not in rxpk

    def test_with_gps_it_carries_utc_and_gps_time_of_the_end_of_the_frame(self):
        bench = Bench(gps=True)
        bench.uplink(0)
        bench.run_until(1)
        rxpk = bench.bodies()[0]["rxpk"][0]
        end_us = bench.air.records[0].frame.end_us
        assert rxpk["time"] == f"2027-01-15T08:00:00.{end_us:06d}Z"
        assert rxpk["tmms"] == (UNIX_US // S - 315_964_800 + 18) * 1000 + end_us // 1000

    def test_acknowledged_frames_are_on_the_account(self, bench):
        bench.uplink(0)
        bench.run_until(1)
        uplink = bench.forwarder.uplinks[0]
        assert uplink.acknowledged_us == uplink.sent_us + 20_000

    def test_an_unacknowledged_frame_is_never_sent_again(self):
        bench = Bench(acknowledge=False)
        bench.uplink(0)
        bench.run_until(20)
        assert len(bench.up) == 1
        assert bench.forwarder.uplinks[0].acknowledged_us is None

    def test_while_it_waits_for_an_acknowledgement_frames_gather_for_the_next_datagram(self):
        bench = Bench(acknowledge=False)
        for number in range(3):
            bench.uplink(number * 20_000, freq_hz=868_100_000 + 200_000 * number, sender=f"n{number}")
        bench.run_until(1)
        sent = [(when_us, len(json.loads(datagram[12:])["rxpk"])) for when_us, datagram in bench.up]
        assert [count for _, count in sent] == [1, 2]
        assert sent[1][0] - sent[0][0] >= 100_000

    def test_a_late_or_foreign_acknowledgement_counts_for_nothing(self):
        bench = Bench(acknowledge=False)
        bench.uplink(0)
        bench.run_until(0.1)
        datagram = bench.up[0][1]
        bench.forwarder.up_received(b"\x02\x00\x00" + bytes((PUSH_ACK,)))
        bench.forwarder.up_received(b"\x01" + answer(datagram, PUSH_ACK)[1:])
        bench.forwarder.up_received(answer(datagram, PULL_ACK))
        bench.run_until(0.5)
        bench.forwarder.up_received(answer(datagram, PUSH_ACK))
        assert bench.forwarder.uplinks[0].acknowledged_us is None

    def test_statistics_every_30_s(self, bench):
        bench.forwarder.start()
        bench.uplink(0)
        bench.run_until(31)
        stat = bench.bodies()[-1]["stat"]
        assert stat == {
            "time": "2027-01-15 08:00:30 GMT",
            "rxnb": 1,
            "rxok": 1,
            "rxfw": 1,
            "ackr": 100.0,
            "dwnb": 0,
            "txnb": 0,
        }

    def test_a_stopped_forwarder_is_silent(self, bench):
        bench.forwarder.start()
        bench.forwarder.stop()
        bench.uplink(0)
        bench.run_until(60)
        assert bench.up == []
        assert len(bench.down) == 1


class TestDown:
    def test_keepalive_every_five_seconds_with_fresh_tokens(self, bench):
        bench.forwarder.start()
        bench.run_until(12)
        assert [when_us for when_us, _ in bench.down] == [0, 5 * S, 10 * S]
        assert all(datagram[3] == PULL_DATA and len(datagram) == 12 for _, datagram in bench.down)
        assert len({datagram[1:3] for _, datagram in bench.down}) == 3

        bench.forwarder.down_received(answer(bench.down[0][1], PULL_ACK))
        bench.forwarder.down_received(answer(bench.down[2][1], PULL_ACK))
        assert bench.forwarder.pull_acks == 1

    def test_a_good_request_is_acknowledged_at_once_and_sent_in_time(self, bench):
        assert bench.pull_resp() == {"error": "NONE"}
        assert bench.air.records == []
        bench.run_until(2)
        frame = bench.air.records[0].frame
        assert (frame.start_us, frame.iq_inverted, frame.crc_on, frame.payload) == (S, True, True, b"d" * 17)

    def test_ncrc_leaves_the_crc_out(self, bench):
        bench.pull_resp(ncrc=True)
        bench.run_until(2)
        assert bench.air.records[0].frame.crc_on is False

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"freq": 915.0}, "TX_FREQ"),
            ({"tmst": 0}, "TOO_EARLY"),
            ({"tmst": None, "tmms": 1_450_000_000_000}, "GPS_UNLOCKED"),
        ],
    )
    def test_refusals_by_word(self, bench, changes, error):
        bench.concentrator.set_count(1_000_000)
        assert bench.pull_resp(**changes) == {"error": error}
        assert bench.forwarder.outcomes == [error]

    def test_another_power_is_a_warning(self, bench):
        assert bench.pull_resp(powe=21) == {"warn": "TX_POWER", "value": 20}

    def test_immediately(self, bench):
        assert bench.pull_resp(imme=True, tmst=None) == {"error": "NONE"}
        bench.run_until(1)
        assert bench.air.records[0].frame.start_us == 80_000

    def test_gps_time_when_there_is_one(self):
        bench = Bench(gps=True)
        gps_ms = (UNIX_US // S - 315_964_800 + 18) * 1000 + 700
        assert bench.pull_resp(tmst=None, tmms=gps_ms) == {"error": "NONE"}
        bench.run_until(1)
        assert bench.air.records[0].frame.start_us == 700_000

    def test_data_without_padding_is_taken(self, bench):
        assert bench.pull_resp(data="ZGRkZA", size=4) == {"error": "NONE"}

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"txpk":{}}', b'{"txpk":{"imme":true,"modu":"FSK"}}'])
    def test_nonsense_is_not_answered(self, bench, body):
        bench.forwarder.down_received(b"\x02\x00\x01\x03" + body)
        assert bench.down == []

    def test_other_versions_are_ignored(self, bench):
        bench.forwarder.down_received(b"\x01\x00\x01\x03{}")
        assert bench.forwarder.downlinks == 0


def test_over_real_sockets_a_frame_goes_up_and_a_downlink_comes_back():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(5)
    schedule = Schedule()
    air = Air(schedule, fading_db=0)
    lock = threading.Lock()

    def enter(action):
        with lock:
            action()

    shell = UdpForwarder(
        schedule, Concentrator(schedule, air), EUI, server.getsockname(), enter, unix_us=UNIX_US, keepalive_us=S
    )
    with lock:
        air.transmit(on_air(0, b"x" * 13, "node", 868_100_000, 7))
    shell.start()
    try:
        pull, down_address = server.recvfrom(4096)
        assert pull[3] == PULL_DATA
        server.sendto(answer(pull, PULL_ACK), down_address)
        with lock:
            schedule.run_until(60_000)
        push, up_address = server.recvfrom(4096)
        assert push[3] == PUSH_DATA
        assert up_address[1] != down_address[1]
        server.sendto(answer(push, PUSH_ACK), up_address)
        tmst = json.loads(push[12:])["rxpk"][0]["tmst"]
        txpk = {"tmst": (tmst + S) % (1 << 32), "freq": 868.1, "rfch": 0, "powe": 14, "modu": "LORA"}
        txpk |= {"datr": "SF7BW125", "codr": "4/5", "ipol": True, "size": 3, "data": "AQID", "ncrc": True}
        server.sendto(b"\x02\x12\x34\x03" + json.dumps({"txpk": txpk}).encode(), down_address)
        ack, _ = server.recvfrom(4096)
        assert ack[:4] == b"\x02\x12\x34\x05"
        deadline = time.monotonic() + 5
        while shell.forwarder.uplinks[0].acknowledged_us is None and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        with lock:
            schedule.run_until(2 * S)
    finally:
        shell.stop()
        server.close()

    assert shell.forwarder.pull_acks == 1
    assert shell.forwarder.uplinks[0].acknowledged_us is not None
    assert air.records[1].frame.payload == b"\x01\x02\x03"
