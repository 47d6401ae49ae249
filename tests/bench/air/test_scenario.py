"""Scenarios: each example tells what its file announces; settings are strict; no key leaves."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.air.command import air
from bench.air.scenario import ScenarioRun, _derived
from bench.air.scenario_file import ScenarioError, load, parse
from bench.air.telling import FrameLine, NodeSummary

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "air"


def run(text):
    return ScenarioRun(parse(text, Path("scenario.toml"))).run()


def example(name):
    return ScenarioRun(load(EXAMPLES / f"{name}.toml")).run()


def frames(lines, sender=None):
    return [line for line in lines if isinstance(line, FrameLine) and sender in (None, line.sender)]


def joined(lines):
    return {line.name: line.joined for line in lines if isinstance(line, NodeSummary)}


def problems(text):
    with pytest.raises(ScenarioError) as refusal:
        parse(text, Path("x.toml"))
    return [(problem.line, problem.key, problem.reason) for problem in refusal.value.problems]


def test_a_node_out_of_range_is_too_weak_at_every_data_rate_and_one_at_the_edge_at_some():
    lines = example("out-of-range")

    assert joined(lines) == {"near": True, "edge": True, "beyond": False}
    assert all("too weak: SNR" in line.reason for line in frames(lines, "beyond"))
    assert "too weak" in frames(lines, "edge")[0].reason
    assert frames(lines, "near")[0].accepted


def test_a_node_in_america_probes_the_octets_until_a_gateway_of_eight_channels_hears_it():
    lines = run('duration_s = 600\n[network]\nregion = "US915"\n[[node]]\nname = "bin"\n')

    requests = [line for line in frames(lines, "bin") if line.header["type"] == "JoinRequest"]
    assert all("no channel at" in line.reason for line in requests[:-1])
    assert requests[-1].accepted
    assert requests[-1].channel in range(8, 16)
    assert joined(lines) == {"bin": True}
    accept = next(line for line in frames(lines, "gateway"))
    assert accept.place == f"dn{requests[-1].channel % 8}"
    assert {line.channel for line in frames(lines, "bin") if line not in requests} <= set(range(8, 16))


def test_a_data_rate_that_a_region_does_not_have_is_told():
    lines = run('duration_s = 600\n[network]\nregion = "AS923-2"\n[[node]]\nname = "slow"\ndata_rate = 0\n')

    assert any("gives up: no channel carries DR0" in line.text(4) for line in lines)


def test_a_wrong_app_key_is_what_the_server_says_of_each_request():
    lines = example("wrong-app-key")

    assert joined(lines) == {"bin-7": False}
    assert {line.reason for line in frames(lines)} == {
        "refused by the server: MIC of join-request is invalid, make sure keys are correct"
    }


def test_a_window_missed_by_clock_error_is_told_with_its_distance():
    lines = example("clock-error")

    missed = [line for line in frames(lines, "gateway") if line.receiver == "rc"]
    assert joined(lines) == {"crystal": True, "rc": False}
    assert missed[0].header["type"] == "JoinAccept"
    assert missed[0].reason.startswith("not heard by rc: no receive window was open: it had closed 1")
    assert all(line.accepted for line in frames(lines, "rc"))


def test_a_window_that_opened_too_late_is_told_with_its_distance_too():
    lines = run('duration_s = 8\n[[node]]\nname = "slow"\nclock_error_ppm = -30000\n')

    (accept,) = frames(lines, "gateway")
    assert accept.reason.startswith("not heard by slow: no receive window was open: it opened 1")
    assert accept.reason.endswith("ms after the frame had begun")


def test_nodes_with_the_same_random_numbers_collide_again_and_again():
    lines = example("collision")

    assert joined(lines) == {"lamp-1": False, "lamp-2": False, "lamp-3": True}
    assert {line.reason for line in frames(lines, "lamp-1")} == {
        "not heard by gateway: collision with a frame of lamp-2"
    }


def test_used_dev_nonces_are_refused_until_a_fresh_one_comes():
    lines = example("dev-nonce-used")

    requests = [line for line in frames(lines, "bin-9") if line.header["type"] == "JoinRequest"]
    assert [line.header["dev_nonce"] for line in requests] == [0, 1, 2, 3]
    assert [line.accepted for line in requests] == [False, False, False, True]
    assert requests[0].reason == "refused by the server: DevNonce has already been used"
    assert joined(lines) == {"bin-9": True}


def test_losses_outages_and_commands_are_told_frame_by_frame():
    lines = example("downlinks")

    reasons = [line.reason for line in frames(lines, "lamp") if line.reason]
    commands = [command["command"] for line in frames(lines) for command in line.header["commands"]]
    assert "not heard by roof: lost on purpose" in reasons
    assert "not heard by roof: switched off" in reasons
    assert "heard by roof, but it never reached the server" in reasons
    assert {"LinkADRReq", "LinkADRAns", "DevStatusReq", "DevStatusAns"} <= set(commands)
    confirmed = next(line for line in frames(lines, "roof") if line.header["type"] == "ConfirmedDataDown")
    assert (confirmed.accepted, confirmed.channel, confirmed.receiver) == (True, None, "lamp")
    assert any(line.header.get("ack") for line in frames(lines, "lamp"))


def test_a_node_nobody_registered_is_unknown_to_the_server():
    (request, *_) = frames(run('duration_s = 8\n[[node]]\nname = "stray"\nregistered = false\n'))

    assert request.reason.startswith("refused by the server: unknown device")


def test_two_gateways_hear_one_node_and_both_are_told():
    lines = run(
        'duration_s = 8\n[[gateway]]\nname = "a"\nposition_m = [0, 0]\n'
        '[[gateway]]\nname = "b"\nposition_m = [90000, 0]\n[[node]]\nname = "n"\nposition_m = [100, 0]\n'
    )

    request = frames(lines, "n")[0]
    assert request.accepted
    assert list(request.record.heard) == ["a"]
    assert "too weak" in request.record.unheard["b"]


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.toml")))
def test_every_example_is_repeatable_and_shows_no_key(name):
    scenario = load(EXAMPLES / f"{name}.toml")
    run_ = ScenarioRun(scenario)

    text = "\n".join(json.dumps(line.as_dict()) + line.text(8) for line in run_.run()).lower()
    again = "\n".join(json.dumps(line.as_dict()) + line.text(8) for line in ScenarioRun(scenario).run()).lower()

    keys = [key for session in run_._witness.keys.values() for key in (session.nwk_s_key, session.app_s_key)]
    for node in scenario.node:
        keys += [_derived(scenario.seed, node.name, 16), _derived(scenario.seed, f"{node.name}/another", 16)]
    assert text == again
    assert all(key.hex() not in text and key[::-1].hex() not in text for key in keys)


@pytest.mark.parametrize(
    ("text", "line", "key", "reason"),
    [
        ("duration_s = 5\n[[node]]\nname = 'a'\nintervall = 3", 4, "node[0].intervall", "unknown key"),
        ("duration_s = 5\n[[node]]\nname = 'a'\nreport_interval_s = 3", 4, "node[0].report_interval_s", ">= 10"),
        ("duration_s = 5\n[[node]]\nname = 'a'\npayload = 'abc'", 4, "node[0].payload", "matching regex"),
        ("duration_s = 5\n[[node]]\nname = 'a'\nprofile = 'fil'", 4, "node[0].profile", 'did you mean "fill"'),
        ("duration_s = 5\n[[node]]\nname = 'a'\n[[loss]]\nsender = 'b'", 5, "loss[0].sender", 'no node or gateway "b"'),
        ("duration_s = 5\n[[node]]\nname = 'gateway'", 3, "node[0].name", "is the name of a gateway already"),
        (
            "duration_s = 5\n[[node]]\nname = 'a'\n[[gateway]]\noff_s = [[9, 3]]",
            5,
            "gateway[0].off_s",
            "to comes after from",
        ),
        ("duration_s = 5", 0, "", 'key "node" is missing'),
        ("duration_s = ", 1, "", "Invalid value"),
    ],
)
def test_a_wrong_file_is_refused_with_line_key_and_reason(text, line, key, reason):
    ((found_line, found_key, found_reason),) = problems(text)

    assert (found_line, found_key) == (line, key)
    assert reason in found_reason


def test_the_command_prints_a_table_or_objects_and_refuses_with_2(tmp_path):
    file = str(EXAMPLES / "wrong-app-key.toml")
    (tmp_path / "bad.toml").write_text("duration_s = 1\n[[nod]]\n")

    table = CliRunner().invoke(air, ["--scenario", file])
    objects = CliRunner().invoke(air, ["--scenario", file, "--json"])
    refused = CliRunner().invoke(air, ["--scenario", str(tmp_path / "bad.toml")])

    assert table.exit_code == objects.exit_code == 0
    assert "JoinRequest JoinEUI 70b3d57ed0000001" in table.output.splitlines()[0]
    events = [json.loads(line)["event"] for line in objects.output.splitlines()]
    assert (events[0], events[-1]) == ("frame", "summary")
    assert refused.exit_code == 2
    assert 'bad.toml: line 2: nod: unknown key; did you mean "node"?' in refused.output
