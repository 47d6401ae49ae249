"""The life of a node that listens all the time or has application packages (`firmware.node.packages`).

A downlink goes to the package of its port; a package may speak by itself. In test mode (TS009) the node measures
nothing and sends nothing but answers and the frames that the test house asked for, until it is reset, or until no
command came for a day: a node must not be lost to a test that was never ended.
"""

from firmware.lorawan.packages.gps_clock import GpsClock
from firmware.node.cycle import Cycle
from firmware.node.link import LATER, SENT

_TEST_PORT = 224
_TEST_END_MS = 24 * 3_600_000


class ServingCycle(Cycle):
    """As `Cycle`; call `serve` before `run`.

    For packages: `config`, `say`, `random_u32`, `free_kb`, `soon`, and `gps_clock`, the network's time.
    """

    def serve(self, mac, directory, modules):
        """Begin with the packages of `modules`; what they store lies in `directory`."""
        self.config = self._config
        self.say = self._say
        self.random_u32 = self._hardware.random_u32
        self.free_kb = self._hardware.free_kb
        self.gps_clock = GpsClock()
        self._mac = mac
        self._answers = []  # (port, bytes) while in test mode
        self._test_ms = 0
        self._commanded_ms = 0
        if self._config.device_class == "C":
            self._hardware.stay_awake()
            self._link.on_time = self.gps_clock.set
        self._services = [module.Service(self, mac, directory) for module in modules]
        self._tester = None
        for service in self._services:
            if service.PORT == _TEST_PORT:
                self._tester = service
                self._services.remove(service)

    def soon(self):
        """For packages: an uplink shall go out soon, whatever is in it."""
        self._link.more = True

    @property
    def _test(self):
        """The `Certification` in whose hands the node is, or None."""
        test = self._tester and self._tester.test
        return test if test and test.active else None

    # -- measuring

    def measure(self):
        """As `Cycle.measure`, but not in test mode."""
        test = self._test
        if test is None:
            super().measure()
            return
        now_ms = self._clock.now_ms()
        if now_ms - self._commanded_ms >= _TEST_END_MS:
            test.active = False
            self._say("test mode ends")
        self._report_ms = self._sample_ms = now_ms + self._state.report_interval_s * 1000

    # -- talking

    def talk(self):
        """As `Cycle.talk`; what was heard between two exchanges comes first."""
        while self._link.inbox:
            self._command(self._link.inbox.pop(0))
        super().talk()

    def _command(self, downlink):
        now_ms = self._clock.now_ms()
        if self._tester and self._tester.test:
            answer = self._tester.test.take(downlink, now_ms)
            if downlink.port == _TEST_PORT:
                self._tested(downlink, answer, now_ms)
                return
        for service in self._services:
            if service.PORT == downlink.port:
                answer = service.take(downlink, now_ms)
                if answer:
                    self._reply(service.PORT, answer)
                return
        super()._command(downlink)

    def _reply(self, port, data):
        if self._test:
            self._answers.append((port, data))
        else:
            self._push(port, data, False)

    def _tested(self, downlink, answer, now_ms):
        """A command of the test house was taken."""
        test = self._tester.test
        if not test.active:
            return
        self._say("test command=%d" % downlink.data[0])
        self._commanded_ms = now_ms
        del self._answers[:]  # an answer that did not go out in time is of no use to the tester
        if answer:
            self._answers.append((_TEST_PORT, answer))
        self._plan_test(now_ms)
        if test.wants_join:
            test.wants_join = False
            self._mac.leave()

    def _send_one(self):
        test = self._test
        if test is not None:
            return self._send_test(test)
        if self._speak():
            return True
        return super()._send_one()

    def _speak(self):
        """Let a package say what it wants to say; True when that went out."""
        now_ms = self._clock.now_ms()
        for service in self._services:
            due_ms = service.next_ms(now_ms)
            if due_ms is not None and due_ms <= now_ms:
                data = service.speak(now_ms)
                outcome = self._link.send(service.PORT, data)
                if outcome == LATER:
                    return False
                service.said(now_ms)
                self._tell_sent("package", service.PORT, len(data), outcome)
                return True
        return False

    def _send_test(self, test):
        now_ms = self._clock.now_ms()
        if self._answers:
            port, data = self._answers[0]
        elif test.wants_reset:
            if test.wants_off:
                self._tester.switch_off()
            self._hardware.reboot()
            return False
        elif now_ms >= self._test_ms:
            port, data = _TEST_PORT, b""
        elif self._link.more:
            return self._link.nudge() != LATER
        else:
            return False
        outcome = self._link.send(port, data, test.confirmed)
        if outcome == LATER:
            return False
        if outcome == SENT and test.confirmed and not self._link.inbox:
            test.count()  # a bare acknowledgement
        if self._answers:
            self._answers.pop(0)
        self._plan_test(now_ms)
        self._tell_sent("test", port, len(data), outcome)
        return True

    def _plan_test(self, now_ms):
        """The next frame comes a period after the last one, or as often as the node reports."""
        period_s = self._tester.test.period_s or self._state.report_interval_s
        self._test_ms = now_ms + 1000 * period_s

    # -- sleeping

    def _next_talk_ms(self):
        if self._test is not None:
            waiting = not self._link.joined or self._link.more or self._answers or self._test.wants_reset
            return 0 if waiting else self._test_ms
        talk_ms = super()._next_talk_ms()
        now_ms = self._clock.now_ms()
        for service in self._services:
            due_ms = service.next_ms(now_ms)
            if due_ms is not None:
                talk_ms = min(talk_ms, due_ms)
        return talk_ms
