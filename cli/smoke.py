"""`rts-agents smoke`: check a deployment from outside."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import httpx
import typer

from cli.connection import with_connection as with_database
from cli.erase import current_user
from core.clock import utc_now
from core.errors import RtsError
from core.settings import get_settings
from db.pools import Connection
from devices.erasure.requests import ErasureRequest, read_certificate, request_erasure
from devices.erasure.scope import ErasedSubject
from devices.erasure.work import erase
from health.smoke import PROBE_STEP, Step, check_answers, check_person, check_upload, check_worker, reach

SECONDS = 15.0


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(smoke)


def smoke(
    url: Annotated[str, typer.Argument(help="address of the deployment")],
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="file with a token of an employee who may register", exists=True, dir_okay=False, readable=True
        ),
    ] = None,
    business: Annotated[UUID | None, typer.Option(help="business for a probe device, which is erased again")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Check a deployment from outside: health, 401 instead of 404, and one upload to its chart by a probe device.

    Without a token it runs the checks that need none; with a token also those of versions and the worker. The probe
    device is deleted, and erased if DATABASE_URL is set. Exit status 1 if a check fails.

    Example: rts-agents smoke https://agents.example --token-file employee.jwt --business 77…
    """
    if business and not token_file:
        raise typer.BadParameter("--business needs --token-file")
    check_address(url)
    steps = asyncio.run(run_steps(url, token_file.read_text().strip() if token_file else "", business, as_json))
    if not all(step.good for step in steps):
        raise typer.Exit(1)


def check_address(url: str) -> None:
    """Raise typer.BadParameter unless `url` is the address of a server: https://host, http://host:port."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise typer.BadParameter(f"{url} is not an address: {error}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise typer.BadParameter(f"{url} is not an address: write https://agents.example")


async def run_steps(url: str, token: str, business: UUID | None, as_json: bool) -> list[Step]:
    """Run every step and print it as it ends."""
    steps: list[Step] = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=SECONDS))
        async for step in all_steps(client, token, business):
            steps.append(step)
            line = (
                json.dumps(asdict(step)) if as_json else f"{'ok  ' if step.good else 'FAIL'} {step.name}: {step.said}"
            )
            typer.echo(line)
    return steps


async def all_steps(client: httpx.AsyncClient, token: str, business: UUID | None) -> AsyncIterator[Step]:
    """Yield the steps that the token and the business allow; only the first if no server of this product answers."""
    reached = await reach(client)
    yield reached
    if not reached.good:
        return
    checks = [check_answers(client)]
    if token:
        checks += [check_person(client, token), check_worker(client, token)]
    if token and business:
        checks.append(check_upload(client, token, business))
    device = ""
    for check in checks:
        async for step in check:
            device = step.said if step.name == PROBE_STEP and step.good else device
            yield step
    if device and get_settings().database_url:
        yield await erase_probe(UUID(device))


async def erase_probe(device: UUID) -> Step:

    async def do(connection: Connection) -> int:
        request = ErasureRequest("smoke check", current_user(), utc_now())
        number = await request_erasure(connection, ErasedSubject("device", device), request)
        await erase(connection, number, utc_now())
        return sum((await read_certificate(connection, number))["deleted"].values())

    try:
        return Step("it is erased", True, f"{await with_database(do)} rows")
    except RtsError as error:
        return Step("it is erased", False, f"{error.message} Is DATABASE_URL the database of this deployment?")
