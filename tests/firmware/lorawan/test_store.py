"""Identifiers and stored records. Runs on both interpreters."""
# ruff: noqa: PTH106, PTH107, PTH123 (no pathlib on MicroPython)

import os

from firmware.lorawan.errors import StateCorrupt
from firmware.lorawan.ids import DevAddr, Eui
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.store import FileStore, crc16, pack_identity, pack_record, unpack_record
from tests.firmware.lorawan.net import raises

EUI = Eui.from_hex("70B3D5-7ED0:05 1234")


def test_identifiers_are_shown_big_endian_and_sent_little_endian():
    assert str(EUI) == "70b3d57ed0051234"
    assert EUI.to_wire() == b"\x34\x12\x05\xd0\x7e\xd5\xb3\x70"
    assert Eui.from_wire(EUI.to_wire()) == EUI
    assert DevAddr.from_hex("26011bda").to_wire() == b"\xda\x1b\x01\x26"
    assert repr(EUI) == "Eui.from_hex('70b3d57ed0051234')"
    raises(ValueError, Eui.from_hex, "70b3")
    assert Eui.from_wire(bytes(8)) != DevAddr.from_wire(bytes(4))


def test_crc_is_the_published_one():
    assert crc16(b"123456789") == 0x29B1  # check value of CRC-16/CCITT-FALSE


def test_records_keep_their_body_and_tell_damage():
    framed = pack_record(b"body")

    assert unpack_record("hot", framed) == b"body"
    assert unpack_record("hot", b"") is None  # created, never completed
    for at in range(len(framed)):
        for bit in range(8):
            damaged = bytearray(framed)
            damaged[at] ^= 1 << bit
            raises(StateCorrupt, unpack_record, "hot", bytes(damaged))
    raises(StateCorrupt, unpack_record, "hot", framed[:-1])
    other = bytearray(b"\x02body")
    crc = crc16(other)
    raises(StateCorrupt, unpack_record, "hot", bytes(other) + bytes((crc >> 8, crc & 0xFF)))


def test_identity_is_packed_in_wire_order():
    framed = pack_identity(EUI, Eui.from_wire(bytes(8)), bytes(range(16)))

    assert unpack_record("identity", framed) == EUI.to_wire() + bytes(8) + bytes(range(16))
    raises(ValueError, pack_identity, EUI, EUI, b"short")


def test_file_store_makes_its_directory_and_gives_back_what_was_saved():
    directory = f"lorawan-store-test-{id(object()) & 0xFFFFFF}"
    store = FileStore(directory)
    try:
        assert store.load("hot") is None
        store.save("hot", b"one")
        store.save("hot", b"two!")
        assert FileStore(directory).load("hot") == b"two!"
        with open(directory + "/hot", "wb") as file:
            file.write(b"\x01bad")
        raises(StateCorrupt, store.load, "hot")
        with open(directory + "/hot", "wb"):
            pass
        assert store.load("hot") is None
    finally:
        os.remove(directory + "/hot")
        os.rmdir(directory)


def test_memory_store_has_the_same_calls():
    store = MemoryStore.provisioned(EUI, EUI, bytes(16))
    store.save("hot", b"one")

    assert store.load("hot") == b"one"
    assert store.load("cold") is None
    assert len(store.load("identity")) == 32
