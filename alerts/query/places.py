"""Where rules are evaluated: on devices, and rules on instances (disks, interfaces, sensors) on each of these."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from alerts.query.facts import ConditionResult, Place
from alerts.query.runner import ResultsByKey
from alerts.rules.terms import Rule

Terms = Mapping[int, ConditionResult]  # results of a rule's terms, by their number


def by_place(facts: ResultsByKey, rules: Mapping[UUID, Rule]) -> dict[Place, dict[datetime, Terms]]:
    """Return the results by place, then by instant.

    A condition on the device in a rule on instances counts for each of its instances.
    """
    places: dict[Place, dict[datetime, Terms]] = defaultdict(dict)
    on_instances = {rule_id for rule_id, rule in rules.items() if rule.has_instances}
    for (rule_id, device_id, at), terms in facts.of.items():
        if rule_id not in on_instances:
            places[rule_id, device_id, ""][at] = terms
    for (rule_id, device_id, instance, at), terms in facts.of_instances.items():
        places[rule_id, device_id, instance][at] = facts.of.get((rule_id, device_id, at), {}) | terms
    return places
