"""How long the server keeps an idle connection."""

import http.client
from pathlib import Path

import pytest

from tests.whole.processes import running_server


@pytest.mark.parametrize(("seconds", "is_open"), [("1", False), ("75", True)])
def test_an_idle_connection_is_kept_as_long_as_is_set(
    database: str, key_file: Path, tmp_path: Path, seconds: str, is_open: bool
) -> None:
    with running_server(database, key_file, tmp_path, RTS_KEEP_ALIVE_SECONDS=seconds) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
        connection.request("GET", "/api/health/live")
        assert connection.getresponse().read()
        idle = connection.sock
        idle.settimeout(3 if is_open else 60)
        try:
            still_open = bool(idle.recv(1))
        except TimeoutError:
            still_open = True  # nothing came, not even an end
        connection.close()
    assert still_open is is_open
