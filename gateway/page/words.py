"""Every word of the status page, in both languages side by side, and the choice between them."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "de"]

# The longest Accept-Language header that is looked at; browsers send some tens of characters.
_LONGEST_HEADER = 256

_WORDS: dict[str, tuple[str, str]] = {
    # The frame of the page
    "title": ("Gateway", "Gateway"),
    "skip": ("Skip to the state", "Zum Zustand springen"),
    "language": ("Language", "Sprache"),
    "jump": ("On this page", "Auf dieser Seite"),
    "pause": ("Pause", "Anhalten"),
    "resume": ("Go on", "Fortsetzen"),
    "again": ("Load again", "Neu laden"),
    "gone": (
        "The gateway does not answer. What you see is old.",
        "Das Gateway antwortet nicht. Was hier steht, ist alt.",
    ),
    "paused": ("Paused. What you see is old.", "Angehalten. Was hier steht, ist alt."),
    "times": ("Times are the gateway’s local time", "Zeiten sind Ortszeit des Gateways"),
    "readonly": ("This page only shows; nothing can be changed here.", "Diese Seite zeigt nur, sie ändert nichts."),
    # The headline
    "all-well": ("All well", "Alles in Ordnung"),
    "all-well-more": ("Frames get through to every destination.", "Die Pakete erreichen alle Ziele."),
    "attention": ("Needs attention", "Braucht Aufmerksamkeit"),
    "no-concentrator": ("No concentrator heard so far.", "Bisher kein Konzentrator gehört."),
    "silent": ("{name} has fallen silent.", "{name} schweigt."),
    "is-down": ("{name} cannot be reached.", "{name} ist nicht erreichbar."),
    "is-holding": ("At {name} nobody listens.", "Bei {name} hört niemand zu."),
    "is-spent": ("{name} has used up its data budget.", "{name} hat sein Datenbudget verbraucht."),
    "kept": ("Frames are kept here meanwhile.", "Die Pakete bleiben so lange hier."),
    "clock-wrong": ("The clock is not synchronised.", "Die Uhr ist nicht synchron."),
    "disk-full": ("The disk is full: make room.", "Die Platte ist voll: Platz schaffen."),
    "has-lost": ("Frames were given up: see the buffer.", "Pakete wurden aufgegeben: siehe Puffer."),
    # Figures
    "figures": ("At a glance", "Auf einen Blick"),
    "waiting-now": ("Waiting here", "Warten hier"),
    "received": ("Heard", "Gehört"),
    "last-frame": ("Last frame", "Letztes Paket"),
    "uptime": ("Running for", "Läuft seit"),
    "clock": ("Clock", "Uhr"),
    "synchronised": ("synchronised", "synchron"),
    "unsynchronised": ("not synchronised", "nicht synchron"),
    "none-yet": ("none yet", "noch keins"),
    "frame": ("frame", "Paket"),
    "frames-unit": ("frames", "Pakete"),
    # Destinations
    "destinations": ("Destinations", "Ziele"),
    "up": ("connected", "verbunden"),
    "saving": ("saving data", "spart Daten"),
    "spent": ("data budget used up", "Datenbudget verbraucht"),
    "holding": ("held", "angehalten"),
    "down": ("not reachable", "nicht erreichbar"),
    "since": ("since", "seit"),
    "why": ("Reason", "Grund"),
    "saving-why": (
        "80 % of the data budget is used: live frames only, the backlog waits",
        "80 % des Datenbudgets sind verbraucht: nur laufende Pakete, der Rückstand wartet",
    ),
    "spent-why": (
        "the data budget is used up: frames wait for the next period",
        "das Datenbudget ist verbraucht: die Pakete warten auf den nächsten Zeitraum",
    ),
    "holding-why": (
        "the broker takes messages, but no network server listens",
        "der Broker nimmt an, aber kein Netzwerkserver hört zu",
    ),
    "waiting": ("Waiting", "Wartend"),
    "oldest": ("Oldest", "Ältestes"),
    "in-flight": ("On the way", "Unterwegs"),
    "delivered": ("Delivered", "Zugestellt"),
    "of-these-late": ("of these late", "davon verspätet"),
    "overtaken": ("Overtaken", "Überholt"),
    "acknowledged": ("Last acknowledgement", "Letzte Bestätigung"),
    "budget-day": ("Data today", "Daten heute"),
    "budget-month": ("Data this month", "Daten diesen Monat"),
    "used-of": ("{used} of {most}", "{used} von {most}"),
    # Buffer
    "buffer": ("Buffer", "Puffer"),
    "depth": ("Frames waiting", "Wartende Pakete"),
    "used": ("Used", "Belegt"),
    "keeps-for": ("Keeps frames for", "Hebt Pakete auf"),
    "durability": ("Durability", "Sicherheit"),
    "evicted": ("Given up for want of room", "Aufgegeben aus Platzmangel"),
    "too-old": ("Given up because of age", "Aufgegeben wegen Alters"),
    "ago": ("{span} ago", "vor {span}"),
    "per-destination": ("Waiting per destination", "Wartend je Ziel"),
    # Frames
    "frames": ("Live frames", "Laufende Pakete"),
    "frames-none": ("No frame heard yet.", "Noch kein Paket gehört."),
    "time": ("Time", "Zeit"),
    "device": ("Device", "Gerät"),
    "counter": ("FCnt", "FCnt"),
    "port": ("Port", "Port"),
    "rate": ("Data rate", "Datenrate"),
    "frequency": ("Frequency", "Frequenz"),
    "signal": ("Signal", "Empfang"),
    "fate": ("Delivery", "Zustellung"),
    "join": ("join", "Beitritt"),
    "proprietary": ("proprietary", "proprietär"),
    "confirmed": ("confirmed", "bestätigt"),
    "f-waiting": ("waits", "wartet"),
    "f-live": ("live", "live"),
    "f-late": ("late", "verspätet"),
    "f-superseded": ("overtaken", "überholt"),
    "f-expired": ("too late", "zu spät"),
    "f-filtered": ("for no destination", "für kein Ziel"),
    # Signal
    "nodes": ("Signal per node", "Empfang je Knoten"),
    "nodes-none": ("No node heard yet.", "Noch kein Knoten gehört."),
    "nodes-more": ("and {count} more", "und {count} weitere"),
    "node": ("Node", "Knoten"),
    "strong": ("strong", "stark"),
    "good": ("good", "gut"),
    "weak": ("weak", "schwach"),
    "margin": ("margin {db} dB", "Reserve {db} dB"),
    "history": ("Lately", "Verlauf"),
    "history-text": ("{low} to {high} dBm in {count} frames", "{low} bis {high} dBm in {count} Paketen"),
    "history-one": ("{low} dBm, one frame", "{low} dBm, ein Paket"),
    "count": ("Frames", "Pakete"),
    "last": ("Last", "Zuletzt"),
    # Downlinks
    "downlinks": ("Downlinks", "Downlinks"),
    "downlinks-none": ("No downlink ordered yet.", "Noch kein Downlink beauftragt."),
    "downlinks-sum": ("{sent} sent, {refused} not sent", "{sent} gesendet, {refused} nicht gesendet"),
    "join-accept": ("join-accept or other", "Beitrittsantwort u. a."),
    "from": ("From", "Von"),
    "power": ("Power", "Leistung"),
    "result": ("Result", "Ergebnis"),
    "r-ok": ("sent", "gesendet"),
    "r-ignored": ("not needed", "nicht nötig"),
    "r-too-late": ("too late", "zu spät"),
    "r-too-early": ("too early", "zu früh"),
    "r-collision-packet": ("slot taken", "Zeitpunkt belegt"),
    "r-collision-beacon": ("beacon slot", "Zeitpunkt der Bake"),
    "r-tx-freq": ("frequency refused", "Frequenz abgelehnt"),
    "r-tx-power": ("power refused", "Leistung abgelehnt"),
    "r-gps-unlocked": ("no GPS time", "keine GPS-Zeit"),
    "r-queue-full": ("queue full", "Warteschlange voll"),
    "r-internal-error": ("failed", "fehlgeschlagen"),
    "r-duty-cycle-overflow": ("duty cycle used up", "Sendezeit verbraucht"),
    # Duty cycle
    "airtime": ("Airtime", "Sendezeit"),
    "airtime-none": ("Nothing transmitted in the last hour.", "In der letzten Stunde nichts gesendet."),
    "band": ("Band", "Band"),
    "share": ("Used in the last hour", "In der letzten Stunde"),
    # Concentrators
    "concentrators": ("Concentrators", "Konzentratoren"),
    "concentrators-none": (
        "None heard. Does the packet forwarder send to one of the addresses below?",
        "Keiner gehört. Sendet der Packet Forwarder an eine der Adressen unten?",
    ),
    "source": ("Source", "Quelle"),
    "sources": ("Listening on", "Hört auf"),
    "reachable": ("there", "erreichbar"),
    "unreachable": ("silent", "schweigt"),
    "checksum": ("Checksum good", "Prüfsumme gut"),
    "acked": ("Acknowledged to it", "Ihm bestätigt"),
    "emitted": ("Transmitted", "Gesendet"),
    "about": ("It says", "Sagt von sich"),
    "unknown": ("unknown", "unbekannt"),
    # What was refused
    "refusals": ("Refused and dropped", "Abgewiesen und verworfen"),
    "refusals-none": ("Nothing so far.", "Bisher nichts."),
    "what": ("What", "Was"),
    "kind": ("Kind", "Art"),
    "number": ("Number", "Anzahl"),
}  # fmt: skip

# What links and sockets say when they fail, in words that help; other reasons are shown as they are.
_REASONS: dict[str, tuple[str, str]] = {
    "Connection refused": ("connection refused: does the server run?", "Verbindung abgelehnt: läuft der Server?"),
    "Name or service not known": ("the name is unknown: does DNS work?", "Name unbekannt: geht DNS?"),
    "Temporary failure in name resolution": (
        "names cannot be looked up: is the net there?",
        "kein DNS: ist das Netz da?",
    ),
    "Network is unreachable": ("no way into the net", "kein Weg ins Netz"),
    "No route to host": ("no route to the server", "kein Weg zum Server"),
    "timed out": ("no answer in time", "keine Antwort in der Zeit"),
    "no answer": ("no answer in time", "keine Antwort in der Zeit"),
    "frames are not acknowledged": ("frames are not acknowledged", "Pakete werden nicht bestätigt"),
    "keepalives are not answered": ("keepalives are not answered", "Lebenszeichen bleiben unbeantwortet"),
    "waits for the first concentrator": ("waits for the first concentrator", "wartet auf den ersten Konzentrator"),
}

_NAMES: dict[Language, str] = {"en": "English", "de": "Deutsch"}


class Words:
    """The words of one language, and how it writes numbers."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._index = 0 if language == "en" else 1

    def __getitem__(self, key: str) -> str:
        return _WORDS[key][self._index]

    def say(self, key: str, **values: str) -> str:
        """A sentence with values put in."""
        return self[key].format(**values)

    def reason(self, why: str) -> str | None:
        """A failure in words that help, if it is a known one."""
        known = _REASONS.get(re.sub(r"^\[Errno -?\d+\] ", "", why))
        return None if known is None else known[self._index]

    def number(self, value: float, digits: int = 0) -> str:
        """A number with a true minus and narrow groups of three: 12 345,6 or 12 345.6."""
        text = f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "\N{MINUS SIGN}")
        return text if self.language == "en" else text.replace(".", ",")


def languages() -> dict[Language, str]:
    """The languages there are, with the names they have for themselves."""
    return _NAMES


def keys() -> frozenset[str]:
    """The keys of all words."""
    return frozenset(_WORDS)


def choose(asked: str | None, accepted: str) -> Language:
    """The language somebody asked for, else the best of an Accept-Language header (RFC 9110 section 12.5.4)."""
    for language in _NAMES:
        if asked == language:
            return language
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted[:_LONGEST_HEADER].split(","):
        tag, _, parameter = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if primary == "de" and weight > best[0]:
            best = (weight, "de")
        elif primary == "en" and weight > best[0]:
            best = (weight, "en")
    return best[1]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
