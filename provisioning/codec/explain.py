"""A frame taken apart byte by byte, for the documentation and for `spatz payload decode --bytes`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from firmware.payload.report import Catalog

_SIMPLE = {0xF4: "false", 0xF5: "true", 0xF6: "null"}


@dataclass(frozen=True)
class Piece:
    """Some bytes of a frame: what stands there, and the value that decoders give for it."""

    hex: str
    name: str
    value: Any


def explain(catalog: Catalog, fport: int, data: bytes) -> list[Piece]:
    """Take a frame apart; raises what `Catalog.decode` raises."""
    report = catalog.decode(fport, data)
    about = report.about
    pieces = [Piece(data[: _head(data, 0)].hex(), "head", _container(data))]
    items = list(_items(data, _head(data, 0)))
    if about["layout"] == "answer":
        names = ["seq", "result", "config"]
        pieces += [Piece(item.hex(), name, report.get(name)) for item, name in zip(items, names, strict=False)]
    elif about["layout"] == "map":
        fields = {field["key"]: field["name"] for field in about["fields"]}
        for key, value in zip(items[::2], items[1::2], strict=True):
            name = fields.get(key[0], "unknown")
            shown = report.flag_words if name == "flags" else report.get(name)
            pieces.append(Piece(f"{key.hex()} {value.hex()}", name, shown))
    else:
        names = [field["name"] for field in about["fields"]]
        names.insert(about["base"], "flags")
        for i, item in enumerate(items):
            name = names[i] if i < len(names) else "unknown"
            pieces.append(Piece(item.hex(), name, report.flag_words if name == "flags" else report.get(name)))
    return pieces


def _container(data: bytes) -> str:
    count = data[0] & 31
    return f"map of {count}" if data[0] >> 5 == 5 else f"array of {count}"


def _head(data: bytes, at: int) -> int:
    """Length of the head at `at`; the data has been checked by the decoder."""
    info = data[at] & 31
    return 1 if info < 24 or data[at] in _SIMPLE else 1 + (1 << (info - 24))


def _items(data: bytes, at: int) -> Iterator[bytes]:
    while at < len(data):
        end = _end(data, at)
        yield data[at:end]
        at = end


def _end(data: bytes, at: int) -> int:
    """Position after the item at `at`."""
    major, head = data[at] >> 5, _head(data, at)
    info = data[at] & 31
    count = info if head == 1 else int.from_bytes(data[at + 1 : at + head], "big")
    at += head
    if major in (2, 3):
        return at + count
    if major in (4, 5):
        for _ in range(count * (major - 3)):
            at = _end(data, at)
    return at
