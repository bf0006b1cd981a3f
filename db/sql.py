"""Named SQL: a `queries.sql` beside the code that runs it, split into statements by name.

The form: a line `-- name --`, a comment with what the statement does and what `$1`, `$2` … are,
then the statement. Python only ever names a statement; none is put together from strings.

A list with an entry for each metric comes from the catalogue: `{metrics, m.NAME}` becomes `m.cpu_percent, m.…`, and
`{gauges WHEN 'NAME' THEN m.NAME_max}`, without the comma, entries with spaces between them.
"""

import re
from pathlib import Path

from core.metrics import GAUGES, METRICS

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_LIST = re.compile(r"\{(metrics|gauges)(,?) ([^{}]+)\}")
_LISTED = {"metrics": METRICS, "gauges": GAUGES}


class Queries(dict[str, str]):
    """Statements by name, in the order of the file."""

    def __missing__(self, name: str) -> str:
        raise KeyError(f"no query is named {name!r}; there are: {', '.join(self)}")


def load_queries(file: Path) -> Queries:
    """Read the named statements of one `.sql` file.

    Raises ValueError for text before the first name, an empty statement or a name used twice.
    """
    head, *parts = _HEADING.split(file.read_text())
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{file}: there is SQL before the first `-- name --`")
    queries = Queries()
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries or not body.strip():
            raise ValueError(f"{file}: {name} is empty or named twice")
        queries[name] = _LIST.sub(_write_list, body.strip())
    return queries


def _write_list(found: re.Match[str]) -> str:
    """Return the entries of a list, one for each metric of the catalogue."""
    metrics, comma, entry = found.groups()
    return f"{comma} ".join(entry.replace("NAME", metric.name) for metric in _LISTED[metrics])


def load_beside(python_file: str, name: str = "queries.sql") -> Queries:
    """Read `queries.sql` (or `name`) in the folder of the calling module: pass `__file__`."""
    return load_queries(Path(python_file).parent / name)
