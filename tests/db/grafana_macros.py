"""What Grafana's PostgreSQL data source makes of the macros in a query, as its `macros.go` does."""

import re
from datetime import datetime, timedelta

MACRO = re.compile(r"\$__(timeFilter|timeFrom|timeTo)\(([^)]*)\)")


def expand(text: str, start: datetime, end: datetime, interval: timedelta, **variables: str) -> str:
    """Return the SQL that Grafana would send for a range (UTC)."""
    first, last = (f"'{time:%Y-%m-%dT%H:%M:%S.%fZ}'" for time in (start, end))
    values = {"timeFrom": first, "timeTo": last}

    def written(match: re.Match[str]) -> str:
        name, argument = match.groups()
        return values.get(name) or f"{argument} BETWEEN {first} AND {last}"

    text = MACRO.sub(written, text).replace("$__interval", f"{int(interval.total_seconds())}s")
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return text
