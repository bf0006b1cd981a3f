"""End-of-life rules over HTTP: who writes and reads them, one for each name and prefix, paging, and what is refused."""

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api.fields.cursors import make_cursor
from auth.tokens import Tokens
from core.clock import utc_now
from tests.api.eol_rules import FUTURE, PAST, RULES, Rules, new_name
from tests.calls import error_of
from tests.devices import Device
from tests.people import LIFETIME, Employee


@pytest.fixture
def name() -> str:
    return new_name()


async def trail(pool: asyncpg.Pool, rule: dict[str, Any]) -> list[tuple[str, UUID, Any]]:
    rows = await pool.fetch(
        "SELECT action, actor_id, details ->> 'software_name' AS name FROM agent_audit "
        "WHERE details ->> 'eol_id' = $1 ORDER BY id",
        rule["id"],
    )
    return [(row["action"], row["actor_id"], row["name"]) for row in rows]


async def test_an_employee_makes_changes_reads_and_deletes_a_rule(
    eol_rules: Rules, name: str, employee: Employee, pool: asyncpg.Pool
) -> None:
    rule = await eol_rules.create(f" {name} ", "3.7", note="see the vendor's page", latest_available_version=" ")
    assert (rule["software_name"], rule["latest_available_version"]) == (name, None)
    assert rule["created_by"] == rule["updated_by"] == str(employee.employee_id)
    assert await eol_rules.read(search=name[3:-2].upper()) == [rule]
    response = await eol_rules.change(rule, note=None, eol_date=FUTURE)
    changed = response.json()
    assert (changed["note"], changed["eol_date"], changed["version_prefix"]) == (None, FUTURE, "3.7")
    assert changed["updated_at"] > rule["updated_at"]
    assert (await eol_rules.delete(rule)).status_code == 204
    assert await eol_rules.read(search=name) == []
    assert [(action, actor) for action, actor, _ in await trail(pool, rule)] == [
        (f"eol_rule_{what}", employee.employee_id) for what in ("created", "changed", "deleted")
    ]
    details = await pool.fetchval(
        "SELECT details FROM agent_audit WHERE action = 'eol_rule_changed' AND details ->> 'eol_id' = $1", rule["id"]
    )
    assert '"note": "see the vendor\'s page"' in details
    assert f'"eol_date": "{PAST}"' in details


async def test_one_name_and_prefix_has_one_rule(eol_rules: Rules, name: str, client: httpx.AsyncClient) -> None:
    await eol_rules.create(name, "1")
    other = await eol_rules.create(name, "2")
    body = {"software_name": name.upper(), "version_prefix": "1", "eol_date": PAST}
    assert error_of(await client.post(RULES, json=body, headers=eol_rules.headers)) == (409, "eol_rule_exists")
    assert error_of(await eol_rules.change(other, version_prefix="1")) == (409, "eol_rule_exists")


async def test_a_rule_that_isnt_there_is_a_404(eol_rules: Rules, name: str) -> None:
    rule = await eol_rules.create(name)
    await eol_rules.delete(rule)
    for gone in (rule, {"id": str(uuid4())}):
        assert error_of(await eol_rules.change(gone, note="x")) == (404, "eol_rule_not_found")
        assert error_of(await eol_rules.delete(gone)) == (404, "eol_rule_not_found")


async def test_only_employees_have_rules(eol_rules: Rules, name: str, device: Device) -> None:
    rule = await eol_rules.create(name)
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
    assert len(await eol_rules.read(search=name)) == 1


async def test_an_employee_unknown_to_the_platform_changes_nothing(
    eol_rules: Rules, name: str, tokens: Tokens, client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    stranger = uuid4()
    claims = {"sub": str(stranger), "employee_id": str(stranger)}
    rule = await eol_rules.create(name)
    token = tokens.issue_person(claims, utc_now(), LIFETIME)
    unknown = Rules(client, Employee(stranger, token))
    refused = (403, "unknown_employee")
    body = {"software_name": f"{name} 2", "eol_date": PAST}
    assert error_of(await client.post(RULES, json=body, headers=unknown.headers)) == refused
    assert error_of(await unknown.change(rule, note="x")) == refused
    assert error_of(await unknown.delete(rule)) == refused
    assert await eol_rules.read(search=name) == [rule]
    assert [action for action, _, _ in await trail(pool, rule)] == ["eol_rule_created"]


async def test_paging_gives_every_rule_once(eol_rules: Rules, client: httpx.AsyncClient, name: str) -> None:
    for suffix in ("b", "B2", "a", "C"):
        for prefix in ("", "10", "9"):
            await eol_rules.create(f"{name} {suffix}", prefix)
    everything = await eol_rules.read(search=name)
    assert len(everything) == 12
    rule_list: list[dict[str, Any]] = []
    query: dict[str, Any] = {"search": name, "limit": 5}
    while True:
        page = (await client.get(RULES, params=query, headers=eol_rules.headers)).json()
        rule_list += page["rules"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert rule_list == everything
    assert await eol_rules.read(search=f"{name}%") == []


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
async def test_a_rule_that_doesnt_fit_is_refused(eol_rules: Rules, name: str, body: dict[str, Any]) -> None:
    rule = await eol_rules.create(name)
    whole = {"software_name": f"{name} 2", "version_prefix": "", "eol_date": PAST} | body
    headers = eol_rules.headers | {"Content-Type": "application/json"}
    for method, url, sent in (("POST", RULES, whole), ("PATCH", f"{RULES}/{rule['id']}", body)):
        response = await eol_rules.client.request(method, url, content=json.dumps(sent).encode(), headers=headers)
        assert error_of(response) == (422, "invalid_request")
    assert await eol_rules.read(search=name) == [rule]


async def test_an_empty_change_or_an_odd_cursor_is_refused(eol_rules: Rules, name: str) -> None:
    rule = await eol_rules.create(name)
    assert error_of(await eol_rules.change(rule)) == (422, "invalid_request")
    for cursor in ("nonsense", make_cursor("a"), make_cursor("a\0", "b")):
        response = await eol_rules.client.get(RULES, params={"cursor": cursor}, headers=eol_rules.headers)
        assert error_of(response) == (422, "invalid_cursor")
