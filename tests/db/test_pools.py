"""What is said when the database can't be reached, and the one form of all errors."""

import socket
import time

import asyncpg
import pytest

from core.errors import AgentNotFoundError, RtsError
from db.pools import CONNECTION_ERRORS, DatabaseUnavailableError, database_errors, open_pool


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def test_a_dsn_nobody_listens_on_says_so_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError) as away:
        await open_pool(f"postgresql://rts@127.0.0.1:{unused_port()}/rts", size=2, name="test")
    assert time.monotonic() - began < 5
    assert isinstance(away.value.__cause__, OSError)


async def test_connections_of_a_pool_say_who_they_are_and_count_in_utc(database: str) -> None:
    pool = await open_pool(database, size=1, name="test")
    values = [await pool.fetchval(f"SHOW {name}") for name in ("application_name", "timezone", "plan_cache_mode")]
    await pool.close()
    assert values == ["rts-agents test", "UTC", "force_custom_plan"]


@pytest.mark.parametrize("kind", CONNECTION_ERRORS)
def test_every_error_of_a_lost_server_becomes_the_same(kind: type[Exception]) -> None:
    with pytest.raises(DatabaseUnavailableError), database_errors():
        raise (kind(b"", 1) if issubclass(kind, EOFError) else kind("gone"))


def test_an_error_of_the_statement_stays_what_it_is() -> None:
    with pytest.raises(asyncpg.UniqueViolationError), database_errors():
        raise asyncpg.UniqueViolationError("twice")


def test_an_errors_message_is_its_docstring_unless_told_otherwise() -> None:
    error = AgentNotFoundError()
    assert (error.status, str(error)) == (404, "There is no such agent.")
    body = {"code": "agent_not_found", "message": "There is no such agent.", "details": None}
    assert error.as_json() == {"error": body}


def test_message_and_details_can_be_given() -> None:
    error = RtsError("It broke.", details=["here"])
    assert error.as_json() == {"error": {"code": "internal", "message": "It broke.", "details": ["here"]}}
