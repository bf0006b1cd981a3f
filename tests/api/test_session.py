"""The session of a browser: a cookie stands for the token, and another site can't use it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import asyncpg
import httpx
import pytest

from api.app import Application
from api.server.sessions import COOKIE
from auth.tokens import Tokens
from core.clock import utc_now
from core.settings import Settings
from tests.devices import Device
from tests.people import Employee, Tenant, make_employee
from tests.serving import started

OURS = {"Origin": "http://test", "X-RTS-Request": "1"}


@pytest.fixture
async def browser(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a cookie jar of its own."""
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def signed_in(browser: httpx.AsyncClient, who: Tenant | Employee) -> httpx.Response:
    """Sign in; the cookie goes along by hand, for a jar keeps no `Secure` cookie of plain http."""
    response = await browser.post("/api/session", headers=who.headers)
    assert response.status_code == 200, response.text
    browser.headers["Cookie"] = f"{COOKIE}={cookie_of(response).value}"
    return response


def cookie_of(response: httpx.Response) -> Any:
    return SimpleCookie(response.headers["set-cookie"])[COOKIE]


async def test_a_cookie_reads_what_its_token_reads_and_no_more(
    browser: httpx.AsyncClient, alice: Tenant, device: Device, charlie: Tenant
) -> None:
    me = (await signed_in(browser, alice)).json()
    assert (me["kind"], me["business"]["business_name"]) == ("customer", "Alice")
    assert not any(me["permissions"].values())
    assert (await browser.get("/api/me")).json()["subject"] == me["subject"]
    assert (await browser.get(f"/api/agents/{device.agent_id}")).status_code == 200
    await signed_in(browser, charlie)
    assert (await browser.get(f"/api/agents/{device.agent_id}")).status_code == 404


@pytest.mark.parametrize("other", ["a[]=1; ", "=; ", 'b="; ', "rts_session=; ", "xrts_session=x; ", "{}; ", ";;"])
async def test_cookies_of_other_programs_do_not_sign_anybody_out(
    browser: httpx.AsyncClient, alice: Tenant, other: str
) -> None:
    browser.headers["Cookie"] = f"{other}{COOKIE}={alice.user_token}; c[0]=2"
    assert (await browser.get("/api/me")).status_code == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    cookie = cookie_of(await signed_in(browser, await make_employee(pool, tokens)))
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "strict", "/", True)
    assert 3000 < int(cookie["max-age"]) <= 3600


async def test_the_token_may_come_in_the_body(browser: httpx.AsyncClient, employee: Employee) -> None:
    response = await browser.post("/api/session", json={"token": employee.token})
    assert response.json()["employee_id"] == str(employee.employee_id)
    permissions = response.json()["permissions"]
    assert not permissions.pop("keep_storage")  # a DBA's: the token names no role
    assert all(permissions.values())


@pytest.mark.parametrize(("role", "keeps"), [("admin", True), ("technician", False)])
async def test_only_the_right_dba_keeps_storage(
    browser: httpx.AsyncClient, employee: Employee, tokens: Tokens, role: str, keeps: bool
) -> None:
    claims = {"sub": str(employee.employee_id), "employee_id": str(employee.employee_id), "role": role}
    token = tokens.issue_person(claims, utc_now(), timedelta(minutes=10))
    response = await browser.post("/api/session", json={"token": token})
    assert response.json()["permissions"]["keep_storage"] is keeps


async def test_a_new_token_takes_the_place_of_a_cookie_whose_token_has_ended(
    browser: httpx.AsyncClient, employee: Employee
) -> None:
    browser.headers["Cookie"] = f"{COOKIE}=ended"
    response = await browser.post("/api/session", json={"token": employee.token}, headers=OURS)
    assert response.json()["employee_id"] == str(employee.employee_id)


async def test_an_agents_token_opens_no_session(browser: httpx.AsyncClient, device: Device) -> None:
    response = await browser.post("/api/session", json={"token": device.token})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_token")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Origin": "http://test"}, {"X-RTS-Request": "1", "Origin": "http://evil.example"},
        {"X-RTS-Request": "1", "Origin": "null"}, {"X-RTS-Request": "0"}, {"X-RTS-Request": "1", "Origin": "http://test.evil.example"},
    ],
)  # fmt: skip
async def test_another_site_changes_nothing_by_cookie(
    browser: httpx.AsyncClient, employee: Employee, device: Device, headers: dict[str, str]
) -> None:
    await signed_in(browser, employee)
    url = f"/api/agents/{device.agent_id}"
    for method, body in (("PATCH", {"device_name": "taken"}), ("DELETE", None)):
        response = await browser.request(method, url, json=body, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")
    assert (await browser.get(url)).json()["device_name"] == "server-1"
    for foreign in ("http://evil.example", "null"):
        response = await browser.post("/api/session", headers={**employee.headers, "Origin": foreign})
        assert response.status_code == 403


async def test_our_own_pages_change_things_by_cookie(
    browser: httpx.AsyncClient, employee: Employee, device: Device, settings: Settings
) -> None:
    await signed_in(browser, employee)
    for origin in ("http://test", settings.public_url):
        response = await browser.patch(
            f"/api/agents/{device.agent_id}", json={"device_name": origin}, headers={**OURS, "Origin": origin}
        )
        assert response.json()["device_name"] == origin


async def test_a_bearer_token_wins_and_needs_no_header_of_ours(
    browser: httpx.AsyncClient, employee: Employee, alice: Tenant, device: Device
) -> None:
    await signed_in(browser, alice)
    response = await browser.patch(
        f"/api/agents/{device.agent_id}", json={"device_name": "by bearer"}, headers=employee.headers
    )
    assert response.status_code == 200


async def test_signing_out_clears_the_cookie_even_when_its_token_has_ended(browser: httpx.AsyncClient) -> None:
    browser.headers["Cookie"] = f"{COOKIE}=no-token-at-all"
    assert (await browser.get("/api/me")).status_code == 401
    response = await browser.delete("/api/session", headers=OURS)
    assert response.status_code == 204
    assert cookie_of(response)["max-age"] == "0"


# The demo's sign-in.


@pytest.fixture(scope="module")
async def demo(settings: Settings) -> AsyncIterator[Application]:
    async with started(settings, demo_login=True) as (_, application):
        yield application


def visitor(demo: Application, host: str, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=demo, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


async def test_in_the_demo_one_may_choose_who_to_be(demo: Application, alice: Tenant) -> None:
    async with visitor(demo, "127.0.0.1:3002") as browser:
        logins = (await browser.get("/api/session/demo")).json()["logins"]
        for login in logins[:1] + logins[-1:]:
            response = await browser.post(
                "/api/session/demo", json={"key": login["key"]}, headers={"X-RTS-Request": "1"}
            )
            assert response.json()["kind"] == login["kind"]
            assert not cookie_of(response)["secure"]  # plain http on this machine
            assert (await browser.get("/api/me")).json()["name"] == login["label"]
        response = await browser.post(
            "/api/session/demo", json={"key": "user:nobody"}, headers=OURS | {"Origin": "http://127.0.0.1:3002"}
        )
        assert response.json()["error"]["code"] == "unknown_login"


@pytest.mark.parametrize(
    ("host", "address"), [("demo.example", "127.0.0.1"), ("127.0.0.1", "192.0.2.7"), ("demo.example", "192.0.2.7")]
)
async def test_from_elsewhere_there_is_no_demo_login(demo: Application, host: str, address: str) -> None:
    async with visitor(demo, host, address) as browser:
        key = {"key": "employee:00000000-0000-0000-0000-000000000000"}
        for response in (await browser.get("/api/session/demo"), await browser.post("/api/session/demo", json=key)):
            assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_another_site_cant_sign_its_visitor_in(demo: Application) -> None:
    async with visitor(demo, "127.0.0.1:3002") as browser:
        key = (await browser.get("/api/session/demo")).json()["logins"][0]["key"]
        headers = {"Origin": "http://evil.example"}
        response = await browser.post("/api/session/demo", json={"key": key}, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")


def test_only_origins_may_embed() -> None:
    settings = Settings(RTS_EMBED_ORIGINS="https://portal.example, http://127.0.0.1:8080")
    assert settings.embed_origins == ("https://portal.example", "http://127.0.0.1:8080")
    for wrong in ("*", "https://portal.example/path", "javascript:x", "https://a.example; script-src *"):
        with pytest.raises(ValueError, match="no origin"):
            Settings(RTS_EMBED_ORIGINS=wrong)
