"""/metrics: for who knows the token, in the format that is asked for, and with nothing of any tenant in it."""

import re
from datetime import timedelta

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import Application
from core.settings import Settings
from tests.callers import CallerFactory
from tests.devices import Device, sample
from tests.serving import started
from tests.whole.processes import METRICS_TOKEN
from tests.whole.proxy import DatabaseProxy

HEADERS = {"Authorization": f"Bearer {METRICS_TOKEN}"}
SECOND = timedelta(seconds=1)


async def scrape(client: httpx.AsyncClient) -> dict[str, float]:
    """Return every value of a scrape, by name and labels as they are written."""
    response = await client.get("/metrics", headers=HEADERS)
    assert response.status_code == 200, response.text
    return {
        one.name + "".join(f"{{{value}}}" for value in one.labels.values()): one.value
        for family in text_string_to_metric_families(response.text)
        for one in family.samples
    }


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", METRICS_TOKEN, f"Basic {METRICS_TOKEN}", f"Bearer {METRICS_TOKEN}x"]
)
async def test_a_scrape_without_the_token_is_refused(client: httpx.AsyncClient, header: str | None) -> None:
    response = await client.get("/metrics", headers={"Authorization": header} if header is not None else {})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "metrics_forbidden")


async def test_no_token_of_people_or_agents_opens_it(
    client: httpx.AsyncClient, factory: CallerFactory, device: Device
) -> None:
    for headers in (factory.employee.headers, device.headers, device.tenant.headers):
        assert (await client.get("/metrics", headers=headers)).status_code == 403


async def test_metrics_are_refused_while_no_token_is_set(settings: Settings) -> None:
    async with started(settings, metrics_token=Settings.model_fields["metrics_token"].default) as (client, _):
        for header in ("Bearer ", "Bearer x"):
            assert (await client.get("/metrics", headers={"Authorization": header})).status_code == 403


def test_a_token_that_can_be_guessed_is_no_setting() -> None:
    with pytest.raises(ValueError, match="16 characters"):
        Settings(metrics_token="secret")


async def test_an_upload_shows_in_the_counts(
    application: Application, client: httpx.AsyncClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.web.state.services.fleet.kept, "seconds", 0.0)
    before = await scrape(client)
    await device.accepted(sample(SECOND, cpu_percent=1), {"collected_at": "1999-12-31T23:59:59Z"})
    assert (await device.post(b"{")).status_code == 400
    after = await scrape(client)
    for name in (
        "rts_uploads_total", "rts_samples_total{accepted}", "rts_samples_total{rejected}",
        "rts_rejections_total{too_old}", "rts_uploads_refused_total{malformed_json}", "rts_flush_seconds_count",
        "rts_flush_rows_sum", "rts_flush_rows_bucket{1}", "rts_flush_rows_bucket{+Inf}", "rts_upload_seconds_count",
        "rts_http_requests_total{2xx}",
    ):  # fmt: skip
        assert after[name] == before.get(name, 0) + 1, name
    assert after["rts_processes"] == 1
    assert after["rts_buffered_samples{0}"] == 0
    assert after["rts_buffered_samples_max{0}"] == 100_000
    assert after["rts_database_up"] == 1
    assert after["rts_rollup_lag_allowed_seconds{5m}"] == 1800
    assert after["rts_devices{offline}"] > 0
    assert after["rts_database_connections_max"] > after["rts_database_connections"] >= 0  # 0: the embedded server


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", "\n"),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
         "application/openmetrics-text; version=1.0.0; charset=utf-8", "# EOF\n"),
    ],
)  # fmt: skip
async def test_the_format_is_what_is_asked_for(
    client: httpx.AsyncClient, accept: str, content_type: str, end: str
) -> None:
    response = await client.get("/metrics", headers=HEADERS | {"Accept": accept})
    assert response.headers["Content-Type"].startswith(content_type)
    assert response.text.endswith(end)


async def test_no_tenant_and_no_device_is_in_it(client: httpx.AsyncClient, factory: CallerFactory) -> None:
    target = await factory.target()
    text = (await client.get("/metrics", headers=HEADERS)).text
    assert [secret for secret in target.secrets() if secret in text] == []
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)


async def test_metrics_are_answered_without_the_database(database: str, settings: Settings) -> None:
    async with DatabaseProxy(database) as proxy, started(settings, database_url=proxy.url) as (client, _):
        await proxy.cut()
        metrics = await scrape(client)
        assert metrics["rts_database_up"] == 0
        assert metrics["rts_uploads_total"] == 0
        assert not [name for name in metrics if name.startswith("rts_rollup")]


async def test_a_starved_pool_hides_nothing(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    try:
        assert (await scrape(client))["rts_pool_connections_used{0}"] == pool.get_max_size()
        assert (await client.get("/api/health/ready")).status_code == 200
    finally:
        for connection in held:
            await pool.release(connection)
