"""Settings for a PostgreSQL server that holds this product, by its memory, cores and connections."""

from collections.abc import Iterator
from dataclasses import dataclass

from db.server_faults import JOBS_AT_ONCE, OTHER_PROCESSES

OTHER_CONNECTIONS = 9  # the worker 4, reserved for superusers 3, a command and a person 2
SMALL_MIB = 2048  # below this everything is spared


@dataclass(frozen=True, slots=True)
class Machine:
    """The resources of the server: memory in MiB, cores, connections, databases with TimescaleDB."""

    memory_mib: int
    cores: int
    connections: int
    databases: int = 1


@dataclass(frozen=True, slots=True)
class Advice:
    """One setting and why; `restart` when PostgreSQL reads it only at its start."""

    name: str
    value: str
    why: str
    restart: bool = False


def advise(machine: Machine) -> Iterator[Advice]:
    """Yield settings of postgresql.conf, for a machine that the database has for itself."""
    yield from _memory(machine)
    yield from _workers(machine)
    yield from _writing(machine)
    yield Advice("random_page_cost", "1.1", "SSD")
    yield Advice("timescaledb.telemetry_level", "off", "no calls to outside")


def _memory(machine: Machine) -> Iterator[Advice]:
    share = 5 if machine.memory_mib < SMALL_MIB else 4
    yield Advice("shared_buffers", f"{machine.memory_mib // share}MB", "a quarter of memory, or less", True)
    yield Advice("effective_cache_size", f"{machine.memory_mib * 3 // 4}MB", "what the system caches")
    work = min(64, max(4, machine.memory_mib // 8 // max(machine.connections, 1)))
    yield Advice("work_mem", f"{work}MB", "an eighth of memory for the sorts of all connections")
    yield Advice("maintenance_work_mem", f"{min(1024, max(32, machine.memory_mib // 16))}MB", "columnstore, indexes")
    yield Advice("max_connections", str(machine.connections), "as given", True)
    yield Advice("max_locks_per_transaction", "128", "a query over all chunks locks each of them", True)


def _workers(machine: Machine) -> Iterator[Advice]:
    jobs = min(JOBS_AT_ONCE, max(2, machine.cores))
    background = machine.databases + jobs
    parallel = max(1, machine.cores)
    yield Advice("timescaledb.max_background_workers", str(background), f"schedulers and {jobs} jobs at once", True)
    yield Advice("max_parallel_workers", str(parallel), "one for each core")
    yield Advice("max_parallel_workers_per_gather", str(max(1, machine.cores // 2)), "half of the cores")
    yield Advice(
        "max_worker_processes", str(background + parallel + OTHER_PROCESSES), "all of them, and three more", True
    )


def _writing(machine: Machine) -> Iterator[Advice]:
    wal = 1 if machine.memory_mib < SMALL_MIB else 8
    yield Advice("max_wal_size", f"{wal}GB", "few checkpoints; the disk needs this much more")
    yield Advice("checkpoint_timeout", "30min", "each checkpoint slows uploads")
    yield Advice("wal_compression", "lz4", "less to write; pglz where lz4 is not built in")


def pool_size(machine: Machine, processes: int, beside_pool: int) -> int:
    """Return RTS_POOL_SIZE so that a fifth of the connections stays free, with one process more during a restart.

    On small servers the worker, two of a superuser's and a command need more than that fifth. `beside_pool`: how many
    connections a process opens beside its pool.
    """
    each = min(machine.connections * 4 // 5, machine.connections - OTHER_CONNECTIONS) // (processes + 1)
    return max(1, min(8, each - beside_pool))
