"""Faults of the API, switched on by name: what a provisioning tool must survive.

service.faults.unavailable(2)                                        the next two calls fail with UNAVAILABLE
service.faults.delay(0.5, calls=1, method="DeviceService/Create")    one call is answered late
service.faults.close_after_commit(method="DeviceService/Create")     done, but the answer is lost
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What happens to a call."""

    UNAVAILABLE = "unavailable"
    DELAY = "delay"
    CLOSE_AFTER_COMMIT = "close after commit"


@dataclass(slots=True)
class _Fault:
    kind: Kind
    calls: int
    method: str
    seconds: float = 0.0


class Faults:
    """Faults that wait for calls; safe between threads. `method` is the end of a full method name, empty = any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Fault] = []

    def unavailable(self, calls: int = 1, method: str = "") -> None:
        """Fail before anything is done."""
        self._add(_Fault(Kind.UNAVAILABLE, calls, method))

    def delay(self, seconds: float, calls: int = 1, method: str = "") -> None:
        """Let a call wait before it is done."""
        self._add(_Fault(Kind.DELAY, calls, method, seconds))

    def close_after_commit(self, calls: int = 1, method: str = "") -> None:
        """Do it, and break the connection before the answer."""
        self._add(_Fault(Kind.CLOSE_AFTER_COMMIT, calls, method))

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, kind: Kind, method: str) -> float | None:
        """Use up one fault of this kind for a call: its seconds, or None when none waits."""
        with self._lock:
            for fault in self._waiting:
                if fault.kind is kind and method.endswith(fault.method):
                    fault.calls -= 1
                    if fault.calls <= 0:
                        self._waiting.remove(fault)
                    return fault.seconds
        return None

    def _add(self, fault: _Fault) -> None:
        with self._lock:
            self._waiting.append(fault)
