"""Reading a settings file into typed sections: every complaint with line and key, unknown keys refused with a hint."""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.errors import Problem, SettingsError
from gateway.setting_types import decode_hook
from gateway.toml_lines import line_of, locate

Whole = TypeVar("Whole")

_MOST_PROBLEMS = 50
_FILE_KEYS = ("password_file", "token_file", "ca", "cert", "key")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


def read_text(path: Path) -> str:
    """The text of a settings file. Raises SettingsError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(str(path), (Problem(0, "", f"cannot be read: {error.strerror}"),)) from None
    except UnicodeDecodeError:
        raise SettingsError(str(path), (Problem(0, "", "is no UTF-8 text"),)) from None


def document(text: str, path: Path) -> dict[str, Any]:
    """The TOML of a settings file that lies at `path`. Raises SettingsError."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r" \(at line (\d+)", str(error))
        line = int(place.group(1)) if place else text.count("\n") + 1
        message = re.sub(r" \(at [^)]*\)$", "", str(error)) or "nested too deeply"
        raise SettingsError(str(path), (Problem(line, "", message),)) from None


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


class Reader:
    """Turns a parsed document into sections and gathers problems on the way. `tables` and `arrays`: the type of each
    section by its name.
    """

    def __init__(self, text: str, tables: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._lines = locate(text)
        self._tables = tables
        self._arrays = arrays

    def sections(self, document: dict[str, Any]) -> dict[str, Any] | None:
        """The sections by name; None if one of them cannot be used."""
        values: dict[str, Any] = {}
        for name, content in document.items():
            if name in self._tables:
                values[name] = self._section((name,), content, self._tables[name])
            elif name in self._arrays:
                if not isinstance(content, list):
                    self.say((name,), f"is written [[{name}]], with two brackets")
                    continue
                values[name] = tuple(
                    self._section((name, index), element, self._arrays[name]) for index, element in enumerate(content)
                )
            else:
                self.say((name,), "unknown section" + _hint(name, [*self._tables, *self._arrays]))
        return None if self.problems else values

    def conclude(self, path: Path, settings: Whole | None) -> Whole:
        """The settings, if nothing is wrong with them. Raises SettingsError."""
        if self.problems or settings is None:
            problems = sorted(self.problems, key=lambda problem: problem.line)
            raise SettingsError(str(path), tuple(problems[:_MOST_PROBLEMS]))
        return settings

    def say(self, path: tuple[str | int, ...], message: str) -> None:
        """Note a problem at a key of the file."""
        self.problems.append(Problem(line_of(self._lines, path), _dotted(path), message))

    def _section(self, path: tuple[str | int, ...], content: Any, wanted: Any) -> Any:
        """Convert one table. After a problem the key is taken out and the rest judged again, to find all at once."""
        content = copy.deepcopy(content)
        removed: set[str] = set()
        while len(self.problems) < _MOST_PROBLEMS:
            try:
                return msgspec.convert(content, wanted, dec_hook=decode_hook)
            except msgspec.ValidationError as error:
                message, _, tail = str(error).partition(" - at `")
                key, message = self._explain(message, tail.removesuffix("`"), wanted, content)
                if key is None or key in removed:
                    if key is None or not message.startswith("missing"):
                        self.say(path, message)
                    return None
                self.say((*path, key) if message != "missing" else path, self._phrase(key, message))
                if message == "missing" or not isinstance(content, dict) or key not in content:
                    return None
                del content[key]
                removed.add(key)
        return None

    @staticmethod
    def _phrase(key: str, message: str) -> str:
        return f'key "{key}" is missing' if message == "missing" else message

    @staticmethod
    def _explain(message: str, where: str, wanted: Any, content: Any) -> tuple[str | None, str]:
        """Split msgspec's sentence into the key of this table and what is wrong with it."""
        if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
            return unknown.group(1), "unknown key" + _hint(unknown.group(1), _field_names(wanted, content))
        if missing := re.fullmatch(r"Object missing required field `(.*)`", message, re.DOTALL):
            return missing.group(1), "missing"
        if message.startswith("Invalid value") and where == "$.type":
            return "type", f"{message}; known are {', '.join(sorted(_tags(wanted)))}"
        top = re.match(r"\$\.([A-Za-z0-9_]+)", where)
        return (top.group(1) if top else None), message

    def judge_files(self, resolve: Callable[[str], Path], place: tuple[str | int, ...], part: Any) -> None:
        """Whether the files that a section names exist, and certificates have keys."""
        for key in _FILE_KEYS:
            name = getattr(part, key, "")
            if name and (trouble := _trouble(resolve(name))):
                self.say((*place, key), f"{trouble}: {resolve(name)}")
        if bool(getattr(part, "cert", "")) != bool(getattr(part, "key", "")):
            self.say((*place, "cert"), "cert and key belong together")


def _trouble(path: Path) -> str:
    """Why a file that is named cannot be used; "" if it can."""
    try:
        if not path.is_file():
            return "no such file"
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    # An empty token would let everybody in.
    return "" if content.strip() else "is empty"


def _tags(wanted: Any) -> dict[str, Any]:
    """The kinds of a section that has several, by the word in `type`."""
    return {one.__struct_config__.tag: one for one in getattr(wanted, "__args__", ())}


def _field_names(wanted: Any, content: Any) -> list[str]:
    """The keys of a section, of the kind it says it is."""
    kinds = _tags(wanted)
    if not kinds:
        return list(wanted.__struct_fields__)
    kind = kinds.get(str(content.get("type"))) if isinstance(content, dict) else None
    types = kinds.values() if kind is None else (kind,)
    return sorted({"type", *(name for one in types for name in one.__struct_fields__)})


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
