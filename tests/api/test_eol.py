"""End-of-life rules: who writes them, which one counts, and that the inventory's marks follow."""

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from agents import eol
from agents.eol import apply_rules, reach_ends
from agents.tokens import Tokens
from api.cursors import make_cursor
from db.clock import utc_now
from db.pools import SERVER_SETTINGS
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import LIFETIME, Employee, Tenant
from tests.software import DAY, MAY, answer, installed, listed, software
from worker.duties import make_duties

RULES = "/api/agents/software-eol"
PAST, FUTURE = "2020-01-01", "2190-01-01"
Mark = tuple[bool, str | None, str | None]


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the worker has it."""
    made = await asyncpg.connect(database, server_settings=SERVER_SETTINGS)
    yield made
    await made.close()


@pytest.fixture
def name() -> str:
    """A name that no other test's rules fit."""
    return f"tool-{uuid4().hex}"


class Rules:
    """The calls of an employee."""

    def __init__(self, client: httpx.AsyncClient, employee: Employee) -> None:
        self.client, self.headers = client, employee.headers

    async def create(self, name: str, prefix: str = "", eol_date: str = PAST, **more: Any) -> dict[str, Any]:
        body = {"software_name": name, "version_prefix": prefix, "eol_date": eol_date, **more}
        response = await self.client.post(RULES, json=body, headers=self.headers)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def change(self, rule: dict[str, Any], **changes: Any) -> httpx.Response:
        return await self.client.patch(f"{RULES}/{rule['id']}", json=changes, headers=self.headers)

    async def delete(self, rule: dict[str, Any]) -> httpx.Response:
        return await self.client.delete(f"{RULES}/{rule['id']}", headers=self.headers)

    async def read(self, **query: Any) -> list[dict[str, Any]]:
        response = await self.client.get(RULES, params=query, headers=self.headers)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["rules"]
        return found


@pytest.fixture
def rules(client: httpx.AsyncClient, employee: Employee) -> Rules:
    return Rules(client, employee)


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def marks(device: Device, **query: Any) -> dict[str | None, Mark]:
    """Version → is_eol, eol_date, latest_available_version, as people read it."""
    found = (await answer(device, **query))["software"]
    return {one["software_version"]: (one["is_eol"], one["eol_date"], one["latest_available_version"]) for one in found}


async def stored(pool: asyncpg.Pool, device: Device) -> dict[str | None, tuple[Any, ...]]:
    """Version → is_eol, eol_date and rule, as the table has it."""
    rows = await pool.fetch(
        "SELECT software_version, is_eol, eol_date, eol_rule_id FROM agent_software_inventory "
        "WHERE agent_device_id = $1",
        device.agent_id,
    )
    return {row["software_version"]: tuple(row)[1:] for row in rows}


async def trail(pool: asyncpg.Pool, rule: dict[str, Any]) -> list[tuple[str, UUID, Any]]:
    rows = await pool.fetch(
        "SELECT action, actor_id, details ->> 'software_name' AS name FROM agent_audit "
        "WHERE details ->> 'eol_id' = $1 ORDER BY id",
        rule["id"],
    )
    return [(row["action"], row["actor_id"], row["name"]) for row in rows]


# Which rule counts


@pytest.mark.parametrize(
    ("pattern", "named", "fits"),
    [
        ("Python", "python", True), ("python", "PYTHON", True), ("python", "python 3", False),
        ("python*", "Python 3.8 (64-bit)", True), ("python*", "Python", True), ("python*", "IronPython", False),
        ("*python", "IronPython", True), ("*sql*server*", "Microsoft SQL Server 2012", True),
        ("*sql*server*", "server sql", False), ("100%", "100%", True), ("100%", "100 percent", False),
        ("a_b", "a_b", True), ("a_b", "axb", False), ("a\\b", "a\\b", True), ("a\\b", "ab", False),
        ("x*", "x", True), ("a long name of more than 16*", "A long name of more than 16 letters", True),
    ],
)  # fmt: skip
async def test_a_name_fits_by_its_stars_and_nothing_else(
    device: Device, rules: Rules, pattern: str, named: str, fits: bool
) -> None:
    rule = await rules.create(pattern, "9.7.13")
    await listed(device, software(named, "9.7.13"))
    assert (await marks(device))["9.7.13"][0] is fits
    await rules.delete(rule)


async def test_a_version_fits_by_whole_parts(device: Device, rules: Rules, name: str) -> None:
    await rules.create(name, "3.7")
    versions = {
        "3.7": True, "3.7.9": True, "3.7-2ubuntu1": True, "3.7 (64-bit)": True, "3.7+b": True, "3.70": False,
        "3.7a1": False, "3": False, "13.7": False, "3.8": False, None: False,
    }  # fmt: skip
    await listed(device, *(software(name, version) for version in versions))
    assert {version: mark[0] for version, mark in (await marks(device)).items()} == versions


@pytest.mark.parametrize("prefix", ["3.7.", "3.7.*", " 3.7 ", "3.7*"])
async def test_a_version_prefix_may_be_written_with_a_star(
    device: Device, rules: Rules, name: str, prefix: str
) -> None:
    assert (await rules.create(name, prefix))["version_prefix"] == "3.7"
    await listed(device, software(name, "3.7.1"), software(name, "3.70"))
    assert {version: mark[0] for version, mark in (await marks(device)).items()} == {"3.7.1": True, "3.70": False}


async def test_the_most_specific_rule_counts(device: Device, rules: Rules, name: str) -> None:
    await rules.create(f"{name}*", eol_date="2021-01-01")
    await rules.create(f"{name}*", "3", eol_date="2022-01-01")
    await rules.create(f"{name}", "3", eol_date="2023-01-01")
    await rules.create(f"{name} pro*", "3", eol_date="2024-01-01")
    await rules.create(f"{name}*", "3.7", eol_date="2025-01-01")
    await listed(
        device, software(name, "2"), software(name, "3.1"), software(f"{name} pro", "3.2"), software(name, "3.7.1"),
        software(f"{name} lite", "3.3"), software(f"{name} pro", "3.7.2"),
    )  # fmt: skip
    assert {version: mark[1] for version, mark in (await marks(device)).items()} == {
        "2": "2021-01-01", "3.1": "2023-01-01", "3.2": "2024-01-01", "3.7.1": "2025-01-01", "3.3": "2022-01-01",
        "3.7.2": "2025-01-01",
    }  # fmt: skip


async def test_new_inventory_is_marked_when_it_comes_in(
    device: Device, rules: Rules, name: str, pool: asyncpg.Pool
) -> None:
    past = await rules.create(name, "1", latest_available_version="2.5")
    future = await rules.create(name, "2", FUTURE)
    entries = software(name, "1.1"), software(name, "1.2", latest_available_version="2.9"), software(name, "2.0")
    await listed(device, *entries, software(name, "3"))
    assert await marks(device) == {
        "1.1": (True, PAST, "2.5"), "1.2": (True, PAST, "2.9"), "2.0": (False, FUTURE, None), "3": (False, None, None),
    }  # fmt: skip
    assert await stored(pool, device) == {
        "1.1": (True, date(2020, 1, 1), UUID(past["id"])), "1.2": (True, date(2020, 1, 1), UUID(past["id"])),
        "2.0": (False, date(2190, 1, 1), UUID(future["id"])), "3": (None, None, None),
    }  # fmt: skip
    assert sorted(await installed(device, eol="true")) == [(name, "1.1"), (name, "1.2")]
    assert sorted(await installed(device, eol="false")) == [(name, "2.0"), (name, "3")]


async def test_what_the_agent_stops_knowing_is_as_the_rule_says_again(device: Device, rules: Rules, name: str) -> None:
    await rules.create(name, latest_available_version="5")
    await listed(device, software(name, latest_available_version="6"), at=MAY)
    assert (await marks(device))["1.0"] == (True, PAST, "6")
    await listed(device, software(name), at=MAY + DAY)
    assert (await marks(device))["1.0"] == (True, PAST, "5")


# Marks follow


async def test_marks_follow_a_rule_through_its_life(
    make_device: MakeDevice, rules: Rules, name: str, connection: asyncpg.Connection, pool: asyncpg.Pool, bob: Tenant
) -> None:
    devices = [await make_device(), await make_device(bob)]
    for device in devices:
        await listed(device, software(name, "1.1"), software(name, "2.1"))
    unmarked: Mark = (False, None, None)

    async def all_are(first: Mark, second: Mark) -> None:
        await apply_rules(connection, utc_now())
        for device in devices:
            assert await marks(device) == {"1.1": first, "2.1": second}

    await all_are(unmarked, unmarked)
    rule = await rules.create(name, "1", latest_available_version="9")
    assert rule["applied_at"] is None
    await all_are((True, PAST, "9"), unmarked)
    (shown,) = await rules.read(search=name)
    assert shown["applied_at"] is not None
    assert (await rules.change(rule, eol_date=FUTURE, latest_available_version=None)).status_code == 200
    await all_are((False, FUTURE, None), unmarked)
    assert (await rules.change(rule, version_prefix="2")).status_code == 200
    await all_are(unmarked, (False, FUTURE, None))
    assert (await rules.change(rule, software_name=f"other {name}")).status_code == 200
    await all_are(unmarked, unmarked)
    assert (await rules.change(rule, software_name=name)).status_code == 200
    await all_are(unmarked, (False, FUTURE, None))
    assert (await rules.delete(rule)).status_code == 204
    assert await rules.read(search=name) == []
    await all_are(unmarked, unmarked)
    assert await pool.fetchval("SELECT count(*) FROM agent_software_eol WHERE id = $1", UUID(rule["id"])) == 0
    assert set((await stored(pool, devices[0])).values()) == {(None, None, None)}


async def test_a_deleted_rule_leaves_its_software_to_the_next(
    device: Device, rules: Rules, name: str, connection: asyncpg.Connection
) -> None:
    await rules.create(f"{name}*", eol_date="2021-01-01")
    rule = await rules.create(name, "1")
    await listed(device, software(name, "1"))
    assert (await marks(device))["1"][1] == PAST
    await rules.delete(rule)
    await listed(device, software(name, "1"), software(name, "1.5"))
    assert (await marks(device))["1.5"][1] == "2021-01-01"
    await apply_rules(connection, utc_now())
    assert (await marks(device))["1"][1] == "2021-01-01"
    again = await rules.create(name, "1", FUTURE)
    await apply_rules(connection, utc_now())
    assert again["id"] != rule["id"]
    assert (await marks(device))["1"][1] == FUTURE


async def test_what_was_removed_is_marked_too(
    device: Device, rules: Rules, name: str, connection: asyncpg.Connection
) -> None:
    await listed(device, software(name, "1"), at=MAY)
    await listed(device, at=MAY + DAY)
    await rules.create(name, eol_date="2026-05-02")
    await apply_rules(connection, utc_now())
    assert await marks(device, at=(MAY + DAY / 2).isoformat()) == {"1": (False, "2026-05-02", None)}
    await listed(device, software(name, "1"), at=MAY + 2 * DAY)
    assert await marks(device, at=(MAY + 2 * DAY).isoformat()) == {"1": (True, "2026-05-02", None)}


async def test_many_rows_are_marked_in_batches_over_several_passes(
    make_device: MakeDevice, rules: Rules, name: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await make_device()
    await apply_rules(connection, utc_now())
    await listed(device, *(software(name, str(number)) for number in range(25)))
    await rules.create(name)
    monkeypatch.setattr(eol, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(eol, "BATCHES_IN_A_PASS", 3)
    for marked in (12, 24, 25):
        assert (await rules.read(search=name))[0]["applied_at"] is None
        await apply_rules(connection, utc_now())
        assert len(await installed(device, eol="true", limit=1000)) == marked
    assert (await rules.read(search=name))[0]["applied_at"] is not None


async def test_a_rule_changed_while_it_is_applied_is_applied_again(
    device: Device, rules: Rules, name: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply_rules(connection, utc_now())
    await listed(device, software(name, "1"), software(name, "2"))
    rule = await rules.create(name)
    monkeypatch.setattr(eol, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(eol, "BATCHES_IN_A_PASS", 1)
    await apply_rules(connection, utc_now())
    assert (await rules.change(rule, eol_date=FUTURE)).status_code == 200
    monkeypatch.setattr(eol, "BATCHES_IN_A_PASS", 50)
    await apply_rules(connection, utc_now())
    assert {mark[1] for mark in (await marks(device)).values()} == {FUTURE}


async def test_an_end_of_life_comes_with_its_day(
    device: Device, rules: Rules, name: str, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    day = date(2150, 6, 1)
    await rules.create(name, "1", day.isoformat())
    await rules.create(name, "2", (day + timedelta(days=1)).isoformat())
    await listed(device, software(name, "1"), software(name, "2"))
    midnight = utc_now().replace(year=2150, month=6, day=1, hour=0, minute=0, second=0, microsecond=0)
    for now, reached in (
        (midnight - timedelta(seconds=1), (False, False)), (midnight, (True, False)), (midnight + DAY, (True, True))
    ):  # fmt: skip
        await reach_ends(connection, now)
        found = await stored(pool, device)
        assert (found["1"][0], found["2"][0]) == reached


def test_the_worker_has_both_duties(rules: Rules, pool: asyncpg.Pool, settings: Any) -> None:
    duties = {duty.do: duty for duty in make_duties(settings)}
    assert duties[apply_rules].every == timedelta()
    assert duties[reach_ends].every <= DAY
    assert not duties[apply_rules].without_scheduler
    assert not duties[reach_ends].without_scheduler


# Rules


async def test_an_employee_makes_changes_reads_and_deletes_a_rule(
    rules: Rules, name: str, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = await rules.create(f" {name} ", "3.7", note="see the vendor's page", latest_available_version=" ")
    assert (made["software_name"], made["latest_available_version"]) == (name, None)
    assert made["created_by"] == made["updated_by"] == str(employee.employee_id)
    assert await rules.read(search=name[3:-2].upper()) == [made]
    response = await rules.change(made, note=None, eol_date=FUTURE)
    changed = response.json()
    assert (changed["note"], changed["eol_date"], changed["version_prefix"]) == (None, FUTURE, "3.7")
    assert changed["updated_at"] > made["updated_at"]
    assert (await rules.delete(made)).status_code == 204
    assert await rules.read(search=name) == []
    assert [(action, actor) for action, actor, _ in await trail(pool, made)] == [
        (f"eol_rule_{what}", employee.employee_id) for what in ("created", "changed", "deleted")
    ]
    details = await pool.fetchval(
        "SELECT details FROM agent_audit WHERE action = 'eol_rule_changed' AND details ->> 'eol_id' = $1", made["id"]
    )
    assert '"note": "see the vendor\'s page"' in details
    assert f'"eol_date": "{PAST}"' in details


async def test_one_name_and_prefix_has_one_rule(rules: Rules, name: str, client: httpx.AsyncClient) -> None:
    await rules.create(name, "1")
    other = await rules.create(name, "2")
    body = {"software_name": name.upper(), "version_prefix": "1", "eol_date": PAST}
    assert error_of(await client.post(RULES, json=body, headers=rules.headers)) == (409, "eol_rule_exists")
    assert error_of(await rules.change(other, version_prefix="1")) == (409, "eol_rule_exists")


async def test_a_rule_that_isnt_there_is_a_404(rules: Rules, name: str) -> None:
    rule = await rules.create(name)
    await rules.delete(rule)
    for gone in (rule, {"id": str(uuid4())}):
        assert error_of(await rules.change(gone, note="x")) == (404, "eol_rule_not_found")
        assert error_of(await rules.delete(gone)) == (404, "eol_rule_not_found")


async def test_only_employees_have_rules(rules: Rules, name: str, device: Device) -> None:
    rule = await rules.create(name)
    body = {"software_name": name, "eol_date": PAST}
    for headers, refused in (
        (device.tenant.headers, (403, "employees_only")), (device.headers, (401, "invalid_token")),
        ({}, (401, "unauthorized")),
    ):  # fmt: skip
        for method, url in (
            ("GET", RULES), ("POST", RULES), ("PATCH", f"{RULES}/{rule['id']}"), ("DELETE", f"{RULES}/{rule['id']}")
        ):  # fmt: skip
            sent = body if method in ("POST", "PATCH") else None
            assert error_of(await device.client.request(method, url, json=sent, headers=headers)) == refused
    assert len(await rules.read(search=name)) == 1


async def test_an_employee_unknown_to_the_platform_changes_nothing(
    rules: Rules, name: str, tokens: Tokens, client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    stranger = uuid4()
    claims = {"sub": str(stranger), "employee_id": str(stranger)}
    rule = await rules.create(name)
    token = tokens.issue_person(claims, utc_now(), LIFETIME)
    unknown = Rules(client, Employee(stranger, token))
    refused = (403, "unknown_employee")
    body = {"software_name": f"{name} 2", "eol_date": PAST}
    assert error_of(await client.post(RULES, json=body, headers=unknown.headers)) == refused
    assert error_of(await unknown.change(rule, note="x")) == refused
    assert error_of(await unknown.delete(rule)) == refused
    assert await rules.read(search=name) == [rule]
    assert [action for action, _, _ in await trail(pool, rule)] == ["eol_rule_created"]


async def test_paging_gives_every_rule_once(rules: Rules, client: httpx.AsyncClient, name: str) -> None:
    for suffix in ("b", "B2", "a", "C"):
        for prefix in ("", "10", "9"):
            await rules.create(f"{name} {suffix}", prefix)
    everything = await rules.read(search=name)
    assert len(everything) == 12
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"search": name, "limit": 5}
    while True:
        page = (await client.get(RULES, params=query, headers=rules.headers)).json()
        found += page["rules"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == everything
    assert await rules.read(search=f"{name}%") == []


@pytest.mark.parametrize(
    "body",
    [
        {"software_name": "*"}, {"software_name": " ** * "}, {"software_name": ""}, {"software_name": "a\0"},
        {"software_name": "\ud800"}, {"software_name": "x" * 513}, {"software_name": None}, {"version_prefix": "\0"},
        {"version_prefix": "x" * 256}, {"version_prefix": None}, {"eol_date": "2026-02-30"}, {"eol_date": "soon"},
        {"eol_date": "1969-12-31"}, {"eol_date": "9999-12-31"}, {"eol_date": None}, {"note": "x" * 1001},
        {"note": "\0"}, {"latest_available_version": "x" * 256},
    ],
)  # fmt: skip
async def test_a_rule_that_doesnt_fit_is_refused(rules: Rules, name: str, body: dict[str, Any]) -> None:
    rule = await rules.create(name)
    whole = {"software_name": f"{name} 2", "version_prefix": "", "eol_date": PAST} | body
    headers = rules.headers | {"Content-Type": "application/json"}
    for method, url, sent in (("POST", RULES, whole), ("PATCH", f"{RULES}/{rule['id']}", body)):
        response = await rules.client.request(method, url, content=json.dumps(sent).encode(), headers=headers)
        assert error_of(response) == (422, "invalid_request")
    assert await rules.read(search=name) == [rule]


async def test_an_empty_change_or_an_odd_cursor_is_refused(rules: Rules, name: str) -> None:
    rule = await rules.create(name)
    assert error_of(await rules.change(rule)) == (422, "invalid_request")
    for cursor in ("nonsense", make_cursor("a"), make_cursor("a\0", "b")):
        response = await rules.client.get(RULES, params={"cursor": cursor}, headers=rules.headers)
        assert error_of(response) == (422, "invalid_cursor")


async def test_among_many_rules_those_for_a_name_are_found_by_index(
    connection: asyncpg.Connection, employee: Employee
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "INSERT INTO agent_software_eol (software_name, eol_date, created_by, updated_by, created_at, updated_at) "
        "SELECT 'product ' || n || '*', '2020-01-01', $1, $1, now(), now() FROM generate_series(1, 100) n",
        employee.employee_id,
    )
    await connection.execute("ANALYZE agent_software_eol")
    names = "SELECT * FROM unnest($1::text[]) n LEFT JOIN LATERAL agent_software_rule(n, '1') r ON true"
    lines = await connection.fetch(f"EXPLAIN {names}", ["a", "b"])
    plan = "\n".join(line[0] for line in lines)
    assert "Index Scan using agent_software_eol_by_start" in plan, plan
    await transaction.rollback()
