"""Who holds the locks that an upgrade waits for, in one sentence."""

from sqlalchemy import create_engine, text

from db.migrations.urls import sqlalchemy_url
from db.sql import load_beside

QUERIES = load_beside(__file__, "blockers.sql")


def describe_blockers(database_url: str) -> str:
    """Return the sessions that hold locks on tables, the oldest transaction first; at most three."""
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            rows = connection.execute(text(QUERIES["holders"])).all()
    finally:
        engine.dispose()
    if not rows:
        return "a lock that has been released since"
    return "; ".join(
        f"{row.relations}, locked by session {row.pid} ({row.program}, transaction open for {row.seconds} s)"
        for row in rows
    )
