"""What is stored for one business is in no answer to another's people and agents, whatever they ask for."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.clock import utc_now
from tests.callers import Caller, Town
from tests.canary import Canary, make_canary
from tests.people import Tenant
from tests.routes import WHO, Document, calls_of, parameters_of

NOW = utc_now()
# What each parameter of a query is tried with, beside what is made from the canary's ids and its pages.
VALUES: dict[str, list[Any]] = {
    "limit": [1, 1000], "before": [2**62], "version": ["1"], "clone_suspected": [True, False],
    "status": ["online,warning,offline,error,disabled", "pending,sent,executing,completed,failed",
               "active,acknowledged,resolved,auto_resolved"],
    "severity": ["info,warning,critical"], "is_active": [True, False],
    "awaits_approval": [True], "software_type": ["application"], "eol": [True, False], "security": [True, False],
    "at": [NOW.isoformat()], "since": ["2020-01-01T00:00:00Z"], "until": [(NOW + timedelta(days=1)).isoformat()],
    "start": [(NOW - timedelta(days=1)).isoformat()], "end": [NOW.isoformat()],
    "metric": ["disk.percent", "cpu_percent"],
    "interval": ["raw", "5m"], "max_points": [100], "aggregates": ["avg,min,max"], "format": ["columns", "csv"],
    "snoozed": [True, False], "state": ["open", "spent", "waiting", "confirmed"], "page": ["agents", "alerts"],
    "os_type": ["windows,linux,macos"], "device_type": ["server,vm"], "sort": ["name"],
    "action": ["enrolled"], "actor_id": ["11111111-1111-4111-8111-111111111111"],
    "changed_since": ["2020-01-01T00:00:00Z"], "time_zone": ["Asia/Kathmandu"],
}  # fmt: skip
MARKED = {"search", "event_type", "version", "instance"}
NARROWING = ("business_id", "service_location_id", "agent_id", "batch_id", "search")
# Answers without a text of a business; every other one must show the marker to whom it belongs.
WITHOUT_TEXT = {
    "GET /api/views", "GET /api/health", "GET /api/health/live", "GET /api/health/ready",
    "GET /api/agents/software-eol",
    "GET /api/agents/{agent_id}/metrics/history", "GET /api/agents/metrics/catalog", "GET /api/agents/commands/catalog",
    "GET /api/admin/storage", "GET /api/admin/retention", "GET /api/admin/retention/changes",
    "GET /api/admin/erasures",
    "GET /api/session/demo", "GET /api/businesses/{business_id}/time-zone",
}  # fmt: skip
ONE_PAGE = {"GET /api/businesses"}  # a user sees one business
GETS = [key for key in WHO if key.startswith("GET ")]


@pytest.fixture(scope="module")
async def canary(town: Town) -> Canary:
    return await make_canary(town)


@pytest.fixture(scope="module")
async def alices(town: Town, alice: Tenant) -> dict[str, Any]:
    """The ids of Alice's own things."""
    own = await town.target(alice)
    return own.ids(at_the_agent=False) | {"service_location_id": alice.location_id}


@pytest.fixture(scope="module")
async def strangers(town: Town, alice: Tenant, charlie: Tenant) -> list[Caller]:
    agent = (await town.target(alice)).device
    return [
        Caller("Alice's user", alice.user_token, "user"),
        Caller("Charlie's user", charlie.user_token, "user"),
        Caller("an agent of Alice's", agent.token, "agent", agent.agent_id),
    ]


def values_of(name: str, canary: Canary, cursors: dict[str, list[Any]]) -> list[Any]:
    """Return what a parameter is tried with; one that isn't known here fails."""
    values = [canary.marker] if name in MARKED else []
    values += [str(canary.ids[name])] if name in canary.ids else []
    values += cursors.get(name, []) + VALUES.get(name, [])
    assert values or name == "cursor", f"what shall {name} be tried with?"
    return values


def queries_of(document: Document, key: str, canary: Canary, cursors: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Return the questions of a call: bare, with each parameter, and with all that narrow it to the canary."""
    parameters = parameters_of(calls_of(document)[key], "query")
    every = {name: values_of(name, canary, cursors) for name in parameters}
    least = {name: every[name][0] for name, parameter in parameters.items() if parameter["required"]}
    yield least
    yield least | {name: every[name][0] for name in NARROWING if name in every}
    for name, values in every.items():
        yield from (least | {name: value} for value in values)


def urls_of(document: Document, key: str, *owners: dict[str, Any]) -> Iterator[str]:
    """Return the paths of a call, filled with every mixture of the owners' ids."""
    path = key.split(" ")[1]
    names = list(parameters_of(calls_of(document)[key], "path"))
    for ids in product(*([owner[name] for owner in owners] for name in names)):
        yield path.format_map(dict(zip(names, ids, strict=True)))


async def cursors_of(
    client: httpx.AsyncClient, url: str, least: dict[str, Any], canary: Canary
) -> dict[str, list[Any]]:
    """Return where the canary's own next page begins, by the parameter that says so."""
    answer = await client.get(url, params=least | {"limit": 1}, headers=canary.tenant.headers)
    page = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
    cursors = {"cursor": page.get("next_cursor"), "before": page.get("next_before")}
    return {name: [value] for name, value in cursors.items() if value is not None}


@pytest.mark.parametrize("key", GETS)
async def test_a_businesss_texts_and_ids_are_in_no_answer_to_another(
    document: Document,
    client: httpx.AsyncClient,
    canary: Canary,
    alices: dict[str, Any],
    strangers: list[Caller],
    key: str,
) -> None:
    (own, *_) = urls_of(document, key, canary.ids)
    (least, *_) = queries_of(document, key, canary, {})
    cursors = await cursors_of(client, own, least, canary)
    if WHO[key] == "person" and key not in ONE_PAGE and "cursor" in parameters_of(calls_of(document)[key], "query"):
        assert cursors, "the canary has no second page"
    for caller in strangers:
        mine = alices | ({"agent_id": caller.at} if caller.at else {})
        for url in urls_of(document, key, canary.ids, mine):
            for query in queries_of(document, key, canary, cursors):
                response = await client.get(url, params=query, headers=caller.headers)
                assert response.status_code < 500, (caller.name, url, query, response.text)
                assert canary.found_in(response.text) == [], (caller.name, url, query, response.text)


@pytest.mark.parametrize("key", [key for key in GETS if key not in WITHOUT_TEXT])
async def test_to_its_owner_every_answer_shows_the_marker(
    document: Document, client: httpx.AsyncClient, canary: Canary, town: Town, key: str
) -> None:
    """So that the test above can fail."""
    tokens = {"person": canary.tenant.user_token, "agent": canary.device.token, "employee": town.employee.token}
    headers = {"Authorization": f"Bearer {tokens[WHO[key]]}"}
    (url,) = urls_of(document, key, canary.ids)
    answers = []
    for query in list(queries_of(document, key, canary, {}))[:2]:  # bare, where it may be on a later page, and narrowed
        response = await client.get(url, params=query, headers=headers)
        assert response.status_code == 200, response.text
        answers.append(response.text)
    assert any(canary.marker in answer for answer in answers)


async def test_the_canary_has_ids_of_every_kind(canary: Canary) -> None:
    assert len(canary.secrets) > 30
    assert all(UUID(secret) for secret in canary.secrets if secret != canary.marker)
