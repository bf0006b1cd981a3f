"""Evaluates rules so that a rule or device whose values make a statement fail does not stop the others.

One statement evaluates all rules on all devices. If it fails, the devices are halved until single ones remain, then the
rules of each of these. Failed pairs are remembered, so that the next passes evaluate them separately until their retry.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from alerts.query.results import ResultsByKey
from alerts.query.runner import run_queries
from alerts.query.term_queries import EvaluationRequest
from alerts.rules.terms import Rule, RuleList
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "runner.sql")

MAX_STATEMENTS = 200  # in one pass; pairs not reached have no result, and the next pass evaluates them
Pair = tuple[UUID, UUID]  # rule, device


@dataclass(frozen=True, slots=True)
class RuleBatch:
    """Rules that are evaluated on some devices (None: all)."""

    rules: Sequence[Rule]
    among: Sequence[UUID] | None = None

    def halves(self) -> "list[RuleBatch]":
        """Split the devices; of a single device the rules."""
        if self.among is not None and len(self.among) > 1:
            middle = len(self.among) // 2
            return [replace(self, among=self.among[:middle]), replace(self, among=self.among[middle:])]
        middle = len(self.rules) // 2
        return [replace(self, rules=self.rules[:middle]), replace(self, rules=self.rules[middle:])]


@dataclass(slots=True)
class IsolatedResults:
    """The results, and the reasons for missing ones: by pair, by rule on all devices, by device not reached."""

    results: ResultsByKey = field(default_factory=ResultsByKey)
    pairs: dict[Pair, str] = field(default_factory=dict)
    rules: dict[UUID, str] = field(default_factory=dict)
    devices: set[UUID] = field(default_factory=set)

    def reason(self, pair: Pair) -> str | None:
        """Return why a rule has no result on a device; None if it was evaluated."""
        if pair[1] in self.devices:
            return "not evaluated: too many rules failed"
        return self.pairs.get(pair) or self.rules.get(pair[0])


async def evaluate_isolated(
    connection: Connection, rules: RuleList, request: EvaluationRequest, isolated: Isolated
) -> IsolatedResults:
    """Return the results of the rules' conditions; `isolated` has the items that failed in earlier passes."""
    evaluated = IsolatedResults()
    postponed = read_postponed_rules(isolated)
    if not postponed and await evaluate_batch(connection, RuleBatch(rules), request, evaluated) is None:
        return evaluated
    devices = [row["id"] for row in await connection.fetch(QUERIES["devices_in_reach"])]
    await find_faulty_rules(connection, rules, request, evaluated, isolated)
    well = [rule for rule in rules if rule.id not in evaluated.rules]
    batches = [RuleBatch(well, [device for device in devices if device not in postponed])]
    for device, without in postponed.items():
        evaluated.pairs |= dict.fromkeys(((rule, device) for rule in without), "evaluation failed; it is tried again")
        batches.append(RuleBatch([rule for rule in well if rule.id not in without], [device]))
    await evaluate_batches(connection, batches, request, evaluated, isolated)
    return evaluated


def read_postponed_rules(isolated: Isolated) -> dict[UUID, set[UUID]]:
    """Return the rules that failed on single devices, by device."""
    devices_by_rule: dict[UUID, set[UUID]] = defaultdict(set)
    for item in isolated.postponed_ids("device"):
        device, _, rule = item.partition(":rule:")
        devices_by_rule[UUID(device)].add(UUID(rule))
    return devices_by_rule


async def find_faulty_rules(
    connection: Connection,
    rules: Sequence[Rule],
    request: EvaluationRequest,
    evaluated: IsolatedResults,
    isolated: Isolated,
) -> None:
    """Find the rules whose statement fails even without any device."""
    waiting = [RuleBatch(rules, [])]
    while waiting:
        batch = waiting.pop()
        error = await evaluate_batch(connection, batch, request, evaluated)
        if error is not None and len(batch.rules) > 1:
            waiting += batch.halves()
        elif error is not None:
            evaluated.rules[batch.rules[0].id] = str(error)
            await isolated.note(f"rule:{batch.rules[0].id}", error)


async def evaluate_batches(
    connection: Connection,
    batches: list[RuleBatch],
    request: EvaluationRequest,
    evaluated: IsolatedResults,
    isolated: Isolated,
) -> None:
    """Evaluate each batch, and its halves if it fails."""
    waiting = [batch for batch in batches if batch.rules and batch.among]
    for _ in range(MAX_STATEMENTS):
        if not waiting:
            return
        batch = waiting.pop()
        assert batch.among is not None
        error = await evaluate_batch(connection, batch, request, evaluated)
        if error is not None and len(batch.among) * len(batch.rules) > 1:
            waiting += batch.halves()
        elif error is not None:
            pair = batch.rules[0].id, batch.among[0]
            evaluated.pairs[pair] = str(error)
            await isolated.note(f"device:{pair[1]}:rule:{pair[0]}", error)
    evaluated.devices |= {device for batch in waiting for device in batch.among or ()}


async def evaluate_batch(
    connection: Connection, batch: RuleBatch, request: EvaluationRequest, evaluated: IsolatedResults
) -> Exception | None:
    """Add the results of a batch, or return the error that its statement raised."""
    try:
        async with connection.transaction():
            results = await run_queries(connection, batch.rules, replace(request, among=batch.among))
    except Exception as error:
        if connection.is_closed():
            raise
        return error
    evaluated.results.statements += results.statements
    for key, terms in results.of.items():
        evaluated.results.of[key].update(terms)
    for place, terms in results.of_instances.items():
        evaluated.results.of_instances[place].update(terms)
    return None
