"""Series in short: `50x3 95x4 _x2` is three samples of 50, four of 95, two that are missing; `10+5x3` is 10 15 20."""

import re

ITEM = re.compile(r"(?P<value>_|-?\d+(?:\.\d+)?)(?P<by>[+-]\d+(?:\.\d+)?)?(?:x(?P<times>\d+))?")
MAX_SAMPLES = 100_000


def parse_series(notation: str) -> list[float | None]:
    """Return the samples of a notation, None for one that is missing; raises ValueError naming the item at fault."""
    samples: list[float | None] = []
    for item in notation.split():
        match = ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"{item!r} is no series item: write 50, 50x3, 10+5x3 or _x2")
        times = int(match["times"] or 1)
        if len(samples) + times > MAX_SAMPLES:
            raise ValueError(f"a series has at most {MAX_SAMPLES} samples")
        samples += expand(match["value"], float(match["by"] or 0), times)
    return samples


def expand(value: str, by: float, times: int) -> list[float | None]:
    """Return one item's samples."""
    if value == "_":
        return [None] * times
    return [float(value) + by * number for number in range(times)]
