"""Group commit: what waits together goes together, a full buffer refuses, closing writes what waits."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from core.clock import utc_now
from ingest.errors import IngestBusyError
from ingest.group_commit import MAX_GROUP_SAMPLES, GroupCommit
from ingest.pending import Upload
from ingest.samples import Decoded, Sample
from tests.waiting import until


def upload(samples: int = 1) -> Upload:
    now = utc_now()
    taken = [Sample(now - step * timedelta(seconds=1)) for step in range(samples)]
    made = Upload(uuid4(), "", now, Decoded(samples, taken, [None] * samples, []))
    made.make_rows()
    return made


class Database:
    """Something slow to write to, which notes what came together."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.open = asyncio.Event()

    async def write(self, uploads: Sequence[Upload]) -> None:
        self.groups.append(len(uploads))
        await self.open.wait()


async def test_uploads_that_arrive_during_a_write_make_up_the_next() -> None:
    database = Database()
    commits = GroupCommit(database.write, 1000)
    commits.start()
    first = asyncio.create_task(commits.submit(upload()))
    await until(lambda: database.groups)
    others = [asyncio.create_task(commits.submit(upload())) for _ in range(20)]
    await until(lambda: commits.buffered == 21)
    assert not first.done()
    database.open.set()
    await asyncio.gather(first, *others)
    assert database.groups == [1, 20]
    assert commits.buffered == 0
    await commits.close()


async def test_the_first_upload_is_written_at_once_and_those_shortly_after_it_together() -> None:
    database = Database()
    database.open.set()
    commits = GroupCommit(database.write, 1000)
    commits.start()
    await commits.submit(upload())
    assert database.groups == [1]
    later = []
    for _ in range(3):
        later.append(asyncio.create_task(commits.submit(upload())))
        for _ in range(5):  # rounds in which it could be written alone
            await asyncio.sleep(0)
    await asyncio.gather(*later)
    assert database.groups == [1, 3]
    await commits.close()


async def test_a_full_buffer_refuses_and_takes_again_when_it_has_room() -> None:
    database = Database()
    commits = GroupCommit(database.write, 10)
    commits.start()
    waiting = asyncio.create_task(commits.submit(upload(10)))
    await until(lambda: commits.buffered == 10)
    with pytest.raises(IngestBusyError):
        await commits.submit(upload())
    database.open.set()
    await waiting
    await commits.submit(upload())
    await commits.close()


async def test_a_group_is_bounded() -> None:
    database = Database()
    database.open.set()
    commits = GroupCommit(database.write, 100_000)
    half = MAX_GROUP_SAMPLES // 2
    tasks = [asyncio.create_task(commits.submit(upload(half))) for _ in range(3)]
    await asyncio.sleep(0)
    commits.start()
    await asyncio.gather(*tasks)
    assert database.groups == [2, 1]
    await commits.close()


async def test_closing_writes_what_waits_and_refuses_what_comes() -> None:
    database = Database()
    commits = GroupCommit(database.write, 100)
    commits.start()
    waiting = [asyncio.create_task(commits.submit(upload())) for _ in range(3)]
    await until(lambda: commits.buffered == 3)
    closing = asyncio.create_task(commits.close())
    await asyncio.sleep(0)  # it has begun
    with pytest.raises(IngestBusyError):
        await commits.submit(upload())
    database.open.set()
    await asyncio.gather(closing, *waiting)


async def test_a_failure_reaches_those_who_wait_and_the_next_group_is_written() -> None:
    failing = True

    async def write(uploads: Sequence[Upload]) -> None:
        if failing:
            raise ZeroDivisionError

    commits = GroupCommit(write, 100)
    commits.start()
    with pytest.raises(ZeroDivisionError):
        await commits.submit(upload())
    failing = False
    await commits.submit(upload())
    assert commits.buffered == 0
    await commits.close()


async def test_a_request_that_is_cancelled_gives_its_room_back() -> None:
    database = Database()
    commits = GroupCommit(database.write, 10)
    commits.start()
    waiting = asyncio.create_task(commits.submit(upload(10)))
    await until(lambda: database.groups)
    waiting.cancel()
    await until(waiting.done)
    database.open.set()
    await until(lambda: commits.buffered == 0)
    await commits.submit(upload(10))
    assert commits.buffered == 0
    await commits.close()
