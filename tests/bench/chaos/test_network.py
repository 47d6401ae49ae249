"""The parts of a chaos run that are easy to get wrong: plans, MQTT packets, clocks."""

from __future__ import annotations

from pathlib import Path

from bench.chaos import mqtt_wire, plan
from bench.chaos.clock import Face, Hands
from bench.chaos.mqtt_wire import Packets
from bench.chaos.plan import Act


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    assert plan.make(1, plan.FULL) == plan.make(1, plan.FULL)
    assert plan.make(1, plan.FULL).actions != plan.make(2, plan.FULL).actions


def test_every_plan_of_full_length_has_everything_in_it() -> None:
    for seed in range(20):
        acts = {action.act for action in plan.make(seed, plan.FULL).actions}
        assert acts == set(Act), f"seed {seed} misses {set(Act) - acts}"


def test_a_short_plan_has_all_the_misfortunes_of_the_network() -> None:
    for seed in range(20):
        acts = {action.act for action in plan.make(seed, plan.SHORT).actions}
        missing = set(Act) - acts - {Act.HEAL, Act.RATE, Act.STEP, Act.RESTART}
        assert not missing, f"seed {seed} misses {missing}"


def test_what_begins_ends() -> None:
    ends = {
        Act.BROKER_DOWN: {Act.BROKER_UP},
        Act.CUT: {Act.HEAL, Act.HEAL_BROKEN},
        Act.CUT_PUBACKS: {Act.HEAL, Act.HEAL_BROKEN},
        Act.DEAF: {Act.HEARING},
    }
    endings = set().union(*ends.values())
    for seed in range(20):
        open_: set[Act] = set()
        for action in plan.make(seed, plan.SHORT).actions:
            if action.act in ends:
                assert not open_, "two misfortunes of the network at once"
                open_ = ends[action.act]
            elif action.act in endings:
                assert action.act in open_
                open_ = set()


def test_packets_are_found_wherever_the_stream_is_cut() -> None:
    body = b"\0\3a/b" + b"\0\7" + b"\0" + b"x" * 300
    stream = mqtt_wire.subscribe("a/+") + b"\x32" + bytes((len(body) & 0x7F | 0x80, len(body) >> 7)) + body
    for cut in range(len(stream)):
        packets = Packets()
        found = [*packets.feed(stream[:cut]), *packets.feed(stream[cut:])]
        assert b"".join(packet.data for packet in found) == stream
        assert [packet.kind for packet in found] == [8, mqtt_wire.PUBLISH]
        assert mqtt_wire.published(found[1]) == ("a/b", b"x" * 300)


def test_a_clock_set_wrong_is_not_synchronised_and_a_machine_that_restarts_begins_anew(tmp_path: Path) -> None:
    hands = Hands(tmp_path / "clock")
    face = Face(tmp_path / "clock")
    boot, right_us, mono_us = face.boot_id, face.wall_us(), face.mono_us()
    assert face.verified()
    hands.step(-3_600_000_000)
    assert not face.verified()
    assert -3_601e6 < face.wall_us() - right_us < -3_599e6
    hands.synchronise()
    assert face.verified()
    assert abs(face.wall_us() - right_us) < 1e6
    assert face.boot_id == boot
    hands.restart_machine(0)
    assert face.boot_id != boot
    assert not face.verified()
    assert 0 < face.mono_us() < max(mono_us, 10_000_000)
