"""Certification topic: the test mode itself, TS009-1.0 on FPort 224, driven through network server and air."""


def test_the_package_tells_its_version(driven):
    assert bytes.fromhex(driven.command(b"\x00").seen["plaintext"]) == b"\x00\x06\x01"


def test_the_versions_answer_tells_lorawan_and_regional_parameters(driven):
    answer = bytes.fromhex(driven.command(b"\x7f").seen["plaintext"])

    assert len(answer) == 13
    assert answer[5:9] == b"\x01\x00\x04\x00"
    assert answer[9:13] == b"\x02\x01\x00\x04"


def test_the_echo_returns_every_byte_plus_one_on_port_224(driven):
    turn = driven.command(b"\x08\x00\x7f\xff")

    assert turn.seen["fport"] == 224
    assert bytes.fromhex(turn.seen["plaintext"]) == b"\x08\x01\x80\x00"


def test_the_counter_counts_application_downlinks(driven):
    driven.house.enqueue(b"not for the test", 2)
    driven.deliver(driven.house.uplink())

    assert bytes.fromhex(driven.command(b"\x09").seen["plaintext"]) == b"\x09\x02\x00"


def test_the_frame_type_the_period_and_the_adr_bit_are_the_testers(driven):
    driven.command(b"\x07\x02")
    driven.command(b"\x06\x01")
    turn = driven.command(b"\x04\x00")

    assert driven.test.confirmed is True
    assert driven.test.period_s == 5
    assert turn.seen["adr"] is False
    assert driven.command(b"\x04\x01").seen["adr"] is True


def test_the_tester_asks_for_a_link_check(driven):
    turn = driven.command(b"\x20")

    assert turn.command_names == ["LinkCheckReq"]
    assert turn.of("LinkCheck")[0].gateways == 1


def test_the_tester_asks_for_a_new_join_and_the_test_goes_on(driven):
    before = driven.house.state()["dev_addr"]
    driven.command(b"\x02")
    assert driven.test.wants_join
    driven.test.wants_join = False
    driven.house.rest(3600)
    driven.house.joined()

    driven.house.uplink()
    echoed = driven.command(b"\x08\x01")

    assert driven.house.state()["dev_addr"] != before
    assert bytes.fromhex(echoed.seen["plaintext"]) == b"\x08\x02"


def test_the_tester_asks_for_a_reset(driven):
    driven.command(b"\x01")

    assert driven.test.wants_reset
