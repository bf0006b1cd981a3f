"""Raw samples as a file: every sample of the range, once, and a business's only."""

import asyncio
import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from cli.main import app
from core.clock import utc_now
from devices.export_samples import COLUMNS, Format, SampleRange, export_samples
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Tenant

HOUR = timedelta(hours=1)


async def exported(pool: asyncpg.Pool, wanted: SampleRange, form: Format) -> str:
    async with pool.acquire() as connection:
        return "".join([part async for part in export_samples(connection, wanted, form)])


async def test_both_formats_have_every_sample_of_the_range_once(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.export_samples.ROWS_AT_ONCE", 3)
    device, now = await make_device(dora, name="front, desk"), utc_now()
    ages = range(10)
    samples = [sample(timedelta(minutes=age), cpu_percent=age, network_rx_bytes=1000 - age) for age in ages]
    await device.accepted(*samples, sample(2 * HOUR, cpu_percent=50))
    wanted = SampleRange(now - HOUR, now + HOUR, dora.business_id)
    rows = list(csv.DictReader(io.StringIO(await exported(pool, wanted, "csv"))))
    assert list(rows[0]) == list(COLUMNS)
    assert [float(row["cpu_percent"]) for row in rows] == list(reversed(ages))
    assert {(row["device_id"], row["device_name"]) for row in rows} == {(str(device.agent_id), "front, desk")}
    lines = [json.loads(line) for line in (await exported(pool, wanted, "jsonl")).splitlines()]
    assert [line["network_rx_bytes"] for line in lines] == [1000 - age for age in reversed(ages)]
    assert lines[0]["memory_percent"] is None
    assert rows[0]["memory_percent"] == ""


async def test_a_business_gets_only_its_own(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, bob: Tenant
) -> None:
    hers, his = await make_device(dora), await make_device(bob)
    for device in (hers, his):
        await device.accepted(sample(cpu_percent=1))
    now = utc_now()
    text = await exported(pool, SampleRange(now - HOUR, now + HOUR, dora.business_id), "jsonl")
    assert {json.loads(line)["device_id"] for line in text.splitlines()} == {str(hers.agent_id)}
    assert await exported(pool, SampleRange(now - HOUR, now + HOUR, dora.business_id, his.agent_id), "jsonl") == ""


async def test_a_name_that_begins_like_a_formula_is_a_text(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, name="=1+1")
    await device.accepted(sample(cpu_percent=1))
    now = utc_now()
    (row,) = csv.DictReader(
        io.StringIO(await exported(pool, SampleRange(now - HOUR, now + HOUR, dora.business_id), "csv"))
    )
    assert row["device_name"] == "'=1+1"


async def test_the_command_writes_a_new_file_that_others_cannot_read(
    database: str, make_device: MakeDevice, dora: Tenant, tmp_path: Path
) -> None:
    device = await make_device(dora)
    await device.accepted(sample(cpu_percent=7.5))
    file = tmp_path / "samples.csv"
    command = ["export", "--start", f"{utc_now() - HOUR:%Y-%m-%d}", "--device", str(device.agent_id), "--to", str(file)]
    result = await asyncio.to_thread(CliRunner().invoke, app, command, env={"DATABASE_URL": database})
    assert result.exit_code == 0, result.output
    assert [row["cpu_percent"] for row in csv.DictReader(io.StringIO(file.read_text()))] == ["7.5"]
    assert file.stat().st_mode & 0o777 == 0o600
    again = await asyncio.to_thread(CliRunner().invoke, app, command, env={"DATABASE_URL": database})
    assert again.exit_code == 2
