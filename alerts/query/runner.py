"""Asks the database what holds: rules → leaves → one statement for each level and kind in use → facts.

The number of statements depends on the levels and kinds, not on how many rules or devices there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from alerts.query.compiler import Instants, can_stitch, level_for, metric_statement
from alerts.query.facts import Fact
from alerts.rules.terms import Feature, Leaf, Rule
from db.hypertables.policies import LEVELS, Level
from db.pools import Source
from db.sql import load_beside
from rollups.history import read_watermarks

QUERIES = load_beside(__file__, "runner.sql")

MOST_FEATURES = 60  # columns of one statement; PostgreSQL takes 1,600, planning takes longer with each
SHORTEST_LOOKBACK = timedelta(minutes=15)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # before all samples: nothing is read from rollups

Key = tuple[UUID, UUID, datetime]  # rule, device, instant
Watermarks = Mapping[str, datetime]  # until when a rollup is complete, by relation


@dataclass(slots=True)
class Facts:
    """What is known: for each rule, device and instant the facts of its leaves by their number."""

    of: dict[Key, dict[int, Fact]] = field(default_factory=lambda: defaultdict(dict))
    statements: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """At which instants (UTC, in order) facts are asked for.

    `tenant` bounds the devices. `unsure_until`: until when silence says nothing of the devices, because it was ours.

    The past needs two things more. `everything`: also what is unknown or holds on where nothing has begun; silence is
    then judged by samples. `level`: read this one whatever the window: a rule test has only raw samples, and of a
    month ago there are only rollups.
    """

    instants: Sequence[datetime]
    tenant: UUID | None = None
    everything: bool = False
    unsure_until: datetime | None = None
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One statement to ask: SQL, its parameters by name in order, and the level and leaves that it is for."""

    sql: str
    parameters: dict[str, Any]
    leaves: Sequence[Leaf]
    level: Level | None = None


async def gather(connection: Source, rules: Iterable[Rule], question: Question) -> Facts:
    """Return what is known of the rules' conditions."""
    facts = Facts()
    for ask in await asks(connection, rules, question):
        take(facts, await connection.fetch(ask.sql, *ask.parameters.values()))
    return facts


async def asks(connection: Source, rules: Iterable[Rule], question: Question) -> list[Ask]:
    """Return the statements that tell what holds of the rules' conditions."""
    leaves = [rounded(leaf, question.level) for rule in rules for leaf in rule.leaves]
    longest = timedelta(seconds=await connection.fetchval(QUERIES["longest_interval"]))
    watermarks = await read_watermarks(connection)
    found = []
    for level in LEVELS[:3]:
        wanted = [leaf for leaf in leaves if leaf.feature and (question.level or level_for(leaf.window)) is level]
        groups = by_features(wanted, level, question)
        found += [ask_metrics(level, group, question, longest, watermarks) for group in groups]
    found += ask_silence(leaves, question, watermarks)
    for kind in ("service", "forecast"):
        wanted = [leaf for leaf in leaves if leaf.kind == kind]
        for at in question.instants if wanted else ():
            parameters = {"leaves": as_json(wanted, {}), "tenant": question.tenant, "now": at}
            found.append(Ask(QUERIES[f"{kind}_facts"], parameters, wanted))
    return found


def rounded(leaf: Leaf, level: Level | None) -> Leaf:
    """Return a leaf whose feature is read over whole buckets of a level; how much data it needs stays as it was."""
    if leaf.feature is None or level is None or level.bucket is None:
        return leaf
    window = -(-leaf.feature.window // level.bucket) * level.bucket
    return replace(leaf, feature=replace(leaf.feature, window=window))


def by_features(leaves: Sequence[Leaf], level: Level, question: Question) -> list[list[Leaf]]:
    """Split leaves into groups whose features fit one statement: those that are stitched, then the others."""
    features = list(dict.fromkeys(leaf.feature for leaf in leaves if leaf.feature))
    stitched = [feature for feature in features if instants_of(feature, level, question) == "one, stitched"]
    others = [feature for feature in features if feature not in stitched]
    groups = [
        set(kind[start : start + MOST_FEATURES])
        for kind in (stitched, others)
        for start in range(0, len(kind), MOST_FEATURES)
    ]
    return [[leaf for leaf in leaves if leaf.feature in group] for group in groups]


def instants_of(feature: Feature, level: Level, question: Question) -> Instants:
    """Return how a feature is asked for: hours are read too at one instant, from the level of a live evaluation."""
    if len(question.instants) > 1:
        return "many"
    return "one, stitched" if question.level is None and can_stitch(level, feature) else "one"


def ask_metrics(
    level: Level, leaves: Sequence[Leaf], question: Question, longest: timedelta, watermarks: Watermarks
) -> Ask:
    """Ask for the conditions on metrics of one level."""
    features = sorted({leaf.feature for leaf in leaves if leaf.feature}, key=repr)  # one order: one statement to keep
    statement = metric_statement(level, tuple(features), instants_of(features[0], level, question))
    hour_cut, cut = cuts(level, question, watermarks)
    lookback = max([
        SHORTEST_LOOKBACK, 2.5 * longest + timedelta(minutes=1), *(feature.window for feature in features),
    ])  # fmt: skip
    values = statement.bound | {
        "leaves": as_json(leaves, {feature: number for number, feature in enumerate(features)}),
        "tenant": question.tenant, "instants": list(question.instants), "lookback": lookback,
        "cut": cut, "hour_cut": hour_cut,
        "lowest": question.instants[0] - lookback, "highest": question.instants[-1],
        "everything": question.everything,
    }  # fmt: skip
    return Ask(statement.sql, {name: values[name] for name in statement.parameters}, leaves, level)


def cuts(level: Level, question: Question, watermarks: Watermarks) -> tuple[datetime, datetime]:
    """Return until when hours are read, and until when the level's buckets are."""
    if level.bucket is None:
        return EPOCH, question.instants[0]
    cut = watermarks[level.relation]
    # Hours know nothing of five minutes that aren't there yet, and the hour of the instant itself isn't over.
    whole = min(cut, question.instants[0]).replace(minute=0, second=0, microsecond=0)
    return min(watermarks[LEVELS[2].relation], whole), cut


def ask_silence(leaves: list[Leaf], question: Question, watermarks: Watermarks) -> list[Ask]:
    """Ask which devices are silent, by their samples or by any sign of life; in the past by samples only."""
    wanted = [leaf for leaf in leaves if leaf.kind in ("no_data", "offline")]
    if not wanted:
        return []
    first = {"leaves": as_json(wanted, {}), "tenant": question.tenant}
    if question.everything:
        five = LEVELS[1]
        cut = EPOCH if question.level is LEVELS[0] else watermarks[five.relation]
        parameters = first | {"instants": list(question.instants), "cut": cut, "bucket": five.bucket}
        return [Ask(QUERIES["past_silence_facts"], parameters, wanted)]
    return [
        Ask(QUERIES["silence_facts"], first | {"unsure_until": question.unsure_until, "now": at}, wanted)
        for at in question.instants
    ]


def take(facts: Facts, rows: list[asyncpg.Record]) -> None:
    """Keep the rows of a statement as facts."""
    facts.statements += 1
    for row in rows:
        value = number(row["value"])
        fact = Fact(row["breached"], row["begun"], row["holding"], value, row["threshold"], row["note"])
        facts.of[row["rule_id"], row["device_id"], row["at"]][row["leaf"]] = fact


def number(value: Any) -> float | None:
    """Return a number of the database as a float."""
    return None if value is None else float(value)


def as_json(leaves: Sequence[Leaf], features: dict[Feature, int]) -> str:
    """Return leaves in the form of the function alert_pairs."""
    return msgspec.json.encode([
        {
            "rule_id": leaf.rule.id, "leaf": leaf.number, "business_id": leaf.rule.reach.business_id,
            "service_location_id": leaf.rule.reach.service_location_id, "device_id": leaf.rule.reach.device_id,
            "device_type": leaf.rule.reach.device_type, "feature": features.get(leaf.feature) if leaf.feature else None,
            "is_up": leaf.up, "is_strict": leaf.strict, "value_threshold": leaf.value_threshold,
            "last_threshold": leaf.last_threshold, "recovery": leaf.recovery, "by_value": leaf.by_value,
            "window_seconds": leaf.window.total_seconds(), "deviations": leaf.deviations, "floor": leaf.floor,
            "newest_of": leaf.newest_of,
            "name": leaf.kind if leaf.kind in ("no_data", "offline") else leaf.name,
        }
        for leaf in leaves
    ]).decode()  # fmt: skip
