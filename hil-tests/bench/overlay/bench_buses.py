"""`machine.I2C`, `SPI` and `UART` of a virtual board: whole transfers travel to the bench.

Names and constants follow ports/esp32 and ports/rp2 of MicroPython 1.29; what differs is in `bench_port_*`.
"""

import io
import struct

import bench_ops as ops
from bench_pins import FAST_US, pin_number


def make_i2c(bus, port):
    """The classes `I2C` and `SoftI2C`."""

    class I2C:
        def __init__(self, id=None, *, scl=None, sda=None, freq=400000, timeout=50000):
            if id is None:
                id = port.I2C_DEFAULT
            if id not in port.I2C_IDS:
                raise ValueError("I2C(%s) doesn't exist" % id)
            self._id = id
            self._freq = freq
            bus.post(ops.I2C_SETUP, id, freq)

        def init(self, *, scl=None, sda=None, freq=400000):
            self._freq = freq
            bus.post(ops.I2C_SETUP, self._id, freq)

        def deinit(self):
            pass

        def _transfer(self, addr, reads, data, stop, writes):
            word = addr | reads << 16 | (ops.I2C_STOP if stop else 0) | (ops.I2C_WRITES if writes else 0)
            status, _, data = bus.call(ops.I2C, self._id, word, data)
            if status != ops.OK:
                raise OSError(port.I2C_NAK)
            return data

        def scan(self):
            found = []
            for addr in range(8, 0x78):
                if bus.call(ops.I2C, self._id, addr | ops.I2C_STOP | ops.I2C_WRITES)[0] == ops.OK:
                    found.append(addr)
            return found

        def writeto(self, addr, buf, stop=True):
            self._transfer(addr, 0, buf, stop, True)
            return len(buf)

        def writevto(self, addr, vector, stop=True):
            return self.writeto(addr, b"".join(bytes(part) for part in vector), stop)

        def readfrom(self, addr, nbytes, stop=True):
            return self._transfer(addr, nbytes, b"", stop, False)

        def readfrom_into(self, addr, buf, stop=True):
            buf[:] = self._transfer(addr, len(buf), b"", stop, False)

        def _address(self, memaddr, addrsize):
            return bytes(memaddr >> 8 * i & 0xFF for i in range(addrsize // 8 - 1, -1, -1))

        def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
            return self._transfer(addr, nbytes, self._address(memaddr, addrsize), True, True)

        def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
            buf[:] = self._transfer(addr, len(buf), self._address(memaddr, addrsize), True, True)

        def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
            self._transfer(addr, 0, self._address(memaddr, addrsize) + bytes(buf), True, True)

    class SoftI2C(I2C):
        def __init__(self, scl, sda, *, freq=400000, timeout=50000):
            super().__init__(port.soft_bus("I2C", scl=pin_number(scl), sda=pin_number(sda)), freq=freq)

    return I2C, SoftI2C


def make_spi(bus, port):
    """The classes `SPI` and `SoftSPI`. Chip select is an ordinary pin."""

    class SPI:
        MSB = 0
        LSB = 1

        def __init__(self, id, baudrate=1000000, **options):
            if id not in port.SPI_IDS:
                raise ValueError("SPI(%s) doesn't exist" % id)
            self._id = id
            self.init(baudrate, **options)

        def init(self, baudrate=1000000, **options):
            if options.get("bits", 8) != 8:
                raise NotImplementedError("the bench moves whole bytes")
            self._baud = baudrate
            bus.post(ops.SPI_SETUP, self._id, baudrate)

        def deinit(self):
            pass

        def write(self, buf):
            bus.post(ops.SPI_WRITE, self._id, 0, buf, 10 + len(buf) * 8000000 // self._baud)

        def _transfer(self, data):
            bus.now += 10
            return bus.call(ops.SPI, self._id, 0, data)[2]

        def read(self, nbytes, write=0):
            return self._transfer(bytes([write]) * nbytes)

        def readinto(self, buf, write=0):
            buf[:] = self._transfer(bytes([write]) * len(buf))

        def write_readinto(self, write_buf, read_buf):
            if len(write_buf) != len(read_buf):
                raise ValueError("buffers must be the same length")
            read_buf[:] = self._transfer(write_buf)

    class SoftSPI(SPI):
        def __init__(self, baudrate=500000, *, sck=None, mosi=None, miso=None, **options):
            super().__init__(port.soft_bus("SPI", sck=pin_number(sck)), baudrate, **options)

    for name, value in port.SPI.items():
        setattr(SPI, name, value)
    return SPI, SoftSPI


def make_uart(bus, port):
    """The class `UART`, a stream that asyncio can wait for."""
    listeners = {}

    class UART(io.IOBase):
        def __init__(self, id, baudrate=115200, bits=8, parity=None, stop=1, **options):
            if id not in port.UART_IDS:
                raise ValueError("UART(%s) doesn't exist" % id)
            self._id = id
            self._timeout = self._timeout_char = 0
            self._irq = 0
            self._rxbuf = 256
            self.init(baudrate, bits, parity, stop, **options)

        def init(
            self, baudrate=115200, bits=8, parity=None, stop=1, *, timeout=0, timeout_char=0, rxbuf=256, **options
        ):
            self._baud = baudrate
            self._timeout = timeout
            self._timeout_char = max(timeout_char, 13000 // baudrate + 1)  # ports: never below 13 bit times
            self._rxbuf = rxbuf
            self._setup()

        def _setup(self):
            bus.post(ops.UART_SETUP, self._id, self._baud, struct.pack("<HB", self._rxbuf, self._irq))

        def deinit(self):
            pass

        def any(self):
            bus.now += FAST_US
            return bus.call(ops.UART_ANY, self._id)[1]

        def _read(self, count, timeout_ms):
            until = bus.now + timeout_ms * 1000
            return bus.call(ops.UART_READ, self._id, count, struct.pack("<qI", until, 1))[2]

        def read(self, nbytes=-1):
            data = self._read(0xFFFF if nbytes is None or nbytes < 0 else nbytes, self._timeout)
            if not data:
                return None
            while nbytes is None or nbytes < 0 or len(data) < nbytes:
                more = self._read(nbytes - len(data) if nbytes and nbytes > 0 else 0xFFFF, self._timeout_char)
                if not more:
                    break
                data += more
            return data

        def readinto(self, buf, nbytes=None):
            data = self.read(len(buf) if nbytes is None else min(nbytes, len(buf)))
            if data is None:
                return None
            buf[: len(data)] = data
            return len(data)

        def readline(self):
            line = self._read(1, self._timeout)
            while line and line[-1] != 10:
                more = self._read(1, self._timeout_char)
                if not more:
                    break
                line += more
            return line or None

        def write(self, buf):
            data = bytes(buf) if not isinstance(buf, str) else buf.encode()
            bus.post(ops.UART_WRITE, self._id, 0, data)
            return len(data)

        def txdone(self):
            return bool(bus.call(ops.UART_DONE, self._id)[1])

        def flush(self):
            while not self.txdone():
                bus.sleep_until(bus.now + 10000000 // self._baud)

        def ioctl(self, request, arg):
            if request == 3:  # MP_STREAM_POLL
                return arg & 4 | (arg & 1 if self.any() else 0)
            return 0

        def irq(self, handler=None, trigger=0, hard=False):
            listeners[self._id] = (handler, self)
            self._irq = 1 if handler and trigger else 0
            self._setup()
            return self

    def interrupt(number, value):
        handler, uart = listeners.get(number, (None, None))
        if handler:
            handler(uart)

    bus.handlers[ops.IRQ_UART] = interrupt
    for name, value in port.UART.items():
        setattr(UART, name, value)
    return UART
