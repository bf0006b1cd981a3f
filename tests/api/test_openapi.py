"""The document of the API: complete, resolvable, and its example works."""

import json
from datetime import datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import httpx
import pytest

import commands.errors
import devices.errors
import inventory.errors
from api import routes
from api.openapi import EXAMPLE, UPLOAD
from core.clock import utc_now
from core.errors import RtsError
from ingest.decode import decode_upload
from tests.devices import Device


@pytest.fixture(scope="module")
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    body: dict[str, Any] = json.loads(response.text)
    return body


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in value.values()))
    return set[str]().union(*(references(inner) for inner in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


async def test_every_call_of_the_main_path_is_in_it(document: dict[str, Any]) -> None:
    calls = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert calls >= {
        ("post", "/api/agents/registration-tokens"), ("post", "/api/agents/register"),
        ("post", "/api/agents/{agent_id}/heartbeat"), ("post", "/api/agents/{agent_id}/metrics"),
        ("get", "/api/agents"), ("get", "/api/agents/{agent_id}"), ("get", "/api/agents/{agent_id}/metrics/history"),
        ("delete", "/api/agents/{agent_id}/token"), ("get", "/api/health"),
        ("post", "/api/agents/{agent_id}/token/rotate"), ("post", "/api/agents/{agent_id}/token/rotation"),
        ("patch", "/api/agents/{agent_id}"), ("delete", "/api/agents/{agent_id}"),
        ("post", "/api/agents/{agent_id}/deactivate"), ("post", "/api/agents/{agent_id}/activate"),
        ("post", "/api/agents/{agent_id}/decommission"), ("post", "/api/agents/{agent_id}/restore"),
        ("delete", "/api/agents/{agent_id}/clone-suspicion"), ("get", "/api/agents/{agent_id}/events"),
        ("get", "/api/agents/{agent_id}/audit"),
    }  # fmt: skip


def test_every_route_of_every_router_is_in_it(document: dict[str, Any]) -> None:
    modules = [import_module(f"api.routes.{module.name}") for module in iter_modules(routes.__path__)]
    served = [route for module in modules for route in module.router.routes if route.include_in_schema]
    assert len(served) > 5
    for route in served:
        assert {method.lower() for method in route.methods} <= set(document["paths"][route.path])


def test_no_two_calls_share_a_name(document: dict[str, Any]) -> None:
    names = [call["operationId"] for methods in document["paths"].values() for call in methods.values()]
    assert len(names) == len(set(names))


def test_only_registration_health_and_sign_in_are_open(document: dict[str, Any]) -> None:
    calls = {path: call for path, methods in document["paths"].items() for call in methods.values()}
    health = {"/api/health", "/api/health/live", "/api/health/ready"}
    assert {path for path, call in calls.items() if not call.get("security")} == {
        "/api/agents/register",
        "/api/session",
        "/api/session/demo",
        *health,
    }


def test_a_type_of_event_or_command_shows_how_it_is_written(document: dict[str, Any]) -> None:
    models = document["components"]["schemas"]
    for model, name in (("AgentEvent", "event_type"), ("CommandOrder", "command_type"), ("BatchOrder", "command_type")):
        assert models[model]["properties"][name]["pattern"].startswith("^[a-z]")


def test_a_change_that_changes_nothing_doesnt_fit_the_document(document: dict[str, Any]) -> None:
    models = document["components"]["schemas"]
    assert [models[model]["minProperties"] for model in ("EolRuleChange", "ServiceSettings")] == [1, 1]


def test_every_conflict_stands_with_its_code_where_it_can_happen(document: dict[str, Any]) -> None:
    conflicts = {
        error.code
        for module in (commands.errors, devices.errors, inventory.errors)
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, RtsError) and error.status == 409
    }  # fmt: skip
    calls = [call for methods in document["paths"].values() for call in methods.values()]
    described = " ".join(call["responses"].get("409", {}).get("description", "") for call in calls)
    assert len(conflicts) > 5
    assert {code for code in conflicts if f"`{code}`" in described} == conflicts


def test_every_call_with_a_body_says_that_it_may_be_too_large(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for call in methods.values():
            assert ("413" in call["responses"]) == ("requestBody" in call), call["operationId"]


def test_the_health_of_the_server_asks_for_nothing_and_refuses_nobody(document: dict[str, Any]) -> None:
    assert set(document["paths"]["/api/health"]["get"]["responses"]) == {"200", "503"}


def example(document: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = document["paths"][UPLOAD]["post"]["requestBody"]["content"]["application/json"]["example"]
    return body


def test_the_example_of_an_upload_has_every_field_that_is_known(document: dict[str, Any]) -> None:
    assert example(document) == EXAMPLE
    (sample,) = example(document)["metrics"]
    assert set(sample) == set(document["components"]["schemas"]["Sample"]["properties"])


def test_the_example_of_an_upload_decodes(document: dict[str, Any]) -> None:
    (sample,) = example(document)["metrics"]
    now = datetime.fromisoformat(sample["collected_at"]) + timedelta(minutes=1)
    decoded = decode_upload(json.dumps(example(document)).encode(), now, 10)
    assert (len(decoded.samples), decoded.rejected) == (1, [])


async def test_the_example_of_an_upload_is_accepted(document: dict[str, Any], device: Device) -> None:
    (sample,) = example(document)["metrics"]
    receipt = await device.accepted(sample | {"collected_at": utc_now().isoformat()})
    assert (receipt["accepted"], receipt["rejected"]) == (1, [])
    assert set(receipt) == set(document["components"]["schemas"]["Receipt"]["properties"])
