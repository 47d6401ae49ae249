"""The small value types of the settings file: each knows how it is written and says what is wrong with it.

A type has `parse(text)`, which raises ValueError with a sentence for the operator.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Self
from urllib.parse import urlsplit

# Nine digits: more are no duration of ours, and enough of them are infinite.
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|min|h|d)")
_UNIT_US = {"ms": 1000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_EUI = re.compile(r"[0-9a-fA-F]{16}")
_PREFIX = re.compile(r"([0-9a-fA-F]+)/(\d+)")
# sun_path of unix(7) has 108 bytes with the zero at its end.
_LONGEST_SOCKET_PATH = 107
_BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Duration(int):
    """A span of time in microseconds, written as a number and a unit: "7d", "1.5s", "20ms"."""

    @classmethod
    def parse(cls, text: object) -> Duration:
        """Read "7d" and the like."""
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError('a duration is a text of number and unit ms, s, min, h or d, for example "7d"')
        return cls(round(float(match.group(1)) * _UNIT_US[match.group(2)]))

    @property
    def seconds(self) -> float:
        """The span in seconds."""
        return self / 1_000_000


class GatewayId(str):
    """ "auto", or the EUI of the concentrator as 16 hex digits (kept in lower case)."""

    @classmethod
    def parse(cls, text: object) -> GatewayId:
        """Read an id."""
        if text == "auto":
            return cls("auto")
        if isinstance(text, str) and _EUI.fullmatch(text):
            return cls(text.lower())
        raise ValueError('a gateway id is "auto" or 16 hex digits, for example "0016c001ff10a235"')


class Address(str):
    """Host and port of a socket, as written. Port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: object) -> Address:
        """Read "127.0.0.1:1700" or "[::1]:1700"."""
        host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ValueError('an address is host:port, for example "127.0.0.1:1700"')
        return cls.of(host, int(port))

    @classmethod
    def of(cls, host: str, port: int) -> Address:
        """Build from parts."""
        address = cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        address.host, address.port = host, port
        return address

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class BrokerUrl(str):
    """Where an MQTT broker listens: mqtt://host[:1883] or mqtts://host[:8883]."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, text: object) -> BrokerUrl:
        """Read a broker URL; credentials in it are refused, because settings files are read by many."""
        if not isinstance(text, str):
            raise ValueError('a broker is written as "mqtt://host:1883" or "mqtts://host:8883"')
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"not a URL: {error}") from None
        if parts.username or parts.password:
            raise ValueError('no credentials in the URL: use "username" and "password_file"')
        if parts.scheme not in _BROKER_PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError('a broker is written as "mqtt://host:1883" or "mqtts://host:8883"')
        url = cls(text.rstrip("/"))
        url.host, url.port = parts.hostname, _BROKER_PORTS[parts.scheme] if port is None else port
        url.tls = parts.scheme == "mqtts"
        return url


class ZmqUrl(str):
    """Where a ZeroMQ socket is: ipc:///path on this machine, or tcp://host:port."""

    path: str

    @classmethod
    def parse(cls, text: object) -> ZmqUrl:
        """Read "ipc:///tmp/concentratord_event" or "tcp://127.0.0.1:5555"."""
        scheme, separator, rest = text.partition("://") if isinstance(text, str) else ("", "", "")
        if not separator or scheme not in ("ipc", "tcp"):
            raise ValueError('a ZeroMQ socket is "ipc:///path" or "tcp://host:port"')
        if scheme == "tcp":
            address = Address.parse(rest)
            if address.port == 0 or address.host == "*":
                raise ValueError('the socket of a server has a host and a port, for example "tcp://127.0.0.1:5555"')
            url = cls(f"tcp://{address}")
            url.path = ""
            return url
        if not rest.startswith("/") or len(rest) < 2 or "\0" in rest:
            raise ValueError('an ipc socket is named by its whole path, for example "ipc:///tmp/concentratord_event"')
        if len(rest.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(f"the path of a socket has at most {_LONGEST_SOCKET_PATH} bytes")
        url = cls(f"ipc://{rest}")
        url.path = rest
        return url


class _Prefix(str):
    """The leading `bits` of an identifier must equal those of `value`."""

    width = 0
    example = ""
    value: int
    bits: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read "hex digits/bits", as ChirpStack writes prefixes."""
        digits = cls.width // 4
        match = _PREFIX.fullmatch(text) if isinstance(text, str) else None
        if match is None or len(match.group(1)) != digits or int(match.group(2)) > cls.width:
            raise ValueError(f'a prefix is {digits} hex digits/0 to {cls.width} bits, for example "{cls.example}"')
        prefix = cls(match.group())
        prefix.value, prefix.bits = int(match.group(1), 16), int(match.group(2))
        return prefix

    def matches(self, identifier: int) -> bool:
        """Whether the identifier (in printed order, as an integer) begins with this prefix."""
        return (identifier ^ self.value) >> (self.width - self.bits) == 0


class DevAddrPrefix(_Prefix):
    """Prefix of a DevAddr: "26011a00/24"."""

    width = 32
    example = "26011a00/24"


class JoinEuiPrefix(_Prefix):
    """Prefix of a JoinEUI: "0102030400000000/32"."""

    width = 64
    example = "0102030400000000/32"


_TYPES = (Duration, GatewayId, Address, BrokerUrl, ZmqUrl, DevAddrPrefix, JoinEuiPrefix)


def decode_hook(wanted: type, value: Any) -> Any:
    """For `msgspec.convert`: build one of the types above."""
    if wanted in _TYPES:
        return wanted.parse(value)
    raise NotImplementedError(f"no settings type {wanted}")
