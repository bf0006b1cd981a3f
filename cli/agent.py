"""`rts-agents agent`: a real agent for this machine."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from agent.client import server_address
from agent.run import run
from agent.state import load_identity, save_identity
from cli.parent import exit_with_parent
from cli.settings import log_to_stderr


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(agent)


def agent(
    server: Annotated[str, typer.Option(help="address of the server")] = "http://127.0.0.1:3002",
    token: Annotated[str | None, typer.Option(help="registration token, needed the first time")] = None,
    state: Annotated[
        Path,
        typer.Option(help="file of the agent's id and token (mode 600); unsent samples are kept beside it, in .queue"),
    ] = Path(".rts/agent.json"),
    interval: Annotated[
        float | None, typer.Option(help="seconds between samples; default: the server's configuration")
    ] = None,
    count: Annotated[int | None, typer.Option(help="stop after this many samples")] = None,
    with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Measure this machine and upload it until Ctrl-C.

    Example: rts-agents agent --server http://127.0.0.1:3002 --token AGT-7KQ2-M9XD-P4TR
    """
    log_to_stderr()
    if with_parent:
        exit_with_parent()
    server = server_address(server)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(
        server,
        load_identity(server, token, state),
        stop,
        interval,
        count,
        lambda identity: save_identity(identity, state),
        state.with_suffix(".queue"),
    )
