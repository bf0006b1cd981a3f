"""Group commit: what waits together goes together, a full buffer refuses, closing writes what waits."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from core.clock import utc_now
from ingest.errors import IngestBusyError
from ingest.group_commit import MAX_AHEAD, MAX_GROUP_SAMPLES, MAX_SMALL, MAX_SMALL_GROUP, GroupCommit, Write
from ingest.pending import Upload
from ingest.samples import Decoded, Sample
from tests.waiting import until


def upload(samples: int = 1) -> Upload:
    now = utc_now()
    taken = [Sample(now - step * timedelta(seconds=1)) for step in range(samples)]
    pending = Upload(uuid4(), "", now, Decoded(samples, taken, [None] * samples, []))
    pending.make_rows()
    return pending


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


class Connections:
    """Two writers that note what they write, and end when they are told to."""

    def __init__(self) -> None:
        self.groups: dict[str, list[list[Upload]]] = {"first": [], "beside": []}
        self.open = {name: asyncio.Event() for name in self.groups}
        self.commits = GroupCommit(self._writing("first"), 100_000, beside=self._writing("beside"))

    def _writing(self, name: str) -> Write:
        async def write(uploads: Sequence[Upload]) -> None:
            self.groups[name].append(list(uploads))
            await self.open[name].wait()

        return write

    def end_all(self) -> None:
        for event in self.open.values():
            event.set()


async def test_a_small_upload_does_not_wait_for_a_large_one_that_is_being_written() -> None:
    two = Connections()
    two.commits.start()
    large = asyncio.create_task(two.commits.submit(upload(MAX_SMALL + 1)))
    await until(lambda: two.groups["first"])
    two.open["beside"].set()
    for _ in range(3):
        await two.commits.submit(upload())
    assert not large.done()
    assert [len(group) for group in two.groups["beside"]] == [1, 1, 1]
    two.end_all()
    await large
    await two.commits.close()


async def test_an_upload_waits_for_an_earlier_one_of_its_device() -> None:
    two = Connections()
    two.commits.start()
    first, second, other = upload(MAX_SMALL + 1), upload(), upload()
    second.agent_id = first.agent_id
    tasks = [asyncio.create_task(two.commits.submit(first))]
    await until(lambda: two.groups["first"])
    tasks += [asyncio.create_task(two.commits.submit(each)) for each in (second, other)]
    await until(lambda: two.groups["beside"])
    assert two.groups["beside"] == [[other]]
    two.open["beside"].set()
    await tasks[2]
    assert two.groups == {"first": [[first]], "beside": [[other]]}
    two.end_all()
    await asyncio.gather(*tasks)
    assert [second] in two.groups["first"] + two.groups["beside"]
    await two.commits.close()


async def test_large_and_small_uploads_of_a_device_are_written_in_the_order_of_their_arrival() -> None:
    two = Connections()
    two.end_all()
    one = uuid4()
    uploads = [upload(size) for size in (1, MAX_SMALL + 1, 1, 1, MAX_SMALL + 1, 1)]
    for each in uploads:
        each.agent_id = one
    tasks = [asyncio.create_task(two.commits.submit(each)) for each in uploads]
    await asyncio.sleep(0)
    two.commits.start()
    await asyncio.gather(*tasks)
    written = [each for group in (*two.groups["first"], *two.groups["beside"]) for each in group]
    assert sorted(map(id, written)) == sorted(map(id, uploads))
    assert [uploads.index(each) for each in two.groups["first"][0]] == sorted(
        uploads.index(each) for each in two.groups["first"][0]
    )
    await two.commits.close()


async def test_a_group_beside_another_is_not_smaller_than_it() -> None:
    two = Connections()
    two.commits.start()
    tasks = [asyncio.create_task(two.commits.submit(upload())) for _ in range(3)]
    await until(lambda: two.groups["first"])
    tasks += [asyncio.create_task(two.commits.submit(upload())) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert two.groups["beside"] == []
    tasks.append(asyncio.create_task(two.commits.submit(upload())))
    await until(lambda: two.groups["beside"])
    assert len(two.groups["beside"][0]) == 3
    two.end_all()
    await asyncio.gather(*tasks)
    await two.commits.close()


async def test_one_business_holds_at_most_half_of_the_buffer() -> None:
    database = Database()
    commits = GroupCommit(database.write, 100)
    commits.start()
    tasks = [asyncio.create_task(commits.submit(upload(50), "hog"))]
    await until(lambda: commits.buffered == 50)
    with pytest.raises(IngestBusyError):
        await commits.submit(upload(1), "hog")
    tasks += [asyncio.create_task(commits.submit(upload(samples), tenant)) for samples, tenant in ((40, "b"), (9, "c"))]
    await until(lambda: commits.buffered == 99)
    database.open.set()
    await asyncio.gather(*tasks)
    await commits.submit(upload(60), "hog")  # nothing of it waits: an upload of any size has its turn
    await commits.close()
    assert not commits._held


async def test_small_uploads_of_others_do_not_wait_for_all_of_a_flood() -> None:
    database = Database()
    commits = GroupCommit(database.write, 100_000)
    commits.start()
    tasks = [asyncio.create_task(commits.submit(upload(), "first"))]
    await until(lambda: database.groups)
    flood = [upload(MAX_SMALL) for _ in range(6 * MAX_SMALL_GROUP // MAX_SMALL)]
    tasks += [asyncio.create_task(commits.submit(each, "hog")) for each in flood]
    await until(lambda: commits.buffered == 1 + 6 * MAX_SMALL_GROUP)
    other = asyncio.create_task(commits.submit(upload(), "b"))
    await until(lambda: commits.buffered == 2 + 6 * MAX_SMALL_GROUP)
    database.open.set()
    await other
    assert len(database.groups) <= 3  # the one before the flood, its own, and the one that has begun since
    await asyncio.gather(*tasks)
    await commits.close()


async def test_the_time_of_a_group_is_shared_by_samples() -> None:
    database = Database()
    commits = GroupCommit(database.write, 1000)
    commits.start()
    first = asyncio.create_task(commits.submit(upload()))
    await until(lambda: database.groups)
    group = [upload(MAX_SMALL + 1), upload(2 * (MAX_SMALL + 1))]
    waiting = [asyncio.create_task(commits.submit(each)) for each in group]
    await until(lambda: commits.buffered == 1 + 3 * (MAX_SMALL + 1))
    database.open.set()
    await asyncio.gather(first, *waiting)
    assert database.groups == [1, 2]
    assert 0 < group[0].seconds == pytest.approx(group[1].seconds / 2)
    await commits.close()


async def test_only_small_uploads_ask_large_ones_to_rest() -> None:
    database = Database()
    database.open.set()
    commits = GroupCommit(database.write, 1000)
    commits.start()
    await asyncio.gather(*(commits.submit(upload(MAX_SMALL + 1), owner) for owner in "abc"))
    assert not commits.small_owners.is_there_another("a")
    await commits.submit(upload(MAX_SMALL), "b")
    assert commits.small_owners.is_there_another("a")
    assert not commits.small_owners.is_there_another("b")
    await commits.close()


async def test_a_large_upload_waits_until_few_samples_are_ahead_of_the_writer() -> None:
    database = Database()
    commits = GroupCommit(database.write, 10 * MAX_AHEAD)
    commits.start()
    await commits.wait_for_room()
    tasks = [
        asyncio.create_task(commits.submit(upload(MAX_GROUP_SAMPLES))) for _ in range(MAX_AHEAD // MAX_GROUP_SAMPLES)
    ]
    await until(lambda: commits.buffered == MAX_AHEAD)
    waiting = asyncio.create_task(commits.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    database.open.set()
    await asyncio.gather(waiting, *tasks)
    await commits.close()


async def test_an_upload_that_has_been_decoded_waits_for_room_and_for_the_share_of_its_business() -> None:
    database = Database()
    commits = GroupCommit(database.write, 100)
    commits.start()
    task = asyncio.create_task(commits.submit(upload(45), "a"))
    await until(lambda: commits.buffered == 45)
    waiting = [asyncio.create_task(commits.wait_for_room(*each)) for each in ((6, "a"), (56, "b"))]
    await commits.wait_for_room(5, "a")
    await commits.wait_for_room(55, "b")
    assert not any(one.done() for one in waiting)
    database.open.set()
    await asyncio.gather(task, *waiting)
    with pytest.raises(IngestBusyError):
        await commits.wait_for_room(101, "b")
    await commits.close()


async def test_an_upload_that_waits_for_room_is_refused_when_the_server_closes() -> None:
    database = Database()
    commits = GroupCommit(database.write, 10)
    commits.start()
    task = asyncio.create_task(commits.submit(upload(10)))
    await until(lambda: commits.buffered == 10)
    waiting = asyncio.create_task(commits.wait_for_room())
    await asyncio.sleep(0)
    closing = asyncio.create_task(commits.close())
    with pytest.raises(IngestBusyError):
        await waiting
    database.open.set()
    await asyncio.gather(task, closing)


async def test_both_connections_write_large_uploads_until_a_small_one_comes() -> None:
    two = Connections()
    two.commits.start()
    tasks = [asyncio.create_task(two.commits.submit(upload(MAX_GROUP_SAMPLES)))]
    await until(lambda: two.groups["first"])
    tasks.append(asyncio.create_task(two.commits.submit(upload(MAX_GROUP_SAMPLES))))
    await until(lambda: two.groups["beside"])
    tasks.append(asyncio.create_task(two.commits.submit(upload())))
    two.open["beside"].set()
    await tasks[2]
    assert [len(group) for group in two.groups["beside"]] == [1, 1]
    tasks.append(asyncio.create_task(two.commits.submit(upload(MAX_GROUP_SAMPLES))))
    await two.commits.submit(upload())  # the second connection is idle in between, and leaves the large one alone
    assert len(two.groups["first"]) == 1
    two.end_all()
    await asyncio.gather(*tasks)
    assert [sum(one.count for one in group) for group in two.groups["first"]] == [MAX_GROUP_SAMPLES] * 2
    await two.commits.close()
