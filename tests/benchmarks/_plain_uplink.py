"""A LoRaWAN uplink by somebody who has read the specification and thinks of nothing else: the benchmark's yardstick.

Correct and complete for what it does: the same bytes on the air as the stack, AES by `cryptolib`, state as JSON in a
file that is written before each frame. No channel choice, no duty cycle, no windows: it does less than the stack.
"""
# ruff: noqa: B905, PTH123, SIM108 (it runs on MicroPython)

import json

from cryptolib import aes

UNCONFIRMED = 0x40
CONFIRMED = 0x80
ADR = 0x80
ADR_ACK_REQ = 0x40


def xor(a, b):
    """Two byte strings of the same length."""
    return bytes(x ^ y for x, y in zip(a, b))


def double(block):
    """Multiplication by x in GF(2^128)."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = (number & ((1 << 128) - 1)) ^ 0x87
    return number.to_bytes(16, "big")


def cmac(key, message):
    """RFC 4493."""
    cipher = aes(key, 1)
    k1 = double(cipher.encrypt(bytes(16)))
    k2 = double(k1)
    blocks = [message[i : i + 16] for i in range(0, len(message), 16)] or [b""]
    last = blocks.pop()
    if len(last) == 16:
        last = xor(last, k1)
    else:
        last = xor(last + b"\x80" + bytes(15 - len(last)), k2)
    state = bytes(16)
    for block in blocks:
        state = cipher.encrypt(xor(state, block))
    return cipher.encrypt(xor(state, last))


def crypt(key, data, direction, dev_addr, fcnt):
    """FRMPayload, encrypted."""
    cipher = aes(key, 1)
    result = b""
    for i in range(0, len(data), 16):
        a = b"\x01\x00\x00\x00\x00" + bytes([direction]) + dev_addr + fcnt.to_bytes(4, "little")
        a += bytes([0, i // 16 + 1])
        stream = cipher.encrypt(a)
        result += xor(data[i : i + 16], stream)
    return result


class PlainNode:
    """A device in a session."""

    def __init__(self, path, dev_addr, nwk_skey, app_skey):
        self.path = path
        self.dev_addr = dev_addr
        self.nwk_skey = nwk_skey
        self.app_skey = app_skey
        try:
            with open(path) as file:
                self.state = json.load(file)
        except OSError:
            self.state = {"fcnt_up": 0, "fcnt_down": 0, "data_rate": 0, "power": 0, "unanswered": 0, "channels": 7}

    def uplink(self, port, data, confirmed=False):
        """The PHYPayload; its counter is stored as used."""
        fcnt = self.state["fcnt_up"]
        fctrl = ADR | ADR_ACK_REQ if self.state["unanswered"] >= 64 else ADR
        self.state["fcnt_up"] = fcnt + 1
        self.state["unanswered"] += 1
        with open(self.path, "w") as file:
            json.dump(self.state, file)
        frame = bytes([CONFIRMED if confirmed else UNCONFIRMED]) + self.dev_addr + bytes([fctrl])
        frame += (fcnt & 0xFFFF).to_bytes(2, "little") + bytes([port])
        frame += crypt(self.app_skey, data, 0, self.dev_addr, fcnt)
        b0 = b"\x49\x00\x00\x00\x00\x00" + self.dev_addr + fcnt.to_bytes(4, "little") + bytes([0, len(frame)])
        return frame + cmac(self.nwk_skey, b0 + frame)[:4]
