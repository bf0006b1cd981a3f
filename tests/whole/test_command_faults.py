"""What an operator reads when a command cannot use the database: which one, why, and the next step."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from cli.faults import OTHERWISE, describe_error, describe_refusal, describe_url
from cli.settings import DatabaseUrlError, check_url
from db.pools import DatabaseUnavailableError, database_errors
from tests.whole.processes import free_port

FOR_DEVICES = "send the request again"


def run(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from cli.main import main; main()", "retention", "history"]
    return subprocess.run(
        command, env=os.environ | {"DATABASE_URL": url}, capture_output=True, text=True, timeout=120, cwd=folder
    )  # fmt: skip


def test_an_unreachable_database_is_named_with_the_next_step_and_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    done = run(f"postgresql://dba:secret@127.0.0.1:{port}/platform", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"database_unavailable: The database dba@127.0.0.1:{port}/platform cannot be reached")
    assert "correct host and port" in done.stderr
    assert FOR_DEVICES not in done.stderr
    assert "secret" not in done.stderr


def test_a_port_that_is_no_number_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    done = run("postgresql://dba:secret@127.0.0.1:55x17/platform", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("invalid_database_url: ")
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "url", ["platform", "mysql://a@b/c", "postgresql://a:b#c@host/db", "postgresql://a:b/c@host/db", "postgres://h:x/d"]
)
def test_a_url_that_no_driver_reads_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match="postgresql://user:password@host:5432/name"):
        check_url(url)


@pytest.mark.parametrize(
    "url", [
        "postgresql://a:b%23c@host:5432/db?sslmode=require", "postgres://host/db", "postgresql:///db?host=/tmp",
        "postgresql://a@one:5432,two:5433/db", "postgresql://a@[::1]:5432/db", "postgresql://a@[::1]/db",
    ],
)  # fmt: skip
def test_every_form_of_a_url_is_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("cause", "step"), [
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), "Create this database"),
        (asyncpg.InvalidPasswordError("password authentication failed"), "Correct user and password"),
        (asyncpg.CannotConnectNowError("the database system is starting up"), "in a minute"),
        (asyncpg.TooManyConnectionsError("sorry, too many clients"), "max_connections"),
        (TimeoutError(), OTHERWISE),
    ],
)  # fmt: skip
def test_each_cause_has_its_next_step(cause: Exception, step: str) -> None:
    with pytest.raises(DatabaseUnavailableError) as caught, database_errors():
        raise cause
    text = describe_error(caught.value, "postgresql://a:b@h/d")
    assert text.startswith("The database a@h/d cannot be reached")
    assert step in text


def test_a_missing_right_leads_to_the_roles() -> None:
    assert "docs/platform.md" in describe_refusal(asyncpg.InsufficientPrivilegeError("permission denied for table x"))
    assert "rts-agents db check" in describe_refusal(asyncpg.UndefinedColumnError("column x"))


def test_a_cause_is_not_told_twice() -> None:
    error = DatabaseUnavailableError("it is away: try later")
    error.__cause__ = OSError("it is away")
    assert describe_error(error, "") == "it is away: try later"


def test_a_url_is_shown_without_its_password() -> None:
    assert describe_url("postgresql://a:p%40ss@h:1/d?sslmode=require") == "a@h:1/d"
