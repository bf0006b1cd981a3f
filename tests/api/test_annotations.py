"""What a device's charts show beside its samples: statuses, gaps with a reason, maintenance, alerts, commands."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.silences.occurrences import occurrences
from alerts.silences.schedule import is_running
from core.clock import utc_now
from tests.api.test_presence import status_after
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


async def annotations(device: Device, start: datetime, end: datetime, headers: dict[str, str]) -> httpx.Response:
    params = {"start": start.isoformat(), "end": end.isoformat()}
    return await device.client.get(f"/api/agents/{device.agent_id}/annotations", params=params, headers=headers)


async def read(device: Device, start: datetime, end: datetime) -> dict[str, Any]:
    response = await annotations(device, start, end, device.tenant.headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def gap(annotations: dict[str, Any], reason: str) -> dict[str, Any] | None:
    return next((one for one in annotations["gaps"] if one["reason"] == reason), None)


async def grown_old(pool: asyncpg.Pool, device: Device, days: int = 3) -> None:
    """Let a device have joined some days ago."""
    await pool.execute(
        "UPDATE agent_devices SET created_at = now() - $2::interval, enrolled_at = now() - $2::interval WHERE id = $1",
        device.agent_id, timedelta(days=days),
    )  # fmt: skip


async def changed(
    pool: asyncpg.Pool, device: Device, at: datetime, was: str, now: str, why: str, silent_since: str | None = None
) -> None:
    await pool.execute(
        "INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data) "
        "VALUES ($1, 'status_changed', $2, $2, jsonb_strip_nulls(jsonb_build_object("
        "'from', $3::text, 'to', $4::text, 'why', $5::text, 'silent_since', $6::text)))",
        device.agent_id, at, was, now, why, silent_since,
    )  # fmt: skip


def span_of(part: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(part["start"]), datetime.fromisoformat(part["end"])


async def interval_of(pool: asyncpg.Pool, device: Device) -> timedelta:
    query = "SELECT metrics_interval_seconds FROM agent_devices WHERE id = $1"
    return timedelta(seconds=await pool.fetchval(query, device.agent_id))


async def test_an_outage_says_why_and_how_long(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    await grown_old(pool, device)
    await changed(pool, device, now - 5 * HOUR, "online", "offline", "nothing was heard")
    await changed(pool, device, now - 4 * HOUR, "offline", "online", "it uploaded")
    annotations = await read(device, now - 6 * HOUR, now)
    assert [one["status"] for one in annotations["statuses"]] == ["online", "offline", "online"]
    offline, interval = gap(annotations, "offline"), await interval_of(pool, device)
    assert offline
    assert span_of(offline) == (now - 5 * HOUR - interval, now - 4 * HOUR + interval)
    assert (offline["detail"], offline["message"]) == (
        "nothing was heard", "The device was offline: nothing was heard.",
    )  # fmt: skip


async def test_silence_counts_from_the_last_contact(device: Device, pool: asyncpg.Pool) -> None:
    now, since = utc_now(), utc_now() - 5 * HOUR
    await grown_old(pool, device)
    await changed(pool, device, since + HOUR, "online", "warning", "it fell silent", since.isoformat())
    await changed(pool, device, since + 2 * HOUR, "warning", "online", "it uploaded")
    await changed(pool, device, since + 3 * HOUR, "online", "warning", "its heartbeat said so")
    annotations, interval = await read(device, now - 6 * HOUR, now), await interval_of(pool, device)
    (silent,) = [one for one in annotations["gaps"] if one["reason"] == "offline"]
    assert span_of(silent) == (since - interval, since + 2 * HOUR + interval)


@pytest.mark.parametrize("silent_since", [None, "yesterday", "2026-01-01", ""])
async def test_an_event_without_a_readable_last_contact_counts_from_some_intervals_before(
    device: Device, pool: asyncpg.Pool, silent_since: str | None
) -> None:
    now = utc_now()
    await grown_old(pool, device)
    await changed(pool, device, now - 3 * HOUR, "online", "offline", "it fell silent", silent_since)
    annotations, interval = await read(device, now - 6 * HOUR, now), await interval_of(pool, device)
    silent = gap(annotations, "offline")
    assert silent
    assert span_of(silent) == (now - 3 * HOUR - 5 * interval, now)


async def test_a_real_silence_explains_the_whole_of_its_gap(device: Device, pool: asyncpg.Pool) -> None:
    await grown_old(pool, device)
    now = utc_now()
    await device.accepted(sample(now - 2 * HOUR))
    await status_after(pool, device, hours=2)
    annotations = await read(device, now - 3 * HOUR, utc_now())
    silent = gap(annotations, "offline")
    assert silent
    assert span_of(silent)[0] <= now - 2 * HOUR


async def test_a_deactivated_device_is_silent_until_it_is_heard_again(
    client: httpx.AsyncClient, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await grown_old(pool, device)
    begin = utc_now()
    url = f"/api/agents/{device.agent_id}"
    for action in ("deactivate", "activate"):
        answer = await client.post(f"{url}/{action}", headers=employee.headers)
        assert answer.status_code == 200, answer.text
    annotations, interval = await read(device, begin - HOUR, begin + HOUR), await interval_of(pool, device)
    by_detail = {one["detail"]: one for one in annotations["gaps"]}
    deactivated, activated = by_detail["it was deactivated"], by_detail["it was activated"]
    assert begin - interval <= span_of(deactivated)[0] < begin < span_of(deactivated)[1]
    assert (deactivated["reason"], activated["reason"]) == ("deactivated", "offline")
    assert span_of(activated)[0] <= span_of(deactivated)[1]


async def test_a_status_that_began_before_the_range_fills_it(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    await grown_old(pool, device)
    await changed(pool, device, now - 2 * DAY, "online", "disabled", "it was deactivated")
    annotations = await read(device, now - 6 * HOUR, now - HOUR)
    (only,) = annotations["statuses"]
    assert (only["status"], only["reason"]) == ("disabled", "it was deactivated")
    assert gap(annotations, "deactivated")


async def test_statuses_are_without_a_hole_or_an_overlap(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    await grown_old(pool, device)
    for hours in range(8, 0, -1):
        await changed(pool, device, now - hours * HOUR, "x", ("online", "warning")[hours % 2], "")
    annotations = await read(device, now - 7 * HOUR, now)
    for before, after in zip(annotations["statuses"], annotations["statuses"][1:], strict=False):
        assert before["end"] == after["start"]
    assert datetime.fromisoformat(annotations["statuses"][0]["start"]) == now - 7 * HOUR


async def test_before_it_joined_and_beyond_retention_there_is_nothing(device: Device) -> None:
    now = utc_now()
    annotations = await read(device, now - 3650 * DAY - 5 * DAY, now)
    assert gap(annotations, "not_enrolled")
    assert gap(annotations, "outside_retention")
    assert {one["level"] for one in annotations["retention"]} == {"raw", "5m", "1h", "1d"}


async def test_maintenance_is_drawn_at_each_of_its_runs(
    client: httpx.AsyncClient, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await grown_old(pool, device, 30)
    window = {
        "window_name": "patching", "business_id": str(device.tenant.business_id), "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "local_start": "02:00", "duration_minutes": 60, "time_zone": "Europe/Berlin",
    }  # fmt: skip
    response = await client.post("/api/agents/maintenance-windows", json=window, headers=employee.headers)
    assert response.status_code == 201, response.text
    noon = utc_now().replace(hour=12, minute=0) - DAY  # far from the window's runs, whatever the time of the test
    annotations = await read(device, noon - 3 * DAY, noon)
    # While it runs it would silence the alerts of other tests of this tenant.
    await pool.execute("DELETE FROM agent_maintenance_windows WHERE id = $1", UUID(response.json()["id"]))
    runs = [one for one in annotations["maintenance"] if one["window_name"] == "patching"]
    assert len(runs) == 3
    local = datetime.fromisoformat(runs[0]["start"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.hour, local.minute) == (2, 0)
    assert gap(annotations, "maintenance")


async def test_a_window_with_an_unknown_zone_leaves_the_others(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    for name, zone in (("odd", "Pacific Standard Time"), ("good", "UTC")):
        await pool.execute(
            "INSERT INTO agent_maintenance_windows (window_name, agent_device_id, weekdays, local_start, "
            "duration_minutes, time_zone, created_at) VALUES ($1, $2, '{1,2,3,4,5,6,7}', '00:00', 60, $3, now())",
            name, device.agent_id, zone,
        )  # fmt: skip
    annotations = await read(device, now - 2 * DAY, now)
    names = {one["window_name"] for one in annotations["maintenance"]}
    await pool.execute("DELETE FROM agent_maintenance_windows WHERE agent_device_id = $1", device.agent_id)
    assert "good" in names
    assert "odd" not in names


async def test_alerts_and_commands_of_the_range_are_there(
    client: httpx.AsyncClient, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, is_active) "
        """VALUES ('busy', 'metric', 'warning', $1, '{"metric": "cpu_percent"}', false) RETURNING id""",
        device.agent_id,
    )  # fmt: skip
    for begin, end in ((9, 8), (5, 3), (2, None)):
        await pool.execute(
            "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, resolved_at, severity, "
            "status, alert_message) VALUES ($1, $2, $3, $4, 'warning', $5, 'm')",
            rule, device.agent_id, now - begin * HOUR, None if end is None else now - end * HOUR,
            "active" if end is None else "resolved",
        )  # fmt: skip
    body = {"command_type": "collect_now", "params": {}}
    url = f"/api/agents/{device.agent_id}/commands"
    assert (await client.post(url, json=body, headers=employee.headers)).status_code == 201
    annotations = await read(device, now - 4 * HOUR, now + MINUTE)
    assert [one["end"] is None for one in annotations["alerts"]] == [True, False]
    assert annotations["alerts"][0]["metric"] == "cpu_percent"
    assert [one["command_type"] for one in annotations["commands"]] == ["collect_now"]


@pytest.mark.parametrize(
    ("conditions", "metrics"),
    [
        ('{"all": [{"metric": "cpu_percent"}, {"any": [{"metric": "disk_percent"}, {"service": "nginx"}]}]}',
         ["cpu_percent", "disk_percent"]),
        ('{"any": [{"metric": "cpu_percent"}, {"metric": "cpu_percent"}]}', ["cpu_percent"]),
        ('{"metric": "memory_percent", "deviations": 4}', ["memory_percent"]),
        ('{"offline_minutes": 5}', []),
        ('{"metric": 7}', []), ('{"all": 7}', []), ("[]", []), ('"odd"', []),
    ],
)  # fmt: skip
async def test_an_alert_names_every_metric_that_its_rule_compares(
    device: Device, pool: asyncpg.Pool, conditions: str, metrics: list[str]
) -> None:
    now = utc_now()
    await pool.execute(
        "WITH rule AS (INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, "
        "is_active) VALUES ('r', 'x', 'warning', $1, $2::jsonb, false) RETURNING id) "
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, status) "
        "SELECT id, $1, $3, 'warning', 'active' FROM rule",
        device.agent_id, conditions, now - HOUR,
    )  # fmt: skip
    annotations = await read(device, now - 4 * HOUR, now)
    assert [one["metrics"] for one in annotations["alerts"]] == [metrics]
    (kind,) = [one["rule_kind"] for one in annotations["alerts"]]
    assert (kind is None) == (conditions in ("[]", '"odd"'))
    listed = await device.client.get(f"/api/agents/{device.agent_id}/alerts", headers=device.tenant.headers)
    assert [one["metrics"] for one in listed.json()["alerts"]] == [metrics]


async def test_another_business_sees_nothing(device: Device, bob: Tenant) -> None:
    now = utc_now()
    response = await annotations(device, now - HOUR, now, bob.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "agent_not_found")


async def test_a_device_that_changed_hands_shows_its_new_owner_nothing_of_before(
    client: httpx.AsyncClient, make_device: MakeDevice, pool: asyncpg.Pool, employee: Employee, dora: Tenant
) -> None:
    device, now = await make_device(), utc_now()
    await grown_old(pool, device)
    await changed(pool, device, now - 5 * HOUR, "online", "offline", "a reason of the former owner")
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, is_active) "
        """VALUES ('busy', 'metric', 'warning', $1, '{"metric": "cpu_percent"}', false) RETURNING id""",
        device.agent_id,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, resolved_at, severity, "
        "status, alert_message) VALUES ($1, $2, $3, $4, 'warning', 'resolved', 'm')",
        rule, device.agent_id, now - 2 * HOUR, now - HOUR,
    )  # fmt: skip
    url = f"/api/agents/{device.agent_id}/commands"
    await client.post(url, json={"command_type": "collect_now", "params": {}}, headers=employee.headers)
    body = {"business_id": str(dora.business_id), "service_location_id": str(dora.location_id)}
    moved = await client.post(f"/api/agents/{device.agent_id}/move", json=body, headers=employee.headers)
    assert moved.status_code == 200, moved.text
    device.tenant = dora
    annotations = await read(device, now - 6 * HOUR, now + MINUTE)
    assert (annotations["alerts"], annotations["commands"]) == ([], [])
    assert "a reason of the former owner" not in str(annotations)
    history = {"agent_id": str(device.agent_id)}
    seen = await client.get("/api/agents/alerts/history", params=history, headers=dora.headers)
    assert (seen.status_code, seen.json().get("alerts")) == (200, []), seen.text
    kept = (await client.get("/api/agents/alerts/history", params=history, headers=employee.headers)).json()["alerts"]
    assert [one["alert_message"] for one in kept] == ["m"]


@pytest.mark.parametrize("back", [timedelta(0), -HOUR, 4000 * DAY])
async def test_a_range_that_cannot_be_is_refused(device: Device, back: timedelta) -> None:
    now = utc_now()
    response = await annotations(device, now - back, now, device.tenant.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "bad_range")


async def test_late_data_marks_where_rollups_are_behind(
    make_device: MakeDevice, alice: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device(alice)
    await grown_old(pool, device)
    now = utc_now()
    await pool.execute("UPDATE agent_devices SET late_from = $2 WHERE id = $1", device.agent_id, now - 2 * HOUR)
    annotations = await read(device, now - 6 * HOUR, now)
    late = gap(annotations, "late_data")
    assert late
    assert datetime.fromisoformat(late["start"]) == now - 2 * HOUR


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
)


@given(
    zone=zones,
    weekdays=st.lists(st.integers(1, 7), min_size=1, unique=True),
    start=st.times().map(lambda time: time.replace(second=0, microsecond=0)),
    minutes=st.integers(1, 10080),
    begin=st.datetimes(datetime(2018, 1, 1), datetime(2027, 1, 1)),
    within=st.floats(0, 14),
)
def test_a_window_runs_where_live_evaluation_says_so(
    zone: str, weekdays: list[int], start: Any, minutes: int, begin: datetime, within: float
) -> None:
    window = {
        "weekdays": weekdays, "local_start": start, "duration_minutes": minutes, "time_zone": zone, "starts_at": None,
        "ends_at": None,
    }  # fmt: skip
    begin = begin.replace(tzinfo=UTC)
    instant = begin + within * DAY
    spans = occurrences(window, begin, begin + 14 * DAY + MINUTE, most=1000)
    assert is_running(window, instant) == any(span.start <= instant < span.end for span in spans)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("weekdays, local_start, duration_minutes, time_zone", "'{1,2,3,4,5,6,7}', '24:00', 60, 'UTC'"),
        ("weekdays, local_start, duration_minutes, time_zone", "'{1,2,3,4,5,6,7}', '00:00', 60, 'Europe'"),
        ("starts_at, ends_at", "'0044-03-15 BC', '200000-01-01'"),
    ],
)
async def test_a_window_that_another_program_wrote_oddly_fails_nothing(
    device: Device, pool: asyncpg.Pool, columns: str, values: str
) -> None:
    now = utc_now()
    await pool.execute(
        f"INSERT INTO agent_maintenance_windows (window_name, agent_device_id, created_at, {columns}) "
        f"VALUES ('odd', $1, now(), {values})",
        device.agent_id,
    )
    answer = await annotations(device, now - 2 * DAY, now, device.tenant.headers)
    await pool.execute("DELETE FROM agent_maintenance_windows WHERE agent_device_id = $1", device.agent_id)
    assert answer.status_code == 200, answer.text
