"""Who heard an uplink: which receptions count for a tenant, and which gateway answers.

Source: chirpstack `uplink/mod.rs` (filter_rx_info_by_tenant_id), `downlink/helpers.rs` (select_downlink_gateway).
"""

from __future__ import annotations

from collections.abc import Sequence

from chirpstack_api import gw

from bench.server.context import Context
from bench.server.errors import Dropped

PREFER_MARGIN_DB = 10.0
"""`gateway_prefer_min_margin`: any gateway with this much reserve will do; one of them is drawn."""


def for_tenant(context: Context, receptions: Sequence[gw.UplinkRxInfo], tenant_id: str) -> tuple[gw.UplinkRxInfo, ...]:
    """Receptions this tenant may use: of its own gateways, and of public ones. None left drops the uplink."""
    usable = tuple(r for r in receptions if _usable(context, r.gateway_id, tenant_id, up=True))
    if not usable:
        raise Dropped("RxInfo set is empty after applying filters: no gateway of this tenant, or not registered")
    return usable


def answering(context: Context, receptions: Sequence[gw.UplinkRxInfo], tenant_id: str, dr: int) -> gw.UplinkRxInfo:
    """The reception whose gateway sends the answer: one with margin enough, else the best."""
    usable = [r for r in receptions if _usable(context, r.gateway_id, tenant_id, up=False)]
    if not usable:
        raise Dropped("RxInfo set is empty after applying filters, no downlink gateway available")
    usable.sort(key=lambda reception: (-reception.snr, -reception.rssi))
    floor_db = context.settings.region.required_snr_db(dr)
    good = [reception for reception in usable if reception.snr - floor_db >= PREFER_MARGIN_DB]
    return good[context.chance.pick(len(good))] if good else usable[0]


def _usable(context: Context, gateway_id: str, tenant_id: str, *, up: bool) -> bool:
    gateway = context.storage.gateways.get(gateway_id)
    if gateway is None:
        return context.settings.allow_unknown_gateways
    owner = context.storage.tenant(gateway.tenant_id)
    private = owner.private_gateways_up if up else owner.private_gateways_down
    return not private or gateway.tenant_id == tenant_id
