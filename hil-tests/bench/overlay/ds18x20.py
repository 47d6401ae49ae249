"""DS18S20, DS18B20 and DS1822 with the interface of micropython-lib's `ds18x20`.

Function commands and scratchpad layout: DS18B20 datasheet, tables 3 and figure 9; DS18S20 datasheet, "Operation".
"""

_CONVERT = 0x44
_READ_SCRATCH = 0xBE
_WRITE_SCRATCH = 0x4E
_FAMILIES = (0x10, 0x22, 0x28)


class DS18X20:
    """Thermometers on one 1-Wire line."""

    def __init__(self, onewire):
        self.ow = onewire
        self.buf = bytearray(9)

    def scan(self):
        """ROM codes of the thermometers on the line."""
        return [rom for rom in self.ow.scan() if rom[0] in _FAMILIES]

    def _address(self, rom, command):
        self.ow.reset(True)
        if rom is None:
            self.ow.writebyte(self.ow.SKIP_ROM)
        else:
            self.ow.select_rom(rom)
        self.ow.writebyte(command)

    def convert_temp(self):
        """Start a conversion on all of them."""
        self._address(None, _CONVERT)

    def read_scratch(self, rom):
        """The nine bytes of the scratchpad; a wrong check sum raises Exception("CRC error")."""
        self._address(rom, _READ_SCRATCH)
        self.ow.readinto(self.buf)
        if self.ow.crc8(self.buf):
            raise Exception("CRC error")
        return self.buf

    def write_scratch(self, rom, buf):
        """Write alarm limits and configuration."""
        self._address(rom, _WRITE_SCRATCH)
        self.ow.write(buf)

    def read_temp(self, rom):
        """Temperature in degrees Celsius; None when a DS18S20 reports no counts per degree."""
        scratch = self.read_scratch(rom)
        raw = scratch[0] | scratch[1] << 8
        if rom[0] == 0x10:
            if not scratch[7]:
                return None
            half = scratch[0] >> 1 | 0x80
            whole = -((~half & 0xFF) + 1) if scratch[1] else half & 0x7F
            return whole - 0.25 + (scratch[7] - scratch[6]) / scratch[7]
        if raw & 0x8000:
            raw -= 0x10000
        return raw / 16
