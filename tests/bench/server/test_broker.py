"""The broker of the bench: free port, taken away and brought back on the same one."""

import os
import socket

import pytest

from bench.broker import Broker, mosquitto_program

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(mosquitto_program() is None, reason="mosquitto is not installed"),
]


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_started_broker_accepts_connections_and_a_stopped_one_refuses_them(tmp_path):
    with Broker(tmp_path) as broker:
        port = broker.port

        assert accepts(port)

    assert not accepts(port)


def test_a_broker_comes_back_on_the_port_it_had(tmp_path):
    with Broker(tmp_path) as broker:
        port, first = broker.port, broker.pid

        broker.stop()
        assert not accepts(port)
        broker.start()

        assert broker.port == port
        assert broker.pid != first
        assert accepts(port)


def test_two_brokers_live_beside_each_other(tmp_path):
    with Broker(tmp_path / "one") as one, Broker(tmp_path / "two") as two:
        assert one.port != two.port
        assert accepts(one.port)
        assert accepts(two.port)


def test_leaving_the_context_leaves_no_process_behind(tmp_path):
    with Broker(tmp_path) as broker:
        pid = broker.pid
        assert pid is not None

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_while_it_is_away_its_port_refuses_and_nobody_else_is_given_it(tmp_path):
    with Broker(tmp_path) as broker:
        port = broker.port
        broker.stop()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        with socket.socket() as neighbour, pytest.raises(OSError, match="in use"):
            neighbour.bind(("127.0.0.1", port))

        broker.start()
        assert broker.port == port
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
