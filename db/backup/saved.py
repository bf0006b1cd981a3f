"""Saves the rows that a downgrade loses in a CSV for each table, and restores them after the next upgrade."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psycopg

from core.errors import RtsError
from db.backup.dump import write_private
from db.backup.manifest import file_sha256, run_bound
from db.migrations.losses import PLATFORM_TABLES, Loss, read_losses, to_save
from db.migrations.statements import MADE_HERE
from db.sql import load_beside

QUERIES = load_beside(__file__, "saved.sql")
INDEX = "saved.json"
COUNTED = 1_000_000  # rows; more are "more than": a count of all samples would take minutes
READ_BYTES = 1 << 20


class SavedFilesError(RtsError):
    """The folder of saved tables cannot be used."""

    code: ClassVar[str] = "saved_files"


class SavedTable(msgspec.Struct, frozen=True):
    """A file: rows of a table, whole, or the key and some columns of them."""

    file: str
    table: str
    columns: list[str]
    key: list[str]
    whole_rows: bool
    rows: int
    sha256: str


class Saved(msgspec.Struct, frozen=True):
    """The saved data of a downgrade from one revision to another; `at` in UTC."""

    database: str
    at: datetime
    revision: str
    target: str
    tables: list[SavedTable]


class CountedLoss(msgspec.Struct, frozen=True):
    """A loss and its rows; more than COUNTED rows are counted as COUNTED + 1."""

    loss: Loss
    rows: int


class Relation(msgspec.Struct, frozen=True):
    """A table or continuous aggregate: columns, primary key, and the hypertable behind a continuous aggregate."""

    columns: list[str]
    key: list[str]
    behind: str


def current_revision(url: str) -> str | None:
    """Return the revision of the schema, None before the first."""
    with psycopg.connect(url) as connection:
        try:
            revision: str | None = run_bound(connection, QUERIES.bind("read_revision"))[0][0]
        except psycopg.errors.UndefinedTable:
            return None
    return revision


def count_losses(url: str, current: str, target: str) -> dict[str, list[CountedLoss]]:
    """Return the losses of a downgrade by revision, with rows, without tables that only the platform has."""
    counted: dict[str, list[CountedLoss]] = {}
    with psycopg.connect(url) as connection:
        for revision, losses in read_losses(current, target).items():
            described = [(loss, describe(connection, loss.table)) for loss in losses]
            counted[revision] = [
                CountedLoss(loss, count_rows(connection, loss, relation)) for loss, relation in described if relation
            ]
    return counted


def describe(connection: psycopg.Connection[Any], table: str) -> Relation | None:
    """Return the columns and the key of a table; None if it does not exist, or is the platform's own."""
    bound = QUERIES.bind("describe_relation", table=table, platform=list(PLATFORM_TABLES), mark=MADE_HERE)
    rows = run_bound(connection, bound)
    return Relation(*rows[0][:3]) if rows and not rows[0][3] else None


def count_rows(connection: psycopg.Connection[Any], loss: Loss, relation: Relation) -> int:
    """Return how many rows a loss has, COUNTED + 1 for more than COUNTED."""
    reads = compose_reads(connection, loss, relation)[1]
    counts = compose(connection, "compose_count", reads=reads, most=COUNTED + 1)[0]
    return int(connection.execute(counts.encode()).fetchall()[0][0])


def compose_reads(connection: psycopg.Connection[Any], loss: Loss, relation: Relation) -> tuple[list[str], str]:
    """Return the columns that must be saved, and the statement that reads them."""
    columns, condition = relation.columns, loss.condition
    if loss.columns:
        columns = [*relation.key, *(name for name in loss.columns if name not in relation.key)]
        condition = compose(connection, "compose_condition", columns=list(loss.columns))[0]
    reads = compose(connection, "compose_select", table=loss.table, columns=columns, condition=condition)[0]
    return columns, reads


def compose(connection: psycopg.Connection[Any], name: str, /, **values: Any) -> list[str]:
    """Return the statements that a named query composes."""
    return [row[0] for row in run_bound(connection, QUERIES.bind(name, **values))]


def save(url: str, folder: Path, now: datetime, current: str, target: str) -> Saved:
    """Write a file for each loss, all of one snapshot, into a new folder that only its owner reads.

    Raises SavedFilesError for a folder that exists.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise SavedFilesError(f"{folder} exists: give a new folder. Nothing was done.") from error
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        tables = list(write_tables(connection, folder, to_save(read_losses(current, target))))
        saved = Saved(connection.info.dbname, now, current, target, tables)
    write_private(folder / INDEX, msgspec.json.format(msgspec.json.encode(saved), indent=1))
    return saved


def write_tables(connection: psycopg.Connection[Any], folder: Path, losses: list[Loss]) -> Iterator[SavedTable]:
    """Write a file for each loss that has rows, and yield its description."""
    for number, loss in enumerate(losses):
        if (relation := describe(connection, loss.table)) is None:
            continue
        columns, reads = compose_reads(connection, loss, relation)
        file = folder / f"{number:03}_{loss.table}.csv"
        if rows := copy_out(connection, reads, file):
            yield SavedTable(
                file.name, loss.table, columns, relation.key, not loss.columns, rows, file_sha256(file)
            )  # fmt: skip
        else:
            file.unlink()


def copy_out(connection: psycopg.Connection[Any], reads: str, file: Path) -> int:
    """Write the result of a statement into a new file of mode 600; returns the number of rows."""
    write_private(file, b"")
    statement = compose(connection, "compose_copy_out", reads=reads)[0]
    with connection.cursor() as cursor, file.open("wb") as out:
        with cursor.copy(statement.encode()) as copy:
            for part in copy:
                out.write(part)
        return cursor.rowcount


def read_saved(folder: Path) -> Saved:
    """Return the description of a folder, after comparing each file with its SHA-256; raises SavedFilesError."""
    try:
        saved = msgspec.json.decode((folder / INDEX).read_bytes(), type=Saved)
        damaged = [one.file for one in saved.tables if file_sha256(folder / one.file) != one.sha256]
    except (OSError, msgspec.MsgspecError) as error:
        raise SavedFilesError(f"{folder} cannot be read: {error}. Nothing was done.") from error
    if damaged:
        raise SavedFilesError(f"These files were changed since they were saved: {', '.join(damaged)}.")
    return saved


def put_back(url: str, folder: Path) -> dict[str, int]:
    """Put saved rows and columns back, in one transaction; returns rows by table.

    The schema must be at the revision that it had before the downgrade, or newer. Raises SavedFilesError.
    """
    saved = read_saved(folder)
    reached = current_revision(url)
    if reached is None or reached < saved.revision:
        raise SavedFilesError(
            f"The schema is at revision {reached or 'base'}, these files are of {saved.revision}: run "
            "`rts-agents db upgrade` first. Nothing was done."
        )
    back: dict[str, int] = {}
    with psycopg.connect(url) as connection:
        tables = sorted({one.table for one in saved.tables if not behind(connection, one.table)})
        pairs = run_bound(connection, QUERIES.bind("compose_loosen", tables=tables))
        run_all(connection, [loosen for loosen, _ in pairs])
        for one in saved.tables:
            back[one.table] = back.get(one.table, 0) + load(connection, folder, one)
        run_all(connection, [QUERIES["check_references"], *(tighten for _, tighten in pairs)])
    return back


def behind(connection: psycopg.Connection[Any], table: str) -> str:
    """Return the hypertable behind a continuous aggregate, nothing for another table."""
    relation = describe(connection, table)
    return relation.behind if relation else ""


def load(connection: psycopg.Connection[Any], folder: Path, one: SavedTable) -> int:
    """Put one file back; returns how many rows were written."""
    run_all(connection, compose(connection, "compose_staging", table=one.table, columns=one.columns))
    copy_in = compose(connection, "compose_copy_in", columns=one.columns)[0]
    with (folder / one.file).open("rb") as file, connection.cursor().copy(copy_in.encode()) as copy:
        while part := file.read(READ_BYTES):
            copy.write(part)
    rollup = behind(connection, one.table)
    if rollup:
        run_all(connection, compose(connection, "compose_empty_rollup", target=rollup))
    elif one.whole_rows:
        run_all(connection, compose(connection, "compose_twins_away", table=one.table, key=one.key))
    if one.whole_rows:
        bound = {"target": rollup or one.table, "columns": one.columns, "key": one.key}
        statement = compose(connection, "compose_rows_back", **bound)[0]
    else:
        statement = compose(connection, "compose_columns_back", table=one.table, columns=one.columns, key=one.key)[0]
    written = connection.execute(statement.encode()).rowcount
    sequences = [] if rollup else compose(connection, "compose_sequences", table=one.table)
    run_all(connection, [*sequences, QUERIES["drop_staging"]])
    return written


def run_all(connection: psycopg.Connection[Any], statements: list[str]) -> None:
    """Run statements that were composed here."""
    for statement in statements:
        connection.execute(statement.encode())
