"""What the pages ask for first: the fleet in numbers, businesses with their sites, the list in columns."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee, Tenant

NONE = {"critical": 0, "warning": 0, "info": 0}


async def get(client: httpx.AsyncClient, url: str, who: Tenant | Employee, **query: Any) -> Any:
    response = await client.get(url, params=query, headers=who.headers)
    assert response.status_code == 200, response.text
    return response.json()


async def open_alert(pool: asyncpg.Pool, device: Any, severity: str, **more: Any) -> None:
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions) "
        "VALUES ('x', 'x', $1, $2, '{}') RETURNING id",
        severity, device.tenant.business_id,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, snoozed_until, "
        "status) VALUES ($1, $2, $3, $4, $5, $6)",
        rule, device.agent_id, more.get("at", utc_now()), severity, more.get("snoozed_until"),
        more.get("status", "active"),
    )  # fmt: skip


async def test_the_summary_counts_devices_by_status_and_alerts_by_severity(
    client: httpx.AsyncClient, pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, employee: Employee
) -> None:
    first, second, third = [await make_device(dora, name) for name in ("a", "b", "c")]
    await pool.execute("UPDATE agent_devices SET status = 'online' WHERE id = $1", first.agent_id)
    long_ago = utc_now() - timedelta(days=2)
    await pool.execute("UPDATE agent_devices SET created_at = $2 WHERE id = $1", second.agent_id, long_ago)
    await pool.execute("UPDATE agent_devices SET soft_delete = true WHERE id = $1", third.agent_id)
    await open_alert(pool, first, "critical", at=long_ago)
    await open_alert(pool, first, "warning", status="acknowledged")
    await open_alert(pool, second, "critical", snoozed_until=utc_now() + timedelta(hours=1))
    await open_alert(pool, second, "info", snoozed_until=long_ago)
    await open_alert(pool, second, "critical", status="resolved")
    await open_alert(pool, third, "critical")
    summary = await get(client, "/api/agents/summary", dora)
    statuses = {"online": 1, "warning": 0, "offline": 1, "error": 0, "disabled": 0}
    alerts = {"critical": 1, "warning": 1, "info": 1}
    expected = {
        "devices": 2, "statuses": statuses, "silent_over_a_day": 1, "open_alerts": alerts, "snoozed_alerts": 1,
        "awaiting_approval": 0,
    }  # fmt: skip
    assert {name: summary[name] for name in expected} == expected
    (business,) = summary["businesses"]
    assert (business["business_name"], business["statuses"], business["open_alerts"]) == ("Dora", statuses, alerts)
    assert business["oldest_unacknowledged_at"] == long_ago.isoformat().replace("+00:00", "Z")
    (site,) = summary["sites"]
    assert (site["location_name"], site["devices"], site["open_alerts"]) == ("Dora's site", 2, alerts)
    of_dora = await get(client, "/api/agents/summary", employee, business_id=dora.business_id)
    assert of_dora["sites"] == summary["sites"]
    assert str(dora.business_id) in [
        one["id"] for one in (await get(client, "/api/agents/summary", employee))["businesses"]
    ]


async def test_devices_of_another_business_are_not_counted(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, dora: Tenant
) -> None:
    await make_device(alice)
    summary = await get(client, "/api/agents/summary", dora, business_id=alice.business_id)
    assert (summary["devices"], summary["open_alerts"], summary["businesses"], summary["sites"]) == (0, NONE, [], [])


async def test_businesses_are_found_by_name_and_paged(
    client: httpx.AsyncClient, make_device: MakeDevice, dora: Tenant, employee: Employee
) -> None:
    await make_device(dora)
    (own,) = (await get(client, "/api/businesses", dora))["businesses"]
    assert own == {"id": str(dora.business_id), "business_name": "Dora", "devices": 1}
    businesses: list[Any] = []
    cursor = None
    while not businesses or cursor:
        page = await get(
            client, "/api/businesses", employee, limit=1, search="DOR", **({"cursor": cursor} if cursor else {})
        )
        businesses += page["businesses"]
        cursor = page["next_cursor"]
    assert own in businesses
    assert all("dor" in one["business_name"].lower() for one in businesses)
    sites = await get(client, f"/api/businesses/{dora.business_id}/locations", employee)
    assert [(site["location_name"], site["devices"]) for site in sites["locations"]] == [("Dora's site", 1)]


async def test_a_customer_finds_no_sites_of_another_business(
    client: httpx.AsyncClient, alice: Tenant, dora: Tenant
) -> None:
    for business in (alice.business_id, uuid4()):
        response = await client.get(f"/api/businesses/{business}/locations", headers=dora.headers)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "business_not_found")


def comparable(value: Any) -> Any:
    """Return a time up to its second, whether `Z` or an offset ends it."""
    return value[:19] if isinstance(value, str) and "T" in value else value


async def test_columns_say_the_same_as_objects(
    client: httpx.AsyncClient, pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, 'quote " and \\ and ü')
    await make_device(dora, "second")
    await device.accepted(sample(cpu_percent=12.5, memory_percent=40))
    await open_alert(pool, device, "warning")
    await open_alert(pool, device, "critical", snoozed_until=utc_now() + timedelta(hours=1))
    objects = await get(client, "/api/agents", dora)
    table = await get(client, "/api/agents", dora, format="columns")
    assert table["total"] == 2
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    for row, one in zip(rows, objects["agents"], strict=True):
        business, site = one.pop("business"), one.pop("service_location")
        flat = one | {"business_id": business["id"], "business_name": business["business_name"]}
        flat |= {"location_id": site["id"], "location_name": site["location_name"]}
        assert {key: comparable(value) for key, value in row.items()} == {
            key: comparable(value) for key, value in flat.items()
        }
    assert (rows[0]["open_alerts"], rows[0]["worst_severity"], rows[0]["cpu_percent"]) == (1, "warning", 12.5)
    page = await get(client, "/api/agents", dora, format="columns", limit=1)
    later = await get(client, "/api/agents", dora, format="columns", cursor=page["next_cursor"])
    assert [row[1] for row in page["rows"] + later["rows"]] == [row["device_name"] for row in rows]
    assert (page["total"], later["total"], later["next_cursor"]) == (2, None, None)


async def test_only_what_changed_since_is_read_again(
    client: httpx.AsyncClient, pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant
) -> None:
    devices = [await make_device(dora, name) for name in ("a", "b", "c")]
    since = (await get(client, "/api/agents", dora))["as_of"]
    assert (await get(client, "/api/agents", dora, changed_since=since))["agents"] == []
    await devices[0].accepted(sample(cpu_percent=1))
    await open_alert(pool, devices[2], "info")
    page = await get(client, "/api/agents", dora, changed_since=since)
    assert [one["device_name"] for one in page["agents"]] == ["a", "c"]


async def test_types_filter_the_list(
    client: httpx.AsyncClient, pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant
) -> None:
    for name, os, kind in (("a", "linux", "server"), ("b", "windows", "laptop"), ("c", "windows", "server")):
        device = await make_device(dora, name)
        await pool.execute(
            "UPDATE agent_devices SET os_type = $2, device_type = $3 WHERE id = $1", device.agent_id, os, kind
        )
    page = await get(client, "/api/agents", dora, os_type="windows,macos", device_type="server", format="columns")
    assert ([row[1] for row in page["rows"]], page["total"]) == (["c"], 1)
    page = await get(client, "/api/agents", dora, os_type="linux", status="offline")
    assert [one["device_name"] for one in page["agents"]] == ["a"]
    response = await client.get("/api/agents?os_type=beos", headers=dora.headers)
    assert response.json()["error"]["code"] == "invalid_filter"
