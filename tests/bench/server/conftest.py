"""A bench server and its gRPC client; the helpers of this folder under one name, for tests are not packages."""

import sys
from pathlib import Path

import grpc
import pytest
from chirpstack_api import api, common

from bench.server.service import Service

sys.path.insert(0, str(Path(__file__).parent))

from grpc_client import Client


@pytest.fixture
def service():
    with Service(None, seed=1) as service:
        yield service


@pytest.fixture
def channel(service):
    with grpc.insecure_channel(service.grpc_address) as channel:
        yield channel


@pytest.fixture
def admin(service, channel):
    return Client(channel, service.admin_token)


@pytest.fixture
def tenant(service, channel):
    return Client(channel, service.tenant_token)


@pytest.fixture
def place(service, tenant):
    """An application and a profile of the tenant: (application_id, profile_id)."""
    application = tenant(
        tenant.applications.Create,
        api.CreateApplicationRequest(application=api.Application(name="city", tenant_id=service.tenant_id)),
    )
    profile = tenant(
        tenant.profiles.Create,
        api.CreateDeviceProfileRequest(
            device_profile=api.DeviceProfile(
                name="fill",
                tenant_id=service.tenant_id,
                region=common.EU868,
                mac_version=common.LORAWAN_1_0_4,
                reg_params_revision=common.RP002_1_0_3,
                supports_otaa=True,
            )
        ),
    )
    return application.id, profile.id
