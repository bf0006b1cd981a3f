"""What browsers get: security headers, CORS for named origins only, pages that load nothing from elsewhere."""

import asyncio
import logging

import httpx
import pytest
import socketio

from api.app import Application
from api.live.polling import MESSAGE
from cli.settings import hide_tokens
from core.settings import Settings
from tests.devices import Device, sample
from tests.serving import serving

PORTAL = "https://portal.example"


def client_of(settings: Settings, **changes: str) -> httpx.AsyncClient:
    application = Application(settings.model_copy(update=changes))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://test")


async def test_answers_have_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/api/agents", "/api/nothing", "/openapi.json"):
        headers = (await client.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "Content-Security-Policy" in headers
        assert "Strict-Transport-Security" not in headers


async def test_answers_to_agents_and_missing_files_are_what_their_type_says(
    client: httpx.AsyncClient, device: Device
) -> None:
    answers = [
        await device.send(sample(cpu_percent=1)),
        await device.post(b"{"),
        await client.post("/api/v2/write", content=b"system load1=1", headers=device.headers),
        await client.get("/assets/nothing.js"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 204, 404]
    assert {answer.headers["X-Content-Type-Options"] for answer in answers} == {"nosniff"}


async def test_a_page_elsewhere_may_call_when_its_origin_is_named(settings: Settings) -> None:
    async with client_of(settings, cors_origins=f"{PORTAL}, http://localhost:5173") as client:
        asked = {"Origin": PORTAL, "Access-Control-Request-Method": "PATCH"}
        answer = await client.options("/api/agents", headers=asked)
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PORTAL
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PORTAL}.evil.example", "http://portal.example"])
async def test_another_page_may_not(client: httpx.AsyncClient, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for answer in (
        await client.options("/api/agents", headers=headers),
        await client.get("/agent-ws/", headers=headers),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_page_of_the_api_loads_nothing(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "/api/agents/{agent_id}/heartbeat" in page.text
    assert "<script" not in page.text
    assert "//" not in page.text.replace("http://", "").split("<dl>")[0]


async def test_no_redirect_follows_the_host_of_a_request(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/agents/register/", json={}, headers={"Host": "evil.example"})
    assert answer.status_code in (401, 404)
    assert "Location" not in answer.headers


async def test_an_uptime_monitor_may_ask_by_head(client: httpx.AsyncClient) -> None:
    assert (await client.head("/api/health")).status_code == 200


async def test_a_socket_io_client_that_begins_with_polling_is_told_why(application: Application) -> None:
    errors: list[object] = []
    async with serving(application) as port:
        client = socketio.Client(reconnection=False)
        client.on("connect_error", errors.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await asyncio.to_thread(
                client.connect, f"http://127.0.0.1:{port}", socketio_path="agent-ws", wait_timeout=2
            )
        await asyncio.to_thread(client.disconnect)
    assert MESSAGE in str(errors)


@pytest.mark.parametrize("name", ["token", "%74oken", "t%6Fken", "%74%6f%6b%65%6e", "TOKEN"])
def test_a_token_in_an_address_is_not_logged(name: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, '"%s"', (f"/ws?a=b&{name}=secret-word",), None)
    assert hide_tokens(record)
    assert "secret-word" not in record.getMessage()
