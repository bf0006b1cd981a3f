"""A smoke check after a deployment: answers, refusals, and one upload of a probe device to its chart."""

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import httpx

from core.clock import utc_now

PROBE = "rts-smoke"  # name of the probe device, with a random end
PROBE_STEP = "a probe device registers"
PASS_SECONDS = 120.0  # a worker evaluates the alert rules every 30 s
SAMPLES = (11.0, 22.0, 33.0)  # percent of CPU, one a minute


@dataclass(frozen=True, slots=True)
class Step:
    """One check; `said` is the result of a failed check, or a figure."""

    name: str
    good: bool
    said: str


class WrongAnswerError(Exception):
    """An answer that was not wanted: the step that needed it ends."""


async def reach(client: httpx.AsyncClient) -> Step:
    """Check that our server answers at this address; without that no other step can succeed."""
    return await attempt("GET /api/health/live is 200", partial(answer, client, "GET", "/api/health/live", 200))


async def check_answers(client: httpx.AsyncClient) -> AsyncIterator[Step]:
    """Check calls without a token: health is 200, everything else is refused with 401, never 404."""
    nobody = str(uuid4())
    for method, path, expected in (
        ("GET", "/api/health", 200), ("GET", "/api/health/ready", 200),
        ("GET", "/api/agents", 401), ("GET", "/api/admin/storage", 401),
        ("POST", f"/api/agents/{nobody}/metrics", 401), ("POST", f"/api/agents/{nobody}/heartbeat", 401),
    ):  # fmt: skip
        name = f"{method} {path.replace(nobody, '…')} is {expected}"
        yield await attempt(name, partial(answer, client, method, path, expected))


async def check_person(client: httpx.AsyncClient, token: str) -> AsyncIterator[Step]:
    """Check reads of an employee: themselves, the list of devices, the storage."""
    for path in ("/api/me", "/api/agents"):
        yield await attempt(f"GET {path} as an employee", partial(answer, client, "GET", path, 200, token))
    yield await attempt("GET /api/admin/storage as an employee", partial(read_storage, client, token))


async def check_worker(client: httpx.AsyncClient, token: str) -> AsyncIterator[Step]:
    """Check that a worker has evaluated the alert rules within PASS_SECONDS; it does every 30 seconds."""
    yield await attempt("a worker evaluates the alert rules", partial(find_last_pass, client, token))


async def read_storage(client: httpx.AsyncClient, token: str) -> str:
    """Read versions, and the faults that the server reports; these fail no deployment."""
    report = (await answer(client, "GET", "/api/admin/storage", 200, token)).json()
    database, faults = report["database"], report["faults"]
    state = f"{len(faults)} faults, see `rts-agents db status`: {faults[0]}" if faults else "no fault"
    return f"PostgreSQL {database['postgres']}, TimescaleDB {database['timescaledb']}; {state}"


async def find_last_pass(client: httpx.AsyncClient, token: str) -> str:
    """Return how long ago the alert rules were evaluated; raises WrongAnswerError where that is too long."""
    report = (await answer(client, "GET", "/api/admin/storage", 200, token)).json()
    at = report["alert_pass"]["at"]
    if at is None:
        raise WrongAnswerError("never yet: start `rts-agents worker`, or look into its log")
    age = (datetime.fromisoformat(report["as_of"]) - datetime.fromisoformat(at)).total_seconds()
    if age > PASS_SECONDS:
        raise WrongAnswerError(f"last {age:.0f} s ago: start `rts-agents worker`, or look into its log")
    return f"{max(age, 0):.0f} s ago"


async def check_upload(client: httpx.AsyncClient, token: str, business: UUID) -> AsyncIterator[Step]:
    """Register a probe device of a business, upload, read the chart, and delete the device, whatever happens.

    The result of the first step is the device's id, by which its data is erased afterwards.
    """
    device, deleted = "", None
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
        yield Step(PROBE_STEP, True, device)
        yield await attempt("its upload is stored", partial(upload, client, device, agent_token))
        yield await attempt("its chart shows the upload", partial(chart, client, device, token))
    except (WrongAnswerError, httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        yield Step(PROBE_STEP, False, str(error) or repr(error))
    finally:
        if device:
            delete = partial(answer, client, "DELETE", f"/api/agents/{device}", 204, token)
            deleted = await attempt("it is deleted", delete)
    if deleted:
        yield deleted
        refused = partial(answer, client, "POST", f"/api/agents/{device}/metrics", 401, agent_token, {"metrics": []})
        yield await attempt("its token is refused", refused)


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
        raise WrongAnswerError(describe(response))
    return response


def describe(response: httpx.Response) -> str:
    """Return an answer in one line: of our errors the code and message, or the reasons."""
    try:
        error = response.json()["error"]
        reasons = [f"{reason['code']}: {reason['message']}" for reason in error["details"] or ()]
        return f"{response.status_code} {error['code']}: {' '.join(reasons) or error['message']}"
    except (KeyError, TypeError, ValueError):  # another server's answer
        target = f" to {response.headers['location']}" if response.is_redirect else ""
        return f"{response.status_code}{target}: {' '.join(response.text.split())[:200]}"


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token; none for nobody."""
    return {"Authorization": f"Bearer {token}"} if token else {}


async def attempt(name: str, do: Callable[[], Awaitable[object]]) -> Step:
    """Run one step; a wrong or missing answer is returned instead of raised."""
    began = time.perf_counter()
    try:
        message = await do()
    except (WrongAnswerError, httpx.HTTPError, ssl.SSLError, KeyError, TypeError, ValueError) as error:
        return Step(name, False, str(error) or repr(error))
    milliseconds = (time.perf_counter() - began) * 1000
    return Step(name, True, f"{milliseconds:.0f} ms" if isinstance(message, httpx.Response) else str(message))
