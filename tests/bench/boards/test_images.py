"""What a virtual unit boots from, and how its NVS partition is written."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from bench.boards import nvs
from bench.boards.chips import CHIPS
from bench.boards.image import bootable, uf2_parts, virtual_image


class Flash:
    def __init__(self, content: bytes, offset: int = 0) -> None:
        self._content = b"\xff" * offset + content

    def read(self, offset: int, size: int) -> bytes:
        return self._content[offset : offset + size].ljust(size, b"\xff")


@pytest.mark.parametrize("chip", ["esp32", "esp32s3"])
def test_a_chip_boots_its_own_image_and_no_other(chip: str) -> None:
    offset = CHIPS[chip].image_offset

    assert bootable(Flash(virtual_image(chip), offset), chip)
    for other in ("esp32", "esp32s3"):
        if other != chip:
            assert not bootable(Flash(virtual_image(other), offset), chip)
    assert not bootable(Flash(b""), chip)
    assert not bootable(Flash(virtual_image(chip)[:0x9000], offset), chip), "an image without its application"


def test_an_rp2040_boots_what_has_the_check_sum_of_its_rom() -> None:
    parts = uf2_parts(virtual_image("rp2040"), 0xE48BFF56)
    assert parts is not None
    flash = b"".join(payload for _, payload in parts)

    assert parts[0][0] == 0x10000000
    assert bootable(Flash(flash), "rp2040")
    assert not bootable(Flash(b"x" + flash[1:]), "rp2040")
    assert not bootable(Flash(b""), "rp2040")


def test_a_uf2_file_counts_only_when_it_is_whole_and_for_the_family() -> None:
    image = virtual_image("rp2040")

    assert uf2_parts(image[:512], 0xE48BFF56) is None
    assert uf2_parts(image, 0xADA52840) is None
    assert uf2_parts(b"", 0xE48BFF56) is None


def test_nvs_values_survive_building_and_parsing() -> None:
    values = {
        (b"a", b"small"): (nvs.BLOB_DATA, b"x"),
        (b"a", b"large"): (nvs.BLOB_DATA, bytes(range(256)) * 30),
        (b"b", b"number"): (nvs.I32, b"\xfe\xff\xff\xff"),
        (b"b", b"empty"): (nvs.BLOB_DATA, b""),
    }

    assert nvs.parse(nvs.build(values, 0x6000)) == values


def test_a_torn_nvs_entry_is_left_out() -> None:
    image = bytearray(nvs.build({(b"a", b"k"): (nvs.I32, b"\1\0\0\0")}, 0x3000))
    image[64 + 32 + 24] ^= 1

    assert nvs.parse(bytes(image)) == {}


def test_a_full_partition_is_refused() -> None:
    with pytest.raises(ValueError, match="full"):
        nvs.build({(b"a", b"k"): (nvs.BLOB_DATA, bytes(0x3000))}, 0x3000)


def test_the_partition_of_the_vendors_generator_is_read(tmp_path: Path) -> None:
    pytest.importorskip("esp_idf_nvs_partition_gen", reason="the vendor's NVS generator is not installed")
    with (tmp_path / "in.csv").open("w", newline="") as file:
        rows = [["key", "type", "encoding", "value"], ["spatz", "namespace", "", ""]]
        rows += [["app_key", "data", "hex2bin", bytes(range(16)).hex()], ["prof", "data", "i32", "-3"]]
        csv.writer(file).writerows(rows)
    command = [sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", "in.csv", "out.bin", "0x6000"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)

    values = nvs.parse((tmp_path / "out.bin").read_bytes())

    assert values[(b"spatz", b"app_key")] == (nvs.BLOB_DATA, bytes(range(16)))
    assert values[(b"spatz", b"prof")] == (nvs.I32, b"\xfd\xff\xff\xff")
