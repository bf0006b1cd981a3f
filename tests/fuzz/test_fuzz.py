"""Whatever a device sends, the answer is never 5xx, and what is sent in order afterwards is stored.

`make test` tries a few hundred requests, `make fuzz` FUZZ_UPLOADS uploads and as many other calls. A failure names the
seed: the same seed makes the same request, but for its times.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import httpx
import pytest

from api.app import Application
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.fuzz.bodies import KINDS, Call

UPLOADS = int(os.environ.get("FUZZ_UPLOADS", "120"))
ROUND = 250  # requests of one device: the series and services of a device are bounded
PER_KIND = max(1, UPLOADS // 2)  # two kinds are uploads: by grammar and by bytes
# Its tokens are made up. Of every other kind some must be taken: a fuzzer of refusals alone reaches little.
NEVER_TAKEN = {"register"}


@pytest.fixture(scope="module")
async def caller(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    """Calls into the application which returns what it fails at as its 500, as a server would."""
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def send(caller: httpx.AsyncClient, device: Device, call: Call) -> httpx.Response:
    path = call.path.replace("{agent_id}", str(device.agent_id))
    return await caller.post(path, content=call.body, headers=device.headers | call.headers)


@pytest.mark.parametrize("first", range(0, PER_KIND, ROUND))
@pytest.mark.parametrize("kind", KINDS)
async def test_odd_requests_are_answered_without_a_fault_of_the_server(
    caller: httpx.AsyncClient, make_device: MakeDevice, kind: str, first: int
) -> None:
    device = await make_device()
    answers: Counter[int] = Counter()
    faults: list[str] = []
    for number in range(first, min(first + ROUND, PER_KIND)):
        seed = f"{kind} {number}"
        call = KINDS[kind](Random(seed))
        answer = await send(caller, device, call)
        answers[answer.status_code] += 1
        if answer.status_code >= 500:
            faults.append(f"seed {seed!r}: {answer.status_code} {answer.text[:200]} for {call.body[:300]!r}")
    assert not faults, "\n".join(faults)
    assert kind in NEVER_TAKEN or any(status < 300 for status in answers), answers
    receipt = await device.accepted(sample(timedelta(days=22), cpu_percent=5))  # older than all that was sent
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 0), receipt
