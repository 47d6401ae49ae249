"""Which part a section of the settings asks for, built and tied to the parts that all share."""

from __future__ import annotations

from typing import Literal, NamedTuple

from gateway import settings as settings_of
from gateway.clock import Clock
from gateway.contexts import Contexts
from gateway.downlinks import Desk
from gateway.forwarders.access import broker_for
from gateway.forwarders.chirpstack_mqtt import ChirpstackLink
from gateway.forwarders.semtech_udp import SemtechUdpLink
from gateway.logs import Tally
from gateway.relay import Link
from gateway.settings import ChirpstackMqtt, Destination, SemtechUdp, Settings
from gateway.sources.port import Sink, Source
from gateway.sources.semtech_udp import SemtechUdpSource
from gateway.station.regions import REGIONS
from gateway.turns import Rules

_TO_GATE_SPACING_US = 50_000


class Shared(NamedTuple):
    """What every part is given. `only`: the one EUI that is served, "" for all."""

    settings: Settings
    only: str
    clock: Clock
    tally: Tally


def make_source(one: settings_of.Source, shared: Shared, sink: Sink) -> Source:
    """The source of a [[source]]. Raises OSError if a file of it cannot be read."""
    _, only, clock, tally = shared
    if isinstance(one, settings_of.SemtechUdpSource):
        return SemtechUdpSource(one.bind, only, sink, clock, tally)
    # Late: who has no Concentratord or station needs neither ZeroMQ nor a WebSocket server in memory.
    if isinstance(one, settings_of.Concentratord):
        from gateway.sources.concentratord import ConcentratordSource

        return ConcentratordSource(one.event, one.command, only=only, sink=sink, clock=clock, tally=tally)
    from gateway.sources.basics_station import BasicsStationSource, server_tls

    resolve = shared.settings.resolve
    files = {key: str(resolve(getattr(one, key))) for key in ("ca", "cert", "key") if getattr(one, key)}
    return BasicsStationSource(
        one.bind,
        region=REGIONS[one.region],
        only=only,
        tls=server_tls(**files) if files else None,
        token=resolve(one.token_file).read_text(encoding="utf-8").strip() if one.token_file else "",
        sink=sink,
        clock=clock,
        tally=tally,
    )


def make_link(destination: Destination, number: int, shared: Shared, contexts: Contexts, desk: Desk) -> Link:
    """The link of a [[destination]]."""
    if isinstance(destination, SemtechUdp):
        return SemtechUdpLink(
            destination, number=number, clock=shared.clock, contexts=contexts, desk=desk, tally=shared.tally
        )
    return ChirpstackLink(
        destination,
        number=number,
        broker_for=broker_for(shared.settings.resolve, destination),
        contexts=contexts,
        desk=desk,
        tally=shared.tally,
    )


def rules_of(destination: Destination) -> Rules:
    """Order and pace of a destination."""
    hold: Literal["auto", "on", "off"] = "off"
    spacing_us = int(destination.device_spacing)
    if isinstance(destination, ChirpstackMqtt):
        hold = destination.hold_without_listener
        if destination.merge:
            # The gate paces, and the sooner it has everything the sooner it can begin. And what nobody took is not
            # disbelieved: without a gate late frames stay here.
            spacing_us, hold = min(spacing_us, _TO_GATE_SPACING_US), "on" if hold == "auto" else hold
    return Rules(
        spacing_us=spacing_us,
        replay_per_second=destination.replay_per_second,
        hold=hold,
        live_first=destination.live_frames == "live-first",
        live_first_for_answers=destination.live_first_for_answers,
        live_first_above=destination.live_first_above,
    )
