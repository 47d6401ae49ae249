"""The known answers of LoRaWAN hold on CPython and genuine MicroPython, with cryptolib and the interpreted AES."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.on_micropython import ROOT, run_on_micropython

HERE = Path(__file__).with_name("vectors_here.py")
VECTORS = ROOT / "tests" / "data" / "lorawan-vectors.json"

# How many vectors of each kind there are for LoRaWAN 1.0.x: a runner that skips some would pass unnoticed otherwise.
EXPECTED = """\
aes-cmac 3
aes-cmac-subkeys 1
data 12
downlink-sequence 1
join-accept 6
join-request 4
mac-command 13
session-keys 1
"""


def test_all_vectors_hold_on_cpython_with_the_interpreted_aes():
    done = subprocess.run([sys.executable, HERE, VECTORS], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == (EXPECTED, "")


@pytest.mark.parametrize("cipher", [[], ["aes"]], ids=["cryptolib", "interpreted AES"])
def test_all_vectors_hold_on_genuine_micropython(cipher):
    assert run_on_micropython(HERE, str(VECTORS), *cipher) == EXPECTED
