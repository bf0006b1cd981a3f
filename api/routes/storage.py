"""GET /api/admin/storage: sizes, freshness, jobs and waiting work, for employees. It changes nothing."""

from datetime import datetime

from fastapi import APIRouter, Request

from api.auth import CurrentEmployee
from api.schemas.storage import (
    GrowthDay,
    LastAlertPass,
    StorageDatabase,
    StorageJob,
    StorageLevel,
    StorageReport,
    WaitingWork,
)
from api.services import get_services
from db.pools import DatabaseUnavailableError
from health.faults import find_faults
from health.fleet import DatabaseHealth, WorkQueue
from retention.growth import read_days, read_growth
from rollups.jobs import count_late_devices, read_jobs
from rollups.status import LevelStatus

router = APIRouter(prefix="/api/admin", tags=["storage"])


@router.get("/storage")
async def read_storage(request: Request, employee: CurrentEmployee) -> StorageReport:
    """Read the state of the storage, at most 15 seconds old, and its faults."""
    del employee
    services = get_services(request)
    fleet = await services.fleet.read()
    if fleet is None:
        raise DatabaseUnavailableError
    async with services.pool.acquire() as connection:
        jobs = await read_jobs(connection)
        late = await count_late_devices(connection)
        days = await read_days(connection, fleet.at)
        full_in = (await read_growth(connection, fleet.at)).full_in(services.settings.disk_bytes)
    counts = (await services.process.all()).values()
    faults = find_faults(fleet)
    facts = fleet.facts
    return StorageReport(
        as_of=fleet.at, healthy=not faults, faults=faults, worker=[],
        growth=[GrowthDay(day=day, bytes=size) for day, size in days],
        full_at=None if full_in is None else fleet.at + full_in,
        levels=[to_storage_level(level, fleet.at) for level in fleet.levels],
        series_levels=[to_storage_level(level, fleet.at) for level in fleet.series_levels],
        database=to_storage_database(facts.database),
        jobs=[StorageJob(name=job.name, last_run_at=job.last_run_at, last_status=job.last_status,
                         next_run_at=job.next_run_at, runs=job.runs, failures=job.failures) for job in jobs],
        buffered_samples=sum(count.gauges.buffered_samples for count in counts),
        buffered_samples_max=services.settings.max_buffered_samples,
        outboxes={"tickets": to_work(facts.tickets), "notifications": to_work(facts.notifications)},
        alert_pass=LastAlertPass(
            at=facts.alert_pass.at, seconds=facts.alert_pass.seconds, rules=facts.alert_pass.rules
        ),
        late_devices=late,
    )  # fmt: skip


def to_storage_level(status: LevelStatus, now: datetime) -> StorageLevel:
    """Return a level as the model of the API."""
    level, lag, allowed = status.level, status.lag(now), status.allowed_lag
    return StorageLevel(
        name=level.name, bytes=status.bytes, chunks=status.chunks, columnstore_chunks=status.columnstore_chunks,
        chunk_seconds=level.chunk.total_seconds(), oldest_at=status.oldest, newest_at=status.newest,
        kept_seconds=level.keep.total_seconds(),
        next_drop_at=status.oldest + level.chunk + level.keep if status.oldest else None,
        watermark_at=status.watermark,
        lag_seconds=lag.total_seconds() if lag is not None else None,
        allowed_lag_seconds=allowed.total_seconds() if allowed is not None else None,
    )  # fmt: skip


def to_storage_database(database: DatabaseHealth) -> StorageDatabase:
    """Return the state of the database server as the model of the API."""
    return StorageDatabase(
        postgres=str(database.postgres), timescaledb=database.timescaledb, bytes=database.bytes,
        connections=database.connections, connections_max=database.connections_max,
        oldest_transaction_at=database.oldest_transaction_at, freeze_age=database.freeze_age,
    )  # fmt: skip


def to_work(outbox: WorkQueue) -> WaitingWork:
    """Return waiting work as the model of the API."""
    return WaitingWork(waiting=outbox.waiting, failing=outbox.failing, due_since=outbox.due_since)
