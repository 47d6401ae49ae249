"""The modem behind the node's API: every version of its firmware, every fault it has, and a network that hears it."""

from types import SimpleNamespace

import pytest

from bench.block import counters, dev_nonces
from bench.chips.rui3 import DIALECTS
from firmware.lorawan.errors import DutyCycleWait, JoinWait, NoIdentity, NotJoined, PayloadTooLong, Wait
from firmware.lorawan.ids import Eui
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.store import pack_identity
from firmware.node.modem import ModemMac
from firmware.radio.errors import ModemRefused, ModemSilent, RadioError
from tests.firmware.radio.modem_rig import APP_KEY, DEV_EUI, JOIN_EUI, ModemRig


@pytest.fixture
def rig():
    made = ModemRig()
    made.start()
    return made


@pytest.fixture
def joined(rig):
    assert rig.join() == ["Joined"]
    return rig


def names(events):
    return [type(event).__name__ for event in events]


def writes(rig):
    return [text for text in rig.told() if "=" in text and not text.endswith("=?")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_join_uplinks_acknowledgement_and_downlink_with_every_version(dialect):
    rig = ModemRig(dialect)
    rig.start()

    assert rig.mac.state(rig.now_ms)["modem"] == DIALECTS[dialect].version
    assert rig.join() == ["Joined"]
    assert rig.send(20, b"report") == []
    rig.enqueue(40, b"\x82\x11\xa1")
    (downlink,) = rig.send(20, b"again")
    assert (downlink.port, downlink.data, downlink.group) == (40, b"\x82\x11\xa1", None)
    assert downlink.rssi_dbm < -50
    assert names(rig.send(32, b"alarm", confirmed=True)) == ["Acknowledged"]
    assert rig.ups() == [(20, b"report"), (20, b"again"), (32, b"alarm")]
    assert rig.modem.dialogue.damaged == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_longest_downlink_arrives_whole(dialect):
    rig = ModemRig(dialect)
    rig.start()
    rig.join()
    rig.enqueue(99, bytes(range(222)))

    (downlink,) = rig.send(20, b"x")
    assert downlink.data == bytes(range(222))
    assert rig.uart.lost == 0


def test_second_boot_finds_the_session_and_does_not_send_the_key_again(joined):
    joined.send(20, b"one")
    joined.boot()
    joined.start()

    assert joined.mac.joined
    assert joined.told()[-2:] == ["AT+DEVADDR=?", "AT+DR=?"]
    assert writes(joined) == []
    joined.send(20, b"two")
    assert joined.ups() == [(20, b"one"), (20, b"two")]


def test_key_is_never_read(rig):
    assert "AT+APPKEY=..." in rig.told()
    assert "AT+APPKEY=?" not in rig.told()


def test_another_modem_is_given_the_identity_although_the_node_knows_it_has_handed_it_over(joined):
    joined.model.settings["DEVEUI"] = "AC1F09FFFE0517A2"
    joined.boot()
    joined.start()

    assert writes(joined) == ["AT+APPKEY=...", f"AT+APPEUI={JOIN_EUI}", f"AT+DEVEUI={DEV_EUI}"]
    assert not joined.mac.joined


def test_new_key_of_the_node_reaches_the_modem_and_ends_the_old_session(joined):
    joined.records["identity"] = pack_identity(Eui.from_hex(DEV_EUI), Eui.from_hex(JOIN_EUI), bytes(16))
    joined.boot()
    joined.start()

    assert joined.model.settings["APPKEY"] == "00" * 16
    assert not joined.mac.joined


def test_damaged_record_only_costs_one_more_handing_over(joined):
    joined.records["modem"] = b"\x01\xff\xff\xff\xff"
    joined.boot()
    joined.start()

    assert "AT+APPKEY=..." in joined.told()


def test_modem_in_point_to_point_mode_is_switched_and_set_up_anew():
    rig = ModemRig()
    rig.model.settings["NWM"] = "0"
    rig.start()

    assert rig.model.starts == 2
    assert (rig.model.settings["NWM"], rig.model.settings["BAND"]) == ("1", "4")
    assert rig.join() == ["Joined"]


def test_without_identity_nothing_is_said_about_keys():
    rig = ModemRig()
    del rig.records["identity"]
    rig.boot()
    rig.modem.start()

    with pytest.raises(NoIdentity):
        rig.mac.start(rig.now_ms)
    assert not any("KEY" in text for text in rig.told())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dev_nonce_and_counters_go_on_after_power_cuts_of_the_modem(dialect):
    rig = ModemRig(dialect)
    rig.start()
    rig.join()
    for number in range(3):
        rig.send(20, bytes((number,)))
        rig.model.set_power(False)
        rig.pass_s(2)
        rig.model.set_power(True)
        rig.pass_s(2)
        rig.boot()
        rig.start()
        if not rig.mac.joined:
            assert rig.join() == ["Joined"]

    nonces = dev_nonces(rig.sent())
    assert nonces == list(range(len(nonces)))
    seen = [(addr, f_cnt) for addr, f_cnt, _ in counters(rig.sent())]
    assert len(set(seen)) == len(seen) == 3
    assert rig.ups() == [(20, b"\x00"), (20, b"\x01"), (20, b"\x02")]


def test_modem_that_sleeps_is_woken_before_anything_that_must_be_said_once(joined):
    joined.pass_s(600)
    assert joined.send(20, b"report") == []
    assert joined.ups() == [(20, b"report")]
    assert len(counters(joined.sent())) == 1


def test_silent_modem_is_an_error_that_names_no_value():
    rig = ModemRig()
    rig.model.fail("silent")
    with pytest.raises(ModemSilent):
        rig.start()
    rig.model.heal()
    rig.start()
    assert rig.join() == ["Joined"]


def test_modem_that_hangs_is_reset_by_its_pin(joined):
    joined.model.fail("hangs")
    starts = joined.model.starts
    joined.start()

    assert joined.model.starts == starts + 1
    assert joined.mac.joined


def test_modem_that_hangs_without_a_pin_is_reported():
    rig = ModemRig(reset_wired=False)
    rig.model.fail("hangs")
    with pytest.raises(ModemSilent):
        rig.start()


def test_restart_in_the_middle_of_an_uplink_is_an_error_and_the_next_uplink_goes_out(joined):
    attempt = joined.mac.send(20, b"lost", joined.now_ms)
    joined.schedule.after(500_000, joined.model.restart)
    with pytest.raises(RadioError):
        joined.modem.carry_out(attempt)
    joined.mac.abandon(attempt)

    assert joined.send(20, b"next") == []
    assert joined.ups()[-1] == (20, b"next")


@pytest.mark.parametrize("dialect", ["3.2.0", "1.0.4"])
def test_session_lost_in_a_restart_is_noticed_at_the_next_uplink(dialect):
    rig = ModemRig(dialect)
    rig.start()
    rig.join()
    rig.model.restart()
    rig.pass_s(2)

    with pytest.raises((NotJoined, Wait)):
        rig.send(20, b"x")
    with pytest.raises(NotJoined):
        rig.send(20, b"x")
    assert not rig.mac.joined
    assert rig.join() == ["Joined"]


def test_busy_modem_asks_for_patience(joined):
    joined.model.fail("busy")
    with pytest.raises(Wait) as refusal:
        joined.send(20, b"x")
    assert refusal.value.ms > 0
    joined.model.heal()
    assert joined.send(20, b"x") == []


def test_node_reset_in_the_middle_of_an_uplink_waits_for_its_end(joined):
    joined.mac.send(20, b"one", joined.now_ms)
    joined.boot()
    joined.start()
    with pytest.raises(Wait):
        joined.send(20, b"two")
    joined.pass_s(5)
    assert joined.send(20, b"two") == []
    assert joined.ups() == [(20, b"one"), (20, b"two")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_duty_cycle_is_refused_with_the_time_until_it_ends(dialect):
    rig = ModemRig(dialect)
    rig.start()
    rig.join()
    waits = []
    for _ in range(2000):
        rig.model.device.data_rate = 0
        try:
            rig.send(20, bytes(40))
        except DutyCycleWait as wait:
            waits.append(wait.ms)
            break
    assert waits
    before = len(rig.sent())
    rig.pass_s(waits[0] / 1000 + 1)
    while waits and dialect != "4.0.6" and len(waits) < 10:  # these do not say how long
        try:
            rig.send(20, bytes(40))
            break
        except DutyCycleWait as wait:
            waits.append(wait.ms)
            rig.pass_s(wait.ms / 1000)
    else:
        rig.send(20, bytes(40))
    assert len(rig.sent()) == before + 1


def test_modem_that_lost_its_settings_in_a_restart_is_set_up_before_the_next_uplink(joined):
    joined.model.settings.update(ADR="0", CFM="1")
    joined.model.restart()
    joined.pass_s(2)

    assert joined.send(20, b"x") == []
    assert (joined.model.settings["ADR"], joined.model.settings["CFM"]) == ("1", "0")


def test_setting_up_waits_for_the_end_of_what_the_modem_is_at(joined):
    joined.mac.send(20, b"one", joined.now_ms)
    joined.model.settings["ADR"] = "0"
    joined.boot()
    joined.start()

    assert joined.model.settings["ADR"] == "1"
    assert joined.told().count("AT+ADR=1") > 1


def test_downlink_told_when_nobody_waits_comes_with_the_next_uplink(joined):
    joined.model.tell("+EVT:RX_C:-38:5:MULTICAST:9:C0FFEE")
    joined.pass_s(1)

    (downlink,) = joined.send(20, b"x")
    assert (downlink.port, downlink.data, downlink.group) == (9, bytes.fromhex("c0ffee"), 0)


def test_room_follows_the_data_rate_and_too_much_is_refused(joined):
    assert joined.mac.room(joined.now_ms) == 242
    with pytest.raises(PayloadTooLong) as refusal:
        joined.send(20, bytes(243))
    assert refusal.value.max == 242
    joined.model.device.data_rate = 0
    joined.link.connected = False  # else the network raises the data rate at once
    joined.send(20, b"x")
    assert joined.mac.room(joined.now_ms) == 51


def test_what_mac_answers_of_the_modem_leave_no_room_for_is_refused_with_what_fits(joined):
    joined.model.device.data_rate = 0
    joined.send(20, b"x")  # the network answers with LinkADRReq
    assert joined.mac.room(joined.now_ms) == 242
    with pytest.raises(PayloadTooLong) as refusal:
        joined.send(20, bytes(242))
    assert refusal.value.max == 241


def test_join_nobody_answers_fails_and_the_next_one_waits(rig):
    rig.link.connected = False
    assert rig.join() == ["JoinFailed"]
    with pytest.raises(JoinWait) as refusal:
        rig.join()
    assert 10_000 <= refusal.value.ms < 20_000
    rig.link.connected = True
    rig.pass_s(refusal.value.ms / 1000)
    assert rig.join() == ["Joined"]


def test_joins_go_from_quick_to_far(rig):
    rig.link.connected = False
    factors = []
    for _ in range(7):
        attempt = rig.mac.join(rig.now_ms)
        factors.append(attempt.sf)
        rig.carry(attempt)
        rig.pass_s(1300)
    assert factors == [7, 8, 9, 10, 11, 12, 7]
    assert [record.frame.sf for record in rig.air.records if record.frame.sender == "node"] == factors


def test_acknowledgement_that_does_not_come_is_told(joined):
    joined.link.connected = False
    assert names(joined.send(32, b"alarm", confirmed=True)) == ["NotAcknowledged"]


@pytest.mark.parametrize("dialect", ["3.2.0", "4.0.6"])
def test_link_check_is_answered(dialect):
    rig = ModemRig(dialect)
    rig.start()
    rig.join()
    rig.mac.request_link_check()

    (check,) = rig.send(20, b"x")
    assert (check.gateways, check.margin_db > 0) == (1, True)
    assert rig.send(20, b"x") == []


def test_damaged_downlink_is_asked_for_again(joined):
    joined.enqueue(40, b"\x82\x11\xa1")
    joined.model.fail("garble-downlinks")

    (downlink,) = joined.send(20, b"x")
    assert (downlink.port, downlink.data) == (40, b"\x82\x11\xa1")


def test_events_that_are_never_told_do_not_stop_the_node(rig):
    rig.model.fail("mute-events")
    assert rig.join() == ["Joined"]  # AT+NJS=? knows it
    assert rig.send(20, b"x") == []
    assert names(rig.send(20, b"y", confirmed=True)) == ["NotAcknowledged"]
    assert rig.ups() == [(20, b"x"), (20, b"y")]


def test_damaged_lines_are_said_again(rig):
    rig.model.fail("garble")
    rig.boot()
    for _ in range(20):
        try:
            if not rig.mac.joined:
                rig.start()
                rig.join()
            rig.send(20, b"x")
        except (RadioError, Wait, NotJoined):
            rig.pass_s(60)
    assert (20, b"x") in rig.ups()


def test_echo_does_not_disturb(rig):
    rig.model.fail("echo")
    rig.boot()
    rig.start()
    assert writes(rig) == []
    assert rig.join() == ["Joined"]
    assert rig.send(20, b"x") == []


def test_region_that_the_modem_does_not_have_is_refused_by_name():
    rig = ModemRig()
    rig.modem.start()
    mac = ModemMac(rig.modem, SimpleNamespace(NAME="XX900", DEFAULT_DR=0), MemoryStore(rig.records), lambda: 0)

    with pytest.raises(ModemRefused, match="XX900"):
        mac.start(rig.now_ms)


def test_errors_show_no_key(rig):
    rig.boot()
    rig.records.pop("modem")
    rig.model.fail("silent")
    for call in (rig.start, lambda: rig.modem.ask("AT+APPKEY=" + APP_KEY.hex())):
        with pytest.raises(RadioError) as error:
            call()
        assert APP_KEY.hex() not in str(error.value)
