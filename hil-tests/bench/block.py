"""A city block in virtual time: nodes with known keys on a street, the server core attached to the air without sockets.

    with Block(tmp_path, [Plan("bin-1", "fill")], seed=1) as block:
        block.switch_on()
        block.bench.run_for(3600)
        for reading in block.readings("bin-1"): ...

Keys are drawn from the seed: they protect nothing and exist only on the bench.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.air.direct import DirectLink
from bench.boards.bench import HEAP_BYTES
from bench.boards.software import compile_firmware
from bench.server.core import NetworkServer, default_profile
from bench.server.events import to_dict
from bench.server.frames import UPLINK_DATA, DataFrame, FType, JoinRequest, frame_type
from bench.server.outputs import AppEvent
from bench.server.settings import Settings
from bench.street import GATEWAY_ID, Plan, Street
from firmware.lorawan.ids import Eui
from firmware.lorawan.store import pack_identity

EPOCH_US = 1_795_305_600_000_000
"""Unix time of bench time 0: 2026-11-22T00:00:00Z."""
JOIN_EUI = "70b3d57ed0000001"
CLASS_C_TIMEOUT_S = 8
"""How long the server waits for the answer to a confirmed class C downlink."""
MAIN = b"from firmware.node.main import run\nrun()\n"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One uplink as the application got it."""

    name: str
    at_us: int
    dev_addr: str
    f_cnt: int
    f_port: int
    decoded: Mapping[str, Any]


class Block:
    """Street and server core under one clock."""

    def __init__(
        self,
        root: Path,
        plans: list[Plan],
        seed: int = 0,
        *,
        heap_bytes: int = HEAP_BYTES,
        settings: Settings | None = None,
    ) -> None:
        """`settings`: the server's, if not the usual ones of the street's region."""
        self.street = Street(root, plans, seed, heap_bytes=heap_bytes)
        self.bench = self.street.bench
        self.air = self.street.air
        self.seed = seed
        self.server = NetworkServer(settings or Settings.of(self.street.region), seed=seed)
        self.events: list[AppEvent] = []
        self.arrived: list[Arrived] = []
        self.link = DirectLink(self.bench.schedule, self.server, unix_us=EPOCH_US, on_output=self._output)
        self.link.attach(self.street.concentrator, GATEWAY_ID)
        self.dev_euis: dict[str, str] = {}
        self._script = codec_script()
        for name, neighbour in self.street.nodes.items():
            dev_eui, app_key = _derived(seed, name, 8).hex(), _derived(seed, name, 16)
            self.dev_euis[name] = dev_eui
            plan = neighbour.plan
            self._add(name)
            files = compile_firmware(plan.board, plan.profile, plan.region, extras=plan.extras)
            files["/main.py"] = MAIN
            files["/node.json"] = neighbour.configuration()
            gen_app_key = self.gen_app_key(name) if "multicast-setup" in plan.packages else b""
            identity = pack_identity(Eui.from_hex(dev_eui), Eui.from_hex(JOIN_EUI), app_key, gen_app_key)
            files["/lorawan/identity"] = bytes(identity)
            neighbour.board.write_files(files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bench.close()

    def _add(self, name: str) -> None:
        profile = default_profile(self.server.settings.region.common_name)
        profile.supports_class_c = self.street.nodes[name].plan.device_class == "C"
        profile.class_c_timeout = CLASS_C_TIMEOUT_S
        app_key = _derived(self.seed, name, 16)
        self.server.add_device(self.dev_euis[name], app_key, name=name, codec_script=self._script, profile=profile)

    def recreate(self, name: str) -> None:
        """The server loses a device and gets it again with the same keys: session and used nonces are forgotten."""
        self.server.storage.remove_device(self.dev_euis[name])
        self._add(name)

    def switch_on(self) -> None:
        """Give all nodes power."""
        self.street.on_every_node(lambda board: board.power_on())

    def enqueue(self, name: str, f_port: int, data: bytes, *, confirmed: bool = False) -> None:
        """Queue a downlink for a node."""
        now_us = EPOCH_US + self.bench.now_us
        self.server.enqueue(self.dev_euis[name], f_port, data, confirmed=confirmed, now_us=now_us)
        self.link.touch()

    def gen_app_key(self, name: str) -> bytes:
        """The key from which a node with remote multicast derives those of its groups."""
        return _derived(self.seed, f"{name}/gen", 16)

    def of_kind(self, kind: str, name: str) -> list[AppEvent]:
        """Events of one kind of one node."""
        return [event for event in self.events if event.kind == kind and event.dev_eui == self.dev_euis[name]]

    def readings(self, name: str) -> list[Arrived]:
        """What arrived from a node, in order."""
        return [arrived for arrived in self.arrived if arrived.name == name]

    def sent_us(self, arrived: Arrived) -> int:
        """When the radio began to send an uplink that arrived (its first transmission)."""
        for record in self.air.records:
            frame = record.frame
            if frame.sender == arrived.name and not frame.iq_inverted and frame_type(frame.payload) in UPLINK_DATA:
                data = DataFrame.parse(frame.payload)
                if (data.dev_addr, data.f_cnt16) == (arrived.dev_addr, arrived.f_cnt & 0xFFFF):
                    return frame.start_us
        raise LookupError(f"{arrived} was never in the air")

    def sent_frames(self, name: str) -> list[bytes]:
        """Every frame that a node's radio put on the air, in order."""
        return [bytes(record.frame.payload) for record in self.air.records if record.frame.sender == name]

    def air_hash(self) -> str:
        """SHA-256 over every frame in the air with its time, frequency and spreading factor."""
        digest = hashlib.sha256()
        for record in self.air.records:
            frame = record.frame
            digest.update(f"{frame.start_us} {frame.freq_hz} {frame.sf} {frame.sender} ".encode())
            digest.update(bytes(frame.payload))
        return digest.hexdigest()

    def _output(self, output: Any) -> None:
        if not isinstance(output, AppEvent):
            return
        self.events.append(output)
        if output.kind == "up":
            name = next(name for name, eui in self.dev_euis.items() if eui == output.dev_eui)
            body = to_dict(output.message)
            self.arrived.append(
                Arrived(
                    name,
                    self.bench.now_us,
                    body.get("devAddr", ""),
                    body.get("fCnt", 0),
                    body.get("fPort", 0),
                    body.get("object") or {},
                )
            )


def dev_nonces(frames: list[bytes]) -> list[int]:
    """The DevNonces of all join-requests among `frames`."""
    return [JoinRequest.parse(frame).dev_nonce for frame in frames if frame_type(frame) is FType.JOIN_REQUEST]


def counters(frames: list[bytes]) -> list[tuple[str, int, bytes]]:
    """(DevAddr, 16-bit counter, whole frame) of all data uplinks among `frames`."""
    parsed = [(DataFrame.parse(frame), frame) for frame in frames if frame_type(frame) in UPLINK_DATA]
    return [(data.dev_addr, data.f_cnt16, frame) for data, frame in parsed]


def codec_script() -> str:
    """The generated codec, as it is registered at the network server."""
    import firmware

    return (Path(firmware.__path__[0]) / "payload" / "generated" / "spatz.js").read_text("utf-8")


def _derived(seed: int, name: str, size: int) -> bytes:
    return hashlib.sha256(f"bench/{seed}/{name}/{size}".encode()).digest()[:size]
