"""Values at given places of a list, taken in one call."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

Picker = Callable[[Sequence[Any]], tuple[Any, ...]]


@lru_cache(4096)
def picker(places: tuple[int, ...]) -> Picker:
    """Return a function that gives the values at `places` as a tuple; devices with the same lists share it."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)
