"""Keeps secrets out of everything that is printed or logged.

Two lines of defence. Values the tool itself holds at the moment are known exactly and are replaced in
every spelling they are likely to take. Text that comes from elsewhere (child processes, boards, servers,
log records of libraries) is also searched for what looks like a key.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
SHORTEST = 8

_TOKEN = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*")
# 16 bytes as text: plain hex, with separators, or as a list of numbers. Longer hex (SHA-256) is no key of ours.
_HEX_KEY = re.compile(
    r"(?i)(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])|(?<![0-9a-f])[0-9a-f]{2}(?:[:\- ][0-9a-f]{2}){15}(?![0-9a-f])"
)
_BYTE_LIST = re.compile(r"(?i)(?:\b(?:0x[0-9a-f]{1,2}|\d{1,3})\b\s*,\s*){15}\b(?:0x[0-9a-f]{1,2}|\d{1,3})\b")


class Redactor:
    """Knows the secrets in use and cleans text of them. Built once at the edge and handed down."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()

    def hide(self, secret: bytes | bytearray | str) -> None:
        """From now on no output holds this value, in any spelling of `spellings`.

        A value of less than 8 characters is left alone: taking it out would tear up innocent words, and the output.
        """
        if len(secret) >= SHORTEST:
            self._spellings.update(spellings(secret))

    def clean(self, text: str) -> str:
        """Text of our own: known secrets and bearer tokens are replaced, everything else stays."""
        lowered = text.lower()
        for spelling in self._spellings:
            if spelling.lower() in lowered:
                text = re.sub(re.escape(spelling), HIDDEN, text, flags=re.IGNORECASE)
                lowered = text.lower()
        return _TOKEN.sub(HIDDEN, text)

    def clean_foreign(self, text: str) -> str:
        """Text from elsewhere: whatever looks like a key is replaced too."""
        text = self.clean(text)
        return _BYTE_LIST.sub(HIDDEN, _HEX_KEY.sub(HIDDEN, text))


def spellings(secret: bytes | bytearray | str) -> Iterable[str]:
    """How a secret may appear in text: itself, hex (plain, separated), base64, C array, list, Python literal.

    Letter case is the searcher's business.
    """
    if isinstance(secret, str):
        yield secret
        secret = secret.encode()
    plain = bytes(secret)
    pairs = [f"{byte:02x}" for byte in plain]
    yield "".join(pairs)
    for separator in (":", "-", " "):
        yield separator.join(pairs)
    for separator in (", ", ","):
        yield separator.join(f"0x{pair}" for pair in pairs)
        yield separator.join(str(byte) for byte in plain)
    yield base64.b64encode(plain).decode().rstrip("=")
    yield base64.urlsafe_b64encode(plain).decode().rstrip("=")
    yield repr(plain)[2:-1]
    yield "".join(f"\\x{pair}" for pair in pairs)


class RedactingFormatter(logging.Formatter):
    """One JSON object a record, traceback included, cleaned as the very last thing: no argument escapes."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One cleaned line for one record."""
        line = {
            "at": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redactor.clean_foreign(super().format(record)),
        }
        return json.dumps(line, ensure_ascii=False)
