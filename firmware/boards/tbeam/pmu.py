"""The T-Beam's power management: the radio's supply, and the battery's voltage.

AXP192 (X-Powers datasheet v1.1, register tables) up to board v1.1: the radio hangs on LDO2. AXP2101 (X-Powers datasheet
v1.0) from v1.2 on: on ALDO2. Both have address 0x34 and tell by register 0x03 which they are. They keep their settings
while the processor resets. The AXP2101's half is from its tables and has not run.
"""

_IC_TYPE = 0x03
_AXP192 = 0x03  # value of that register; the AXP2101 has several others
_SETTLE_MS = 10  # the radio's capacitors, and its start (SX1276, 7.2.1)


class Pmu:
    """The chip at `address` on `i2c`. Also the node's battery driver: it has the same calls."""

    def __init__(self, i2c, address, clock):
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._old = None
        self.last_mv = None
        """The last battery reading, for those who did not ask for it themselves."""

    def radio_on(self):
        """Give the radio 3.3 V; returns when it may be talked to. OSError when the chip does not answer."""
        if self._is_axp192():
            self._change(0x28, 0x0F, 0xF0)  # LDO2 in bits 7..4: 1.8 V + 0.1 V each
            self._change(0x12, 0xFF, 0x04)
        else:
            self._change(0x93, 0xE0, 28)  # ALDO2: 0.5 V + 0.1 V each
            self._change(0x90, 0xFF, 0x02)
        self._clock.sleep_ms(_SETTLE_MS)

    def start(self):
        """Let the battery's voltage be measured, which the chip then does all the time."""
        try:
            if self._is_axp192():
                self._change(0x82, 0xFF, 0x80)
            else:
                self._change(0x30, 0xFF, 0x01)
        except OSError:
            pass  # `read` will say it

    def ready_in_ms(self):
        """Always 0: it converts 25 times a second and more."""
        return 0

    def read(self):
        """Battery voltage in mV, or the fault word."""
        try:
            if self._is_axp192():
                data = self._i2c.readfrom_mem(self._address, 0x78, 2)
                self.last_mv = ((data[0] << 4 | data[1] & 0x0F) * 11 + 5) // 10  # steps of 1.1 mV
            else:
                data = self._i2c.readfrom_mem(self._address, 0x34, 2)
                self.last_mv = (data[0] & 0x3F) << 8 | data[1]
        except OSError:
            return "no-response"
        return self.last_mv

    def _is_axp192(self):
        if self._old is None:
            self._old = self._register(_IC_TYPE) == _AXP192
        return self._old

    def _register(self, register):
        return self._i2c.readfrom_mem(self._address, register, 1)[0]

    def _change(self, register, keep, bits):
        value = self._register(register) & keep | bits
        self._i2c.writeto_mem(self._address, register, bytes((value,)))
