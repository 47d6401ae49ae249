"""Registration bears repetition, lost answers and the traps of ChirpStack's status codes."""

import random

import pytest
from chirpstack_api import api

from provisioning.errors import ServerError, ServerUnreachable, SettingsError, TokenRefused
from provisioning.network.channel import Channel, parse_address
from provisioning.network.chirpstack import ChirpStack, Wanted, wait_for_join

EUI = "240ac4fffe123456"
KEY = bytearray(range(40, 56))
CODEC = "function decodeUplink(input) { return {data: {}}; }"


def wanted(**changes):
    fields = {
        "dev_eui": EUI,
        "join_eui": "70b3d57ed0000001",
        "name": "bin-1",
        "application": "Bins",
        "tenant": "",
        "region": "EU868",
        "tags": {"street": "Hansaplatz"},
    }
    return Wanted(**{**fields, **changes})


@pytest.fixture
def connect(chirpstack):
    channels = []

    def make(token=None):
        channels.append(Channel(chirpstack.url, token or chirpstack.service.admin_token, sleep=lambda _: None))
        return ChirpStack(channels[-1])

    yield make
    for channel in channels:
        channel.close()


def register(server, key=KEY, *, forget_nonces=False, **changes):
    return server.register(wanted(**changes), key, CODEC, forget_nonces=forget_nonces)


def test_everything_a_device_needs_is_created(chirpstack, connect):
    done = register(connect())

    device, keys = chirpstack.device(EUI), chirpstack.keys(EUI)
    profile = chirpstack.profiles.Get(api.GetDeviceProfileRequest(id=done.device_profile_id)).device_profile
    assert (done.created, done.keys) == (True, "created")
    assert device.application_id == done.application_id
    assert (device.name, device.join_eui, dict(device.tags)) == ("bin-1", "70b3d57ed0000001", {"street": "Hansaplatz"})
    assert profile.payload_codec_script == CODEC
    assert profile.supports_otaa
    assert (keys.nwk_key, keys.app_key.strip("0")) == (KEY.hex(), "")


def test_the_second_registration_changes_nothing(chirpstack, connect):
    first = register(connect())
    before = chirpstack.devices.Get(api.GetDeviceRequest(dev_eui=EUI))

    second = register(connect())

    assert (second.created, second.keys) == (False, "kept")
    assert second.application_id == first.application_id
    assert chirpstack.devices.Get(api.GetDeviceRequest(dev_eui=EUI)) == before  # updated_at included


def test_a_crash_between_device_and_keys_is_completed(chirpstack, connect):
    register(connect())
    chirpstack.devices.DeleteKeys(api.DeleteDeviceKeysRequest(dev_eui=EUI))

    assert register(connect()).keys == "created"


METHODS = [
    "ApplicationService/Create",
    "DeviceProfileService/Create",
    "DeviceService/Create",
    "DeviceService/CreateKeys",
    "",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_lost_answers_leave_one_device_with_its_key(chirpstack, connect, method, seed):
    chirpstack.faults.close_after_commit(random.Random(seed).randint(1, 3), method)

    done = register(connect())

    assert chirpstack.keys(EUI).nwk_key == KEY.hex()
    assert chirpstack.device_count(done.application_id) == 1


def test_an_overloaded_server_is_asked_again(chirpstack, connect):
    chirpstack.faults.unavailable(3)

    assert register(connect()).created


def test_a_server_that_stays_away_is_named(chirpstack, connect):
    chirpstack.faults.unavailable(100)

    with pytest.raises(ServerUnreachable) as caught:
        register(connect())

    assert caught.value.exit_code == 4


def test_a_wrong_token_is_named_as_such(connect):
    with pytest.raises(TokenRefused):
        register(connect("nonsense"))


def test_a_tenants_token_registers_when_the_tenant_is_named(chirpstack, connect):
    done = register(connect(chirpstack.service.tenant_token), tenant=chirpstack.tenant_id)

    assert done.created


def test_a_tenants_token_for_another_tenant_is_refused_as_a_token(chirpstack, connect):
    with pytest.raises(TokenRefused):
        register(connect(chirpstack.service.tenant_token), tenant="00000000-0000-0000-0000-00000000000a")


def test_a_tenants_token_without_the_tenant_is_told_what_to_add(chirpstack, connect):
    with pytest.raises(ServerError) as caught:
        register(connect(chirpstack.service.tenant_token))

    assert caught.value.code == "tenant-needed"


def test_two_tenants_want_a_choice(chirpstack, connect):
    chirpstack.tenants.Create(api.CreateTenantRequest(tenant=api.Tenant(name="Village")))

    with pytest.raises(ServerError) as caught:
        register(connect())

    assert "Village" in str(caught.value.fields["names"])
    assert register(connect(), tenant="Village").created


def test_a_device_of_another_tenant_is_not_touched(chirpstack, connect):
    village = chirpstack.tenants.Create(api.CreateTenantRequest(tenant=api.Tenant(name="Village"))).id
    register(connect(), tenant=village, name="theirs")

    with pytest.raises(ServerError) as caught:
        register(connect(chirpstack.service.tenant_token), tenant=chirpstack.tenant_id)

    assert caught.value.code == "device-elsewhere"
    assert chirpstack.device(EUI).name == "theirs"


def test_a_device_in_another_application_is_not_moved(connect):
    register(connect())

    with pytest.raises(ServerError) as caught:
        register(connect(), application="Lamps")

    assert caught.value.code == "device-elsewhere"


def test_what_others_added_to_the_device_stays(chirpstack, connect):
    register(connect())
    device = chirpstack.device(EUI)
    device.tags["photo"] = "17.jpg"
    device.variables["token"] = "x"
    chirpstack.devices.Update(api.UpdateDeviceRequest(device=device))

    register(connect(), name="bin-1b")

    device = chirpstack.device(EUI)
    assert (device.name, device.tags["photo"], device.variables["token"]) == ("bin-1b", "17.jpg", "x")


def test_a_new_codec_is_put_into_the_profile_that_is_there(chirpstack, connect):
    first = register(connect())

    second = connect().register(wanted(), KEY, CODEC + "//2", forget_nonces=False)

    profile = chirpstack.profiles.Get(api.GetDeviceProfileRequest(id=first.device_profile_id)).device_profile
    assert second.device_profile_id == first.device_profile_id
    assert profile.payload_codec_script == CODEC + "//2"


def test_names_that_only_contain_ours_are_not_ours(chirpstack, connect):
    for number in range(250):  # more than two pages
        other = api.Application(name=f"Bins {number}", tenant_id=chirpstack.tenant_id)
        chirpstack.applications.Create(api.CreateApplicationRequest(application=other))

    done = register(connect())

    found = chirpstack.applications.Get(api.GetApplicationRequest(id=done.application_id))
    assert found.application.name == "Bins"
    assert register(connect()).application_id == done.application_id


def test_another_key_replaces_the_old_one_and_ends_its_session(chirpstack, connect):
    register(connect())
    chirpstack.activate(EUI)
    assert connect().dev_addr(EUI) == "26011bda"

    done = register(connect(), bytearray(range(60, 76)))

    assert done.keys == "replaced"
    assert connect().dev_addr(EUI) is None


def test_a_node_that_lost_its_nonces_is_forgiven_on_the_server(chirpstack, connect):
    register(connect())
    chirpstack.activate(EUI)
    with chirpstack.service.live.turn() as turn:
        kept = turn.core.storage.device_keys(EUI).dev_nonces
        kept.setdefault("70b3d57ed0000001", []).append(0)

    register(connect(), forget_nonces=True)

    assert not any(chirpstack.nonces(EUI).values())
    assert connect().dev_addr(EUI) is None


def test_the_join_is_seen_when_the_session_is_there(chirpstack, connect):
    register(connect())
    instants = iter(range(100))

    def later(_):
        if next(instants) == 2:
            chirpstack.activate(EUI)

    assert wait_for_join(connect(), EUI, 60, sleep=later) == "26011bda"


def test_waiting_for_a_join_ends_at_the_deadline(connect):
    register(connect())
    clock = iter(range(0, 1000, 10))

    assert wait_for_join(connect(), EUI, 60, clock=lambda: next(clock), sleep=lambda _: None) is None


def test_watching_events_ends_by_itself(connect):
    register(connect())

    assert list(connect().events(EUI, 0.3)) == []


@pytest.mark.parametrize(
    ("url", "target", "tls"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://localhost", "localhost:8080", False),
        ("http://[::1]:9", "[::1]:9", False),
        ("https://server.example", "server.example:443", True),
        ("https://server.example:8443", "server.example:8443", True),
    ],
)
def test_addresses_are_understood(url, target, tls):
    address = parse_address(url)

    assert (address.target, address.tls) == (target, tls)


@pytest.mark.parametrize("url", ["http://server.example", "http://192.168.1.5:8080", "http://127.0.0.1.evil.example"])
def test_a_way_that_is_not_encrypted_is_refused(url):
    with pytest.raises(SettingsError) as caught:
        parse_address(url)

    assert caught.value.code == "server-not-encrypted"


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8080", "https://", "https://x:port"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(SettingsError):
        parse_address(url)


def test_a_class_c_device_has_a_profile_of_its_own_and_its_gen_app_key(chirpstack, connect):
    server, gen_app_key = connect(), bytes(range(16, 32))
    plain = register(server)
    done = server.register(wanted(device_class="C"), KEY, CODEC, forget_nonces=False, gen_app_key=gen_app_key)

    profile = chirpstack.profiles.Get(api.GetDeviceProfileRequest(id=done.device_profile_id)).device_profile
    assert (done.created, done.keys) == (False, "kept")
    assert done.device_profile_id != plain.device_profile_id
    assert (profile.supports_class_c, profile.class_c_timeout) == (True, 8)
    assert chirpstack.keys(EUI).gen_app_key == gen_app_key.hex()
    assert chirpstack.keys(EUI).nwk_key == KEY.hex()
