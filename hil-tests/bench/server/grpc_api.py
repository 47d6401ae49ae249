"""The gRPC shell: ChirpStack's API on a loopback port, with its way of refusing, and with faults for tests.

How refusals come out (facts/provisioning A4, read in chirpstack `storage/error.rs` and `api/`): what does not exist
is NOT_FOUND, a taken key INTERNAL with the database's text (not ALREADY_EXISTS), a value outside its rules
INVALID_ARGUMENT, bad hexadecimal INTERNAL, and every problem of permission UNAUTHENTICATED.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
from chirpstack_api import api

from bench.server.auth import Tokens, bearer_token
from bench.server.errors import BadHex, Duplicate, Invalid, NotFound, Refused
from bench.server.eventlog import EventLog
from bench.server.faults import Faults, Kind
from bench.server.live import LiveServer
from bench.server.services.devices import Devices
from bench.server.services.gateways import Gateways
from bench.server.services.internal import Internal
from bench.server.services.profiles import DeviceProfiles
from bench.server.services.tenants import Applications, Tenants

if TYPE_CHECKING:
    _Interceptor = grpc.ServerInterceptor[Any, Any]
else:
    _Interceptor = grpc.ServerInterceptor  # generic in the stubs only

THREADS = 32
"""A watched device holds a thread for as long as it is watched."""
STOP_PATIENCE_S = 1.0
OPEN_METHODS = ("/api.InternalService/Login",)
STATUS_CODES: dict[type[Refused], grpc.StatusCode] = {
    NotFound: grpc.StatusCode.NOT_FOUND,
    Duplicate: grpc.StatusCode.INTERNAL,
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    BadHex: grpc.StatusCode.INTERNAL,
}


class GrpcShell:
    """A context manager: inside it the API answers at `address`."""

    def __init__(
        self,
        live: LiveServer,
        tokens: Tokens,
        log: EventLog,
        *,
        bind: str = "127.0.0.1:0",
        faults: Faults | None = None,
    ) -> None:
        self._log = log
        self._server = grpc.server(
            futures.ThreadPoolExecutor(THREADS, thread_name_prefix="server-grpc"),
            interceptors=[_Guard(tokens, faults or Faults())],
        )
        api.add_TenantServiceServicer_to_server(Tenants(live, tokens), self._server)
        api.add_ApplicationServiceServicer_to_server(Applications(live, tokens), self._server)
        api.add_DeviceProfileServiceServicer_to_server(DeviceProfiles(live, tokens), self._server)
        api.add_DeviceServiceServicer_to_server(Devices(live, tokens), self._server)
        api.add_GatewayServiceServicer_to_server(Gateways(live, tokens), self._server)
        api.add_InternalServiceServicer_to_server(Internal(live, tokens, log), self._server)
        host, _, _ = bind.rpartition(":")
        self.address = f"{host}:{self._server.add_insecure_port(bind)}"

    def __enter__(self) -> GrpcShell:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._server.stop(STOP_PATIENCE_S).wait()


class _Guard(_Interceptor):
    """Before each call: the token, and the faults a test ordered. Around it: refusals become status codes."""

    def __init__(self, tokens: Tokens, faults: Faults) -> None:
        self._tokens = tokens
        self._faults = faults

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler of a call."""
        handler = continuation(details)
        if handler is None:
            return None
        method = details.method
        wrap = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:

            def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                self._before(method, context)
                try:
                    yield from handler.unary_stream(request, context)
                except Refused as error:
                    _abort(context, error)

            return grpc.unary_stream_rpc_method_handler(stream, **wrap)

        def unary(request: Any, context: grpc.ServicerContext) -> Any:
            self._before(method, context)
            try:
                response = handler.unary_unary(request, context)
            except Refused as error:
                _abort(context, error)
                raise
            if self._faults.take(Kind.CLOSE_AFTER_COMMIT, method) is not None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            return response

        return grpc.unary_unary_rpc_method_handler(unary, **wrap)

    def _before(self, method: str, context: grpc.ServicerContext) -> None:
        if self._faults.take(Kind.UNAVAILABLE, method) is not None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
        seconds = self._faults.take(Kind.DELAY, method)
        if seconds is not None:
            time.sleep(seconds)
        if method in OPEN_METHODS:
            return
        token = bearer_token(tuple(context.invocation_metadata()))
        if token is None or self._tokens.identify(token, int(time.time())) is None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid or missing token")


def _abort(context: grpc.ServicerContext, error: Refused) -> None:
    code = next((code for kind, code in STATUS_CODES.items() if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    context.abort(code, str(error))
