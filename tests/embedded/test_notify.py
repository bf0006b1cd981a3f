"""LISTEN and NOTIFY between clients."""

import asyncio

import asyncpg
import psycopg

from tests.embedded.wire import RawClient, kinds, row_values


class Received:
    """What one asyncpg connection is told."""

    def __init__(self) -> None:
        self.payloads: list[str] = []
        self.more = asyncio.Event()

    def __call__(self, _connection: object, pid: int, channel: str, payload: object) -> None:
        assert pid > 0
        self.payloads.append(f"{channel}:{payload}")
        self.more.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.more.wait(), 5)
        self.more.clear()


async def test_an_idle_client_hears_what_another_commits_and_only_then(dsn: str) -> None:
    listener, deaf, speaker = [await asyncpg.connect(dsn) for _ in range(3)]
    received, unwanted = Received(), Received()
    await listener.add_listener("alerts", received)
    await deaf.add_listener("others", unwanted)
    async with speaker.transaction():
        await speaker.execute("NOTIFY alerts, 'first'")
        await asyncio.sleep(0.2)
        assert received.payloads == []
    await received.wait()
    await speaker.execute("SELECT pg_notify('alerts', 'ünï')")
    await received.wait()
    assert received.payloads == ["alerts:first", "alerts:ünï"]
    assert unwanted.payloads == []
    for connection in (listener, deaf, speaker):
        await connection.close()


async def test_a_rolled_back_notification_is_never_heard(dsn: str) -> None:
    listener, speaker = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    received = Received()
    await listener.add_listener("maybe", received)
    await speaker.execute("BEGIN; NOTIFY maybe, 'no'; ROLLBACK")
    await speaker.execute("NOTIFY maybe, 'yes'")
    await received.wait()
    assert received.payloads == ["maybe:yes"]
    await listener.close()
    await speaker.close()


async def test_unlisten_ends_it_for_one_client_only(dsn: str) -> None:
    one, two, speaker = [await asyncpg.connect(dsn) for _ in range(3)]
    first, second = Received(), Received()
    await one.add_listener("shared", first)
    await two.add_listener("shared", second)
    await speaker.execute("NOTIFY shared, '1'")
    await asyncio.gather(first.wait(), second.wait())
    await one.remove_listener("shared", first)
    await two.execute("LISTEN more; UNLISTEN more")
    await speaker.execute("NOTIFY shared, '2'; NOTIFY more, '3'")
    await second.wait()
    assert first.payloads == ["shared:1"]
    assert second.payloads == ["shared:1", "shared:2"]
    for connection in (one, two, speaker):
        await connection.close()


async def test_the_reset_of_a_pool_does_not_end_listening_elsewhere(dsn: str) -> None:
    listener = await asyncpg.connect(dsn)
    received = Received()
    await listener.add_listener("pooled", received)
    async with asyncpg.create_pool(dsn, min_size=2, max_size=2) as pool:
        await pool.execute("SELECT 1")
        await pool.execute("NOTIFY pooled, 'x'")
    await received.wait()
    await listener.close()


def test_psycopg_hears_itself_and_others(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as one, psycopg.connect(dsn, autocommit=True) as two:
        one.execute('LISTEN "Mixed Case"')
        two.execute("SELECT pg_notify('Mixed Case', 'from two')")
        one.execute("SELECT pg_notify('Mixed Case', 'from one')")
        received = list(one.notifies(timeout=5, stop_after=2))
        assert [(n.channel, n.payload, n.pid) for n in received] == [
            ("Mixed Case", "from two", two.info.backend_pid),
            ("Mixed Case", "from one", one.info.backend_pid),
        ]


def test_a_rolled_back_listen_does_not_count(dsn: str) -> None:
    with RawClient(dsn) as one, RawClient(dsn) as two:
        assert kinds(one.ask("BEGIN; LISTEN undecided; ROLLBACK")) == "CCCZ"
        two.ask("NOTIFY undecided")
        assert kinds(one.ask("SELECT 1")) == "TDCZ"
        one.ask("LISTEN undecided")
        two.ask("NOTIFY undecided, 'now'")
        kind, body = one.receive()
        assert (kind, body[4:]) == ("A", b"undecided\0now\0")
        one.ask("BEGIN; UNLISTEN undecided; ROLLBACK")
        two.ask("NOTIFY undecided, 'still'")
        assert one.receive()[1][4:] == b"undecided\0still\0"
        assert row_values(one.ask("SELECT 1")) == ["1"]
