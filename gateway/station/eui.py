"""Identifiers as Basics Station writes them: ID6 ("::1", "a:b:c:d"), EUI with dashes, or a plain integer."""

from __future__ import annotations

import re

from gateway.errors import BadFrame

_DASHED = re.compile(r"[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){7}")
_PLAIN = re.compile(r"[0-9a-fA-F]{16}")


def read_eui(value: object) -> int:
    """Any of the forms to the identifier as an integer in printed order. Raises BadFrame `eui`."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return value
    if isinstance(value, str) and len(value) <= 40:
        text = value.removeprefix("router-")
        if _DASHED.fullmatch(text):
            return int(text.replace("-", ""), 16)
        if _PLAIN.fullmatch(text):
            return int(text, 16)
        if ":" in text:
            return _read_id6(text)
    raise BadFrame("eui")


def _read_id6(text: str) -> int:
    """Four groups of 16 bits; one "::" stands for groups of zero, as in IPv6."""
    head, double, tail = text.partition("::")
    before = [group for group in head.split(":") if group] if head else []
    after = [group for group in tail.split(":") if group] if tail else []
    missing = 4 - len(before) - len(after)
    if (missing != 0 and not double) or missing < 0:
        raise BadFrame("eui")
    value = 0
    for group in [*before, *["0"] * missing, *after]:
        if not re.fullmatch(r"[0-9a-fA-F]{1,4}", group):
            raise BadFrame("eui")
        value = value << 16 | int(group, 16)
    return value


def write_id6(value: int) -> str:
    """ID6 without abbreviation of groups: "a:b:c:d"."""
    return ":".join(f"{value >> shift & 0xFFFF:x}" for shift in (48, 32, 16, 0))


def write_dashed(value: int) -> str:
    """ "aa-bb-cc-dd-ee-ff-00-11"."""
    return value.to_bytes(8, "big").hex("-")
