"""Data directories of the embedded server that are made once and copied by every test that needs one.

They are kept in `.pytest_cache` as long as the files that make them stay the same.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from db.migrations.run import upgrade
from embedded.server import EmbeddedServer
from tests.platform.kinds import KINDS, build_platform

EMPTY = "empty"
# Files there are read and written without a disk: to copy a template takes a fifth of the CPU time.
MEMORY = Path("/dev/shm")
AMPLE_BYTES = 6 << 30
ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".pytest_cache" / "databases"
# A template is made anew when any of these changes: revisions import from all of db and core.
SOURCES = ("core/**/*.py", "db/**/*.py", "db/**/*.sql", "embedded/*.*", "tests/platform/*.*")


def copy_directory(template: str, target: Path) -> None:
    """Copy the data directory of a template, EMPTY or a kind of platform, to `target`, which must not exist yet."""
    with locked(KEPT / ".lock"):
        copy_tree(_directory_of(template), target)


@contextmanager
def directory_of_copy(template: str, directory: Path) -> Iterator[Path]:
    """Yield a copy of a template, which is removed afterwards: in memory where there is enough, else in `directory`."""
    with TemporaryDirectory(prefix="rts-test-", dir=MEMORY if is_memory_ample() else directory) as folder:
        copy_directory(template, Path(folder) / "timescaledb")
        yield Path(folder) / "timescaledb"


def is_memory_ample() -> bool:
    """Return whether the databases of all processes of a run fit into memory; a container's /dev/shm is often small."""
    if not os.access(MEMORY, os.W_OK):
        return False
    return min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > AMPLE_BYTES


def build(url: str, template: str) -> None:
    """Fill an empty database as the template says."""
    for kind in KINDS:
        if kind == template:
            build_platform(url, kind)
            upgrade(url)


def _directory_of(template: str) -> Path:
    directory = KEPT / key_of_sources() / template
    if directory.exists():
        return directory
    _forget_others(directory.parent)
    unfinished = directory.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    if template != EMPTY:
        copy_tree(_directory_of(EMPTY), unfinished)
    with EmbeddedServer(unfinished, short_lived=True) as server:
        build(server.dsn, template)
    return unfinished.rename(directory)


def _forget_others(current: Path) -> None:
    """Remove what older files made."""
    for old in KEPT.glob("*/"):
        if old != current:
            shutil.rmtree(old)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a data directory whose server does not run to `target`, which must not exist yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)  # a fifth of what shutil.copytree needs


@cache
def key_of_sources() -> str:
    """Return a name that changes with every file that makes a template."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern) if path.is_file()):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out meanwhile; the operating system gives the lock up when this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
