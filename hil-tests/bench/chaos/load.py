"""Many devices and the packet forwarder that hears them, over datagrams that get lost, doubled and late.

The forwarder keeps `lora_pkt_fwd`'s rules: no PUSH_DATA is ever repeated; a PULL_RESP goes into the just-in-time queue
(`bench.air.jit`) or is answered with the queue's word; what leaves the queue is on the air and is recorded.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.air.jit import COUNTER, JitError, JitQueue
from bench.air.lora import airtime_us
from bench.chaos.records import Emission, Record, Sent
from bench.server.crypto import SessionKeys, crypt_payload, data_mic

_PUSH_DATA, _PUSH_ACK, _PULL_DATA, _PULL_RESP, _TX_ACK = 0, 1, 2, 3, 5
_KEEPALIVE_S = 2.0
_LONGEST_DELAY_S = 0.2
_UNCONFIRMED, _CONFIRMED = 0x40, 0x80
_CHANNELS_MHZ = (868.1, 868.3, 868.5)


class Device(NamedTuple):
    """A personalised device as the network knows it."""

    dev_eui: str
    dev_addr: int
    keys: SessionKeys


def device(number: int) -> Device:
    """Device 0, 1, ..; its keys are no secret, they exist on this bench only."""
    keys = random.Random(f"chaos/{number}")
    return Device(f"70b3d57ed{number:07x}", 0x26011000 + number, SessionKeys(keys.randbytes(16), keys.randbytes(16)))


def data_uplink(one: Device, f_cnt: int, payload: bytes, *, confirmed: bool) -> bytes:
    """PHYPayload of a data uplink on FPort 1."""
    address = f"{one.dev_addr:08x}"
    hidden = crypt_payload(one.keys.app_s_key, payload, dev_addr=address, f_cnt=f_cnt, downlink=False)
    head = bytes((_CONFIRMED if confirmed else _UNCONFIRMED,)) + one.dev_addr.to_bytes(4, "little")
    body = head + b"\0" + (f_cnt & 0xFFFF).to_bytes(2, "little") + b"\1" + hidden
    return body + data_mic(one.keys.nwk_s_key, body, dev_addr=address, f_cnt=f_cnt, downlink=False)


class Weather(NamedTuple):
    """Shares of datagrams, each way."""

    lost: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0


class Load:
    """The devices and their gateway. `send_next` lets the next device speak."""

    def __init__(self, record: Record, eui: str, devices: list[Device], weather: Weather, seed: int) -> None:
        self._record = record
        self._eui = bytes.fromhex(eui)
        self._devices = devices
        self._weather = weather
        self._chance = random.Random(f"load/{seed}")
        self._turn: list[Device] = []
        self._f_cnt = dict.fromkeys((one.dev_addr for one in devices), 0)
        self._offset_us = self._chance.randrange(COUNTER)
        self._jit = JitQueue()
        self._token = 0
        self._waiting: dict[bytes, Sent] = {}
        self._up: asyncio.DatagramTransport
        self._down: asyncio.DatagramTransport
        self._pulling: asyncio.Task[None] | None = None
        self.refused = 0
        self.lost = 0
        self.doubled = 0

    async def start(self, address: tuple[str, int]) -> None:
        """Open the two sockets, and keep the way back open from now on."""
        loop = asyncio.get_running_loop()
        self._up, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._heard_up), remote_addr=address)
        self._down, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._heard_down), remote_addr=address)
        self._pulling = asyncio.create_task(self._pull())

    def stop(self) -> None:
        """Close the sockets."""
        if self._pulling is not None:
            self._pulling.cancel()
        self._up.close()
        self._down.close()

    async def _pull(self) -> None:
        while True:
            self._send(self._down, b"\x02" + self._chance.randbytes(2) + bytes((_PULL_DATA,)) + self._eui)
            await asyncio.sleep(_KEEPALIVE_S)

    # Up

    def send_next(self, confirmed: float) -> None:
        """The next device sends a frame; a share `confirmed` of them wants an answer. Devices take turns."""
        if not self._turn:
            self._turn = list(self._devices)
        one = self._turn.pop()
        f_cnt = self._f_cnt[one.dev_addr]
        self._f_cnt[one.dev_addr] = f_cnt + 1
        payload = self._chance.randbytes(self._chance.randrange(4, 40))
        phy_payload = data_uplink(one, f_cnt, payload, confirmed=self._chance.random() < confirmed)
        sent_us = time.time_ns() // 1000
        sent = Sent(one.dev_addr, f_cnt, phy_payload, self._count_us(sent_us), sent_us / 1e6)
        self._record.sent.append(sent)
        self._token = (self._token + 1) & 0xFFFF
        token = self._token.to_bytes(2, "big")
        self._waiting[token] = sent
        body = json.dumps({"rxpk": [self._rxpk(sent)]}).encode()
        self._send(self._up, b"\x02" + token + bytes((_PUSH_DATA,)) + self._eui + body)

    def _rxpk(self, sent: Sent) -> dict[str, Any]:
        return {
            "tmst": sent.count_us,
            "chan": 0,
            "rfch": 1,
            "freq": self._chance.choice(_CHANNELS_MHZ),
            "stat": 1,
            "modu": "LORA",
            "datr": "SF7BW125",
            "codr": "4/5",
            "rssi": self._chance.randrange(-120, -40),
            "lsnr": 7.5,
            "size": len(sent.phy_payload),
            "data": base64.b64encode(sent.phy_payload).decode(),
        }

    def _heard_up(self, data: bytes) -> None:
        if len(data) == 4 and data[3] == _PUSH_ACK and not self._unlucky(self._weather.lost):
            sent = self._waiting.pop(data[1:3], None)
            if sent is not None:
                sent.acked_s = time.time()

    # Down

    def _heard_down(self, data: bytes) -> None:
        if len(data) > 4 and data[3] == _PULL_RESP and not self._unlucky(self._weather.lost):
            for _ in range(2 if self._unlucky(self._weather.doubled) else 1):
                self._ordered(data[1:3], json.loads(data[4:])["txpk"])

    def _ordered(self, token: bytes, txpk: dict[str, Any]) -> None:
        phy_payload = base64.b64decode(txpk["data"] + "==")
        now_us = time.time_ns() // 1000
        spreading_factor = int(txpk["datr"].removeprefix("SF").partition("BW")[0])
        duration_us = airtime_us(len(phy_payload), spreading_factor)
        if txpk.get("imme"):
            slot = self._jit.accept_soon(self._count_us(now_us), duration_us)
        else:
            slot = self._jit.accept(self._count_us(now_us), txpk["tmst"], duration_us)
        word = slot.value if isinstance(slot, JitError) else "NONE"
        body = json.dumps({"txpk_ack": {"error": word}}).encode()
        self._send(self._down, b"\x02" + token + bytes((_TX_ACK,)) + self._eui + body)
        if isinstance(slot, JitError):
            self.refused += 1
            return
        ahead_us = (slot.count_us - self._count_us(now_us)) % COUNTER
        dev_addr = int.from_bytes(phy_payload[1:5], "little")
        # Recorded at once, so that a ghost minutes ahead is seen by a run that ends before.
        self._record.emissions.append(Emission(dev_addr, phy_payload, (now_us + ahead_us) / 1e6, slot.count_us))
        asyncio.get_running_loop().call_later(ahead_us / 1e6, self._jit.release, slot)

    def restart_radio(self, ahead_s: float) -> None:
        """The concentrator restarts. Its counter is set back by `ahead_s`, so that whoever answers an old frame by its
        counter value gets a transmission accepted. What was queued is forgotten.
        """
        self._jit.clear()
        now_s = time.time()
        self._record.emissions[:] = [one for one in self._record.emissions if one.at_s <= now_s]
        self._offset_us -= int(ahead_s * 1e6)

    def _count_us(self, now_us: int) -> int:
        return (now_us + self._offset_us) % COUNTER

    # Weather

    def _unlucky(self, share: float) -> bool:
        return self._chance.random() < share

    def _send(self, way: asyncio.DatagramTransport, data: bytes) -> None:
        copies = 2 if self._unlucky(self._weather.doubled) else 1
        self.doubled += copies - 1
        for _ in range(copies):
            if self._unlucky(self._weather.lost):
                self.lost += 1
            elif self._unlucky(self._weather.delayed):
                delay_s = self._chance.uniform(0, _LONGEST_DELAY_S)
                asyncio.get_running_loop().call_later(delay_s, way.sendto, data)
            else:
                way.sendto(data)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._heard(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody is at the port at present: the gateway was killed."""
