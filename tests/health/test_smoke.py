"""The smoke check passes on a server that works, names what doesn't, and leaves no device behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner

from alerts.state.evaluate import evaluate
from cli.main import app
from core.clock import utc_now
from core.settings import get_settings
from health.smoke import Step, check_answers, check_person, check_upload, check_worker, describe
from tests.people import Employee, Tenant
from tests.whole.processes import running_server


async def all_of(steps: AsyncIterator[Step]) -> list[Step]:
    return [step async for step in steps]


async def test_a_server_that_works_passes(client: httpx.AsyncClient, employee: Employee, dora: Tenant) -> None:
    steps = [
        *await all_of(check_answers(client)),
        *await all_of(check_person(client, employee.token)),
        *await all_of(check_upload(client, employee.token, dora.business_id)),
    ]
    assert [step for step in steps if not step.good] == []
    assert len(steps) == 14
    assert steps[8].said.startswith("PostgreSQL ")
    listed = await client.get("/api/agents", headers=employee.headers, params={"business_id": str(dora.business_id)})
    assert listed.json()["agents"] == []


async def test_the_smoke_test_names_every_fault(client: httpx.AsyncClient, dora: Tenant) -> None:
    (failed,) = await all_of(check_upload(client, dora.user_token, dora.business_id))  # a user may not register
    assert not failed.good
    assert failed.said.startswith("403")

    def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404 if request.url.path == "/api/agents" else 200, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(broken), base_url="http://broken") as other:
        faults = {step.name: step.said for step in await all_of(check_answers(other)) if not step.good}
    assert faults["GET /api/agents is 401"].startswith("404")
    assert len(faults) == 4

    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as nowhere:
        assert not any(step.good for step in await all_of(check_answers(nowhere)))


async def test_the_command_erases_its_probe(
    database: str, pool: asyncpg.Pool, key_file: Path, employee: Employee, dora: Tenant, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    token = tmp_path / "employee.jwt"
    token.write_text(employee.token + "\n")
    monkeypatch.setenv("DATABASE_URL", database)
    get_settings.cache_clear()
    with running_server(database, key_file, tmp_path) as server:
        arguments = [server.url, "--token-file", str(token), "--business", str(dora.business_id), "--json"]
        async with pool.acquire() as connection:
            await evaluate(connection, utc_now())
        ended = await asyncio.to_thread(CliRunner().invoke, app, ["smoke", *arguments])
    get_settings.cache_clear()
    assert ended.exit_code == 0, ended.output
    steps = [json.loads(line) for line in ended.output.splitlines()]
    assert all(step["good"] for step in steps)
    assert steps[-1]["name"] == "it is erased"
    device = next(step["said"] for step in steps if step["name"] == "a probe device registers")
    assert await pool.fetchval("SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1", device) == 0
    assert await pool.fetchval("SELECT count(*) FROM agent_devices WHERE business_id = $1", dora.business_id) == 0


@pytest.mark.parametrize(
    ("passed", "good", "words"),
    [("12:00:15", True, "30 s ago"), ("11:50:45", False, "last 600 s ago: start"), (None, False, "never yet: start")],
)
async def test_a_worker_that_stands_still_is_a_fault(passed: str | None, good: bool, words: str) -> None:
    day = "2026-05-03T"
    report = {"as_of": f"{day}12:00:45+00:00", "alert_pass": {"at": passed and f"{day}{passed}+00:00"}}

    def answers(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=report)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answers), base_url="http://served") as client:
        (step,) = await all_of(check_worker(client, "x"))
    assert (step.good, step.said.startswith(words)) == (good, True)


@pytest.mark.parametrize("url", ["agents.example", "127.0.0.1:3002", "ftp://x", "http://", "http://x:port"])
def test_a_malformed_address_is_refused_in_one_sentence(url: str) -> None:
    ended = CliRunner().invoke(app, ["smoke", url])
    assert ended.exit_code == 2
    assert "is not an address" in " ".join(ended.output.replace("│", " ").split())


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["smoke", "http://127.0.0.1:1"])
    assert (ended.exit_code, len(ended.output.splitlines())) == (1, 1)
    missing = CliRunner().invoke(app, ["smoke", "http://127.0.0.1:1", "--token-file", str(tmp_path / "none.jwt")])
    assert missing.exit_code == 2
    assert missing.exception is None or isinstance(missing.exception, SystemExit)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(503, json={"error": {"code": "not_ready", "message": "m", "details": [
            {"code": "draining", "message": "It stops."}]}}), "503 not_ready: draining: It stops."),
        (httpx.Response(403, json={"error": {"code": "forbidden", "message": "no", "details": None}}),
         "403 forbidden: no"),
        (httpx.Response(422, json={"error": {"code": "x", "message": "no", "details": [{"path": "x"}]}}), "422: "),
        (httpx.Response(404, text="<html>\n  <b>Not found</b>\n</html>"), "404: <html> <b>Not found</b> </html>"),
        (httpx.Response(301, headers={"location": "https://agents.example/"}), "301 to https://agents.example/: "),
    ],
)  # fmt: skip
def test_an_answer_is_described_in_one_line(response: httpx.Response, said: str) -> None:
    assert describe(response).startswith(said)
    assert "\n" not in describe(response)
