"""The settings file of a merge gate: read as the gateway's own, every complaint with line and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from gateway.merge.gate import Rules
from gateway.merge.words import PARTITIONS
from gateway.setting_types import Address, BrokerUrl, Duration
from gateway.settings_reader import Reader, Section, document, read_text

_MOST_COPIES = 10_000_000
_LEAST_COPIES = 1000


class Merge(Section, frozen=True):
    """[merge]. `partitions`: last hex digits of the DevAddrs this instance serves; instances must not share one.

    `quiet` is how long no gateway has begun or ended to hand in a backlog before frames leave; `longest_wait` how
    long one gateway may keep the others waiting. `remember`: frames republished that are known by heart.
    """

    path: str = "merge.db"
    partitions: str = PARTITIONS
    quiet: Duration = Duration.parse("15s")
    longest_wait: Duration = Duration.parse("30min")
    device_spacing: Duration = Duration.parse("1s")
    replay_per_second: float = 20.0
    max_copies: int = 500_000
    remember: int = 1_000_000
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Broker(Section, frozen=True, kw_only=True):
    """[broker]: the broker of the network server. `client_id` names the session that the broker keeps for this
    instance, so each instance has its own.
    """

    server: BrokerUrl
    client_id: str
    topic_prefix: str = ""
    username: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive: Duration = Duration.parse("10s")
    reconnect_max: Duration = Duration.parse("5s")
    session_expiry: Duration = Duration.parse("7d")


class Status(Section, frozen=True):
    """[status]: /health and /metrics over HTTP. No section, no server."""

    bind: Address


class MergeSettings(Section, frozen=True, kw_only=True):
    """The whole file; `directory` is where it lies, for relative paths."""

    broker: Broker
    merge: Merge = Merge()
    status: Status | None = None
    directory: Path = Path()

    def resolve(self, path: str) -> Path:
        """A path of the file, seen from here."""
        return self.directory / path

    def rules(self) -> Rules:
        """For `gateway.merge.gate`."""
        merge = self.merge
        return Rules(
            quiet_us=merge.quiet,
            longest_wait_us=merge.longest_wait,
            spacing_us=merge.device_spacing,
            replay_per_second=merge.replay_per_second,
            max_copies=merge.max_copies,
            remembered=merge.remember,
        )


def load(path: Path) -> MergeSettings:
    """Read and judge a settings file; raises SettingsError with every problem found."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> MergeSettings:
    """Judge the text of a settings file that lies at `path`."""
    reader = Reader(text, {"merge": Merge, "broker": Broker, "status": Status}, {})
    values = reader.sections(document(text, path))
    settings = None
    if values is not None and "broker" not in values:
        reader.say((), "no [broker]: say where the network server's broker is")
    elif values is not None:
        settings = MergeSettings(**values, directory=path.parent)
        _judge(reader, settings)
    return reader.conclude(path, settings)


def _judge(reader: Reader, settings: MergeSettings) -> None:
    merge, broker = settings.merge, settings.broker
    if not re.fullmatch(r"[0-9a-f]{1,16}", merge.partitions) or len(set(merge.partitions)) < len(merge.partitions):
        reader.say(("merge", "partitions"), 'hex digits in lower case, each once, for example "01234567"')
    # Rule 4: never below 500 ms = de-duplication 200 ms + processing + 100 ms.
    if merge.device_spacing < 500_000:
        reader.say(("merge", "device_spacing"), "at least 500ms, or the server may lose frames")
    if not 0.1 <= merge.replay_per_second <= 1000:
        reader.say(("merge", "replay_per_second"), "0.1 to 1000")
    if not 0 < merge.quiet <= merge.longest_wait:
        reader.say(("merge", "quiet"), "more than nothing and at most longest_wait")
    if not _LEAST_COPIES <= merge.max_copies <= _MOST_COPIES:
        reader.say(("merge", "max_copies"), f"{_LEAST_COPIES} to {_MOST_COPIES}")
    if not 0 <= merge.remember <= _MOST_COPIES:
        reader.say(("merge", "remember"), f"0 to {_MOST_COPIES}")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", broker.client_id):
        reader.say(("broker", "client_id"), "1 to 64 letters, digits, - and _; another one for each instance")
    if re.search(r"[+#\0]", broker.topic_prefix) or broker.topic_prefix.startswith("/"):
        reader.say(("broker", "topic_prefix"), "no wildcards (+, #) and no slash in front")
    if (broker.ca or broker.cert) and not broker.server.tls:
        reader.say(("broker", "server"), "ca, cert and key need mqtts://")
    if not 1_000_000 <= broker.keepalive <= 3600_000_000:
        reader.say(("broker", "keepalive"), "1s to 1h")
    if not 60_000_000 <= broker.session_expiry <= 90 * 86_400_000_000:
        reader.say(
            ("broker", "session_expiry"), "1min to 90d: as long as the broker shall keep frames for this instance"
        )
    reader.judge_files(settings.resolve, ("broker",), broker)
