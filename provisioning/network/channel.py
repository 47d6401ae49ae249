"""A connection to a ChirpStack server: TLS or loopback only, a deadline for every call, patient with outages.

ChirpStack reports far more than its status codes say; what they really mean is decided here, once
(read in the source of chirpstack/chirpstack v4.19, `api/auth` and `api/helpers`).
"""

from __future__ import annotations

import ipaddress
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from provisioning.errors import ServerError, ServerUnreachable, SettingsError, TokenRefused

_log = logging.getLogger(__name__)
CALL_DEADLINE_S = 10.0
TRIES = 4
FIRST_PAUSE_S = 0.25
_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class NotFound(Exception):
    """The object is not there, or (with a tenant's token) not visible to us; ChirpStack does not tell which."""


class Duplicate(Exception):
    """The object exists already."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is: host:port and whether the way there is encrypted."""

    target: str
    tls: bool


def parse_address(url: str) -> Address:
    """`https://host[:443]` anywhere, `http://` only on loopback: root keys never cross a network in clear."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    try:
        port = parts.port
    except ValueError:
        raise SettingsError("server-address", url=url) from None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError("server-address", url=url)
    tls = parts.scheme == "https"
    if not tls and not is_loopback(host):
        raise SettingsError("server-not-encrypted", url=url)
    bracketed = f"[{host}]" if ":" in host else host
    return Address(f"{bracketed}:{port or (443 if tls else 8080)}", tls)


def is_loopback(host: str) -> bool:
    """True for this machine itself, by number or as `localhost`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Channel:
    """Calls with the token attached. `sleep` is handed in so that tests need not wait."""

    def __init__(
        self, url: str, token: str, *, ca_file: Path | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        address = parse_address(url)
        self.url = url
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._sleep = sleep
        # A proxy of the environment must not get the keys, and retries are ours to count.
        options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
        if address.tls:
            try:
                roots = ca_file.read_bytes() if ca_file else None
            except OSError as error:
                raise SettingsError("file-unreadable", file=ca_file, reason=str(error)) from None
            self.grpc = grpc.secure_channel(address.target, grpc.ssl_channel_credentials(roots), options=options)
        else:
            self.grpc = grpc.insecure_channel(address.target, options=options)

    def close(self) -> None:
        """Close the connection."""
        self.grpc.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, method: Callable[..., Any], request: Any) -> Any:
        """One unary call. Raises NotFound, Duplicate, TokenRefused, ServerUnreachable, ServerError.

        A call whose answer was lost is repeated, so every caller must bear that it was already carried out.
        """
        name = type(request).__name__.removesuffix("Request")  # never the request itself: it may carry a key
        for tried in range(1, TRIES + 1):
            try:
                _log.info("call %s, try %d", name, tried)
                return method(request, metadata=self._metadata, timeout=CALL_DEADLINE_S)
            except grpc.RpcError as error:
                _log.info("%s: %s", name, error.code())
                if error.code() not in _PASSING:
                    raise self._meaning(error) from None
                if tried == TRIES:
                    raise ServerUnreachable("server-unreachable", url=self.url, reason=_details(error)) from None
            self._sleep(FIRST_PAUSE_S * 2 ** (tried - 1) * random.uniform(0.5, 1.5))  # noqa: S311  (jitter, no secret)
        raise AssertionError("unreachable")

    def stream(self, method: Callable[..., Any], request: Any, seconds: float) -> Iterator[Any]:
        """A server stream that ends quietly after `seconds`, or when the server ends it."""
        try:
            yield from method(request, metadata=self._metadata, timeout=seconds)
        except grpc.RpcError as error:
            if error.code() not in (*_PASSING, grpc.StatusCode.CANCELLED):
                raise self._meaning(error) from None

    def _meaning(self, error: grpc.RpcError) -> Exception:
        code, details = error.code(), _details(error)
        if code is grpc.StatusCode.NOT_FOUND:
            return NotFound(details)
        if code is grpc.StatusCode.UNAUTHENTICATED:
            # With a tenant's token, 16 without a text means "no such device, or not yours".
            # A token the server does not know at all is answered with a text.
            return TokenRefused("token-refused", url=self.url) if details else NotFound(details)
        if code is grpc.StatusCode.ALREADY_EXISTS or is_duplicate_text(details):
            return Duplicate(details)
        return ServerError("server-refused", url=self.url, status=code.name, reason=details)


def is_duplicate_text(details: str) -> bool:
    """A unique violation reaches the client as INTERNAL with the database's own words."""
    lowered = details.lower()
    return "duplicate key" in lowered or "unique constraint" in lowered


def _details(error: grpc.RpcError) -> str:
    return str(error.details() or "")
