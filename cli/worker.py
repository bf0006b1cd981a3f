"""`rts-agents worker`: the background process."""

import asyncio
import signal
from typing import Annotated

import typer

from cli.parent import exit_with_parent
from cli.settings import log_to_stderr, settings_with_database
from core.settings import Settings
from worker.run import run_worker


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(worker)


def worker(with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False) -> None:
    """Run the background tasks: alert rules, tickets, notifications, silent devices, overdue commands, retention.

    On a server without a scheduler it also runs the storage policies. Several workers may run at once.

    Example: DATABASE_URL=postgresql://… rts-agents worker
    """
    log_to_stderr()
    if with_parent:
        exit_with_parent()
    asyncio.run(until_signal(settings_with_database()))


async def until_signal(settings: Settings) -> None:
    """Run the worker until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_worker(settings, stop)
