"""Charts are answered without FastAPI, and as FastAPI would: the same address without hyphens in its id goes there."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest

from api.app import Application
from api.chart_calls import read_question
from api.routes.history import ChartQuestion
from api.services import Services
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant


def path_of(agent_id: UUID | str, form: str = "%s") -> str:
    return f"/api/agents/{form % agent_id}/metrics/history"


async def ask_both(client: httpx.AsyncClient, agent_id: UUID, query: str, headers: dict[str, str]) -> Any:
    """Ask without and with FastAPI; return the answer of the first after comparing both."""
    quick, usual = [
        await client.get(f"{path_of(each)}?{query}", headers=headers) for each in (str(agent_id), agent_id.hex)
    ]
    assert quick.status_code == usual.status_code
    assert quick.json() == usual.json()
    assert dict(quick.headers) == dict(usual.headers)
    return quick


@pytest.fixture
async def charted(make_device: MakeDevice, services: Services) -> tuple[Device, dict[str, Any]]:
    """A device of Alice's with samples, and the range they are in."""
    device = await make_device()
    now = services.clock() - timedelta(hours=2)
    await device.accepted(*(sample(now - timedelta(minutes=5 * n), cpu_percent=n) for n in range(12)))
    return device, {"start": (now - timedelta(hours=2)).isoformat(), "end": (now + timedelta(minutes=5)).isoformat()}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"format": "columns", "metric": "cpu_percent,network_rx_bytes", "aggregates": "avg,min,max"},
        {"metric": "disk.percent", "instance": ["C:", "D:"]},
        {"interval": "1d", "time_zone": "Europe/Berlin"},
        {"max_points": "10"},
        {"metric": "cpu_percent", "unknown": "1"},
        {"format": ["columns", "rows"]},
        # refused
        {"max_points": "9"},
        {"max_points": ""},
        {"max_points": "9", "format": "xml", "interval": "x" * 21},
        {"metric": "fish"},
        {"aggregates": "median"},
        {"interval": "soon"},
        {"time_zone": "Europe/Berlin"},
        {"time_zone": "Europe/Atlantis", "interval": "1d"},
        {"start": "yesterday"},
        {"end": "2026-05-03T14:05:00"},
        {"start": "2031-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"},
    ],
    ids=str,
)
async def test_an_answer_is_the_same_with_and_without_fastapi(
    client: httpx.AsyncClient, charted: tuple[Device, dict[str, Any]], alice: Tenant, query: dict[str, Any]
) -> None:
    device, span = charted
    await ask_both(client, device.agent_id, urlencode(span | query, doseq=True), alice.headers)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic x", "Bearer x.y.z", "bearer\tx", "Bearer ü"],
    ids=repr,
)
async def test_a_caller_without_a_good_token_is_refused_in_the_same_way(
    client: httpx.AsyncClient, device: Device, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = await ask_both(client, device.agent_id, "", headers)  # type: ignore[arg-type]
    assert answer.status_code == 401


async def test_an_agents_token_and_another_tenant_get_nothing(
    client: httpx.AsyncClient, charted: tuple[Device, dict[str, Any]], bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    device, span = charted
    query = urlencode(span)
    assert (await ask_both(client, device.agent_id, query, device.headers)).status_code == 401
    for tenant in (bob, charlie):
        assert (await ask_both(client, device.agent_id, query, tenant.headers)).status_code == 404
        assert (await ask_both(client, uuid4(), query, tenant.headers)).status_code == 404
    assert len((await ask_both(client, device.agent_id, query, employee.headers)).json()["metrics"]) == 12


async def test_a_usual_chart_does_not_pass_through_fastapi(
    application: Application,
    client: httpx.AsyncClient,
    charted: tuple[Device, dict[str, Any]],
    alice: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, span = charted
    seen = []
    usual = type(application.web).__call__

    async def noted(web: Any, scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await usual(web, scope, receive, send)

    monkeypatch.setattr(type(application.web), "__call__", noted)
    query = urlencode(span)
    await ask_both(client, device.agent_id, query, alice.headers)
    assert seen == [path_of(device.agent_id.hex)]


async def test_a_failure_is_a_500_without_its_text(
    client: httpx.AsyncClient,
    device: Device,
    alice: Tenant,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("the secret")

    monkeypatch.setattr(services.charts, "read", fail)
    answer = await client.get(path_of(device.agent_id), headers=alice.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "the secret" not in answer.text
    assert "the secret" in caplog.text


def test_every_parameter_is_read_from_the_query_string() -> None:
    question = read_question(b"metric=a&metric=b&instance=C%3A&instance=D%3A&max_points=20&x=1")
    assert question == ChartQuestion(metric="b", instance=["C:", "D:"], max_points=20)
    assert read_question(b"max_points=many") is None
