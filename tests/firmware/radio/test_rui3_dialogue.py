"""The dialogue with an RUI3 modem: every spelling is understood, nothing is written needlessly, no key is told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.radio import rui3_dialogue as said
from tests.firmware.radio import rui3_here
from tests.on_micropython import run_on_micropython


@pytest.mark.parametrize("case", rui3_here.CASES, ids=lambda case: case.__name__)
def test_dialogue(case):
    case()


def test_dialogue_is_the_same_on_the_genuine_interpreter():
    out = run_on_micropython(Path(rui3_here.__file__))

    assert out == f"passed {len(rui3_here.CASES)}\n"


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([text.encode() for text, _ in rui3_here.EVENTS]))))
def test_no_bytes_stop_the_dialogue_and_it_understands_what_follows(pieces):
    dialogue = said.Dialogue()
    dialogue.ask("AT+NJS=?", 0, 500)
    for piece in pieces:
        dialogue.feed(piece)
    dialogue.feed(b"\r\n")
    dialogue.ask("AT+NJS=?", 0, 500)
    dialogue.events.clear()
    dialogue.feed(b"AT+NJS=1\r\n+EVT:JOINED\r\nOK\r\n")

    assert (dialogue.status, dialogue.value, dialogue.events) == (said.OK, "1", [(said.JOINED,)])
