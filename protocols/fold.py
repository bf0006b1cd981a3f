"""Values of one device → samples of the device: cells folded, sets complete or left out."""

from collections.abc import Sequence

from core.micros import to_time
from ingest.samples import Sample
from protocols.columns import make_sample
from protocols.instances import collect_disks, collect_interfaces, collect_mapped
from protocols.memory import Cell, DeviceMemory, MergedCells
from protocols.readings import LAST_CELL, MeasuredValue, Quantity, floor, group_by_cell


def fold_samples(
    values: Sequence[MeasuredValue], memory: DeviceMemory, every: int = 0, newest: int = LAST_CELL
) -> list[Sample]:
    """Return the samples of one device's values by time; `every` (microseconds) is the minimum width of a cell.

    Cells after `newest` (microseconds since 1970) are not remembered: a time far ahead would stay among the newest
    cells for good, and come back with every later request.
    """
    if every:
        values = [value._replace(cell=floor(value.cell, every)) for value in values]
    cells = group_by_cell(values)
    ahead = {at: cell for at, cell in cells.items() if at > newest}
    due_cells = {at: cell for at, cell in cells.items() if at <= newest}
    return fold_cells(due_cells, memory) + fold_cells(ahead, DeviceMemory())


def fold_cells(cells: dict[int, Cell], memory: DeviceMemory) -> list[Sample]:
    """Return the samples of cells, with what earlier requests brought for them."""
    merged = memory.merge(cells)
    samples = (sample_in(at, merged, memory) for at in merged.cells)
    return [sample for sample in samples if sample is not None]


def sample_in(at: int, merged: MergedCells, memory: DeviceMemory) -> Sample | None:
    """Return the sample of one cell with its disks and interfaces; None when nothing has a value."""
    measured = {key: by_instance for key, by_instance in merged.cells[at].items() if isinstance(key, Quantity)}
    complete = memory.complete(at, merged)
    share = memory.cpu_percent(at, merged) if Quantity.CPU_SECONDS in complete else None
    sample = make_sample(at, complete, share)
    mapped = collect_mapped(merged.cells[at])
    if sample is None and mapped:
        sample = Sample(collected_at=to_time(at))
    if sample is not None:
        sample.disks, sample.interfaces, sample.series = (
            collect_disks(measured),
            collect_interfaces(measured),
            mapped,
        )
        memory.note_counters(sample)
    return sample
