"""What the network has set for this session, and how the device gives it up again when nobody answers (ADR)."""

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

ADR_ACK_LIMIT = 64  # uplinks without a downlink before we ask (RP002-1.0.4 section 2.3)
ADR_ACK_DELAY = 32  # further uplinks before each step of the back-off
_COUNT_END = const(0xFFFF)
_POWER_STEP_DB = const(2)  # in every region

STICKY = (0x05, 0x08, 0x09, 0x0A)  # answers repeated until a class A downlink arrives (TS001-1.0.4 section 5)
OWN_REQUESTS = (0x02, 0x0D)  # LinkCheckReq, DeviceTimeReq
_ANSWER_BYTES = b"\x00\x00\x00\x02\x01\x02\x03\x02\x01\x01\x02"  # index: identifier; with it
ANSWERS_LIMIT_BYTES = 40  # room in the hot record; more answers than that are dropped from the end


class Link:
    """Data rate, power, repetitions, windows and channels; and the MAC answers and requests still to be sent."""

    def __init__(self, region):
        self.region = region
        self.plan = region.Plan(region)
        self.adr = True
        self.answers = bytearray()
        self.ack_due = False
        self.requests = 0  # our own for the next uplink, bits 1 << CID
        self.reset(region.DEFAULT_DR)

    def reset(self, data_rate):
        """The state after a join at `data_rate`."""
        region = self.region
        self.data_rate = data_rate
        self.power = 0  # index: MaxEIRP less 2 dB a step
        self.nb_trans = 1
        self.max_duty = 0  # exponent, 0: no limit
        self.adr_ack_cnt = 0
        self.rx1_dr_offset = 0
        self.rx2_dr = region.RX2_DR
        self.rx2_hz = region.RX2_HZ
        self.rx_delay_s = 1
        self.answers = bytearray()
        self.ack_due = False
        self.plan.reset()

    @property
    def eirp_dbm(self):
        """Power of the next uplink."""
        return self.plan.max_eirp_dbm - _POWER_STEP_DB * self.power

    @property
    def wants_answer(self):
        """Whether the uplink carries ADRACKReq."""
        return self.adr and self.adr_ack_cnt >= ADR_ACK_LIMIT

    def state(self):
        """For people."""
        return {
            "data_rate": self.data_rate,
            "eirp_dbm": self.eirp_dbm,
            "nb_trans": self.nb_trans,
            "unanswered": self.adr_ack_cnt,
        }

    def count_uplink(self):
        """One more uplink counter spent; every ADR_ACK_DELAY beyond the limit one step back (TS001-1.0.4 4.3.1.1)."""
        if self.adr_ack_cnt < _COUNT_END:
            self.adr_ack_cnt += 1
        beyond = self.adr_ack_cnt - ADR_ACK_LIMIT
        if not self.adr or beyond < ADR_ACK_DELAY or beyond % ADR_ACK_DELAY:
            return
        if beyond == ADR_ACK_DELAY:
            self.power = 0
        elif self.data_rate > self.plan.lowest_dr:
            self.data_rate -= 1
        else:
            self.nb_trans = 1
            self.plan.enable_defaults()
        self.settle()

    def settle(self):
        """After a change of channels or data rates: see to it that a channel carries the data rate."""
        plan = self.plan
        if plan.usable(plan.mask, self.data_rate):
            return
        if plan.usable(plan.mask, plan.lowest_dr):
            self.data_rate = plan.lowest_dr
        else:
            plan.enable_defaults()
            self.data_rate = max(self.data_rate, plan.lowest_dr)

    def hears(self, data_rate):
        """Whether the region has downlinks at this data rate, and we can hear them."""
        return self.region.FIRST_RX_DR <= data_rate < len(self.region.SPREADING_FACTORS)

    def answer(self, *command):
        """Queue the bytes of one MAC answer."""
        if len(self.answers) + len(command) <= ANSWERS_LIMIT_BYTES:
            self.answers.extend(bytes(command))

    def answers_within(self, limit):
        """How many bytes of whole answers fit into `limit`."""
        at = 0
        while at < len(self.answers):
            after = at + _ANSWER_BYTES[self.answers[at]]
            if after > limit:
                break
            at = after
        return at

    def fill_fopts(self, fopts, limit):
        """Put pending answers, then our own requests, into `fopts`, as far as `limit` goes; gives the length."""
        limit = min(limit, len(fopts))
        length = self.answers_within(limit)
        for i in range(length):
            fopts[i] = self.answers[i]
        for cid in OWN_REQUESTS:
            if self.requests & 1 << cid and length < limit:
                fopts[length] = cid
                length += 1
        return length

    def answers_sent(self):
        """Keep only what has to be repeated."""
        if not self.answers:
            return
        kept = bytearray()
        at = 0
        while at < len(self.answers):
            after = at + _ANSWER_BYTES[self.answers[at]]
            if self.answers[at] in STICKY:
                kept.extend(self.answers[at:after])
            at = after
        self.answers = kept
