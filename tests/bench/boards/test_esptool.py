"""The genuine esptool takes a virtual unit for a real chip, and what it flashes is what runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.boards import Bench, Board, State
from bench.boards.image import virtual_image

FILES_OFFSET = "0x210000"
SIZE = 100_000


@pytest.fixture
def blank(bench: Bench) -> Iterator[Board]:
    board = bench.add_board("unit", board="rak11200", blank=True)
    board.power_on()
    with bench.live():
        yield board


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "image.bin"
    path.write_bytes(virtual_image("esp32"))
    return str(path)


def test_it_names_the_chip_its_address_and_its_flash(blank: Board, esptool: Any) -> None:
    mac = ":".join(f"{byte:02x}" for byte in blank.unit.mac)

    assert "ESP32" in esptool(blank.port, "chip-id").stdout
    assert mac in esptool(blank.port, "read-mac").stdout
    assert "Detected flash size: 4MB" in esptool(blank.port, "flash-id").stdout


def test_another_chip_is_refused(blank: Board, esptool: Any) -> None:
    done = esptool(blank.port, "--chip", "esp32s3", "chip-id")

    assert done.returncode == 2
    assert "This chip is ESP32, not ESP32-S3" in done.stdout + done.stderr


@pytest.mark.parametrize("stub", [[], ["--no-stub"]], ids=["stub", "no stub"])
def test_a_blank_unit_has_no_prompt_until_an_image_is_flashed(
    stub: list[str], blank: Board, image: str, esptool: Any, mpremote: Any
) -> None:
    assert blank.state is State.LOADER

    done = esptool(blank.port, *stub, "write-flash", "0x1000", image)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hash of data verified" in done.stdout
    assert mpremote(blank.port, "eval", "6*7").stdout == "42\n"
    assert esptool(blank.port, *stub, "verify-flash", "0x1000", image).returncode == 0


@pytest.mark.parametrize("stub", [[], ["--no-stub"]], ids=["stub", "no stub"])
def test_what_is_written_is_read_back(stub: list[str], blank: Board, esptool: Any, tmp_path: Path) -> None:
    size = SIZE if not stub else 3000
    (tmp_path / "in.bin").write_bytes(os.urandom(size))

    assert esptool(blank.port, *stub, "write-flash", FILES_OFFSET, str(tmp_path / "in.bin")).returncode == 0
    out = str(tmp_path / "out.bin")
    assert esptool(blank.port, *stub, "read-flash", FILES_OFFSET, str(size), out).returncode == 0
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()


def test_a_changed_flash_fails_the_verification(blank: Board, esptool: Any, tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(os.urandom(5000))
    assert esptool(blank.port, "write-flash", FILES_OFFSET, str(tmp_path / "in.bin")).returncode == 0
    with blank.flash_file.open("r+b") as file:
        file.seek(0x210064)
        file.write(b"?!")

    assert esptool(blank.port, "verify-flash", FILES_OFFSET, str(tmp_path / "in.bin")).returncode != 0


def test_flashing_keeps_the_files_and_erasing_takes_them(blank: Board, image: str, esptool: Any, mpremote: Any) -> None:
    assert esptool(blank.port, "write-flash", "0x1000", image).returncode == 0
    assert mpremote(blank.port, "fs", "touch", ":kept").returncode == 0

    assert esptool(blank.port, "write-flash", "0x1000", image).returncode == 0
    assert "kept" in mpremote(blank.port, "fs", "ls").stdout

    assert esptool(blank.port, "erase-flash").returncode == 0
    assert blank.state is State.LOADER
    assert esptool(blank.port, "write-flash", "0x1000", image).returncode == 0
    assert "kept" not in mpremote(blank.port, "fs", "ls").stdout


def test_an_image_for_another_chip_does_not_boot(blank: Board, esptool: Any, tmp_path: Path) -> None:
    (tmp_path / "s3.bin").write_bytes(virtual_image("esp32s3"))

    refused = esptool(blank.port, "write-flash", "0x1000", str(tmp_path / "s3.bin"))
    forced = esptool(blank.port, "write-flash", "--force", "0x1000", str(tmp_path / "s3.bin"))

    assert refused.returncode == 2
    assert forced.returncode == 0
    assert blank.state is State.LOADER


def test_the_image_says_that_it_is_simulated(image: str, esptool: Any) -> None:
    app = Path(image).with_name("app.bin")
    app.write_bytes(Path(image).read_bytes()[0xF000:])

    whole = esptool("/dev/null", "image-info", image)
    application = esptool("/dev/null", "image-info", str(app))

    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "simulated" in application.stdout
    assert "(valid)" in application.stdout


def test_esptool_and_mpremote_take_turns_on_a_running_board(bench: Bench, esptool: Any, mpremote: Any) -> None:
    board = bench.add_board("unit", board="rak11200")
    board.write_files({"/main.py": b"import time\nwhile True: time.sleep(1)\n"})
    board.power_on()

    with bench.live():
        for _ in range(2):
            assert "ESP32" in esptool(board.port, "chip-id").stdout
            assert mpremote(board.port, "eval", "1+1").stdout == "2\n"


def test_keys_flashed_as_an_nvs_image_are_read_by_the_program(bench: Bench, esptool: Any, tmp_path: Path) -> None:
    from bench.boards.nvs import BLOB_DATA, I32, build

    values = {(b"spatz", b"app_key"): (BLOB_DATA, bytes(range(16))), (b"spatz", b"prof"): (I32, b"\x03\0\0\0")}
    (tmp_path / "nvs.bin").write_bytes(build(values, 0x6000))
    board = bench.add_board("unit", board="rak11200")
    board.write_files(
        {
            "/main.py": b"import esp32\n"
            b"nvs = esp32.NVS('spatz')\n"
            b"key = bytearray(16)\n"
            b"print('boot', nvs.get_blob('app_key', key), bytes(key).hex(), nvs.get_i32('prof'))\n"
            b"nvs.set_i32('prof', 4)\n"
            b"nvs.commit()\n"
        }
    )
    board.power_on()

    with bench.live():
        assert esptool(board.port, "write-flash", "0x9000", str(tmp_path / "nvs.bin")).returncode == 0
        assert bench.run_until(lambda: "boot 16 000102030405060708090a0b0c0d0e0f 3" in board.console, 10)
        board.reset()
        assert bench.run_until(lambda: "0e0f 4" in board.console, 10), board.console


def test_an_rp2040_shows_a_drive_that_takes_a_uf2_file(bench: Bench, mpremote: Any) -> None:
    board = bench.add_board("unit", board="rak11310", blank=True)
    board.power_on()

    with bench.live():
        drive = board.drive
        assert drive is not None
        assert "Board-ID: RPI-RP2" in (drive / "INFO_UF2.TXT").read_text()
        (drive / "half.uf2").write_bytes(virtual_image("rp2040")[:512])
        bench.run_for(0.2)
        assert board.drive == drive
        (drive / "image.uf2").write_bytes(virtual_image("rp2040"))
        assert bench.run_until(lambda: board.state is State.RUNNING, 5)

        assert board.drive is None
        assert not drive.exists()
        assert mpremote(board.port, "exec", "import sys; print(sys.platform)").stdout == "rp2\n"
        assert mpremote(board.port, "bootloader").returncode == 0
        assert bench.run_until(lambda: board.drive is not None, 5)
