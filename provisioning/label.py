"""The device label: what it says, and how it is drawn. No key, ever; the DevEUI is public.

QR text after LoRa Alliance TR005:
`LW:D0:<JoinEUI>:<DevEUI>:<ProfileID>[:O<OwnerToken>][:S<SerNum>][:P<Proprietary>][:C<CheckSum>]`, upper-case. The
checksum is CRC-16/MODBUS over all characters before `:C`. The order of the options and what a checksum covers that is
not last are not settled in the field: it is written last, and verified only there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from provisioning.errors import SettingsError

# Vendor FFFF is what devices without a LoRa Alliance vendor number are seen to carry; 0001 is our first label layout.
PROFILE_ID = "FFFF0001"

WIDTH_MM, HEIGHT_MM = 62, 29  # the common address label
MODULE_MM = 0.5  # phones read 0.4 mm and up (segno and field practice)
QUIET_MODULES = 4  # ISO/IEC 18004: blank border of a QR code
TEXT_LEFT_MM = 27.5
LINE_MM = 3.7
FONT_MM = 2.7

_OPTIONS = {"O": "owner_token", "S": "serial", "P": "proprietary"}
_FREE = re.compile(r"^[A-Z0-9 $%*+\-./]*$")  # the alphanumeric characters of QR codes, without the colon


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a TR005 QR code says. EUIs in 16 upper-case hex digits, the profile id in 8."""

    join_eui: str
    dev_eui: str
    profile_id: str = PROFILE_ID
    owner_token: str = ""
    serial: str = ""
    proprietary: str = ""

    def text(self) -> str:
        """The QR text with its checksum."""
        parts = ["LW", "D0", self.join_eui.upper(), self.dev_eui.upper(), self.profile_id.upper()]
        for letter, name in _OPTIONS.items():
            if value := getattr(self, name).upper():
                if not _FREE.match(value):
                    raise SettingsError("label-text", text=value)
                parts.append(letter + value)
        body = ":".join(parts)
        return f"{body}:C{checksum(body)}"

    @property
    def short_check(self) -> str:
        """Four characters by which two people on the telephone know that they mean the same label."""
        return self.text()[-4:]


def parse(text: str) -> DeviceCode:
    """Read a TR005 QR text, options in any order, unknown ones skipped. SettingsError when it is none."""
    fields = text.strip().upper().split(":")
    if fields[:2] != ["LW", "D0"] or len(fields) < 5:
        raise SettingsError("label-code", text=text)
    join_eui, dev_eui, profile_id = fields[2:5]
    for value, digits in ((join_eui, 16), (dev_eui, 16), (profile_id, 8)):
        if not re.fullmatch(f"[0-9A-F]{{{digits}}}", value):
            raise SettingsError("label-code", text=text)
    options = {field[:1]: field[1:] for field in fields[5:] if field}
    if fields[-1].startswith("C") and len(fields) > 5 and fields[-1][1:] != checksum(":".join(fields[:-1])):
        raise SettingsError("label-checksum", text=text)
    known = {name: options[letter] for letter, name in _OPTIONS.items() if letter in options}
    return DeviceCode(join_eui, dev_eui, profile_id, **known)


def checksum(text: str) -> str:
    """CRC-16/MODBUS (polynomial 0x8005 reflected, start 0xFFFF) of ASCII text, four upper-case hex digits."""
    crc = 0xFFFF
    for byte in text.encode("ascii"):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return f"{crc:04X}"


def svg(code: DeviceCode, name: str, board: str, profile: str) -> str:
    """The label as SVG, 62 x 29 mm: QR code left, lines for people right."""
    import segno

    matrix = segno.make(code.text(), error="m", micro=False).matrix
    size_mm = (len(matrix) + 2 * QUIET_MODULES) * MODULE_MM
    top_mm = (HEIGHT_MM - size_mm) / 2
    squares = "".join(
        f"M{column} {row}h1v1h-1z" for row, cells in enumerate(matrix) for column, dark in enumerate(cells) if dark
    )
    rows = [name, "", "DevEUI", grouped(code.dev_eui), "JoinEUI", grouped(code.join_eui), f"{board}  {profile}"]
    texts = "".join(
        f'<text x="{TEXT_LEFT_MM}" y="{4 + LINE_MM * number:.2f}">{escape(row)}</text>'
        for number, row in enumerate([*rows[:6], f"{rows[6]}  {code.short_check}"])
        if row
    )
    offset = QUIET_MODULES * MODULE_MM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}"><title>{escape(name)} {code.dev_eui.upper()}</title>'
        f'<rect width="{WIDTH_MM}" height="{HEIGHT_MM}" fill="#fff"/>'
        f'<path transform="translate({offset:.2f} {top_mm + offset:.2f}) scale({MODULE_MM})" d="{squares}"/>'
        f'<g font-family="DejaVu Sans Mono, monospace" font-size="{FONT_MM}">{texts}</g></svg>\n'
    )


def png(code: DeviceCode) -> bytes:
    """The QR code alone as PNG, 8 dots a module."""
    from io import BytesIO

    import segno

    picture = BytesIO()
    segno.make(code.text(), error="m", micro=False).save(picture, kind="png", scale=8, border=QUIET_MODULES)
    return picture.getvalue()


def grouped(eui: str) -> str:
    """An EUI in groups of four, as people read it out."""
    return " ".join(eui.upper()[at : at + 4] for at in range(0, len(eui), 4))
