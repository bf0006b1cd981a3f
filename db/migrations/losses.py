"""What a downgrade loses, by revision: read from the statements of the downgrades, which are recorded and not run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from db.migrations.run import config
from db.migrations.statements import recording
from db.sql import load_queries

PLATFORM_TABLES = tuple(load_queries(Path(__file__).parent / "sql" / "platform.sql"))
TABLES = re.compile(r"^DROP (?:TABLE|MATERIALIZED VIEW) ([\w\s,]+)$")
COLUMN = re.compile(r"\bDROP COLUMN (\w+)")
ALTERED = re.compile(r"^ALTER TABLE (\w+)\s")
CHANGED = re.compile(r"^(?:UPDATE (\w+) SET .*|DELETE FROM (\w+)) WHERE (.+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Loss:
    """A table, some of its columns, or the rows of a condition that a downgrade drops or changes.

    Without columns and condition the whole table is dropped. `condition` is SQL on the schema before the downgrade.
    """

    table: str
    columns: tuple[str, ...] = ()
    condition: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the table itself is dropped."""
        return not self.columns and not self.condition


def read_losses(current: str, target: str) -> dict[str, list[Loss]]:
    """Return what each revision's downgrade loses from `current` to `target`, the newest revision first.

    Raises CommandError for a revision that this code has not, or one that is not below `current`.
    """
    scripts = ScriptDirectory.from_config(config("postgresql://"))
    losses = {}
    for script in scripts.iterate_revisions(current, target):
        with recording() as statements:
            script.module.downgrade()
        losses[script.revision] = [loss for statement in statements for loss in find_losses(statement.strip())]
    return losses


def find_losses(statement: str) -> Iterator[Loss]:
    """Yield what one statement of a downgrade loses."""
    if match := TABLES.match(statement):
        yield from (Loss(table) for table in re.findall(r"\w+", match[1]))
    if (match := ALTERED.match(statement)) and (columns := COLUMN.findall(statement)):
        yield Loss(match[1], columns=tuple(columns))
    if match := CHANGED.match(statement):
        yield Loss(match[1] or match[2], condition=match[3])


def to_save(losses: dict[str, list[Loss]]) -> list[Loss]:
    """Return each loss once, the oldest revision first: a table that goes as a whole covers its columns and rows."""
    losses_to_save = [loss for revision in reversed(losses) for loss in reversed(losses[revision])]
    whole = {loss.table for loss in losses_to_save if loss.is_whole}
    return list(dict.fromkeys(loss for loss in losses_to_save if loss.is_whole or loss.table not in whole))
