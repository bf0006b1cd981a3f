"""The storage's numbers of a new installation in one table: chunks, columnstore, retention, refresh; validated.

Retention and the look-back of refreshes can be changed: `values.py` reads the values in force.

The order of these values matters. A refresh that reaches behind dropped source chunks replaces good rollups
with nothing: `find_faults` reports each value that could cause this.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

MINUTE, HOUR, DAY, YEAR = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=365)

# Retention drops whole chunks, and its job may run a day late: a refresh begins at least this much later.
SLACK = DAY
# Older samples are rejected: late data must still be inside every refresh window when the refresh job runs, or it
# would be stored and never charted.
MAX_SAMPLE_AGE = 27 * DAY
# Samples ahead of the server's clock by more than this are refused (the bound that Prometheus uses too).
MAX_SAMPLE_LEAD = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Level:
    """One stored level of detail: the raw hypertable, or a continuous aggregate over `source`."""

    relation: str
    chunk: timedelta  # time range of one chunk
    columnstore_after: timedelta  # age at which a chunk is converted to the columnstore
    keep: timedelta  # age at which a chunk is dropped
    bucket: timedelta | None = None  # width of a bucket; None for raw samples
    source: str | None = None  # the level below
    refresh_from: timedelta | None = None  # a refresh looks back this far …
    refresh_to: timedelta | None = None  # … and ends at this age
    refresh_every: timedelta | None = None

    @property
    def name(self) -> str:
        """`raw`, `5m`, `1h` or `1d`, as in the API."""
        return self.relation.rpartition("_")[2] if self.bucket else "raw"


RAW = Level("agent_metrics", chunk=DAY, columnstore_after=2 * DAY, keep=30 * DAY)

# Each age is counted from now. Ages of refresh: the look-back grows by a bucket or more from level to level, so
# that late data reaches the top level; only changed buckets inside the window are computed again.
LEVELS = (
    RAW,
    # Five minutes: charts of hours and days; alert rules.
    Level(
        "agent_metrics_5m", chunk=7 * DAY, columnstore_after=14 * DAY, keep=90 * DAY, bucket=5 * MINUTE,
        source="agent_metrics", refresh_from=28 * DAY, refresh_to=10 * MINUTE, refresh_every=5 * MINUTE,
    ),
    # Hours: charts of weeks and months.
    Level(
        "agent_metrics_1h", chunk=30 * DAY, columnstore_after=60 * DAY, keep=2 * YEAR, bucket=HOUR,
        source="agent_metrics_5m", refresh_from=29 * DAY, refresh_to=HOUR, refresh_every=30 * MINUTE,
    ),
    # Days: charts of years, capacity planning.
    Level(
        "agent_metrics_1d", chunk=365 * DAY, columnstore_after=2 * YEAR, keep=10 * YEAR, bucket=DAY,
        source="agent_metrics_1h", refresh_from=31 * DAY, refresh_to=DAY, refresh_every=6 * HOUR,
    ),
)  # fmt: skip


# Series (metrics with instances) have the same levels, by the same values.
SERIES_NAMES = ("agent_series_samples", "agent_series_5m", "agent_series_1h", "agent_series_1d")
SERIES_LEVELS = tuple(
    replace(level, relation=name, source=source)
    for level, name, source in zip(LEVELS, SERIES_NAMES, (None, *SERIES_NAMES), strict=False)
)

# Older rows may lie behind what the first rollup has materialised: they are late.
LATE_AFTER = LEVELS[1].refresh_to or timedelta(0)


def refresh_lag(level: Level, levels: tuple[Level, ...] = LEVELS) -> timedelta:
    """Return how long a late sample may take to reach `level`: two turns of every refresh on the way up."""
    way = levels[: levels.index(level) + 1]
    return 2 * sum((below.refresh_every or timedelta(0) for below in way), timedelta(0))


def find_faults(levels: tuple[Level, ...] = LEVELS, max_sample_age: timedelta = MAX_SAMPLE_AGE) -> list[str]:
    """Return a sentence for each value that would lose data or can't work; empty when all is well."""
    faults = [fault for level in levels for fault in _faults_of_one(level)]
    for below, level in pairwise(levels):
        faults += _faults_between(below, level)
    first = next((level for level in levels if level.refresh_from), None)
    if first and first.refresh_from and max_sample_age > first.refresh_from - SLACK:
        faults.append(
            f"samples are accepted until {max_sample_age.days} days old, but {first.relation} looks back only "
            f"{first.refresh_from.days} days: late samples would be stored and never rolled up"
        )
    return faults


def _faults_of_one(level: Level) -> list[str]:
    faults = []
    if not level.chunk <= level.columnstore_after < level.keep:
        faults.append(f"{level.relation}: needs chunk <= columnstore_after < keep")
    if level.bucket and level.refresh_from and level.refresh_to:
        if level.refresh_to < level.bucket:
            faults.append(f"{level.relation}: refresh_to must leave alone at least one bucket, which is still filling")
        if level.refresh_from - level.refresh_to < 2 * level.bucket:
            faults.append(f"{level.relation}: the refresh window must hold at least two buckets")
        if level.chunk % level.bucket:
            faults.append(f"{level.relation}: the chunk must be a multiple of the bucket")
    return faults


def _faults_between(below: Level, level: Level) -> list[str]:
    assert level.bucket is not None
    assert level.refresh_from is not None
    faults = []
    if level.source != below.relation:
        faults.append(f"{level.relation}: its source must be the level below, {below.relation}")
    if level.refresh_from > below.keep - below.chunk - SLACK:
        faults.append(
            f"{level.relation}: refresh looks back {level.refresh_from.days} days, but {below.relation} drops chunks "
            f"of {below.chunk.days} days after {below.keep.days}: the refresh would replace good rollups with "
            f"nothing; refresh_from must be at most keep - chunk - {SLACK.days} day"
        )
    if below.bucket and below.refresh_from and level.refresh_from < below.refresh_from + level.bucket:
        faults.append(f"{level.relation}: must look back at least a bucket further than {below.relation}")
    if below.bucket and level.bucket % below.bucket:
        faults.append(f"{level.relation}: its bucket must be a multiple of that of {below.relation}")
    return faults
