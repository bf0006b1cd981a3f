"""Values that need more than one request: complete sets, and CPU shares from cumulative seconds.

One sample may arrive in several requests, and a sum over half of its parts is wrong: a counter that falls looks like a
reset. So the newest cells of each device stay in memory until they are complete. The memory belongs to one process and
is bounded; when it is lost, values are null, never wrong.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from uuid import UUID

from ingest.samples import Sample
from ingest.series_columns import SYSTEM_DISKS
from protocols.columns import IDLE_STATES
from protocols.mapping import Mapped
from protocols.readings import DISKS, Quantity

MAX_DEVICES = 65_536
MAX_CELLS = 8  # newest cells of a device: a catch-up of older ones is computed from its own request
MAX_GAP = 900 * 1_000_000  # microseconds between two CPU readings; a longer gap gives no share
COMPLETE = 0.9  # share of the time that went by, below which states are missing
VIRTUAL = (
    "lo", "lo[0-9]*", "[Ll]oopback*", "veth*", "docker*", "br-*", "virbr*", "cni*", "cali*", "flannel*", "tun*", "tap*",
    "ifb*", "isatap*", "all", "sit*", "dummy*", "vmnet*", "kube*", "wg*", "utun*", "awdl*", "llw*",
)  # fmt: skip
# Sums and shares over these are right only when every instance is there.
SETS = (
    Quantity.NETWORK_RX, Quantity.NETWORK_TX, Quantity.CPU_SECONDS, Quantity.CPU_STATE, Quantity.CPU_SHARE,
    Quantity.MEMORY_STATE,
)  # fmt: skip
STATES = (Quantity.CPU_STATE, Quantity.CPU_SHARE, Quantity.MEMORY_STATE)
INTERFACES = (Quantity.NETWORK_RX, Quantity.NETWORK_TX)

Cell = dict[Quantity | Mapped, dict[str, float]]


@dataclass(frozen=True, slots=True)
class MergedCells:
    """The cells of one request in order of time, with what earlier requests brought for them.

    A request may have tens of thousands of cells: what each of them is compared with is computed once.
    """

    cells: dict[int, Cell]
    readings: dict[int, dict[str, float]]  # CPU seconds by cell, in order of time; those of remembered cells too
    reading_times: list[int]
    largest_sets: dict[Quantity, frozenset[str]] = field(default_factory=dict)  # filled as they are asked for

    def largest_set(self, quantity: Quantity) -> frozenset[str]:
        """Return the instances of a quantity in the first cell that has most of them."""
        if quantity not in self.largest_sets:
            largest = max((cell.get(quantity, {}) for cell in self.cells.values()), key=len)
            self.largest_sets[quantity] = frozenset(largest)
        return self.largest_sets[quantity]

    def reading_before(self, at: int) -> int | None:
        """Return the time of the newest CPU reading before a cell."""
        place = bisect_left(self.reading_times, at)
        return self.reading_times[place - 1] if place else None


@dataclass(slots=True)
class DeviceMemory:
    """The newest cells of one device, and the instances that make its sets complete."""

    cells: dict[int, Cell] = field(default_factory=dict)
    complete_sets: dict[Quantity, frozenset[str]] = field(default_factory=dict)
    # Sets that only one cell has shown: perhaps it was half of a cell.
    learned_in: dict[Quantity, int] = field(default_factory=dict)
    # A set that shrank, and in which cell: the next cell with the same set makes it the new one.
    smaller_sets: dict[Quantity, tuple[int, frozenset[str]]] = field(default_factory=dict)
    # The newest samples with counters, by their times: what the next ones are compared with.
    counted: dict[datetime, Sample] = field(default_factory=dict)
    # A quantity that a device has sent is preferred from then on: all parts of a column must come from the same one.
    has_system_disk: bool = False
    has_memory_percent: bool = False
    # Its sender cuts each cell into requests: the cells of the first request show which states there are, and no share.
    expects_parts: bool = False
    first_cells_until: int | None = None

    @property
    def may_lack_interfaces(self) -> bool:
        """Return whether a sum over interfaces may be one over some of them: less than two cells have shown the set."""
        return any(one not in self.complete_sets or one in self.learned_in for one in INTERFACES)

    def merge(self, cells: Mapping[int, Cell]) -> MergedCells:
        """Add the values of a request; return its cells with the values of earlier requests.

        The cell after each of them comes with it: its CPU share may be computable only now.
        """
        if self.first_cells_until is None:
            self.first_cells_until = max(cells, default=None)
        for at in sorted(cells):
            self._add(self.cells.setdefault(at, {}), cells[at])
        times = sorted(self.cells)
        following = {times[place] for at in cells if (place := bisect_right(times, at)) < len(times)}
        merged = {at: self.cells[at] for at in sorted(cells.keys() | following)}
        for at in times[:-MAX_CELLS]:
            del self.cells[at]
        compared = sorted((self.cells | merged).items())
        readings = {at: seconds for at, cell in compared if (seconds := cell.get(Quantity.CPU_SECONDS))}
        return MergedCells(merged, readings, list(readings))

    def note_counters(self, sample: Sample) -> None:
        """Keep a sample whose counters are complete."""
        if sample.network_rx_bytes is None and sample.network_tx_bytes is None:
            return
        self.counted[sample.collected_at] = sample
        for at in sorted(self.counted)[:-MAX_CELLS]:
            del self.counted[at]

    def counted_before(self, at: datetime) -> Sample | None:
        """Return the newest sample with counters before a time."""
        return self.counted.get(max((time for time in self.counted if time < at), default=at))

    def _add(self, stored: Cell, new: Cell) -> None:
        for quantity, values in new.items():
            if quantity in INTERFACES:
                values = {name: value for name, value in values.items() if is_real(name)}
            stored[quantity] = values | stored.get(quantity, {})
            self.has_system_disk |= quantity in DISKS and any(name in values for name in SYSTEM_DISKS)
            self.has_memory_percent |= quantity is Quantity.MEMORY_PERCENT

    def complete(self, at: int, merged: MergedCells) -> dict[Quantity, dict[str, float]]:
        """Return the values of one cell without incomplete sets, and with the system's disk where there is one."""
        measured = {
            quantity: values
            for quantity, values in merged.cells[at].items()
            if values and isinstance(quantity, Quantity)
        }
        for quantity in SETS:
            if quantity in measured and not self._is_complete(quantity, at, merged):
                del measured[quantity]
        if self.has_system_disk:
            for quantity in DISKS & measured.keys():
                measured[quantity] = {name: value for name, value in measured[quantity].items() if name in SYSTEM_DISKS}
        if self.has_memory_percent and "used" in measured.get(Quantity.MEMORY_STATE, {}):
            measured[Quantity.MEMORY_STATE] = {"used": measured[Quantity.MEMORY_STATE]["used"]}
        return measured

    def _is_complete(self, quantity: Quantity, at: int, merged: MergedCells) -> bool:
        """Compare the instances of a set with those before, and with those of the same request."""
        present = frozenset(merged.cells[at][quantity])
        expected = self.complete_sets.get(quantity)
        if self.expects_parts and quantity in STATES and at <= (self.first_cells_until or 0):
            self.complete_sets[quantity] = present | (expected or frozenset())
            return False
        if expected is None:
            expected = merged.largest_set(quantity)
        shrank_at, smaller = self.smaller_sets.get(quantity, (at, frozenset()))
        if present < expected and not (present == smaller and shrank_at < at):
            self.smaller_sets[quantity] = at, present
            return False
        if quantity not in self.complete_sets:
            self.learned_in[quantity] = at
        elif self.learned_in.get(quantity) != at:
            self.learned_in.pop(quantity, None)
        self.complete_sets[quantity] = present
        self.smaller_sets.pop(quantity, None)
        return True

    def cpu_percent(self, at: int, merged: MergedCells) -> float | None:
        """Return the busy share since the cell before, from cumulative seconds."""
        after, time = merged.readings.get(at), merged.reading_before(at)
        if after is None or time is None:
            return None
        before = merged.readings[time]
        is_usable = at - time <= MAX_GAP and before.keys() >= after.keys()  # else it has not arrived yet
        return busy_share(before, after, (at - time) / 1e6) if is_usable else None


class Memory:
    """The devices that uploaded lately; the one that has been silent for longest is dropped first.

    Each token has its own memory, so data of a revoked token is never stored with an upload of a valid one.
    """

    def __init__(self, max_devices: int = MAX_DEVICES) -> None:
        self._max_devices = max_devices
        self._devices: OrderedDict[tuple[UUID, str], DeviceMemory] = OrderedDict()

    def of(self, device_id: UUID, token_hash: str) -> DeviceMemory:
        """Return the memory of a device for uploads by one token."""
        memory = self._devices.pop((device_id, token_hash), None) or DeviceMemory()
        self._devices[device_id, token_hash] = memory
        if len(self._devices) > self._max_devices:
            self._devices.popitem(last=False)
        return memory


def busy_share(before: Mapping[str, float], after: Mapping[str, float], elapsed_seconds: float) -> float | None:
    """Return the busy share between two readings in percent; None after a reboot.

    100 · (1 - Δidle / Δall) over the series that both have: CPU time is the denominator, so that neither the number of
    cores nor the clock of the sender matters. A sender that leaves states out (the OpenTelemetry SDK for Python has no
    iowait) has less CPU time than went by: then the busy states are divided by cores · Δt.
    """
    grown = {name: after[name] - before[name] for name in before.keys() & after.keys()}
    total = sum(grown.values())
    if total <= 0 or min(grown.values()) < 0:
        return None
    idle = sum(value for name, value in grown.items() if name.rpartition(" ")[2] in IDLE_STATES)
    cores = len({name.rpartition(" ")[0] for name in grown})
    if total < COMPLETE * cores * elapsed_seconds and not any(name.endswith("iowait") for name in grown):
        total = cores * elapsed_seconds
        return 100 * (sum(grown.values()) - idle) / total
    return 100 * (1 - idle / total)


def is_real(interface: str) -> bool:
    """Return whether an interface carries traffic of the device itself: no loopback, bridge, tunnel or container."""
    return not any(fnmatchcase(interface, pattern) for pattern in VIRTUAL)
