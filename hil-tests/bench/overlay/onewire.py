"""1-Wire on a virtual board, with the interface of micropython-lib's `onewire`.

The supervisor plays the slots against the device models; here whole bytes and search passes travel.
Slot times: Maxim application note 126, standard speed.
"""

import bench_ops as ops

RESET_US = 960
SLOT_US = 70

_buses = []


def attach(bus):
    """Called once by the prelude."""
    _buses[:] = [bus]


class OneWireError(Exception):
    """No device answered the reset pulse where one was required."""


class OneWire:
    """One 1-Wire line."""

    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self.pin = pin
        self.pin.init(pin.OPEN_DRAIN, pin.PULL_UP)
        self._bus = _buses[0]

    def reset(self, required=False):
        """Reset pulse; True when a device answered."""
        present = bool(self._bus.call(ops.ONEWIRE_RESET, self.pin._number)[1])
        if required and not present:
            raise OneWireError
        return present

    def _read(self, bits):
        return self._bus.call(ops.ONEWIRE_READ, self.pin._number, bits)[2]

    def _write(self, bits, data):
        self._bus.post(ops.ONEWIRE_WRITE, self.pin._number, bits, data, bits * SLOT_US)

    def readbit(self):
        """One read slot."""
        return self._read(1)[0]

    def readbyte(self):
        """Eight read slots, lowest bit first."""
        return self._read(8)[0]

    def readinto(self, buf):
        """Fill `buf`."""
        buf[:] = self._read(8 * len(buf))

    def writebit(self, value):
        """One write slot."""
        self._write(1, b"\x01" if value else b"\x00")

    def writebyte(self, value):
        """Eight write slots, lowest bit first."""
        self._write(8, bytes((value,)))

    def write(self, buf):
        """Write all of `buf`."""
        self._write(8 * len(buf), buf)

    def select_rom(self, rom):
        """Reset, then address one device."""
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self):
        """ROM codes of all devices on the line, as bytearrays of 8."""
        found = []
        rom = bytes(8)
        branch = 65
        while branch:
            status, branch, rom = self._bus.call(ops.ONEWIRE_SEARCH, self.pin._number, branch, rom)
            if status != ops.OK:
                break
            found.append(bytearray(rom))
        return found

    def crc8(self, data):
        """CRC of Maxim application note 27 (x^8 + x^5 + x^4 + 1, reflected)."""
        crc = 0
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
        return crc
