"""Certification protocol, TS009-1.0 (package 6, version 1): a test house drives the device by downlinks on FPort 224.

Not taken: SwitchClassReq (0x03), because the class of a node is fixed by its wiring, and the duty cycle switch (0x05),
because the legal duty cycle is never switched off.
"""

PORT = 224
_IDENTIFIER = 6
_VERSION = 1

_PACKAGE_VERSION = 0x00
_DUT_RESET = 0x01
_DUT_JOIN = 0x02
_ADR_BIT = 0x04
_TX_PERIOD = 0x06
_TX_FRAMES = 0x07
_ECHO = 0x08
_RX_COUNT = 0x09
_LINK_CHECK = 0x20
_VERSIONS = 0x7F

_PERIODS_S = (0, 5, 10, 20, 30, 40, 50, 60, 120, 240, 480)  # 0: as the application likes
_LORAWAN_VERSION = b"\x01\x00\x04\x00"
_REGIONAL_VERSION = b"\x02\x01\x00\x04"  # RP002-1.0.4


class Certification:
    """The device under test. Hand it every `Downlink`; while `active`, send only what it asks for.

    `period_s`: send an uplink so often, 0: as the application likes; `confirmed`: True, False, or None: as the
    application likes; `wants_join`, `wants_reset`: to be done and set back by the node.
    """

    PORT = PORT

    def __init__(self, mac, firmware_version=(0, 1, 0, 0)):
        self._mac = mac
        self._firmware_version = bytes(firmware_version)
        self._received = 0
        self.active = False
        self.period_s = 0
        self.confirmed = None
        self.wants_join = False
        self.wants_reset = False

    def take(self, downlink, now_ms):
        """Any application downlink; gives the answer to send on `PORT`, or b""."""
        self._received = (self._received + 1) & 0xFFFF
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
        elif command == _DUT_JOIN:
            self.wants_join = True
        elif command == _LINK_CHECK:
            self._mac.request_link_check()
        elif body:
            self._set(command, body[0])
        return b""

    def _set(self, command, value):
        if command == _ADR_BIT and value <= 1:
            self._mac.set_adr(value == 1)
        elif command == _TX_PERIOD and value < len(_PERIODS_S):
            self.period_s = _PERIODS_S[value]
        elif command == _TX_FRAMES and value in (1, 2):
            self.confirmed = value == 2
