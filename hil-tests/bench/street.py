"""A street: virtual boards with their sensors and radios in one air, and a concentrator that hears them.

What stands on the other side of the concentrator is attached by the caller: the server core directly (`bench.block`)
or the real gateway over UDP (`bench.demo.city`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.networks import NETWORKS
from bench.boards import Bench, Board
from bench.boards.bench import HEAP_BYTES
from bench.stations import Station
from bench.world import World
from provisioning.bundle import Extras

GATEWAY_ID = "70b3d5fffe0000a1"
GATEWAY_ANTENNA = "gateway"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one node of a street shall be; `settings` are further keys of its configuration."""

    name: str
    profile: str
    board: str = "virtual"
    report_interval_s: int = 900
    settings: Mapping[str, Any] = field(default_factory=dict)
    device_class: str = "A"
    packages: tuple[str, ...] = ()
    region: str = "EU868"

    @property
    def extras(self) -> Extras:
        """For deployment."""
        return Extras(self.device_class, self.packages)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node of the street: its plan, its board, and what is wired to it."""

    plan: Plan
    board: Board
    station: Station

    def configuration(self) -> bytes:
        """The node's `/node.json`, as `spatz deploy` would write it."""
        return json.dumps(
            {
                "version": 1,
                "name": self.plan.name,
                "board": self.plan.board,
                "profile": self.plan.profile,
                "region": self.plan.region,
                "report_interval_s": self.plan.report_interval_s,
                "class": self.plan.device_class,
                "packages": self.plan.packages,
                **self.station.settings,
                **self.plan.settings,
            }
        ).encode()


class Street:
    """The simulated part of a run, all of it in one `region`. Close the bench to end it."""

    def __init__(
        self, root: Path, plans: list[Plan], seed: int = 0, *, blank: bool = False, heap_bytes: int = HEAP_BYTES
    ) -> None:
        self.bench = Bench(root / "boards", seed=seed)
        self.air = Air(self.bench.schedule, seed)
        self.world = World(seed)
        (self.region,) = {plan.region for plan in plans} or {"EU868"}
        network = NETWORKS[self.region]
        self.concentrator = Concentrator(
            self.bench.schedule,
            self.air,
            GATEWAY_ANTENNA,
            seed=seed,
            channels=network.channels,
            tx_range_hz=network.tx_range_hz,
        )
        self.nodes: dict[str, Neighbour] = {}
        for number, plan in enumerate(plans):
            facts = import_module(f"firmware.boards.{plan.board}.facts")
            station = Station(
                plan.profile,
                facts,
                self.bench.schedule,
                self.world,
                self.air,
                seed=seed * 1000 + number,
                name=plan.name,
            )
            board = self.bench.add_board(plan.name, plan.board, station.harness, blank=blank, heap_bytes=heap_bytes)
            self.nodes[plan.name] = Neighbour(plan, board, station)

    def on_every_node(self, act: Callable[[Board], None]) -> None:
        """Do the same with each board, in the order of the plans."""
        for neighbour in self.nodes.values():
            act(neighbour.board)
