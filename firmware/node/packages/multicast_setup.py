"""Multicast groups (TS005) on a class C node. Provisioning gives it a GenAppKey; without one there are no groups."""

from firmware.lorawan.packages.multicast_setup import PORT, MulticastSetup


class Service:
    """See `firmware.node.packages`."""

    PORT = PORT

    def __init__(self, cycle, mac, directory):
        self._mac = mac
        self._clock = cycle.gps_clock
        self._say = cycle.say
        self._soon = cycle.soon
        self._setup = None
        mac.request_time()

    def take(self, downlink, now_ms):
        """Commands of the multicast server; the keys are derived when they are needed first."""
        if self._setup is None:
            if not self._mac.gen_app_key:
                self._say("multicast: no GenAppKey; run `spatz key`")
                return b""
            self._setup = MulticastSetup(self._mac, self._clock, self._mac.gen_app_key)
        self._mac.request_time()  # with the answer: a session begins on time if the clock is fresh
        answer = self._setup.handle(downlink.data, now_ms)
        if not answer:
            self._soon()
        return answer

    def next_ms(self, now_ms):
        """Never by itself."""
        return None
