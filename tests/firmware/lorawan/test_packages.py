"""The application packages TS003, TS004, TS005 and TS009. Runs on both interpreters."""

from binascii import hexlify, unhexlify

from firmware.lorawan.crypto import Key
from firmware.lorawan.errors import DutyCycleWait
from firmware.lorawan.events import NetworkTime
from firmware.lorawan.packages.certification import Certification
from firmware.lorawan.packages.clock_sync import ClockSync
from firmware.lorawan.packages.fragmentation import Block, Fragmentation, parity_mask
from firmware.lorawan.packages.gps_clock import GpsClock
from firmware.lorawan.packages.multicast_setup import MulticastSetup, mc_ke_key, mc_root_key
from tests.firmware.lorawan.net import Random, aes_decrypt
from tests.firmware.lorawan.test_class_c import GROUP_ADDR, joined, to_group

GEN_APP_KEY = unhexlify("0302030405060708090a0b0c0d0e0f10")
MC_KEY = bytes(range(16))


def hexed(data):
    return hexlify(data).decode()


# TS003


def test_clock_sync_asks_and_believes_only_the_answer_to_its_last_request():
    clock = GpsClock()
    sync = ClockSync(clock, Random())

    assert hexed(sync.request(1_024_000, answer_required=True)) == "010004000010"
    assert sync.handle(unhexlify("01e803000005"), 1_030_000) == b""
    assert not clock.known
    sync.handle(unhexlify("01e803000000"), 1_030_000)

    assert clock.known
    assert clock.now_s(1_030_000) == 2_030
    assert hexed(sync.request(1_030_000)) == "01ee07000001"
    sync.handle(unhexlify("01ffffffff01"), 1_030_000)
    assert clock.now_s(1_030_000) == 2_029


def test_clock_sync_tells_its_version_and_follows_periods_and_forced_requests():
    sync = ClockSync(GpsClock(), Random())
    assert hexed(sync.handle(b"\x00", 0)) == "000101"
    assert sync.next_ms is None

    assert hexed(sync.handle(unhexlify("0201"), 5_000)) == "020005000000"
    assert 5_000 + 225_000 < sync.next_ms < 5_000 + 287_000

    sync.handle(unhexlify("0303"), 5_000)
    requests = 0
    while sync.next_ms == 0:
        sync.request(6_000)
        sync.requested(6_000)
        requests += 1
    assert requests == 3


def test_device_time_sets_the_clock():
    clock = GpsClock()

    clock.set(NetworkTime(1_000_000_000, 128, 1_500), 10_000)

    assert clock.now_s(10_000) == 1_000_000_002


# TS005


def test_multicast_keys_are_those_of_the_published_vectors():
    assert hexed(mc_root_key(GEN_APP_KEY)) == "55344e82570eaec8bf03b99962d1f445"
    assert hexed(mc_ke_key(unhexlify("0402030405060708090a0b0c0d0e0f10"))) == "9083bebf704257883160dbfcde33ad71"


def multicast_node():
    device = joined()
    device.clock = GpsClock()
    device.setup = MulticastSetup(device.mac, device.clock, GEN_APP_KEY)
    device.tell = lambda text: hexed(device.setup.handle(unhexlify(text), device.now_ms))
    return device


def setup_request(number=0, first=0, end=0xFFFFFFFF):
    encrypted = aes_decrypt(mc_ke_key(mc_root_key(GEN_APP_KEY)), MC_KEY)
    bounds = first.to_bytes(4, "little") + end.to_bytes(4, "little")
    return hexed(bytes((0x02, number)) + GROUP_ADDR + encrypted + bounds)


def test_a_group_that_the_network_sets_up_hears_its_frames():
    device = multicast_node()

    assert device.tell(setup_request(0)) == "0200"

    assert [event.data for event in device.hear(to_group(0))] == [b"all"]


def test_groups_are_listed_and_deleted():
    device = multicast_node()
    assert device.tell("00") == "000201"
    assert device.tell(setup_request(0) + setup_request(2)) == "02000202"

    assert device.tell("010f") == "0125" + "0001020304" + "0201020304"
    assert device.tell("0104") == "0124" + "0201020304"
    assert device.tell("0302" + "0302") == "0302" + "0306"
    assert device.tell("010f") == "0111" + "0001020304"


def test_a_class_c_session_moves_rxc_at_its_time():
    device = multicast_node()
    device.tell(setup_request(1))
    assert device.tell("0401" + "64000000" + "06" + "28768405") == ""  # without the time
    device.clock.set(NetworkTime(40, 0, 0), device.now_ms)

    assert device.tell("0401" + "64000000" + "06" + "28768405") == "0401" + "3c0000"

    assert device.mac.listening(device.now_ms + 59_000).freq_hz == 869_525_000
    assert device.mac.listening(device.now_ms + 61_000).freq_hz == 868_100_000
    assert device.mac.listening(device.now_ms + 123_000).sf == 7
    assert device.mac.listening(device.now_ms + 125_000).freq_hz == 869_525_000


def test_an_impossible_session_is_refused_bit_by_bit():
    device = multicast_node()
    device.clock.set(NetworkTime(40, 0, 0), device.now_ms)
    assert device.tell("0401" + "64000000" + "06" + "28768405") == "0411"
    device.tell(setup_request(1))

    assert device.tell("0401" + "64000000" + "06" + "00000005") == "0409"
    assert device.tell("0401" + "64000000" + "06" + "2876840f") == "0405"
    assert device.tell("0401" + "00000000" + "06" + "28768405") == "0401000000"  # a start in the past is now


# TS009


def certified():
    device = joined()
    device.test = Certification(device.mac)
    return device


def command(device, text, port=224):

    def answer():
        return device.network.downlink(port, unhexlify(text))

    _, events = device.uplink(answer=answer)
    return [hexed(device.test.take(event, device.now_ms)) for event in events]


def test_certification_echoes_counts_and_tells_versions():
    device = certified()
    assert command(device, "aabb", port=7) == [""]
    assert not device.test.active

    assert command(device, "080105ff") == ["08020600"]
    assert device.test.active
    assert command(device, "09") == ["090300"]
    assert command(device, "00") == ["000601"]
    (versions,) = command(device, "7f")
    assert versions.startswith("7f000100000100040002010004")
    assert len(versions) == 2 * 13


def test_certification_clips_the_echo_to_the_data_rate():
    device = certified()
    device.mac.set_data_rate(0)

    (echo,) = command(device, "08" + "00" * 49)
    assert len(echo) // 2 == 50
    assert len(device.test.handle(b"\x08" + bytes(200), device.now_ms)) == 51


def test_certification_steers_adr_period_frame_type_and_requests():
    device = certified()
    command(device, "0400")
    assert device.uplink()[0]["adr"] is False
    command(device, "0401")
    assert device.uplink()[0]["adr"] is True
    command(device, "0602")
    assert device.test.period_s == 10
    command(device, "060b")
    assert device.test.period_s == 10
    command(device, "0702")
    assert device.test.confirmed is True
    command(device, "0701")
    assert device.test.confirmed is False
    command(device, "20")
    assert device.uplink()[0]["fopts"] == "02"
    command(device, "01")
    command(device, "02")
    assert device.test.wants_reset
    assert device.test.wants_join
    assert not device.test.wants_off
    command(device, "7e")
    assert device.test.wants_off


def test_certification_counts_anew_asks_for_the_time_and_ignores_a_class_that_is_not_there():
    device = certified()
    assert command(device, "09") == ["090100"]
    command(device, "0a")
    assert command(device, "09") == ["090100"]
    device.test.count()
    assert command(device, "09") == ["090300"]
    command(device, "21")
    assert device.uplink()[0]["fopts"] == "0d"
    for wanted in ("0301", "0302", "0300", "03"):
        assert command(device, wanted) == [""]
    assert device.mac.listens


def test_certification_switches_a_class_c_device_to_class_a_and_back():
    device = joined()
    device.test = Certification(device.mac, class_c=True)
    command(device, "0300")
    assert device.mac.listening(device.now_ms) is None
    command(device, "0301")
    assert device.mac.listening(device.now_ms) is None
    command(device, "0302")
    assert device.mac.listening(device.now_ms) is not None


def test_certification_lifts_the_budgets_of_the_bands_and_puts_them_back_with_all_that_was_sent():
    device = certified()
    device.mac.set_data_rate(0)

    def waits(count):
        found = 0
        for _ in range(count):
            device.now_ms += 5_000
            try:
                device.finish(device.mac.send(1, bytes(40), device.now_ms))
            except DutyCycleWait:
                found += 1
        return found

    command(device, "0500")
    assert waits(300) == 0
    command(device, "0501")
    assert waits(5) == 5
    device.now_ms += 3_900_000
    assert waits(1) == 0


# TS004

SOURCE = bytes(range(100))
PARITY = (
    "262622222e2e22222626",
    "5455565758596a6b7c7d",
    "5c5d6e6f101102030405",
    "363632323e3e22223636",
    "3a3a0e0e0a0a06060a0a",
)


def coded(data, size, n):
    """Fragment `n` of `data`, as a server makes it."""
    fragments = len(data) // size
    mask = 1 << (n - 1) if n <= fragments else parity_mask(n - fragments, fragments)
    out = bytearray(size)
    for i in range(fragments):
        if mask >> i & 1:
            for k in range(size):
                out[k] ^= data[i * size + k]
    return bytes(out)


def test_parity_fragments_are_those_of_the_published_vector():
    assert [hexed(coded(SOURCE, 10, 11 + i)) for i in range(5)] == list(PARITY)


def test_a_block_is_whole_after_any_independent_fragments():
    chance = Random(3)
    for fragments, size in ((10, 10), (16, 4), (33, 7), (64, 3)):
        data = bytes(chance() & 0xFF for _ in range(fragments * size))
        block = Block(fragments, size, 2, fragments)
        n = 0
        while not block.complete:
            n += 1
            if chance() % 10 < 7:
                block.add(n, coded(data, size, n))
            assert n < 6 * fragments
        assert bytes(block.data()) == data[:-2]
        assert block.missing == 0


def test_memory_for_equations_is_bounded_and_its_end_is_told():
    block = Block(10, 10, 0, 2)
    for n in range(11, 40):
        block.add(n, coded(SOURCE, 10, n))
    assert block.out_of_memory
    for n in range(1, 11):
        block.add(n, coded(SOURCE, 10, n))
    assert bytes(block.data()) == SOURCE


def test_fragmentation_session_from_setup_to_block():
    blocks = []
    package = Fragmentation(lambda index, block: blocks.append((index, block.descriptor, bytes(block.data()))))
    assert hexed(package.handle(b"\x00", 0)) == "000301"
    assert hexed(package.handle(unhexlify("02" + "11" + "0a00" + "0a" + "00" + "03" + "01020304"), 0)) == "0240"
    for n in range(1, 8):
        package.handle(b"\x08" + (n | 1 << 14).to_bytes(2, "little") + coded(SOURCE, 10, n), 0)
    assert hexed(package.handle(unhexlify("0102"), 0)) == "0107400300"

    n = 10
    while not blocks:
        n += 1
        package.handle(b"\x08" + (n | 1 << 14).to_bytes(2, "little") + coded(SOURCE, 10, n), 0, group=0)

    assert blocks == [(1, 0x04030201, SOURCE[:-3])]
    assert package.handle(unhexlify("0102"), 0) == b""  # complete: only asked if all are
    assert hexed(package.handle(unhexlify("0103"), 0))[-4:] == "0000"
    assert hexed(package.handle(unhexlify("0301" + "0301"), 0)) == "0301" + "0305"


def test_fragmentation_refuses_what_does_not_fit_and_fragments_of_other_groups():
    package = Fragmentation(None, max_bytes=100)
    assert hexed(package.handle(unhexlify("02" + "01" + "0b00" + "0a" + "00" + "00" + "00000000"), 0)) == "0202"
    assert hexed(package.handle(unhexlify("02" + "01" + "0a00" + "0a" + "08" + "00" + "00000000"), 0)) == "0201"
    assert hexed(package.handle(unhexlify("02" + "01" + "0a00" + "0a" + "00" + "00" + "00000000"), 0)) == "0200"
    assert hexed(package.handle(unhexlify("02" + "11" + "0100" + "0a" + "00" + "00" + "00000000"), 0)) == "0242"

    package.handle(b"\x08\x01\x00" + bytes(10), 0, group=2)
    assert hexed(package.handle(unhexlify("0101"), 0)) == "0100000a00"


def test_group_setup_request_of_the_published_vector_is_taken():
    device = multicast_node()
    frame = "020204030201010203040506070801020304050607080004000000080000"

    assert device.tell(frame) == "0202"

    group = device.mac.groups.by_id[2]
    assert (group.first, group.end, hexed(group.addr)) == (1024, 2048, "04030201")
    assert isinstance(Key(MC_KEY).mic(b"", 0), bytearray)
