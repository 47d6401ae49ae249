"""How a radio fails. The MAC's exchange is over then; starting the radio anew is what helps.

RadioError
    RadioBusy            BUSY stays high: no power, no reset, or a dead chip
    RadioSilent          nothing on MISO answers: wiring, chip select, power
    OscillatorFailed     the 32 MHz clock does not start: wrong TCXO setting of the board
    TransmitFailed       a transmission did not end in time
    ModemSilent          an AT modem does not answer
    ModemRefused         an AT modem does not take what it is told
ChannelBusy              no failure: somebody else is on the air
"""


class RadioError(Exception):
    """Base of all errors of `firmware.radio`. Call `start()` again; if it fails too, look at the hardware."""


class RadioBusy(RadioError):
    """BUSY did not fall within its time. Check the supply and the pins RESET and BUSY."""


class RadioSilent(RadioError):
    """What was written to a register is not read back. Check SCK, MOSI, MISO, CS and the supply."""


class OscillatorFailed(RadioError):
    """GetDeviceErrors says XOSC_START_ERR (0x20). Check `tcxo_mv` and `tcxo_start_us` in the board's facts."""


class TransmitFailed(RadioError):
    """TxDone did not come. Check the supply under load and the antenna switch."""


class ModemSilent(RadioError):
    """An AT modem did not answer, at any speed, nor after a reset. Check its supply, TX, RX, and its firmware."""


class ModemRefused(RadioError):
    """An AT modem answered with an error. The text names the command (never its value): update the modem's firmware."""


class ChannelBusy(Exception):
    """Raised by `carry_out` where a region demands to listen first: nothing was sent. Tell the MAC by `not_sent`."""

    nothing_sent = True
    """For those who may not import this package."""
