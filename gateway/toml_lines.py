"""Finds the line of every key in a TOML text, so that a complaint about a value can name its place.

`tomllib` gives values without positions. This scanner runs only over text that `tomllib` has accepted; it need not
judge, only follow table headers and keys at the start of lines, and skip values that span lines.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)$"""
)
_TEXT = re.compile(r'"""(?:.|\n)*?"""|\'\'\'(?:.|\n)*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*')

Path = tuple[str | int, ...]


def _names(dotted: str) -> tuple[str, ...]:
    parts = re.findall(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""", dotted)
    return tuple(part.strip("\"'") for part in parts)


def locate(text: str) -> dict[Path, int]:
    """Map paths like ("source", 0, "bind") to line numbers from 1. Tables map to the line of their header."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    depth = 0
    # Blank out texts and comments but keep their line breaks: brackets and '=' in them mean nothing.
    bare = _TEXT.sub(lambda match: '"' + "\n" * match.group().count("\n") + '"', text)
    originals = text.splitlines()
    for number, content in enumerate(bare.splitlines(), start=1):
        line = content
        if depth == 0 and (header := _HEADER.match(originals[number - 1])):
            table = _enter(header, counts)
            lines[table] = number
            continue
        key = _KEY.match(originals[number - 1]) if depth == 0 else None
        if key:
            lines.setdefault((*table, *_names(key.group(1))), number)
            line = line.split("=", 1)[1] if "=" in line else line
        depth = max(0, depth + sum(line.count(c) for c in "[{") - sum(line.count(c) for c in "]}"))
    return lines


def _enter(header: re.Match[str], counts: dict[Path, int]) -> Path:
    """Follow a table header; array tables get the number of their element."""
    table: Path = ()
    names = _names(header.group(2))
    for index, name in enumerate(names):
        table = (*table, name)
        if index == len(names) - 1 and header.group(1) == "[[":
            counts[table] = counts.get(table, -1) + 1
        if table in counts:
            table = (*table, counts[table])
    return table


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest table around it; 0 if nothing of it is written down."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0
