"""A city in real time: broker, network server, gateway and `spatz` are processes, the street is simulated.

Everything that happened is written into the ledger by `keep_books`, called by whoever runs the show.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from chirpstack_api import api

from bench.air.udp import UdpForwarder
from bench.boards.image import virtual_image
from bench.broker import Broker
from bench.demo.events import Application, Event
from bench.demo.ledger import ANSWER_PORT, READING_PORTS, Ledger, UplinkId
from bench.demo.processes import Gateway, Server, run_spatz
from bench.demo.screen import Screen
from bench.server.frames import UPLINK_DATA, DataFrame, frame_type
from bench.street import GATEWAY_ANTENNA, GATEWAY_ID, Plan, Street
from firmware.payload import decode
from firmware.payload.commands import COMMAND_FPORT, INTERVAL, encode_command

REPORT_INTERVAL_S = 10
PROFILES = ("fill", "air", "light")
AT_ONCE = 2  # `spatz` processes side by side: they compile and start Python, which keeps a core busy

NODE_TOML = """\
# A node of the demo; everything it is made of is simulated, except the software.
name = "{name}"
board = "{board}"
profile = "{profile}"
report_interval_s = {interval}
spread_percent = 0
start_delay_s = 0
{settings}
[identity]
join_eui = "70b3d57ed0000001"
[firmware]
image = "{image}"
[network]
application = "demo"
"""


def plans(count: int) -> list[Plan]:
    """`count` nodes, the profiles in turn."""
    names = {"fill": "bin", "air": "nox", "light": "lamp"}
    return [
        Plan(f"{names[profile]}-{number // len(PROFILES) + 1}", profile, report_interval_s=REPORT_INTERVAL_S)
        for number, profile in ((number, PROFILES[number % len(PROFILES)]) for number in range(count))
    ]


class City:
    """Everything between a reading and the application that reads it. A context manager."""

    def __init__(self, root: Path, nodes: list[Plan], seed: int) -> None:
        self.root = root
        self.state_dir = root / "state"
        self.passphrase_file = root / "passphrase"
        self.ledger = Ledger()
        self.answers: dict[tuple[str, int], str] = {}
        self.answered_at_us: dict[tuple[str, int], int] = {}
        self.provisioning_failures: dict[str, str] = {}
        self.unheard: list[str] = []
        self.micropython = interpreter_version()
        self._seed = seed
        self._exit = ExitStack()
        self._plans = nodes
        self._names: dict[str, str] = {}
        self._counted = 0
        self._first_reading = False
        self._jobs: list[Future[None]] = []

    # -------------------------------------------------------------------------------------------- beginning, end

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.broker = stack.enter_context(Broker(self.root / "broker"))
            self.server = Server(self.root, self.broker.url, self._seed)
            stack.callback(self.server.stop)
            self.gateway = Gateway(self.root / "gateway", self.broker.url, GATEWAY_ID)
            stack.callback(self.gateway.stop)
            self.gateway.start()
            self.server.start()
            self.street = Street(self.root, self._plans, self._seed, blank=True)
            self.bench = self.street.bench
            stack.callback(self.bench.close)
            self.nodes = self.street.nodes
            stack.enter_context(self.bench.live())
            self._unix_us = time.time_ns() // 1000 - self.bench.now_us
            self.forwarder = UdpForwarder(
                self.bench.schedule,
                self.street.concentrator,
                GATEWAY_ID,
                ("127.0.0.1", self.gateway.udp_port),
                self.bench.call,
                unix_us=self._unix_us,
                seed=self._seed,
            )
            self.bench.call(self.forwarder.start)
            stack.callback(self.forwarder.stop)
            self.application = stack.enter_context(
                Application(self.server.grpc, self.server.token_file.read_text().strip())
            )
            for plan in self._plans:
                self.ledger.node(plan.name, plan.profile)
            self._write_private(self.passphrase_file, secrets.token_urlsafe(24))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # ---------------------------------------------------------------------------------------------- provisioning

    @property
    def provisioning(self) -> bool:
        """Whether a `spatz` still runs."""
        return any(not job.done() for job in self._jobs)

    def provision_all(self, tell: Callable[[str, str], None]) -> None:
        """Start `spatz provision` for every node, a few at a time; does not wait."""
        image = self.root / "firmware.bin"
        image.write_bytes(virtual_image("esp32"))
        self.street.on_every_node(lambda board: board.power_on())
        pool = ThreadPoolExecutor(AT_ONCE, "provision")
        self._exit.callback(pool.shutdown, cancel_futures=True)
        self._jobs = [pool.submit(self._provision, plan, image, tell) for plan in self._plans]

    def provision_arguments(self, plan: Plan, image: Path) -> list[str]:
        """The command line that a technician would type for this node."""
        settings = self.root / f"{plan.name}.toml"
        settings.write_text(
            NODE_TOML.format(
                name=plan.name,
                board=plan.board,
                profile=plan.profile,
                interval=plan.report_interval_s,
                image=image.name,
                settings=_toml(self.nodes[plan.name].station.settings),
            )
        )
        arguments = ["provision", str(settings), "--port", self.nodes[plan.name].board.port]
        arguments += ["--server", f"http://{self.server.grpc}", "--token-file", str(self.server.token_file)]
        arguments += ["--state", str(self.state_dir), "--passphrase-file", str(self.passphrase_file)]
        return [*arguments, "--json", "--lang", "en"]

    def _provision(self, plan: Plan, image: Path, tell: Callable[[str, str], None]) -> None:
        errors: list[str] = []

        def heard(line: dict[str, Any]) -> None:
            if line.get("event") == "step" and line.get("outcome") == "begin":
                tell(plan.name, str(line["step"]))
            if line.get("dev_eui"):
                self._names[str(line["dev_eui"])] = plan.name
            if line.get("step") == "join" and line.get("outcome") == "begin":  # by then the device is registered
                self.application.watch(self.dev_eui(plan.name))
            if line.get("event") == "error":
                errors.append(f"{line.get('what')} {line.get('why')}")

        code = run_spatz(self.provision_arguments(plan, image), self.root / f"spatz-{plan.name}.log", heard)
        if code != 0:
            self.provisioning_failures[plan.name] = " ".join(errors) or f"exit code {code}"

    def dev_eui(self, name: str) -> str:
        """The DevEUI that `spatz` gave a node."""
        return next(dev_eui for dev_eui, node in self._names.items() if node == name)

    # --------------------------------------------------------------------------------------------------- acting

    def command_interval(self, name: str, seq: int, seconds: int) -> None:
        """Queue the downlink that sets a node's report interval, as an application does: by gRPC."""
        dev_eui = self.dev_eui(name)
        token = self.server.token_file.read_text().strip()
        item = api.DeviceQueueItem(dev_eui=dev_eui, f_port=COMMAND_FPORT, data=encode_command(seq, {INTERVAL: seconds}))
        with grpc.insecure_channel(self.server.grpc) as channel:
            api.DeviceServiceStub(channel).Enqueue(
                api.EnqueueDeviceQueueItemRequest(queue_item=item),
                metadata=[("authorization", f"Bearer {token}")],
                timeout=10,
            )

    def switch_nodes_off(self) -> None:
        """Take the power from all nodes: no new uplinks from now on."""
        self.street.on_every_node(lambda board: board.power_off())

    def buffered(self) -> int | None:
        """How many frames the gateway holds; None while it does not answer."""
        health = self.gateway.health()
        return None if health is None else int(health["buffered"])

    # -------------------------------------------------------------------------------------------------- the books

    def keep_books(self, screen: Screen) -> None:
        """Write what happened since the last call into the ledger."""
        self._count_frames()
        for event in self.application.drain():
            name = self._names.get(event.dev_eui)
            if name is None:
                continue
            if event.kind == "join":
                self._joined(name, event, screen)
            elif event.kind == "up":
                self._up(name, event, screen)

    def _count_frames(self) -> None:
        """Every finished frame that the air has seen, in order."""
        records = self.street.air.records
        now_us = self.bench.now_us
        while self._counted < len(records):
            record = records[self._counted]
            frame = record.frame
            if frame.end_us >= now_us:
                return  # what becomes of it is not known yet
            self._counted += 1
            payload = bytes(frame.payload)
            if frame.iq_inverted or frame.sender not in self.ledger.nodes or frame_type(payload) not in UPLINK_DATA:
                continue
            data = DataFrame.parse(payload)
            uplink = UplinkId(frame.sender, data.dev_addr, data.f_cnt16)
            self.ledger.sent(uplink, data.f_port, frame.start_us, heard=GATEWAY_ANTENNA in record.heard)
            if GATEWAY_ANTENNA in record.unheard:
                self.unheard.append(f"{frame.sender}, frame {data.f_cnt16}: {record.unheard[GATEWAY_ANTENNA]}")
            self.ledger.nodes[frame.sender].uplinks += 1

    def _joined(self, name: str, event: Event, screen: Screen) -> None:
        record = self.ledger.nodes[name]
        record.joined = True
        record.state = "joined"
        record.dev_eui = event.dev_eui
        record.dev_addr = str(event.body.get("devAddr", ""))
        screen.tell("joined", f"{name} joined as {record.dev_addr}.", node=name, dev_addr=record.dev_addr)

    def _up(self, name: str, event: Event, screen: Screen) -> None:
        body = event.body
        record = self.ledger.nodes[name]
        uplink = UplinkId(name, str(body.get("devAddr", "")), int(body.get("fCnt", 0)) & 0xFFFF)
        decoded = body.get("object") or {}
        port = body.get("fPort")
        self.ledger.arrived(uplink, decoded, self.bench.now_us)
        reception = (body.get("rxInfo") or [{}])[0]
        record.last_rssi_dbm = reception.get("rssi", record.last_rssi_dbm)
        record.last_snr_db = reception.get("snr", record.last_snr_db)
        if port == ANSWER_PORT:
            key = (name, int(decoded.get("seq", -1)))
            self.answers[key] = "ok" if decoded.get("ok") is True else "refused"
            self.answered_at_us[key] = self.ledger.uplinks[uplink].sent_us if uplink in self.ledger.uplinks else 0
        if port not in READING_PORTS or uplink not in self.ledger.uplinks:
            screen.tell("uplink", "", node=name, f_port=port, f_cnt=uplink.f_cnt, object=decoded)
            return
        record.last_object = decoded
        if not record.units:
            record.units = decode(int(port or 0), base64.b64decode(body.get("data", ""))).units()
        record.state = "reporting"
        station = self.nodes[name].station
        sent_us = self.ledger.uplinks[uplink].sent_us
        differing = self.ledger.compare(uplink, self.bench.call(lambda: station.expected(sent_us)))
        if not self._first_reading:
            self._first_reading = True
            screen.tell("first_reading", f"First decoded reading, from {name}.", node=name)
        screen.tell(
            "reading",
            "",
            node=name,
            f_port=port,
            f_cnt=uplink.f_cnt,
            object=decoded,
            equal=not differing,
        )
        for mismatch in differing:
            screen.tell("mismatch", str(mismatch), node=name, field=mismatch.name)

    @staticmethod
    def _write_private(path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)


def interpreter_version() -> str:
    """What the interpreter of the virtual boards says of itself."""
    program = shutil.which("micropython", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        return "unknown"
    question = (
        "import sys; print('.'.join(map(str, sys.implementation.version)).rstrip('.'), sys.version.split('; ')[1])"
    )
    answer = subprocess.run([program, "-c", question], capture_output=True, text=True, timeout=20, check=False)
    return answer.stdout.strip() or "unknown"


def _toml(settings: Mapping[str, Any]) -> str:
    """Settings of a node in NODE.toml: values first, tables inline."""
    return "\n".join(f"{key} = {_toml_value(value)}" for key, value in settings.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)  # numbers, booleans and plain texts are written alike in JSON and TOML
