"""The texts of RUI3 firmware in its versions: what a driver must take alike.

Sources: RUI3 AT command manual and the deprecated manual of firmware up to 1.0.4 (RAKwireless), and what users print in
their logs. Where sources differ within a version the rarer form is taken, since that is the one drivers stumble over.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.chips.rui3.end_device import Heard


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one version of the firmware speaks."""

    version: str
    baud: int = 115_200
    names_in_answers: bool = True
    """`AT+NJS=1`, not `1`."""
    spaces: bool = False
    """Words of events are parted by spaces, not by underscores."""
    failure_number: str = ""
    """After `SEND_CONFIRMED_FAILED`."""
    two_lines: bool = False
    """A downlink comes as levels and, in the next line, data."""
    link_check_mark: str = ":"
    restricted: str = "AT_DUTYCYCLE_RESTRICTED"
    """The status for the duty cycle; `AT_BUSY_ERROR` follows a line that tells the time."""
    unknown: str = "AT_ERROR"
    heard_first: bool = False
    """A downlink is told before the end of the uplink."""
    keeps_session: bool = True
    """The session outlives a restart; DevNonce and counters always do."""
    lacks: tuple[str, ...] = ()
    """Commands that this version does not have."""

    def event(self, words: str) -> str:
        """A line of words parted by underscores."""
        return "+EVT:" + (words.replace("_", " ") if self.spaces else words)

    def join_failed(self) -> str:
        """The line after a join without an answer."""
        return "+EVT:JOIN FAILED" if self.spaces else "+EVT:JOIN_FAILED_RX_TIMEOUT"

    def sent(self, confirmed: bool, acknowledged: bool) -> str:
        """The line at the end of an uplink."""
        if not confirmed:
            return "+EVT:TX_DONE"
        return self.event("SEND_CONFIRMED_OK" if acknowledged else f"SEND_CONFIRMED_FAILED{self.failure_number}")

    def received(self, heard: Heard) -> list[str]:
        """The lines of a downlink with data."""
        rssi, snr = round(heard.rssi_dbm), round(heard.snr_db)
        data = (heard.data or b"").hex().upper()
        if self.two_lines:
            return [f"+EVT:RX_{heard.window}, RSSI {rssi}, SNR {snr}", f"+EVT:{heard.port}:{data}"]
        return [f"+EVT:RX_{heard.window}:{rssi}:{snr}:UNICAST:{heard.port}:{data}"]

    def link_check(self, heard: Heard | None) -> str:
        """The line that answers a link check; None: nobody answered."""
        values: tuple[int, ...] = (1, 0, 0, 0, 0)
        if heard is not None and heard.link_check is not None:
            values = (0, *heard.link_check, round(heard.rssi_dbm), round(heard.snr_db))
        return "+EVT:LINKCHECK:" + self.link_check_mark.join(map(str, values))

    def banner(self, lorawan: bool) -> list[str]:
        """What is printed at power-up."""
        mode = "LoRaWAN." if lorawan else "LoRa P2P."
        return ["RAKwireless RAK3172 Example", "-" * 54, f"Current Work Mode: {mode}"]


DIALECTS = {
    "1.0.4": Dialect(
        "V1.0.4",
        baud=9_600,
        names_in_answers=False,
        spaces=True,
        two_lines=True,
        restricted="AT_DUTYCYLE_RESTRICTED",
        keeps_session=False,
        lacks=("LPM", "LINKCHECK"),
    ),
    "3.2.0": Dialect(
        "3.2.0-p2_22q1_final.87",
        names_in_answers=False,
        link_check_mark=",",
        heard_first=True,
        keeps_session=False,
    ),
    "4.0.6": Dialect(
        "RUI_4.0.6_RAK3172-E",
        failure_number="(4)",
        restricted="AT_BUSY_ERROR",
        unknown="AT_COMMAND_NOT_FOUND",
    ),
}
"""By version; the newest is the last."""
