"""Reading one TOML table so that every refusal can name file, field and reason."""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from provisioning.codec.errors import ProfileError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*\Z")
_LANGUAGES = ("de", "en")


class Table:
    """One TOML table; remembers where it stands, so that every refusal can say so."""

    def __init__(self, file: Path, where: str, data: Any) -> None:
        self.file = file
        self.where = where
        if not isinstance(data, dict):
            self.fail("must be a table", where)
        self.data: dict[str, Any] = dict(data)

    def fail(self, reason: str, key: str = "") -> Any:
        """Refuse `key` of this table, or the table itself. Never returns; Any lets it stand where a value would."""
        place = key if not self.where or key == self.where else f"{self.where}.{key}" if key else self.where
        raise ProfileError(self.file, place, reason)

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """Take `key` out of the table; a wrong type or a missing key without default is refused."""
        if key not in self.data:
            if default is ...:
                self.fail("is missing", key)
            return default
        value = self.data.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            self.fail(f"must be {names}, not {value!r}", key)
        return value

    def number(self, key: str, default: Any = ...) -> Fraction:
        """Take a number exactly as it is written."""
        if key not in self.data and default is not ...:
            return Fraction(default)
        return Fraction(self.take(key, (int, Decimal)))

    def range(self, key: str, default: tuple[Fraction, Fraction] | None = None) -> tuple[Fraction, Fraction]:
        """Take [low, high]."""
        if key not in self.data and default is not None:
            return default
        pair = self.take(key, list)
        if len(pair) != 2 or not all(isinstance(n, (int, Decimal)) and not isinstance(n, bool) for n in pair):
            self.fail("must be two numbers, [low, high]", key)
        low, high = (Fraction(n) for n in pair)
        if low > high:
            self.fail(f"low {pair[0]} is above high {pair[1]}", key)
        return low, high

    def texts(self, key: str) -> Mapping[str, str]:
        """Take {de = "...", en = "..."}; both languages are needed."""
        value = self.take(key, dict)
        for language in _LANGUAGES:
            if not isinstance(value.get(language), str) or not value[language]:
                self.fail(f"needs a text in {' and '.join(_LANGUAGES)}", key)
        return dict(value)

    def tables(self, key: str) -> list["Table"]:
        """Take an array of tables."""
        items = self.take(key, list, [])
        return [Table(self.file, f"{key}[{i}]", item) for i, item in enumerate(items)]

    def name(self) -> str:
        """Take the name of this entry and use it in later refusals."""
        name = self.take("name", str)
        if not _NAME.match(name):
            self.fail(f"{name!r} is not lower-case letters, digits, - and _", "name")
        if self.where:
            self.where = f"{self.where.partition('[')[0]} {name}"
        return str(name)

    def done(self) -> None:
        """Refuse what nobody asked for: most often a typing error."""
        if self.data:
            self.fail("is not known here", sorted(self.data)[0])


def read(file: Path) -> Table:
    """Read a whole file as a table; what is no TOML is refused as the field `file`."""
    try:
        return Table(file, "", tomllib.loads(file.read_text("utf-8"), parse_float=Decimal))
    except FileNotFoundError:
        raise ProfileError(file, "file", "is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(file, "file", f"is not TOML: {error}") from None
