"""Application layer clock synchronisation, TS003-1.0.0."""

PORT = 202
_IDENTIFIER = 1
_VERSION = 1

_PACKAGE_VERSION = 0x00
_APP_TIME = 0x01
_PERIODICITY = 0x02
_FORCE_RESYNC = 0x03
_REQUEST_BYTES = {_PACKAGE_VERSION: 0, _APP_TIME: 5, _PERIODICITY: 1, _FORCE_RESYNC: 1}

_ANSWER_REQUIRED = 0x10
_PERIOD_S = 128  # times 2^Period
_SPREAD_S = 30  # each request up to so much earlier or later


class ClockSync:
    """Keeps `clock` (`GpsClock`) on network time. Send `request()` on `PORT` at `next_ms`, then call `requested`."""

    PORT = PORT

    def __init__(self, clock, random_u32):
        self._clock = clock
        self._random_u32 = random_u32
        self._token = 0
        self._period_s = None
        self._next_ms = 0
        self._forced = 0

    @property
    def next_ms(self):
        """When a request should go out; 0: now, None: the network did not say."""
        if self._forced:
            return 0
        return None if self._period_s is None else self._next_ms

    def requested(self, now_ms):
        """A request has gone out."""
        if self._forced:
            self._forced -= 1
        self._plan(now_ms)

    def request(self, now_ms, answer_required=False):
        """AppTimeReq with the time of this moment: build it right before sending."""
        seconds = self._clock.now_s(now_ms) & 0xFFFFFFFF
        param = self._token | (_ANSWER_REQUIRED if answer_required else 0)
        return bytes((_APP_TIME,)) + seconds.to_bytes(4, "little") + bytes((param,))

    def handle(self, data, now_ms):
        """Take the commands of a downlink; gives the answer."""
        answer = bytearray()
        at = 0
        while at < len(data):
            command = data[at]
            size = _REQUEST_BYTES.get(command)
            if size is None or at + 1 + size > len(data):
                break
            body = data[at + 1 : at + 1 + size]
            at += 1 + size
            if command == _PACKAGE_VERSION:
                answer.extend(bytes((command, _IDENTIFIER, _VERSION)))
            elif command == _APP_TIME:
                self._take_time(body)
            elif command == _PERIODICITY:
                self._period_s = _PERIOD_S << (body[0] & 0x0F)
                self._plan(now_ms)
                answer.extend(bytes((command, 0)))
                answer.extend((self._clock.now_s(now_ms) & 0xFFFFFFFF).to_bytes(4, "little"))
            else:
                self._forced = body[0] & 0x07
        return bytes(answer)

    def _take_time(self, body):
        """AppTimeAns: only the answer to the last request counts."""
        if body[4] & 0x0F != self._token:
            return
        correction = int.from_bytes(body[:4], "little")
        if correction & 0x80000000:
            correction -= 0x100000000
        self._clock.correct(correction)
        self._token = (self._token + 1) & 0x0F
        self._forced = 0

    def _plan(self, now_ms):
        if self._period_s is not None:
            spread_ms = (self._random_u32() & 0xFFFF) % (2000 * _SPREAD_S) - 1000 * _SPREAD_S
            self._next_ms = now_ms + 1000 * self._period_s + spread_ms
