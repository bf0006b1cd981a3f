"""Facts of one device → samples of the device: cells folded, sets complete or left out."""

from collections.abc import Sequence
from datetime import timedelta

from ingest.samples import Sample
from protocols.columns import EPOCH, make_sample
from protocols.facts import LAST_CELL, Fact, Quantity, floor, group_by_cell
from protocols.instances import collect_disks, collect_interfaces, collect_mapped
from protocols.memory import Cell, DeviceMemory, MergedCells


def fold_samples(facts: Sequence[Fact], memory: DeviceMemory, every: int = 0, newest: int = LAST_CELL) -> list[Sample]:
    """Return the samples of one device's facts in order of time; `every` (microseconds) makes cells at least that wide.

    Cells after `newest` (microseconds since 1970) are not remembered: a time far ahead would stay among the newest
    cells for good, and come back with every later request.
    """
    if every:
        facts = [fact._replace(cell=floor(fact.cell, every)) for fact in facts]
    cells = group_by_cell(facts)
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
    facts = {key: values for key, values in merged.cells[at].items() if isinstance(key, Quantity)}
    complete = memory.complete(at, merged)
    share = memory.cpu_percent(at, merged) if Quantity.CPU_SECONDS in complete else None
    sample = make_sample(at, complete, share)
    mapped = collect_mapped(merged.cells[at])
    if sample is None and mapped:
        sample = Sample(collected_at=EPOCH + timedelta(microseconds=at))
    if sample is not None:
        sample.disks, sample.interfaces, sample.series = collect_disks(facts), collect_interfaces(facts), mapped
        memory.note_counters(sample)
    return sample
