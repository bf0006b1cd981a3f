"""The result of every adapter: measured values, each of a known quantity at one time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from core.facts import Facts, read_facts
from protocols.disks import mount_name
from protocols.mapping import EMPTY, Labels, Mapped, MetricMapping

MAX_REASONS = 20  # messages in one answer
MAX_INSTANCE = 255  # characters of an instance name
LAST_CELL = 253_402_300_799_999_999  # the end of the year 9999, the last time that a datetime holds


class Quantity(StrEnum):
    """The quantities that the columns of a sample are computed from. Sizes in bytes, shares in percent."""

    CPU_BUSY = "cpu_busy"  # percent, ready-made
    CPU_STATE = "cpu_state"  # percent of one state over all cores; instance: the state
    CPU_SHARE = "cpu_share"  # of 1; instance: "core state", or " state" over all cores
    CPU_SECONDS = "cpu_seconds"  # cumulative; instance: "core state"
    MEMORY_TOTAL = "memory_total"
    MEMORY_AVAILABLE = "memory_available"
    MEMORY_STATE = "memory_state"  # bytes; instance: used, free, cached …
    MEMORY_PERCENT = "memory_percent"
    DISK_SIZE = "disk_size"  # instance: the mount point or drive
    DISK_USED = "disk_used"
    DISK_FREE = "disk_free"  # including the blocks reserved for root
    DISK_AVAILABLE = "disk_available"
    DISK_PERCENT = "disk_percent"
    LOAD = "load"  # instance: 1m, 5m, 15m
    UPTIME = "uptime"  # seconds
    BOOT_TIME = "boot_time"  # Unix seconds
    NETWORK_RX = "network_rx"  # cumulative bytes; instance: the interface
    NETWORK_TX = "network_tx"


DISKS = frozenset(quantity for quantity in Quantity if quantity.startswith("disk_"))


class MeasuredValue(NamedTuple):
    """One value; `cell` is the time of the sample it belongs to, in microseconds since 1970, UTC."""

    cell: int
    quantity: Quantity | Mapped
    instance: str
    value: float


@dataclass(slots=True)
class MetricReading:
    """A body after an adapter read it.

    `by_host` holds the values by host, "" where none is named; `enter` sets the host of the next values.
    `points` counts the points that were understood, those without a column too. `refused` are points that can't be
    taken, and `unparsed` parts of the body that can't be read, each with its reason; the rest of the body is taken.
    """

    by_host: dict[str, list[MeasuredValue]] = field(default_factory=dict)
    machines: dict[str, Facts] = field(default_factory=dict)  # facts about the machines of hosts
    points: int = 0
    refused: int = 0
    unparsed: int = 0
    reasons: list[str] = field(default_factory=list)
    waiting: int = 0  # values of hosts that are not confirmed yet, and why
    reasons_to_wait: list[str] = field(default_factory=list)
    in_parts: bool = False  # its sender cuts each sample into several requests, wherever a buffer is full
    mapping: MetricMapping = EMPTY
    _entered: list[MeasuredValue] | None = None

    @property
    def hosts(self) -> set[str]:
        """The different host names of the body's values: a metric that is not mapped names none."""
        return {host for host, values in self.by_host.items() if host and values}

    @property
    def machine(self) -> Facts | None:
        """The facts about the one host of the body; None if it has no name or there are several."""
        hosts = [host for host, values in self.by_host.items() if values] or list(self.machines)
        return self.machines.get(hosts[0]) if len(hosts) == 1 else None

    @property
    def values(self) -> list[MeasuredValue]:
        """The values of all hosts, host by host."""
        return [value for values in self.by_host.values() for value in values]

    def enter(self, host: str) -> None:
        """Set the host of the values added next; "" without a host name."""
        self._entered = self.by_host.setdefault(host, [])

    def describe(self, host: str, **facts: str | None) -> None:
        """Note facts about a host's machine, by the names of `read_facts`."""
        machine = read_facts(**facts) if host else None
        if machine is not None:
            self.machines[host] = machine

    def add(self, cell: int, quantity: Quantity | Mapped, instance: str, value: float) -> None:
        """Add one value; a value that is not a number is no value, and a time that no clock shows is refused."""
        if not 0 <= cell <= LAST_CELL:
            self.refuse("a time before 1970 or after the year 9999")
        elif value == value and abs(value) != float("inf"):
            if self._entered is None:
                self.enter("")
            assert self._entered is not None
            instance = mount_name(instance) if quantity in DISKS else instance
            self._entered.append(MeasuredValue(cell, quantity, instance[:MAX_INSTANCE], value))

    def add_mapped(self, protocol: str, name: str, labels: Labels, cell: int, value: float) -> None:
        """Add a value as the series that the mapping file gives for its name, if any."""
        for entry in self.mapping.find(protocol, name):
            if entry.fits(labels):
                key = Mapped(entry.to, entry.unit, entry.kind)
                self.add(cell, key, entry.instance_of(labels), value * entry.scale + entry.offset)

    def wait(self, reason: str, values: int) -> None:
        """Count values that are left out until a person decides on their host."""
        self.waiting += values
        note(self.reasons_to_wait, reason)

    def refuse(self, reason: str, points: int = 1) -> None:
        """Note points that are understood and not taken."""
        self.refused += points
        note(self.reasons, reason)

    def cannot_parse(self, reason: str) -> None:
        """Note a part of the body that can't be read."""
        self.unparsed += 1
        note(self.reasons, reason)


def note(reasons: list[str], reason: str) -> None:
    """Add a reason while there are few."""
    if len(reasons) < MAX_REASONS:
        reasons.append(reason)


def floor(microseconds: int, width: int) -> int:
    """Return the beginning of the cell of `width` microseconds."""
    return microseconds - microseconds % width


def group_by_cell(values: Iterable[MeasuredValue]) -> dict[int, dict[Quantity | Mapped, dict[str, float]]]:
    """Group values by cell, quantity and instance; of two values of one thing the first one stays."""
    cells: dict[int, dict[Quantity | Mapped, dict[str, float]]] = {}
    for value in values:
        cells.setdefault(value.cell, {}).setdefault(value.quantity, {}).setdefault(value.instance, value.value)
    return cells
