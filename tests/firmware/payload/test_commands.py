"""Commands are carried out once, whole, and only when meant; every readable one is answered."""

import pytest

from firmware.payload.commands import (
    NOT_NOW,
    OUT_OF_RANGE,
    SEQ_REUSED,
    UNKNOWN_KEY,
    WRONG_BOOT,
    WRONG_TYPE,
    Commands,
    decode_command,
    encode_answer,
    encode_command,
)
from firmware.payload.errors import CborError, CommandError
from firmware.payload.tables import fill, light
from tests.firmware.payload.runs import Codec
from tests.on_micropython import run_on_micropython


class Node:
    """What a node does with settings: keeps them, and counts how often it was told."""

    def __init__(self, boots=20, keys=None, refuse=0):
        self.told = []
        self._refuse = refuse
        self.commands = Commands(self.apply, boots, keys)

    def apply(self, pairs):
        if self._refuse:
            return self._refuse
        self.told.append(pairs)
        return 0

    def hear(self, text):
        return self.commands.handle(bytes.fromhex(text)).hex()


# payload.md section 8.
@pytest.mark.parametrize(
    ("text", "seq", "pairs"),
    [
        ("8211a101190384", 17, [(1, 900)]),
        ("8212a301190384028200190fa0031850", 18, [(1, 900), (2, [0, 4000]), (3, 80)]),
        ("8213a10819073a", 19, [(8, 1850)]),
        ("8214a11414", 20, [(20, 20)]),
        ("8215a11500", 21, [(21, 0)]),
        ("8216a1161a5836 f200".replace(" ", ""), 22, [(22, 1480000000 - 1480000000 + 0x5836F200)]),
        ("8217a10c82183c181e", 23, [(12, [60, 30])]),
    ],
)
def test_a_command_is_read_and_written(text, seq, pairs):
    assert decode_command(bytes.fromhex(text)) == (seq, pairs)
    assert encode_command(seq, dict(pairs)).hex() == text


@pytest.mark.parametrize(
    ("result", "config", "text"),
    [(0, None, "821100"), ([(2, 3)], None, "821181820203"), (0, b"\x9f\x3c\x12\xa7", "831100449f3c12a7")],
)
def test_an_answer_has_the_bytes_of_the_design(result, config, text):
    assert encode_answer(17, result, config).hex() == text


@pytest.mark.parametrize(
    ("settings", "key", "code"),
    [
        ({1: 9}, 1, OUT_OF_RANGE),
        ({1: 86401}, 1, OUT_OF_RANGE),
        ({1: "900"}, 1, WRONG_TYPE),
        ({1: True}, 1, WRONG_TYPE),
        ({1: None}, 1, WRONG_TYPE),
        ({1: [900]}, 1, WRONG_TYPE),
        ({12: 60}, 12, WRONG_TYPE),
        ({12: [60]}, 12, WRONG_TYPE),
        ({12: [60, 30, 1]}, 12, WRONG_TYPE),
        ({12: [101, 30]}, 12, OUT_OF_RANGE),
        ({12: [60, 0]}, 12, OUT_OF_RANGE),
        ({21: 1}, 21, OUT_OF_RANGE),
    ],
)
def test_a_value_outside_the_schema_refuses_the_command_with_key_and_reason(settings, key, code):
    with pytest.raises(CommandError) as refused:
        encode_command(5, settings)

    assert (refused.value.seq, refused.value.refusals) == (5, [(key, code)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        "8111",
        "8311a000",
        "a0",
        "8211",
        "821180",
        "82f6a0",
        "8220a0",
        "821a00010000a0",
        "8211a120 00",
        "8211a1181800",
    ],
)
def test_what_is_no_command_at_all_is_not_answered(text):
    with pytest.raises(CborError):
        decode_command(bytes.fromhex(text.replace(" ", "")))


def test_a_key_of_another_profile_is_unknown_here():
    lamp = encode_command(1, {12: [60, 30]})

    assert decode_command(lamp, light.DOWNLINKS) == (1, [(12, [60, 30])])
    with pytest.raises(CommandError) as refused:
        decode_command(lamp, fill.DOWNLINKS)
    assert refused.value.refusals == [(12, UNKNOWN_KEY)]


def test_one_wrong_key_and_nothing_is_carried_out():
    node = Node()

    answer = node.hear("8212a2011903840318c8")

    assert answer == "821281820303"
    assert node.told == []


def test_a_command_that_comes_again_is_answered_again_but_not_carried_out_again():
    node = Node()

    first = node.hear("8211a101190384")
    again = node.hear("8211a101190384")

    assert first == again == "821100"
    assert node.told == [[(1, 900)]]


def test_a_refusal_that_comes_again_is_refused_alike():
    node = Node()

    assert node.hear("8211a10105") == node.hear("8211a10105") == f"82118182010{OUT_OF_RANGE}"


def test_eight_commands_are_remembered_and_the_ninth_drives_out_the_first():
    node = Node()
    texts = [encode_command(seq, {1: 900}).hex() for seq in range(9)]

    for text in texts[:8]:
        node.hear(text)
    node.hear(texts[0])
    assert len(node.told) == 8

    node.hear(texts[8])
    node.hear(texts[0])
    assert len(node.told) == 10


def test_a_sequence_number_used_for_something_else_is_refused_and_the_truth_told():
    node = Node()
    node.hear("8211a101190384")

    assert node.hear("8211a1011904b0") == f"82118182000{SEQ_REUSED}"
    assert node.told == [[(1, 900)]]


def test_a_reboot_is_meant_for_one_boot_only():
    before = Node(boots=20)
    after = Node(boots=21)

    assert before.hear("8214a11414") == "821400"
    assert after.hear("8214a11414") == f"82148182140{WRONG_BOOT}"
    assert after.told == []


def test_what_the_node_cannot_do_now_is_answered_so():
    node = Node(refuse=[(15, NOT_NOW)])

    assert node.hear("8211a10f8200183c") == f"821181820f0{NOT_NOW}"


def test_the_answer_carries_the_new_hash_only_after_a_success():
    node = Node()

    assert (
        node.commands.handle(bytes.fromhex("8211a101190384"), lambda: b"\x01\x02\x03\x04").hex() == "8311004401020304"
    )
    assert node.commands.handle(bytes.fromhex("8212a10101"), lambda: b"\x01\x02\x03\x04").hex() == "821281820103"


def test_the_schema_takes_a_whole_command_only():
    node = Node()

    assert node.hear("8211a0") == "821100"
    assert node.told == [[]]


ON_NODE = """
from firmware.payload.commands import Commands
told = []
def apply(pairs):
    told.append(pairs)
    return 0
commands = Commands(apply, 20)
for text in ("8212a301190384028200190fa0031850", "8212a301190384028200190fa0031850", "8212a10101", "8214a11415"):
    print(commands.handle(bytes.fromhex(text)).hex())
print(told)
"""


def test_genuine_micropython_carries_out_and_answers_alike():
    assert run_on_micropython(ON_NODE) == (
        f"821200\n821200\n82128182000{SEQ_REUSED}\n82148182140{WRONG_BOOT}\n[[(1, 900), (2, [0, 4000]), (3, 80)]]\n"
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"seq": 17, "interval": 900}, "8211a101190384"),
        (
            {"full_threshold": 80, "thresholds": [0, 4000], "seq": 18, "interval": 900},
            "8212a301190384028200190fa0031850",
        ),
        ({"seq": 23, "lamp": [60, 30]}, "8217a10c82183c181e"),
        ({"seq": 22, "time": 1480000000}, "8216a1161a58370200"),
        ({"seq": 300, "thresholds": [-20000, -1]}, "8219012ca1028239 4e1f20".replace(" ", "")),
        ({"seq": 0}, "8200a0"),
    ],
)
def test_the_javascript_codec_writes_the_same_commands(data, text):
    result = Codec().call("encodeDownlink", {"data": data})

    assert result == {"bytes": list(bytes.fromhex(text)), "fPort": 40}
    decode_command(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"interval": 900}, "seq"),
        ({"seq": -1}, "seq"),
        ({"seq": 1.5}, "seq"),
        ({"seq": 1, "interval": 5}, "interval"),
        ({"seq": 1, "interval": "900"}, "interval"),
        ({"seq": 1, "interval": None}, "interval"),
        ({"seq": 1, "lamp": 60}, "lamp"),
        ({"seq": 1, "lamp": [60]}, "lamp"),
        ({"seq": 1, "lamp": [60, 2000]}, "lamp"),
        ({"seq": 1, "color": 3}, "color"),
        ({"seq": 1, "toString": 3}, "toString"),
    ],
)
def test_the_javascript_codec_refuses_what_the_node_would_refuse_and_names_it(data, place):
    result = Codec().call("encodeDownlink", {"data": data})

    assert list(result) == ["errors"]
    assert place in result["errors"][0]
