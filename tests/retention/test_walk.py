"""A DBA's walk at the command line: show, what-if, plan, apply, history, undo, and a database marked production."""

import json
import shlex
from pathlib import Path
from typing import cast

import asyncpg
import pytest

from core.clock import utc_now
from db.environment import set_mark
from db.hypertables.policies import DAY
from retention.growth import note_sizes
from tests.databases import as_admin
from tests.retention.conftest import Run, store_days
from tests.retention.walk_in_docs import differences, walk_in_docs


async def test_a_dba_walks_from_show_to_undo_as_the_page_shows_it(
    run: Run, connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_days(connection)
    await note_sizes(connection, utc_now() - 10 * DAY)
    await note_sizes(connection, utc_now())
    monkeypatch.chdir(tmp_path)  # for the file of the plan
    name = cast("str", await connection.fetchval("SELECT current_database()"))
    walked = []
    for words, page in walk_in_docs():
        number = str(await connection.fetchval("SELECT COALESCE(max(id), 0) FROM agent_retention_changes"))
        arguments = {"rts": name, "1": number}
        done = await run(*(arguments.get(word, word) for word in shlex.split(" ".join(words))))
        assert done.exit_code == 0, done.output
        assert differences(page, done.output, name) == [], f"docs/retention.md differs from: {done.output}"
        walked.append(words[1])
    assert walked == ["show", "what-if", "plan", "apply", "history", "undo", "history"]


async def test_a_plan_for_another_database_changes_nothing(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    name = cast("str", await connection.fetchval("SELECT current_database()"))
    planned = await run("retention", "plan", "--raw", "14d", "--large", "--out", str(file))
    assert planned.exit_code == 0, planned.output
    assert json.loads(file.read_text())["database"] == name
    order = ("retention", "apply", str(file), "--reason", "ticket 4711", "--yes", "--database")
    assert (await run(*order, f"{name}2")).exit_code == 1
    assert (await run(*order, name)).exit_code == 0
    number = str(await connection.fetchval("SELECT max(id) FROM agent_retention_changes"))
    assert f"change {number} waits" in (await run("retention", "show")).output


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
