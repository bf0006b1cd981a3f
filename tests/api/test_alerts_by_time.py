"""The alerts of the fleet by time: filters, pages, and who sees which."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.clock import utc_now
from tests.calls import answer_of
from tests.conftest import MakeDevice
from tests.people import Tenant
from tests.rules import MINUTE, Rules

HISTORY = "/api/agents/alerts/history"


@pytest.fixture
async def fired(rules: Rules, make_device: MakeDevice, dora: Tenant) -> list[str]:
    """Two devices of Dora's with an alert each, the first one resolved; returns their names."""
    names = ["history-one", "history-two"]
    devices = [await make_device(dora, name) for name in names]
    await rules.make(dora, alert_name="Busy for long")
    await rules.fire(*devices, ago=60 * MINUTE)
    alerts = answer_of(await rules.call("GET", "open", params={"business_id": str(dora.business_id)}))["alerts"]
    (first,) = [alert for alert in alerts if alert["device_name"] == names[0]]
    assert (await rules.handle(first, "resolve", notes="settled")).status_code == 200
    return names


async def names_of(client: httpx.AsyncClient, tenant: Tenant, **query: Any) -> list[str]:
    answer = answer_of(await client.get(HISTORY, params=query, headers=tenant.headers))
    return sorted(alert["device_name"] for alert in answer["alerts"])


async def test_every_filter_narrows(client: httpx.AsyncClient, dora: Tenant, fired: list[str]) -> None:
    assert await names_of(client, dora) == fired
    assert await names_of(client, dora, status="resolved") == [fired[0]]
    assert await names_of(client, dora, search="HISTORY-TWO") == [fired[1]]
    assert await names_of(client, dora, search="busy for LONG") == fired
    assert await names_of(client, dora, severity="info") == []
    assert await names_of(client, dora, end=(utc_now() - timedelta(days=1)).isoformat()) == []
    assert await names_of(client, dora, start=(utc_now() + timedelta(days=1)).isoformat()) == [fired[1]]


async def test_pages_hold_each_alert_once(client: httpx.AsyncClient, dora: Tenant, fired: list[str]) -> None:
    first = answer_of(await client.get(HISTORY, params={"limit": 1}, headers=dora.headers))
    query = {"limit": 1, "cursor": first["next_cursor"]}
    second = answer_of(await client.get(HISTORY, params=query, headers=dora.headers))
    assert sorted(page["alerts"][0]["device_name"] for page in (first, second)) == fired
    assert second["next_cursor"] is None


async def test_others_see_none_and_customers_no_notes(
    client: httpx.AsyncClient, dora: Tenant, charlie: Tenant, fired: list[str]
) -> None:
    assert await names_of(client, charlie, business_id=dora.business_id) == []
    answer = answer_of(await client.get(HISTORY, params={"status": "resolved"}, headers=dora.headers))
    assert answer["alerts"][0]["resolution_notes"] is None
