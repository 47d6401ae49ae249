"""Registration bears repetition, lost answers and the traps of ChirpStack's status codes."""

import random

import pytest
from chirpstack_api import api

from provisioning.errors import ServerError, ServerUnreachable, SettingsError, TokenRefused
from provisioning.network.channel import Channel, parse_address
from provisioning.network.chirpstack import ChirpStack, Wanted, wait_for_join

ADMIN_TOKEN = "admin-" + "t0ken" * 6
TENANT_TOKEN = "tenant-" + "t0ken" * 6
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

    def make(token=ADMIN_TOKEN):
        channels.append(Channel(chirpstack.url, token, sleep=lambda _: None))
        return ChirpStack(channels[-1])

    yield make
    for channel in channels:
        channel.close()


def register(server, key=KEY, *, forget_nonces=False, **changes):
    return server.register(wanted(**changes), key, CODEC, forget_nonces=forget_nonces)


def test_everything_a_device_needs_is_created(chirpstack, connect):
    done = register(connect())

    device, keys = chirpstack.devices[EUI], chirpstack.keys[EUI]
    profile = chirpstack.profiles[done.device_profile_id]
    assert (done.created, done.keys) == (True, "created")
    assert device.application_id == done.application_id
    assert (device.name, device.join_eui, dict(device.tags)) == ("bin-1", "70b3d57ed0000001", {"street": "Hansaplatz"})
    assert profile.payload_codec_script == CODEC
    assert profile.supports_otaa
    assert chirpstack.flushed == []
    assert (keys.nwk_key, keys.app_key) == (KEY.hex(), "")


def test_the_second_registration_changes_nothing(chirpstack, connect):
    first = register(connect())
    chirpstack.calls.clear()

    second = register(connect())

    assert (second.created, second.keys) == (False, "kept")
    assert second.application_id == first.application_id
    assert all(call.startswith(("Get", "List")) for call in chirpstack.calls)


def test_a_crash_between_device_and_keys_is_completed(chirpstack, connect):
    register(connect())
    del chirpstack.keys[EUI]

    assert register(connect()).keys == "created"


@pytest.mark.parametrize("seed", range(8))
def test_lost_answers_leave_one_device_with_its_key(chirpstack, connect, seed):
    chirpstack.lose_answers = random.Random(seed).randint(1, 3)

    register(connect())

    assert chirpstack.keys[EUI].nwk_key == KEY.hex()
    assert list(chirpstack.devices) == [EUI]


def test_an_overloaded_server_is_asked_again(chirpstack, connect):
    chirpstack.refuse = 3

    assert register(connect()).created


def test_a_server_that_stays_away_is_named(chirpstack, connect):
    server = connect()
    chirpstack.stop()

    with pytest.raises(ServerUnreachable) as caught:
        register(server)

    assert caught.value.exit_code == 4


def test_a_wrong_token_is_named_as_such(connect):
    with pytest.raises(TokenRefused):
        register(connect("nonsense"))


def test_a_tenants_token_registers_when_the_tenant_is_named(chirpstack, connect):
    done = register(connect(TENANT_TOKEN), tenant=chirpstack.only_tenant())

    assert done.created


def test_a_tenants_token_without_the_tenant_is_told_what_to_add(connect):
    with pytest.raises(ServerError) as caught:
        register(connect(TENANT_TOKEN))

    assert caught.value.code == "tenant-needed"


def test_two_tenants_want_a_choice(chirpstack, connect):
    chirpstack.tenants["2"] = "Village"

    with pytest.raises(ServerError) as caught:
        register(connect())

    assert caught.value.fields["names"] == "City, Village"
    assert register(connect(), tenant="City").created


def test_a_device_of_another_tenant_is_not_touched(chirpstack, connect):
    chirpstack.devices[EUI] = api.Device(dev_eui=EUI, name="theirs")
    chirpstack.foreign.add(EUI)

    with pytest.raises(ServerError) as caught:
        register(connect(TENANT_TOKEN), tenant=chirpstack.only_tenant())

    assert caught.value.code == "device-elsewhere"
    assert chirpstack.devices[EUI].name == "theirs"


def test_a_device_in_another_application_is_not_moved(chirpstack, connect):
    register(connect())

    with pytest.raises(ServerError) as caught:
        register(connect(), application="Lamps")

    assert caught.value.code == "device-elsewhere"


def test_what_others_added_to_the_device_stays(chirpstack, connect):
    register(connect())
    chirpstack.devices[EUI].tags["photo"] = "17.jpg"
    chirpstack.devices[EUI].variables["token"] = "x"

    register(connect(), name="bin-1b")

    device = chirpstack.devices[EUI]
    assert (device.name, device.tags["photo"], device.variables["token"]) == ("bin-1b", "17.jpg", "x")


def test_a_new_codec_is_put_into_the_profile_that_is_there(chirpstack, connect):
    done = register(connect())

    connect().register(wanted(), KEY, CODEC + "//2", forget_nonces=False)

    assert len(chirpstack.profiles) == 1
    assert chirpstack.profiles[done.device_profile_id].payload_codec_script == CODEC + "//2"


def test_names_that_only_contain_ours_are_not_ours(chirpstack, connect):
    for number in range(250):  # more than two pages
        other = api.Application(name=f"Bins {number}", tenant_id=chirpstack.only_tenant())
        chirpstack.applications[str(number)] = other

    done = register(connect())

    assert chirpstack.applications[done.application_id].name == "Bins"
    assert register(connect()).application_id == done.application_id


def test_another_key_replaces_the_old_one_and_ends_its_session(chirpstack, connect):
    register(connect())
    chirpstack.activations[EUI] = api.DeviceActivation(dev_eui=EUI, dev_addr="26011bda")

    done = register(connect(), bytearray(range(60, 76)))

    assert done.keys == "replaced"
    assert chirpstack.flushed == [EUI]
    assert connect().dev_addr(EUI) is None


def test_a_node_that_lost_its_nonces_is_forgiven_on_the_server(chirpstack, connect):
    register(connect())
    register(connect(), forget_nonces=True)

    assert chirpstack.flushed == [EUI]


def test_the_join_is_seen_when_the_session_is_there(chirpstack, connect):
    register(connect())
    instants = iter(range(100))

    def later(_):
        if next(instants) == 2:
            chirpstack.activations[EUI] = api.DeviceActivation(dev_eui=EUI, dev_addr="26011bda")

    assert wait_for_join(connect(), EUI, 60, sleep=later) == "26011bda"


def test_waiting_for_a_join_ends_at_the_deadline(connect):
    register(connect())
    clock = iter(range(0, 1000, 10))

    assert wait_for_join(connect(), EUI, 60, clock=lambda: next(clock), sleep=lambda _: None) is None


def test_events_end_by_themselves(chirpstack, connect):
    chirpstack.events = [api.LogItem(description="Join-request, MIC mismatch")]

    assert [item.description for item in connect().events(EUI, 0.3)] == ["Join-request, MIC mismatch"]


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
