"""Joining: nonces, windows, settings from the accept, pauses and budgets. Runs on both interpreters."""

from binascii import unhexlify

from firmware.lorawan import backoff
from firmware.lorawan.errors import Busy, JoinWait, LorawanError, NoIdentity, NonceExhausted, NotJoined, Wait
from firmware.lorawan.join import JoinState
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.store import NONCE, pack_record
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Device, joined, names, raises

HOUR_MS = 3_600_000


def test_join_request_carries_both_euis_and_counts_dev_nonce_from_zero():
    device = Device()

    found = device.network.hear(device.mac.join(device.now_ms))

    assert (found["dev_eui"], found["join_eui"], found["dev_nonce"]) == (str(DEV_EUI), str(JOIN_EUI), 0)


def test_dev_nonce_is_stored_as_used_before_the_exchange_is_given_out():
    device = Device()

    device.mac.join(device.now_ms)
    device.boot()
    again = device.network.hear(device.mac.join(device.now_ms))

    assert again["dev_nonce"] == 1


def test_join_windows_are_at_five_and_six_seconds_with_regional_defaults():
    device = joined(dl_settings=0x13, rx_delay=7)  # network settings of a session do not matter for the next join
    device.now_ms += 3_600_000

    exchange = device.mac.join(device.now_ms)

    assert (exchange.sf, exchange.bw_hz, exchange.power_dbm, exchange.airtime_us) == (7, 125_000, 16, 61_696)
    assert exchange.freq_hz in (868_100_000, 868_300_000, 868_500_000)
    assert (exchange.rx1.delay_ms, exchange.rx1.freq_hz, exchange.rx1.sf) == (5000, exchange.freq_hz, 7)
    assert (exchange.rx2.delay_ms, exchange.rx2.freq_hz, exchange.rx2.sf) == (6000, 869_525_000, 12)


def test_accept_gives_a_session_with_its_windows_and_channels():
    cflist = unhexlify("184f84e85684b85e84886684586e8400")

    device = Device()
    events = device.join(dl_settings=0x13, rx_delay=5, cflist=cflist)

    assert names(events) == ["Joined"]
    assert events[0].dev_addr == "26011bda"
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"x", device.now_ms)
    assert (exchange.sf, exchange.rx1.sf) == (7, 8)
    assert (exchange.rx1.delay_ms, exchange.rx2.delay_ms, exchange.rx2.sf) == (5000, 6000, 9)
    heard = {exchange.freq_hz}
    device.finish(exchange)
    for _ in range(7):
        found, _ = device.uplink()
        heard.add(found["exchange"].freq_hz)
    assert heard == {868_100_000, 868_300_000, 868_500_000} | {867_100_000 + 200_000 * n for n in range(5)}


def test_tries_step_down_through_the_data_rates_and_begin_again():
    device = Device()
    factors = []
    while len(factors) < 7:
        try:
            exchange = device.mac.join(device.now_ms)
        except Wait as wait:
            device.now_ms += wait.ms
            continue
        factors.append(exchange.sf)
        assert names(device.finish(exchange)) == ["JoinFailed"]

    assert factors == [7, 8, 9, 10, 11, 12, 7]


def test_a_random_pause_separates_two_tries():
    device = Device()
    device.finish(device.mac.join(device.now_ms))

    wait = raises(JoinWait, device.mac.join, device.now_ms)

    assert 4_000 <= wait.ms <= 12_000


def test_accept_for_another_key_or_altered_in_one_bit_is_not_wanted():
    device = Device()
    exchange = device.mac.join(device.now_ms)
    accept = bytearray(device.network.accept(exchange.frame))
    assert exchange.wants(accept)
    accept[9] ^= 1

    assert not exchange.wants(accept)
    assert names(device.finish(exchange, accept)) == ["JoinFailed"]
    assert not device.mac.joined


def test_accept_with_the_join_nonce_of_the_last_one_is_refused():
    device = joined()
    device.now_ms += 3_600_000
    exchange = device.mac.join(device.now_ms)

    assert not exchange.wants(device.network.accept(exchange.frame, join_nonce=1))


def rejoin(device, join_nonce):
    """Whether an accept with this JoinNonce begins a session."""
    device.now_ms += 86_400_000
    exchange = device.mac.join(device.now_ms)
    device.network.hear(exchange)
    return names(device.finish(exchange, device.network.accept(exchange.frame, join_nonce=join_nonce))) == ["Joined"]


def test_none_of_the_last_16_accepts_begins_a_session_again_whatever_resets_there_are():
    device = Device()
    for join_nonce in range(1, 19):
        assert rejoin(device, join_nonce)
        device.boot()

    for join_nonce in range(3, 19):
        assert not rejoin(device, join_nonce)
    assert rejoin(device, 2)  # too old to be remembered


def test_a_server_that_begins_anew_gets_through_as_soon_as_it_has_passed_what_is_remembered():
    device = Device()
    for join_nonce in (1, 2, 4):
        assert rejoin(device, join_nonce)

    assert [rejoin(device, join_nonce) for join_nonce in (1, 2, 3)] == [False, False, True]


def test_with_strict_join_only_a_higher_join_nonce_is_believed():
    device = Device()
    device.strict_join = True
    assert rejoin(device.boot(), 700)
    device.boot()

    assert [rejoin(device, join_nonce) for join_nonce in (1, 700, 699, 0x1000)] == [False, False, False, True]


def test_a_nonce_record_of_before_the_memory_of_accepts_is_read():
    device = Device()
    for join_nonce in (1, 2):
        assert rejoin(device, join_nonce)
    body = device.store.load("nonce")
    assert len(body) == 20
    device.store.save("nonce", body[:17])
    device.boot()

    assert not rejoin(device, 2)
    assert rejoin(device, 1)


def test_a_failed_rejoin_leaves_the_session_in_use():
    device = joined()
    device.now_ms += 3_600_000

    device.finish(device.mac.join(device.now_ms))

    assert device.uplink()[0]["fcnt32"] == 0


def test_session_survives_a_reset_and_a_new_one_starts_at_zero():
    device = joined()
    device.uplink()
    device.boot()

    assert device.uplink()[0]["fcnt32"] == 32
    device.now_ms += 3_600_000
    device.join()
    assert device.uplink()[0]["fcnt32"] == 0


def test_exhausted_dev_nonce_refuses_to_join():
    device = Device()
    device.mac.join(device.now_ms)
    body = bytearray(device.store.load(NONCE))
    body[0:2] = b"\xff\xff"
    device.store.records[NONCE] = pack_record(body)

    raises(NonceExhausted, device.boot().mac.join, device.now_ms)


def test_back_off_allows_36_s_then_36_s_then_8_7_s_a_day_and_not_more():
    join, now_ms, airtime_us = JoinState(), 5_000, 370_688
    spent = [0, 0, 0, 0]
    backoff.begin(join, now_ms)
    start_ms = now_ms
    while now_ms - start_ms < (11 + 48) * HOUR_MS:
        wait_ms = backoff.wait_ms(join, airtime_us, now_ms)
        if wait_ms == 0:
            hours = (now_ms - start_ms) // HOUR_MS
            spent[0 if hours < 1 else 1 if hours < 11 else 2 if hours < 35 else 3] += airtime_us
            backoff.spend(join, airtime_us, now_ms)
        now_ms += max(wait_ms, 1_000)

    assert [us // 1_000_000 for us in spent] == [35, 35, 8, 8]
    assert max(spent[:2]) <= 36_000_000
    assert max(spent[2:]) <= 8_700_000


def test_tries_are_spread_over_the_day_instead_of_spent_in_its_first_hours():
    join, now_ms = JoinState(), 0
    airtimes_us = (61_696, 113_152, 205_824, 370_688, 823_296, 1_482_752)
    backoff.begin(join, now_ms)
    at_ms = []
    while now_ms < (11 + 48) * HOUR_MS:
        wait_ms = backoff.wait_ms(join, airtimes_us[join.turn % 6], now_ms)
        if wait_ms == 0:
            backoff.spend(join, airtimes_us[join.turn % 6], now_ms)
            at_ms.append(now_ms)
        now_ms += max(wait_ms, 1_000)

    late = [ms for ms in at_ms if ms > 11 * HOUR_MS]
    assert 30 <= len(late) <= 40
    assert max(late[i + 1] - late[i] for i in range(len(late) - 1)) < 4.2 * HOUR_MS


def test_an_answer_that_was_not_believed_is_followed_by_another_try_at_once():
    join, airtime_us = JoinState(), 1_482_752
    backoff.begin(join, 0)
    now_ms = 12 * HOUR_MS
    backoff.spend(join, airtime_us, now_ms)
    assert backoff.wait_ms(join, airtime_us, now_ms) > 3 * HOUR_MS

    join.answered = True

    assert backoff.wait_ms(join, airtime_us, now_ms) == 0


def test_power_that_fails_after_three_minutes_neither_stops_the_time_of_the_back_off_nor_the_change_of_data_rates():
    device = Device()
    factors = []
    for _ in range(3_000):
        device.boot()
        end_ms = device.now_ms + 180_000
        while device.now_ms < end_ms:
            try:
                exchange = device.mac.join(device.now_ms)
                factors.append(exchange.sf)
                device.finish(exchange)
            except Wait as wait:
                device.now_ms += min(wait.ms, end_ms - device.now_ms)

    # Of 150 h of power a third counted, and each reset costs a second of the sub-band's hour; but tries went on.
    assert len(factors) > 45
    assert set(factors[-12:]) == {7, 8, 9, 10, 11, 12}


def test_resets_do_not_refill_the_back_off():
    join, now_ms, airtime_us = JoinState(), 0, 370_688
    backoff.begin(join, now_ms)
    spent = 0
    for _ in range(200):
        if backoff.wait_ms(join, airtime_us, now_ms) == 0:
            backoff.spend(join, airtime_us, now_ms)
            spent += airtime_us
        body = join.pack(now_ms)
        join = JoinState()
        now_ms = 0
        join.unpack(body, now_ms)
        backoff.begin(join, now_ms)
        now_ms += 8_000

    assert 35_000_000 < spent <= 36_000_000


def test_a_lonely_device_goes_on_trying_for_days_within_the_budgets():
    device = Device()
    start_ms = device.now_ms
    spent_us = tries = 0
    while device.now_ms - start_ms < 35 * HOUR_MS:
        try:
            exchange = device.mac.join(device.now_ms)
        except Wait as wait:
            device.now_ms += min(wait.ms, 700_000)  # asks again now and then, as a node does
            continue
        spent_us += exchange.airtime_us
        tries += 1
        device.finish(exchange)
        if device.random() % 5 == 0:
            device.boot()  # the time since the last write is not counted, so its windows are later than ours

    assert tries > 50
    assert spent_us <= 36_000_000 + 36_000_000 + 8_700_000


def test_a_device_without_identity_or_session_says_so():
    empty = Device()
    empty.store = MemoryStore()
    raises(NoIdentity, empty.boot)

    device = Device()
    raises(NotJoined, device.mac.send, 1, b"", 0)
    device.mac.join(device.now_ms)
    raises(Busy, device.mac.join, device.now_ms)
    assert issubclass(Busy, LorawanError)


def test_a_device_that_joins_says_so_when_its_identity_is_a_personalised_one():
    device = Device()
    device.store.save("identity", bytes(44))

    assert "this device joins" in str(raises(NoIdentity, device.boot))


def test_a_new_identity_keeps_the_nonces_and_drops_the_session():
    device = joined()
    device.store.records.update(MemoryStore.provisioned(DEV_EUI, JOIN_EUI, bytes(reversed(APP_KEY))).records)

    device.boot()

    assert not device.mac.joined
    assert device.mac.state(device.now_ms)["dev_nonce"] == 1


def test_no_key_is_in_what_people_see():
    device = joined()

    assert "00112233" not in repr(device.mac.state(device.now_ms))
    assert device.network.nwk_skey not in repr(device.mac.state(device.now_ms)).encode()
