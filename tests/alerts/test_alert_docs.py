"""The guide to rules: each condition in it can be read, each kind is in it, and its rule tests pass."""

import json
import re
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from alerts.replay.rule_tests import load_tests, run_test
from alerts.replay.thresholds import FIELDS
from alerts.rules.conditions import Condition, parse_condition, terms_of
from alerts.rules.terms import Rule, Scope
from core.clock import utc_now

GUIDE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
CONDITIONS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.mark.parametrize("value", CONDITIONS, ids=str)
def test_documented_conditions_can_be_parsed_and_described(value: object) -> None:
    condition: Condition = parse_condition(value)
    assert condition.in_words()
    assert Rule(uuid4(), Scope(), condition).terms


def test_every_kind_of_condition_is_documented() -> None:
    kinds = {type(term) for value in CONDITIONS for term in terms_of(parse_condition(value))}
    assert kinds >= set(FIELDS)
    assert len(kinds) == 11


async def test_the_rule_tests_of_the_guide_pass(database: str, tmp_path: Path) -> None:
    file = tmp_path / "guide.toml"
    file.write_text("\n".join(re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)))
    connection = await asyncpg.connect(database)
    for test in load_tests(file):
        assert (await run_test(connection, test, utc_now())).is_passed
    await connection.close()
