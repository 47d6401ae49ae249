"""What several provisioning tests share."""

from __future__ import annotations

import threading
import uuid
from concurrent import futures

import grpc
import pytest
from chirpstack_api import api
from google.protobuf import empty_pb2

ADMIN_TOKEN = "admin-" + "t0ken" * 6
TENANT_TOKEN = "tenant-" + "t0ken" * 6


class SmallChirpStack:
    """Just enough of ChirpStack's API to meet its traps (facts A4); the whole of it is the bench server's part.

    `lose_answers` lets the next n calls be carried out and their answers get lost; `refuse` makes the next n fail.
    """

    def __init__(self):
        self.tenants = {str(uuid.uuid4()): "City"}
        self.applications, self.profiles, self.devices, self.keys, self.activations = {}, {}, {}, {}, {}
        self.foreign = set()
        self.calls: list[str] = []
        self.flushed: list[str] = []
        self.lose_answers = 0
        self.refuse = 0
        self.events: list[api.LogItem] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[_Guard(self)])
        for add, service in (
            (api.add_TenantServiceServicer_to_server, _Tenants),
            (api.add_ApplicationServiceServicer_to_server, _Applications),
            (api.add_DeviceProfileServiceServicer_to_server, _Profiles),
            (api.add_DeviceServiceServicer_to_server, _Devices),
            (api.add_InternalServiceServicer_to_server, _Internal),
        ):
            add(service(self), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        self._server.stop(None).wait()

    def only_tenant(self):
        return next(iter(self.tenants))


class _Guard(grpc.ServerInterceptor):
    def __init__(self, state):
        self.state = state
        self.lock = threading.Lock()

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if handler.unary_unary is None:
            return handler
        name = details.method.rsplit("/", 1)[1]
        token = dict(details.invocation_metadata).get("authorization", "").removeprefix("Bearer ")

        def unary(request, context):
            if token not in (ADMIN_TOKEN, TENANT_TOKEN):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid token")
            context.by_tenant = token == TENANT_TOKEN
            with self.lock:
                self.state.calls.append(name)
                if self.state.refuse:
                    self.state.refuse -= 1
                    context.abort(grpc.StatusCode.UNAVAILABLE, "overloaded")
                answer = handler.unary_unary(request, context)
                if self.state.lose_answers and not name.startswith(("Get", "List")):
                    self.state.lose_answers -= 1
                    context.abort(grpc.StatusCode.UNAVAILABLE, "connection lost")
            return answer

        return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)


def _page(rows, request, answer, item):
    matching = [row for row in rows if request.search.lower() in row[1].lower()]
    shown = matching[request.offset : request.offset + request.limit]  # limit 0: only the count
    return answer(total_count=len(matching), result=[item(id=key, name=name) for key, name in shown])


class _Service:
    def __init__(self, state):
        self.state = state


class _Tenants(_Service, api.TenantServiceServicer):
    def List(self, request, context):
        if context.by_tenant:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
        return _page(self.state.tenants.items(), request, api.ListTenantsResponse, api.TenantListItem)


class _Applications(_Service, api.ApplicationServiceServicer):
    def Create(self, request, context):
        key = str(uuid.uuid4())
        self.state.applications[key] = request.application
        return api.CreateApplicationResponse(id=key)

    def List(self, request, context):
        rows = [(key, app.name) for key, app in self.state.applications.items() if app.tenant_id == request.tenant_id]
        return _page(rows, request, api.ListApplicationsResponse, api.ApplicationListItem)


class _Profiles(_Service, api.DeviceProfileServiceServicer):
    def Create(self, request, context):
        key = str(uuid.uuid4())
        self.state.profiles[key] = request.device_profile
        self.state.profiles[key].id = key
        return api.CreateDeviceProfileResponse(id=key)

    def Get(self, request, context):
        return api.GetDeviceProfileResponse(device_profile=self.state.profiles[request.id])

    def Update(self, request, context):
        self.state.profiles[request.device_profile.id] = request.device_profile
        return empty_pb2.Empty()

    def List(self, request, context):
        rows = [(key, profile.name) for key, profile in self.state.profiles.items()]
        return _page(rows, request, api.ListDeviceProfilesResponse, api.DeviceProfileListItem)


class _Devices(_Service, api.DeviceServiceServicer):
    def _see(self, dev_eui, context):
        device = self.state.devices.get(dev_eui)
        if device is None or dev_eui in self.state.foreign:
            if context.by_tenant:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
            context.abort(grpc.StatusCode.NOT_FOUND, f"Object does not exist (id: {dev_eui})")
        return device

    def Create(self, request, context):
        if request.device.dev_eui in self.state.devices:
            text = 'duplicate key value violates unique constraint "device_pkey"'
            context.abort(grpc.StatusCode.INTERNAL, text)
        self.state.devices[request.device.dev_eui] = request.device
        return empty_pb2.Empty()

    def Get(self, request, context):
        return api.GetDeviceResponse(device=self._see(request.dev_eui, context))

    def Update(self, request, context):
        self._see(request.device.dev_eui, context)
        self.state.devices[request.device.dev_eui] = request.device
        return empty_pb2.Empty()

    def GetKeys(self, request, context):
        self._see(request.dev_eui, context)
        if request.dev_eui not in self.state.keys:
            context.abort(grpc.StatusCode.NOT_FOUND, "Object does not exist")
        return api.GetDeviceKeysResponse(device_keys=self.state.keys[request.dev_eui])

    def CreateKeys(self, request, context):
        if request.device_keys.dev_eui in self.state.keys:
            context.abort(grpc.StatusCode.INTERNAL, "UNIQUE constraint failed: device_keys.dev_eui")
        self.state.keys[request.device_keys.dev_eui] = request.device_keys
        return empty_pb2.Empty()

    def UpdateKeys(self, request, context):
        self.state.keys[request.device_keys.dev_eui] = request.device_keys
        return empty_pb2.Empty()

    def FlushDevNonces(self, request, context):
        self.state.flushed.append(request.dev_eui)
        return empty_pb2.Empty()

    def Deactivate(self, request, context):
        self.state.activations.pop(request.dev_eui, None)
        return empty_pb2.Empty()

    def GetActivation(self, request, context):
        self._see(request.dev_eui, context)
        return api.GetDeviceActivationResponse(device_activation=self.state.activations.get(request.dev_eui))


class _Internal(_Service, api.InternalServiceServicer):
    def StreamDeviceEvents(self, request, context):
        yield from self.state.events
        while context.is_active():
            threading.Event().wait(0.05)


@pytest.fixture
def chirpstack():
    server = SmallChirpStack()
    yield server
    server.stop()
