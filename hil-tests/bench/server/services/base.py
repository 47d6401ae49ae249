"""What all services share: the core behind a lock, and who is asking."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty

from bench.server import events
from bench.server.auth import Permission, Tokens, bearer_token
from bench.server.errors import Invalid
from bench.server.live import LiveServer, Turn

T = TypeVar("T")
EMPTY = Empty


@dataclass(slots=True)
class Call:
    """One call of the API inside its turn."""

    turn: Turn
    may: Permission

    @property
    def now_us(self) -> int:
        """Time of the call."""
        return self.turn.now_us


class Service:
    """Base of the services."""

    def __init__(self, live: LiveServer, tokens: Tokens) -> None:
        self._live = live
        self._tokens = tokens

    @contextlib.contextmanager
    def _call(self, context: grpc.ServicerContext) -> Iterator[Call]:
        """A turn for a caller whose token the interceptor has found valid."""
        with self._live.turn() as turn:
            token = bearer_token(tuple(context.invocation_metadata()))
            identity = self._tokens.identify(token or "", turn.now_us // 1_000_000)
            if identity is None:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
                raise AssertionError("abort returned")
            yield Call(turn, Permission(turn.core.storage, identity, context))


def required(request: Any, field: str) -> Any:
    """A sub-message that must be there."""
    if not request.HasField(field):
        raise Invalid(f"{field} is missing")
    return getattr(request, field)


def page(rows: Sequence[T], limit: int, offset: int) -> Sequence[T]:
    """A page of a list. A limit of 0, the default, gives no row at all: only the total count is told."""
    return rows[offset : offset + limit] if limit else ()


def named(rows: Iterable[T], search: str, name: Callable[[T], str]) -> list[T]:
    """Rows whose name contains `search`, letters' case aside; nothing but the name is looked at. Sorted by name."""
    return sorted((row for row in rows if search.lower() in name(row).lower()), key=name)


def stamps(response: Any, record: Any) -> Any:
    """Fill in created_at, updated_at and, where there is one, last_seen_at."""
    response.created_at.CopyFrom(events.timestamp(record.created_us))
    response.updated_at.CopyFrom(events.timestamp(record.updated_us))
    last_seen_us = getattr(record, "last_seen_us", None)
    if last_seen_us is not None:
        response.last_seen_at.CopyFrom(events.timestamp(last_seen_us))
    return response
