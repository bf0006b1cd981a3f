"""A smoke check after a deployment: what answers, what is refused, and one upload from a probe device to its chart."""

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import httpx

from core.clock import utc_now

PROBE = "rts-smoke"  # name of the probe device, with a random end
SAMPLES = (11.0, 22.0, 33.0)  # percent of CPU, one a minute


@dataclass(frozen=True, slots=True)
class Step:
    """One check; `said` is the actual result of a failed one, or a figure."""

    name: str
    good: bool
    said: str


class WrongAnswerError(Exception):
    """An answer that was not wanted: the step that needed it ends."""


async def check_answers(client: httpx.AsyncClient) -> AsyncIterator[Step]:
    """Try what needs no token: health is 200, everything else is refused with 401, never 404."""
    nobody = str(uuid4())
    for method, path, expected in (
        ("GET", "/api/health", 200), ("GET", "/api/health/live", 200), ("GET", "/api/health/ready", 200),
        ("GET", "/api/agents", 401), ("GET", "/api/admin/storage", 401),
        ("POST", f"/api/agents/{nobody}/metrics", 401), ("POST", f"/api/agents/{nobody}/heartbeat", 401),
    ):  # fmt: skip
        name = f"{method} {path.replace(nobody, '…')} is {expected}"
        yield await attempt(name, partial(answer, client, method, path, expected))


async def check_person(client: httpx.AsyncClient, token: str) -> AsyncIterator[Step]:
    """Try what an employee reads: who it is, the list of devices, the storage."""
    for path in ("/api/me", "/api/agents", "/api/admin/storage"):
        yield await attempt(f"GET {path} as an employee", partial(answer, client, "GET", path, 200, token))


async def check_upload(client: httpx.AsyncClient, token: str, business: UUID) -> AsyncIterator[Step]:
    """Register a probe device of a business, upload, read the chart, and delete the device, whatever happens.

    The last step's name is the device's id: what it measured is to be erased by that.
    """
    device = ""
    try:
        body = {
            "business_id": str(business),
            "device_name": f"{PROBE}-{uuid4().hex[:8]}",
            "metrics_interval_seconds": 60,
        }
        created = await answer(client, "POST", "/api/agents/registration-tokens", 200, token, body)
        facts = {"token": created.json()["token"], "hostname": body["device_name"], "os_type": "linux"}
        registered = (await answer(client, "POST", "/api/agents/register", 200, "", facts)).json()
        device, agent_token = registered["agent_id"], registered["agent_token"]
        yield Step("a probe device registers", True, device)
        yield await attempt("its upload is stored", partial(upload, client, device, agent_token))
        yield await attempt("its chart shows the upload", partial(chart, client, device, token))
    except (WrongAnswerError, httpx.HTTPError, KeyError, ValueError) as error:
        yield Step("a probe device registers", False, str(error) or repr(error))
    finally:
        if device:
            await client.delete(f"/api/agents/{device}", headers=bearer(token))
    if device:
        refused = partial(answer, client, "POST", f"/api/agents/{device}/metrics", 401, agent_token, {"metrics": []})
        yield await attempt("it is deleted and refused", refused)


async def upload(client: httpx.AsyncClient, device: str, token: str) -> str:
    """Upload the samples; all must be accepted."""
    now = utc_now().replace(microsecond=0)
    samples = [
        {"collected_at": (now - timedelta(minutes=age + 1)).isoformat(), "cpu_percent": value}
        for age, value in enumerate(SAMPLES)
    ]
    receipt = (await answer(client, "POST", f"/api/agents/{device}/metrics", 200, token, {"metrics": samples})).json()
    if receipt.get("accepted") != len(SAMPLES):
        raise WrongAnswerError(f"accepted {receipt.get('accepted')} of {len(SAMPLES)} samples")
    return f"{len(SAMPLES)} samples"


async def chart(client: httpx.AsyncClient, device: str, token: str) -> str:
    """Read the samples back."""
    path = f"/api/agents/{device}/metrics/history?metric=cpu_percent&interval=raw"
    rows = (await answer(client, "GET", path, 200, token)).json()["metrics"]
    values = sorted(row["cpu_percent"] for row in rows if row["cpu_percent"] is not None)
    if values != sorted(SAMPLES):
        raise WrongAnswerError(f"the chart has {values}")
    return f"{len(values)} points"


async def answer(
    client: httpx.AsyncClient, method: str, path: str, expected: int, token: str = "", body: object = None
) -> httpx.Response:
    """Return the answer to a call; raises WrongAnswerError for another status than the wanted one."""
    response = await client.request(method, path, headers=bearer(token), json=body)
    if response.status_code != expected:
        raise WrongAnswerError(f"{response.status_code}: {response.text[:200]}")
    return response


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token; none for nobody."""
    return {"Authorization": f"Bearer {token}"} if token else {}


async def attempt(name: str, do: Callable[[], Awaitable[object]]) -> Step:
    """Run one step; a wrong or missing answer is returned instead of raised."""
    began = time.perf_counter()
    try:
        message = await do()
    except (WrongAnswerError, httpx.HTTPError, ssl.SSLError, KeyError, ValueError) as error:
        return Step(name, False, str(error) or repr(error))
    milliseconds = (time.perf_counter() - began) * 1000
    return Step(name, True, f"{milliseconds:.0f} ms" if isinstance(message, httpx.Response) else str(message))
