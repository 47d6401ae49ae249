"""An RUI3 modem (RAK3172) on a UART, as a radio: find it, ask it, wait for what it does. What is said is in
`rui3_dialogue`; what the node needs of a MAC is `firmware.node.modem`. Here are only the UART and the clock.

Source: RUI3 AT command manual (RAKwireless); facts of section 11 of the project's LoRaWAN sheet.
"""

from firmware.radio import rui3_dialogue as said
from firmware.radio.errors import ModemRefused, ModemSilent, RadioError

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


BAUDS = (115_200, 9_600)
"""RUI3, and firmware up to 1.0.4."""
RX_BUFFER_BYTES = const(1024)
"""A downlink's line has up to 530 bytes, and a collection of garbage may come while it arrives."""

_WAKE_MS = const(150)
"""For the first AT: it may only wake the modem, and is lost then."""
_ANSWER_MS = const(500)
"""For any command: the modem answers within some milliseconds, and writes settings to flash within 100 (unverified)."""
_TRIES = const(3)
"""Of a command without an answer."""
_POLL_MS = const(10)
_START_MS = const(3_000)
"""From reset to the modem's first answer: about 0.5 s (unverified), and six times that."""
_RESET_MS = const(20)
_BUSY_TRIES = const(15)
_BUSY_PAUSE_MS = const(1_000)
"""A modem that is in the middle of an exchange (the node was reset meanwhile) is done after at most that."""
_LINGER_MS = const(300)
"""So long a modem must be quiet after the end of an uplink: downlink and link check may be told after it."""


class Attempt:
    """One join or uplink that the modem is working on; what `Modem.carry_out` and the link need of an exchange."""

    def __init__(self, joining, confirmed, sf, airtime_us, limit_ms):
        self.joining = joining
        self.confirmed = confirmed
        self.sf = sf
        self.freq_hz = 0  # the modem's own choice, not told
        self.airtime_us = airtime_us
        self.limit_ms = limit_ms
        """The end of it is told within this time, or never."""
        self.over = False
        """The modem told the end of it."""
        self.acknowledged = None
        self.unreadable = False
        """There was a downlink whose line was damaged."""
        self.heard = []
        """Dialogue's events RECEIVED and CHECKED."""

    def take(self, event):
        """Take one event of the dialogue."""
        kind = event[0]
        if kind in (said.JOINED, said.JOIN_FAILED):
            if self.joining:
                self.over = True
                self.acknowledged = kind == said.JOINED
        elif kind == said.DONE:
            if not self.joining:
                self.over = True
                self.acknowledged = event[1]
        elif kind == said.UNREADABLE:
            self.unreadable = True
        elif kind in (said.RECEIVED, said.CHECKED):
            self.heard.append(event)


class Levels:
    """How well the last downlink was heard."""

    def __init__(self, rssi_dbm, snr_db):
        self.rssi_dbm = rssi_dbm
        self.snr_db_x4 = 4 * snr_db


class Modem:
    """The modem as a radio. `uart`: an object with `machine.UART`'s `init`, `read`, `write`; `reset`: the pin at RST
    (low resets), or None.
    """

    def __init__(self, uart, clock, reset=None):
        self._uart = uart
        self._clock = clock
        self._reset = reset
        self.dialogue = said.Dialogue()
        self.unsure = True
        """Its settings and its session have to be looked at: it was started, restarted, or out of step."""
        self._late = []  # downlinks that were told when nobody waited for them

    def start(self):
        """Find the modem; raises ModemSilent. A modem that does not answer is reset, if there is a pin for it."""
        self.unsure = True
        if self._find():
            return
        if self._reset is not None:
            self._reset.value(0)
            self._clock.sleep_ms(_RESET_MS)
            self._reset.value(1)
            self._wait_up()
            if self._find():
                return
        raise ModemSilent("no answer to AT")

    def _find(self):
        for baud in BAUDS:
            self._uart.init(baudrate=baud, rxbuf=RX_BUFFER_BYTES)
            self._uart.write(b"\r\n")  # ends whatever was said before
            try:
                self.wake()
                return True
            except ModemSilent:
                pass
        return False

    def wake(self):
        """Say AT until the modem answers: what follows need not be said twice. Raises ModemSilent."""
        self.ask("AT", _TRIES, _WAKE_MS)

    def ask(self, command, tries=_TRIES, limit_ms=_ANSWER_MS):
        """Say a command; gives its status. Raises ModemSilent.

        Only a command that may be carried out twice may have more than one try.
        """
        dialogue, clock = self.dialogue, self._clock
        for _ in range(tries):
            self._hear()  # what came meanwhile belongs to what was before
            self._uart.write(dialogue.ask(command, clock.now_ms(), limit_ms))
            while dialogue.status is None and not dialogue.silent(clock.now_ms()):
                if not self._hear():
                    clock.sleep_ms(_POLL_MS)
            if dialogue.status == said.DAMAGED:
                self._uart.write(b"\r\n")  # AT_RX_ERROR: nothing was done, the modem's line is to be ended
            elif dialogue.status is not None:
                return dialogue.status
        self.unsure = True
        raise ModemSilent("no answer to " + said.name_of(command))

    def ask_patiently(self, command):
        """As `ask`, but wait while the modem is busy with what it was told earlier."""
        for _ in range(_BUSY_TRIES):
            status = self.ask(command)
            if status != said.BUSY:
                break
            self._clock.sleep_ms(_BUSY_PAUSE_MS)
        return status

    def question(self, command):
        """The answer to a question as text; None when there is none."""
        status = self.ask(command)
        return self.dialogue.value if status == said.OK else None

    def _hear(self):
        """Feed what has arrived to the dialogue; False when nothing had."""
        data = self._uart.read()
        if not data:
            return False
        self.dialogue.feed(data)
        return True

    def run(self, steps):
        """Carry out `rui3_dialogue.set_up`; gives its result. Raises ModemRefused, ModemSilent."""
        try:
            while True:
                command = next(steps)
                if command is None:
                    self._wait_up()
                else:
                    self.ask_patiently(command)
                    if self.dialogue.status == said.RESTARTED:
                        self._clock.sleep_ms(_BUSY_PAUSE_MS)
        except StopIteration as end:
            return end.value
        except said.Refused as error:
            raise ModemRefused(str(error))

    def _wait_up(self):
        """Until the modem has started, or should have."""
        end_ms = self._clock.now_ms() + _START_MS
        while self._clock.now_ms() < end_ms:
            self._hear()
            if self._take_events(None):
                return
            self._clock.sleep_ms(_POLL_MS)

    def _take_events(self, attempt):
        """Hand events to `attempt`; True when the modem has restarted."""
        events, self.dialogue.events = self.dialogue.events, []
        restarted = False
        for event in events:
            if event[0] == said.UP:
                restarted = self.unsure = True
            elif attempt is not None:
                attempt.take(event)
            elif event[0] == said.RECEIVED:
                self._late.append(event)
        return restarted

    def begin(self):
        """What is told from now on belongs to the next attempt; downlinks told before are not lost."""
        self._hear()
        self._take_events(None)

    def carry_out(self, attempt):
        """Wait until the modem has told the end of `attempt`: levels of what was heard, or None.

        Raises RadioError when the modem restarts meanwhile, ModemSilent when it tells nothing and does not answer.
        """
        clock = self._clock
        end_ms = clock.now_ms() + attempt.limit_ms
        attempt.heard, self._late = self._late, []
        over = False
        while clock.now_ms() < end_ms:
            came = self._hear()
            if not came:
                clock.sleep_ms(_POLL_MS)
            if self._take_events(attempt):
                raise RadioError("the modem restarted")
            if attempt.over and (came or not over):
                over = True
                end_ms = clock.now_ms() + _LINGER_MS
        if not over:
            self.unsure = True
            self.wake()
        for event in attempt.heard:
            if event[0] == said.RECEIVED:
                return Levels(event[1], event[2])
        return None

    def sleep(self):
        """The modem sleeps by itself (AT+LPM=1)."""
