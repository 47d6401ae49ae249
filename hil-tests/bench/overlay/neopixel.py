"""WS2812 chains with the interface of micropython-lib's `neopixel`; the colours end in the transcript."""

import bench_ops as ops

_buses = []


def attach(bus):
    """Called once by the prelude."""
    _buses[:] = [bus]


class NeoPixel:
    """A chain of `n` pixels of `bpp` bytes on `pin`."""

    ORDER = (1, 0, 2, 3)

    def __init__(self, pin, n, bpp=3, timing=1):
        self.pin = pin
        self.n = n
        self.bpp = bpp
        self.buf = bytearray(n * bpp)
        pin.init(pin.OUT)

    def __len__(self):
        return self.n

    def __setitem__(self, i, colour):
        for channel in range(self.bpp):
            self.buf[i * self.bpp + self.ORDER[channel]] = colour[channel]

    def __getitem__(self, i):
        return tuple(self.buf[i * self.bpp + self.ORDER[channel]] for channel in range(self.bpp))

    def fill(self, colour):
        """All pixels the same colour."""
        for i in range(self.n):
            self[i] = colour

    def write(self):
        """Send the colours: 1.25 us a bit (WS2812B datasheet)."""
        _buses[0].post(ops.NEOPIXEL, self.pin._number, 0, self.buf, len(self.buf) * 10)
