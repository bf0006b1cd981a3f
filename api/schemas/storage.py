"""Models of the route of storage. Times in UTC, sizes in bytes."""

from datetime import datetime

from pydantic import BaseModel, Field


class StorageLevel(BaseModel):
    """A level of detail: raw samples, or a rollup of them."""

    name: str = Field(examples=["raw", "5m"])
    bytes: int
    chunks: int
    columnstore_chunks: int
    chunk_seconds: float
    oldest_at: datetime | None
    newest_at: datetime | None = Field(description="time of the newest sample of all devices")
    kept_seconds: float
    next_drop_at: datetime | None = Field(description="when the oldest chunk is old enough to be dropped")
    watermark_at: datetime | None = Field(description="up to where it is rolled up; null for raw samples")
    lag_seconds: float | None
    allowed_lag_seconds: float | None
    rows: int | None = Field(None, description="not counted here: `rts-agents db status` does")
    rows_per_day: float | None = None


class StorageDatabase(BaseModel):
    """The version, size and connections of the database server."""

    postgres: str
    timescaledb: str | None
    bytes: int
    connections: int
    connections_max: int
    oldest_transaction_at: datetime | None
    freeze_age: int = Field(description="transactions since the oldest row was frozen")


class StorageJob(BaseModel):
    """A job of TimescaleDB."""

    name: str
    last_run_at: datetime | None
    last_status: str | None
    last_error: str | None = None
    next_run_at: datetime | None
    runs: int | None
    failures: int | None


class WaitingWork(BaseModel):
    """Work that is stored in an outbox and done later."""

    waiting: int
    failing: int = Field(description="of these, failed at least once")
    due_since: datetime | None


class LastAlertPass(BaseModel):
    """The last evaluation of all alert rules."""

    at: datetime | None
    seconds: float | None
    rules: int | None


class GrowthDay(BaseModel):
    """The size of the database on a day."""

    day: str = Field(examples=["2026-05-03"])
    bytes: int


class DutyRun(BaseModel):
    """The last run of a periodic task of the worker."""

    duty: str
    last_run_at: datetime | None
    last_seconds: float | None


class StorageReport(BaseModel):
    """The state of the storage, as `rts-agents db status` prints it."""

    as_of: datetime
    healthy: bool
    faults: list[str] = Field(description="faults, each as a sentence with the next step")
    levels: list[StorageLevel]
    series_levels: list[StorageLevel] = Field(description="the same of metrics with instances; their lag is not judged")
    growth: list[GrowthDay] = Field(description="of the last year; the worker notes the size of each day")
    full_at: datetime | None = Field(
        description="when the disk is full at this rate; null: never, or RTS_DISK_BYTES is not set"
    )
    database: StorageDatabase
    jobs: list[StorageJob]
    worker: list[DutyRun] = Field(description="empty: the worker reports its runs only in its log")
    buffered_samples: int = Field(description="samples that wait for their COMMIT, of all server processes here")
    buffered_samples_max: int
    outboxes: dict[str, WaitingWork] = Field(description="tickets, notifications")
    alert_pass: LastAlertPass
    late_devices: int = Field(description="devices whose charts read raw samples for late data")
