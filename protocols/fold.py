"""A reading → samples of the device: cells folded, sets complete or left out."""

from ingest.samples import Sample
from protocols.columns import sample_of
from protocols.facts import Reading, cells_of, floor
from protocols.memory import DeviceMemory


def samples_of(reading: Reading, memory: DeviceMemory, every: int = 0) -> list[Sample]:
    """Return the samples of a reading in order of time; `every` (microseconds) makes cells at least that wide."""
    facts = reading.facts
    if every:
        facts = [fact._replace(cell=floor(fact.cell, every)) for fact in facts]
    cells = memory.merge(cells_of(facts))
    made = (sample_of(at, memory.complete(at, cells), memory.cpu_percent(at, cells)) for at in cells)
    return [sample for sample in made if sample is not None]
