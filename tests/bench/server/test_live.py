"""The core by a clock: timers, turns and listeners between threads."""

import queue
import threading

from server_node import APP_KEY, DEV_EUI, NOW_US, PATIENCE_S, Node, eventually, uplink_frame

from bench.server.core import NetworkServer
from bench.server.live import LiveServer
from bench.server.outputs import AppEvent, LogEvent, SendDownlink


class Listening:
    """A live server with one device whose outputs go to a queue."""

    def __init__(self, clock_us=None):
        core = NetworkServer()
        core.add_device(DEV_EUI, APP_KEY)
        self.live = LiveServer(core, clock_us) if clock_us else LiveServer(core)
        self.inbox = queue.SimpleQueue()
        self.live.listen(lambda output, now_us: self.inbox.put((output, now_us)))

    def hear(self, phy):
        with self.live.turn() as turn:
            turn.emit(turn.core.handle_uplink(uplink_frame(phy), turn.now_us))

    def next(self, kind):
        while True:
            output, _ = self.inbox.get(timeout=PATIENCE_S)
            if isinstance(output, kind):
                return output


def test_timers_run_by_themselves():
    here = Listening()

    with here.live:
        here.hear(Node().join_request())

        assert isinstance(here.next(SendDownlink), SendDownlink)
        assert here.next(AppEvent).kind == "join"


def test_a_clock_that_steps_back_does_not_take_time_back():
    clock = iter([NOW_US, NOW_US - 5_000_000, NOW_US + 1])
    live = LiveServer(NetworkServer(), lambda: next(clock))

    seen = []
    for _ in range(3):
        with live.turn() as turn:
            seen.append(turn.now_us)

    assert seen == [NOW_US, NOW_US, NOW_US + 1]


def test_a_flow_that_fails_does_not_stop_the_timers(caplog):
    here = Listening()

    def broken(_now_us):
        raise ZeroDivisionError

    with here.live:
        with here.live.turn() as turn:
            turn.core._context.at(0, broken)
        eventually(lambda: "ZeroDivisionError" in caplog.text)

        here.hear(Node().join_request())

        assert here.next(SendDownlink).frame.items


def test_what_a_turn_emitted_is_handed_on_even_when_it_ends_with_an_error():
    here = Listening()

    try:
        with here.live.turn() as turn:
            turn.emit([LogEvent("info", "said")])
            raise KeyError
    except KeyError:
        pass

    assert here.next(LogEvent).text == "said"


def test_turns_of_many_threads_exclude_each_other():
    live = LiveServer(NetworkServer())
    inside, most = [], []

    def take_turns():
        for _ in range(200):
            with live.turn():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(most), max(most)) == (800, 1)
