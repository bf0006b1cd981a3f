"""The audit trail only grows, and its chain of hashes shows every change, loss and row slipped in."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from core.clock import utc_now
from devices.audit_chain import find_breaks, find_lost_head, forget_trail, read_head, seal_trail
from tests.databases import migrated_database

ADD = (
    "INSERT INTO agent_audit (at, actor_kind, action, source, details) "
    "SELECT $1, 'system', 'tried', '192.0.2.7', jsonb_build_object('n', n) FROM generate_series(1, $2::integer) n "
    "RETURNING id"
)
CHANGES = {
    "updated": "UPDATE agent_audit SET action = 'nothing'",
    "updated where nothing fits": "UPDATE agent_audit SET action = 'x' WHERE false",
    "deleted": "DELETE FROM agent_audit",
    "truncated": "TRUNCATE agent_audit",
    "updated by its seals": "UPDATE agent_audit_seals SET hash = hash",
    "deleted by its seals": "DELETE FROM agent_audit_seals",
    "truncated by its seals": "TRUNCATE agent_audit_seals",
}


@pytest.fixture(scope="module")
def trail_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of these tests' own: they change the trail by force."""
    with migrated_database(tmp_path_factory.mktemp("trail")) as url:
        yield url


@pytest.fixture
async def chain(trail_url: str) -> AsyncIterator[asyncpg.Connection]:
    """An empty trail."""
    connection = await asyncpg.connect(trail_url)
    try:
        await by_force(connection, "TRUNCATE agent_audit, agent_audit_seals RESTART IDENTITY")
        yield connection
    finally:
        await connection.close()


async def add(chain: asyncpg.Connection, count: int, at: datetime | None = None) -> list[int]:
    return [row["id"] for row in await chain.fetch(ADD, at or utc_now(), count)]


async def by_force(chain: asyncpg.Connection, statement: str, *values: object) -> None:
    """Run a statement as an owner of the tables who switches the trigger off."""
    for table in ("agent_audit", "agent_audit_seals"):
        await chain.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
    await chain.execute(statement, *values)
    for table in ("agent_audit", "agent_audit_seals"):
        await chain.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_append_only")


async def breaks(chain: asyncpg.Connection, newest: int | None = None) -> list[str]:
    return [sentence async for sentence in find_breaks(chain, newest)]


async def test_rows_are_never_changed_or_deleted(chain: asyncpg.Connection) -> None:
    await add(chain, 3)
    await seal_trail(chain)
    for what, statement in CHANGES.items():
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed or deleted"):
            await chain.execute(statement)
        assert await chain.fetchval("SELECT count(*) FROM agent_audit") == 3, what


async def test_a_trail_that_was_left_alone_is_whole(chain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.audit_chain.SEALED_AT_ONCE", 2)
    monkeypatch.setattr("devices.audit_chain.VERIFIED_AT_ONCE", 2)
    assert (await read_head(chain)).hash is None
    ids = await add(chain, 9)
    assert await seal_trail(chain) == 9
    assert await seal_trail(chain) == 0
    await add(chain, 1)
    head = await read_head(chain)
    assert (head.last_id, head.unsealed) == (ids[-1], 1)
    assert await breaks(chain) == []
    assert await breaks(chain, 2) == []
    await seal_trail(chain)
    assert await breaks(chain) == []


async def test_a_forced_change_is_found_with_its_row(
    chain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.audit_chain.SEALED_AT_ONCE", 4)
    monkeypatch.setattr("devices.audit_chain.VERIFIED_AT_ONCE", 1)
    ids = await add(chain, 8)
    await chain.execute("SELECT setval(pg_get_serial_sequence('agent_audit', 'id'), $1::bigint + 5)", ids[-1])
    await add(chain, 4)
    await seal_trail(chain)
    for column in ("at = at + interval '1 microsecond'", "actor_kind = 'user'", "actor_id = gen_random_uuid()",
                   "source = NULL", "action = 'other'", "agent_device_id = gen_random_uuid()",
                   "command_id = gen_random_uuid()", "details = '{}'"):  # fmt: skip
        await by_force(chain, f"UPDATE agent_audit SET {column} WHERE id = $1", ids[5])
        for newest in (None, 2, 3, 100):
            breaks_found = await breaks(chain, newest)
            assert breaks_found == [f"Audit rows altered since seal 2 was made: {ids[5]} (1)."], (column, newest)
        await by_force(chain, "DELETE FROM agent_audit WHERE id = $1", ids[5])
        await chain.execute(
            "INSERT INTO agent_audit (id, at, actor_kind, action, source, details) OVERRIDING SYSTEM VALUE "
            "SELECT $1, at, actor_kind, action, source, jsonb_build_object('n', 6) FROM agent_audit WHERE id = $2",
            ids[5], ids[4],
        )  # fmt: skip
        assert await breaks(chain) == [], column
    await by_force(chain, "DELETE FROM agent_audit WHERE id = $1", ids[2])
    assert await breaks(chain) == [f"Audit rows missing since seal 1 was made: {ids[2]} (1)."]
    await chain.execute(
        "INSERT INTO agent_audit (id, at, actor_kind, action) OVERRIDING SYSTEM VALUE "
        "VALUES ($1, now(), 'system', 'x')",
        ids[-1] + 3,
    )
    assert f"Audit rows added since seal 3 was made: {ids[-1] + 3} (1)." in await breaks(chain)


async def test_a_seal_made_anew_breaks_the_chain(chain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.audit_chain.SEALED_AT_ONCE", 2)
    ids = await add(chain, 6)
    await seal_trail(chain)
    await by_force(chain, "UPDATE agent_audit SET action = 'other' WHERE id = $1", ids[2])
    await by_force(
        chain, "UPDATE agent_audit_seals s SET digests = ARRAY(SELECT agent_audit_digest(t) FROM agent_audit t "
        "WHERE t.id = ANY (s.ids) ORDER BY t.id) WHERE s.id = 2",
    )  # fmt: skip
    assert await breaks(chain) == ["Seal 2 of the audit trail does not follow from the seal before."]
    assert await breaks(chain, 2) == ["Seal 2 of the audit trail does not follow from the seal before."]


async def test_a_chain_cut_off_or_written_anew_is_found_by_an_earlier_hash(chain: asyncpg.Connection) -> None:
    await add(chain, 4)
    await seal_trail(chain)
    head = await read_head(chain)
    assert head.last_id is not None
    assert head.hash is not None
    assert await find_lost_head(chain, head.last_id, head.hash) is None
    await by_force(chain, "DELETE FROM agent_audit_seals")
    assert "cut off" in str(await find_lost_head(chain, head.last_id, head.hash))
    await by_force(chain, "UPDATE agent_audit SET action = 'other' WHERE id = $1", head.last_id)
    await seal_trail(chain)
    assert await breaks(chain) == []
    assert "written anew" in str(await find_lost_head(chain, head.last_id, head.hash))


async def test_old_rows_are_forgotten_whole_seals_at_once(
    chain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.audit_chain.SEALED_AT_ONCE", 2)
    now = utc_now()
    await add(chain, 5, now - timedelta(days=900))
    young = await add(chain, 4, now - timedelta(days=10))
    await seal_trail(chain)
    assert await forget_trail(chain, now, timedelta(days=730)) == 4  # the fifth shares its seal with a young row
    assert [row["id"] for row in await chain.fetch("SELECT id FROM agent_audit ORDER BY id")][1:-1] == young
    kept = await chain.fetchrow("SELECT action, details ->> 'rows' AS rows FROM agent_audit ORDER BY id DESC LIMIT 1")
    assert kept is not None
    assert tuple(kept) == ("audit_rows_deleted", "4")
    assert await breaks(chain) == []
    await seal_trail(chain)
    assert await breaks(chain) == []
    assert await forget_trail(chain, now, timedelta(days=730)) == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await chain.execute("DELETE FROM agent_audit")


async def test_nothing_younger_than_a_month_is_forgotten(chain: asyncpg.Connection) -> None:
    await add(chain, 2, datetime(2020, 1, 1, tzinfo=UTC))
    await seal_trail(chain)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="30 days"):
        await forget_trail(chain, utc_now(), timedelta(days=29))


UNREADABLE = """CREATE OR REPLACE FUNCTION agent_audit_digest(entry agent_audit) RETURNS bytea
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF entry.action = 'bad' THEN
        RAISE data_corrupted USING MESSAGE = 'missing chunk number 0';
    END IF;
    RETURN sha256(entry.action::bytea);
END $$"""


@pytest.fixture
async def unreadable(chain: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A trail of three rows and one whose digest can't be computed, as that of a row on a damaged page."""
    digest = await chain.fetchval("SELECT pg_get_functiondef('agent_audit_digest'::regproc)")
    await chain.execute(UNREADABLE)
    await add(chain, 1)
    await chain.execute(ADD.replace("'tried'", "'bad'"), utc_now(), 1)
    await add(chain, 2)
    try:
        yield chain
    finally:
        await chain.execute(digest)
        await chain.execute("DELETE FROM agent_isolated_faults")


async def test_a_row_that_cannot_be_read_stops_no_seal(unreadable: asyncpg.Connection) -> None:
    assert await seal_trail(unreadable) == 3
    assert await seal_trail(unreadable) == 0
    await add(unreadable, 5)
    assert await seal_trail(unreadable) == 5
    bad = await unreadable.fetchval("SELECT id FROM agent_audit WHERE action = 'bad'")
    (fault,) = await unreadable.fetch("SELECT item, reason FROM agent_isolated_faults WHERE task = 'audit seals'")
    assert dict(fault) == {"item": f"row:{bad}", "reason": "missing chunk number 0"}
    assert await breaks(unreadable) == [f"Audit rows added since seal 1 was made: {bad} (1)."]


async def test_more_unreadable_rows_than_one_seal_takes_stop_no_seal(
    unreadable: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.audit_chain.SEALED_AT_ONCE", 2)
    await unreadable.execute(ADD.replace("'tried'", "'bad'"), utc_now(), 4)
    assert await seal_trail(unreadable) == 3
    assert await seal_trail(unreadable) == 0  # the newest ones wait for a row after them
    await add(unreadable, 1)
    assert await seal_trail(unreadable) == 1
    assert (await read_head(unreadable)).unsealed == 0


async def test_a_sealed_row_that_cannot_be_read_any_more_stops_no_check(chain: asyncpg.Connection) -> None:
    await add(chain, 1)
    await chain.execute(ADD.replace("'tried'", "'bad'"), utc_now(), 1)
    await seal_trail(chain)
    await add(chain, 1)
    await seal_trail(chain)
    digest = await chain.fetchval("SELECT pg_get_functiondef('agent_audit_digest'::regproc)")
    await chain.execute(UNREADABLE.replace("sha256(entry.action::bytea)", "'other'"))
    try:
        breaks_found = await breaks(chain)
    finally:
        await chain.execute(digest)
    assert breaks_found[0] == "Seal 1 of the audit trail cannot be compared with its rows: missing chunk number 0."
    assert breaks_found[1].startswith("Audit rows altered since seal 2 was made: 3")
    assert await breaks(chain) == []
