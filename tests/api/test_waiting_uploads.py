"""Large uploads that wait for their turn: packed, as they were sent, and none is refused for the others' sake."""

import asyncio
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from api.services import Services
from core.settings import Settings
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.serving import started
from tests.waiting import until

MINUTE = timedelta(minutes=1)
LONG = 30.0


def packed_upload(count: int, **values: Any) -> bytes:
    samples = [sample(MINUTE * (20 + step), cpu_percent=1, **values) for step in range(count)]
    return gzip.compress(json.dumps({"metrics": samples}).encode())


async def test_a_body_stays_packed_until_its_turn_and_its_bytes_are_given_back(
    settings: Settings, device: Device
) -> None:
    body = packed_upload(2000)
    async with started(settings) as (client, application):
        services: Services = application.web.state.services
        device.client = client
        async with services.turns.of("another business", "another device", LONG):
            waiting = asyncio.create_task(device.post(body, **{"Content-Encoding": "gzip"}))
            await until(lambda: services.budget.in_memory)
            assert services.budget.in_memory == len(body)
        receipt = (await waiting).json()
        assert receipt["accepted"] == 2000
        assert services.budget.in_memory == 0


async def test_faults_of_a_body_are_found_in_its_turn_and_nothing_is_kept(settings: Settings, device: Device) -> None:
    whole = packed_upload(2000)
    async with started(settings, max_body_bytes=100_000) as (client, application):
        services: Services = application.web.state.services
        device.client = client
        answers = [await device.post(body, **{"Content-Encoding": "gzip"}) for body in (whole, whole[:-9], whole[9:])]
        codes = [(answer.status_code, answer.json()["error"]["code"]) for answer in answers]
        assert codes == [(413, "body_too_large"), (413, "body_too_large"), (400, "bad_gzip")]
        assert services.budget.in_memory == 0
        assert (await device.post(packed_upload(300), **{"Content-Encoding": "gzip"})).status_code == 200


async def test_a_fleet_that_brings_more_than_the_buffer_holds_waits_and_nobody_is_refused(
    settings: Settings, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, size, buffer = [await make_device() for _ in range(12)], 400, 1000
    body = packed_upload(size)
    most = 0

    async with started(settings, max_buffered_samples=buffer) as (client, application):
        services: Services = application.web.state.services
        enqueue = services.commits.enqueue

        def watched(*arguments: Any) -> None:
            nonlocal most
            enqueue(*arguments)
            most = max(most, services.commits.buffered)

        monkeypatch.setattr(services.commits, "enqueue", watched)
        for each in fleet:
            each.client = client
        answers = await asyncio.gather(*(each.post(body, **{"Content-Encoding": "gzip"}) for each in fleet * 2))
        receipts = [answer.json() for answer in answers]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        assert sum(receipt["accepted"] for receipt in receipts) == len(fleet) * size
        assert sum(receipt["duplicates"] for receipt in receipts) == len(fleet) * size
        assert size <= most <= buffer / 2 + size
        assert services.budget.in_memory == 0


async def test_an_upload_that_the_buffer_can_hold_only_alone_is_stored(settings: Settings, device: Device) -> None:
    body = packed_upload(250, disks=[{"name": "C:", "percent": 5}])  # a sample with series counts four
    async with started(settings, max_buffered_samples=1000) as (client, application):
        services: Services = application.web.state.services
        device.client = client
        answers = await asyncio.gather(*(device.post(body, **{"Content-Encoding": "gzip"}) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [200] * 3
        assert services.commits.buffered == 0
