from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.contexts import Contexts, Origin
from gateway.downlinks import Desk
from gateway.duty import EU868, DutyBook
from gateway.errors import NoAnswer, NoPath
from gateway.filters import Filter
from gateway.frames import (
    Delay,
    Downlink,
    DownlinkItem,
    Fsk,
    GpsTime,
    Immediately,
    LoRa,
    LrFhss,
    Timing,
    TxStatus,
)
from gateway.gps_time import gps_from_utc_us
from gateway.logs import Tally
from gateway.setting_types import Address, DevAddrPrefix
from tests.gateway.kit import EUI, FakeClock, downlink_frame

COUNTER = b"\0\0\x04\xd2"
ALL = Filter()


class Radio:
    """A source that answers what it is told and takes its time."""

    name = "radio"

    def __init__(self, clock: FakeClock, *answers: TxStatus | NoPath, takes_s: float = 0.0) -> None:
        self.heard: list[DownlinkItem] = []
        self.lead_us = 20_000
        self.left_us: int | None = None
        self._clock = clock
        self._answers = list(answers)
        self._takes_s = takes_s

    async def start(self) -> Address:
        return Address.of("radio", 0)

    async def stop(self) -> None:
        pass

    async def transmit(self, gateway_id: str, item: DownlinkItem, left_us: int | None) -> TxStatus:
        self.left_us = left_us
        self.heard.append(item)
        self._clock.advance(self._takes_s)
        answer = self._answers.pop(0)
        if isinstance(answer, NoPath):
            raise answer
        return answer


class Bench:
    def __init__(self, clock: FakeClock, *answers: TxStatus | NoPath, takes_s: float = 0.0) -> None:
        self.clock = clock
        self.contexts = Contexts()
        self.radio = Radio(clock, *answers, takes_s=takes_s)
        self.desk = Desk(self.contexts, clock, Tally(), {EUI: self.radio}, DutyBook(EU868))
        self.contexts.remember(1, Origin(EUI, COUNTER, clock.mono_us(), (1,)))
        self.context = self.contexts.write(1, COUNTER)

    def order(self, *timings: Timing, downlink_id: int = 1, context: bytes | None = None) -> Downlink:
        return Downlink(
            downlink_id,
            EUI,
            tuple(
                DownlinkItem(
                    phy_payload=downlink_frame(0x26011BDA),
                    frequency_hz=868_100_000,
                    power_dbm=14,
                    modulation=LoRa(7, 125_000),
                    timing=timing,
                    context=self.context if context is None else context,
                )
                for timing in timings
            ),
        )

    def carry_out(self, downlink: Downlink, destination: int = 1, filter_: Filter = ALL) -> list[str] | None:
        result = asyncio.run(self.desk.carry_out(destination, filter_, downlink))
        return None if result is None else [status.name for status in result.statuses]


RX1, RX2 = Delay(1_000_000), Delay(2_000_000)


def test_the_first_window_that_is_taken_is_the_only_one_tried(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK)
    assert bench.carry_out(bench.order(RX1, RX2)) == ["OK", "IGNORED"]
    assert bench.radio.heard[0].context == COUNTER


def test_the_second_window_is_tried_after_a_refusal(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.TX_FREQ, TxStatus.OK)
    assert bench.carry_out(bench.order(RX1, RX2)) == ["TX_FREQ", "OK"]


def test_rule_12_what_cannot_be_in_time_is_not_tried(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK)
    clock.advance(0.95)
    assert bench.carry_out(bench.order(RX1, RX2)) == ["TOO_LATE", "OK"]
    assert len(bench.radio.heard) == 1


def test_rule_12_the_deadline_is_looked_at_again_before_the_second_item(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.COLLISION_PACKET, takes_s=1.5)
    assert bench.carry_out(bench.order(RX1, Delay(1_200_000))) == ["COLLISION_PACKET", "TOO_LATE"]


def test_rule_12_a_slow_way_to_the_radio_counts(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK)
    bench.radio.lead_us = 400_000
    clock.advance(0.6)
    assert bench.carry_out(bench.order(RX1, RX2)) == ["TOO_LATE", "OK"]
    assert bench.radio.left_us == 1_400_000


def test_rule_12_a_repeated_order_gets_no_answer(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK)
    assert bench.carry_out(bench.order(RX1)) == ["OK"]
    assert bench.carry_out(bench.order(RX1)) is None


def test_rule_07_a_context_expires(clock: FakeClock) -> None:
    bench = Bench(clock)
    clock.advance(10.1)
    assert bench.carry_out(bench.order(Delay(15_000_000))) == ["TOO_LATE"]


def test_rule_07_immediate_orders_go_out_with_or_without_a_context(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK, TxStatus.OK)
    assert bench.carry_out(bench.order(Immediately(), context=b"foreign")) == ["OK"]
    assert bench.carry_out(bench.order(Immediately(), downlink_id=2)) == ["OK"]
    assert [item.context for item in bench.radio.heard] == [b"", COUNTER]


def test_only_the_destination_that_was_given_the_frame_may_answer_it(clock: FakeClock) -> None:
    bench = Bench(clock)
    assert bench.carry_out(bench.order(RX1), destination=2) == ["INTERNAL_ERROR"]


def test_only_the_owner_of_a_device_may_address_it(clock: FakeClock) -> None:
    bench = Bench(clock)
    other = Filter((DevAddrPrefix.parse("01000000/8"),))
    assert bench.carry_out(bench.order(Immediately()), filter_=other) == ["INTERNAL_ERROR"]


@pytest.mark.parametrize("reason", ["no TX_ACK", "no PULL_DATA"])
def test_a_silent_concentrator_is_never_reported_as_success(reason: str, clock: FakeClock) -> None:
    bench = Bench(clock, NoPath(reason))
    assert bench.carry_out(bench.order(RX1)) == ["INTERNAL_ERROR"]


def test_an_unknown_concentrator_is_an_error(clock: FakeClock) -> None:
    bench = Bench(clock)
    order = Downlink(1, "00" * 8, bench.order(RX1).items)
    assert bench.carry_out(order) == ["INTERNAL_ERROR"]


# Duty cycle. An item of the bench takes 46.3 ms (SF7, 18 bytes, with CRC); 868.0 to 868.6 MHz allow 36 s an hour.


def order_on(bench: Bench, *frequencies_hz: int, downlink_id: int = 1, **changes: Any) -> Downlink:
    order = bench.order(*[Immediately()] * len(frequencies_hz), downlink_id=downlink_id)
    items = [
        msgspec.structs.replace(item, frequency_hz=hz, **changes)
        for item, hz in zip(order.items, frequencies_hz, strict=True)
    ]
    return msgspec.structs.replace(order, items=tuple(items))


def spend(bench: Bench, hz: int, airtime_us: int) -> None:
    assert bench.desk.duty.book(EUI, hz, airtime_us, bench.clock.mono_us()) is None


def test_what_the_duty_cycle_forbids_in_rx1_is_sent_in_rx2(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK)
    spend(bench, 868_300_000, 35_990_000)
    assert bench.carry_out(order_on(bench, 868_100_000, 869_525_000)) == ["DUTY_CYCLE_OVERFLOW", "OK"]
    assert [item.frequency_hz for item in bench.radio.heard] == [869_525_000]


def test_a_refused_order_costs_no_airtime(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.COLLISION_PACKET, NoPath("no PULL_DATA"))
    assert bench.carry_out(order_on(bench, 868_100_000, 868_300_000)) == ["COLLISION_PACKET", "INTERNAL_ERROR"]
    assert bench.desk.duty.accounts(clock.mono_us()) == []


def test_an_order_without_an_answer_costs_airtime_because_it_may_be_on_air(clock: FakeClock) -> None:
    bench = Bench(clock, NoAnswer("no TX_ACK"))
    assert bench.carry_out(order_on(bench, 868_100_000)) == ["INTERNAL_ERROR"]
    assert [(one.band, one.used_ms) for one in bench.desk.duty.accounts(clock.mono_us())] == [("868.0-868.6", 46)]


def test_nothing_is_sent_in_the_bands_of_alarms(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK)
    assert bench.carry_out(order_on(bench, 868_650_000, 869_525_000)) == ["TX_FREQ", "OK"]


@pytest.mark.parametrize("modulation", [LoRa(7, 0), LoRa(99, 125_000), Fsk(0), LrFhss(137_000, "1/3")])
def test_modulations_no_gateway_has_are_refused(modulation: Any, clock: FakeClock) -> None:
    bench = Bench(clock)
    assert bench.carry_out(order_on(bench, 868_100_000, modulation=modulation)) == ["INTERNAL_ERROR"]


# Class B


def test_a_ping_slot_that_has_passed_is_too_late_if_the_machine_knows_the_time(clock: FakeClock) -> None:
    bench = Bench(clock, TxStatus.OK, TxStatus.GPS_UNLOCKED)
    now_us = gps_from_utc_us(clock.wall_us())
    assert bench.carry_out(bench.order(GpsTime(now_us - 1), GpsTime(now_us + 128_000_000))) == ["TOO_LATE", "OK"]
    assert bench.radio.left_us == 128_000_000
    clock.is_verified = False
    assert bench.carry_out(bench.order(GpsTime(now_us - 1), downlink_id=2)) == ["GPS_UNLOCKED"]
