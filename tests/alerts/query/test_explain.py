"""The explanation of a rule: its screen shows what it compares with which limit, and which devices remain."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from alerts.query.explain import explain_screen
from alerts.rules.loader import RuleRow, read_rules
from cli.alert_tables import limits_of
from core.clock import utc_now
from tests.alerts.scenarios import MINUTE, simple
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Tenant
from tests.rules import Rules

BASELINE = {"metric": "cpu_percent", "deviations": 3, "floor": 1, "duration_minutes": 10}


async def stored(connection: asyncpg.Connection, rules: Rules, tenant: Tenant, condition: dict[str, Any]) -> RuleRow:
    """Make a rule and return it as it is read."""
    rule = UUID((await rules.make(tenant, condition))["id"])
    return (await read_rules(connection, rule)).rows[rule]


async def test_only_devices_beyond_the_limit_remain(
    connection: asyncpg.Connection, make_device: MakeDevice, dora: Tenant, rules: Rules
) -> None:
    now = utc_now()
    for value in (10, 95, 20):
        device = await make_device(dora)
        await device.accepted(*(sample(now - age * MINUTE, cpu_percent=value) for age in range(0, 30, 5)))
    screen = await explain_screen(connection, await stored(connection, rules, dora, simple(90)), now)
    assert screen
    assert (screen.found, screen.devices) == (1, 3)
    assert list(limits_of(screen.screen.terms)) == [("newest cpu_percent", "≥ 90")]
    assert any("agent_devices" in line for line in screen.plan)


@pytest.mark.parametrize(
    ("condition", "limits"),
    [
        (simple(70, minutes=360, aggregate="avg"), [("bound of the avg of cpu_percent over 6 h", "≥ 70")]),
        (
            simple(5, operator="<", minutes=30, aggregate="max"),
            [("bound of the max of cpu_percent over 30 min", "≤ 5")],
        ),
        ({"offline_minutes": 60}, [("time since the last sign of life", "> 1 h")]),
        (BASELINE, [("a condition without a limit, for example a baseline", "all devices remain")]),
    ],
)
async def test_limits_of_each_kind_are_described_in_words(
    connection: asyncpg.Connection, dora: Tenant, rules: Rules, condition: dict[str, Any], limits: list[tuple[str, str]]
) -> None:
    screen = await explain_screen(connection, await stored(connection, rules, dora, condition), utc_now())
    assert screen
    assert list(limits_of(screen.screen.terms)) == limits


async def test_a_rule_on_services_has_no_screen(connection: asyncpg.Connection, dora: Tenant, rules: Rules) -> None:
    row = await stored(connection, rules, dora, {"service": "spooler", "duration_minutes": 10})
    assert await explain_screen(connection, row, utc_now()) is None
