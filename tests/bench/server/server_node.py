"""A LoRaWAN device for tests of the server: builds what a node sends and opens what it hears.

It stands on the server's own frames, so these tests prove the server's rules; that the frames are right is proven
by the known answers (test_vectors.py) and by the node's own stack in the scenarios.
"""

import time

from chirpstack_api import api, gw
from google.protobuf.timestamp_pb2 import Timestamp

from bench.server.core import NetworkServer
from bench.server.crypto import join_mic, session_keys
from bench.server.frames import DataFrame, FType, JoinAccept
from bench.server.outputs import AppEvent, LogEvent, SendDownlink
from bench.server.records import Gateway

DEV_EUI = "70b3d57ed0000001"
JOIN_EUI = "70b3d57ed00000ff"
APP_KEY = bytes(range(16))
GATEWAY = "0016c001ff10a235"
NOW_US = 1_795_312_800_000_000
SECOND_US = 1_000_000
PATIENCE_S = 10


class Air:
    """One server with a clock that tests move."""

    def __init__(self, server=None, **settings):
        self.server = server or NetworkServer(**settings)
        self.now_us = NOW_US
        self.outputs = []

    def hear(self, phy, *, sf=7, gateway=GATEWAY, snr=8.0, context=b"\x00\x00\x04\xd2", freq=868_100_000, **times):
        """A gateway hands in a frame; times: gw_time_us, gps_us."""
        frame = uplink_frame(phy, sf=sf, gateway=gateway, snr=snr, context=context, freq=freq, **times)
        self._keep(self.server.handle_uplink(frame, self.now_us))

    def ack(self, downlink, *statuses):
        """The gateway's word on a downlink, one status an item."""
        ack = gw.DownlinkTxAck(gateway_id=downlink.gateway_id, downlink_id=downlink.downlink_id)
        for status in statuses:
            ack.items.add().status = status
        self._keep(self.server.handle_tx_ack(ack, self.now_us))

    def wait(self, seconds):
        """Let time pass."""
        end = self.now_us + round(seconds * SECOND_US)
        while (due := self.server.next_us()) is not None and due <= end:
            self.now_us = due
            self._keep(self.server.poll(due))
        self.now_us = end

    def take(self, kind):
        """Outputs of a kind so far, and forget them: "down" gives frames, "line" log lines, else events."""
        if kind == "down":
            found = [o for o in self.outputs if isinstance(o, SendDownlink)]
        elif kind == "line":
            found = [o for o in self.outputs if isinstance(o, LogEvent)]
        else:
            found = [o for o in self.outputs if isinstance(o, AppEvent) and o.kind == kind]
        self.outputs = [o for o in self.outputs if o not in found]
        return [o.frame if kind == "down" else o.text if kind == "line" else o.message for o in found]

    def _keep(self, outputs):
        self.outputs += outputs


class Node:
    """A device: counters, keys, and the frames it sends."""

    def __init__(self, dev_eui=DEV_EUI, app_key=APP_KEY, join_eui=JOIN_EUI):
        self.dev_eui, self.app_key, self.join_eui = dev_eui, app_key, join_eui
        self.dev_nonce = 0
        self.f_cnt = 0
        self.accept = self.keys = None

    def join_request(self, dev_nonce=None):
        if dev_nonce is None:
            dev_nonce, self.dev_nonce = self.dev_nonce, self.dev_nonce + 1
        self.asked = dev_nonce
        body = (
            b"\x00"
            + bytes.fromhex(self.join_eui)[::-1]
            + bytes.fromhex(self.dev_eui)[::-1]
            + dev_nonce.to_bytes(2, "little")
        )
        return body + join_mic(self.app_key, body)

    def take_accept(self, phy):
        self.accept = JoinAccept.open(phy, self.app_key)
        self.keys = session_keys(
            self.app_key, join_nonce=self.accept.join_nonce, net_id=self.accept.net_id, dev_nonce=self.asked
        )
        self.f_cnt = 0

    def send(self, data=b"\x01", port=10, *, f_cnt=None, confirmed=False, **flags):
        """The next uplink, or one of a given full counter."""
        if f_cnt is None:
            f_cnt, self.f_cnt = self.f_cnt, self.f_cnt + 1
        ftype = FType.CONFIRMED_UP if confirmed else FType.UNCONFIRMED_UP
        frame = DataFrame(ftype, self.accept.dev_addr, 0, f_port=port, payload=data, **flags)
        return frame.build(self.keys, f_cnt)

    def open(self, phy, f_cnt):
        """A downlink decrypted; its MIC must be right."""
        frame = DataFrame.parse(phy)
        assert frame.mic_valid(self.keys.nwk_s_key, f_cnt)
        return frame, frame.plaintext(self.keys, f_cnt)


def joined(**settings):
    """A server with one device that has joined: (air, node), outputs empty."""
    profile = settings.pop("profile", None)
    codec = settings.pop("codec", "")
    air, node = Air(**settings), Node()
    air.server.add_device(DEV_EUI, APP_KEY, profile=profile, codec_script=codec)
    join(air, node)
    return air, node


def join(air, node):
    air.hear(node.join_request())
    air.wait(0.3)
    (down,) = air.take("down")
    node.take_accept(down.items[0].phy_payload)
    air.outputs.clear()


def uplink_frame(phy, *, sf=7, gateway=GATEWAY, snr=8.0, context=b"", freq=868_100_000, gw_time_us=None, gps_us=None):
    frame = gw.UplinkFrame(
        phy_payload=phy,
        tx_info=gw.UplinkTxInfo(
            frequency=freq,
            modulation=gw.Modulation(
                lora=gw.LoraModulationInfo(bandwidth=125_000, spreading_factor=sf, code_rate=gw.CR_4_5)
            ),
        ),
        rx_info=gw.UplinkRxInfo(
            gateway_id=gateway, uplink_id=7, rssi=-80, snr=snr, context=context, crc_status=gw.CRC_OK
        ),
    )
    if gw_time_us is not None:
        stamp = Timestamp()
        stamp.FromMicroseconds(gw_time_us)
        frame.rx_info.gw_time.CopyFrom(stamp)
    if gps_us is not None:
        frame.rx_info.time_since_gps_epoch.FromMicroseconds(gps_us)
    return frame


def register_gateway(core, gateway_id=GATEWAY, tenant_id=""):
    """A gateway record of a tenant (the first one there is)."""
    owner = tenant_id or next(iter(core.storage.tenants))
    gateway = Gateway(message=api.Gateway(gateway_id=gateway_id, name=gateway_id, tenant_id=owner))
    core.storage.add_gateway(gateway)
    return gateway


def eventually(true):
    """Wait for other threads; the deadline is only reached when something is broken."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.01)
