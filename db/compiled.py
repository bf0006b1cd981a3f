"""Queries that SQLAlchemy composes from typed tables, compiled for asyncpg."""

from typing import Any

from sqlalchemy import CTE, Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from db.sql import Statement


def compile_query(query: Select[Any]) -> Statement:
    """Return a query as a statement: its bound values are constants, the others are parameters."""
    sql = query.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    constants = {name: value for name, value in sql.params.items() if value is not None}
    return Statement(str(sql), tuple(sql.positiontup or ()), constants)


def materialised(cte: CTE) -> CTE:
    """Return a CTE as MATERIALIZED, so that the planner computes it once."""
    return cte.prefix_with("MATERIALIZED")
