"""ESP-IDF's non-volatile storage in the unit's flash: what `esp32.NVS` reads is what a flasher wrote there.

Pages of 4096 bytes: header, bitmap of entry states, 126 entries of 32 bytes. Source: ESP-IDF documentation "NVS
internals" and nvs_page.hpp, version 2 pages; only what MicroPython uses: i32 and blobs, no encryption.
A commit rewrites the whole partition; ESP-IDF appends and wears the flash evenly, which no reader can tell. It also
finds its way back from a power cut in the middle ("NVS internals": the old value goes when the new one is complete), so
here a cut commit has happened or it has not.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from bench.boards.bus import Answer, Request
from bench.boards.flash import Flash
from bench.overlay import bench_ops as ops

PAGE_BYTES, ENTRY_BYTES, ENTRIES = 4096, 32, 126
HEADER_BYTES = 32
ACTIVE, FULL = 0xFFFFFFFE, 0xFFFFFFFC
VERSION_2 = 0xFE
WRITTEN = 0b10
U8, I32, BLOB, BLOB_DATA, BLOB_INDEX = 0x01, 0x14, 0x41, 0x42, 0x48
WHOLE = 0xFF  # chunk index of what is not a chunk
MAX_NAMESPACES = 254

Key = tuple[bytes, bytes]
"""Namespace and key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One written entry with the data that follows it."""

    namespace: int
    kind: int
    chunk: int
    key: bytes
    data: bytes
    """The eight data bytes of a number, or the content of a chunk."""


class Nvs:
    """The NVS partition of one unit. Values live in memory from the first use to the commit or reset."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        self._values: dict[Key, tuple[int, bytes]] | None = None
        self._cut_at = 0
        self._cut_keeps = False
        self.cut = False
        """The power fails in the commit that was just served."""

    def cut_at_commit(self, k: int, *, keeps: bool) -> None:
        """Let the power fail in the k-th commit from now, before it took effect or, if it `keeps`, after it."""
        self._cut_at, self._cut_keeps, self.cut = k, keeps, False

    def forget(self) -> None:
        """Reset: what was not committed is lost."""
        self._values = None

    def serve(self, request: Request) -> Answer:
        """NVS_GET, NVS_SET, NVS_ERASE, NVS_COMMIT."""
        if self._values is None:
            layout = self._flash.layout
            self._values = parse(self._flash.read(layout.nvs_offset, layout.nvs_bytes))
        values = self._values
        if request.op == ops.NVS_COMMIT:
            self._cut_at -= 1
            self.cut = self._cut_at == 0
            return self._commit(values) if not self.cut or self._cut_keeps else Answer()
        namespace, key, *rest = request.data.split(b"\0", 2)
        place = (namespace, key)
        if request.op == ops.NVS_SET:
            values[place] = (request.a, rest[0])
        elif request.op == ops.NVS_ERASE:
            return Answer(status=ops.OK if values.pop(place, None) else ops.ABSENT)
        else:
            kind, value = values.get(place, (None, b""))
            return Answer(data=value) if kind == request.a else Answer(status=ops.ABSENT)
        return Answer()

    def _commit(self, values: dict[Key, tuple[int, bytes]]) -> Answer:
        layout = self._flash.layout
        try:
            image = build(values, layout.nvs_bytes)
        except ValueError:
            return Answer(status=ops.FULL)
        self._flash.write(layout.nvs_offset, image)
        return Answer()


def parse(partition: bytes) -> dict[Key, tuple[int, bytes]]:
    """(namespace, key) to (type: I32 or BLOB_DATA, value). Torn and erased entries are left out."""
    names: dict[int, bytes] = {}
    values: dict[Key, tuple[int, bytes]] = {}
    chunks: dict[tuple[int, bytes], dict[int, bytes]] = {}
    entries = [entry for page in _pages(partition) for entry in _entries(page)]
    for entry in entries:
        if entry.namespace == 0 and entry.kind == U8:
            names[entry.data[0]] = entry.key
        elif entry.kind == BLOB_DATA:
            chunks.setdefault((entry.namespace, entry.key), {})[entry.chunk] = entry.data
    for entry in entries:
        place = (names.get(entry.namespace, b""), entry.key)
        if entry.kind == I32:
            values[place] = (I32, entry.data[:4])
        elif entry.kind == BLOB:
            values[place] = (BLOB_DATA, entry.data)
        elif entry.kind == BLOB_INDEX:
            size, count, start = struct.unpack_from("<IBB", entry.data)
            parts = chunks.get((entry.namespace, entry.key), {})
            blob = b"".join(parts.get(start + i, b"") for i in range(count))
            if len(blob) == size:
                values[place] = (BLOB_DATA, blob)
    return values


def build(values: dict[Key, tuple[int, bytes]], size: int) -> bytes:
    """A fresh partition of `size` bytes with these values; ValueError when they do not fit (one page stays free)."""
    namespaces = sorted({namespace for namespace, _ in values})
    if len(namespaces) > MAX_NAMESPACES:
        raise ValueError("too many namespaces")
    groups = [[_entry(0, U8, 1, WHOLE, name, bytes((i + 1,)) + b"\xff" * 7)] for i, name in enumerate(namespaces)]
    for (namespace, key), (kind, value) in sorted(values.items()):
        number = namespaces.index(namespace) + 1
        if kind == I32:
            groups.append([_entry(number, I32, 1, WHOLE, key, value + b"\xff" * 4)])
        else:
            groups += _blob(number, key, value)
    pages: list[list[bytes]] = [[]]
    for group in groups:
        if len(pages[-1]) + len(group) > ENTRIES:
            pages.append([])
        pages[-1] += group
    if len(pages) >= size // PAGE_BYTES:
        raise ValueError("the partition is full")
    image = b"".join(_page(i, page, i == len(pages) - 1) for i, page in enumerate(pages))
    return image.ljust(size, b"\xff")


def _blob(namespace: int, key: bytes, value: bytes) -> list[list[bytes]]:
    """A blob: chunks of at most a page, then their index."""
    room = (ENTRIES - 1) * ENTRY_BYTES
    parts = [value[i : i + room] for i in range(0, len(value), room)] or [b""]
    groups = []
    for number, part in enumerate(parts):
        span = 1 + -(-len(part) // ENTRY_BYTES)
        head = struct.pack("<HHI", len(part), 0xFFFF, _crc(part))
        body = part.ljust((span - 1) * ENTRY_BYTES, b"\xff")
        rows = [body[i : i + ENTRY_BYTES] for i in range(0, len(body), ENTRY_BYTES)]
        groups.append([_entry(namespace, BLOB_DATA, span, number, key, head), *rows])
    index = struct.pack("<IBBH", len(value), len(parts), 0, 0xFFFF)
    return [*groups, [_entry(namespace, BLOB_INDEX, 1, WHOLE, key, index)]]


def _entry(namespace: int, kind: int, span: int, chunk: int, key: bytes, data: bytes) -> bytes:
    head = struct.pack("<BBBB", namespace, kind, span, chunk)
    rest = key.ljust(16, b"\0") + data
    return head + struct.pack("<I", _crc(head + rest)) + rest


def _page(number: int, rows: list[bytes], last: bool) -> bytes:
    head = struct.pack("<IB", number, VERSION_2) + b"\xff" * 19
    states = int.from_bytes(b"\xff" * 32, "little")
    for i in range(len(rows)):
        states &= ~(0b11 << 2 * i) | WRITTEN << 2 * i
    header = struct.pack("<I", ACTIVE if last else FULL) + head + struct.pack("<I", _crc(head))
    return (header + states.to_bytes(32, "little") + b"".join(rows)).ljust(PAGE_BYTES, b"\xff")


def _pages(partition: bytes) -> list[bytes]:
    """Pages in the order of their sequence numbers."""
    pages = [partition[i : i + PAGE_BYTES] for i in range(0, len(partition), PAGE_BYTES)]
    used = [page for page in pages if struct.unpack_from("<I", page)[0] in (ACTIVE, FULL)]
    return sorted(used, key=lambda page: int(struct.unpack_from("<I", page, 4)[0]))


def _entries(page: bytes) -> list[Entry]:
    states = int.from_bytes(page[HEADER_BYTES : HEADER_BYTES + 32], "little")
    found = []
    i = 0
    while i < ENTRIES:
        at = HEADER_BYTES + 32 + i * ENTRY_BYTES
        row = page[at : at + ENTRY_BYTES]
        namespace, kind, span, chunk, crc = struct.unpack_from("<BBBBI", row)
        if states >> 2 * i & 0b11 != WRITTEN or crc != _crc(row[:4] + row[8:]):
            i += 1
            continue
        data = row[24:]
        if kind in (BLOB, BLOB_DATA):
            (size,) = struct.unpack_from("<H", data)
            data = page[at + ENTRY_BYTES : at + ENTRY_BYTES + size]
        found.append(Entry(namespace, kind, chunk, row[8:24].rstrip(b"\0"), data))
        i += max(1, span)
    return found


def _crc(data: bytes) -> int:
    """zlib's CRC-32 with start value 0xFFFFFFFF (ESP-IDF esp_rom_crc32_le)."""
    return zlib.crc32(data, 0xFFFFFFFF)
