"""Columns of a chart: each value at its time on the grid, a gap everywhere else."""

from hypothesis import given
from hypothesis import strategies as st

from api.routes.history import find_places, place_values


@given(size=st.integers(0, 12), measured=st.sets(st.integers(0, 11)))
def test_values_are_placed_at_their_times(size: int, measured: set[int]) -> None:
    times = tuple(10 * place for place in range(size))
    there = tuple(10 * place for place in sorted(measured) if place < size)
    values = [f"value at {time}" for time in there]
    assert list(place_values(values, find_places(times, there), None)) == [
        f"value at {time}" if time in there else None for time in times
    ]
