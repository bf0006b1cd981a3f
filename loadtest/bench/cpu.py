"""CPU time of PostgreSQL: of all its processes, by the operating system's own counts."""

import psutil

from loadtest.databases import Database


class ServerCpu:
    """Reads the CPU seconds of a database server on this machine; None when it is on another."""

    def __init__(self, database: Database, backend: int) -> None:
        """`backend` is the process id of a connection, as the server tells it."""
        self._root = embedded(database) or postmaster(backend)

    def seconds(self) -> float | None:
        """Return user and system time so far of the server, its live processes and those that have ended."""
        if self._root is None:
            return None
        own = self._root.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in self._root.children():
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return float(total)


def embedded(database: Database) -> psutil.Process | None:
    """Return the embedded server's process."""
    return psutil.Process(database.pid) if database.pid else None


def postmaster(backend: int) -> psutil.Process | None:
    """Return the parent of a connection's process; None when that isn't a process of PostgreSQL here."""
    try:
        process = psutil.Process(backend)
        return process.parent() if process.name().startswith("postgres") else None
    except psutil.Error:
        return None
