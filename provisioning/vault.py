"""The vault: device keys at rest. One file, appended to, readable only with the passphrase.

    line 1   header: format, key derivation and its parameters, salt, and the data key (256 bit, random),
             sealed with the key derived from the passphrase
    line 2.. one secret each: device, field, time, mark, sealed value

Every value is sealed with AES-256-GCM under the data key and a fresh random 96-bit nonce; the clear part of the
line (format, device, field, time, mark) is authenticated with it, so that a record cannot be moved to another
device or field. A newer line for the same device and field replaces the older. `mark` is a keyed fingerprint
(HMAC-SHA256, 8 bytes) by which a key that is already in use is recognised without opening every record.

A line is complete when its newline is on the disk. A torn last line (power cut while appending) is dropped at
the next append; any other damage raises VaultDamaged. File 0600, directory 0700, fsync after each line.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from provisioning.errors import KeyRefused, VaultDamaged, VaultError, VaultExposed, WrongPassphrase

FORMAT = "spatz-vault/1"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 16
MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """What guessing one passphrase costs. Parameters as in RFC 9106 (Argon2id) and RFC 7914 (scrypt)."""

    argon2_memory_kib: int
    argon2_passes: int
    argon2_lanes: int
    scrypt_n: int


# RFC 9106 section 4, second recommended option (64 MiB, 3 passes, 4 lanes): about 0.3 s on a laptop.
# scrypt 2**17 is the OWASP figure, for an OpenSSL older than 3.2, which has no Argon2id.
STANDARD = Cost(argon2_memory_kib=64 * 1024, argon2_passes=3, argon2_lanes=4, scrypt_n=2**17)
# A stolen header must not be a way to make the tool eat all memory: about four times the standard.
MOST_MEMORY_KIB = 256 * 1024
MOST_PASSES = 16
MOST_SCRYPT_N = 2**19


def wipe(secret: bytearray) -> None:
    """Overwrite a secret in place. Copies that the interpreter made are beyond reach; there are few."""
    secret[:] = bytes(len(secret))


class Vault:
    """An open vault. Use `open_vault`; `close` (or leave the `with`) wipes the data key."""

    def __init__(self, path: Path, data_key: bytearray) -> None:
        self.path = path
        self._data_key = data_key
        self._records: dict[tuple[str, str], dict[str, str]] = {}
        self._marks: dict[str, tuple[str, str]] = {}
        self._read_to = 0
        self._lines = 0
        self._catch_up()

    def close(self) -> None:
        """Wipe the data key; the vault cannot be used any more."""
        wipe(self._data_key)

    def __enter__(self) -> Vault:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def has(self, device: str, field: str) -> bool:
        """True when a secret is kept for this device (DevEUI) and field (such as `app_key`)."""
        return (device, field) in self._records

    def entries(self) -> list[tuple[str, str, str]]:
        """(device, field, time of writing) of everything kept; no secret."""
        return [(device, field, record["at"]) for (device, field), record in sorted(self._records.items())]

    def mark(self, device: str, field: str) -> str:
        """The keyed fingerprint of a secret: the same value gives the same mark in this vault, and only in this one."""
        try:
            return self._records[device, field]["mark"]
        except KeyError:
            raise VaultError("vault-no-key", device=device, field=field) from None

    @contextmanager
    def secret(self, device: str, field: str) -> Iterator[bytearray]:
        """The secret, wiped when the block ends. KeyError when there is none; VaultDamaged when its seal is broken."""
        value = self._unseal(self._records[device, field])
        try:
            yield value
        finally:
            wipe(value)

    def put(self, device: str, field: str, value: bytes | bytearray) -> None:
        """Keep a secret; on return it is on the disk. KeyRefused when the same value is kept for another device."""
        mark = self._fingerprint(value)
        with self._locked() as handle:
            self._catch_up()
            owner = self._marks.get(mark)
            if owner is not None and owner[0] != device:
                raise KeyRefused("key-duplicate", device=device, owner=owner[0])
            clear = {
                "format": FORMAT,
                "device": device,
                "field": field,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "mark": mark,
            }
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = AESGCM(self._data_key).encrypt(nonce, value, _canonical(clear))
            line = {**clear, "nonce": _text(nonce), "sealed": _text(sealed)}
            _append(handle, self._read_to, json.dumps(line).encode() + b"\n")
            self._catch_up()

    def verify(self) -> int:
        """Open every record; returns how many there are. Raises VaultDamaged at the first broken one."""
        for record in self._records.values():
            wipe(self._unseal(record))
        return len(self._records)

    def _fingerprint(self, value: bytes | bytearray) -> str:
        key = hmac.digest(self._data_key, b"spatz-vault mark", hashlib.sha256)
        return hmac.digest(key, bytes(value), hashlib.sha256)[:MARK_BYTES].hex()

    def _unseal(self, record: dict[str, str]) -> bytearray:
        clear = {key: record[key] for key in ("format", "device", "field", "at", "mark")}
        try:
            sealed = base64.b64decode(record["sealed"], validate=True)
            value = bytearray(max(len(sealed) - TAG_BYTES, 0))
            nonce = base64.b64decode(record["nonce"], validate=True)
            AESGCM(self._data_key).decrypt_into(nonce, sealed, _canonical(clear), value)
        except (InvalidTag, ValueError):
            raise VaultDamaged("vault-damaged", file=self.path, place=f"{record['device']}/{record['field']}") from None
        return value

    @contextmanager
    def _locked(self) -> Iterator[int]:
        handle = os.open(self.path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def _catch_up(self) -> None:
        """Take in the lines appended since, by this or another process."""
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn: it never happened
                self._lines += 1
                if self._lines > 1:
                    self._take_in(line)
                self._read_to += len(line)

    def _take_in(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            device, field, mark = record["device"], record["field"], record["mark"]
            complete = all(isinstance(record[key], str) for key in ("format", "at", "nonce", "sealed"))
        except (ValueError, KeyError, TypeError):
            complete = False
        if not complete:
            raise VaultDamaged("vault-damaged", file=self.path, place=f"line {self._lines}")
        self._records[device, field] = record
        self._marks[mark] = (device, field)


def open_vault(path: Path, passphrase: bytearray, *, create: bool = False, cost: Cost = STANDARD) -> Vault:
    """Open the vault at `path`. With `create`, make it (and its directory) when it is not there.

    The caller wipes the passphrase. Raises VaultError, WrongPassphrase, VaultDamaged, VaultExposed.
    """
    if not path.exists():
        if not create:
            raise VaultError("vault-missing", file=path)
        _create(path, passphrase, cost)
    _check_exposure(path)
    with path.open("rb") as file:
        first = file.readline()
    try:
        header = json.loads(first)
        clear = {key: header[key] for key in ("format", "kdf", "salt")}
        if header["format"] != FORMAT:
            raise VaultError("vault-format", file=path, format=header["format"])
        nonce, wrapped = (base64.b64decode(header[key], validate=True) for key in ("nonce", "data_key"))
        kek = _derive(header["kdf"], base64.b64decode(header["salt"], validate=True), passphrase)
    except (ValueError, KeyError, TypeError):
        raise VaultDamaged("vault-damaged", file=path, place="line 1") from None
    data_key = bytearray(KEY_BYTES)
    try:
        AESGCM(kek).decrypt_into(nonce, wrapped, _canonical(clear), data_key)
    except (InvalidTag, ValueError):
        raise WrongPassphrase("vault-passphrase", file=path) from None
    finally:
        wipe(kek)
    return Vault(path, data_key)


def _create(path: Path, passphrase: bytearray, cost: Cost) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kdf, salt = _best_kdf(cost), secrets.token_bytes(SALT_BYTES)
    clear = {"format": FORMAT, "kdf": kdf, "salt": _text(salt)}
    kek, data_key = _derive(kdf, salt, passphrase), bytearray(secrets.token_bytes(KEY_BYTES))
    nonce = secrets.token_bytes(NONCE_BYTES)
    wrapped = AESGCM(kek).encrypt(nonce, data_key, _canonical(clear))
    wipe(kek)
    wipe(data_key)
    header = {**clear, "nonce": _text(nonce), "data_key": _text(wrapped)}
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".vault-")  # mkstemp makes it 0600
    try:
        _write_all(handle, json.dumps(header).encode() + b"\n")
        os.fsync(handle)
        os.link(draft, path)  # fails when another process was first, whose vault then counts
    except FileExistsError:
        pass
    finally:
        os.close(handle)
        Path(draft).unlink()
    _sync_directory(path.parent)


def _best_kdf(cost: Cost) -> dict[str, Any]:
    """Argon2id where OpenSSL has it (3.2 and later), else scrypt."""
    from cryptography.hazmat.primitives.kdf import argon2

    argon = {
        "name": "argon2id",
        "memory_kib": cost.argon2_memory_kib,
        "passes": cost.argon2_passes,
        "lanes": cost.argon2_lanes,
    }
    try:
        argon2.Argon2id(salt=bytes(SALT_BYTES), length=KEY_BYTES, iterations=1, lanes=1, memory_cost=8)
    except UnsupportedAlgorithm:
        return {"name": "scrypt", "n": cost.scrypt_n, "r": 8, "p": 1}
    return argon


def _derive(kdf: dict[str, Any], salt: bytes, passphrase: bytearray) -> bytearray:
    """The key that wraps the data key. ValueError for parameters no vault of ours has."""
    derived = bytearray(KEY_BYTES)
    if kdf["name"] == "argon2id":
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        if kdf["memory_kib"] > MOST_MEMORY_KIB or kdf["passes"] > MOST_PASSES:
            raise ValueError("key derivation out of range")
        argon = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=kdf["passes"], lanes=kdf["lanes"], memory_cost=kdf["memory_kib"]
        )
        argon.derive_into(passphrase, derived)  # type: ignore[arg-type]  # takes any buffer; a copy could not be wiped
    elif kdf["name"] == "scrypt":
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        if kdf["n"] > MOST_SCRYPT_N or kdf["r"] > 8 or kdf["p"] > 4:
            raise ValueError("key derivation out of range")
        Scrypt(salt=salt, length=KEY_BYTES, n=kdf["n"], r=kdf["r"], p=kdf["p"]).derive_into(passphrase, derived)
    else:
        raise ValueError("unknown key derivation")
    return derived


def _check_exposure(path: Path) -> None:
    for place, mode in ((path, "600"), (path.parent, "700")):
        if stat.S_IMODE(place.stat().st_mode) & 0o077:
            raise VaultExposed("vault-exposed", file=place, mode=mode)


def _append(handle: int, end: int, line: bytes) -> None:
    """Write after the last complete line, over whatever a power cut left there."""
    os.ftruncate(handle, end)
    os.lseek(handle, end, os.SEEK_SET)
    _write_all(handle, line)
    os.fsync(handle)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _canonical(clear: dict[str, Any]) -> bytes:
    return json.dumps(clear, sort_keys=True, separators=(",", ":")).encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
