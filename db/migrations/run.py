"""Upgrade and downgrade from Python: the same for the command line, the demo and the tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

# The platform may use Alembic too: its `alembic_version` must not be ours.
VERSION_TABLE = "rts_agents_alembic_version"


def sqlalchemy_url(database_url: str) -> str:
    """Return a `postgresql://` URL with the psycopg driver named, as SQLAlchemy wants it."""
    return make_url(database_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def config(database_url: str) -> Config:
    """Return Alembic's configuration; `%` in a password is escaped for its parser."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return made


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`; does nothing when it is there already."""
    command.upgrade(config(database_url), revision)


def downgrade(database_url: str, revision: str = "base") -> None:
    """Take the schema back to `revision`; tables that the platform had before stay untouched."""
    command.downgrade(config(database_url), revision)


def head() -> str:
    """Return the newest revision that this code knows."""
    found = ScriptDirectory.from_config(config("postgresql://")).get_current_head()
    assert found is not None
    return found


def known() -> frozenset[str]:
    """Return every revision that this code knows; another one is of a newer version."""
    return frozenset(one.revision for one in ScriptDirectory.from_config(config("postgresql://")).walk_revisions())
