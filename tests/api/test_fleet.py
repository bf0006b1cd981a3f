"""The fleet for other monitoring: scraped, and read remotely, each caller only their own business's."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import cramjam
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from api.routes import fleet
from api.routes.fleet import WIDTHS, choose_width
from protocols.errors import TooManyReadError
from protocols.protobuf_messages import ReadRequest, ReadResponse
from protocols.remote_read import LOOKBACK, ReadAnswer, ReadSeries, repeated
from rollups.choose import MAX_POINTS, MAX_RANGE
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee, Tenant

Labels = dict[str, str]


async def scrape(client: httpx.AsyncClient, headers: Labels, **query: str) -> dict[str, dict[str, float]]:
    """Return the samples of a scrape: metric → device → value."""
    response = await client.get("/api/fleet/metrics", headers=headers, params=query)
    assert response.status_code == 200, response.text
    values: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(response.text):
        for one in family.samples:
            values.setdefault(one.name, {})[one.labels["device_id"]] = one.value
    return values


async def test_a_scrape_has_the_newest_sample_of_each_device(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant
) -> None:
    device = await make_device(alice)
    await device.accepted(
        sample(timedelta(minutes=2), cpu_percent=1), sample(cpu_percent=12.5, network_rx_bytes=100, note="text")
    )
    values, own = await scrape(client, alice.headers), str(device.agent_id)
    assert (values["rts_cpu_percent"][own], values["rts_network_rx_bytes_total"][own]) == (12.5, 100)
    assert own not in values.get("rts_memory_percent", {})
    assert values["rts_last_sample_timestamp_seconds"][own] > datetime.now(UTC).timestamp() - 60


async def test_a_silent_device_shows_its_status_and_no_old_values(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant
) -> None:
    device = await make_device(alice, interval=60)
    await device.accepted(sample(timedelta(minutes=10), cpu_percent=12.5))
    values, own = await scrape(client, alice.headers), str(device.agent_id)
    assert own not in values.get("rts_cpu_percent", {})
    assert values["rts_device_status"][own] == 1
    assert values["rts_device_info"][own] == 1


async def test_a_caller_scrapes_only_its_own_business(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    hers, his = [await make_device(tenant) for tenant in (alice, bob)]
    for device in (hers, his):
        await device.accepted(sample(cpu_percent=1))
    her_id, his_id = str(hers.agent_id), str(his.agent_id)
    seen = (await scrape(client, alice.headers))["rts_device_status"]
    assert (her_id in seen, his_id in seen) == (True, False)
    assert not (await scrape(client, charlie.headers)).get("rts_device_status", {}).keys() & {her_id, his_id}
    assert not (await scrape(client, alice.headers, business_id=str(bob.business_id))).get("rts_device_status")
    seen = (await scrape(client, employee.headers, business_id=str(bob.business_id)))["rts_device_status"]
    assert (her_id in seen, his_id in seen) == (False, True)


async def gateway_headers(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **more: Any) -> Labels:
    body = {"business_id": str(tenant.business_id), "name": "grafana"} | more
    response = await client.post("/api/agents/gateways", json=body, headers=employee.headers)
    return {"Authorization": f"Bearer {response.json()['token']}"}


async def test_a_gateway_reads_where_it_may(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, bob: Tenant, employee: Employee
) -> None:
    device = await make_device(alice)
    reads = await gateway_headers(client, employee, alice, may_read=True)
    assert str(device.agent_id) in (await scrape(client, reads))["rts_device_status"]
    his = await gateway_headers(client, employee, bob, may_read=True)
    assert str(device.agent_id) not in (await scrape(client, his)).get("rts_device_status", {})
    writes = await gateway_headers(client, employee, alice)
    for answer in (
        await client.get("/api/fleet/metrics", headers=writes),
        await client.post("/api/v1/read", content=b"x", headers=writes),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "gateway_may_not_read")


Matcher = tuple[str, int, str]


async def read(
    client: httpx.AsyncClient, headers: Labels, *matchers: Matcher, minutes: int = 60, step: timedelta = timedelta()
) -> list[tuple[Labels, list[tuple[int, float]]]]:
    """Send one query and return its series: labels, and (milliseconds, value)."""
    request: Any = ReadRequest()
    query, now = request.queries.add(), datetime.now(UTC)
    query.end_timestamp_ms = int(now.timestamp() * 1000)
    query.start_timestamp_ms = query.end_timestamp_ms - minutes * 60_000
    query.hints.step_ms = step // timedelta(milliseconds=1)
    for name, kind, value in matchers:
        query.matchers.add(name=name, type=kind, value=value)
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    response = await client.post("/api/v1/read", content=body, headers=headers | {"Content-Encoding": "snappy"})
    assert response.status_code == 200, response.text
    assert response.headers["content-encoding"] == "snappy"
    answer: Any = ReadResponse()
    answer.ParseFromString(bytes(cramjam.snappy.decompress_raw(response.content)))
    return [
        ({label.name: label.value for label in one.labels}, [(point.timestamp, point.value) for point in one.samples])
        for one in answer.results[0].timeseries
    ]


async def test_remote_read_has_the_samples_of_the_device_that_is_named(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant
) -> None:
    name = f"desk-{uuid4().hex}"
    device = await make_device(alice, name=name)
    await device.accepted(*(sample(timedelta(minutes=age), cpu_percent=age) for age in (3, 2, 1)))
    ((labels, points),) = await read(client, alice.headers, ("__name__", 0, "rts_cpu_percent"), ("device", 0, name))
    assert labels == {
        "__name__": "rts_cpu_percent", "device": name, "device_id": str(device.agent_id), "business": alice.name,
    }  # fmt: skip
    assert [value for _, value in points] == [3, 2, 1]


@pytest.mark.parametrize(
    ("matchers", "count"),
    [([("device", 2, "desk-.*")], 2), ([("device", 3, "desk-a.*"), ("device", 2, "desk-.*")], 1),
     ([("device", 1, "desk-a"), ("device", 2, "desk-.*")], 1), ([("device", 2, "desk")], 0),
     ([("job", 0, ""), ("device", 2, "desk-.*")], 2), ([("job", 0, "node"), ("device", 2, "desk-.*")], 0)],
)  # fmt: skip
async def test_matchers_select_as_in_prometheus(
    client: httpx.AsyncClient, make_device: MakeDevice, dora: Tenant,
    matchers: list[Matcher], count: int,
) -> None:  # fmt: skip
    devices = [await make_device(dora, name=name) for name in ("desk-a", "desk-b")]
    series = await read(client, dora.headers, ("__name__", 0, "rts_device_info"), *matchers)
    ids = {labels["device_id"] for labels, _ in series} & {str(device.agent_id) for device in devices}
    assert len(ids) == count


async def test_remote_read_has_nothing_of_another_business(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, bob: Tenant
) -> None:
    device = await make_device(bob)
    await device.accepted(sample(cpu_percent=1))
    matcher = ("device_id", 0, str(device.agent_id))
    assert len(await read(client, bob.headers, matcher, ("__name__", 0, "rts_cpu_percent"))) == 1
    assert await read(client, alice.headers, matcher) == []


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [(b"x", "", 415), (b"x", "zstd", 415), (b"\xff\xff", "snappy", 400), (b"\xff\xff\xff\xff\x0f\x00", "snappy", 400),
     (b"\x05\x10abcde", "snappy", 400), (b"", "", 200)],
)  # fmt: skip
async def test_a_body_that_is_no_remote_read_is_refused(
    client: httpx.AsyncClient, alice: Tenant, body: bytes, encoding: str, status: int
) -> None:
    headers = alice.headers | ({"Content-Encoding": encoding} if encoding else {})
    assert (await client.post("/api/v1/read", content=body, headers=headers)).status_code == status


async def test_a_broken_regular_expression_is_named(client: httpx.AsyncClient, alice: Tenant) -> None:
    request: Any = ReadRequest()
    query = request.queries.add(start_timestamp_ms=-(2**62), end_timestamp_ms=2**62)
    query.matchers.add(name="device", type=2, value="(")
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    headers = alice.headers | {"Content-Encoding": "snappy"}
    answer = await client.post("/api/v1/read", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_matcher")


def series_of(count: int) -> ReadSeries:
    """Return a series with a value each minute."""
    start = datetime(2026, 5, 3, tzinfo=UTC)
    return ReadSeries({"device": "desk"}, ((start + number * timedelta(minutes=1), 1.0) for number in range(count)))


async def test_others_have_their_turn_while_a_large_answer_is_composed() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other, answer = asyncio.create_task(take_turns()), ReadAnswer()
    answer.begin()
    await answer.add(series_of(100_000))
    other.cancel()
    assert turns >= 100
    parsed: Any = ReadResponse()
    parsed.ParseFromString(bytes(cramjam.snappy.decompress_raw(answer.body())))
    assert len(parsed.results[0].timeseries[0].samples) == 100_000


async def test_the_samples_of_all_series_of_an_answer_are_bounded() -> None:
    answer = ReadAnswer(most=100)
    for _ in range(2):
        answer.begin()
        await answer.add(series_of(50))
    with pytest.raises(TooManyReadError):
        await answer.add(series_of(1))


async def test_a_remote_read_of_too_many_samples_is_refused_and_the_next_is_answered(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await make_device(alice)
    monkeypatch.setattr(fleet, "ReadAnswer", partial(ReadAnswer, most=20))
    matchers = ("__name__", 0, "rts_device_info"), ("device_id", 0, str(device.agent_id))
    request: Any = ReadRequest()
    query = request.queries.add(end_timestamp_ms=int(datetime.now(UTC).timestamp() * 1000))
    for name, kind, value in matchers:
        query.matchers.add(name=name, type=kind, value=value)
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    answer = await client.post("/api/v1/read", content=body, headers=alice.headers | {"Content-Encoding": "snappy"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "too_many_read")
    assert len(await read(client, alice.headers, *matchers)) == 1


@given(st.timedeltas(timedelta(seconds=1), MAX_RANGE), st.timedeltas(timedelta(), timedelta(days=30)))
def test_the_width_of_points_fits_the_range_and_the_steps(span: timedelta, step: timedelta) -> None:
    width = choose_width(span, step)
    assert width in [one for one, _ in WIDTHS]
    assert not width or span / width <= MAX_POINTS
    finer = [one for one, longest in WIDTHS if one < width and span <= longest]
    assert not finer or width <= step


@given(
    st.sampled_from([timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)]), st.floats(0, 1, exclude_max=True)
)
def test_a_bucket_is_the_newest_value_throughout(width: timedelta, part: float) -> None:
    start = datetime(2026, 5, 3, tzinfo=UTC)
    points = list(repeated([start, start + width], [1.0, 2.0], width, start + 2 * width))
    at = min(start + part * width, start + width - timedelta(microseconds=1))
    newest = max((time, value) for time, value in points if time <= at)
    assert newest[1] == 1.0
    assert at - newest[0] <= LOOKBACK + timedelta(seconds=1)
