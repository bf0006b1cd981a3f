"""Schemathesis on the OpenAPI document: whatever is sent, the answer is one that the document promises, never a 5xx."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.callers import CallerFactory, Target, forget_rules
from tests.people import Employee, Tenant, make_employee, make_tenant
from tests.routes import WHO, Document, calls_of, filled_in, request_of
from tests.whole.processes import ServerProcess, running_server

# Not negative_data_rejection: an upload is stored but for its faulty samples, and "5" passes for 5.
CHECKS: list[Any] = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
MODES = GenerationMode.POSITIVE, GenerationMode.NEGATIVE  # what fits the document, and what doesn't
# Of each mode: for those whose call it is, and for the others, whose refusals the role walk is about.
EXAMPLES, EXAMPLES_OF_OTHERS = 8, 1
MAX_SECONDS = 90  # the largest backtest that is not refused takes ten: the tenant may have devices enough by then
# Employees without the right are refused, as the role walk shows; tests/retention has their answers.
OF_A_DBA = {
    f"POST /api/admin/retention/{path}"
    for path in (
        "plans",
        "changes",
        "changes/{change_id}/undo",
        "holds",
        "holds/{hold_id}/release",
        "tenants",
        "tenants/plans",
    )
} | {f"POST /api/admin/erasures{path}" for path in ("", "/counts", "/{erasure_id}/cancel")}
THEIRS = {
    "agent": ("agent", "registration token"), "user": ("person",), "employee": ("person", "employee", "open"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(database: str, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    patient = {"RTS_QUERY_TIMEOUT_SECONDS": str(MAX_SECONDS)}  # a backtest on a busy machine
    with running_server(database, key_file, tmp_path_factory.mktemp("schemathesis"), **patient) as server:
        yield server


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def schema(document: Document) -> BaseSchema:
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config())


@pytest.fixture(scope="module")
async def tenant(factory: CallerFactory) -> Tenant:
    return await make_tenant(factory.pool, factory.tokens, "Fuzz")


@pytest.fixture(scope="module")
async def technician(factory: CallerFactory) -> AsyncIterator[Employee]:
    """An employee whose rules are taken away afterwards: made at random, they would mark other tests' software."""
    technician = await make_employee(factory.pool, factory.tokens)
    yield technician
    await forget_rules(factory.pool, technician)


@pytest.fixture(scope="module")
async def shared(factory: CallerFactory, tenant: Tenant) -> Target:
    return await factory.target(tenant)


@pytest.fixture
def owners(key: str) -> list[str]:
    """Those whose call it is."""
    return [role for role, calls in THEIRS.items() if WHO[key] in calls and key not in OF_A_DBA]


@pytest.fixture
async def targets(
    factory: CallerFactory, tenant: Tenant, shared: Target, key: str, owners: list[str]
) -> dict[str, Target]:
    """A device for each role; one of its own for each that may change it: some calls end its life."""
    changes = [] if key.startswith("GET") else owners
    return {role: await factory.target(tenant) if role in changes else shared for role in THEIRS}


def cases_of(
    schema: BaseSchema, key: str, ids: dict[str, Any], mode: GenerationMode, headers: dict[str, str]
) -> st.SearchStrategy[Case[Any]]:
    """Return cases of a call; half of them are about things that are there, if they are about any."""
    method, path = key.split(" ")
    operation = schema[path][method]
    path_parameters = {name: str(value) for name, value in ids.items() if f"{{{name}}}" in path}
    strategy = operation.as_strategy(mode, path_parameters=path_parameters or None, headers=headers)
    if mode is GenerationMode.POSITIVE:
        strategy = strategy.map(lambda case: with_ids(case, ids))
    return st.one_of(strategy, operation.as_strategy(mode, headers=headers))


def with_ids(case: Case[Any], ids: dict[str, Any]) -> Case[Any]:
    if isinstance(case.body, dict):
        case.body = filled_in("", case.body, ids)
    return case


def least_case(schema: BaseSchema, document: Document, key: str, ids: dict[str, Any]) -> Case[Any]:
    """Return the smallest case that fits and is about things that are there."""
    method, path = key.split(" ")
    request = request_of(document, key, ids)
    path_parameters = {name: str(value) for name, value in ids.items() if f"{{{name}}}" in path}
    body = {"body": request["json"], "media_type": "application/json"} if request["json"] is not None else {}
    case: Case[Any] = schema[path][method].Case(path_parameters=path_parameters, query=request["params"], **body)
    return case


def takes_something(document: Document, key: str) -> bool:
    """Tell whether a call has anything that could be wrong."""
    return bool({"parameters", "requestBody"} & set(calls_of(document)[key]))


def send_many(
    cases: st.SearchStrategy[Case[Any]], check: Callable[[Case[Any], str], int], owners: Collection[str]
) -> None:
    """Check some cases as each of their owners, the first of them as everybody; the same in each run."""
    settings = hypothesis.settings(
        max_examples=EXAMPLES if owners else EXAMPLES_OF_OTHERS, derandomize=True, database=None, deadline=None,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    number = count(1)

    def send(case: Case[Any]) -> None:
        everybody = next(number) <= EXAMPLES_OF_OTHERS
        for role in THEIRS:
            if everybody or role in owners:
                check(case, role)

    settings(hypothesis.given(cases)(send))()


@pytest.mark.parametrize("key", WHO)
def test_every_answer_is_one_that_the_document_promises(
    document: Document, schema: BaseSchema, server: ServerProcess, session: requests.Session, technician: Employee,
    targets: dict[str, Target], owners: list[str], key: str,
) -> None:  # fmt: skip
    user, agent = (targets[role].device for role in ("user", "agent"))
    tokens = {"user": user.tenant.user_token, "employee": technician.token, "agent": agent.token}
    headers = {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}
    ids = {role: targets[role].ids(at_the_agent=role == "agent") for role in THEIRS}

    def check(case: Case[Any], role: str) -> int:
        answer = case.call_and_validate(server.url, session, headers[role], checks=CHECKS, timeout=MAX_SECONDS)
        assert answer.status_code != 429, "the limits are to be out of the way"
        return answer.status_code

    for role in owners:
        assert check(least_case(schema, document, key, ids[role]), role) < 300
    first = owners[0] if owners else "employee"
    for mode in MODES if takes_something(document, key) else MODES[:1]:
        cases = cases_of(schema, key, ids[first], mode, headers[first])
        send_many(cases, check, owners)
