"""What fails when: a plan from a seed. The same seed makes the same plan; the processes' own timing differs.

Three threads of misfortune run at once:

    network   episodes one after the other, with rest between them: the broker gone, the network cut (with what was
              on its way late or lost, or PUBACKs alone lost), nobody listening, the spool overflowing, and the
              concentrator restarted in a cut with a counter that makes what waits seem answerable
    kills     SIGKILL of the gateway at any moment, also inside those episodes
    clocks    the wall clock steps; the machine restarts with a wrong one and is synchronised later

Pacing: rule 4 (a second between frames of a device, a replay cap) limits what can be caught up. A plan of
`FULL` sends 50,000 frames of 500 devices in 27 minutes, 28 a second, and its gateway may replay 100 a second, so an
outage of a minute is caught up in less than half a minute while live frames go on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from bench.chaos.load import Weather


class Act(Enum):
    """What is done. `value` in brackets."""

    KILL = "kill"  # seconds until the gateway is started again
    BROKER_DOWN = "broker down"
    BROKER_UP = "broker up"
    CUT = "cut"
    CUT_PUBACKS = "cut of what comes from the broker"
    HEAL = "heal, held bytes arrive late"
    HEAL_BROKEN = "heal, held bytes are lost"
    DEAF = "nobody listens"
    HEARING = "somebody listens again"
    STEP = "clock set wrong"  # seconds
    SYNCHRONISE = "clock synchronised"  # seconds of error left
    RESTART = "machine restarts"  # seconds the clock is wrong then
    RADIO = "concentrator restarts"  # seconds the counter is set back
    RATE = "rate"  # frames a second


class Action(NamedTuple):
    """One misfortune, `at_s` from the start."""

    at_s: float
    act: Act
    value: float = 0.0


_WEATHER = Weather(lost=0.01, doubled=0.01, delayed=0.02)


@dataclass(frozen=True, slots=True)
class Scale:
    """How big a run is."""

    frames: int
    devices: int
    rate: float
    replay_per_second: int
    spacing: str = "1s"
    calm_s: tuple[float, float] = (5.0, 20.0)
    outage_s: tuple[float, float] = (10.0, 50.0)
    kill_every_s: float = 45.0
    clock_every_s: float = 60.0
    overflow: tuple[float, float] | None = None
    """Seconds without a network, and frames a second meanwhile, that overflow the spool."""
    spool_bytes: int = 1 << 20
    confirmed: float = 0.1
    weather: Weather = _WEATHER

    @property
    def length_s(self) -> float:
        """How long sending takes; what an overflow hurries is saved afterwards."""
        hurried = 0.0 if self.overflow is None else self.overflow[0] * (self.overflow[1] - self.rate)
        return max(0.0, self.frames - hurried) / self.rate

    def shortened(self, share: float) -> Scale:
        """The same storm for a part of the time."""
        return replace(self, frames=int(self.frames * share))


FULL = Scale(frames=50_000, devices=500, rate=28.0, replay_per_second=100, overflow=(100.0, 80.0))
SHORT = Scale(
    frames=800,
    devices=100,
    rate=70.0,
    replay_per_second=400,
    spacing="500ms",
    calm_s=(0.2, 0.5),
    outage_s=(0.6, 1.2),
    kill_every_s=8.0,
    clock_every_s=5.0,
    confirmed=0.15,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run."""

    seed: int
    scale: Scale
    actions: list[Action] = field(default_factory=list)


_EPISODES = ("broker", "stall", "cut", "pubacks", "deaf", "radio", "overflow")
# The gateway notes a verified clock within ten seconds; a machine restarted before would leave undated frames.
_NOTED_S = 13.0
# Contexts live ten seconds: a concentrator is silent that long when it restarts, so that no live answer hits it.
RADIO_SILENCE_S = 11.0
_WRONG_CLOCKS_S = (-3_600.0, -86_400.0 * 400, 7_200.0, 86_400.0, -17.0)
# Within the 512 s that a just-in-time queue looks ahead: what was heard up to then seems answerable again.
_COUNTER_BACK_S = (20.0, 400.0)


def make(seed: int, scale: Scale) -> Plan:
    """Draw a plan."""
    chance = random.Random(f"plan/{seed}")
    actions = _network(chance, scale, scale.length_s)
    length_s = max(action.at_s for action in actions)
    actions += [*_kills(chance, scale, length_s), *_clocks(chance, scale, length_s)]
    return Plan(seed, scale, sorted(actions, key=lambda action: action.at_s))


def _network(chance: random.Random, scale: Scale, length_s: float) -> list[Action]:
    actions: list[Action] = []
    kinds = [kind for kind in _EPISODES if kind != "overflow" or scale.overflow]
    chance.shuffle(kinds)
    first_round = True
    at_s = chance.uniform(*scale.calm_s)
    # Every kind once before any kind twice, even if the time is short; the overflow once in a run.
    while at_s < length_s or (first_round and kinds):
        if not kinds:
            first_round = False
            kinds = [kind for kind in _EPISODES if kind != "overflow"]
            chance.shuffle(kinds)
        kind, for_s = kinds.pop(), chance.uniform(*scale.outage_s)
        if kind == "overflow" and scale.overflow is not None:
            for_s, rate = scale.overflow
            actions += [Action(at_s, Act.RATE, rate), Action(at_s + for_s, Act.RATE, scale.rate)]
        elif kind == "radio":
            actions.append(Action(at_s + for_s, Act.RADIO, chance.uniform(*_COUNTER_BACK_S)))
            for_s += RADIO_SILENCE_S + 1
            length_s += RADIO_SILENCE_S
        first, last = _ends(chance, kind)
        actions += [Action(at_s, first), Action(at_s + for_s, last)]
        at_s += for_s + chance.uniform(*scale.calm_s)
    return actions


def _ends(chance: random.Random, kind: str) -> tuple[Act, Act]:
    heal = chance.choice((Act.HEAL, Act.HEAL_BROKEN))
    return {
        "broker": (Act.BROKER_DOWN, Act.BROKER_UP),
        "stall": (Act.CUT, Act.HEAL),
        "cut": (Act.CUT, Act.HEAL_BROKEN),
        "pubacks": (Act.CUT_PUBACKS, heal),
        "deaf": (Act.DEAF, Act.HEARING),
        "radio": (Act.CUT, Act.HEAL_BROKEN),
        "overflow": (Act.CUT, Act.HEAL_BROKEN),
    }[kind]


def _kills(chance: random.Random, scale: Scale, length_s: float) -> list[Action]:
    actions = []
    at_s = chance.uniform(0.3, 1.0) * scale.kill_every_s
    while at_s < length_s:
        actions.append(Action(at_s, Act.KILL, chance.uniform(0.0, 2.0)))
        at_s += chance.uniform(0.5, 1.5) * scale.kill_every_s
    return actions


def _clocks(chance: random.Random, scale: Scale, length_s: float) -> list[Action]:
    actions = []
    at_s = chance.uniform(0.3, 1.0) * scale.clock_every_s
    restart = chance.random() < 0.5
    while at_s < length_s:
        wrong_s = chance.choice(_WRONG_CLOCKS_S)
        for_s = chance.uniform(0.2, 0.7) * scale.clock_every_s
        actions.append(Action(at_s, Act.RESTART if restart else Act.STEP, wrong_s))
        actions.append(Action(at_s + for_s, Act.SYNCHRONISE, chance.uniform(-0.02, 0.02)))
        at_s += for_s + max(_NOTED_S, chance.uniform(0.3, 1.0) * scale.clock_every_s)
        restart = not restart
    return actions
