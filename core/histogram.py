"""A histogram of plain numbers: counted in one process, added up across processes as JSON."""

from bisect import bisect_left

import msgspec


class Histogram(msgspec.Struct):
    """How often values fell up to which bound; the last count is of those above all bounds."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, bounds: tuple[float, ...]) -> "Histogram":
        return cls(bounds, [0] * (len(bounds) + 1))

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
