"""Where rules with instances stand: facts by rule, device and instance."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from alerts.query.facts import ConditionResult
from alerts.query.runner import ResultsByKey

Place = tuple[UUID, UUID, str]  # rule, device, instance


def by_place(facts: ResultsByKey) -> dict[Place, dict[datetime, dict[int, ConditionResult]]]:
    """Return facts by rule, device and instance, then by instant; those of the device are in each of its instances."""
    places: dict[Place, dict[datetime, dict[int, ConditionResult]]] = defaultdict(dict)
    for (rule, device, instance, at), terms in facts.of_instances.items():
        places[rule, device, instance][at] = facts.of.get((rule, device, at), {}) | terms
    return places
