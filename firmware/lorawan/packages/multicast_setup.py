"""Remote multicast setup, TS005-1.0.0: the network gives a class C node its groups and the time to listen to them."""

from ..crypto import Key
from ..fields import u24
from ..multicast import GROUPS, Group, group_keys

PORT = 200
_IDENTIFIER = 2
_VERSION = 1

_PACKAGE_VERSION = 0x00
_STATUS = 0x01
_SETUP = 0x02
_DELETE = 0x03
_CLASS_C_SESSION = 0x04
_REQUEST_BYTES = {_PACKAGE_VERSION: 0, _STATUS: 1, _SETUP: 29, _DELETE: 1, _CLASS_C_SESSION: 10}

_GROUP_UNDEFINED = 0x04  # McGroupDeleteAns
_RATE_ERROR = 0x04  # McClassCSessionAns, as the following
_FREQ_ERROR = 0x08
_SESSION_UNDEFINED = 0x10


def mc_root_key(gen_app_key):
    """McRootKey of a LoRaWAN 1.0.x device: GenAppKey over zeros."""
    return _encrypted(gen_app_key, bytes(16))


def mc_ke_key(root_key):
    """McKEKey: McRootKey over zeros."""
    return _encrypted(root_key, bytes(16))


def _encrypted(key, block):
    block = bytearray(block)
    Key(key).encrypt(block)
    return bytes(block)


class MulticastSetup:
    """`mac`: a `ClassCMac`; `clock`: a `GpsClock`; `gen_app_key`: 16 bytes from provisioning."""

    PORT = PORT

    def __init__(self, mac, clock, gen_app_key):
        self._mac = mac
        self._clock = clock
        self._ke_key = mc_ke_key(mc_root_key(gen_app_key))

    def handle(self, data, now_ms):
        """Take the commands of a downlink; gives the answer."""
        answer = bytearray()
        at = 0
        while at < len(data):
            command = data[at]
            size = _REQUEST_BYTES.get(command)
            if size is None or at + 1 + size > len(data):
                break
            body = bytes(data[at + 1 : at + 1 + size])
            at += 1 + size
            answer.extend(self._execute(command, body, now_ms))
        return bytes(answer)

    def _execute(self, command, body, now_ms):
        if command == _PACKAGE_VERSION:
            return bytes((command, _IDENTIFIER, _VERSION))
        if command == _STATUS:
            return self._status(body[0])
        number = body[0] & 0x03
        if command == _SETUP:
            mc_key = _encrypted(self._ke_key, body[5:21])
            net_skey, app_skey = group_keys(mc_key, body[1:5])
            first = int.from_bytes(body[21:25], "little")
            end = int.from_bytes(body[25:29], "little")
            self._mac.groups.put(number, Group(body[1:5], net_skey, app_skey, first, end))
            return bytes((command, number))
        defined = number in self._mac.groups.by_id
        if command == _DELETE:
            if not defined:
                return bytes((command, number | _GROUP_UNDEFINED))
            self._mac.groups.put(number, None)
            return bytes((command, number))
        return self._session(number, body, defined, now_ms)

    def _status(self, mask):
        groups = self._mac.groups.by_id
        found = 0
        items = b""
        for number in range(GROUPS):
            if mask & 1 << number and number in groups:
                found |= 1 << number
                items += bytes((number,)) + groups[number].addr
        return bytes((_STATUS, len(groups) << 4 | found)) + items

    def _session(self, number, body, defined, now_ms):
        """McClassCSessionReq: listen elsewhere from SessionTime for 2^TimeOut seconds."""
        if not self._clock.known:
            self._mac.request_time()  # without the time there is no start; the server asks again
            return b""
        freq_hz, data_rate = 100 * u24(body, 6), body[9]
        status = number
        if not defined:
            status |= _SESSION_UNDEFINED
        if not self._mac.can_listen(freq_hz):
            status |= _FREQ_ERROR
        if not self._mac.hears(data_rate):
            status |= _RATE_ERROR
        if status != number:
            return bytes((_CLASS_C_SESSION, status))
        # SessionTime is GPS time modulo 2^32; a start in the past is now.
        start_s = (int.from_bytes(body[1:5], "little") - self._clock.now_s(now_ms)) & 0xFFFFFFFF
        if start_s >= 0x80000000:
            start_s = 0
        start_ms = now_ms + 1000 * start_s
        self._mac.move_rxc(freq_hz, data_rate, start_ms, start_ms + (1000 << (body[5] & 0x0F)))
        return bytes((_CLASS_C_SESSION, status)) + min(start_s, 0xFFFFFF).to_bytes(3, "little")
