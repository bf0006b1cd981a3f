"""How many files, types and statements one request goes through: `.venv/bin/pytest tests/walks.py -s -q`.

Not part of the tests. Each walk is made four times and counted in the last three, when caches are warm: files whose
functions run, files of named SQL that are bound, and types of data (dataclasses, models, structs, named tuples) that
functions take or return, all of them of the product. What all three have counts, so that periodic tasks of the server
that run in between do not. The last lines are the rooms, with the arrows between them.
"""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg
import grimp
import msgspec
from pydantic import BaseModel

from core.clock import utc_now
from db.sql import Queries
from tests.commands import fetched, order, tell
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee
from tests.rules import Rules

REPOSITORY = Path(__file__).parents[1]
OUTSIDE = ("tests", ".venv", "loadtest")
MINUTE = timedelta(minutes=1)


class Walk:
    """What ran between begin and end of a walk, by name."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.types: set[str] = set()
        self.statements: set[int] = set()

    def note(self, frame: FrameType, event: str, value: Any) -> None:
        """Take a call or a return of a function, as `sys.setprofile` gives it."""
        file = file_of(frame)
        if file is None:
            return
        self.files.add(file)
        if event == "call":
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount]
            self.types |= {type_of(frame.f_locals[name]) for name in names if name in frame.f_locals}
            if frame.f_code is Queries.bind.__code__:
                self.statements.add(id(frame.f_locals["self"]))
        elif event == "return":
            self.types.add(type_of(value))


def file_of(frame: FrameType) -> str | None:
    """Return the product's file that a frame is in, relative to the repository; None for others."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(REPOSITORY):
        return None
    relative = path.relative_to(REPOSITORY)
    return None if relative.parts[0] in OUTSIDE else str(relative)


def type_of(value: Any) -> str:
    """Return the name of a type of data that the product defines; empty for all others."""
    kind = type(value)
    is_data = dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel | msgspec.Struct) or hasattr(kind, "_fields")
    module = sys.modules.get(kind.__module__)
    path = Path(getattr(module, "__file__", None) or "/")
    is_ours = path.is_relative_to(REPOSITORY) and path.relative_to(REPOSITORY).parts[0] not in OUTSIDE
    return f"{kind.__module__}.{kind.__qualname__}" if is_data and is_ours else ""


TURNS = 4  # of each walk; the first one warms the caches


@contextmanager
def counted(walks: list[Walk]) -> Iterator[None]:
    """Count what runs inside as one more walk."""
    walks.append(Walk())
    sys.setprofile(walks[-1].note)
    try:
        yield
    finally:
        sys.setprofile(None)


def show(name: str, walks: list[Walk]) -> None:
    """Print what all walks but the first one have in common."""
    common = Walk()
    common.files = set.intersection(*(one.files for one in walks[1:]))
    common.statements = set.intersection(*(one.statements for one in walks[1:]))
    common.types = set.intersection(*(one.types for one in walks[1:])) - {""}
    print(f"\n{name}: {len(common.files)} .py, {len(common.statements)} .sql, {len(common.types)} types")
    print("  " + " ".join(sorted(common.files)))
    print("  " + " ".join(sorted(common.types)))


async def test_upload(make_device: MakeDevice) -> None:
    walks: list[Walk] = []
    for _ in range(TURNS):
        device = await make_device()
        with counted(walks):
            await device.accepted(sample())
    show("upload", walks)


async def test_chart(make_device: MakeDevice) -> None:
    walks: list[Walk] = []
    device = await make_device()
    await device.accepted(sample())
    for _ in range(TURNS):
        with counted(walks):
            await device.history(hours=1)
    show("chart", walks)


async def test_rule(make_device: MakeDevice, rules: Rules, pool: asyncpg.Pool) -> None:
    walks: list[Walk] = []
    for _ in range(TURNS):
        await pool.execute("UPDATE agent_alerts SET is_active = false")
        device, now = await make_device(), utc_now().replace(microsecond=0)
        await device.accepted(*(sample(now - age * MINUTE, cpu_percent=95) for age in range(0, 30, 5)))
        with counted(walks):
            await rules.make(device.tenant)
            await rules.evaluate(now)
    show("rule, from POST to the row of its ticket", walks)


async def test_command(make_device: MakeDevice, employee: Employee) -> None:
    walks: list[Walk] = []
    for _ in range(TURNS):
        device = await make_device()
        with counted(walks):
            command = await order(device, employee)
            await fetched(device)
            await tell(device, command, "started")
            await tell(device, command, "result", status="completed", exit_code=0)
    show("command, from order to result by polling", walks)


def test_rooms() -> None:
    """Print how many rooms (folders of the product) import each other, and on how many floors they stand."""
    rooms = sorted(file.parent.name for file in REPOSITORY.glob("*/__init__.py") if file.parent.name != "tests")
    graph = grimp.build_graph(*rooms)
    arrows = {
        (importer.split(".")[0], imported.split(".")[0])
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    below = {room: {low for high, low in arrows if high == room and low != room} for room in rooms}
    floors = list(floors_of(below))
    print(f"\nrooms: {len(rooms)}, arrows: {sum(map(len, below.values()))}, floors: {len(floors)}")
    for floor in reversed(floors):
        print("  " + " ".join(floor))


def floors_of(below: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield rooms from the ground up, each on the lowest floor above those that it imports; raises CycleError."""
    sorter = TopologicalSorter(below)
    sorter.prepare()
    while sorter.is_active():
        floor = sorted(sorter.get_ready())
        sorter.done(*floor)
        yield floor
