"""Turns: tenants in turn, devices of a tenant in turn, items of a device in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.turns import WriteTurns


def drained(turns: WriteTurns[str]) -> list[str]:
    return [turns.pop() for _ in range(len(turns))]


def test_a_heavy_sender_delays_only_itself() -> None:
    turns: WriteTurns[str] = WriteTurns()
    for number in range(3):
        turns.push("a", "a1", f"a1-{number}")
    turns.push("a", "a2", "a2-0")
    turns.push("b", "b1", "b1-0")
    assert turns.peek() == "a1-0"
    assert drained(turns) == ["a1-0", "b1-0", "a2-0", "a1-1", "a1-2"]


def test_a_device_that_waits_stays_with_its_tenant() -> None:
    turns: WriteTurns[str] = WriteTurns()
    turns.push(None, "one", "first")
    turns.push("known now", "one", "second")
    assert "one" in turns
    assert drained(turns) == ["first", "second"]
    assert "one" not in turns


def test_nothing_waits() -> None:
    with pytest.raises(LookupError):
        WriteTurns[str]().pop()
    with pytest.raises(LookupError):
        WriteTurns[str]().peek()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3))))
def test_nothing_is_lost_and_each_device_keeps_its_order(pushed: list[tuple[str, int]]) -> None:
    turns: WriteTurns[tuple[str, int, int]] = WriteTurns()
    for place, (tenant, device) in enumerate(pushed):
        turns.push(tenant, (tenant, device), (tenant, device, place))
    taken = []
    while turns:
        next_one = turns.peek()
        taken.append(turns.pop())
        assert taken[-1] == next_one
    assert sorted(taken, key=lambda item: item[2]) == [(*who, place) for place, who in enumerate(pushed)]
    for who in set(pushed):
        places = [item[2] for item in taken if item[:2] == who]
        assert places == sorted(places)
