"""`rts-agents demo`: the whole path on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from demo.run import DemoOptions, run_demo


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


def demo(
    port: Annotated[int, typer.Option(envvar="PORT", help="port on 127.0.0.1")] = 3002,
    agents: Annotated[int, typer.Option(envvar="DEMO_AGENTS", min=0, help="simulated devices")] = 50,
    seconds: Annotated[
        float | None, typer.Option(envvar="DEMO_SECONDS", help="end this long after everything is shown")
    ] = None,
    database_url: Annotated[
        str, typer.Option(envvar="DEMO_DATABASE_URL", help="an empty database to use instead of the embedded one")
    ] = "",
    directory: Annotated[Path, typer.Option(help="folder of the demo's data")] = Path(".demo"),
) -> None:
    """Run database, server, worker, a real agent of this machine and a simulated fleet; Ctrl-C ends it.

    It ignores DATABASE_URL, because it writes businesses and a week of samples.

    Example: DEMO_AGENTS=10 DEMO_SECONDS=30 rts-agents demo
    """
    options = DemoOptions(port, agents, seconds, database_url, directory)
    run_demo(options, Console())
