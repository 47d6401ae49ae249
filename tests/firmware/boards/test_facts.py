"""Pages of facts of boards with a radio chip: the same names, no pin twice, and only the board's own radio driver."""

import importlib

import pytest

from provisioning.board_facts import known_boards
from provisioning.bundle import firmware_root, modules_for

SX126X = {"firmware.radio.sx126x", "firmware.radio.sx126x_bus", "firmware.boards.stack_sx126x"}
SX127X = {"firmware.radio.sx127x", "firmware.radio.sx127x_bus", "firmware.boards.stack_sx127x"}
DRIVEN = ("sck", "mosi", "cs", "reset", "rf_power", "tcxo_power")
READ = ("miso", "busy", "dio0", "dio1")
BOARDS = {"rak11310", "rak11200", "rak3312", "rak4631", "heltec_v3", "lilygo_t3", "tbeam", "virtual"}
PINS = {
    "esp32": set(range(24)) | {25, 26, 27} | set(range(32, 40)),
    "esp32s3": set(range(22)) | set(range(26, 49)),
    "rp2040": set(range(30)),
    "nrf52840": set(range(48)),
}
INPUT_ONLY = {"esp32": {34, 35, 36, 37, 38, 39}}
FLASH_PINS = {"esp32": {6, 7, 8, 9, 10, 11}, "esp32s3": set(range(26, 33))}
USB_PINS = {"esp32s3": {19, 20}}


def facts_of(board):
    return importlib.import_module(f"firmware.boards.{board}.facts")


CHIP_BOARDS = [board for board in known_boards() if facts_of(board).RADIO["chip"].startswith("sx12")]


def names_of(module):
    return {name for name in vars(module) if name.isupper()}


def driven(facts):
    """Pins that the processor drives, each once."""
    radio = facts.RADIO
    pins = [radio[name] for name in DRIVEN if radio.get(name) is not None]
    pins += [facts.UART["tx"], facts.I2C["scl"], facts.I2C["sda"], facts.ONEWIRE_PIN]
    pins += [facts.SENSOR_POWER["pin"]] if facts.SENSOR_POWER else []
    return pins + ([facts.BATTERY["enable_pin"]] if "enable_pin" in facts.BATTERY else [])


def test_the_boards_of_the_issue_have_a_page():
    assert set(CHIP_BOARDS) >= BOARDS


@pytest.mark.parametrize("board", CHIP_BOARDS)
def test_facts_have_the_same_names_on_all_boards(board):
    facts = facts_of(board)

    assert names_of(facts) == names_of(facts_of("virtual"))
    assert board == facts.NAME
    assert set(facts_of("virtual").RADIO) <= set(facts.RADIO)


@pytest.mark.parametrize("board", CHIP_BOARDS)
def test_no_pin_is_driven_twice_or_cannot_be_driven(board):
    facts = facts_of(board)
    pins = driven(facts)
    read = [facts.RADIO[name] for name in READ if facts.RADIO.get(name) is not None]
    usable = PINS[facts.MCU] - FLASH_PINS.get(facts.MCU, set()) - USB_PINS.get(facts.MCU, set())

    assert len(set(pins + read)) == len(pins + read)
    assert set(pins) <= usable - INPUT_ONLY.get(facts.MCU, set())
    assert set(read) | {facts.UART["rx"], facts.PIR_PIN} <= usable


@pytest.mark.parametrize("board", CHIP_BOARDS)
def test_a_board_gets_the_driver_of_its_own_radio_and_no_other(board):
    modules = set(modules_for(board, "fill", "EU868", firmware_root()))

    own, other = (SX127X, SX126X) if facts_of(board).RADIO["chip"].startswith("sx127") else (SX126X, SX127X)
    assert own <= modules
    assert not other & modules
    assert [name for name in modules if name.startswith("firmware.boards.") and name.endswith(".facts")] == [
        f"firmware.boards.{board}.facts"
    ]
