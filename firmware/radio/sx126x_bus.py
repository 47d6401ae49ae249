"""How SX126x commands travel: SPI, chip select, BUSY (data sheet DS.SX1261-2.W.APP Rev 2.1, chapters 8 and 10).

Nothing is allocated for a command; only a received frame costs a view.
"""

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


_GET_STATUS = const(0xC0)
_WRITE_REGISTER = const(0x0D)
_READ_REGISTER = const(0x1D)
_WRITE_BUFFER = const(0x0E)
_READ_BUFFER = const(0x1E)
_BUSY_POLL_US = const(100)
_BUSY_PATIENCE_US = const(50_000)  # longest regular: calibration 3.5 ms and the start of a slow TCXO


class CommandBus:
    """Commands, registers and the data buffer of one chip."""

    def __init__(self, spi, cs, busy, clock):
        self._spi = spi
        self._cs = cs
        self._busy = busy
        self._clock = clock
        self._out = bytearray(9)
        self._outs = [memoryview(self._out)[:length] for length in range(10)]
        self._data = bytearray(3 + 255)

    def _cs_low(self):
        """Select the chip as soon as it takes commands (section 8.3.1)."""
        if self._busy.value():
            begin_us = self._clock.ticks_us()
            while self._busy.value():
                if self._clock.ticks_diff(self._clock.ticks_us(), begin_us) > _BUSY_PATIENCE_US:
                    from .errors import RadioBusy  # loaded only when it is needed

                    raise RadioBusy("SX126x: BUSY stays high")
                self._clock.sleep_us(_BUSY_POLL_US)
        self._cs.value(0)

    def _set(self, opcode, size, a=0, b=0, c=0, d=0, e=0, f=0):
        """A command with `size` argument bytes, the given ones and zeros."""
        out = self._out
        out[0] = opcode
        out[1] = a
        out[2] = b
        out[3] = c
        out[4] = d
        out[5] = e
        out[6] = f
        out[7] = out[8] = 0
        self._cs_low()
        self._spi.write(self._outs[1 + size])
        self._cs.value(1)

    def _get(self, opcode, size):
        """The `size` bytes that a query gives after its status, as a big-endian number."""
        out = self._out
        out[0] = opcode
        out[1] = out[2] = out[3] = out[4] = 0
        view = self._outs[2 + size]
        self._cs_low()
        self._spi.write_readinto(view, view)
        self._cs.value(1)
        number = 0
        for i in range(2, 2 + size):
            number = number << 8 | out[i]
        return number

    def _write_register(self, address, value):
        self._set(_WRITE_REGISTER, 3, address >> 8, address & 0xFF, value)

    def _read_register(self, address):
        out = self._out
        out[0] = _READ_REGISTER
        out[1] = address >> 8
        out[2] = address & 0xFF
        out[3] = out[4] = 0
        self._cs_low()
        self._spi.write_readinto(self._outs[5], self._outs[5])
        self._cs.value(1)
        return out[4]

    def _change_bit(self, address, bit, on):
        value = self._read_register(address)
        wanted = value | bit if on else value & ~bit
        if wanted != value:
            self._write_register(address, wanted)

    def _write_buffer(self, frame):
        """Put `frame` at the start of the data buffer."""
        self._cs_low()
        self._out[0] = _WRITE_BUFFER
        self._out[1] = 0
        self._spi.write(self._outs[2])
        self._spi.write(frame)
        self._cs.value(1)

    def _read_buffer(self, start, length):
        """A view of `length` bytes of the data buffer, valid until the next one."""
        data = self._data
        view = memoryview(data)[: 3 + length]
        data[0] = _READ_BUFFER
        data[1] = start
        self._cs_low()
        self._spi.write_readinto(view, view)
        self._cs.value(1)
        return view[3:]

    def _nudge(self):
        """Wake a sleeping chip: the falling chip select does it (section 9.3)."""
        self._cs.value(0)
        self._out[0] = _GET_STATUS
        self._out[1] = 0
        self._spi.write(self._outs[2])
        self._cs.value(1)
