"""One server for the folder; tests use tables of their own, and servers of their own only where they must."""

from collections.abc import Iterator

import pytest

from embedded.server import EmbeddedServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("embedded") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def dsn(server: EmbeddedServer) -> str:
    return server.dsn
