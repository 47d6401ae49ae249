"""What the tool says to people: three sentences a message, in English and German, kept in `messages.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LANGUAGES = ("de", "en")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, why, and what to do next."""

    what: str
    why: str
    next: str


@cache
def catalogue() -> dict[str, dict[str, list[str]]]:
    """The whole table: code -> language -> [what, why, next] for errors, [text] for short phrases."""
    return tomllib.loads(files("provisioning").joinpath("messages.toml").read_text("utf-8"))


def explain(code: str, fields: Mapping[str, object], language: str) -> Explanation:
    """The three sentences of an error in one language, with its fields filled in."""
    what, why, advice = (sentence.format(**fields) for sentence in catalogue()[code][language])
    return Explanation(what, why, advice)


def phrase(code: str, language: str, **fields: object) -> str:
    """A short phrase of the tool's own output, such as the line that says a step is done."""
    return catalogue()[code][language][0].format(**fields)


def language_of_locale() -> str:
    """`de` when the user's locale is German, else `en`. Reads LC_ALL, LC_MESSAGES, LANG, in this order."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return "de" if value.lower().startswith("de") else "en"
    return "en"
