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

MAX_QUESTIONS = 200  # in one pass; pairs not reached have no result, and the next pass evaluates them
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
class Apart:
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


async def gather_apart(
    connection: Connection, rules: RuleList, question: EvaluationRequest, isolated: Isolated
) -> Apart:
    """Return the results of the rules' conditions; `isolated` has the items that failed in earlier passes."""
    apart = Apart()
    held_devices = held_rules(isolated)
    if not held_devices and await ask(connection, RuleBatch(rules), question, apart) is None:
        return apart
    devices = [row["id"] for row in await connection.fetch(QUERIES["devices_in_reach"])]
    await leave_faulty_rules(connection, rules, question, apart, isolated)
    well = [rule for rule in rules if rule.id not in apart.rules]
    batches = [RuleBatch(well, [device for device in devices if device not in held_devices])]
    for device, without in held_devices.items():
        apart.pairs |= dict.fromkeys(((rule, device) for rule in without), "evaluation failed; it is tried again")
        batches.append(RuleBatch([rule for rule in well if rule.id not in without], [device]))
    await ask_blocks(connection, batches, question, apart, isolated)
    return apart


def held_rules(isolated: Isolated) -> dict[UUID, set[UUID]]:
    """Return the rules that failed on single devices, by device."""
    devices_by_rule: dict[UUID, set[UUID]] = defaultdict(set)
    for item in isolated.postponed_ids("device"):
        device, _, rule = item.partition(":rule:")
        devices_by_rule[UUID(device)].add(UUID(rule))
    return devices_by_rule


async def leave_faulty_rules(
    connection: Connection, rules: Sequence[Rule], question: EvaluationRequest, apart: Apart, isolated: Isolated
) -> None:
    """Find the rules whose statement fails even without any device."""
    waiting = [RuleBatch(rules, [])]
    while waiting:
        batch = waiting.pop()
        error = await ask(connection, batch, question, apart)
        if error is not None and len(batch.rules) > 1:
            waiting += batch.halves()
        elif error is not None:
            apart.rules[batch.rules[0].id] = str(error)
            await isolated.note(f"rule:{batch.rules[0].id}", error)


async def ask_blocks(
    connection: Connection, batches: list[RuleBatch], question: EvaluationRequest, apart: Apart, isolated: Isolated
) -> None:
    """Evaluate each batch, and its halves if it fails."""
    waiting = [batch for batch in batches if batch.rules and batch.among]
    for _ in range(MAX_QUESTIONS):
        if not waiting:
            return
        batch = waiting.pop()
        assert batch.among is not None
        error = await ask(connection, batch, question, apart)
        if error is not None and len(batch.among) * len(batch.rules) > 1:
            waiting += batch.halves()
        elif error is not None:
            pair = batch.rules[0].id, batch.among[0]
            apart.pairs[pair] = str(error)
            await isolated.note(f"device:{pair[1]}:rule:{pair[0]}", error)
    apart.devices |= {device for batch in waiting for device in batch.among or ()}


async def ask(connection: Connection, batch: RuleBatch, question: EvaluationRequest, apart: Apart) -> Exception | None:
    """Add the results of a batch, or return the error that its statement raised."""
    try:
        async with connection.transaction():
            results = await run_queries(connection, batch.rules, replace(question, among=batch.among))
    except Exception as error:
        if connection.is_closed():
            raise
        return error
    apart.results.statements += results.statements
    for key, terms in results.of.items():
        apart.results.of[key].update(terms)
    for place, terms in results.of_instances.items():
        apart.results.of_instances[place].update(terms)
    return None
