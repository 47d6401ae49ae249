"""Certificates, keys, passwords and tokens as files: how long they are good, and who can read them.

Their content is never shown.
"""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

from gateway.findings import Finding, Level
from gateway.settings import BasicsStation, ChirpstackMqtt, Settings

# ChirpStack gives a gateway's certificate twelve months and renews nothing by itself.
_WARN_DAYS = 30


def papers(settings: Settings) -> list[Finding]:
    """Everything the settings name."""
    findings: list[Finding] = []
    for index, source in enumerate(settings.source):
        if isinstance(source, BasicsStation):
            findings += _of(settings, f"source {index}", source.cert, source.ca, (source.key, source.token_file))
    for one in settings.destination:
        if isinstance(one, ChirpstackMqtt):
            findings += _of(settings, one.name, one.cert, one.ca, (one.key, one.password_file))
    return findings


def _of(settings: Settings, owner: str, cert: str, ca: str, secrets: tuple[str, ...]) -> list[Finding]:
    findings = []
    for subject, name in ((f"certificate {owner}", cert), (f"authority {owner}", ca)):
        if name:
            findings.append(_certificate(subject, settings.resolve(name)))
    for name in secrets:
        if name:
            findings += _secret(owner, settings.resolve(name))
    return findings


def _certificate(subject: str, path: Path) -> Finding:
    days = days_left(path)
    if days is None:
        return Finding(Level.BAD, subject, f"{path} cannot be read", "Is it PEM, and may this user read it?")
    if days < 0:
        advice = f"Create a new one in ChirpStack and put it at {path}; it is read at the next connection."
        return Finding(Level.BAD, subject, f"expired {-days} days ago", advice)
    if days < _WARN_DAYS:
        advice = f"Create a new one in ChirpStack in time and put it at {path}; no restart is needed."
        return Finding(Level.WARNING, subject, f"{days} days left", advice)
    return Finding(Level.GOOD, subject, f"{days} days left")


def days_left(path: Path) -> int | None:
    """Days until the first certificate of a PEM file to expire does; None if the file cannot be read."""
    try:
        from cryptography import x509

        ends = [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes())]
    except (ImportError, OSError, ValueError):
        return None
    return (min(ends) - datetime.datetime.now(datetime.UTC)).days


def _secret(owner: str, path: Path) -> list[Finding]:
    """A secret that everybody on the machine can read, or we cannot."""
    subject = f"secret {owner}"
    try:
        mode = path.stat().st_mode
        with path.open("rb"):
            pass
    except OSError as error:
        return [Finding(Level.BAD, subject, f"{path}: {error.strerror}", f"chgrp spatz {path} && chmod 640 {path}")]
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return [
            Finding(Level.WARNING, subject, f"everybody may read {path}", f"chgrp spatz {path} && chmod 640 {path}")
        ]
    return []
