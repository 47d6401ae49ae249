"""How SX127x registers and its FIFO travel: SPI and chip select (data sheet DS_SX1276-7-8-9, Rev. 7, section 2.2).

The first byte is the address, with the top bit set to write. Nothing is allocated for a register; only a received frame
costs a view.
"""

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


_WRITE = const(0x80)
_REG_FIFO = const(0x00)
_REG_FIFO_POINTER = const(0x0D)


class RegisterBus:
    """Registers and the FIFO of one chip."""

    def __init__(self, spi, cs):
        self._spi = spi
        self._cs = cs
        self._pair = bytearray(2)
        self._fifo_write = bytes((_WRITE | _REG_FIFO,))
        self._data = bytearray(1 + 255)

    def _write(self, address, value):
        pair = self._pair
        pair[0] = _WRITE | address
        pair[1] = value
        self._cs.value(0)
        self._spi.write(pair)
        self._cs.value(1)

    def _read(self, address):
        pair = self._pair
        pair[0] = address
        pair[1] = 0
        self._cs.value(0)
        self._spi.write_readinto(pair, pair)
        self._cs.value(1)
        return pair[1]

    def _write_buffer(self, frame):
        """Put `frame` at the start of the FIFO; only awake, sleep empties it."""
        self._write(_REG_FIFO_POINTER, 0)
        self._cs.value(0)
        self._spi.write(self._fifo_write)
        self._spi.write(frame)
        self._cs.value(1)

    def _read_buffer(self, start, length):
        """A view of `length` bytes of the FIFO, valid until the next one."""
        self._write(_REG_FIFO_POINTER, start)
        data = self._data
        view = memoryview(data)[: 1 + length]
        data[0] = _REG_FIFO
        self._cs.value(0)
        self._spi.write_readinto(view, view)
        self._cs.value(1)
        return view[1:]
