"""Builds a platform's database of one kind, before our first upgrade."""

from pathlib import Path
from typing import Literal, get_args

import psycopg

Kind = Literal["ours", "platform", "older"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FILES: dict[Kind, tuple[str, ...]] = {
    "ours": (),
    "platform": ("schema.sql", "rows.sql"),
    "older": ("schema.sql", "rows.sql", "older.sql"),
}
HERE = Path(__file__).parent


def build_platform(url: str, kind: Kind) -> None:
    """Make the platform's tables and rows; of kind "ours" there are none, and our upgrade makes minimal ones."""
    run_files(url, *FILES[kind])


def run_files(url: str, *names: str) -> None:
    """Run SQL files of this folder."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute((HERE / name).read_bytes())
