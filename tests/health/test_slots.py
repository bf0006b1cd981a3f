"""How processes share their counts: no counter goes backwards, whatever dies, and files don't pile up."""

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from health.counts import Gauges, ProcessCounts, add_up
from health.process import ThisProcess, is_alive
from health.slots import CounterSlot, Siblings, read_counts


@dataclass
class Place:
    siblings: Siblings

    def process(self) -> ThisProcess:
        return ThisProcess(self.siblings)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(Siblings(tmp_path))


def uploads(counts: dict[int, ProcessCounts]) -> int:
    return add_up(one.uploads for one in counts.values()).uploads


async def ended(process: ThisProcess) -> None:
    async with process.reporting(Gauges):
        pass


async def test_every_process_shows_the_counts_of_all(place: Place) -> None:
    one, two = place.process(), place.process()
    one.counts.uploads.answered(5, 0, (), 0.01)
    two.counts.uploads.answered(5, 0, (), 0.01)
    await one.all()
    assert uploads(await two.all()) == uploads(await one.all()) == 2
    assert set(await one.all()) == {0, 1}


async def test_counts_of_an_ended_process_stay_and_its_slot_is_reused(place: Place) -> None:
    one, two = place.process(), place.process()
    one.counts.uploads.answered(5, 0, (), 0.01)
    await ended(one)
    assert uploads(await two.all()) == 1
    three = place.process()
    three.counts.uploads.answered(5, 0, (), 0.01)
    assert uploads(await three.all()) == uploads(await two.all()) == 2
    assert set(await three.all()) == {0, 1}
    assert three.counts.uploads.upload_seconds.total == pytest.approx(0.02)


async def test_counts_made_during_a_scrape_are_not_shown_before_they_are_written(place: Place) -> None:
    """Else the next scrape, answered by another process, would show less."""
    one, two = place.process(), place.process()
    scrape = asyncio.create_task(one.all())
    await asyncio.sleep(0)
    one.counts.uploads.answered(5, 0, (), 0.01)
    shown = uploads(await scrape)
    assert uploads(await two.all()) >= shown


async def test_writings_at_the_same_time_leave_the_newest(place: Place) -> None:
    one, two = place.process(), place.process()
    for _ in range(20):
        one.counts.uploads.answered(5, 0, (), 0.01)
        await asyncio.gather(one.all(), one.all(), one.all())
    assert uploads(await two.all()) == 20


async def test_only_processes_that_serve_count_as_alive(place: Place) -> None:
    one, two = place.process(), place.process()
    await ended(one)
    counts = await two.all()
    assert [is_alive(one, time.time()) for one in counts.values()] == [True, False]
    assert not is_alive(two.counts, time.time() + 6)


async def test_a_directory_that_is_gone_stops_no_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "shared"
    directory.mkdir()
    process = ThisProcess(Siblings(directory))
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()
    process.counts.uploads.answered(1, 0, (), 0.01)
    with caplog.at_level(logging.WARNING):
        assert uploads(await process.all()) == 1
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("text", ["", "{", '{"uploads": 5}'])
async def test_a_file_that_cant_be_read_costs_only_its_counts(place: Place, tmp_path: Path, text: str) -> None:
    (tmp_path / "0.json").write_text(text)
    process = place.process()
    assert uploads(await process.all()) == 0


def test_counts_of_a_version_with_other_bounds_are_left(tmp_path: Path) -> None:
    slot = CounterSlot(tmp_path)
    other = b'{"web": {"seconds": {"bounds": [1.0], "counts": [0, 0], "total": 0}}}'
    slot.write(other)
    assert read_counts(tmp_path / "0.json") is None
    slot.release()


def test_a_drain_reaches_all_processes(place: Place) -> None:
    one, two = place.process(), place.process()
    assert not two.draining
    place.siblings.drain()
    assert (one.draining, two.draining) == (True, True)
