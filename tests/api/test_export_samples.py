"""Raw samples as a file: every sample of the range, once, and a business's only."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from cli.main import app
from core.clock import utc_now
from devices.export_samples import COLUMNS, ExportIncompleteError, Format, SampleRange, export_samples
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee, Tenant

HOUR = timedelta(hours=1)


async def exported(pool: asyncpg.Pool, chosen: SampleRange, form: Format) -> str:
    async with pool.acquire() as connection:
        return b"".join([part async for part in export_samples(connection, chosen, form)]).decode()


async def test_both_formats_have_every_sample_of_the_range_once(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.export_samples.ROWS_AT_ONCE", 3)
    device, now = await make_device(dora, name="front, desk"), utc_now()
    ages = range(10)
    samples = [sample(timedelta(minutes=age), cpu_percent=age, network_rx_bytes=1000 - age) for age in ages]
    await device.accepted(*samples, sample(2 * HOUR, cpu_percent=50))
    chosen = SampleRange(now - HOUR, now + HOUR, dora.business_id)
    rows = list(csv.DictReader(io.StringIO(await exported(pool, chosen, "csv"))))
    assert list(rows[0]) == list(COLUMNS)
    assert [float(row["cpu_percent"]) for row in rows] == list(reversed(ages))
    assert {(row["device_id"], row["device_name"]) for row in rows} == {(str(device.agent_id), "front, desk")}
    lines = [json.loads(line) for line in (await exported(pool, chosen, "jsonl")).splitlines()]
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


@pytest.fixture
async def damaged(pool: asyncpg.Pool) -> AsyncIterator[int]:
    """A value of network_rx_bytes that can't be read while this lasts, as one on a damaged page."""
    value = 666_000_666_001
    right = await pool.fetchval("SELECT pg_get_functiondef('counter_value'::regproc)")
    head = await pool.fetchval(
        "SELECT format('%s(%s) RETURNS %s', p.oid::regproc, pg_get_function_arguments(p.oid), "
        "pg_get_function_result(p.oid)) FROM pg_proc p WHERE p.oid = 'counter_value'::regproc"
    )
    await pool.execute(
        f"CREATE OR REPLACE FUNCTION {head} LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
        f"IF $1 = {value} THEN RAISE data_corrupted USING MESSAGE = 'invalid page'; END IF; RETURN abs($1); END $$"
    )
    try:
        yield value
    finally:
        await pool.execute(right)


async def exported_until_it_raises(pool: asyncpg.Pool, chosen: SampleRange, form: Format) -> tuple[bytes, str]:
    """Return what was exported, and the message of the error at its end."""
    parts = b""
    try:
        async for part in export_samples(pool, chosen, form):
            parts += part
    except ExportIncompleteError as error:
        return parts, error.message
    raise AssertionError("the export did not raise")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
async def test_a_device_that_cannot_be_read_stops_no_other(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, damaged: int, form: Format
) -> None:
    first, bad, last = [await make_device(dora, name=f"{letter} of {form}") for letter in "abc"]
    for device, counter in ((first, 1), (bad, damaged), (last, 3)):
        await device.accepted(sample(cpu_percent=1, network_rx_bytes=counter))
    now = utc_now()
    parts, reason = await exported_until_it_raises(pool, SampleRange(now - HOUR, now + HOUR, dora.business_id), form)
    assert str(bad.agent_id) in reason
    if form == "parquet":  # it has its end: it can be opened
        ids = pyarrow.parquet.read_table(io.BytesIO(parts)).column("device_id").to_pylist()
    elif form == "csv":
        ids = [row["device_id"] for row in csv.DictReader(io.StringIO(parts.decode()))]
    else:
        ids = [json.loads(line)["device_id"] for line in parts.splitlines()]
    assert {str(first.agent_id), str(last.agent_id)} <= set(ids)
    assert str(bad.agent_id) not in ids


async def test_the_command_names_the_devices_that_the_file_lacks(
    database: str, make_device: MakeDevice, bob: Tenant, damaged: int, tmp_path: Path
) -> None:
    good, bad = await make_device(bob), await make_device(bob)
    await good.accepted(sample(cpu_percent=7.5))
    await bad.accepted(sample(cpu_percent=1, network_rx_bytes=damaged))
    file = tmp_path / "samples.csv"
    start = f"{utc_now() - HOUR:%Y-%m-%d}"
    command = ["export", "--start", start, "--business", str(bob.business_id), "--to", str(file)]
    result = await asyncio.to_thread(CliRunner().invoke, app, command, env={"DATABASE_URL": database})
    assert isinstance(result.exception, ExportIncompleteError)
    assert str(bad.agent_id) in result.exception.message
    assert str(good.agent_id) in {row["device_id"] for row in csv.DictReader(io.StringIO(file.read_text()))}


URL = "/api/agents/metrics/export"


async def downloaded(client: httpx.AsyncClient, headers: dict[str, str], form: str, **query: str) -> httpx.Response:
    now = utc_now()
    span = {"start": (now - HOUR).isoformat(), "end": (now + HOUR).isoformat()}
    return await client.get(URL, params=span | {"format": form} | query, headers=headers)


async def test_parquet_has_the_same_rows_in_groups(
    pool: asyncpg.Pool,
    make_device: MakeDevice,
    dora: Tenant,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("devices.export_samples.ROWS_AT_ONCE", 4)
    monkeypatch.setattr("devices.export_parquet.ROWS_OF_A_GROUP", 6)
    for name in ("first", "second"):
        device = await make_device(dora, name=name)
        samples = (sample(timedelta(minutes=age), cpu_percent=age, network_rx_bytes=2**53 - age) for age in range(11))
        await device.accepted(*samples)
    answer = await downloaded(client, dora.headers, "parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    file = pyarrow.parquet.ParquetFile(io.BytesIO(answer.content))
    assert file.metadata.num_row_groups > 1
    rows = file.read().to_pylist()
    lines = [json.loads(line) for line in (await downloaded(client, dora.headers, "jsonl")).text.splitlines()]
    assert [row | {"collected_at": row["collected_at"].isoformat()} for row in rows] == lines
    assert len(rows) == 22


async def test_a_download_has_only_what_the_caller_may_see(
    client: httpx.AsyncClient, make_device: MakeDevice, dora: Tenant, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    hers, his = await make_device(dora), await make_device(bob)
    for device in (hers, his):
        await device.accepted(sample(cpu_percent=1))

    async def seen(headers: dict[str, str], **query: str) -> set[str]:
        answer = await downloaded(client, headers, "jsonl", **query)
        assert answer.status_code == 200, answer.text
        return {json.loads(line)["device_id"] for line in answer.text.splitlines()}

    both = {str(hers.agent_id), str(his.agent_id)}
    assert await seen(dora.headers) == {str(hers.agent_id)}
    assert await seen(dora.headers, business_id=str(bob.business_id)) == set()
    assert await seen(dora.headers, agent_id=str(his.agent_id)) == set()
    assert not both & await seen(charlie.headers)
    assert both <= await seen(employee.headers)
    assert await seen(employee.headers, business_id=str(dora.business_id)) == {str(hers.agent_id)}


async def test_a_download_of_too_long_a_range_is_refused(client: httpx.AsyncClient, dora: Tenant) -> None:
    long_ago = (utc_now() - 200 * 24 * HOUR).isoformat()
    answer = await downloaded(client, dora.headers, "csv", start=long_ago)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_range")
    backwards = await downloaded(client, dora.headers, "csv", start=(utc_now() + 2 * HOUR).isoformat())
    assert backwards.status_code == 422


async def test_without_pyarrow_parquet_is_refused_with_what_to_do(
    client: httpx.AsyncClient, dora: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    answer = await downloaded(client, dora.headers, "parquet")
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "parquet_missing")
