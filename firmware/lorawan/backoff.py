"""What a device may spend on joining: airtime by the retransmission back-off (TS001-1.0.4 section 7).

    since the first try     airtime     of it
    first hour              36 s        1 %
    hour 1 to 11            36 s        0.1 %
    each day after          8.7 s       0.01 %

After the first hour tries are spread evenly: airtime may not run ahead of its share of the time that has passed. So
whenever the network comes back, the next try is not far, instead of on the next day.

`join` is a `join.JoinState`. Loaded when a device joins, like `activation`.
"""

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

_HOUR_S = const(3_600)
_DAY_S = const(86_400)
_SLOW_FROM_S = 11 * _HOUR_S
_BUDGET_MS = (36_000, 36_000, 8_700)

_FIRST_PAUSE_MS = const(8_000)  # between two tries; doubles with each failure
_LONGEST_PAUSE_MS = const(600_000)


def begin(join, now_ms):
    """A try is wanted: the first one after a success starts a new series, but not within its hour."""
    if join.concluded and (join.used_ms == 0 or join.elapsed_s(now_ms) >= _HOUR_S):
        join.base_s, join.base_at_ms = 0, now_ms
        join.used_ms = 0
        join.window = 0
        join.concluded = False


def wait_ms(join, airtime_us, now_ms):
    """How long until a Join-Request of `airtime_us` may be sent; 0: now."""
    elapsed = join.elapsed_s(now_ms)
    window = _window_at(elapsed)
    used = join.used_ms if window == join.window else 0
    budget = _BUDGET_MS[min(window, 2)]
    start, end = _window_start(window), _window_start(window + 1)
    if used + _ms(airtime_us) > budget:
        return 1000 * (end - elapsed)
    early_s = 0 if window == 0 or join.answered else start + used * (end - start) // budget - elapsed
    return max(0, 1000 * early_s, join.not_before_ms - now_ms)


def patience_ms(join, wait_ms):
    """How much of a wait may pass before the elapsed time has to be stored."""
    return min(wait_ms, 1000 * join.save_s)


def due_for_storing(join, now_ms):
    """Whether so much time passed that it should be stored."""
    return join.elapsed_s(now_ms) - join.base_s >= join.save_s


def spend(join, airtime_us, now_ms):
    """Take the next DevNonce and its airtime; store the record before transmitting."""
    window = _window_at(join.elapsed_s(now_ms))
    if window != join.window:
        join.window = window
        join.used_ms = 0
    join.used_ms += _ms(airtime_us)
    join.tries += 1
    join.answered = False
    nonce = join.dev_nonce
    join.dev_nonce += 1
    return nonce


def pause(join, now_ms, random_u32):
    """A try failed: a random pause follows, longer each time."""
    pause_ms = min(_FIRST_PAUSE_MS << min(join.tries - 1, 8), _LONGEST_PAUSE_MS)
    join.not_before_ms = now_ms + pause_ms // 2 + (random_u32() & 0xFFFFFF) % pause_ms


def _window_at(elapsed_s):
    if elapsed_s < _HOUR_S:
        return 0
    if elapsed_s < _SLOW_FROM_S:
        return 1
    return 2 + (elapsed_s - _SLOW_FROM_S) // _DAY_S


def _window_start(window):
    if window < 2:
        return window * _HOUR_S
    return _SLOW_FROM_S + (window - 2) * _DAY_S


def _ms(airtime_us):
    return -(-airtime_us // 1000)
