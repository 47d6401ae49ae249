"""Certification protocol, TS009-1.0 (package 6, version 1): a test house drives the device by downlinks on FPort 224.

Everything that changes how the device behaves lasts until its next reset. Not taken: what needs class B (0x22 and 0x40
to 0x44), and the continuous wave (0x7D), which is for a laboratory's cable and has no place on a mast.
"""

PORT = 224
_IDENTIFIER = 6
_VERSION = 1

_PACKAGE_VERSION = 0x00
_DUT_RESET = 0x01
_DUT_JOIN = 0x02
_SWITCH_CLASS = 0x03
_ADR_BIT = 0x04
_DUTY_CYCLE = 0x05
_TX_PERIOD = 0x06
_TX_FRAMES = 0x07
_ECHO = 0x08
_RX_COUNT = 0x09
_RX_COUNT_RESET = 0x0A
_LINK_CHECK = 0x20
_DEVICE_TIME = 0x21
_DISABLE = 0x7E
_VERSIONS = 0x7F

_CLASS_A = 0  # SwitchClassReq
_CLASS_C = 2
_PERIODS_S = (0, 5, 10, 20, 30, 40, 50, 60, 120, 240, 480)  # 0: as the application likes
_LORAWAN_VERSION = b"\x01\x00\x04\x00"
_REGIONAL_VERSION = b"\x02\x01\x00\x04"  # RP002-1.0.4


class Certification:
    """The device under test. Hand it every `Downlink`, and call `count` for a bare acknowledgement; while `active`,
    send only what it asks for.

    `period_s`: send an uplink so often, 0: as the application likes; `confirmed`: whether those are confirmed;
    `wants_join`, `wants_reset`: to be done and set back by the node, as `wants_off`: no test mode after that reset.
    """

    PORT = PORT

    def __init__(self, mac, class_c=False, firmware_version=(0, 1, 0, 0)):
        """`mac`: the device's; `class_c`: it is a `ClassCMac`."""
        self._mac = mac
        self._class_c = class_c
        self._firmware_version = bytes(firmware_version)
        self._received = 0
        self.active = False
        self.period_s = 0
        self.confirmed = False
        self.wants_join = False
        self.wants_reset = False
        self.wants_off = False

    def count(self):
        """One more downlink for the application, or an acknowledgement."""
        self._received = (self._received + 1) & 0xFFFF

    def take(self, downlink, now_ms):
        """Any application downlink; gives the answer to send on `PORT`, or b""."""
        self.count()
        if downlink.port != PORT or not downlink.data:
            return b""
        self.active = True
        return self.handle(downlink.data, now_ms)

    def handle(self, data, now_ms):
        """One command; gives the answer."""
        command, body = data[0], bytes(data[1:])
        if command == _PACKAGE_VERSION:
            return bytes((command, _IDENTIFIER, _VERSION))
        if command == _ECHO:
            room = max(0, self._mac.room(now_ms) - 1)
            return bytes((command,)) + bytes((byte + 1) & 0xFF for byte in body[:room])
        if command == _RX_COUNT:
            return bytes((command,)) + self._received.to_bytes(2, "little")
        if command == _VERSIONS:
            return bytes((command,)) + self._firmware_version + _LORAWAN_VERSION + _REGIONAL_VERSION
        if command == _DUT_RESET:
            self.wants_reset = True
        elif command == _DISABLE:
            self.wants_reset = self.wants_off = True
        elif command == _DUT_JOIN:
            self.wants_join = True
        elif command == _RX_COUNT_RESET:
            self._received = 0
        elif command == _LINK_CHECK:
            self._mac.request_link_check()
        elif command == _DEVICE_TIME:
            self._mac.request_time()
        elif body:
            self._set(command, body[0])
        return b""

    def _set(self, command, value):
        if command == _ADR_BIT and value <= 1:
            self._mac.set_adr(value == 1)
        elif command == _DUTY_CYCLE and value <= 1:
            self._mac.set_duty_cycle(value == 1)
        elif command == _SWITCH_CLASS and self._class_c and value in (_CLASS_A, _CLASS_C):
            self._mac.listens = value == _CLASS_C
        elif command == _TX_PERIOD and value < len(_PERIODS_S):
            self.period_s = _PERIODS_S[value]
        elif command == _TX_FRAMES and value in (1, 2):
            self.confirmed = value == 2
