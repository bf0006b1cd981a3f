"""The mapping file of the operator: maps metrics without a column to series.

Each entry names a metric as its client sends it and the series that it becomes; docs/sources/mapping.md shows the form.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta

from core.errors import RtsError
from core.series import CUSTOM, MAX_INSTANCE, MAX_METRIC, MAX_UNIT, METRIC_NAME, SERIES_BY_NAME

MAX_ENTRIES = 2000
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Labels = Mapping[str, str]
Protocol = Literal["influx", "otlp", "prometheus", "collectd"]


class MappingFileError(RtsError):
    """The mapping file cannot be used."""

    code: ClassVar[str] = "mapping_file"


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"source": "from"}):
    """One metric of a client, and the series that it becomes.

    `source` is `measurement.field` (influx), the metric's name (otlp, prometheus) or `plugin.type` (collectd). The
    instance of the series is the values of the labels named in `instance`, joined by a space. The value is
    `value * scale + offset`. `unit` and `kind` define a custom series.
    """

    source: Name
    to: Annotated[str, Meta(max_length=MAX_METRIC)]
    protocol: Protocol | None = None
    instance: Annotated[list[Name], Meta(max_length=8)] = []
    where: dict[Name, str] = {}
    scale: float = 1.0
    offset: float = 0.0
    unit: Annotated[str, Meta(min_length=1, max_length=MAX_UNIT)] | None = None
    kind: Literal["gauge", "counter"] | None = None

    def fits(self, labels: Labels) -> bool:
        """Return whether the labels have the values that the entry wants."""
        return all(labels.get(name, "") == value for name, value in self.where.items())

    def instance_of(self, labels: Labels) -> str:
        """Return the instance of the series: the values of the named labels, joined by a space."""
        return " ".join(filter(None, (labels.get(name, "") for name in self.instance)))[:MAX_INSTANCE]


class MappingFile(msgspec.Struct, forbid_unknown_fields=True):
    """The mapping file: its list of metrics."""

    metric: Annotated[list[Entry], Meta(max_length=MAX_ENTRIES)]


@dataclass(frozen=True, slots=True)
class Mapped:
    """The key of mapped values among the quantities of a cell: the series' metric, its unit and kind."""

    metric: str
    unit: str | None = None
    kind: Literal["gauge", "counter"] | None = None


@dataclass(frozen=True, slots=True)
class MetricMapping:
    """The entries of a file by protocol and name."""

    entries: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)

    def find(self, protocol: str, name: str) -> list[Entry]:
        """Return the entries of a name, none for most names."""
        return self.entries.get((protocol, name), [])


EMPTY = MetricMapping()


def read_mapping(file: Path | None) -> MetricMapping:
    """Return the mapping of a file, an empty one without a file; raises MappingFileError with what to change."""
    if file is None:
        return EMPTY
    try:
        file_mapping = msgspec.convert(tomllib.loads(file.read_text()), MappingFile)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise MappingFileError(f"{file}: {error}.") from error
    entries: dict[tuple[str, str], list[Entry]] = {}
    for number, entry in enumerate(file_mapping.metric, start=1):
        fault = find_entry_fault(entry)
        for protocol in [entry.protocol] if entry.protocol else get_args(Protocol):
            same = entries.setdefault((protocol, entry.source), [])
            if any((one.to, one.where, one.instance) == (entry.to, entry.where, entry.instance) for one in same):
                fault = fault or "it is there twice"
            same.append(entry)
        if fault:
            raise MappingFileError(f"{file}: metric {number}, {entry.source!r}: {fault}.")
    return MetricMapping(entries)


def find_entry_fault(entry: Entry) -> str:
    """Return the fault of an entry, "" if it has none."""
    is_custom = entry.to.startswith(CUSTOM)
    if not is_custom and entry.to not in SERIES_BY_NAME:
        return f"to = {entry.to!r} is no metric of the catalogue; name your own {CUSTOM}…"
    if is_custom and not re.match(METRIC_NAME, entry.to):
        return f"to = {entry.to!r} must be lower-case words joined by dots, such as custom.queue.length"
    if is_custom and (entry.unit is None or entry.kind is None):
        return "a custom metric needs unit and kind (gauge or counter)"
    if not is_custom and (entry.unit or entry.kind):
        return f"{entry.to} has a unit and a kind already: leave them out"
    if not (math.isfinite(entry.scale) and math.isfinite(entry.offset)) or entry.scale == 0:
        return "scale and offset must be finite, and scale not 0"
    return ""


def describe_mapping(mapping: MetricMapping) -> list[tuple[str, str, str]]:
    """Return protocol, name and series of each entry, for people."""
    return sorted(
        (protocol, name, entry.to) for (protocol, name), entries in mapping.entries.items() for entry in entries
    )
