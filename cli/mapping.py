"""`rts-agents mapping`: check a mapping file of other agents' metrics."""

from pathlib import Path
from typing import Annotated

import typer

from protocols.mapping import describe_mapping, read_mapping


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("mapping")(mapping)


def mapping(file: Annotated[Path, typer.Argument(help="the file that RTS_MAPPING_FILE names")]) -> None:
    """Check a mapping file and list the series of each metric; docs/sources/mapping.md shows its form.

    Example: rts-agents mapping mapping.toml
    """
    for protocol, name, series in describe_mapping(read_mapping(file)):
        typer.echo(f"{protocol}\t{name}\t{series}")
