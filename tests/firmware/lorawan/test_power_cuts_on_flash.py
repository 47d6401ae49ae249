"""Real littlefs on genuine MicroPython: the power fails at every block write of a join and the first uplinks."""

import shutil
from pathlib import Path

from tests.on_micropython import run_on_micropython

LIFE = Path(__file__).with_name("flash_life_here.py")


def test_no_nonce_and_no_counter_is_used_twice_whichever_block_write_is_torn(tmp_path):
    blank = tmp_path / "blank.img"
    run_on_micropython(LIFE, str(blank), "new")
    cuts = 0
    while True:
        image = tmp_path / "node.img"
        shutil.copy(blank, image)

        lines = run_on_micropython(LIFE, str(image), str(cuts)).splitlines()
        if lines[-1:] == ["done"]:
            break  # fewer writes than that
        lines += run_on_micropython(LIFE, str(image), "-1").splitlines()

        assert lines[-1] == "done", (cuts, lines)
        used = [line for line in lines if line != "done"]
        assert len(used) == len(set(used)), (cuts, used)
        cuts += 1

    assert cuts >= 8  # six records are written, those created for the first time in two steps
