"""Which rows go into one transaction.

A rollup's invalidation is one time range per transaction, from its lowest to its highest row, for all devices. So
live rows, which no rollup has seen yet, go together; late rows go in runs without large gaps, so that what is
invalidated is what has really changed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from db.hypertables.policies import LATE_AFTER, RAW
from ingest.upload_work import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where TimescaleDB counts chunks from
MAX_GAP = timedelta(hours=1)  # a longer gap between late rows begins a new run
MOST_RUNS = 40  # in one flush


def split_lanes(rows: Iterable[Row], now: datetime) -> list[list[Row]]:
    """Return groups of rows, each for one transaction: late runs in time order, then the live rows."""
    horizon = now - LATE_AFTER
    live: list[Row] = []
    late: list[Row] = []
    for row in rows:
        (live if row.collected_at > horizon else late).append(row)
    groups = late_runs(late, MAX_GAP)
    if len(groups) > MOST_RUNS:  # sparse samples: a run for each chunk rather than hundreds of transactions
        groups = late_runs(late, RAW.chunk)
    if live:
        groups.append(live)
    return groups


def late_runs(late: list[Row], max_gap: timedelta) -> list[list[Row]]:
    """Cut late rows, in time order, at longer gaps and at chunk boundaries."""
    runs: list[list[Row]] = []
    for row in sorted(late, key=lambda row: row.collected_at):
        if runs and _belongs(runs[-1][-1], row, max_gap):
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _belongs(before: Row, row: Row, max_gap: timedelta) -> bool:
    same_chunk = (before.collected_at - EPOCH) // RAW.chunk == (row.collected_at - EPOCH) // RAW.chunk
    return same_chunk and row.collected_at - before.collected_at <= max_gap
