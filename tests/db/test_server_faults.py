"""What of the server's settings and jobs is a fault, and that a server is read as it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import psycopg
import pytest
from sqlalchemy.engine import make_url

from core.clock import utc_now
from db.server_check import describe_server
from db.server_faults import JobFault, ServerState, marks_jobs_failed, read_server_state, server_faults
from tests.databases import REAL_SERVER, as_admin

DUE = datetime(2026, 5, 3, 12, tzinfo=UTC)
WELL = ServerState(False, 16, 3, 32, 8, True, 170006, "2.29.2", False, 0.2)
EMBEDDED = ServerState(None, 0, 0, 8, 0, False, 170005, "2.23.0-dev", True, 0.0)


def test_servers_that_are_well_have_no_faults() -> None:
    assert server_faults(WELL) == server_faults(EMBEDDED) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clock_offset_seconds": -10_800.0}, "10800 s behind the database's"),
        ({"clock_offset_seconds": 61.0}, "61 s ahead of the database's"),
        ({"restoring": True}, "SELECT timescaledb_post_restore()"),
        ({"background_workers": 2, "schedulers": 2}, "none is left for jobs; set it to 10"),
        ({"worker_processes": 8}, "max_worker_processes is 8, but background and parallel workers together need 27"),
        ({"sees_sessions": False}, "GRANT pg_read_all_stats"),
        ({"postgres": 170012}, "PostgreSQL 17.12 with TimescaleDB 2.29.2 marks jobs"),
        ({"postgres": 160016, "timescaledb": "2.31.1"}, "PostgreSQL 16.16 with TimescaleDB 2.31.1 marks jobs"),
        (
            {"jobs": [JobFault(1002, "policy_x of y", DUE, True, 7, False)]},
            "job 1002 (policy_x of y) failed, 7",
        ),
        ({"jobs": [JobFault(1002, "policy_x of y", DUE, False, 0, True)]}, "it was due 2026-05-03 12:00 UTC"),
    ],
)
def test_a_fault_says_what_to_do(changes: dict[str, Any], words: str) -> None:
    (fault,) = server_faults(msgspec.structs.replace(WELL, **changes))
    assert words in fault


@pytest.mark.parametrize(
    ("postgres", "timescaledb", "marks"),
    [
        (170012, "2.29.2", True), (170013, "2.30.0", True), (180007, "2.32.0", True), (160016, "2.28.3", True),
        (170011, "2.29.2", False), (180006, "2.32.0", False), (170012, "2.27.3", False), (170012, "2.28.4", False),
        (170012, "2.31.2", False), (170012, "2.32.1", False), (170012, "2.33.0", False), (180007, "3.0", False),
        (190000, "2.29.2", False), (170012, None, False), (170012, "2.32.0-dev", True),
    ],
)  # fmt: skip
def test_pairs_that_mark_jobs_failed_are_found_by_their_versions(
    postgres: int, timescaledb: str | None, marks: bool
) -> None:
    assert marks_jobs_failed(postgres, timescaledb) == marks


def test_a_failed_job_that_the_worker_runs_with_success_is_not_failing() -> None:
    job = JobFault(1002, "refresh of x", DUE, True, 7, False, worked_at=DUE)
    (fault,) = server_faults(msgspec.structs.replace(WELL, jobs=[job]))
    assert "is marked failed, 7 times so far, but works: the worker ran it at 2026-05-03 12:00 UTC" in fault
    assert not job.is_failing


def test_workers_taken_away_on_purpose_are_no_fault() -> None:
    assert not server_faults(msgspec.structs.replace(WELL, background_workers=0, schedulers=0))  # ours runs the jobs


async def test_this_server_is_read_with_the_clock_of_the_caller(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        right = await read_server_state(connection, utc_now())
        wrong = await read_server_state(connection, utc_now() - timedelta(hours=3))
    assert abs(right.clock_offset_seconds) < 30
    assert wrong.clock_offset_seconds == pytest.approx(-10_800, abs=30)
    assert right.embedded != bool(REAL_SERVER)
    assert any("clock" in fault for fault in server_faults(wrong))


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one role")
async def test_a_role_that_sees_no_sessions_does_not_run_the_schedulers_jobs(database: str) -> None:
    with psycopg.connect(as_admin(database), autocommit=True) as owner:
        owner.execute("CREATE ROLE rts_test_blind LOGIN PASSWORD 'blind'")
        try:
            owner.execute("GRANT CONNECT ON DATABASE " + str(make_url(database).database) + " TO rts_test_blind")
            owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO rts_test_blind")
            url = make_url(database).set(username="rts_test_blind", password="blind")
            connection = await asyncpg.connect(url.render_as_string(hide_password=False))
            try:
                assert (await describe_server(connection)).scheduler
                assert not (await read_server_state(connection, utc_now())).sees_sessions
            finally:
                await connection.close()
        finally:
            owner.execute("DROP OWNED BY rts_test_blind")
            owner.execute("DROP ROLE rts_test_blind")
