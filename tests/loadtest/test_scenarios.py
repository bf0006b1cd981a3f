"""What each scenario sends: the same for the same seed, in slots, and with the codes that the server gives it."""

import gzip
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import BodyReader
from api.server.body_budget import BodyBudget, Holder
from core.errors import RtsError
from ingest.decode import decode_upload
from loadtest.fleet.clocks import DEVICES, SAMPLES, pack_by_clock
from loadtest.fleet.malformed import malformed_payload
from loadtest.fleet.payloads import MAX_SAMPLES, Due, Payload
from loadtest.fleet.scenarios import SCENARIOS
from loadtest.fleet.series import EPOCH, to_ms
from loadtest.plan import LoadPlan, LoadSettings, Member
from release.components import ROOT

MIB = 1024 * 1024
NOW = datetime(2026, 5, 3, 14, 5, tzinfo=UTC)
START = NOW.timestamp()
VICTIM = "00000000-0000-4000-8000-000000000001"


def plan_of(settings: LoadSettings) -> LoadPlan:
    members = [
        Member(number, f"load-{number}", str(uuid4()), "token", number % settings.tenants)
        for number in range(settings.agents)
    ]
    return LoadPlan(settings, "http://127.0.0.1:1", START - 60, members, [], "")


def dues_of(name: str, number: int, **settings: Any) -> list[Due]:
    plan = plan_of(LoadSettings(agents=20, **settings))
    return list(SCENARIOS[name].dues(plan, plan.members[number]))  # type: ignore[index]


async def unpack(payload: Payload) -> bytes:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": payload.body}

    room = BodyBudget(20 * MIB, 256 * MIB).room_for(Holder("agent", "one"))
    with BodyReader(receive, payload.encoding.encode(), 20 * MIB, room) as reader:
        return await reader.read()


async def answer_of(payload: Payload) -> tuple[str, dict[int, str]]:
    """What the server's own reader says of an upload: a refusal, or the codes of what it rejects."""
    try:
        decoded = decode_upload(await unpack(payload), NOW, 20_000)
    except RtsError as error:
        return f"{error.status} {error.code}", {}
    assert decoded.received == payload.size
    good = [index for index in range(payload.size) if index not in payload.expected]
    assert [to_ms(sample.collected_at.timestamp()) for sample in decoded.samples] == [payload.times[i] for i in good]
    assert [round(10 * (sample.cpu_percent or 0)) for sample in decoded.samples] == [payload.tenths[i] for i in good]
    return "", {one.index: one.code for one in decoded.rejected}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_sends_the_same_for_the_same_seed_in_the_order_of_its_slots(name: str) -> None:
    for number in range(10):
        once, again = (dues_of(name, number, seconds=300) for _ in range(2))
        assert once
        assert [due.offset for due in once] == sorted(due.offset for due in once)
        assert [due.make(START).body for due in once] == [due.make(START).body for due in again]


async def test_a_storm_holds_a_day_and_a_laptop_three_weeks_and_no_upload_is_too_large() -> None:
    for name, samples in (("reconnect-storm", 24 * 60), ("laptop-return", 21 * 288)):
        payloads = [due.make(START) for due in dues_of(name, 0) if due.offset == 0][
            :-1
        ]  # the last is of the first slot
        assert sum(payload.size for payload in payloads) == samples
        assert max(payload.size for payload in payloads) <= MAX_SAMPLES
        times = [ms for payload in payloads for ms in payload.times]
        assert times == sorted(set(times))
        assert (EPOCH.timestamp() + times[-1] / 1000) < START - 60
        for payload in payloads:
            assert await answer_of(payload) == ("", {})


def test_samples_of_one_agent_never_share_a_time() -> None:
    for number in range(4):
        times = [ms for due in dues_of("steady", number, seconds=900) for ms in due.make(START).times]
        assert len(times) == len(set(times))


@pytest.mark.parametrize("device", range(len(DEVICES)))
async def test_wrong_clocks_get_the_expected_codes(device: int) -> None:
    for part in range(2):
        payload = pack_by_clock(device, 0, 60, True, part, 1, START)
        assert payload.size == SAMPLES
        assert await answer_of(payload) == ("", payload.expected)


@given(number=st.integers(0, 40), turn=st.integers(0, 60))
async def test_everything_hostile_gets_the_answer_that_is_expected_of_it(number: int, turn: int) -> None:
    payload = malformed_payload(number, turn, 0, VICTIM, START)
    if payload.path:
        assert payload.refusal in ("403 wrong_agent", "401 invalid_token")
        return
    assert await answer_of(payload) == (payload.refusal, payload.expected)


def test_a_hostile_agent_gets_through_every_kind_in_a_minute() -> None:
    payloads = [malformed_payload(number, turn, 0, VICTIM, START) for number in (0, 10) for turn in range(60)]
    assert {payload.refusal for payload in payloads} == {
        "", "400 malformed_json", "400 bad_gzip", "401 invalid_token", "403 wrong_agent", "413 body_too_large",
        "413 too_many_samples", "415 unsupported_encoding", "422 wrong_envelope",
    }  # fmt: skip


def test_a_body_is_what_an_agent_would_send() -> None:
    payload = dues_of("steady", 1)[0].make(START)
    assert payload.encoding == "gzip"
    samples = orjson.loads(gzip.decompress(payload.body))["metrics"]
    assert len(samples) == 5  # an agent with five minutes between its uploads sends a sample for each minute
    assert all(0 <= sample["cpu_percent"] <= 100 for sample in samples)


def test_a_run_with_several_processes_has_results_of_its_own() -> None:
    assert LoadSettings(scenario="steady").label == "steady"
    assert LoadSettings(scenario="steady", processes=2).label == "steady-2-processes"


def test_make_hands_the_number_of_processes_on() -> None:
    make = shutil.which("make")
    if not make:
        pytest.skip("make is not installed")
    command = [make, "--dry-run", "--no-print-directory", "load", "SCENARIO=poison-tenant", "PROCESSES=2"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '--processes "2"' in printed
