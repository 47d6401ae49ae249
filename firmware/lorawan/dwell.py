"""Dwell time: no transmission may last longer than 400 ms. Always so in US915; in AS923 and AU915 the network says.

There TxParamSetupReq sets dwell times and power of the country (TS001-1.0.4 section 5.8). With uplink dwell time on,
the lower data rates take little payload, and those below `region.DWELL_LOWEST_DR` none. With downlink dwell time on,
RX1 is never below `region.DWELL_LOWEST_RX1_DR`.
"""

from .errors import DwellTooLong, PayloadTooLong

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

_TX_PARAM_SETUP = const(0x09)  # identifier of the MAC command
_UPLINK = const(0x10)
_DOWNLINK = const(0x20)
# MaxEIRP in dBm by code (TS001-1.0.4 table 43).
_EIRP_DBM = b"\x08\x0a\x0c\x0d\x0e\x10\x12\x14\x15\x18\x1a\x1b\x1d\x1e\x21\x24"


def faster_rate(link, size, max_now, max_alone):
    """The slowest data rate above that of `link` that takes `size` bytes: for this frame alone, so that a report which
    the lowest data rates can never carry does not wait for ever.

    Raises `DwellTooLong` when there is none, and without ADR: then the application has chosen the data rate.
    """
    plan = link.plan
    if link.adr:
        for data_rate in range(link.data_rate + 1, len(plan.payload_bytes)):
            if plan.payload_bytes[data_rate] >= size and plan.usable(plan.mask, data_rate):
                return data_rate
    raise DwellTooLong(max_now, max_alone)


def dwelling(plan_class):
    """The class of plans like `plan_class` that obey TxParamSetupReq as well."""

    class DwellPlan(plan_class):
        def reset(self):
            """As the region begins."""
            plan_class.reset(self)
            self.set_tx_params(self._region.TX_PARAMS)

        def set_tx_params(self, params):
            """Obey the byte of a TxParamSetupReq."""
            region = self._region
            uplink = params & _UPLINK
            self.tx_params = params
            self.max_eirp_dbm = _EIRP_DBM[params & 0x0F]
            self.payload_bytes = region.DWELL_PAYLOAD_BYTES if uplink else region.MAX_PAYLOAD_BYTES
            self.lowest_dr = region.DWELL_LOWEST_DR if uplink else 0
            self.lowest_rx1_dr = region.DWELL_LOWEST_RX1_DR if params & _DOWNLINK else 0

        def take(self, link, cid, body):
            """MAC commands of this plan only; whether something changed."""
            if cid != _TX_PARAM_SETUP:
                return plan_class.take(self, link, cid, body)
            self.set_tx_params(body[0])
            link.settle()
            link.answer(_TX_PARAM_SETUP)
            return True

        def overlong(self, link, size, max_now, max_alone):
            """What becomes of `size` bytes that the data rate does not take: another data rate, or a refusal."""
            if self.tx_params & _UPLINK:
                return faster_rate(link, size, max_now, max_alone)
            raise PayloadTooLong(max_now, max_alone)

        def ready(self, data_rate, joining, duty, airtime_us, now_ms):
            """As of the plan, on data rates that the dwell time allows."""
            if data_rate < self.lowest_dr:
                self.wait_ms = None
                return 0
            return plan_class.ready(self, data_rate, joining, duty, airtime_us, now_ms)

        def usable(self, mask, data_rate):
            """Whether `mask` leaves a channel for `data_rate`, and the dwell time allows that."""
            return data_rate >= self.lowest_dr and plan_class.usable(self, mask, data_rate)

        def pack(self):
            """The channels for storage, and the settings in front of them."""
            return bytes((self.tx_params,)) + bytes(plan_class.pack(self))

        def unpack(self, packed):
            """Take back what `pack` gave."""
            self.set_tx_params(packed[0])
            plan_class.unpack(self, packed[1:])

    return DwellPlan
