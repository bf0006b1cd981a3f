"""Named SQL: how a file is split, and that the database can prepare every statement that asyncpg runs."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from db.sql import Queries, load_beside, load_queries

REPOSITORY = Path(__file__).parents[2]
# What asyncpg runs; policies.sql and the schema go through SQLAlchemy, and a migration runs each of them.
FOLDERS = (
    "alerts",
    "api",
    "commands",
    "demo",
    "devices",
    "health",
    "ingest",
    "inventory",
    "retention",
    "rollups",
    "worker",
)
FILES = sorted(
    file
    for files in ((REPOSITORY / "db").glob("*.sql"), *((REPOSITORY / folder).rglob("*.sql") for folder in FOLDERS))
    for file in files
    if file.name not in ("schema.sql", "fragments.sql")  # no named statements
)
STATEMENTS = {
    f"{file.relative_to(REPOSITORY)}:{name}": statement
    for file in FILES
    for name, statement in load_queries(file).statements.items()
}


def write(folder: Path, text: str) -> Path:
    file = folder / "queries.sql"
    file.write_text(text)
    return file


def test_statements_come_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "-- A comment.\n\n-- second --\n-- What it does.\nSELECT 2\n\n-- first --\nSELECT 1;\n")
    queries = load_queries(file)
    assert list(queries) == ["second", "first"]
    assert queries["second"].endswith("SELECT 2")
    assert queries["first"] == "SELECT 1;"


def test_a_comment_between_dashes_that_isnt_alone_on_its_line_is_no_name(tmp_path: Path) -> None:
    file = write(tmp_path, "-- one --\nSELECT 1 -- two --\n-- three -- four --\n")
    assert list(load_queries(file)) == ["one"]


def test_queries_beside_a_module_are_found(tmp_path: Path) -> None:
    write(tmp_path, "-- one --\nSELECT 1")
    assert load_beside(str(tmp_path / "module.py")) == {"one": "SELECT 1"}


def test_shared_text_stands_in_braces(tmp_path: Path) -> None:
    queries = load_queries(write(tmp_path, "-- one --\n{audit}\nSELECT :now, {system}, 'x', NULL, '{}'"))
    assert queries["one"].startswith("INSERT INTO agent_audit (at, ")
    assert queries["one"].endswith("SELECT :now, 'system', NULL, NULL, 'x', NULL, '{}'")
    with pytest.raises(ValueError, match="no fragment is named 'audits'"):
        load_queries(write(tmp_path, "-- one --\n{audits}"))


def test_rows_of_the_audit_trail_are_written_by_the_shared_text_only() -> None:
    assert not [file for file in FILES if "INSERT INTO agent_audit " in file.read_text()]
    assert sum("INSERT INTO agent_audit (" in statement.sql for statement in STATEMENTS.values()) > 40


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("-- one --\n\n-- two --\nSELECT 2", "one is empty or named twice"),
        ("-- one --\nSELECT 1\n-- one --\nSELECT 2", "one is empty or named twice"),
        ("SELECT 0;\n-- one --\nSELECT 1", "before the first"),
    ],
)
def test_a_faulty_file_is_refused_with_its_path(tmp_path: Path, text: str, fault: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ValueError, match=fault) as refused:
        load_queries(file)
    assert str(file) in str(refused.value)


def bound(text: str, **values: Any) -> tuple[Any, ...]:
    return Queries({"one": text}).bind("one", **values)


def test_parameters_are_numbered_in_the_order_in_which_they_first_appear() -> None:
    text = "SELECT :later::text, :sooner, :later WHERE a[1:n] = :sooner"
    assert bound(text, sooner=1, later=2) == ("SELECT $1::text, $2, $1 WHERE a[1:n] = $2", 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ':name'",
        "SELECT 'it''s :name'",
        'SELECT ":name"',
        "SELECT 1 -- :name",
        "SELECT /* :name\n:name */ 1",
        "SELECT $$ :name $$",
        "SELECT $tag$ $$ :name $tag$",
        "SELECT now()::date",
        "SELECT (now())::timestamptz",
        "SELECT a[lower:upper]",
        "SELECT f(x := 1)",
        "SELECT format('%s = ANY ($1::uuid[])', 'id')",
    ],
)
def test_text_that_only_looks_like_a_parameter_stays_as_it_is(text: str) -> None:
    assert bound(text) == (text,)


@pytest.mark.parametrize("values", [{}, {"id": 1, "name": 2}, {"name": 1}])
def test_values_that_are_not_exactly_the_parameters_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="parameters are id, not"):
        bound("SELECT :id", **values)


def test_names_and_numbers_in_one_statement_are_refused() -> None:
    with pytest.raises(ValueError, match="by name and by number"):
        bound("SELECT :id, $1", id=1)


def test_an_unknown_name_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"no query is named 'tree'; there are: one, three"):
        load_queries(write(tmp_path, "-- one --\nSELECT 1\n-- three --\nSELECT 3"))["tree"]


@pytest.mark.parametrize("name", STATEMENTS)
async def test_the_database_can_prepare_it(database: str, name: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await make_temporary_tables(connection, name)
        prepared = await connection.prepare(STATEMENTS[name].sql)
        assert len(prepared.get_parameters()) == len(STATEMENTS[name].parameters), "a parameter has no name"
    finally:
        await connection.close()


async def make_temporary_tables(connection: asyncpg.Connection, name: str) -> None:
    """Make the temporary tables of a statement's file, which it may read."""
    file = name.rpartition(":")[0]
    for other, statement in STATEMENTS.items():
        if other.startswith(f"{file}:") and "CREATE TEMP TABLE" in statement.sql:
            await connection.execute(statement.sql)
