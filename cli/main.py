"""`rts-agents`: puts the commands together and turns known errors into one plain line."""

import sys
from typing import NoReturn

import asyncpg
import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from agent.client import RefusedError
from cli import (
    agent,
    alerts,
    audit,
    backup,
    database,
    demo,
    downgrade,
    erase,
    export,
    grafana,
    keys,
    mapping,
    openapi,
    platform,
    retention,
    serve,
    smoke,
    token,
    tune,
    webhook_secret,
    worker,
)
from cli.faults import describe_error, describe_refusal
from core.errors import RtsError
from core.garbage import finish_quickly
from core.settings import SettingsError, get_settings

app = typer.Typer(
    help="RTS Agent Monitoring: stores uploads of agents in TimescaleDB, draws charts, evaluates alert rules.",
    epilog="First steps: `rts-agents demo` runs everything on this machine. An installation needs DATABASE_URL, then "
    "`keys create`, `db upgrade`, `db check`, `serve` and `worker`. Each command has an example in its --help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for module in (demo, serve, worker, agent, token, webhook_secret, openapi, smoke, export, mapping):
    module.register(app)
platform.register(database.app)
downgrade.register(database.app)
backup.register(database.app)
tune.register(database.app)
app.add_typer(alerts.app, name="alerts")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(database.app, name="db")
app.add_typer(retention.app, name="retention")
app.add_typer(erase.app, name="erase")
app.add_typer(grafana.app, name="grafana")


def main() -> None:
    """Run the command line; a known error is one line on stderr and exit status 1."""
    finish_quickly()
    try:
        app()
    except SettingsError as error:
        end(error.code, error.message)
    except RtsError as error:
        end(error.code, describe_error(error, get_settings().database_url))
    except (asyncpg.PostgresError, psycopg.Error, DBAPIError) as error:
        end("database_refused", describe_refusal(error))
    except RefusedError as error:
        end("refused", str(error))


def end(code: str, message: str) -> NoReturn:
    """Print an error on stderr and end with status 1."""
    Console(stderr=True).print(f"[red]{code}[/red]: {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)
