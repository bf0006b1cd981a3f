"""The readers of old data and the span of each level that they need: rules, baselines, forecasts, late uploads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from alerts.query.compiler import level_for
from alerts.replay.backtest import MAX_DAYS
from alerts.rules.loader import read_rules
from alerts.rules.terms import Term
from db.hypertables.policies import DAY
from db.hypertables.values import StorageValues
from db.pools import Connection

BASELINE, FORECAST = timedelta(days=35), timedelta(days=31)  # as in the SQL of alerts/query
NAMED = 3  # rules in a sentence
# A device that was offline sends its stored samples: this minimum applies regardless of other needs.
MIN_SAMPLE_AGE = 4 * DAY


@dataclass(frozen=True, slots=True)
class Need:
    """`who` needs `span` of a level."""

    level: str
    span: timedelta
    who: str


async def read_needs(connection: Connection) -> list[Need]:
    """Return the longest need of each kind for each level, with the rules that have it."""
    needs: dict[tuple[str, str], list[tuple[timedelta, str]]] = {}
    for row in (await read_rules(connection)).rows.values():
        for term in row.rule.terms:
            for level, kind, span in term_needs(term):
                needs.setdefault((level, kind), []).append((span, row.alert_name))
    backtests = Need("5m", MAX_DAYS * DAY, f"a backtest over {MAX_DAYS} days")
    return [backtests, *(_together(level, kind, rules) for (level, kind), rules in needs.items())]


def term_needs(term: Term) -> Iterator[tuple[str, str, timedelta]]:
    """Yield the level, kind and span that a condition reads, including the chunk in which its window begins."""
    if term.deviations:
        yield "1h", "baselines", BASELINE
    elif term.kind in ("forecast", "series_forecast"):
        yield "1d", "forecasts", FORECAST
        yield "1h", "forecasts", FORECAST
    if term.window:
        level = level_for(term.window)
        yield level.name, "windows", term.window + level.chunk


def _together(level: str, kind: str, rules: list[tuple[timedelta, str]]) -> Need:
    longest = max(span for span, _ in rules)
    names = list(dict.fromkeys(f'"{name}"' for span, name in rules if span == longest))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return Need(level, longest, f"{kind} of the alert rules {', '.join(names[:NAMED])}{more}")


def find_unmet(values: StorageValues, needs: list[Need]) -> Iterator[str]:
    """Yield a sentence for each need that these values would not meet."""
    for need in needs:
        keep = values.level(need.level).keep
        if keep < need.span:
            short = f"{need.level} kept for {keep / DAY:g} days is too short"
            yield f"{short}: {need.who} would lose data, {need.span / DAY:.3g} days are needed"
    if values.max_sample_age < MIN_SAMPLE_AGE:
        yield (
            f"samples would be taken only until they are {values.max_sample_age / DAY:.3g} days old: devices that were "
            f"away longer would lose theirs; {MIN_SAMPLE_AGE / DAY:g} days are the least"
        )
