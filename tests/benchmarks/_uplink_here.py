"""On MicroPython: what an uplink costs in time and heap garbage, by the stack and by a plain implementation.

    _uplink_here.py DIRECTORY DATA_RATE PAYLOAD_BYTES FRAMES

Prints one line of JSON. Garbage of a frame: by how much `gc.mem_alloc()` grows over it while the collector is held off,
which is all that was allocated and not given back at once. Both implementations write their state to files in
DIRECTORY and must put the same bytes on the air, frame by frame. The first frame counts by itself.
"""
# ruff: noqa: PTH123 (no pathlib on MicroPython)

import gc
import json
import sys
import time

from firmware.lorawan.mac import Mac
from firmware.lorawan.regions import eu868
from firmware.lorawan.store import FileStore, pack_identity
from tests.benchmarks._plain_uplink import PlainNode
from tests.firmware.lorawan.net import APP_KEY, DEV_ADDR, DEV_EUI, JOIN_EUI, Heard, Network, Random

START_MS = 1_000
PAUSE_MS = 600_000  # so that even SF12 keeps its duty cycle


class CountingStore(FileStore):
    """Knows how often it has written."""

    def __init__(self, directory):
        super().__init__(directory)
        self.writes = 0

    def save(self, name, body):
        """As `FileStore.save`."""
        self.writes += 1
        super().save(name, body)


class Cost:
    """Microseconds and bytes of one frame."""

    def __init__(self):
        self.garbage = 0
        self.us = 0
        self._before = 0
        self._begin_us = 0

    def begin(self):
        """From here on."""
        gc.collect()
        gc.disable()
        self._before = gc.mem_alloc()
        self._begin_us = time.ticks_us()

    def end(self):
        """Up to here."""
        self.us = time.ticks_diff(time.ticks_us(), self._begin_us)
        self.garbage = gc.mem_alloc() - self._before
        gc.enable()


def joined(directory):
    """(MAC in a session, its store, its network)."""
    with open(directory + "/identity", "wb") as file:
        file.write(pack_identity(DEV_EUI, JOIN_EUI, APP_KEY))
    network, store = Network(), CountingStore(directory)
    mac = Mac(eu868, store, Random())
    mac.start(START_MS)
    exchange = mac.join(START_MS)
    mac.conclude(exchange, Heard(network.accept(exchange.frame)), START_MS)
    return mac, store, network


def main(directory, data_rate, length, frames):
    """Send `frames` uplinks after the first one."""
    mac, store, network = joined(directory)
    mac.set_data_rate(data_rate)
    plain = PlainNode(directory + "/plain", DEV_ADDR.to_wire(), network.nwk_skey, network.app_skey)
    data = bytes(range(length))
    now_ms = START_MS
    own, other = Cost(), Cost()
    first = own_us = other_us = own_bytes = other_bytes = 0
    most = {False: 0, True: 0}  # whether the frame wrote to flash -> bytes
    written = 0
    for number in range(frames + 1):
        now_ms += PAUSE_MS
        writes = store.writes
        own.begin()
        exchange = mac.send(1, data, now_ms)
        events = mac.conclude(exchange, None, now_ms)
        own.end()
        other.begin()
        frame = plain.uplink(1, data)
        other.end()
        if bytes(exchange.frame) != frame or events:
            raise AssertionError("the two do not send the same")
        if number == 0:
            first = own.garbage
            continue
        own_us += own.us
        other_us += other.us
        own_bytes += own.garbage
        other_bytes += other.garbage
        wrote = store.writes != writes
        written += wrote
        most[wrote] = max(most[wrote], own.garbage)
    print(
        json.dumps(
            {
                "sf": exchange.sf,
                "payload_bytes": length,
                "frames": frames,
                "frames_that_wrote": written,
                "uplink_us": own_us / frames,
                "plain_uplink_us": other_us / frames,
                "garbage_first_bytes": first,
                "garbage_most_bytes": most[False],
                "garbage_most_when_writing_bytes": most[True],
                "garbage_mean_bytes": own_bytes / frames,
                "plain_garbage_mean_bytes": other_bytes / frames,
                "interpreter": sys.version,
                "word_bits": 64 if sys.maxsize > 0x7FFFFFFF else 32,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
