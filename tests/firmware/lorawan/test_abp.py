"""Personalised devices: no join, and counters that never begin anew."""

import pytest

from firmware.lorawan.abp import Personalised, pack_abp_identity, personalised
from firmware.lorawan.class_c import ClassCMac
from firmware.lorawan.errors import NoIdentity, StateCorrupt, Wait
from firmware.lorawan.ids import DevAddr
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.store import pack_record
from tests.firmware.lorawan.failing_store import FailingStore, PowerCut
from tests.firmware.lorawan.net import APP_KEY, DEV_ADDR, DEV_EUI, JOIN_EUI, Battery, Device, Heard, Network, names
from tests.on_micropython import run_on_micropython

NWK_SKEY = bytes(range(0x10, 0x20))
APP_SKEY = bytes(range(0x30, 0x40))
MARK = f"abp{DEV_ADDR}"
OTHER_ADDR = DevAddr.from_hex("01020304")


def identity(dev_addr=DEV_ADDR, nwk_skey=NWK_SKEY):
    return pack_abp_identity(DEV_EUI, dev_addr, nwk_skey, APP_SKEY)


class Given(Device):
    """A personalised device; its network knows the session from the beginning."""

    def __init__(self, store=None, kind=Mac):
        self.kind = kind
        network = Network()
        network.nwk_skey, network.app_skey = NWK_SKEY, APP_SKEY
        super().__init__(network, store or MemoryStore({"identity": identity()}))

    def boot(self):
        self.mac = personalised(self.kind)(self.region, self.store, self.random, Battery())
        self.mac.start(self.now_ms)
        return self

    def fcnt(self):
        return self.uplink()[0]["fcnt32"]


def test_a_new_device_sends_at_once_with_the_region_s_channels_and_windows():
    device = Given()

    assert device.mac.joined
    found, events = device.uplink(b"hello", answer=lambda: device.network.downlink(6, b"answer"))

    assert (found["fcnt32"], found["plaintext"], found["devaddr"]) == (0, b"hello".hex(), str(DEV_ADDR))
    exchange = found["exchange"]
    assert exchange.freq_hz in (868_100_000, 868_300_000, 868_500_000)
    assert (exchange.rx1.delay_ms, exchange.rx2.delay_ms, exchange.rx2.freq_hz) == (1_000, 2_000, 869_525_000)
    assert exchange.rx2.sf == 12
    assert (names(events), events[0].data) == (["Downlink"], b"answer")


def test_it_never_joins():
    with pytest.raises(Personalised):
        Given().mac.join(0)


def test_counters_and_what_the_network_has_set_go_on_after_a_reset():
    device = Given()
    device.uplink(answer=lambda: device.network.downlink(fopts=b"\x08\x03"))
    down = device.network.downlink(6, b"seen")
    device.uplink(answer=down)
    device.now_ms += 60_000
    device.mac.save(device.now_ms)

    device.boot()

    assert device.fcnt() == 2
    found, events = device.uplink(answer=down)
    assert events == []  # a replay
    assert found["exchange"].rx1.delay_ms == 3_000


def test_a_reset_without_warning_skips_counters_and_repeats_none():
    device = Given()
    used = [device.fcnt() for _ in range(3)]

    for _ in range(3):
        device.boot()
        used += [device.fcnt() for _ in range(3)]

    assert used == sorted(set(used))


def test_other_keys_for_the_same_address_keep_the_counters():
    device = Given()
    for _ in range(3):
        device.uplink()
    new_key = bytes(16)
    device.store.records["identity"] = identity(nwk_skey=new_key)
    device.network.nwk_skey = new_key

    device.boot()

    assert device.fcnt() >= 3  # and the network could read it


def test_another_address_begins_at_zero_and_the_former_one_is_refused_afterwards():
    device = Given()
    device.uplink()
    device.store.records["identity"] = identity(OTHER_ADDR)
    device.boot()
    assert device.mac.state(device.now_ms)["fcnt_up"] == 0
    device.store.records["identity"] = identity()

    with pytest.raises(StateCorrupt, match=f"{DEV_ADDR} are lost"):
        device.boot()


@pytest.mark.parametrize("record", ["nonce", "hot", "cold"])
@pytest.mark.parametrize("loss", ["missing", "damaged", "empty"])
def test_a_lost_record_is_an_error_and_no_new_beginning(record, loss):
    device = Given()
    device.uplink()
    records = device.store.records
    if loss == "missing":
        del records[record]
    elif loss == "empty":
        records[record] = b""
    else:
        records[record] = bytes((records[record][0],)) + bytes(len(records[record]) - 1)

    with pytest.raises(StateCorrupt):
        device.boot()


def test_a_damaged_mark_is_an_error_too():
    device = Given()
    device.store.records[MARK] = b"\x01\x00"

    with pytest.raises(StateCorrupt):
        device.boot()


def test_joining_in_between_takes_no_number_twice_and_does_not_revive_the_old_session():
    device = Given()
    device.uplink()
    device.store.records.update(MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records)
    joiner = Device(Network(), device.store)
    joiner.join()
    joiner.uplink()
    assert joiner.network.dev_nonces == [1]  # 0 was the number of the personalised session
    device.store.records["identity"] = identity()

    with pytest.raises(StateCorrupt, match="are lost"):
        device.boot()


def test_an_identity_for_joining_is_refused():
    with pytest.raises(NoIdentity, match="personalise"):
        Given(MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY))
    with pytest.raises(NoIdentity):
        Given(MemoryStore({"nonce": pack_record(b"x")}))


def test_class_c_is_personalised_likewise():
    device = Given(kind=ClassCMac)

    window = device.mac.listening(device.now_ms)
    assert (window.freq_hz, window.sf) == (869_525_000, 12)
    events = device.mac.hear(Heard(device.network.downlink(6, b"lamp off"), window=0), device.now_ms)

    assert [event.data for event in events] == [b"lamp off"]


def live(device, uplinks):
    while len(device.network.fcnts) < uplinks:
        try:
            answer = device.network.downlink(fopts=b"\x06") if len(device.network.fcnts) % 7 == 3 else None
            device.uplink(pause_ms=300_000, answer=answer)
        except Wait as wait:
            device.now_ms += wait.ms


@pytest.mark.parametrize("how", ["before", "after", "empty"])
def test_whichever_write_the_power_fails_at_no_counter_is_used_twice(how):
    cut = 0
    while True:
        store = FailingStore({"identity": identity()}, cut, how)
        device = None
        try:
            device = Given(store)
            live(device, 40)
        except PowerCut:
            network = device.network if device else None
            again = Given(MemoryStore(store.records))
            if network is not None:
                again.network = network
            live(again, 80)  # the network refuses whatever was used before
            numbers = [fcnt for _, fcnt in again.network.fcnts]
            assert numbers == sorted(set(numbers))
        else:
            break
        cut += 1
    assert cut >= 6


SCRIPT = """
from firmware.lorawan import identity
from firmware.lorawan.abp import personalised
from firmware.lorawan.class_c import ClassCMac
from firmware.lorawan.mac import Mac
from firmware.lorawan.regions import eu868
from firmware.lorawan.store import FileStore

store = FileStore("here")
identity.abp(store, "70b3d57ed0051234", "26011bda", "00" * 16, "11" * 16)
for kind in (Mac, ClassCMac):
    mac = personalised(kind)(eu868, store, lambda: 4)
    mac.start(0)
    exchange = mac.send(1, b"x", 10_000)
    print(mac.state(0)["dev_addr"], mac.state(0)["fcnt_up"], len(exchange.frame))
"""


def test_on_micropython_with_files():
    assert run_on_micropython(SCRIPT) == "26011bda 1 14\n26011bda 33 14\n"


def test_the_record_s_size_tells_it_from_one_for_joining():
    assert len(identity()) == len(MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records["identity"]) + 12
