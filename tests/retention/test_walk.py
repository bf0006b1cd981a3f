"""A DBA's walk at the command line: show, what-if, plan, apply, history, undo, and a database marked production."""

import json
from pathlib import Path
from typing import cast

import asyncpg

from core.clock import utc_now
from db.environment import set_mark
from db.hypertables.policies import DAY
from retention.growth import note_sizes
from tests.databases import as_admin
from tests.retention.conftest import Run, store_days


async def test_a_dba_changes_retention_and_undoes_it(run: Run, connection: asyncpg.Connection, tmp_path: Path) -> None:
    await store_days(connection)
    await note_sizes(connection, utc_now() - 10 * DAY)
    await note_sizes(connection, utc_now())
    name = cast("str", await connection.fetchval("SELECT current_database()"))
    shown = await run("retention", "show")
    assert shown.exit_code == 0, shown.output
    assert f"/{name}" in shown.output
    assert "Samples are taken until they are 27 d old" in shown.output

    asked = await run("retention", "what-if", "--raw", "14d", "--5m", "60d", "--large")
    assert asked.exit_code == 0, asked.output
    assert "raw 30 d -> 14 d, 5m 90 d -> 60 d" in asked.output
    assert "agent_metrics " in asked.output

    file = tmp_path / "plan.json"
    planned = await run("retention", "plan", "--raw", "14d", "--large", "--out", str(file))
    assert planned.exit_code == 0, planned.output
    assert json.loads(file.read_text())["database"] == name

    order = ("retention", "apply", str(file), "--reason", "ticket 4711", "--yes", "--database")
    assert (await run(*order, f"{name}2")).exit_code == 1
    done = await run(*order, name)
    assert done.exit_code == 0, done.output
    assert "Change " in done.output
    assert "costs nothing until then" in done.output
    history = await run("retention", "history")
    assert "waiting" in history.output
    assert "ticket 4711" in history.output
    number = str(await connection.fetchval("SELECT max(id) FROM agent_retention_changes"))
    assert f"change {number} waits" in (await run("retention", "show")).output
    undone = await run("retention", "undo", number, "--yes")
    assert undone.exit_code == 0, undone.output
    assert "undone" in (await run("retention", "history")).output


async def test_a_refused_plan_says_why_and_ends_with_status_one(run: Run, connection: asyncpg.Connection) -> None:
    refused = await run("retention", "what-if", "--raw", "3d")
    assert refused.exit_code == 1
    assert "REFUSED: " in refused.output
    assert (await run("retention", "what-if", "--raw", "3h")).exit_code == 1


async def test_a_database_marked_production_wants_its_name(
    run: Run, connection: asyncpg.Connection, own_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    await run("retention", "plan", "--raw", "60d", "--out", str(file))
    name = cast("str", await connection.fetchval("SELECT current_database()"))
    await set_mark(as_admin(own_url), "production")
    try:
        assert (await run("retention", "apply", str(file), "--reason", "x", "--yes")).exit_code == 1
        assert (await run("retention", "apply", str(file), "--reason", "x", "--database", name)).exit_code == 0
    finally:
        await set_mark(as_admin(own_url), None)


async def test_a_question_that_is_not_answered_changes_nothing(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    await run("retention", "plan", "--raw", "60d", "--out", str(file))
    assert (await run("retention", "apply", str(file), "--reason", "x")).exit_code != 0
    assert await connection.fetchval("SELECT count(*) FROM agent_retention_changes") == 0
