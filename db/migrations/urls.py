"""The database's URL for SQLAlchemy, and the name of the table that holds the revision."""

from sqlalchemy.engine import make_url

# The platform may use Alembic too: its `alembic_version` must not be ours.
VERSION_TABLE = "rts_agents_alembic_version"


def sqlalchemy_url(database_url: str) -> str:
    """Return a `postgresql://` URL with the psycopg driver named, for SQLAlchemy."""
    return make_url(database_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
