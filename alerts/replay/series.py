"""Series in promtool's notation: `50x3` is 50 and three more, `10+5x2` is 10 15 20, `_x2` two missing samples."""

import re

ITEM = re.compile(r"(?P<value>_|-?\d+(?:\.\d+)?)(?P<by>[+-]\d+(?:\.\d+)?)?(?:x(?P<times>\d+))?")
REPEATED = re.compile(r"[\d.]x\d")
MAX_SAMPLES = 100_000


def parse_series(notation: str) -> list[float | None]:
    """Return the samples of a notation, None for one that is missing; raises ValueError naming the item at fault."""
    samples: list[float | None] = []
    for item in notation.split():
        match = ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"{item!r} is not a series item: write 50, 50x3, 10+5x2 or _x2")
        count = count_samples(match)
        if len(samples) + count > MAX_SAMPLES:
            raise ValueError(f"a series has at most {MAX_SAMPLES} samples")
        samples += expand(match["value"], float(match["by"] or 0), count)
    return samples


def count_samples(item: re.Match[str]) -> int:
    """Return how many samples an item has: `50x3` four, as in Prometheus, but `_x3` three."""
    if item["times"] is None:
        return 1
    return int(item["times"]) + (item["value"] != "_")


def expand(value: str, by: float, count: int) -> list[float | None]:
    """Return one item's samples."""
    if value == "_":
        return [None] * count
    return [float(value) + by * number for number in range(count)]


def has_repetition(notation: str) -> bool:
    """Return whether a notation repeats a value, so that its meaning depends on the version of the file."""
    return REPEATED.search(notation) is not None
