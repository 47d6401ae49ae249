"""`spatz-bench server` as a process."""

import json
import signal
import subprocess
import sys

import grpc
import pytest
from chirpstack_api import api
from click.testing import CliRunner

from bench.broker import Broker, mosquitto_program
from bench.server.command import server

PATIENCE_S = 20


@pytest.mark.live
@pytest.mark.skipif(mosquitto_program() is None, reason="mosquitto is not installed")
def test_the_process_says_when_it_is_ready_and_its_token_opens_the_api(tmp_path):
    token_file = tmp_path / "token"
    with Broker(tmp_path / "broker") as broker:
        program = "from bench.server.command import server; server()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--mqtt", broker.url, "--token-file", str(token_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            ready = json.loads(process.stdout.readline())
            token = token_file.read_text().strip()
            with grpc.insecure_channel(ready["grpc"]) as channel:
                listed = api.TenantServiceStub(channel).List(
                    api.ListTenantsRequest(limit=10),
                    metadata=(("authorization", f"Bearer {token}"),),
                    timeout=PATIENCE_S,
                )
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()

    assert ready["event"] == "ready"
    assert [tenant.id for tenant in listed.result] == [ready["tenant_id"]]
    assert process.returncode == 0
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert token not in out + err


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "192.0.2.1:8080", "example.org:0", "127.0.0.1"])
def test_an_address_others_could_reach_is_a_usage_error(tmp_path, bind):
    result = CliRunner().invoke(
        server, ["--mqtt", "mqtt://127.0.0.1:1", "--grpc", bind, "--token-file", str(tmp_path / "t")]
    )

    assert result.exit_code == 2
    assert "loopback" in result.output


def test_an_encrypted_broker_address_is_a_usage_error(tmp_path):
    result = CliRunner().invoke(server, ["--mqtt", "mqtts://127.0.0.1:1", "--token-file", str(tmp_path / "t")])

    assert result.exit_code == 2
