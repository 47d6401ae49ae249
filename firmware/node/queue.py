"""Reports in flash: a ring of 576 that survives a power cut at any write.

    /queue/<n>      segment n: 64 records of 64 bytes, one flash block; records are only ever appended
    /queue/marks    one bit a record: sent. 74 bytes, rewritten in place

A record has a number that counts on for ever: number = 64 * segment + place. Nine segments are kept, the oldest goes
when a tenth begins. So the ring holds at least 512 records (profiles, rules common to all).

What a cut can do, write by write:

* while a record is appended: littlefs shows the old length, or a full record. A record that is torn all the same
  (another file system, a worn cell) fails its CRC; it is dropped and counted in `torn`.
* between sending and marking: the report is sent once more. Twice is better than never.
* while marks are written: old marks or new ones.
* when a segment begins: the old one is removed and its marks are cleared first, so no new record looks sent.

With no room left in flash the oldest segment goes early; when that does not help, the newest report waits in memory.
"""

import struct

from firmware.lorawan.store import crc16

SEGMENT_RECORDS = 64
SEGMENTS = 9
RECORD_BYTES = 64
PAYLOAD_MAX = 51
"""Largest payload at the lowest data rates (RP002, EU868 DR0 to DR2)."""

_HEAD = ">BHI"  # payload bytes, boot counter, seconds since that boot
_HEAD_BYTES = 7
_MARKS = "marks"
_MARK_BYTES = SEGMENTS * SEGMENT_RECORDS // 8


class Entry:
    """One stored report: its number, `boot` and `taken_s` of the reading, and the encoded payload."""

    def __init__(self, number, boot, taken_s, payload):
        self.number = number
        self.boot = boot
        self.taken_s = taken_s
        self.payload = payload


def pack(boot, taken_s, payload):
    """A record: head, payload, filling, CRC-16 over all before it. ValueError for a payload beyond PAYLOAD_MAX."""
    if len(payload) > PAYLOAD_MAX:
        raise ValueError("payload of %d bytes" % len(payload))
    record = bytearray(RECORD_BYTES)
    record[:_HEAD_BYTES] = struct.pack(_HEAD, len(payload), boot, taken_s)
    record[_HEAD_BYTES : _HEAD_BYTES + len(payload)] = payload
    struct.pack_into(">H", record, RECORD_BYTES - 2, crc16(memoryview(record)[: RECORD_BYTES - 2]))
    return record


def unpack(number, record):
    """The `Entry` of a record, or None when it is damaged."""
    if len(record) != RECORD_BYTES or crc16(record):
        return None
    length, boot, taken_s = struct.unpack(_HEAD, record[:_HEAD_BYTES])
    if length > PAYLOAD_MAX:
        return None
    return Entry(number, boot, taken_s, bytes(record[_HEAD_BYTES : _HEAD_BYTES + length]))


class Queue:
    """The ring in `files` (a `files.Directory`). Call `open()` first; nothing but ValueError is ever raised.

    `torn`: damaged records met since the start; `dropped`: reports overwritten or lost unsent; `pending`: unsent ones.
    """

    def __init__(self, files):
        self._files = files
        self._marks = bytearray(_MARK_BYTES)
        self._first = 0  # oldest segment kept
        self._next = 0  # number of the next record
        self._unsaved = None  # the newest report, when flash refuses it
        self.pending = 0
        self.torn = 0
        self.dropped = 0

    def open(self):
        """Find out what the flash holds."""
        self._load_marks()
        segments = self._segments()
        if segments:
            self._first = segments[0]
            for segment in range(segments[0], segments[-1] + 1):
                self._measure(segment, last=segment == segments[-1])
        self._count_pending()

    def _measure(self, segment, last):
        """How many records a segment holds. Numbers that were never given count as sent."""
        try:
            full, rest = divmod(self._files.size(str(segment)), RECORD_BYTES)
        except OSError:
            full, rest = 0, 0
        if rest:
            self.torn += 1
        if last and not rest:
            self._next = segment * SEGMENT_RECORDS + full
            return
        # Nothing is ever appended behind a torn record: its segment stays as it is, the next one begins.
        self._next = (segment + 1) * SEGMENT_RECORDS
        for number in range(segment * SEGMENT_RECORDS + full, self._next):
            self._mark(number)

    def _segments(self):
        """Numbers of the segments in flash, the oldest first; what does not belong to the ring is removed."""
        try:
            found = sorted(int(name) for name in self._files.names() if name.isdigit())
            while found and found[0] <= found[-1] - SEGMENTS:  # cut between making one and removing another
                self._files.remove(str(found.pop(0)))
        except OSError:
            return []
        return found

    def _load_marks(self):
        try:
            stored = self._files.read(_MARKS, 0, _MARK_BYTES + 2)
        except OSError:
            return
        if len(stored) == _MARK_BYTES + 2 and not crc16(stored):
            self._marks[:] = stored[:_MARK_BYTES]

    def _save_marks(self):
        crc = crc16(self._marks)
        try:
            self._files.write(_MARKS, bytes(self._marks) + bytes((crc >> 8, crc & 0xFF)))
        except OSError:
            pass  # the marks in memory hold; after a reset a few reports are sent once more

    def _count_pending(self):
        self.pending = 0
        for number in range(self._first * SEGMENT_RECORDS, self._next):
            if not self._is_sent(number):
                self.pending += 1

    def _is_sent(self, number):
        place = number % (_MARK_BYTES * 8)
        return self._marks[place >> 3] >> (place & 7) & 1

    def _mark(self, number):
        place = number % (_MARK_BYTES * 8)
        self._marks[place >> 3] |= 1 << (place & 7)

    # -- writing

    def append(self, boot, taken_s, payload):
        """Keep a report; True when it is in flash, False when it only waits in memory."""
        record = pack(boot, taken_s, payload)
        while True:
            try:
                if self._next % SEGMENT_RECORDS == 0:
                    self._begin(self._next // SEGMENT_RECORDS)
                self._files.append(str(self._next // SEGMENT_RECORDS), record)
            except OSError:
                if self._drop_oldest():
                    continue
                self._keep_unsaved(boot, taken_s, payload)
                return False
            self._next += 1
            self.pending += 1
            return True

    def _begin(self, segment):
        while segment - self._first >= SEGMENTS:
            self._remove(self._first)
        start = (segment % SEGMENTS) * SEGMENT_RECORDS // 8
        if any(self._marks[start : start + SEGMENT_RECORDS // 8]):
            for place in range(start, start + SEGMENT_RECORDS // 8):
                self._marks[place] = 0
            self._save_marks()

    def _remove(self, segment):
        """Take the oldest segment out of the ring; its unsent reports are lost."""
        for number in range(segment * SEGMENT_RECORDS, min(self._next, (segment + 1) * SEGMENT_RECORDS)):
            if not self._is_sent(number):
                self.dropped += 1
                self.pending -= 1
        self._first = segment + 1
        try:
            self._files.remove(str(segment))
        except OSError:
            pass  # gone already, or refused: it is no part of the ring any more

    def _drop_oldest(self):
        """Make room by the oldest segment; False when only the present one is left."""
        if self._first >= self._next // SEGMENT_RECORDS:
            return False
        self._remove(self._first)
        return True

    def _keep_unsaved(self, boot, taken_s, payload):
        if self._unsaved is not None:
            self.dropped += 1
        else:
            self.pending += 1
        self._unsaved = Entry(-1, boot, taken_s, bytes(payload))

    # -- reading

    def newest(self):
        """The newest unsent `Entry`, or None."""
        if self._unsaved is not None:
            return self._unsaved
        number = self._next - 1
        while self.pending > 0 and number >= self._first * SEGMENT_RECORDS:
            if not self._is_sent(number):
                entry = self._read(number)
                if entry is not None:
                    return entry
                self.torn += 1
                self.pending -= 1
                self._mark(number)
            number -= 1
        return None

    def _read(self, number):
        segment, place = divmod(number, SEGMENT_RECORDS)
        try:
            return unpack(number, self._files.read(str(segment), place * RECORD_BYTES, RECORD_BYTES))
        except OSError:
            return None

    def sent(self, entry):
        """`entry` has been delivered: forget it."""
        if entry is self._unsaved:
            self._unsaved = None
        else:
            self._mark(entry.number)
            self._save_marks()
        self.pending -= 1
