"""What is stored for one business is in no answer to another's people and agents, whatever they ask for."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.clock import utc_now
from tests.callers import Caller, CallerFactory
from tests.marked_business import MarkedBusiness, make_marked_business
from tests.people import Tenant
from tests.routes import WHO, Document, calls_of, parameters_of

NOW = utc_now()
# What each parameter of a query is tried with, beside what is made from the ids and pages of the marked business.
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
async def marked(factory: CallerFactory) -> MarkedBusiness:
    return await make_marked_business(factory)


@pytest.fixture(scope="module")
async def alices(factory: CallerFactory, alice: Tenant) -> dict[str, Any]:
    """The ids of Alice's own things."""
    own = await factory.target(alice)
    return own.ids(at_the_agent=False) | {"service_location_id": alice.location_id}


@pytest.fixture(scope="module")
async def strangers(factory: CallerFactory, alice: Tenant, charlie: Tenant) -> list[Caller]:
    agent = (await factory.target(alice)).device
    return [
        Caller("Alice's user", alice.user_token, "user"),
        Caller("Charlie's user", charlie.user_token, "user"),
        Caller("an agent of Alice's", agent.token, "agent", agent.agent_id),
    ]


def values_of(name: str, marked: MarkedBusiness, cursors: dict[str, list[Any]]) -> list[Any]:
    """Return what a parameter is tried with; one that isn't known here fails."""
    values = [marked.marker] if name in MARKED else []
    values += [str(marked.ids[name])] if name in marked.ids else []
    values += cursors.get(name, []) + VALUES.get(name, [])
    assert values or name == "cursor", f"what shall {name} be tried with?"
    return values


def queries_of(
    document: Document, key: str, marked: MarkedBusiness, cursors: dict[str, list[Any]]
) -> Iterator[dict[str, Any]]:
    """Return the queries of a call: bare, with each parameter, and with all that restrict it to the business."""
    parameters = parameters_of(calls_of(document)[key], "query")
    every = {name: values_of(name, marked, cursors) for name in parameters}
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
    client: httpx.AsyncClient, url: str, least: dict[str, Any], marked: MarkedBusiness
) -> dict[str, list[Any]]:
    """Return where the next page of the marked business begins, by the parameter that says so."""
    answer = await client.get(url, params=least | {"limit": 1}, headers=marked.tenant.headers)
    page = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
    cursors = {"cursor": page.get("next_cursor"), "before": page.get("next_before")}
    return {name: [value] for name, value in cursors.items() if value is not None}


@pytest.mark.parametrize("key", GETS)
async def test_a_businesss_texts_and_ids_are_in_no_answer_to_another(
    document: Document,
    client: httpx.AsyncClient,
    marked: MarkedBusiness,
    alices: dict[str, Any],
    strangers: list[Caller],
    key: str,
) -> None:
    (own, *_) = urls_of(document, key, marked.ids)
    (least, *_) = queries_of(document, key, marked, {})
    cursors = await cursors_of(client, own, least, marked)
    if WHO[key] == "person" and key not in ONE_PAGE and "cursor" in parameters_of(calls_of(document)[key], "query"):
        assert cursors, "the marked business has no second page"
    for caller in strangers:
        mine = alices | ({"agent_id": caller.at} if caller.at else {})
        for url in urls_of(document, key, marked.ids, mine):
            for query in queries_of(document, key, marked, cursors):
                response = await client.get(url, params=query, headers=caller.headers)
                assert response.status_code < 500, (caller.name, url, query, response.text)
                assert marked.found_in(response.text) == [], (caller.name, url, query, response.text)


@pytest.mark.parametrize("key", [key for key in GETS if key not in WITHOUT_TEXT])
async def test_answers_to_the_owner_show_the_marker(
    document: Document, client: httpx.AsyncClient, marked: MarkedBusiness, factory: CallerFactory, key: str
) -> None:
    """So that the test above can fail."""
    tokens = {"person": marked.tenant.user_token, "agent": marked.device.token, "employee": factory.employee.token}
    headers = {"Authorization": f"Bearer {tokens[WHO[key]]}"}
    (url,) = urls_of(document, key, marked.ids)
    answers = []
    for query in list(queries_of(document, key, marked, {}))[:2]:  # bare, where it may be on a later page, and narrowed
        response = await client.get(url, params=query, headers=headers)
        assert response.status_code == 200, response.text
        answers.append(response.text)
    assert any(marked.marker in answer for answer in answers)


async def test_the_marked_business_has_ids_of_every_kind(marked: MarkedBusiness) -> None:
    assert len(marked.secrets) > 30
    assert all(UUID(secret) for secret in marked.secrets if secret != marked.marker)
