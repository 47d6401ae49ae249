"""A radio driver on the model of its chip, with an air, a base station that answers, and a MAC above."""

from bench.air.air import Air
from bench.air.transmission import on_air
from bench.chips.sx1262 import SX1262 as SX1262Model
from bench.chips.sx1276 import SX1276 as SX1276Model
from bench.schedule import Schedule
from bench.wires import HostPin, HostSPI, HostTime
from firmware.boards.lilygo_t3 import facts as lilygo_t3
from firmware.boards.virtual import facts
from firmware.lorawan.airtime import airtime_us
from firmware.lorawan.exchange import Exchange
from firmware.node.clock import Clock
from firmware.radio.sx126x import SX1262
from firmware.radio.sx127x import SX1276


class Station:
    """Hears everything sent with normal polarity; `reply(transmission)` gives the downlinks to send, if any."""

    name = "station"

    def __init__(self, rig):
        self.heard = []
        self.reply = None
        self._rig = rig

    def ignores(self, frame):
        return "inverted polarity" if frame.iq_inverted else None

    def on_received(self, received):
        frame = received.frame
        self.heard.append(frame)
        for downlink in (self.reply(frame) if self.reply else None) or ():
            self._rig.air.transmit(downlink)


class JitteryTime(HostTime):
    """Every sleep lasts up to `jitter_us` too long, as on a busy board."""

    def __init__(self, schedule, random, jitter_us):
        super().__init__(schedule)
        self._random = random
        self._jitter_us = jitter_us

    def sleep_ms(self, duration_ms):
        super().sleep_us(1000 * duration_ms + self._random.randrange(self._jitter_us + 1))


class Rig:
    """With an SX1262, as on the virtual board."""

    def __init__(self, time=None, radio_facts=facts.RADIO, driver=SX1262, **model):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.spi = HostSPI(self.schedule, 4_000_000)
        self.clock = Clock(time(self.schedule) if time else HostTime(self.schedule))
        self.model = self._model({"antenna_gain_dbi_x10": radio_facts["antenna_gain_dbi_x10"], **model})
        self.air.add_node(self.model)
        self.station = Station(self)
        self.air.add_gateway(self.station)
        pins = [HostPin(line) for line in self._lines()]
        self.radio = driver(self.spi, self.spi.attach(self.model), *pins, self.clock, radio_facts)

    def _model(self, settings):
        return SX1262Model(self.schedule, self.air, "node", **{"tcxo_mv": 1800, **settings})

    def _lines(self):
        return self.model.busy, self.model.dio1, self.model.reset

    def downlink(self, uplink, payload, *, delay_us=1_000_000, freq_hz=None, sf=None, **changed):
        """A downlink that starts `delay_us` after the end of `uplink`, by default for RX1."""
        settings = {"iq_inverted": True, "crc_on": False, **changed}
        return on_air(
            uplink.end_us + delay_us, payload, "station", freq_hz or uplink.freq_hz, sf or uplink.sf, **settings
        )


class Rig127x(Rig):
    """With an SX1276, as on a LilyGO T3."""

    def __init__(self, time=None, radio_facts=lilygo_t3.RADIO, driver=SX1276, **model):
        super().__init__(time, radio_facts, driver, **model)

    def _model(self, settings):
        return SX1276Model(self.schedule, self.air, "node", **settings)

    def _lines(self):
        return self.model.dio0, self.model.reset


def exchange(sf=7, frame=b"\x40 a frame", freq_hz=868_100_000, rx2_sf=12, wants=lambda frame: True):
    """An exchange by hand."""
    made = Exchange(wants)
    made.frame = frame
    made.freq_hz, made.sf, made.bw_hz = freq_hz, sf, 125_000
    made.power_dbm = 16
    made.airtime_us = airtime_us(len(frame), sf, 125_000)
    for window, delay_ms, window_hz, window_sf in (
        (made.rx1, 1_000, freq_hz, sf),
        (made.rx2, 2_000, 869_525_000, rx2_sf),
    ):
        window.delay_ms, window.freq_hz, window.sf, window.bw_hz = delay_ms, window_hz, window_sf, 125_000
    return made
