"""Groups the terms of all rules: by level, so that a group fits one statement, and by kind.

Rules seldom change between two evaluations, and grouping ten thousand takes as long as evaluating them. So the groups
of a `RuleList` are cached for as long as the object lives.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from alerts.query.compiler import Instants, can_stitch, level_for
from alerts.query.scopes import ScopedTerms, by_scope
from alerts.rules.terms import Feature, Kind, RuleList, Term
from db.hypertables.policies import LEVELS, Level

MAX_FEATURES = 60  # columns of one statement; PostgreSQL takes 1,600, planning takes longer with each
KEPT_LISTS = 4  # of rules, with their groups


@dataclass(frozen=True, eq=False)
class TermGroup:
    """The terms of one statement. Terms on metrics also have their level, their features in order, and the reading."""

    terms: Sequence[Term]
    level: Level | None = None
    features: tuple[Feature, ...] = ()
    instants: Instants = "one"

    @cached_property
    def numbers(self) -> dict[Feature, int]:
        """The place of each feature in the arrays of a device."""
        return {feature: number for number, feature in enumerate(self.features)}


@lru_cache(KEPT_LISTS)
def terms_by_kind(rules: RuleList) -> dict[Kind, TermGroup]:
    """Return the terms without features, by kind."""
    of_kind: dict[Kind, list[Term]] = defaultdict(list)
    for rule in rules:
        for term in rule.terms:
            if term.feature is None:
                of_kind[term.kind].append(term)
    return {kind: TermGroup(terms) for kind, terms in of_kind.items()}


@lru_cache(KEPT_LISTS)
def silence_terms(rules: RuleList) -> TermGroup:
    """Return the terms on silent devices, which one statement asks for."""
    return TermGroup([term for rule in rules for term in rule.terms if term.is_silence])


@lru_cache(KEPT_LISTS)
def metric_groups(rules: RuleList, level: Level | None, *, many: bool) -> list[TermGroup]:
    """Return the terms with features in groups, by level.

    `level`: read this level, whatever the window. `many`: for many instants.
    """
    of_level: dict[str, list[Term]] = defaultdict(list)
    for rule in rules:
        for term in rule.terms:
            if term.feature:
                of_level[(level or level_for(term.window)).name].append(round_window(term, level))
    return [
        group
        for each in LEVELS[:3]
        for group in by_features(of_level[each.name], each, can_be_stitched=level is None and not many, many=many)
    ]


@lru_cache(KEPT_LISTS)
def screened_groups(rules: RuleList) -> list[TermGroup]:
    """Return the groups whose devices are found by a screen first: on metrics, then on silence."""
    silence = silence_terms(rules)
    return metric_groups(rules, None, many=False) + ([silence] if silence.terms else [])


@lru_cache(KEPT_LISTS)
def screened_terms(rules: RuleList) -> ScopedTerms:
    """Return the terms of the groups that are screened, by scope."""
    return by_scope([group.terms for group in screened_groups(rules)])


def round_window(term: Term, level: Level | None) -> Term:
    """Return a term whose window is rounded to whole buckets of a level; the samples that it needs are unchanged."""
    if term.feature is None or level is None or level.bucket is None:
        return term
    window = -(-term.feature.window // level.bucket) * level.bucket
    return replace(term, feature=replace(term.feature, window=window))


def by_features(terms: Iterable[Term], level: Level, *, can_be_stitched: bool, many: bool) -> list[TermGroup]:
    """Split terms into groups whose features fit one statement: those that are stitched, then the others.

    Stitched features are read in hours too, at one instant and from the level of a live evaluation.
    """
    of_feature: dict[Feature, list[Term]] = defaultdict(list)
    for term in terms:
        assert term.feature
        of_feature[term.feature].append(term)
    features = sorted(of_feature, key=repr)  # one order: one statement to keep
    stitched = [feature for feature in features if can_be_stitched and can_stitch(level, feature)]
    separate = [feature for feature in features if feature not in stitched]
    kinds: list[tuple[Instants, list[Feature]]] = [
        ("one, stitched", stitched), ("many" if many else "one", separate),
    ]  # fmt: skip
    return [
        TermGroup([term for feature in chosen for term in of_feature[feature]], level, tuple(chosen), instants)
        for instants, kind in kinds
        for start in range(0, len(kind), MAX_FEATURES)
        if (chosen := kind[start : start + MAX_FEATURES])
    ]
