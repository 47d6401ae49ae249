"""The ring of reports: order, bounds, and every power cut on a real littlefs image."""

from __future__ import annotations

import littlefs
import pytest

from firmware.node.files import Directory
from firmware.node.queue import PAYLOAD_MAX, RECORD_BYTES, SEGMENT_RECORDS, SEGMENTS, Queue

BLOCK_BYTES = 4096
BLOCKS = 64


class Flash(littlefs.UserContext):
    """A flash chip. While `cuts` is a list, each program operation leaves in it the image that a power cut in its
    middle would leave, and what `state()` says at that moment."""

    def __init__(self, image=None):
        super().__init__(BLOCK_BYTES * BLOCKS)
        if image is not None:
            self.buffer[:] = image
        self.cuts = None
        self.state = None

    def prog(self, cfg, block, off, data):
        if self.cuts is not None:
            torn = bytearray(self.buffer)
            start = block * BLOCK_BYTES + off
            torn[start : start + len(data) // 2] = data[: len(data) // 2]
            self.cuts.append((bytes(torn), self.state()))
        return super().prog(cfg, block, off, data)


def mounted(flash, fresh):
    settings = {"block_size": BLOCK_BYTES, "block_count": BLOCKS, "prog_size": 32, "read_size": 32}
    system = littlefs.LittleFS(context=flash, mount=False, **settings)
    if fresh:
        system.format()
    system.mount()
    return system


class LittlefsDirectory:
    """`files.Directory` on an image."""

    def __init__(self, flash, fresh=False):
        self._system = mounted(flash, fresh)

    def names(self):
        return self._guarded(lambda: self._system.listdir("/"))

    def size(self, name):
        return self._guarded(lambda: self._system.stat("/" + name).size)

    def read(self, name, offset, count):
        def read():
            with self._system.open("/" + name, "rb") as file:
                file.seek(offset)
                return file.read(count)

        return self._guarded(read)

    def append(self, name, data):
        # "ab" of littlefs-python does not create a file, that of MicroPython does (extmod/vfs_lfsx_file.c).
        self._write(name, "ab" if name in self.names() else "wb", data)

    def write(self, name, data):
        self._write(name, "wb", data)

    def remove(self, name):
        self._guarded(lambda: self._system.remove("/" + name))

    def _write(self, name, mode, data):
        def write():
            file = self._system.open("/" + name, mode)
            file.write(data)
            file.close()

        self._guarded(write)

    @staticmethod
    def _guarded(action):
        try:
            return action()
        except littlefs.LittleFSError as error:
            raise OSError(-error.code) from error


class MemoryDirectory:
    """`files.Directory` without flash; `room` bytes, then ENOSPC."""

    def __init__(self, room=1 << 20):
        self.contents = {}
        self.room = room

    def names(self):
        return list(self.contents)

    def size(self, name):
        if name not in self.contents:
            raise OSError(2)
        return len(self.contents[name])

    def read(self, name, offset, count):
        if name not in self.contents:
            raise OSError(2)
        return self.contents[name][offset : offset + count]

    def append(self, name, data):
        self._put(name, self.contents.get(name, b"") + data)

    def write(self, name, data):
        self._put(name, bytes(data))

    def remove(self, name):
        if name not in self.contents:
            raise OSError(2)
        del self.contents[name]

    def _put(self, name, data):
        others = sum(len(content) for other, content in self.contents.items() if other != name)
        if others + len(data) > self.room:
            raise OSError(28)
        self.contents[name] = data


def opened(files):
    queue = Queue(files)
    queue.open()
    return queue


def drained(queue):
    payloads = []
    while (entry := queue.newest()) is not None:
        payloads.append(entry.payload)
        queue.sent(entry)
    return payloads


def report(number):
    return b"\x84" + number.to_bytes(2, "big")


def test_newest_report_goes_first():
    queue = opened(MemoryDirectory())
    for number in range(5):
        queue.append(1, number, report(number))

    assert drained(queue) == [report(number) for number in (4, 3, 2, 1, 0)]
    assert queue.pending == 0


def test_entry_keeps_boot_time_and_payload():
    queue = opened(MemoryDirectory())
    queue.append(513, 70_000, bytes(PAYLOAD_MAX))

    entry = queue.newest()

    assert (entry.boot, entry.taken_s, entry.payload) == (513, 70_000, bytes(PAYLOAD_MAX))


def test_reports_and_marks_survive_a_reset():
    files = MemoryDirectory()
    queue = opened(files)
    for number in range(200):
        queue.append(1, number, report(number))
        if number % 3:
            queue.sent(queue.newest())

    after = opened(files)

    assert after.pending == 67
    assert drained(after) == [report(number) for number in range(198, -1, -3)]


def test_ring_keeps_at_least_512_and_counts_what_it_drops():
    files = MemoryDirectory()
    queue = opened(files)
    for number in range(1000):
        queue.append(1, number, report(number))

    kept = drained(opened(files))

    assert len(kept) >= 512
    assert kept == [report(number) for number in range(999, 999 - len(kept), -1)]
    assert queue.dropped == 1000 - len(kept)
    assert len(files.contents) <= SEGMENTS + 1


def test_sent_reports_are_not_counted_as_dropped():
    queue = opened(MemoryDirectory())
    for number in range(1000):
        queue.append(1, number, report(number))
        queue.sent(queue.newest())

    assert queue.dropped == 0
    assert queue.newest() is None


def test_torn_record_is_dropped_and_told():
    files = MemoryDirectory()
    queue = opened(files)
    for number in range(3):
        queue.append(1, number, report(number))
    files.contents["0"] = files.contents["0"][: 2 * RECORD_BYTES + 9]

    after = opened(files)
    after.append(2, 9, report(9))

    assert after.torn == 1
    assert drained(after) == [report(9), report(1), report(0)]
    assert drained(opened(files)) == []


def test_damaged_record_is_dropped_and_told():
    files = MemoryDirectory()
    queue = opened(files)
    for number in range(3):
        queue.append(1, number, report(number))
    damaged = bytearray(files.contents["0"])
    damaged[RECORD_BYTES + 8] ^= 0x10
    files.contents["0"] = bytes(damaged)
    after = opened(files)

    assert drained(after) == [report(2), report(0)]
    assert after.torn == 1
    assert after.pending == 0


def test_lost_marks_mean_that_all_is_sent_again():
    files = MemoryDirectory()
    queue = opened(files)
    for number in range(4):
        queue.append(1, number, report(number))
        queue.sent(queue.newest())
    files.contents["marks"] = b"rubbish"

    assert len(drained(opened(files))) == 4


def test_full_flash_drops_the_oldest_segment():
    files = MemoryDirectory(room=3 * SEGMENT_RECORDS * RECORD_BYTES + 200)
    queue = opened(files)
    for number in range(5 * SEGMENT_RECORDS):
        assert queue.append(1, number, report(number))

    kept = drained(queue)

    assert kept[0] == report(5 * SEGMENT_RECORDS - 1)
    assert len(kept) >= 2 * SEGMENT_RECORDS
    assert queue.dropped == 5 * SEGMENT_RECORDS - len(kept)


def test_flash_without_any_room_keeps_the_newest_report_in_memory():
    queue = opened(MemoryDirectory(room=0))
    assert not queue.append(1, 1, report(1))
    assert not queue.append(1, 2, report(2))

    assert queue.pending == 1
    assert queue.dropped == 1
    assert drained(queue) == [report(2)]
    assert queue.pending == 0


def test_unusable_directory_does_not_stop_the_queue():
    class Broken:
        def __getattr__(self, name):
            def refuse(*_):
                raise OSError(5)

            return refuse

    queue = opened(Broken())
    queue.append(1, 1, report(1))

    assert drained(queue) == [report(1)]


def test_directory_on_a_real_file_system(tmp_path):
    files = Directory(str(tmp_path / "queue"))
    queue = opened(files)
    for number in range(70):
        queue.append(1, number, report(number))
    queue.sent(queue.newest())

    assert drained(opened(Directory(str(tmp_path / "queue")))) == [report(number) for number in range(68, -1, -1)]


@pytest.mark.parametrize("first", [0, SEGMENT_RECORDS - 4, SEGMENTS * SEGMENT_RECORDS - 4])
def test_power_cut_at_every_write_loses_nothing_that_was_kept(first):
    """Start of the ring, a change of segment, and the removal of the oldest one: eight reports over each."""
    flash = Flash()
    queue = opened(LittlefsDirectory(flash, fresh=True))
    for number in range(first):
        queue.append(1, number, report(number))
    drained(queue)
    kept, delivered, marked = set(), set(), set()
    flash.cuts, flash.state = [], lambda: (set(kept), set(delivered), set(marked))

    for number in range(first, first + 8):
        assert queue.append(1, number, report(number))
        kept.add(number)
        if number % 2:
            entry = queue.newest()
            delivered.add(number)
            queue.sent(entry)
            marked.add(number)

    assert len(flash.cuts) > 20
    for image, (kept_then, delivered_then, marked_then) in flash.cuts:
        after = opened(LittlefsDirectory(Flash(image)))
        pending = [int.from_bytes(payload[1:], "big") for payload in drained(after)]
        assert after.torn == 0
        assert len(pending) == len(set(pending))
        # What was under way may be there or not, and what was being marked may come once more; nothing else.
        assert kept_then - delivered_then <= set(pending)
        assert not set(pending) & marked_then
        assert set(pending) - kept_then <= {max(kept_then, default=first - 1) + 1}
