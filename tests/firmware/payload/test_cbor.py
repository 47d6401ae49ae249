"""The strict subset: known answers on both interpreters, and nothing else gets through."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.payload.cbor import MAX_DEPTH, CborError, dumps, loads
from tests.on_micropython import ROOT, run_on_micropython

HERE = Path(__file__).with_name("cbor_here.py")
FUZZ = Path(__file__).with_name("fuzz_here.py")
VECTORS = ROOT / "tests" / "data" / "cbor-vectors.json"
EXPECTED = "vectors 59\nrefused 54\n"

INTEGERS = st.integers(-(2**64), 2**64 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.binary(max_size=40) | st.text(max_size=20)
KEYS = INTEGERS | st.binary(max_size=8) | st.text(max_size=8)


def nested(depth):
    if depth == 0:
        return SCALARS
    inner = nested(depth - 1)
    return SCALARS | st.lists(inner, max_size=6) | st.dictionaries(KEYS, inner, max_size=6)


VALUES = nested(MAX_DEPTH)


def cbor2_says_canonical(data):
    """The rule for a general decoder (payload.md section 4): decode, check types, re-encode, compare."""
    try:
        value = cbor2.loads(data, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
    except Exception:  # cbor2 lets errors of several kinds out
        return False, None
    return only_our_types(value) and bytewise(value) == data, value


def only_our_types(value):
    if isinstance(value, list):
        return all(only_our_types(one) for one in value)
    if isinstance(value, dict):
        return all(
            isinstance(key, int | bytes | str) and not isinstance(key, bool) and only_our_types(one)
            for key, one in value.items()
        )
    return value is None or isinstance(value, bool | int | bytes | str)


def bytewise(value):
    """Encode with cbor2, maps in the order of RFC 8949 (cbor2's own canonical order is that of RFC 7049)."""
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(bytewise(one) for one in value)
    if isinstance(value, dict):
        pairs = sorted((cbor2.dumps(key), bytewise(one)) for key, one in value.items())
        return head(5, len(value)) + b"".join(key + one for key, one in pairs)
    return cbor2.dumps(value)


def head(major, count):
    first, *rest = cbor2.dumps(count)
    return bytes([first | major << 5, *rest])


def test_known_answers_hold_on_cpython():
    done = subprocess.run([sys.executable, HERE, VECTORS], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == (EXPECTED, "")


def test_known_answers_hold_on_genuine_micropython():
    assert run_on_micropython(HERE, str(VECTORS)) == EXPECTED


@given(VALUES)
def test_what_is_written_is_what_cbor2_writes_and_reads(value):
    data = dumps(value)

    assert data == bytewise(value)
    assert cbor2.loads(data) == value
    assert loads(data) == value


@given(st.binary(max_size=60))
@example(b"\xa2\x18\x64\x00\x20\x00")  # 100 before -1: bytewise order, not the length-first one of RFC 7049
@example(b"\xa2\x20\x00\x18\x64\x00")
def test_bytes_are_accepted_exactly_when_a_checked_cbor2_accepts_them(data):
    accepted, value = cbor2_says_canonical(data)

    if accepted:
        assert loads(data) == value
    else:
        with pytest.raises(CborError):
            loads(data)


@given(VALUES, st.data())
def test_a_damaged_item_is_refused_or_is_another_canonical_item(value, draw):
    data = bytearray(dumps(value))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at] ^= draw.draw(st.integers(1, 255))

    try:
        other = loads(bytes(data))
    except CborError:
        return

    assert dumps(other) == data


@given(VALUES)
def test_every_cut_is_refused(value):
    data = dumps(value)

    for end in range(len(data)):
        with pytest.raises(CborError, match=r"^byte \d+: "):
            loads(data[:end])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("821900", "byte 1: head is cut off"),
        ("821800", "byte 1: head is longer than needed"),
        ("82f97e00f6", "byte 1: float or simple value"),
        ("83015affffffff", "byte 2: length 4294967295, but 0 bytes left"),
        ("a202010102", "byte 3: key is doubled or out of order"),
        ("0001", "byte 1: 1 bytes after the end"),
    ],
)
def test_a_refusal_names_the_place(text, place):
    with pytest.raises(CborError) as refused:
        loads(bytes.fromhex(text))

    assert str(refused.value) == place


@pytest.mark.parametrize("text", ["5affffffff00", "9affffffff00", "baffffffff00", "7bffffffffffffffff"])
def test_memory_is_not_taken_on_an_attackers_word(text):
    data = bytes.fromhex(text)
    tracemalloc.start()
    with pytest.raises(CborError):
        loads(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 10_000


@pytest.mark.parametrize("value", [1.5, 2**64, -(2**64) - 1, object(), {(1,): 2}, {True: 1}, [[[[[0]]]]]])
def test_what_has_no_place_in_the_subset_is_not_written(value):
    with pytest.raises(CborError):
        dumps(value)


def fuzzed(count):
    """(what CPython printed, what MicroPython printed in a small heap)"""
    command = [sys.executable, FUZZ, str(count)]
    host = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    return host.stdout, run_on_micropython(FUZZ, str(count), heapsize="200K", timeout_s=1500)


def test_both_interpreters_judge_damaged_bytes_alike_in_a_small_heap():
    host, node = fuzzed(5_000)

    assert host == node
    count, accepted, commands, _ = map(int, host.split())
    assert count == 5_000
    assert accepted > 100
    assert commands > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_both_interpreters_judge_a_million_damaged_inputs_alike():
    host, node = fuzzed(1_000_000)

    assert host == node
