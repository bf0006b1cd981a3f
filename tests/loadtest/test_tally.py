"""An agent's account: whatever the order of answers, its numbers add up, and the check finds what doesn't."""

from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtest.checks.accounting import Account
from loadtest.checks.conservation import find_faults
from loadtest.fleet.payloads import Payload
from loadtest.fleet.series import SERIES_VALUES

uploads = st.lists(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=8), max_size=8)


class Server:
    """What the product promises: a sample once, the first one stays, a faulty one never."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.series: dict[int, int] = {}

    def take(self, payload: Payload) -> dict[str, Any]:
        new = 0
        for index in range(payload.size):
            if index not in payload.expected and payload.times[index] not in self.rows:
                self.rows[payload.times[index]] = payload.tenths[index]
                if payload.has_series:
                    self.series[payload.times[index]] = payload.tenths[index]
                new += 1
        rejected = [{"index": index, "code": code} for index, code in payload.expected.items()]
        duplicates = payload.size - new - len(rejected)
        return {"received": payload.size, "accepted": new, "duplicates": duplicates, "rejected": rejected}

    def row(self) -> dict[str, int]:
        return {
            "rows": len(self.rows), "times_sum": sum(self.rows), "tenths_sum": sum(self.rows.values()),
            "series_values": SERIES_VALUES * len(self.series), "series_tenths_sum": sum(self.series.values()),
        }  # fmt: skip


def payload_of(samples: list[tuple[int, bool]], salt: int) -> Payload:
    expected = {index: "wrong_type" for index, (_, good) in enumerate(samples) if not good}
    times = array("q", [ms for ms, _ in samples])
    tenths = array("h", [(ms * 7 + salt) % 1001 for ms, _ in samples])
    return Payload(b"", times, tenths, expected=expected, has_series=salt % 2 == 0)


def play(uploads: list[list[tuple[int, bool]]], lost: set[int]) -> tuple[Account, Server]:
    """Send uploads; the answers of those in `lost` don't arrive, and they are sent again."""
    account, server = Account(), Server()
    for number, samples in enumerate(uploads):
        payload = payload_of(samples, number)
        if number in lost:
            server.take(payload)
            account.lose(payload)
        account.receive(payload, server.take(payload))
    return account, server


@given(uploads=uploads, lost=st.sets(st.integers(0, 7)))
def test_an_honest_server_passes_whatever_is_sent_twice_lost_or_faulty(
    uploads: list[list[tuple[int, bool]]], lost: set[int]
) -> None:
    account, server = play(uploads, lost)
    assert find_faults(account.close(), server.row()) == []


@given(uploads=uploads.filter(bool), lost=st.sets(st.integers(0, 7)), data=st.data())
def test_a_lost_a_doubled_and_a_changed_row_are_found(
    uploads: list[list[tuple[int, bool]]], lost: set[int], data: st.DataObject
) -> None:
    account, server = play(uploads, lost)
    if not server.rows:
        return
    ms = data.draw(st.sampled_from(sorted(server.rows)))
    value = server.rows.pop(ms)
    assert find_faults(account.close(), server.row())
    server.rows[ms + 1000] = value
    assert any("others" in fault for fault in find_faults(account.close(), server.row()))
    del server.rows[ms + 1000]
    server.rows[ms] = value + 1
    assert any("others" in fault for fault in find_faults(account.close(), server.row()))
    server.rows[ms], server.rows[ms + 1000] = value, 0
    assert find_faults(account.close(), server.row())


def test_rows_that_nobody_called_accepted_are_found_although_they_are_there() -> None:
    account, server = play([[(1, True)], [(2, True)]], set())
    account.accepted -= 1
    account.duplicates += 1
    assert any("whose answer was lost" in fault for fault in find_faults(account.close(), server.row()))


def test_a_lost_a_doubled_and_a_changed_value_of_a_series_are_found() -> None:
    account, server = play([[(1, True), (2, True)], [(3, True)]], set())
    row = server.row()
    assert find_faults(account.close(), row) == []
    for change in ({"series_values": 5}, {"series_values": 7}, {"series_tenths_sum": row["series_tenths_sum"] + 1}):
        assert any("values of series" in fault for fault in find_faults(account.close(), row | change))


def test_an_answer_that_is_not_what_it_should_be_is_a_fault() -> None:
    account = Account()
    payload = payload_of([(1, True)], 0)
    account.receive(payload, {"received": 2, "accepted": 1, "duplicates": 0, "rejected": []})
    account.refuse(payload, "500 internal")
    assert len(account.faults) == 2


def test_samples_without_an_answer_fail_the_check() -> None:
    account, server = play([[(1, True)]], set())
    account.waiting = 3
    assert find_faults(account.close(), server.row()) == ["3 samples were not answered before the run ended"]
