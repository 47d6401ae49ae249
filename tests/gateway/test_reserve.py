"""The reserve of room for a full disk: the file, and the spool on a file system that is really full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.reserve import Reserve
from tests.gateway.kit import ROOT


def test_the_reserve_is_taken_once_and_given_back_once(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "spool.db", 1 << 20)
    assert reserve.take()
    assert reserve.take()
    assert (tmp_path / "spool.db.reserve").stat().st_blocks * 512 >= 1 << 20
    assert (reserve.give_back(), reserve.give_back()) == (True, False)
    assert not reserve.held


def test_a_disk_with_little_room_is_left_alone(tmp_path: Path) -> None:
    everything = shutil.disk_usage(tmp_path).free
    assert not Reserve(tmp_path / "spool.db", everything).take()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.live
def test_the_spool_goes_on_as_a_ring_on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    # A file system of our own of 24 MiB, in a namespace that ends with the program.
    mount = (
        f"mount -t tmpfs -o size=24m tmpfs {tmp_path} && exec {sys.executable} -m tests.gateway.full_disk {tmp_path}"
    )
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no mounts of our own")
    done = subprocess.run(
        [*namespace, "sh", "-c", mount], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
