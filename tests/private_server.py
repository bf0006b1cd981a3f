"""A PostgreSQL server of its own for tests that stop, freeze, fill or limit one; skips where none can be run.

It needs the programs of PostgreSQL with TimescaleDB, on the PATH or in RTS_POSTGRES_BIN. PostgreSQL refuses to run as
root: there it runs as the system's user `postgres`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
import pytest

from db.migrations.run import upgrade
from tests.platform.kinds import build_platform
from tests.whole.processes import free_port

USER = "postgres"
START_SECONDS = 120.0
CGROUPS = Path("/sys/fs/cgroup/memory")


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; skips the test, with the reason, where a server can't be run."""
    program = shutil.which("postgres", path=os.environ.get("RTS_POSTGRES_BIN") or os.environ.get("PATH"))
    if program is None:
        pytest.skip(
            "needs the programs of PostgreSQL with TimescaleDB: RTS_POSTGRES_BIN names their folder (CONTRIBUTING.md)"
        )
    folder = Path(program).resolve().parent
    if not has_timescaledb(folder):
        pytest.skip(f"{program} has no TimescaleDB: RTS_POSTGRES_BIN names another folder (CONTRIBUTING.md)")
    if os.geteuid() == 0:
        with suppress(KeyError):
            pwd.getpwnam(USER)
            return folder
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return folder


def has_timescaledb(folder: Path) -> bool:
    """Return whether the server of this folder of programs has the extension; packages may leave pg_config out."""
    try:
        shown = subprocess.run([folder / "pg_config", "--pkglibdir"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(list(Path(shown.stdout.strip()).glob("timescaledb-*.so")))


class PrivateServer:
    """A server on a data directory; `settings` are those of postgresql.conf."""

    def __init__(self, bin_dir: Path, data: Path, group: Path | None = None) -> None:
        self._bin, self.data, self._group = bin_dir, data, group
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.log = data.with_suffix(".log")

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return a command line that runs one of PostgreSQL's programs as a user that may."""
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if os.geteuid() == 0 else []
        return [*as_user, str(self._bin / name), *arguments]

    def url(self, database: str = "postgres", role: str = "rts") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def init(self) -> None:
        init = ["--username=rts", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run(self.command("initdb", f"--pgdata={self.data}", *init), check=True, capture_output=True, cwd="/")
        self.configure(
            listen_addresses="127.0.0.1", port=str(self.port), unix_socket_directories="",
            shared_preload_libraries="timescaledb", max_connections="60", shared_buffers="64MB",
            max_worker_processes="20",
        )  # fmt: skip
        self.configure(**{"timescaledb.telemetry_level": "off", "timescaledb.max_background_workers": "6"})

    def configure(self, **settings: str) -> None:
        """Add settings, which count from the next start on."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = self.command("postgres", "-D", str(self.data))
        if self._group:
            command = ["sh", "-c", f'echo $$ > {self._group}/cgroup.procs; exec "$@"', "sh", *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=10).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT is PostgreSQL's fast shutdown, SIGQUIT an immediate one."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(60)

    def copy_to(self, data: Path) -> "PrivateServer":
        """Take a base backup while the server runs; returns a server on it, not started, on a port of its own."""
        take = ["--dbname", f"{self.url()}", "--pgdata", str(data), "--wal-method=stream", "--checkpoint=fast"]
        subprocess.run(self.command("pg_basebackup", *take), check=True, capture_output=True, cwd="/")
        copy = PrivateServer(self._bin, data)
        copy.configure(port=str(copy.port))
        return copy

    def processes(self) -> list[psutil.Process]:
        assert self._process
        postmaster = psutil.Process(self._process.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server by SIGSTOP, as a hung storage or virtual machine does."""
        stopped = self.processes()
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def migrated(self, name: str = "rts") -> str:
        """Make a database at the newest revision and return its URL."""
        with psycopg.connect(self.url(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        build_platform(self.url(name), "ours")
        upgrade(self.url(name))
        return self.url(name)


@contextmanager
def memory_group(mib: int) -> Iterator[Path]:
    """Make a memory cgroup (version 1) with a limit in MiB; skips the test where none can be made."""
    group = CGROUPS / f"rts_test_{uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(mib << 20))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield group
    finally:
        deadline = time.monotonic() + 30
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        group.rmdir()


@contextmanager
def private_server(group: Path | None = None, **settings: str) -> Iterator[PrivateServer]:
    """Yield a running server with settings of its own; it and its data are gone afterwards."""
    bin_dir = programs()
    folder = Path(tempfile.mkdtemp(prefix="rts-private-", dir="/var/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    server = PrivateServer(bin_dir, folder / "data", group)
    try:
        server.init()
        server.configure(**settings)
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
