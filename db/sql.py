"""Named SQL: a `queries.sql` beside the code that runs it, split into statements by name.

The form: a line `-- name --`, a comment that describes the statement, then the statement with named parameters,
`:device_id`. asyncpg accepts only `$1`, `$2` …, so names are numbered once, when the file is read. Python names a
statement and its parameters, and never composes SQL from strings.

    await pool.fetch(*QUERIES.bind("read_services", device_id=device_id, tenant=tenant))

A list with an entry for each metric comes from the catalogue: `{metrics, m.NAME}` becomes `m.cpu_percent, m.…`, and
`{gauges WHEN 'NAME' THEN m.NAME_max}`, without the comma, entries with spaces between them; `counters` likewise.
`fragments.sql` has text shared by many statements: `{audit}` is the fragment of that name.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from core.metrics import COUNTERS, GAUGES, METRICS

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_LIST = re.compile(r"\{(metrics|gauges|counters)(,?) ([^{}]+)\}")
_FRAGMENT = re.compile(r"\{([a-z_]+)\}")
_LISTED = {"metrics": METRICS, "gauges": GAUGES, "counters": COUNTERS}
# Comments, strings, quoted names and dollar quotes have no parameters; `::` is a cast and `[1:n]` a slice.
_QUOTED = r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|\$(?P<tag>[a-z_]*)\$.*?\$(?P=tag)\$"
_PARAMETER = re.compile(rf"(?P<quoted>{_QUOTED})|(?<![:\w]):(?P<name>[a-z]\w*)|\$(?P<number>\d+)", re.DOTALL)


class Statement(NamedTuple):
    """SQL for asyncpg, the names of its `$1`, `$2` … in order, and the values of those that are always the same."""

    sql: str
    parameters: tuple[str, ...]
    constants: Mapping[str, Any] = MappingProxyType({})

    def bind(self, **values: Any) -> tuple[Any, ...]:
        """Return SQL and arguments; raises TypeError when `values` are not exactly the parameters."""
        values |= self.constants
        if values.keys() != set(self.parameters):
            raise TypeError(f"parameters are {', '.join(self.parameters)}, not {', '.join(values)}: {self.sql[:200]}")
        return (self.sql, *[values[parameter] for parameter in self.parameters])


class Queries(dict[str, str]):
    """Statements by name as they are written, in the order of the file; `bind` returns them for asyncpg."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(texts)
        self.statements = {name: number_parameters(text) for name, text in texts.items()}

    def __missing__(self, name: str) -> str:
        raise KeyError(f"no query is named {name!r}; there are: {', '.join(self)}")

    def bind(self, name: str, /, **values: Any) -> tuple[Any, ...]:
        """Return SQL and arguments of a statement, to be passed on as `fetch(*queries.bind(…))`; raises TypeError."""
        if name not in self:
            self.__missing__(name)
        return self.statements[name].bind(**values)


def number_parameters(text: str) -> Statement:
    """Return a statement with `$1`, `$2` … for its named parameters, in the order in which they first appear.

    Raises ValueError for a statement that has names and numbers.
    """
    numbers: dict[str, int] = {}
    numbered = False

    def write(match: re.Match[str]) -> str:
        nonlocal numbered
        name = match["name"]
        if name is None:
            numbered = numbered or match["number"] is not None
            return match[0]
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    sql = _PARAMETER.sub(write, text)
    if numbers and numbered:
        raise ValueError(f"parameters by name and by number in one statement: {text[:200]}")
    return Statement(sql, tuple(numbers))


def load_queries(file: Path) -> Queries:
    """Read the named statements of one `.sql` file.

    Raises ValueError for text before the first name, an empty statement or a name used twice.
    """
    head, *parts = _HEADING.split(file.read_text())
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{file}: there is SQL before the first `-- name --`")
    texts: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in texts or not body.strip():
            raise ValueError(f"{file}: {name} is empty or named twice")
        texts[name] = _FRAGMENT.sub(_write_fragment, _LIST.sub(_write_list, body.strip()))
    return Queries(texts)


@cache
def read_fragments() -> dict[str, str]:
    """Read `fragments.sql`, by name and without the comments."""
    _, *parts = _HEADING.split(Path(__file__).with_name("fragments.sql").read_text())
    bodies = (re.sub(r"^--.*\n", "", body.strip(), flags=re.MULTILINE) for body in parts[1::2])
    return dict(zip(parts[::2], bodies, strict=True))


def _write_fragment(match: re.Match[str]) -> str:
    fragment = read_fragments().get(match[1])
    if fragment is None:
        raise ValueError(f"no fragment is named {match[1]!r}; there are: {', '.join(read_fragments())}")
    return fragment


def _write_list(match: re.Match[str]) -> str:
    """Return the entries of a list, one for each metric of the catalogue."""
    metrics, comma, entry = match.groups()
    return f"{comma} ".join(entry.replace("NAME", metric.name) for metric in _LISTED[metrics])


def load_beside(python_file: str, name: str = "queries.sql") -> Queries:
    """Read `queries.sql` (or `name`) in the folder of the calling module: pass `__file__`."""
    return load_queries(Path(python_file).parent / name)


def after_keys(after: Sequence[Any] | None, *names: str) -> dict[str, Any]:
    """Return the sort keys of the last row of the page before as `after_NAME`; None for the first page."""
    return {f"after_{name}": key for name, key in zip(names, after or (None,) * len(names), strict=True)}
