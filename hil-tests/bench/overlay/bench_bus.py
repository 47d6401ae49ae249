"""The board's end of the bus: requests with sequence numbers, the board's clock, interrupts.

Everything that takes time on the board passes here, so that the clock of the board is what the
supervisor and the costs below make it.
"""

import select
import struct
import sys

import bench_ops as ops

CALL_US = 5  # a Python-level call to a peripheral, ESP32 at 160 MHz, order of magnitude


class Bus:
    """One per board process."""

    def __init__(self, fd):
        self.stream = open(fd, "r+b")
        self.now = 0  # bench time in microseconds
        self.base = 0  # bench time of the last reset: where the ticks start
        self.lease = 0  # until then nothing can happen to this board
        self.stamp = 0  # grows with every request; what was read under an older one is stale
        self.interactive = False
        self.handlers = {}  # interrupt kind -> function(id, value)
        self._sequence = 0
        self._tx = bytearray(ops.REQUEST_BYTES + 512)
        self._head = bytearray(ops.REPLY_BYTES)
        self._unsure = False
        self._poll = select.poll()
        self._poll.register(self.stream, select.POLLIN)
        self._waiting = []
        self._inside = False

    def _send(self, op, a, b, data):
        count = len(data)
        tx = self._tx
        if ops.REQUEST_BYTES + count > len(tx):
            tx = bytearray(ops.REQUEST_BYTES + count)
        self._sequence = sequence = (self._sequence + 1) & 0xFFFF
        struct.pack_into(ops.REQUEST, tx, 0, sequence, op, a, b, self.now)
        if count:
            tx[ops.REQUEST_BYTES : ops.REQUEST_BYTES + count] = data
        self.stream.write(tx, ops.REQUEST_BYTES + count)
        return sequence

    def post(self, op, a=0, b=0, data=b"", cost_us=CALL_US):
        """Tell the supervisor something that needs no answer but may make things happen soon."""
        self.stamp += 1
        self.lease = 0
        self._send(op, a, b, data)
        self.now += cost_us

    def mention(self, op):
        """Tell the supervisor something that makes nothing happen sooner than it would have: the lease holds."""
        self._send(op, 0, 0, b"")
        self.now += CALL_US

    def call(self, op, a=0, b=0, data=b""):
        """Ask and wait: gives (status, value, data)."""
        if self._unsure:
            self._drain()
        self._unsure = True
        self.stamp += 1
        self.lease = 0
        sequence = self._send(op, a, b, data)
        head = self._head
        while True:
            if not self.stream.readinto(head):
                raise SystemExit  # the supervisor is gone
            number, status, interrupts, value, now, lease, size = struct.unpack(ops.REPLY, head)
            data = self.stream.read(size) if size else b""
            if number == sequence:
                break
        self._unsure = False
        self.now = max(self.now, now)
        if not self.interactive:
            self.lease = lease
        if interrupts:
            end = ops.INTERRUPT_BYTES * interrupts
            for i in range(0, end, ops.INTERRUPT_BYTES):
                self._waiting.append((data[i], data[i + 1], data[i + 2] | data[i + 3] << 8))
            data = data[end:]
            self._interrupt()
        return status, value, data

    def _drain(self):
        """Ctrl-C ended the last call somewhere: throw away what is left of its reply (a read takes a message)."""
        one = bytearray(1)
        while self._poll.poll(0):
            self.stream.readinto(one)

    def _interrupt(self):
        if self._inside:
            return  # one handler at a time, as on the chip; the loop below takes the rest
        self._inside = True
        try:
            while self._waiting:
                kind, number, value = self._waiting.pop(0)
                handler = self.handlers.get(kind)
                if handler:
                    try:
                        handler(number, value)
                    except Exception as error:
                        sys.stdout.write("Uncaught exception in interrupt handler\n")
                        sys.print_exception(error)
        finally:
            self._inside = False

    def charge(self, cost_us):
        """Let the board's clock run; ask the supervisor as soon as something may have happened."""
        self.now += cost_us
        if self.now > self.lease:
            self.call(ops.SYNC)

    def sleep_until(self, until_us, wake=0):
        """Sleep; interrupts run and the sleep goes on. With `wake` (WAKE_*) any interrupt, key or byte ends it."""
        while self.now < until_us:
            if until_us <= self.lease:
                self.now = until_us
                return
            self.call(ops.SLEEP, wake, 0, struct.pack("<q", until_us))
            if wake:
                return

    def end(self, op, data=b""):
        """A request after which this process is killed."""
        while True:
            self.call(op, 0, 0, data)
