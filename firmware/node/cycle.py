"""The life of a node: wake, sample, judge, queue, send, take commands, sleep.

One pass of `Cycle.step`:

    talk      join if there is no session; send what is due; hand commands to the command port
    measure   when a sample or a report is due: read all sensors, judge, keep a report in flash
    talk      the fresh report goes out at once
    sleep     until the next thing is due

What goes out first: answers and alarms, then the newest report, then the status report, then older reports as far as
their share of the airtime allows. A broken sensor, a full flash, a lost network: none of them stops the cycle; all of
them show in the reports.
"""

import gc

from firmware.node.config import BATTERY_LOW_MV
from firmware.node.link import LATER, SENT, TOO_LONG, UNHEARD
from firmware.node.memory import forget
from firmware.node.report import Encoder, blank, late
from firmware.node.sampler import sample
from firmware.payload.encoder import DROPPED, LOW_BATTERY, SENSOR_FAULT, WATCHDOG

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


_LATE_MS = const(60_000)
"""A report that waited longer than this says so and carries its age; ages are whole minutes."""
_STATUS_EVERY_MS = 24 * 3_600_000
_AFTER_DEFECT_MS = const(60_000)
"""Pause after an error that nobody foresaw, so that it cannot drain the battery."""
_EVENT_TRIES_MS = (10_000, 30_000, 60_000)
"""Pauses after an alarm that nobody acknowledged; then it is given up (profile N2)."""
_BACKLOG_SHARE = const(1_000)
"""After a report from the backlog the next one waits this many times its airtime: 10 % of a 1 % duty cycle."""
_WATCHDOG_RESET = const(3)  # word of profile `status`
_URGENT_KEPT = const(8)
"""Answers and alarms waiting in memory; the oldest goes when there are more."""

_OUTCOMES = {SENT: "", UNHEARD: " unheard", TOO_LONG: " too-long"}


class Cycle:
    """One node. All parts are handed in, ready made; `say(text)` takes one line for the console.

    `hardware`: the board's wiring; `kind`: the profile's module object of `measure/`; `link`: `Link`;
    `queue`: an opened `Queue`; `state`: a begun `State`.

    What is needed now and then (commands, status, alarms) is imported when it is, and forgotten afterwards.
    """

    def __init__(self, config, clock, *, hardware, kind, link, queue, state, say):
        self._config = config
        self._clock = clock
        self._hardware = hardware
        self._kind = kind
        self._link = link
        self._queue = queue
        self._state = state
        self._commands_done = []  # see `CommandPort`
        self._status_wanted = False
        self._reboot_wanted = False
        self._say = say
        self._encoder = Encoder()
        self._values = blank(kind.table)
        self._battery_mv = None
        self._measured = False
        self._urgent = []  # [port, bytes, confirmed, tries], the oldest first
        self._urgent_ms = 0
        self._tried_s = None  # when the report was taken that was sent last without an acknowledgement
        self._talk_ms = 0
        self._watchdog_flag = hardware.reset_code == _WATCHDOG_RESET
        self._told_dropped = queue.dropped
        self._told_torn = queue.torn
        now_ms = clock.now_ms()
        self._report_ms = now_ms
        self._sample_ms = now_ms
        self._status_ms = now_ms
        self._last_report_ms = now_ms
        self._backlog_ms = now_ms

    def run(self):
        """For ever."""
        while True:
            self.step()

    def step(self):
        """One pass; returns after the sleep. Whatever goes wrong in one part, the others go on."""
        self._hardware.feed()
        self._guarded(self.talk)
        now_ms = self._clock.now_ms()
        if now_ms >= self._report_ms or now_ms >= self._sample_ms:
            if not self._guarded(self.measure):
                self._report_ms = self._sample_ms = now_ms + _AFTER_DEFECT_MS
            self._guarded(self.talk)
        gc.collect()
        wait_ms = self._due_ms() - self._clock.now_ms()
        if wait_ms > 0:
            self._link.rest(wait_ms)

    def _guarded(self, part):
        """Run `part`; a defect in it is told, not passed on. False when there was one."""
        try:
            part()
        except Exception as error:
            self._say("defect %s %s" % (type(error).__name__, error))
            self._talk_ms = self._clock.now_ms() + _AFTER_DEFECT_MS
            return False
        return True

    # -- measuring

    def measure(self):
        """Read all sensors, judge, and keep a report if one is due or something happened."""
        hardware, kind = self._hardware, self._kind
        begin_ms = self._clock.now_ms()
        hardware.sensor_power(True)
        sample(kind.sensors, hardware.sleep)
        values = self._values
        healthy = kind.collect(values)
        if not kind.always_powered:
            hardware.sensor_power(False)
        self._battery_mv = kind.battery.last_mv
        now_ms = self._clock.now_ms()
        happened = self._judge(values)
        if happened or now_ms >= self._report_ms:
            self._keep(values, healthy, now_ms)
            self._last_report_ms = begin_ms  # the sensors' own time does not stretch the interval
            self._plan_report()
        sample_s = self._config.sample_interval_s
        self._sample_ms = self._report_ms if sample_s is None else begin_ms + self._spread(sample_s * 1000)
        self._measured = True

    def _judge(self, values):
        happened = False
        for alarm in self._kind.alarms:
            value = alarm.check(values)
            if value is not None:
                happened = True
                self._event(alarm.event, value)
        return happened

    def _event(self, event, value):
        from firmware.payload.tables import event as table

        self._state.events = (self._state.events + 1) & 0xFFFF
        self._state.save()
        out = blank(table)
        out[:4] = event, 1, value, self._state.events
        self._say("alarm event=%d value=%d" % (event, value))
        self._push(table.FPORT, bytes(self._encoder.encode(table, out, 0)), True)

    def _keep(self, values, healthy, now_ms):
        flags = self._flags(healthy)
        payload = self._encoder.encode(self._kind.table, values, flags)
        if not self._queue.append(self._state.boots, now_ms // 1000, payload):
            self._say("flash refuses the queue")
        if flags:
            self._say("flags=%d" % flags)
        if not self._link.joined:
            self._say("kept n=%d pending=%d" % (len(payload), self._queue.pending))

    def _flags(self, healthy):
        flags = 0 if healthy else SENSOR_FAULT
        low_mv = self._config.calibration.get("battery_low_mv", BATTERY_LOW_MV)
        if self._battery_mv is not None and self._battery_mv < low_mv:
            flags |= LOW_BATTERY
        if self._watchdog_flag:
            flags |= WATCHDOG
            self._watchdog_flag = False
        if self._queue.dropped != self._told_dropped or self._queue.torn != self._told_torn:
            flags |= DROPPED
            self._say("queue dropped=%d torn=%d" % (self._queue.dropped, self._queue.torn))
            self._told_dropped = self._queue.dropped
            self._told_torn = self._queue.torn
        return flags

    def _plan_report(self):
        self._report_ms = self._last_report_ms + self._spread(self._state.report_interval_s * 1000)

    def _spread(self, interval_ms):
        """`interval_ms` changed at random by up to `spread_percent`: nodes switched on together drift apart."""
        width = interval_ms // 100 * self._config.spread_percent
        if width == 0:
            return interval_ms
        return interval_ms - width + self._hardware.random_u32() % (2 * width + 1)

    # -- talking

    def talk(self):
        """Send what is due, until nothing is left or the link has to wait."""
        if self._clock.now_ms() < self._talk_ms:
            return
        self._link.work()
        while self._link.joined and self._send_one():
            self._hardware.feed()
            while self._link.inbox:
                self._command(self._link.inbox.pop(0))

    def _send_one(self):
        """Send the most urgent thing; False when nothing is due or nothing can be sent now."""
        now_ms = self._clock.now_ms()
        if self._urgent and now_ms >= self._urgent_ms:
            return self._send_urgent()
        if self._reboot_wanted and not self._urgent:
            self._hardware.reboot()
        entry = self._queue.newest()
        if entry is not None and (now_ms >= self._backlog_ms or self._is_fresh(entry, now_ms)):
            return self._send_report(entry, now_ms)
        if self._measured and (self._status_wanted or now_ms >= self._status_ms):
            return self._send_status(now_ms)
        if self._link.more:
            return self._link.nudge() != LATER
        return False

    def _send_urgent(self):
        item = self._urgent[0]
        port, data, confirmed, tries = item
        outcome = self._link.send(port, data, confirmed)
        if outcome == LATER:
            return False
        if outcome == UNHEARD and tries < len(_EVENT_TRIES_MS):
            item[3] = tries + 1
            self._urgent_ms = self._clock.now_ms() + _EVENT_TRIES_MS[tries]
        else:
            self._urgent.pop(0)
        self._tell_sent("event" if confirmed else "answer", port, len(data), outcome)
        return True

    def _send_report(self, entry, now_ms):
        table = self._kind.table
        fresh = self._is_fresh(entry, now_ms)
        data = entry.payload
        if not fresh:
            known = entry.boot == self._state.boots
            age_min = (now_ms // 1000 - entry.taken_s + 30) // 60 if known else None
            data = late(table, data, age_min, self._link.room())
            forget("firmware.payload.cbor")
        outcome = self._link.send(table.FPORT, data, self._config.confirmed)
        if outcome == LATER:
            return False
        if outcome == SENT:
            self._queue.sent(entry)
        else:
            self._tried_s = entry.taken_s
        if not fresh or outcome != SENT:
            self._backlog_ms = self._clock.now_ms() + self._link.airtime_us * _BACKLOG_SHARE // 1000
        self._tell_sent("report", table.FPORT, len(data), outcome)
        return True

    def _is_fresh(self, entry, now_ms):
        """Taken a moment ago and not tried yet: it goes out at once, outside the share of the backlog."""
        if entry.boot != self._state.boots or entry.taken_s == self._tried_s:
            return False
        return now_ms - entry.taken_s * 1000 < _LATE_MS

    def _send_status(self, now_ms):
        from firmware.node import status

        table = status.table
        values = status.values(self._hardware, self._config, self._state, self._battery_mv, self._link)
        port = table.FPORT
        data = bytes(self._encoder.encode(table, values, 0))
        del status, table
        forget("firmware.node.status", "firmware.payload.tables.status")
        outcome = self._link.send(port, data)
        if outcome == LATER:
            return False
        self._status_ms = now_ms + _STATUS_EVERY_MS
        self._status_wanted = False
        self._tell_sent("status", port, len(data), outcome)
        return True

    def _command(self, downlink):
        from firmware.node.commands import MODULES, CommandPort

        port = CommandPort(self._state, self._say, self._commands_done)
        answer = port.handle(downlink)
        if answer is not None:
            self._push(answer[0], answer[1], False)
        if port.interval_changed:
            self._plan_report()
        self._status_wanted = self._status_wanted or port.status_wanted
        self._reboot_wanted = self._reboot_wanted or port.reboot_wanted
        del port, CommandPort
        forget(*MODULES)

    def _push(self, port, data, confirmed):
        if len(self._urgent) >= _URGENT_KEPT:
            self._urgent.pop(0)
        self._urgent.append([port, data, confirmed, 0])

    def _tell_sent(self, what, port, length, outcome):
        self._say("%s port=%d n=%d fcnt=%s%s" % (what, port, length, self._link.fcnt, _OUTCOMES[outcome]))

    # -- sleeping

    def _due_ms(self):
        """When the next thing is to be done. A time that has passed means at once."""
        due_ms = min(self._report_ms, self._sample_ms)
        if self._link.dead:
            return due_ms
        return min(due_ms, max(self._next_talk_ms(), self._link.next_ms, self._talk_ms))

    def _next_talk_ms(self):
        """When there is something to say. The link may have to wait longer."""
        if not self._link.joined or self._link.more or self._status_wanted:
            return 0
        talk_ms = self._status_ms
        if self._urgent or self._reboot_wanted:
            talk_ms = min(talk_ms, self._urgent_ms)
        if self._queue.pending:
            talk_ms = min(talk_ms, self._backlog_ms)
        return talk_ms
