"""Starting: what is missing is said clearly; one server per directory; nothing is left behind."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from embedded import server as module
from embedded.errors import (
    DataDirectoryInUseError,
    EmbeddedPackagesMissingError,
    EmbeddedStartFailedError,
    NodeMissingError,
    NodeTooOldError,
)
from embedded.server import PROGRAM_DIR, EmbeddedServer
from tests.embedded.wire import RawClient, error_code, message, row_values, startup
from tests.templates import EMPTY, copy_directory


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_without_node_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeMissingError, match="install Node 20 or newer") as caught:
        EmbeddedServer(tmp_path / "data").start()
    assert caught.value.code == "node_missing"


def test_an_old_node_is_named_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "node", "#!/bin/sh\necho v18.0.0\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeTooOldError, match=r"v18\.0\.0 .* Node 20 or newer") as caught:
        EmbeddedServer(tmp_path / "data").start()
    assert caught.value.code == "node_too_old"


def test_missing_npm_packages_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in [*PROGRAM_DIR.glob("*.mjs"), PROGRAM_DIR / "package.json"]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(module, "PROGRAM_DIR", tmp_path)
    with pytest.raises(EmbeddedPackagesMissingError, match="make setup") as caught:
        EmbeddedServer(tmp_path / "data").start()
    assert caught.value.code == "embedded_packages_missing"
    monkeypatch.setattr(module, "_check_packages", lambda: None)  # the Node program finds out by itself, too
    with pytest.raises(EmbeddedPackagesMissingError, match="npm ci"):
        EmbeddedServer(tmp_path / "data").start()


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "data" / "pgdata").mkdir(parents=True)
    (tmp_path / "data" / "pgdata" / "PG_VERSION").write_text("nonsense\n")
    server = EmbeddedServer(tmp_path / "data")
    with pytest.raises(EmbeddedStartFailedError, match="did not start"):
        server.start()
    with pytest.raises(EmbeddedStartFailedError):
        _ = server.pid


def test_a_taken_port_is_a_clear_error(server: EmbeddedServer, tmp_path: Path) -> None:
    port = int(server.dsn.split(":")[-1].split("/")[0])
    copy_directory(EMPTY, tmp_path / "data")
    with pytest.raises(EmbeddedStartFailedError, match="EADDRINUSE"):
        EmbeddedServer(tmp_path / "data", port=port).start()


def test_a_second_server_on_the_directory_is_refused_naming_the_first(server: EmbeddedServer) -> None:
    with pytest.raises(DataDirectoryInUseError, match=f"process {server.pid}") as caught:
        EmbeddedServer(server.data_dir).start()
    assert str(server.data_dir) in str(caught.value)
    link = server.data_dir.parent / "link"
    link.symlink_to(server.data_dir)
    with pytest.raises(DataDirectoryInUseError):
        EmbeddedServer(link).start()
    with RawClient(server.dsn) as client:
        assert row_values(client.ask("SELECT 1")) == ["1"]


def test_password_and_data_are_for_the_owner_only(server: EmbeddedServer) -> None:
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.data_dir / "password").stat().st_mode) == 0o600


def test_a_wrong_password_is_refused(server: EmbeddedServer) -> None:
    with RawClient(server.dsn, login=False) as client:
        client.send(startup({"user": "me"}))
        assert client.receive() == ("R", b"\0\0\0\3")
        client.send(message("p", b"wrong\0"))
        answer = client.until_ready()
        assert error_code(answer) == "28P01"
        assert b'user "me"' in answer[0][1]
        assert answer[-1][0] == ""


def test_the_server_listens_on_the_loopback_address_only(server: EmbeddedServer) -> None:
    listening = [c.laddr for c in psutil.Process(server.pid).net_connections("tcp") if c.status == "LISTEN"]
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_the_server_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time; from embedded.server import EmbeddedServer\n"
        "s = EmbeddedServer(pathlib.Path(sys.argv[1])); s.start(); print(s.pid, flush=True); time.sleep(60)"
    )
    root = PROGRAM_DIR.parent.parent
    copy_directory(EMPTY, tmp_path / "data")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "data")], stdout=subprocess.PIPE, cwd=root
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    with EmbeddedServer(tmp_path / "data") as again:
        assert again.pid != child.pid


def test_the_lock_file_of_npm_names_no_registry() -> None:
    assert "http" not in (PROGRAM_DIR / "package-lock.json").read_text()
