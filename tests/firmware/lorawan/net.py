"""The other side of the air for MAC tests: a network with one device, and that device. Runs on both interpreters.

AES decryption, which only a network needs, comes from `cryptography` or from MicroPython's `cryptolib`.
"""

from binascii import unhexlify

from firmware.lorawan import explain, frames
from firmware.lorawan.activation import session_keys
from firmware.lorawan.crypto import Key
from firmware.lorawan.ids import DevAddr, Eui
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868

DEV_EUI = Eui.from_hex("70b3d57ed0051234")
JOIN_EUI = Eui.from_hex("0101010101010101")
APP_KEY = unhexlify("00112233445566778899aabbccddeeff")
DEV_ADDR = DevAddr.from_hex("26011bda")


def aes_decrypt(key, data):
    try:
        from cryptolib import aes

        return aes(key, 1).decrypt(data)
    except ImportError:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        return Cipher(algorithms.AES(key), modes.ECB()).decryptor().update(data)


class Heard:
    def __init__(self, frame, snr_db_x4=20, rssi_dbm=-80, window=1):
        self.frame = frame
        self.snr_db_x4 = snr_db_x4
        self.rssi_dbm = rssi_dbm
        self.window = window


class Random:
    """A repeatable source of 32-bit numbers (Numerical Recipes' generator)."""

    def __init__(self, seed=1):
        self.state = seed

    def __call__(self):
        self.state = (1664525 * self.state + 1013904223) & 0xFFFFFFFF
        return self.state ^ (self.state >> 16)


class Network:
    """Answers joins, reads uplinks, makes downlinks; keeps what a device must never repeat."""

    def __init__(self):
        self.dev_nonces = []
        self.fcnts = []  # (session, FCntUp) of every new uplink
        self.sessions = 0
        self.fcnt_down = 0
        self.last_frame = None
        self.nwk_skey = self.app_skey = None

    def accept(self, request, cflist=b"", dl_settings=0, rx_delay=0, join_nonce=None):
        """The Join-Accept frame for a Join-Request frame."""
        found = explain.explain(bytes(request), app_key=APP_KEY)
        assert found["mic_valid"], found
        self.sessions += 1
        nonce = (self.sessions if join_nonce is None else join_nonce).to_bytes(3, "little")
        net_id = b"\x13\x00\x00"
        key = Key(APP_KEY)
        clear = nonce + net_id + DEV_ADDR.to_wire() + bytes((dl_settings, rx_delay)) + cflist
        mic = bytes(key.mic(b"\x20" + clear, 1 + len(clear))[:4])
        self.nwk_skey, self.app_skey = session_keys(key, nonce, net_id, found["dev_nonce"].to_bytes(2, "little"))
        self.fcnt_down = 0
        return b"\x20" + aes_decrypt(APP_KEY, clear + mic)

    def hear(self, exchange):
        """Take what a device transmits; the frame explained. Refuses whatever was used before."""
        frame = bytes(exchange.frame)
        found = explain.explain(frame, app_key=APP_KEY)
        if found["mtype"] == "JoinRequest":
            assert found["dev_nonce"] not in self.dev_nonces, "DevNonce used twice"
            self.dev_nonces.append(found["dev_nonce"])
            return found
        last = self.fcnts[-1][1] if self.fcnts and self.fcnts[-1][0] == self.sessions else None
        fcnt = found["fcnt16"] if last is None else last + ((found["fcnt16"] - last) & 0xFFFF)
        found = explain.explain(frame, nwk_skey=self.nwk_skey, app_skey=self.app_skey, fcnt32=fcnt)
        assert found["mic_valid"], found
        if fcnt != last:
            self.fcnts.append((self.sessions, fcnt))
            self.last_frame = frame
        assert frame == self.last_frame, "two frames under one counter: the keystream is used twice"
        return found

    def downlink(self, port=None, data=b"", fopts=b"", confirmed=False, ack=False, pending=False, fcnt=None):
        """A downlink frame; takes the next counter unless one is given."""
        if fcnt is None:
            fcnt, self.fcnt_down = self.fcnt_down, self.fcnt_down + 1
        buffer = bytearray(256)
        ftype = frames.CONFIRMED_DOWN if confirmed else frames.UNCONFIRMED_DOWN
        fctrl = (frames.ACK if ack else 0) | (frames.F_PENDING if pending else 0)
        nwk, app = Key(self.nwk_skey), Key(self.app_skey)
        size = frames.build_data(
            buffer, ftype, DEV_ADDR.to_wire(), fctrl, fcnt, fopts, len(fopts), port, data, nwk, app
        )
        return bytes(buffer[:size])


class Battery:
    def battery_level(self):
        return 200


class Device:
    """A MAC with its store and a clock that the test moves."""

    def __init__(self, network=None, store=None, region=eu868, seed=1):
        self.network = network or Network()
        self.store = store or MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY)
        self.region = region
        self.strict_join = False
        self.random = Random(seed)
        self.now_ms = 1000
        self.boot()

    def boot(self):
        """A reset: everything is forgotten but the store."""
        self.mac = Mac(self.region, self.store, self.random, Battery())
        self.mac.strict_join = self.strict_join
        self.mac.start(self.now_ms)
        return self

    def finish(self, exchange, answer=None, **heard):
        """Let the exchange run its time, with `answer` heard in a window; the events."""
        self.now_ms += exchange.airtime_us // 1000 + exchange.rx2.delay_ms + 100
        return self.mac.conclude(exchange, None if answer is None else Heard(answer, **heard), self.now_ms)

    def join(self, **settings):
        """Join at once."""
        exchange = self.mac.join(self.now_ms)
        self.network.hear(exchange)
        events = self.finish(exchange, self.network.accept(exchange.frame, **settings))
        assert self.mac.joined
        return events

    def uplink(self, data=b"x", port=1, confirmed=False, answer=None, pause_ms=60_000):
        """Send after a pause; (frame explained, events)."""
        self.now_ms += pause_ms
        exchange = self.mac.send(port, data, self.now_ms, confirmed)
        found = self.network.hear(exchange)
        found["exchange"] = exchange
        events = self.finish(exchange, answer() if callable(answer) else answer)
        self.mac.abandon(exchange)  # repetitions are the subject of tests of their own
        return found, events

    def command(self, fopts, **kinds):
        """An uplink that is answered with MAC commands, and the answers in the next one: (events, hex of FOpts)."""
        _, events = self.uplink(answer=lambda: self.network.downlink(fopts=unhexlify(fopts), **kinds))
        found, _ = self.uplink()
        return events, found["fopts"]


def joined(**settings):
    """A device in a fresh session."""
    device = Device()
    device.join(**settings)
    return device


def names(events):
    return [type(event).__name__ for event in events]


def raises(error, call, *args, **kwargs):
    """The exception that `call` raises; an AssertionError when it does not."""
    try:
        call(*args, **kwargs)
    except error as raised:
        return raised
    raise AssertionError(f"{error.__name__} was not raised")
