"""Flashing blank virtual boards: esptool as it is against a model of the boot ROM, UF2 against a boot drive."""

import hashlib
import random
import signal
import time

import pytest

from provisioning.steps import NAMES

pytestmark = pytest.mark.live


@pytest.fixture
def image_of():
    image = pytest.importorskip("bench.boards.image")
    return image.virtual_image


def blank(bench, technician, board, image, file="image.bin"):
    """A factory-new unit of this board on the technician's port, and a NODE.toml that names an image."""
    unit = bench.add_board("new", board=board, blank=True)
    unit.power_on()
    technician.port = unit.port
    (technician.home / file).write_bytes(image)
    more = f'\n[firmware]\nimage = "{file}"\nsha256 = "{hashlib.sha256(image).hexdigest()}"\n'
    technician.write_node(board=board, more=more)
    return unit


@pytest.mark.usefixtures("joiner")
def test_a_blank_esp32_is_flashed_by_esptool_and_goes_through_the_whole_chain(bench, technician, image_of):
    unit = blank(bench, technician, "rak11200", image_of("esp32"))

    status, events, err = technician.run()

    assert status == 0, err
    assert technician.outcomes(events) == dict.fromkeys(NAMES, "done")
    with technician.journal() as journal:
        (device,) = journal.devices()
    assert device.unit == unit.unit.mac.hex()
    assert "/lib/firmware/boards/rak11200/wiring.mpy" in unit.list_files()


@pytest.mark.usefixtures("joiner")
def test_flashing_that_was_killed_is_resumed_and_the_rest_follows(bench, technician, image_of):
    blank(bench, technician, "rak11200", image_of("esp32") + random.Random(1).randbytes(1_500_000))
    process = technician.start()
    for line in process.stdout:
        if '"step": "flash"' in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    status, events, err = technician.run()

    assert status == 0, err
    outcomes = technician.outcomes(events)
    assert (outcomes["identify"], outcomes["keys"], outcomes["flash"]) == ("skipped", "skipped", "done")


@pytest.mark.usefixtures("joiner")
def test_a_running_node_is_flashed_again_and_keeps_its_identity(bench, technician, image_of):
    unit = blank(bench, technician, "rak11200", image_of("esp32"))
    technician.run()
    identity = unit.read_file("/lorawan/identity")
    image = image_of("esp32") + b"\xff" * 4096
    (technician.home / "image.bin").write_bytes(image)
    more = '\n[firmware]\nimage = "image.bin"\n'
    technician.write_node(board="rak11200", more=more)

    status, events, err = technician.run()

    assert status == 0, err
    outcomes = technician.outcomes(events)
    # What lies on the flash is looked at again, and found to be there.
    assert (outcomes["flash"], outcomes["deploy"], outcomes["key"]) == ("done", "done", "done")
    assert [event["written"] for event in events if event.get("step") == "deploy" and event["outcome"] == "done"] == [0]
    assert unit.read_file("/lorawan/identity") == identity


def test_an_image_for_another_chip_is_refused_before_anything_is_written(bench, technician, image_of):
    unit = blank(bench, technician, "rak11200", image_of("esp32s3"))

    status, events, _ = technician.run()

    assert (status, events[-1]["code"]) == (1, "image-chip")
    assert unit.flash_writes == 0


def test_a_chip_that_does_not_answer_is_told_with_the_buttons_to_press(bench, technician, image_of):
    unit = blank(bench, technician, "rak11200", image_of("esp32"))
    unit.power_off()

    status, events, _ = technician.run()

    assert (status, events[-1]["code"]) == (1, "boot-rom-silent")


@pytest.mark.usefixtures("joiner")
def test_a_blank_rp2040_is_flashed_by_its_boot_drive(bench, technician, image_of):
    unit = blank(bench, technician, "rak11310", image_of("rp2040"), "image.uf2")
    technician.node_toml.write_text(
        technician.node_toml.read_text().replace("[identity]", '[identity]\ndev_eui = "random"')
    )
    until = time.monotonic() + 5
    while unit.drive is None and time.monotonic() < until:
        time.sleep(0.05)

    status, events, err = technician.run("provision", "--boot-drive", str(unit.drive))

    assert status == 0, (events, err)
    assert technician.outcomes(events) == dict.fromkeys(NAMES, "done")
    with technician.journal() as journal:
        (device,) = journal.devices()
    assert device.unit == unit.unit.unique_id.hex()
    assert int(device.dev_eui[:2], 16) & 0x02
    status, events, _ = technician.run()
    assert technician.outcomes(events) == dict.fromkeys(NAMES, "skipped")


def test_a_drive_of_another_board_is_not_written_to(technician, bench, image_of, tmp_path):
    blank(bench, technician, "rak11310", image_of("rp2040"), "image.uf2")
    drive = tmp_path / "RAK4631"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader 0.4\nModel: RAK4631\nBoard-ID: WisBlock-RAK4631-Board\n")
    technician.run("identify")

    status, events, _ = technician.run("flash", "--boot-drive", str(drive))

    assert (status, events[-1]["code"]) == (1, "drive-differs")
    assert [path.name for path in drive.iterdir()] == ["INFO_UF2.TXT"]
