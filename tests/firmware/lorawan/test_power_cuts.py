"""The power fails at every single store write of a join and the first uplinks. Runs on both interpreters.

The model of flash: a cut leaves the old record or the new one; a record written for the first time may also be empty
(created, not completed). `Network.hear` fails as soon as a DevNonce or a counter comes twice.
"""

from firmware.lorawan.errors import Wait
from firmware.lorawan.memory_store import MemoryStore
from tests.firmware.lorawan.failing_store import FailingStore, PowerCut
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Device, Network

UPLINKS = 40  # more than one write of the counter ceiling


def live(device, uplinks):
    """Join and send, with a downlink now and then, as a node does; ends with a PowerCut or after `uplinks`."""
    done = 0
    while done < uplinks:
        try:
            if not device.mac.joined:
                exchange = device.mac.join(device.now_ms)
                device.network.hear(exchange)
                device.finish(exchange, device.network.accept(exchange.frame))
            else:
                device.now_ms += 300_000
                exchange = device.mac.send(1, b"x", device.now_ms)
                device.network.hear(exchange)
                answer = device.network.downlink(fopts=b"\x06\x08\x02") if done % 7 == 3 else None
                device.finish(exchange, answer)
                done += 1
        except Wait as wait:
            device.now_ms += wait.ms


def run(cut, how, cut_again=None):
    """A life with the power cut at write `cut`, and after the restart again at `cut_again`; the number of writes."""
    network = Network()
    records = MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records
    store = FailingStore(records, cut, how)
    device = Device(network, store)
    for next_cut in (cut_again, None, None):
        try:
            live(device, UPLINKS)
            break
        except PowerCut:
            device.store = FailingStore(records, next_cut, how)
            device.boot()
    assert device.mac.joined
    assert network.fcnts
    return store.writes


def test_nothing_is_used_twice_whichever_write_fails():
    writes = run(None, "before")
    assert writes >= 10
    for how in ("before", "after", "empty"):
        for cut in range(writes):
            run(cut, how)


def test_nothing_is_used_twice_when_the_restart_is_cut_too():
    for how in ("before", "after"):
        for cut in range(8):
            for cut_again in range(6):
                run(cut, how, cut_again)


def test_a_rejoin_that_is_cut_never_mixes_old_keys_with_new_counters():
    for how in ("before", "after"):
        for cut in range(6):
            network = Network()
            records = MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records
            device = Device(network, MemoryStore(records))
            live(device, 5)
            old_keys = network.nwk_skey, network.app_skey
            device.store = FailingStore(records, cut, how)
            device.boot()
            device.now_ms += 3_600_000
            try:
                exchange = device.mac.join(device.now_ms)
                network.hear(exchange)
                device.finish(exchange, network.accept(exchange.frame))
            except PowerCut:
                pass
            device.store = MemoryStore(records)
            device.boot()
            keys = device.mac._records.session.nwk_key
            if keys.mic(b"x", 1)[:4] == type(keys)(old_keys[0]).mic(b"x", 1)[:4]:
                network.nwk_skey, network.app_skey = old_keys
                network.sessions = 1
                assert device.mac.state(device.now_ms)["fcnt_up"] >= 5
            live(device, 2)


def test_a_session_whose_counters_are_gone_is_dropped_not_restarted():
    device = Device()
    device.join()
    device.uplink()
    cold = device.store.records["cold"]
    device.now_ms += 3_600_000
    device.join()
    device.uplink()
    device.store.records["cold"] = cold  # as if the write of the new one had failed

    device.boot()

    assert not device.mac.joined
    device.now_ms += 3_600_000
    device.join()
    assert device.uplink()[0]["fcnt32"] == 0


def test_another_identity_tried_in_between_does_not_restart_the_counters():
    device = Device()
    device.join()
    device.uplink()
    first = device.store.records["identity"]
    device.store.records.update(MemoryStore.provisioned(JOIN_EUI, DEV_EUI, APP_KEY).records)
    device.boot()
    device.now_ms += 3_600_000
    device.finish(device.mac.join(device.now_ms))
    device.store.records["identity"] = first

    device.boot()

    assert not device.mac.joined
