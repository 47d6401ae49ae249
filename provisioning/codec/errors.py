"""Errors of the generator.

CodecError
    ProfileError    a TOML file says something that cannot work
    OutOfDate       a generated file differs from what the profiles say
"""

from pathlib import Path


class CodecError(Exception):
    """Base of the generator's errors."""


class ProfileError(CodecError):
    """Raised by the loader. What to do: correct `field` of `file` as `reason` says."""

    def __init__(self, file: Path, field: str, reason: str) -> None:
        super().__init__(f"{file.name}: {field}: {reason}")
        self.file = file
        self.field = field
        self.reason = reason


class OutOfDate(CodecError):
    """Raised by `check`. What to do: run `spatz payload build` and commit the result."""

    def __init__(self, files: list[str]) -> None:
        super().__init__("generated files are out of date, run `spatz payload build`: " + ", ".join(files))
        self.files = files
