"""How to reach a broker, out of the settings that say so."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gateway.forwarders import mqtt
from gateway.setting_types import BrokerUrl, Duration


class Access(Protocol):
    """A section of a settings file with a broker in it; files are named as they stand there."""

    @property
    def server(self) -> BrokerUrl: ...  # noqa: D102

    @property
    def keepalive(self) -> Duration: ...  # noqa: D102

    @property
    def username(self) -> str: ...  # noqa: D102

    @property
    def password_file(self) -> str: ...  # noqa: D102

    @property
    def ca(self) -> str: ...  # noqa: D102

    @property
    def cert(self) -> str: ...  # noqa: D102

    @property
    def key(self) -> str: ...  # noqa: D102


def tls_context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """TLS as the settings say: their authority or the system's, and a client certificate if there is one."""
    context = ssl.create_default_context(cafile=ca or None)
    if cert:
        context.load_cert_chain(cert, key)
    return context


def broker_for(resolve: Callable[[str], Path], access: Access) -> Callable[[str], mqtt.Broker]:
    """Credentials are read anew for every connection, so that a renewed certificate needs no restart."""

    def broker(client_id: str) -> mqtt.Broker:
        password = ""
        if access.password_file:
            password = resolve(access.password_file).read_text(encoding="utf-8").strip()
        tls = None
        if access.server.tls:
            ca, cert, key = (str(resolve(name)) if name else "" for name in (access.ca, access.cert, access.key))
            tls = tls_context(ca, cert, key)
        return mqtt.Broker(
            access.server.host,
            access.server.port,
            client_id,
            access.username,
            password,
            tls,
            int(access.keepalive.seconds),
        )

    return broker
