"""Slots are absolute: evenly spread, an interval apart, and none moves because another call was slow."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.fleet.slots import heartbeat_slots, interval_of, phase_of, slots

intervals = st.lists(st.floats(1, 600), min_size=1, max_size=3).map(tuple)


@given(agents=st.integers(1, 300), intervals=intervals)
def test_agents_of_one_interval_are_spread_evenly_over_it(agents: int, intervals: tuple[float, ...]) -> None:
    for turn, interval in enumerate(intervals):
        phases = [phase_of(number, agents, intervals) for number in range(turn, agents, len(intervals))]
        assert all(0 <= phase < interval for phase in phases)
        gaps = [after - before for before, after in pairwise(phases)]
        assert gaps == pytest.approx([interval / max(1, len(phases))] * len(gaps))


@given(phase=st.floats(0, 100), interval=st.floats(0.5, 600), seconds=st.floats(0, 2000))
def test_slots_are_whole_intervals_from_the_phase_and_end_in_time(
    phase: float, interval: float, seconds: float
) -> None:
    due_times = list(slots(phase, interval, seconds))
    assert due_times == [phase + turn * interval for turn in range(len(due_times))]
    assert all(slot < seconds for slot in due_times)
    assert phase + len(due_times) * interval >= seconds


@given(agents=st.integers(1, 200), intervals=intervals, number=st.integers(0, 199))
def test_a_heartbeat_lies_half_an_interval_from_an_upload(
    agents: int, intervals: tuple[float, ...], number: int
) -> None:
    number %= agents
    interval = interval_of(number, intervals)
    first = next(heartbeat_slots(number, agents, intervals, 10 * interval))
    distance = abs(first - phase_of(number, agents, intervals))
    assert distance == pytest.approx(interval / 2)


def test_a_fleet_of_sixty_with_a_minute_between_uploads_sends_one_each_second() -> None:
    due = sorted(slot for number in range(60) for slot in slots(phase_of(number, 60, (60,)), 60, 120))
    assert due == [float(second) for second in range(120)]
