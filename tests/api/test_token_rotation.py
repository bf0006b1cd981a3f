"""A device's token: rotated by its agent, whatever is lost on the way; good together for a while; revoked together."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from api.app import Application
from auth.tokens import token_hash
from core.clock import utc_now
from core.errors import RevokedTokenError
from core.settings import Settings
from ingest.pending import Upload
from ingest.samples import Decoded, Sample
from ingest.writer import Writer
from tests.calls import answer_of, beat, change, changed, deeds, error_of, path_of, removed, seen, told, trail
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee

OVERLAP = timedelta(hours=1)


async def rotate(device: Device, token: str | None = None) -> httpx.Response:
    """Ask for a new token, with the device's token or another one."""
    headers = {"Authorization": f"Bearer {token or device.token}"}
    return await device.client.post(path_of(device, "token", "rotate"), headers=headers)


async def rotated(device: Device, token: str | None = None) -> str:
    return str(answer_of(await rotate(device, token))["agent_token"])


async def works(device: Device, token: str) -> bool:
    """Tell whether a token is good for all calls of an agent: they must agree. This uses it."""
    headers = {"Authorization": f"Bearer {token}"}
    body = {"metrics": [sample(cpu_percent=1)]}
    answers = [
        await device.client.get(path_of(device, "commands"), headers=headers),
        await device.client.post(path_of(device, "metrics"), json=body, headers=headers),
        await device.client.post(
            path_of(device, "heartbeat"), json={"timestamp": utc_now().isoformat()}, headers=headers
        ),
    ]
    statuses = {answer.status_code for answer in answers}
    assert len(statuses) == 1, [answer.text for answer in answers]
    if statuses == {401}:
        assert {answer.json()["error"]["code"] for answer in answers} == {"token_revoked"}
    return statuses == {200}


@pytest.fixture
def clock() -> list[datetime]:
    """The time of the application `later_client` calls: one entry, to be replaced."""
    return [utc_now()]


@pytest.fixture
async def later_client(settings: Settings, clock: list[datetime]) -> AsyncIterator[httpx.AsyncClient]:
    """Calls into an application whose clock the test sets."""
    application = Application(settings, lambda: clock[0])
    async with application.web.router.lifespan_context(application.web):
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def test_an_employee_asks_and_the_agent_fetches_a_new_token(device: Device, employee: Employee) -> None:
    assert not (await told(device))["rotate_token"]
    assert (await changed(device, employee, "token", "rotation"))["rotation_requested_at"] is not None
    assert (await told(device))["rotate_token"]
    old, device.token = device.token, await rotated(device)
    assert old != device.token
    assert not (await told(device))["rotate_token"]
    assert (await seen(device))["rotation_requested_at"] is None
    assert await deeds(device, employee) == ["token_rotation_requested", "token_rotated"]
    last = (await trail(device, employee))[-1]
    assert (last["actor_kind"], last["actor_id"]) == ("agent", str(device.agent_id))
    assert last["details"] == {"answer_was_lost": False}


async def test_until_the_new_token_is_used_the_old_one_works_and_asks_for_it(device: Device) -> None:
    old = device.token
    await rotated(device)
    assert await works(device, old)
    assert (await told(device))["rotate_token"]


@pytest.mark.parametrize("first_use", ["heartbeat", "metrics"])
async def test_an_overlap_after_its_first_use_the_old_token_ends(
    make_device: MakeDevice, later_client: httpx.AsyncClient, clock: list[datetime], first_use: str
) -> None:
    device = await make_device()
    device.client = later_client
    old, new = device.token, await rotated(device)
    clock[0] += timedelta(days=30)  # nobody has used the new one: the old one stays good
    assert await works(device, old)
    device.token = new
    if first_use == "heartbeat":
        await told(device)
    else:
        await device.accepted(sample(clock[0], cpu_percent=1))
    used_at = clock[0]
    clock[0] = used_at + OVERLAP - timedelta(seconds=1)
    assert await works(device, old)
    clock[0] = used_at + OVERLAP
    assert not await works(device, old)
    assert await works(device, new)  # using it again has not moved the end


async def test_an_answer_that_was_lost_is_asked_for_again(device: Device, employee: Employee) -> None:
    old, lost = device.token, await rotated(device)
    second = await rotated(device, old)
    third = await rotated(device, old)
    assert not await works(device, lost)
    assert not await works(device, second)
    assert await works(device, old)
    assert await works(device, third)
    lost_ones = [entry["details"]["answer_was_lost"] for entry in (await trail(device, employee))[1:]]
    assert lost_ones == [False, True, True]


async def test_the_old_token_cannot_replace_the_new_one(device: Device) -> None:
    old, new = device.token, await rotated(device)
    assert await works(device, new)
    assert error_of(await rotate(device, old)) == (409, "token_superseded")
    assert await works(device, new)


async def test_a_second_rotation_ends_the_token_before_the_last(device: Device) -> None:
    first = device.token
    second = await rotated(device)
    third = await rotated(device, second)
    assert not await works(device, first)
    assert await works(device, second)
    assert await works(device, third)


async def test_uploads_with_both_tokens_in_one_flush_are_both_stored(
    device: Device, pool: asyncpg.Pool, settings: Settings
) -> None:
    old, new = device.token, await rotated(device)
    writer = Writer(lambda: asyncpg.connect(settings.database_url), token_overlap=OVERLAP)
    now = utc_now().replace(microsecond=0)

    def upload(token: str, minutes: int, cpu_percent: float) -> Upload:
        taken = [Sample(now - timedelta(minutes=minutes), cpu_percent=cpu_percent)]
        pending = Upload(device.agent_id, token_hash(token), now, Decoded(1, taken, [None], []))
        pending.make_rows()
        return pending

    uploads = [upload(new, 2, 22), upload(old, 1, 11), upload(new, 3, 33), upload(old, 4, 44)]
    await writer.write(uploads)
    assert [(one.error, one.inserted) for one in uploads] == [(None, 1)] * 4
    detail = await seen(device)
    assert (detail["status"], detail["current_metrics"]["cpu_percent"]) == ("online", 11)
    until = await pool.fetchval("SELECT previous_token_until FROM agent_devices WHERE id = $1", device.agent_id)
    assert until == now + OVERLAP
    late = [upload(new, 5, 1), upload(old, 6, 2)]
    for one in late:
        one.received_at = now + OVERLAP
    await writer.write(late)
    await writer.close()
    assert [type(one.error) for one in late] == [type(None), RevokedTokenError]
    assert await pool.fetchval("SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1", device.agent_id) == 5


async def test_revocation_ends_both_tokens(device: Device, employee: Employee) -> None:
    old, new = device.token, await rotated(device)
    await changed(device, employee, "token", "rotation")
    await removed(device, employee, "token")
    assert not await works(device, old)
    assert not await works(device, new)
    detail = await seen(device)
    assert (detail["token_state"], detail["rotation_requested_at"]) == ("revoked", None)
    assert error_of(await change(device, employee, "token", "rotation")) == (409, "agent_token_revoked")
    assert (await deeds(device, employee))[-1] == "token_revoked"


async def test_revoking_between_two_uses_of_a_flow_leaves_no_way_back(device: Device, employee: Employee) -> None:
    await removed(device, employee, "token")
    assert error_of(await rotate(device)) == (401, "token_revoked")


async def test_only_the_agent_itself_rotates(make_device: MakeDevice, employee: Employee) -> None:
    first, second = await make_device(), await make_device()
    answers: list[tuple[str, tuple[int, str]]] = [
        (second.token, (403, "wrong_agent")), (employee.token, (401, "invalid_token")),
        (first.tenant.user_token, (401, "invalid_token")),
    ]  # fmt: skip
    for token, answer in answers:
        assert error_of(await rotate(first, token)) == answer
    assert (await first.client.post(path_of(first, "token", "rotate"))).status_code == 401
    assert await works(first, first.token)


async def test_no_token_is_kept_as_it_is(device: Device, pool: asyncpg.Pool) -> None:
    old, new = device.token, await rotated(device)
    row: Any = await pool.fetchval("SELECT d::text FROM agent_devices d WHERE id = $1", device.agent_id)
    assert token_hash(old) in row
    assert token_hash(new) in row
    assert old not in row
    assert new not in row


async def test_a_heartbeat_of_a_deactivated_device_is_refused_with_either(device: Device, employee: Employee) -> None:
    old, new = device.token, await rotated(device)
    await changed(device, employee, "deactivate")
    for token in (old, new):
        device.token = token
        assert error_of(await beat(device)) == (401, "token_revoked")
