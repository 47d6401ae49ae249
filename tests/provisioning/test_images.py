"""Images are judged by their own headers."""

import hashlib
import random
import struct

import pytest

from provisioning.errors import ImageRefused, SettingsError
from provisioning.images import read_esp_image, read_uf2_image

RP2040 = 0xE48BFF56
MEGABYTE = 1 << 20


def esp_image(chip=0, size=4096, segments=4):
    header = bytes((0xE9, segments, 2, 0x20)) + bytes(8) + struct.pack("<H", chip) + bytes(10)
    return header + random.Random(1).randbytes(size - len(header))


def uf2_image(family=RP2040, blocks=8):
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * i, 256, i, blocks, family)
        + bytes(476)
        + struct.pack("<I", 0x0AB16F30)
        for i in range(blocks)
    )


def read_esp(tmp_path, data, **changes):
    file = tmp_path / "image.bin"
    file.write_bytes(data)
    return read_esp_image(file, **{"chip_id": 0, "offset": 0x1000, "flash_bytes": 4 * MEGABYTE, **changes})


def read_uf2(tmp_path, data, flash_bytes=2 * MEGABYTE, **changes):
    file = tmp_path / "image.uf2"
    file.write_bytes(data)
    return read_uf2_image(file, family=RP2040, flash_bytes=flash_bytes, **changes)


def test_a_fitting_esp_image_is_taken_with_its_hash(tmp_path):
    data = esp_image()

    image = read_esp(tmp_path, data, sha256=hashlib.sha256(data).hexdigest().upper())

    assert (image.size, image.sha256) == (4096, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image-not-esp"),
        (b"\xe9" * 10, "image-not-esp"),
        (b"\x7fELF" + bytes(4092), "image-not-esp"),
        (esp_image(segments=0), "image-not-esp"),
        (esp_image(chip=9), "image-chip"),
        (uf2_image(), "image-not-esp"),
    ],
)
def test_what_is_not_for_this_chip_is_refused(tmp_path, data, code):
    with pytest.raises(ImageRefused) as caught:
        read_esp(tmp_path, data)

    assert caught.value.code == code


def test_an_image_that_does_not_fit_behind_its_offset_is_refused(tmp_path):
    with pytest.raises(ImageRefused) as caught:
        read_esp(tmp_path, esp_image(size=0x4000), offset=0x1000, flash_bytes=0x4FFF)

    assert caught.value.fields["room"] == 0x3FFF


def test_an_image_that_is_not_the_one_meant_is_refused(tmp_path):
    with pytest.raises(ImageRefused) as caught:
        read_esp(tmp_path, esp_image(), sha256="0" * 64)

    assert caught.value.code == "image-hash"


def test_a_missing_image_is_a_matter_of_settings(tmp_path):
    with pytest.raises(SettingsError):
        read_esp_image(tmp_path / "none", chip_id=0, offset=0, flash_bytes=1)


def test_a_whole_uf2_file_is_taken(tmp_path):
    assert read_uf2(tmp_path, uf2_image()).size == 8 * 512


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image-not-uf2"),
        (uf2_image()[:-1], "image-not-uf2"),
        (uf2_image()[:-512], "image-not-uf2"),
        (uf2_image()[512:], "image-not-uf2"),
        (uf2_image()[:600] + b"\xff" + uf2_image()[601:512] + uf2_image()[512:], "image-not-uf2"),
        (uf2_image(family=0xADA52840), "image-chip"),
        (esp_image(), "image-not-uf2"),
    ],
)
def test_a_uf2_file_that_is_cut_or_for_another_family_is_refused(tmp_path, data, code):
    with pytest.raises(ImageRefused) as caught:
        read_uf2(tmp_path, data)

    assert caught.value.code == code


def test_a_uf2_file_larger_than_the_flash_is_refused(tmp_path):
    with pytest.raises(ImageRefused) as caught:
        read_uf2(tmp_path, uf2_image(), flash_bytes=1024)

    assert caught.value.code == "image-size"
