"""Which rows go into one transaction.

A rollup's invalidation is one time range per transaction, from its lowest to its highest row, for all devices. So
live rows, which no rollup has seen yet, go together; late rows go in runs without large gaps, so that what is
invalidated is what has really changed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from db.hypertables.policies import LATE_AFTER, RAW
from ingest.pending import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where TimescaleDB counts chunks from
MAX_GAP = timedelta(hours=1)  # a longer gap between late rows begins a new run
MAX_RUNS = 40  # in one flush


def split_lanes(rows: Iterable[Row], now: datetime) -> list[list[Row]]:
    """Return groups of rows, each for one transaction: late runs in time order, then the live rows."""
    horizon = now - LATE_AFTER
    live: list[Row] = []
    late: list[Row] = []
    for row in rows:
        (live if row.collected_at > horizon else late).append(row)
    groups = late_runs(late, MAX_GAP)
    if len(groups) > MAX_RUNS:  # sparse samples: a run for each chunk rather than hundreds of transactions
        groups = late_runs(late, RAW.chunk)
    if live:
        groups.append(live)
    return groups


def late_runs(late: list[Row], max_gap: timedelta) -> list[list[Row]]:
    """Cut late rows, in time order, at longer gaps and at chunk boundaries."""
    runs: list[list[Row]] = []
    before = chunk_end = EPOCH
    for row in sorted(late, key=attrgetter("collected_at")):
        at = row.collected_at
        if at >= chunk_end or at - before > max_gap:
            chunk_end = EPOCH + ((at - EPOCH) // RAW.chunk + 1) * RAW.chunk
            runs.append([])
        runs[-1].append(row)
        before = at
    return runs
