from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.duty import EU868, Band, DutyBook, time_on_air_us
from gateway.frames import DownlinkItem, Fsk, Immediately, LoRa, Modulation, TxStatus

HOUR_US = 3_600_000_000
BAND = Band(868_000_000, 868_600_000, 36_000_000)


def item(modulation: Modulation, length: int, no_crc: bool = True) -> DownlinkItem:
    return DownlinkItem(bytes(length), 868_100_000, 14, modulation, Immediately(), no_crc=no_crc)


def test_airtimes_are_those_of_the_calculator() -> None:
    # facts/gateway.md section 7, with CRC: 33 bytes SF12 1810.4 ms, SF7 71.9 ms.
    assert time_on_air_us(item(LoRa(12, 125_000), 33, no_crc=False)) == 1_810_432
    assert time_on_air_us(item(LoRa(7, 125_000), 33, no_crc=False)) == 71_936
    assert time_on_air_us(item(Fsk(50_000), 14)) == 4_000


def test_the_sub_bands_are_those_of_europe() -> None:
    limits = {band.name: band.limit_us / HOUR_US for band in EU868}
    assert limits == {
        "863.0-865.0": 0.001,
        "865.0-868.0": 0.01,
        "868.0-868.6": 0.01,
        "868.7-869.2": 0.001,
        "869.4-869.65": 0.1,
        "869.7-870.0": 0.01,
    }


def test_every_concentrator_and_sub_band_has_its_own_account() -> None:
    book = DutyBook(EU868)
    assert book.book("a", 868_100_000, 36_000_000, 0) is None
    assert book.book("a", 868_500_000, 1, 0) is TxStatus.DUTY_CYCLE_OVERFLOW
    assert book.book("a", 869_525_000, 360_000_000, 0) is None
    assert book.book("b", 868_100_000, 36_000_000, 0) is None


def test_airtime_comes_back_after_an_hour_and_not_before() -> None:
    book = DutyBook([BAND])
    assert book.book("a", 868_100_000, 36_000_000, 9_999_999) is None
    assert book.book("a", 868_100_000, 1, HOUR_US + 9_999_998) is TxStatus.DUTY_CYCLE_OVERFLOW
    assert book.book("a", 868_100_000, 36_000_000, HOUR_US + 10_000_000) is None


def test_outside_all_sub_bands_of_the_region_there_is_no_rule() -> None:
    book = DutyBook(EU868)
    assert book.book("a", 923_300_000, HOUR_US, 0) is None
    assert DutyBook(()).book("a", 868_650_000, HOUR_US, 0) is None
    assert book.accounts(0) == []


def test_what_was_transmitted_before_a_restart_still_counts() -> None:
    before = DutyBook(EU868)
    before.book("a", 868_100_000, 30_000_000, 0)
    after = DutyBook(EU868)
    after.restore([(one.gateway_id, one.band, one.used_ms) for one in before.accounts(0)], 50)
    assert after.book("a", 868_100_000, 6_000_001, 60) is TxStatus.DUTY_CYCLE_OVERFLOW
    assert [tuple(one) for one in after.accounts(60)] == [("a", "868.0-868.6", 30_000, 36_000)]


@given(st.lists(st.tuples(st.integers(0, 120_000_000), st.integers(1, 12_000_000), st.booleans()), max_size=150))
def test_no_hour_ever_holds_more_than_its_share(steps: list[tuple[int, int, bool]]) -> None:
    book, now_us, sent = DutyBook([BAND]), 0, []
    for pause_us, airtime_us, refused in steps:
        now_us += pause_us
        if book.book("a", 868_100_000, airtime_us, now_us) is None:
            if refused:
                book.give_back("a", 868_100_000, airtime_us, now_us)
            else:
                sent.append((now_us, airtime_us))
        hour = sum(airtime for at, airtime in sent if at > now_us - HOUR_US)
        assert hour <= BAND.limit_us
        booked = sum(one.used_ms for one in book.accounts(now_us))
        assert booked >= hour // 1000
