"""A migrated database for a benchmark or a load run, copied from the template: a fresh one would be migrated again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.server import EmbeddedServer
from loadtest.databases import LoadDatabase
from tests.databases import REAL_SERVER, migrated_database
from tests.templates import directory_of_copy


@contextmanager
def migrated_load_database(directory: Path) -> Iterator[LoadDatabase]:
    """Yield a database at the newest revision, which the benchmark may empty; it is gone afterwards."""
    if REAL_SERVER:
        with migrated_database(directory, scheduler=True) as url:
            yield LoadDatabase(url, "server")
        return
    with directory_of_copy("ours", directory) as data, EmbeddedServer(data) as server:
        yield LoadDatabase(server.dsn, "embedded", server.pid)
