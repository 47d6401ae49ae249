"""What the gateway takes and costs: latency of acknowledgements under load, throughput beside a bare loop of the same
libraries, cost and size of the spool, memory.

Real gateway process, real mosquitto, the bench's network server, real UDP sockets, all on this machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.broker import Broker
from bench.chaos.city import ChaosServer
from bench.chaos.load import device
from gateway.frames import Moment
from gateway.store import Frame, Store
from tests.gateway.kit import Forwarder, GatewayProcess, Listener, data_frame, rxpk, uplink, wait_for, write_settings

DEVICES = 2000
WINDOW = 40
THROUGHPUT_FRAMES = 5000
SUSTAINED_PER_S, BURST_PER_S = 250, 1000
# A burst: a thousand frames in a second, out of sustained load, five times.
BURSTS = ((SUSTAINED_PER_S, 4.0), (BURST_PER_S, 1.0)) * 5
# As packaging/spatz-gateway.service has it. Where it is not allowed, `nice` says so and goes on without.
PRIORITY = ("nice", "-n", "-10")
# Frames in one commit: what gathers in 5 ms at the two rates above.
GROUP = 5
PROBES = 300
CONTROL_GROUP = Path("/sys/fs/cgroup/cpu.stat")
NOBODY: frozenset[int] = frozenset()


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


def cpu_s(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_s() -> float:
    """Processor time everybody here has used: in our control group, where there is one, else on the machine."""
    if CONTROL_GROUP.exists():
        return int(CONTROL_GROUP.read_text().split()[1]) / 1e6
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def fast_settings(directory: Path, broker_url: str) -> Path:
    """No limit but the machine's: every frame of a benchmark is of a device that rests."""
    return write_settings(directory, broker_url, destination="replay_per_second = 1000")


def send(*words: object, first: bool = False) -> dict[str, Any]:
    """Run the sender to its end; `first`: it stands for another machine, so it does not wait for ours."""
    command = [*(PRIORITY if first else ()), sys.executable, "-m", "tests.benchmarks._sender", *map(str, words)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def load(*stretches: tuple[int, float]) -> dict[str, Any]:
    """Frames at (rate, seconds) to the application of the server: latency of PUSH_ACK at the highest rate, and whether
    all of them arrive. Broker and server share the machine; gateway and sender go first.
    """
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker", max_queued_messages=0) as broker:
        directory = Path(name)
        server = ChaosServer(directory, broker.port)
        server.start()
        try:
            server.register([device(number) for number in range(DEVICES)])
            with GatewayProcess(fast_settings(directory, broker.url), *PRIORITY) as gateway:
                ours = {"gateway": gateway.pid, "server": server.pid, "broker": broker.pid or 0}
                before = {who: cpu_s(pid) for who, pid in ours.items()}
                machine_s, children_s = busy_s(), os.times().children_user + os.times().children_system
                words = (word for stretch in stretches for word in stretch)
                result = send(gateway.address[1], DEVICES, *words, first=True)
                spent = {who: cpu_s(pid) - before[who] for who, pid in ours.items()}
                spent["sender"] = os.times().children_user + os.times().children_system - children_s
                others_s = busy_s() - machine_s - sum(spent.values())
                seen: set[tuple[int, int]] = set()

                def all_there() -> bool:
                    seen.update(arrival[:2] for arrival in server.arrivals())
                    return len(seen) >= result["acknowledged"]

                started = time.perf_counter()
                wait_for(all_there, "every acknowledged frame at the application", 120)
                rss = rss_mb(gateway.pid)
        finally:
            server.stop()
    return {
        "measure": "load",
        "highest_rate_per_s": max(rate for rate, _ in stretches),
        "stretches": stretches,
        **result,
        "at_application": len(seen),
        "drained_after_s": round(time.perf_counter() - started, 1),
        "rss_mb": rss,
        "cpu_ms_per_frame": {who: round(1000 * used_s / result["frames"], 2) for who, used_s in spent.items()},
        # Near 0 the latencies are the gateway's own; with 2 of 2 cores gone they are the scheduler's.
        "cores_used_by_others": round(others_s / (result["frames"] / result["sent_per_s"]), 2),
    }


def throughput() -> dict[str, Any]:
    """Frames per second with 40 in flight until they are published, and the bare loop's, one after the other."""
    gateway_per_s, bare_per_s = [], []
    for _ in range(3):
        gateway_per_s.append(_published(_gateway_for))
        bare_per_s.append(_published(_bare_loop_for))
    ours, bare = statistics.median(gateway_per_s), statistics.median(bare_per_s)
    return {
        "measure": "throughput",
        "in_flight": WINDOW,
        "gateway_per_s": round(ours),
        "bare_loop_per_s": round(bare),
        "ratio": round(ours / bare, 2),
    }


def _published(start: Callable[[Path, Broker], tuple[int, Callable[[], object]]]) -> float:
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker", max_queued_messages=0) as broker:
        counting = [sys.executable, "-m", "tests.benchmarks._counter", str(broker.port), str(THROUGHPUT_FRAMES)]
        with subprocess.Popen(counting, stdout=subprocess.PIPE, text=True) as counter:
            assert counter.stdout is not None
            try:
                assert counter.stdout.readline() == "listening\n"
                port, stop = start(Path(name), broker)
                try:
                    send(port, WINDOW, THROUGHPUT_FRAMES)
                    return THROUGHPUT_FRAMES / float(counter.stdout.readline())
                finally:
                    stop()
            finally:
                counter.kill()


def _gateway_for(directory: Path, broker: Broker) -> tuple[int, Callable[[], object]]:
    gateway = GatewayProcess(fast_settings(directory, broker.url))
    with Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        gateway.wait_event("destination up")
    return gateway.address[1], gateway.stop


def _bare_loop_for(directory: Path, broker: Broker) -> tuple[int, Callable[[], object]]:
    command = [sys.executable, "-m", "tests.benchmarks._bare_loop", str(broker.port), str(directory / "bare.db")]
    loop = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert loop.stdout is not None
    return int(loop.stdout.readline()), lambda: (loop.kill(), loop.wait(), loop.stdout and loop.stdout.close())


class Filling:
    """A spool on its way from a thousand rows to many. Every frame is another one: identical ones would be merged."""

    def __init__(self, directory: Path, devices: int) -> None:
        self.store = Store(directory / "spool.db", 1 << 32, "bench")
        self.destination = self.store.destination("city")
        self.rows = 0
        self._devices = devices
        self._seq = self.store.first_seq

    def _frames(self, number: int) -> list[Frame]:
        frames = []
        for seq in range(self._seq, self._seq + number):
            dev_addr = seq * 7919 % self._devices
            body = uplink(data_frame(dev_addr, seq & 0xFFFF, tail=seq.to_bytes(20, "big"))).to_bytes()
            frames.append(Frame(seq, dev_addr, Moment(1, seq, seq), body, (self.destination,)))
        self._seq += number
        self.rows += number
        return frames

    def append(self, number: int) -> float:
        """Store frames in one commit; seconds it took."""
        frames = self._frames(number)
        started = time.perf_counter()
        self.store.begin()
        self.store.append(frames)
        self.store.commit()
        return time.perf_counter() - started

    def fill(self, rows: int) -> None:
        """Up to so many rows."""
        while self.rows < rows:
            self.append(min(1000, rows - self.rows))

    def measure(self) -> dict[str, Any]:
        """Medians over many single operations: a checkpoint or another process in between is no cost of the spool's."""
        appends_us = {}
        for synced in (False, True):
            self.store.synchronous(synced)
            appends_us[synced] = statistics.median(self.append(GROUP) * 1e6 / GROUP for _ in range(PROBES))
        nexts_us = []
        for probe in range(PROBES):
            after = probe * 7919 % self._devices
            started = time.perf_counter()
            self.store.heads(self.destination, after, 1, NOBODY)
            nexts_us.append((time.perf_counter() - started) * 1e6)
        return {
            "measure": "spool",
            "rows": self.rows - 2 * PROBES * GROUP,
            "frames_in_commit": GROUP,
            "devices": self._devices,
            "append_us_per_frame": round(appends_us[False], 1),
            # With every commit on the medium before it counts: what is added is the disk's, shared by the group.
            "append_synced_us_per_frame": round(appends_us[True], 1),
            "next_us": round(statistics.median(nexts_us), 1),
            "bytes_per_frame": round(self.store.bytes_used() / self.rows),
        }


def spool_cost(rows: int) -> Iterator[dict[str, Any]]:
    """Time of an append and of finding the next frame, by rows and by devices; then memory of a gateway on the most."""
    for devices in (10, 100, 1000):
        with tempfile.TemporaryDirectory() as name:
            filling = Filling(Path(name), devices)
            filling.fill(min(100_000, rows))
            yield filling.measure()
            filling.store.close()
    with tempfile.TemporaryDirectory() as name:
        filling = Filling(Path(name), 10_000)
        size = 1000
        while size <= rows:
            filling.fill(size)
            yield filling.measure()
            size *= 10
        filling.store.close()
        yield memory(Path(name), filling.rows)


def memory(directory: Path, rows: int) -> dict[str, Any]:
    """A gateway that opens a full spool, takes 2000 frames more, and replays."""
    with Broker(directory / "broker") as broker:
        settings = fast_settings(directory, broker.url)
        text = settings.read_text().replace('"spool.db"', '"spool.db"\nmax_bytes = 4294967296')
        settings.write_text(f'{text}\n[status]\nbind = "127.0.0.1:0"\n')  # the page's web server is a quarter of it
        broker.stop()
        started = time.perf_counter()
        with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            start_s = time.perf_counter() - started
            forwarder.pull()
            for number in range(2000):
                forwarder.push(rxpk(data_frame(number, 9)))
            broker.start()
            with Listener(broker) as listener:
                wait_for(lambda: len(listener.of("/event/up")) > 5000, "replay", 60)
            return {"measure": "memory", "rows": rows, "rss_mb": rss_mb(gateway.pid), "start_s": round(start_s, 2)}


def run(minutes: float = 0.5, rows: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """All figures. `minutes`: how long the sustained load lasts."""
    yield load((SUSTAINED_PER_S, 60 * minutes))
    yield load(*BURSTS)
    yield throughput()
    yield from spool_cost(rows)
