"""Prints a table as wide as the terminal allows: a table that does not fit becomes a block of lines for each row."""

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

EMPTY = ("", "-")
UNBOUNDED = 10_000  # characters


def print_table(table: Table) -> None:
    """Print a table, or its rows as blocks where the terminal would cut off cells; brackets in cells are no markup."""
    console = Console(markup=False, highlight=False)
    console.print(table if fits(console, table) else as_blocks(table))


def fits(console: Console, table: Table) -> bool:
    """Return whether the console is wide enough for every cell of a table in one line."""
    return Measurement.get(console, console.options.update(max_width=UNBOUNDED), table).maximum <= console.width


def as_blocks(table: Table) -> RenderableType:
    """Return the title and the rows of a table as lines `heading: value`; empty cells are left out."""
    title = [Text(str(table.title), style="italic")] if table.title else []
    return Group(*title, *blocks(table))


def blocks(table: Table) -> Iterator[Text]:
    """Yield a text of several lines for each row."""
    headings = [f"{column.header}:" for column in table.columns]
    width = max(map(len, headings))
    for row in zip(*(column.cells for column in table.columns), strict=True):
        cells = [(heading, str(cell)) for heading, cell in zip(headings, row, strict=True) if str(cell) not in EMPTY]
        yield Text("".join(f"{heading:{width}} {cell}\n" for heading, cell in cells))
