"""The statements for conditions on instances of devices: one for each level in use, and one for forecasts."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from alerts.query.compiler import level_for
from alerts.query.grouping import TermGroup
from alerts.query.term_queries import EPOCH, EvaluationRequest, TermQuery
from alerts.rules.terms import Kind, Term
from db.hypertables.policies import SERIES_LEVELS
from db.pools import Source
from db.sql import load_beside
from rollups.series_history import read_series_watermarks

SERIES, PAST = load_beside(__file__, "series.sql"), load_beside(__file__, "series_past.sql")

MAX_LEAD = timedelta(days=6)  # of the newest sample of the slowest device, and the one before it


async def ask_series(
    connection: Source, of_kind: Mapping[Kind, TermGroup], question: EvaluationRequest, behind: timedelta
) -> list[TermQuery]:
    """Ask for the conditions on instances: a statement for each level in use, and one for forecasts.

    `behind`: the lowest offset of a device's clock, zero or less.
    """
    queries = []
    series = of_kind["series"].terms if "series" in of_kind else []
    watermarks = await read_series_watermarks(connection) if series else {}
    for level in SERIES_LEVELS[:3]:
        of_level = [term for term in series if series_level(term, question) == level.name]
        if of_level:
            longest = max(term.window for term in of_level)
            parameters = {
                "tenant": question.tenant, "instants": list(question.instants), "everything": question.everything,
                "level": level.name, "cut": watermarks.get(level.relation, EPOCH),
                "width": level.bucket or timedelta(0),
                "lowest": question.instants[0] + behind - longest - MAX_LEAD, "among": question.among,
            }  # fmt: skip
            queries.append(TermQuery(SERIES.statements["series_results"], parameters, TermGroup(of_level, level)))
    ahead = of_kind.get("series_forecast")
    return queries + (await ask_series_forecasts(connection, ahead, question) if ahead else [])


async def ask_series_forecasts(connection: Source, group: TermGroup, question: EvaluationRequest) -> list[TermQuery]:
    """Ask for forecasts of instances: of the past by the rollups and samples up to each instant."""
    bounds: dict[str, Any] = {"tenant": question.tenant, "among": question.among}
    if question.everything:
        hours = SERIES_LEVELS[2].relation
        from_samples = question.level is not None and question.level.bucket is None
        cut = EPOCH if from_samples else (await read_series_watermarks(connection)).get(hours, EPOCH)
        bounds |= {"instants": list(question.instants), "cut": cut}
        return [TermQuery(PAST.statements["past_series_forecast_results"], bounds, group)]
    return [
        TermQuery(SERIES.statements["series_forecast_results"], bounds | {"now": at}, group) for at in question.instants
    ]


def series_level(term: Term, question: EvaluationRequest) -> str:
    """Return the name of the level that a condition on instances is read from."""
    return (question.level or level_for(term.window)).name
