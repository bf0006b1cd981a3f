"""A hold, a change of retention or a level that fails, fails alone, shows why, and is tried again."""

from datetime import timedelta

import asyncpg
import pytest

from core.clock import utc_now
from db.hypertables.policies import DAY
from retention.changes import apply_due, list_changes, undo_change
from retention.holds import HoldRequest, drop_unheld, end_holds, list_holds, place_hold
from rollups.refresh import refresh_level
from tests.databases import REAL_SERVER
from tests.retention.conftest import OPERATOR, store_days
from tests.retention.test_changes import applied, document
from tests.retention.test_holds import ages, make_devices, store_old
from tests.worker.test_poison import refusing

HOUR = timedelta(hours=1)


async def test_a_hold_that_cant_be_released_stops_no_other(connection: asyncpg.Connection) -> None:
    _, first, second = await make_devices(connection)
    now = utc_now()
    holds = [
        await place_hold(connection, HoldRequest("device", device, "litigation", now + HOUR), OPERATOR, now)
        for device in (first, second)
    ]
    async with refusing(connection, "agent_legal_holds", "id", holds[0], "UPDATE"):
        await end_holds(connection, now + 2 * HOUR, OPERATOR)
    listed = {row["id"]: row for row in await list_holds(connection)}
    assert [listed[hold]["released_at"] is None for hold in holds] == [True, False]
    assert "refuses this row" in listed[holds[0]]["error_message"]
    assert listed[holds[1]]["error_message"] is None

    await end_holds(connection, now + 3 * HOUR, OPERATOR)
    assert [row["error_message"] for row in await list_holds(connection) if row["released_at"]] == [None, None]


@pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")
async def test_a_level_whose_chunks_are_in_use_stops_no_other(
    connection: asyncpg.Connection, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retention.holds.DROP_SECONDS", 2.0)
    _, held, other = await make_devices(connection)
    await store_old(connection, other, 110)
    await store_old(connection, held, 5)
    now = utc_now()
    await refresh_level(connection, "agent_metrics_5m", now - 111 * DAY, now - 109 * DAY)
    assert await connection.fetchval("SELECT count(*) FROM agent_metrics_5m") > 0
    await place_hold(connection, HoldRequest("device", held, "litigation"), OPERATOR, now)
    reader = await asyncpg.connect(own_url)
    try:
        async with reader.transaction():
            await reader.fetch("SELECT FROM agent_metrics")
            await drop_unheld(connection, now)
            assert await ages(connection) == [110, 5]
            count = "SELECT count(*) FROM agent_metrics_5m WHERE bucket < $1"
            assert await connection.fetchval(count, now - 9 * DAY) == 0
    finally:
        await reader.close()
    await connection.execute("UPDATE agent_isolated_faults SET retry_at = $1", now)  # it is due again
    await drop_unheld(connection, utc_now())
    assert await ages(connection) == [5]


async def test_a_change_that_fails_waits_on_with_its_reason_and_is_tried_again(connection: asyncpg.Connection) -> None:
    await store_days(connection, first=3)
    number = await applied(connection, await document(connection, raw=20))
    later = utc_now() + 25 * HOUR
    async with refusing(connection, "agent_storage_levels", "level", "raw", "UPDATE"):
        assert await apply_due(connection, later) is None
    (change,) = await list_changes(connection)
    assert (change["state"], change["applied_at"]) == ("waiting", None)
    assert "refuses this row" in change["error_message"]

    assert await apply_due(connection, later) == number
    (change,) = await list_changes(connection)
    assert (change["state"], change["error_message"]) == ("applied", None)


async def test_a_change_that_fails_can_be_undone(connection: asyncpg.Connection) -> None:
    await store_days(connection, first=3)
    number = await applied(connection, await document(connection, raw=20))
    async with refusing(connection, "agent_storage_levels", "level", "raw", "UPDATE"):
        await apply_due(connection, utc_now() + 25 * HOUR)
        await undo_change(connection, number, OPERATOR, utc_now())
    assert await apply_due(connection, utc_now() + 25 * HOUR) is None
    assert await connection.fetch("SELECT FROM agent_isolated_faults WHERE task = 'retention changes'") == []
