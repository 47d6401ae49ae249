"""Labels: the QR text of TR005, and what is drawn."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.errors import SettingsError
from provisioning.label import DeviceCode, checksum, parse, png, svg

SPECIFICATION = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"
OWN = "LW:D0:70B3D57ED0000001:240AC4FFFE123456:FFFF0001:S2026W470001:C357E"
EUI = st.text("0123456789ABCDEF", min_size=16, max_size=16)
FREE = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./", max_size=12)


@pytest.mark.parametrize("text", [SPECIFICATION, OWN])
def test_the_checksum_is_that_of_the_examples(text):
    body, _, expected = text.rpartition(":C")

    assert checksum(body) == expected


def test_the_example_of_the_specification_is_written_as_it_stands():
    code = DeviceCode("1122334455667788", "AABBCCDDEEFF0011", "AABB1122", "AABBCCDDEEFF", "YYWWNNNNNN", "FOOBAR")

    assert code.text() == SPECIFICATION


def test_lower_case_euis_are_printed_in_upper_case():
    assert DeviceCode("70b3d57ed0000001", "240ac4fffe123456", serial="2026W470001").text() == OWN


@given(EUI, EUI, FREE, FREE, FREE)
def test_what_is_written_is_read_again(join_eui, dev_eui, owner, serial, proprietary):
    code = DeviceCode(join_eui, dev_eui, "FFFF0001", owner, serial, proprietary)

    assert parse(code.text()) == code


def test_options_are_read_in_any_order_and_unknown_ones_skipped():
    code = parse("LW:D0:70B3D57ED0000001:240AC4FFFE123456:FFFF0001:C1234:PX:ZNEW:S7")

    assert (code.serial, code.proprietary) == ("7", "X")


def test_a_code_read_wrongly_is_refused():
    with pytest.raises(SettingsError) as caught:
        parse(OWN.replace("3456", "3457"))

    assert caught.value.code == "label-checksum"


@pytest.mark.parametrize("text", ["", "LW:D0:12", "240AC4FFFE123456", OWN.replace("D0", "D1", 1)])
def test_what_is_no_device_code_is_refused(text):
    with pytest.raises(SettingsError):
        parse(text)


def test_a_colon_inside_a_field_is_refused():
    with pytest.raises(SettingsError):
        DeviceCode("70B3D57ED0000001", "240AC4FFFE123456", serial="A:B").text()


def test_the_drawing_has_the_code_the_name_and_the_eui_in_groups_of_four():
    code = DeviceCode("70b3d57ed0000001", "240ac4fffe123456", serial="BIN-1")

    drawing = svg(code, "bin <1>", "rak11200", "fill")

    assert 'width="62mm" height="29mm"' in drawing
    assert "bin &lt;1&gt;" in drawing
    assert "240A C4FF FE12 3456" in drawing
    assert len(re.findall(r"M\d+ \d+h1v1h-1z", drawing)) > 300


def test_the_code_fits_the_label():
    import segno

    code = DeviceCode("70b3d57ed0000001", "240ac4fffe123456", serial="A" * 20)
    modules = segno.make(code.text(), error="m", micro=False).symbol_size()[0]

    assert (modules + 8) * 0.5 <= 27.5  # left of the text, inside 29 mm


def test_the_picture_is_a_png():
    assert png(DeviceCode("70b3d57ed0000001", "240ac4fffe123456")).startswith(b"\x89PNG")
