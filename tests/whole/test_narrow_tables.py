"""Tables of commands on a terminal of 80 characters: nothing is cut off, nothing of a reason is taken for markup."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.table import Table

from cli.fitting import as_blocks, fits, print_table
from cli.retention_tables import changes_table, records_table, retention_table
from db.hypertables.policies import DAY, LEVELS
from retention.growth import Growth
from retention.overview import LevelRetention, Overview
from retention.records import KINDS, RecordAge
from rollups.status import LevelStatus

AT = datetime(2026, 11, 28, 17, 6, tzinfo=UTC)
CHANGE = {
    "id": 1, "state": "waiting", "before": {"raw": 30, "5m": 90}, "after": {"raw": 14, "5m": 60},
    "requested_at": AT, "applied_at": None, "undone_at": None, "due_at": AT, "requested_by": "dba@ops",
    "reason": "[ticket 4711] approved", "planned_bytes": 983_000,
}  # fmt: skip


def printed(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, markup=False)
    console.print(table if fits(console, table) else as_blocks(table))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_value_of_a_change_can_be_read(width: int) -> None:
    lines = printed(changes_table([CHANGE]), width)
    text = " ".join(" ".join(lines).split())
    for value in ("raw 30 d -> 14 d, 5m 90 d -> 60 d", "[ticket 4711] approved", "due 2026-11-28 17:06", "dba@ops"):
        assert value in text
    assert "…" not in text
    assert max(map(len, lines)) <= width


def test_brackets_in_a_reason_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(changes_table([CHANGE]))
    assert "[ticket 4711] approved" in capsys.readouterr().out


def overview() -> Overview:
    """Return the state of a large installation."""
    levels = [
        LevelRetention(
            LevelStatus(level, 123_400_000_000, 130, 125, AT, AT, AT, AT), level.keep, -12_300_000.0, AT, held=False
        )
        for level in LEVELS
    ]
    records = [RecordAge(kind, 1825 * DAY, 1, 123_400_000_000, AT, 412_345) for kind in KINDS]
    return Overview("rts", 1, levels, records, Growth(0, {}), None, 27 * DAY, [], [], [], [])


@pytest.mark.parametrize("table", [retention_table(overview()), records_table(overview(), with_descriptions=False)])
def test_the_state_of_retention_is_a_table_of_80_characters(table: Table) -> None:
    lines = printed(table, 80)
    assert lines[1].startswith("┏")
    assert "…" not in "".join(lines)
    assert len({len(line) for line in lines[1:]}) == 1


def test_a_wide_terminal_has_the_descriptions() -> None:
    assert any("closed alerts, since they were resolved" in line for line in printed(records_table(overview()), 200))
