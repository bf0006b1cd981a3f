"""CPU time of processes with their children, and of PostgreSQL: by the operating system's own counts."""

from contextlib import suppress

import psutil

from loadtest.databases import LoadDatabase


def cpu_seconds(process: psutil.Process) -> float:
    """Return user and system time so far of a process, its live children and those that have ended."""
    cpu_times = process.cpu_times()
    total = cpu_times.user + cpu_times.system + cpu_times.children_user + cpu_times.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)


def database_process(database: LoadDatabase, backend: int) -> psutil.Process | None:
    """Return the database server's process, None when it is on another machine.

    `backend` is the server's process id of a connection.
    """
    return psutil.Process(database.pid) if database.pid else postmaster(backend)


def postmaster(backend: int) -> psutil.Process | None:
    """Return the parent of a connection's process; None when that isn't a process of PostgreSQL here."""
    try:
        process = psutil.Process(backend)
        return process.parent() if process.name().startswith("postgres") else None
    except psutil.Error:
        return None
