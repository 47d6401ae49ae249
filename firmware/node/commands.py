"""Commands by downlink (FPort 40): carried out whole or not at all, answered on FPort 31."""

from firmware.payload.cbor import loads
from firmware.payload.commands import ANSWER_FPORT, COMMAND_FPORT, INTERVAL, NOT_NOW, REBOOT, STATUS, Commands
from firmware.payload.errors import CborError

KNOWN = (INTERVAL, REBOOT, STATUS)
"""What this firmware carries out; other keys of the schema are answered as unknown."""

MODULES = (
    "firmware.node.commands",
    "firmware.payload.commands",
    "firmware.payload.tables.commands",
    "firmware.payload.cbor",
)
"""What a downlink needs in memory, and nothing else does."""


class CommandPort:
    """Takes downlinks and gives answers. `state`: a begun `State`; `say(text)`: one console line; `done`: a list of the
    caller, in which the last commands are remembered: this object and its module need not live longer than a downlink.

    After `handle`, `interval_changed`, `status_wanted` and `reboot_wanted` tell the cycle what to do; a reboot only
    after the answer is out.
    """

    def __init__(self, state, say, done):
        self._state = state
        self._say = say
        self._commands = Commands(self._apply, state.boots, KNOWN, done)
        self.interval_changed = False
        self.status_wanted = False
        self.reboot_wanted = False

    def handle(self, downlink):
        """The (port, bytes) to answer with, or None for a downlink that is no command."""
        if downlink.port != COMMAND_FPORT:
            self._say("downlink port=%d n=%d ignored" % (downlink.port, len(downlink.data)))
            return None
        try:
            answer = self._commands.handle(downlink.data)
        except CborError:
            self._say("downlink port=40 n=%d damaged" % len(downlink.data))
            return None
        seq, result = loads(answer)[:2]
        outcome = "ok" if result == 0 else "refused"
        self._say("command seq=%d interval=%d %s" % (seq, self._state.report_interval_s, outcome))
        return ANSWER_FPORT, answer

    def _apply(self, pairs):
        before = self._state.set_interval_s
        for key, value in pairs:
            if key == INTERVAL:
                self._state.set_interval_s = value
            elif key == STATUS:
                self.status_wanted = True
            elif key == REBOOT:  # its boot counter was checked: a copy that comes after the reboot is refused
                self.reboot_wanted = True
        if self._state.set_interval_s != before:
            if not self._state.save():  # an interval that is gone after the next reset is not carried out
                self._state.set_interval_s = before
                return [(INTERVAL, NOT_NOW)]
            self.interval_changed = True
        return 0
