"""Every call of the API by everyone: who may, gets in; who may not, is told so and nothing else."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.callers import Caller, CallerFactory, Target, agent_of, state_of
from tests.people import Tenant
from tests.routes import WHO, Document, Who, calls_of, request_of

# What who may not is told: the kind of call, the kind of caller → status and codes. Not here: they may.
REFUSALS: dict[tuple[Who, str], tuple[int, set[str]]] = {
    ("agent", "nobody"): (401, {"unauthorized"}),
    ("agent", "bad"): (401, {"invalid_token"}),
    ("agent", "user"): (401, {"invalid_token"}),
    ("agent", "neighbour"): (401, {"invalid_token"}),
    ("agent", "employee"): (401, {"invalid_token"}),
    ("agent", "agent"): (403, {"wrong_agent"}),
    ("agent", "revoked"): (401, {"token_revoked"}),
    ("person", "nobody"): (401, {"unauthorized"}),
    ("person", "bad"): (401, {"invalid_token"}),
    ("person", "agent"): (401, {"invalid_token"}),
    ("person", "revoked"): (401, {"invalid_token"}),
    ("person", "itself"): (401, {"invalid_token"}),
    ("employee", "nobody"): (401, {"unauthorized"}),
    ("employee", "bad"): (401, {"invalid_token"}),
    ("employee", "user"): (403, {"employees_only"}),
    ("employee", "neighbour"): (403, {"employees_only"}),
    ("employee", "agent"): (401, {"invalid_token"}),
    ("employee", "revoked"): (401, {"invalid_token"}),
    ("employee", "itself"): (401, {"invalid_token"}),
}
# Calls that want a right which technicians don't have; each has tests of its own with somebody who has it.
BEYOND_A_TECHNICIAN = {key for key in WHO if key.startswith(("POST /api/admin/retention/", "POST /api/admin/erasures"))}
ANOTHER_BUSINESS = 404, {"agent_not_found", "command_not_found", "business_not_found"}


@pytest.fixture(scope="module")
async def target(factory: CallerFactory) -> Target:
    """The device that nobody may change here."""
    return await factory.target()


@pytest.fixture(scope="module")
async def strangers(factory: CallerFactory, target: Target, bob: Tenant) -> list[Caller]:
    return await factory.strangers(target, bob)


def refusal_of(key: str, caller: Caller) -> tuple[int, set[str]] | None:
    """Return status and codes that a caller must get, None when the call is theirs."""
    who = WHO[key]
    if who == "demo":
        return 404, {"not_found"}
    if who == "person" and caller.kind == "neighbour" and ("{agent_id}" in key or "{business_id}" in key):
        return ANOTHER_BUSINESS
    return REFUSALS.get((who, caller.kind))


def sent(document: Document, key: str, target: Target, caller: Caller, **other: Any) -> dict[str, Any]:
    """Return the request of a caller, for httpx."""
    ids = target.ids(WHO[key] == "agent") | ({"agent_id": caller.at} if caller.at else {}) | other
    return request_of(document, key, ids) | {"headers": caller.headers}


def check_refusal(response: httpx.Response, refusal: tuple[int, set[str]], target: Target, who: str) -> None:
    """The status, our form of errors with a code, and nothing of the device."""
    status, codes = refusal
    assert response.status_code == status, (who, response.text)
    error = response.json()["error"]
    assert set(error) == {"code", "message", "details"}, who
    assert error["code"] in codes, who
    assert error["message"], who
    assert [secret for secret in target.secrets() if secret in response.text] == [], who
    assert ("WWW-Authenticate" in response.headers) == (status == 401), who


def test_the_table_has_every_call_of_the_document_and_no_other(document: Document) -> None:
    assert set(calls_of(document)) == set(WHO)


@pytest.mark.parametrize("key", WHO)
async def test_callers_without_the_right_are_refused_and_change_nothing(
    document: Document, client: httpx.AsyncClient, pool: asyncpg.Pool, target: Target, strangers: list[Caller], key: str
) -> None:
    before = await state_of(pool, target)
    for caller in [*strangers, agent_of(target)]:
        refusal = refusal_of(key, caller)
        if refusal:
            response = await client.request(**sent(document, key, target, caller))
            check_refusal(response, refusal, target, caller.name)
    assert await state_of(pool, target) == before


@pytest.mark.parametrize("key", [key for key, who in WHO.items() if who != "demo"])
async def test_callers_with_the_right_are_answered(
    document: Document,
    client: httpx.AsyncClient,
    factory: CallerFactory,
    target: Target,
    strangers: list[Caller],
    key: str,
) -> None:
    """With a device of its own for each call that changes something: some of them end its life."""
    success = {int(status) for status in calls_of(document)[key]["responses"] if status.startswith("2")}
    welcome = [
        caller
        for caller in [*strangers, agent_of(target)]
        if not refusal_of(key, caller) and not (WHO[key] == "person" and caller.kind == "neighbour")
    ]
    assert welcome
    for caller in welcome:
        own = target if key.startswith("GET") else await factory.target(target.device.tenant)
        who = agent_of(own) if caller.kind == "itself" else caller
        response = await client.request(**sent(document, key, own, who))
        if key in BEYOND_A_TECHNICIAN:
            check_refusal(response, (403, {"right_missing"}), own, caller.name)
            continue
        assert response.status_code in success, (caller.name, response.text)


@pytest.mark.parametrize("key", [key for key, who in WHO.items() if who == "person"])
async def test_a_user_of_another_business_learns_nothing(
    document: Document, client: httpx.AsyncClient, target: Target, strangers: list[Caller], key: str
) -> None:
    """A list has nothing of the target, and its page is that of a device that isn't there."""
    (neighbour,) = [caller for caller in strangers if caller.kind == "neighbour"]
    response = await client.request(**sent(document, key, target, neighbour))
    assert [secret for secret in target.secrets() if secret in response.text] == []
    if "{" in key:
        nowhere = {"agent_id": uuid4(), "command_id": uuid4(), "window_id": uuid4(), "business_id": uuid4()}
        unknown = await client.request(**sent(document, key, target, neighbour, **nowhere))
        assert (response.status_code, response.content) == (unknown.status_code, unknown.content)
    else:
        assert response.is_success


# Ways around: one's own device in the path, another's thing behind it.


@pytest.mark.parametrize("key", [key for key in WHO if "{command_id}" in key or "{service_id}" in key])
async def test_anothers_thing_isnt_found_behind_ones_own_device(
    document: Document,
    client: httpx.AsyncClient,
    pool: asyncpg.Pool,
    factory: CallerFactory,
    target: Target,
    bob: Tenant,
    key: str,
) -> None:
    own = await factory.target(bob)
    callers = {
        "agent": [agent_of(own)], "employee": [Caller("an employee", factory.employee.token, "employee")],
        "person": [Caller("a user", bob.user_token, "user"), Caller("an employee", factory.employee.token, "employee")],
    }  # fmt: skip
    before = await state_of(pool, target)
    for caller in callers[WHO[key]]:
        response = await client.request(**sent(document, key, target, caller, agent_id=own.device.agent_id))
        check_refusal(response, (404, {"command_not_found", "service_not_found"}), target, caller.name)
    assert await state_of(pool, target) == before


async def test_a_registration_token_that_is_spent_or_made_up_lets_nobody_in(
    client: httpx.AsyncClient, target: Target, factory: CallerFactory
) -> None:
    spent = (await factory.target()).registration_token
    assert (await client.post("/api/agents/register", json={"token": spent})).status_code == 200
    for token in (spent, "AGT-2222-2222-2222", ""):
        response = await client.post("/api/agents/register", json={"token": token})
        check_refusal(response, (401, {"registration_token_invalid"}), target, token)
