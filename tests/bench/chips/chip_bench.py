"""A radio chip's model on SPI, in an air with one antenna that notes everything."""

from bench.air.air import Air
from bench.air.transmission import on_air
from bench.schedule import Schedule
from bench.wires import HostSPI

FREQ = 868_100_000


class Ear:
    """A gateway antenna that notes all."""

    name = "ear"

    def __init__(self, air):
        self.heard = []
        air.add_gateway(self)

    def ignores(self, frame):
        return "polarity" if frame.iq_inverted else None

    def on_received(self, received):
        self.heard.append(received)


class ChipBench:
    """`model`: the chip's class; `raw` is one chip select long."""

    def __init__(self, model, **settings):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.ear = Ear(self.air)
        self.radio = model(self.schedule, self.air, "node", **settings)
        self.air.add_node(self.radio)
        self.spi = HostSPI(self.schedule, 8_000_000)
        self.cs = self.spi.attach(self.radio)

    def raw(self, hex_bytes):
        out = bytes.fromhex(hex_bytes)
        answer = bytearray(len(out))
        self.cs(0)
        try:
            self.spi.write_readinto(out, answer)
        finally:
            self.cs(1)
        return bytes(answer)

    def pass_us(self, us):
        self.schedule.run_until(self.schedule.now_us + us)

    def downlink(self, start_us, payload=b"downlink", **changes):
        settings = {"freq_hz": FREQ, "sf": 7, "iq_inverted": True, "crc_on": False, "power_dbm": 14.0} | changes
        frame = on_air(start_us, payload, "ear", settings.pop("freq_hz"), settings.pop("sf"), **settings)
        return self.air.transmit(frame)
