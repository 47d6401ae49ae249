"""Commands to a node (FPort 40) and its answers (FPort 31).

A command is `[seq, {key: value, ...}]`, an answer `[seq, 0]`, `[seq, 0, configuration hash]` or
`[seq, [[key, code], ...]]`. Keys, limits and steps come from `commands.toml` by way of `tables/commands.py`.

Values are absolute, never toggles or increments, so a command carried out twice does no harm; and it is carried
out whole or not at all. `Commands` remembers the last sequence numbers, so a command that the network repeats is
answered again without being carried out again. A reboot carries the boot counter for which it was meant: a copy
that arrives after the reboot is refused.
"""

from firmware.payload.cbor import dumps, loads
from firmware.payload.errors import CborError, CommandError
from firmware.payload.tables.commands import KEYS

COMMAND_FPORT = 40
LAMP_GROUP_FPORT = 41  # the same form to a group of lamps; never answered
ANSWER_FPORT = 31

# Keys the node's runtime itself must know.
INTERVAL = 1
REBOOT = 20
STATUS = 21

# Codes of an answer, per key.
UNKNOWN_KEY = 1  # not in the schema, or not for this profile
WRONG_TYPE = 2
OUT_OF_RANGE = 3
WRONG_STEP = 4
WRONG_BOOT = 5  # reboot or rejoin meant for another boot counter
NOT_NOW = 6  # the node cannot do it in its present state
SEQ_REUSED = 7  # the sequence number was used for another command; key is 0

# How many commands are remembered: a network server has at most a handful under way for one node.
REMEMBERED = 8

_MAX_SEQ = 65535
_BOOT_GUARDED = (18, REBOOT)


def decode_command(data: bytes, keys=None) -> "tuple[int, list]":
    """Read a downlink of FPort 40 and return (seq, [(key, value), ...]) in ascending order of keys.

    `keys` limits what this node knows (`DOWNLINKS` of its table); None allows the whole schema. A value is a whole
    number, or a list of them for keys with several parts (lamp: [percent, minutes]), within the schema's limits.

    Raises CborError when the bytes are no command at all (nothing can be answered), CommandError when a key or
    value is not acceptable; then nothing of the command may be carried out.
    """
    item = loads(data)
    if not isinstance(item, list) or len(item) != 2:
        raise CborError("byte 0: a command is [seq, {key: value}]")
    seq, settings = item
    if not _whole(seq) or not 0 <= seq <= _MAX_SEQ:
        raise CborError("byte 1: seq is a whole number from 0 to %d" % _MAX_SEQ)
    if not isinstance(settings, dict):
        raise CborError("seq %d: settings must be a map" % seq)
    refusals = []
    pairs = []
    for key in settings:
        if not _whole(key) or not 0 <= key <= 23:
            raise CborError("seq %d: keys are whole numbers from 0 to 23" % seq)
        code = _check(key, settings[key], keys)
        if code:
            refusals.append((key, code))
        pairs.append((key, settings[key]))
    if refusals:
        refusals.sort()
        raise CommandError(seq, refusals)
    # A dict of MicroPython does not keep the order of insertion.
    pairs.sort(key=_key_of)
    return seq, pairs


def encode_command(seq: int, settings: dict, keys=None) -> bytes:
    """Host: build the bytes of a command from {key number: value}; raises as `decode_command` does."""
    data = dumps([seq, settings])
    decode_command(data, keys)
    return data


def encode_answer(seq: int, result, config_hash=None) -> bytes:
    """Build the bytes of an answer.

    `result` is 0 for "carried out", or a list of (key, code). `config_hash` (4 bytes), only with result 0, is the
    hash of the configuration now in force.
    """
    if result == 0:
        return dumps([seq, 0] if config_hash is None else [seq, 0, config_hash])
    return dumps([seq, [[key, code] for key, code in result]])


class Commands:
    """Carries out commands once, whole, and answers each.

    `apply(pairs)` gets the checked (key, value) pairs and must do all or nothing; it returns 0 when done, or a list
    of (key, code). What must happen after the answer is sent (reboot) is the caller's to arrange. `boots` is the
    boot counter that the status frame reports.
    """

    def __init__(self, apply, boots: int, keys=None, done: "list[tuple] | None" = None):
        self._apply = apply
        self._boots = boots
        self._keys = keys
        # (seq, command bytes, answer bytes), the oldest first. A caller who does not keep this object keeps the list.
        self._done: "list[tuple]" = [] if done is None else done

    def handle(self, data: bytes, config_hash=None) -> bytes:
        """Return the answer to send on FPort 31. Raises CborError when the downlink is no command.

        `config_hash()`, if given, is asked after a success, so that the answer carries the new hash.
        """
        data = bytes(data)
        refused = None
        try:
            seq, pairs = decode_command(data, self._keys)
        except CommandError as error:
            seq = error.seq
            refused = error.refusals
        for old_seq, old_data, answer in self._done:
            if old_seq == seq:
                if old_data == data:
                    return bytes(answer)
                # Saying "done" about a command that was never carried out would be a lie.
                return encode_answer(seq, [(0, SEQ_REUSED)])
        if refused is None:
            refused = self._guard(pairs) or self._apply(pairs)
        answer = encode_answer(seq, refused or 0, None if refused or config_hash is None else config_hash())
        self._done.append((seq, data, answer))
        if len(self._done) > REMEMBERED:
            self._done.pop(0)
        return answer

    def _guard(self, pairs):
        return [(key, WRONG_BOOT) for key, value in pairs if key in _BOOT_GUARDED and value != self._boots]


def _check(key, value, keys):
    """Return 0 or the code for what is wrong with this pair."""
    if keys is not None and key not in keys:
        return UNKNOWN_KEY
    for row in KEYS:
        if row[0] == key:
            # A row is (key, low, high, step) or, for a key with several parts, three numbers for each part.
            if len(row) == 4:
                return _check_number(row, 1, value)
            if not isinstance(value, list) or 3 * len(value) != len(row) - 1:
                return WRONG_TYPE
            for i in range(len(value)):
                code = _check_number(row, 1 + 3 * i, value[i])
                if code:
                    return code
            return 0
    return UNKNOWN_KEY


def _check_number(row, at, value):
    if not _whole(value):
        return WRONG_TYPE
    if not row[at] <= value <= row[at + 1]:
        return OUT_OF_RANGE
    return WRONG_STEP if (value - row[at]) % row[at + 2] else 0


def _whole(value):
    return isinstance(value, int) and value is not True and value is not False


def _key_of(pair):
    return pair[0]
