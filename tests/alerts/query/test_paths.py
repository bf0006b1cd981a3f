"""Rules by the paths of their states, on real samples and the real SQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from rollups.refresh import refresh_level
from tests.alerts.scenarios import Scenario, path_of, simple, when
from tests.devices import Device


@pytest.fixture
async def scenario(database: str, device: Device) -> AsyncIterator[Scenario]:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    yield Scenario(connection, device.agent_id)
    await connection.close()


@pytest.mark.parametrize(
    ("series", "path"),
    [
        ("50x11", ""),
        ("50x2 95x5 50x5", "pending=>firing=>recovering=>inactive"),
        ("50x2 95 50x5", "pending=>inactive"),
        ("95x11", "pending=>firing"),
        ("50x2 95x3 _x8", "pending=>firing=>no_data"),
        ("50x2 95x3 _x6 95x2 50x5", "pending=>firing=>no_data=>firing=>recovering=>inactive"),
        ("50x2 95x3 _x6 50x5", "pending=>firing=>no_data=>recovering=>inactive"),
        ("50x2 95 _x8", "pending=>inactive"),
        ("50x2 95x3 50 95x2 50x5", "pending=>firing=>recovering=>firing=>recovering=>inactive"),
        ("90x11", ""),
        ("0x11", ""),
    ],
)
async def test_a_rule_of_the_plans_form(scenario: Scenario, series: str, path: str) -> None:
    assert await scenario.path(simple(), series) == path


async def test_a_rule_fires_when_all_samples_of_its_duration_are_beyond(scenario: Scenario) -> None:
    samples = await scenario.measure("cpu_percent", "50x3 95x7")
    transitions = await scenario.transitions(simple(minutes=15), samples)
    assert when(transitions, "pending", scenario) == 20
    assert 25 <= when(transitions, "firing", scenario) <= 35


async def test_one_good_sample_in_its_duration_keeps_it_from_firing(scenario: Scenario) -> None:
    assert "firing" not in await scenario.path(simple(minutes=15), "95x1 50 95x1 50 95x1 50")


@pytest.mark.parametrize(
    ("aggregate", "series", "fires"),
    [
        ("avg", "100x1 85x1", True), ("avg", "100 70 100 70", False),
        ("max", "50x2 99 50x1", True), ("min", "50x2 99 50x1", False), ("last", "50x2 99", True),
    ],
)  # fmt: skip
async def test_other_aggregates(scenario: Scenario, aggregate: str, series: str, fires: bool) -> None:
    path = await scenario.path(simple(minutes=20, aggregate=aggregate), series)
    assert ("firing" in path) is fires


async def test_a_share_of_samples(scenario: Scenario) -> None:
    rule = simple(minutes=30, aggregate="share", share_percent=50)
    assert "firing" in await scenario.path(rule, "50 95 95 50 95 95 50")


async def test_a_share_that_isnt_reached(scenario: Scenario) -> None:
    rule = simple(minutes=30, aggregate="share", share_percent=80)
    assert "firing" not in await scenario.path(rule, "50 95 95 50 95 95 50")


async def test_below_a_threshold(scenario: Scenario) -> None:
    rule = {"metric": "memory_percent", "operator": "<=", "threshold": 5, "duration_minutes": 10}
    assert await scenario.path(rule, "20x2 5x3 20x3", "memory_percent") == "pending=>firing=>recovering=>inactive"


async def test_hysteresis_holds_the_alert_between_the_thresholds(scenario: Scenario) -> None:
    rule = simple(recovery_threshold=70)
    assert await scenario.path(rule, "50x2 95x3 80x5 60x5") == "pending=>firing=>recovering=>inactive"


async def test_without_hysteresis_it_recovers_at_once(scenario: Scenario) -> None:
    samples = await scenario.measure("cpu_percent", "50x2 95x3 80x5")
    transitions = await scenario.transitions(simple(), samples)
    assert when(transitions, "recovering", scenario) == 35


async def test_a_rule_keeps_firing_for_a_while(scenario: Scenario) -> None:
    samples = await scenario.measure("cpu_percent", "50x2 95x3 50x9")
    transitions = await scenario.transitions(simple(), samples, keep=20)
    assert when(transitions, "inactive", scenario) - when(transitions, "recovering", scenario) == 20


async def test_a_rule_with_all_fires_only_when_both_conditions_hold(scenario: Scenario) -> None:
    rule = {"all": [simple(), {"metric": "memory_percent", "operator": ">", "threshold": 80, "duration_minutes": 10}]}
    samples = await scenario.measure("cpu_percent", "95x11")
    assert path_of(await scenario.transitions(rule, samples)) == ""
    query = "UPDATE agent_metrics SET memory_percent = 85 WHERE agent_device_id = $1"
    await scenario.connection.execute(query, scenario.device_id)
    assert path_of(await scenario.transitions(rule, samples)) == "pending=>firing"


async def test_a_rule_with_any_fires_when_one_condition_holds(scenario: Scenario) -> None:
    rule = {"any": [simple(), {"metric": "disk_percent", "operator": ">", "threshold": 90}]}
    assert await scenario.path(rule, "95x5") == "pending=>firing"


async def test_a_change_within_an_hour(scenario: Scenario) -> None:
    rule = {"metric": "disk_percent", "change_by": 20, "within_minutes": 60}
    path = await scenario.path(rule, "50x11 52+4x5 76x19", "disk_percent")
    assert path == "firing=>recovering=>inactive"


async def test_a_fall_within_an_hour(scenario: Scenario) -> None:
    rule = {"metric": "disk_percent", "change_by": -30, "within_minutes": 60}
    assert "firing" in await scenario.path(rule, "90x13 50x3", "disk_percent")


async def test_zero_is_a_value_and_missing_is_not_zero(scenario: Scenario) -> None:
    rule = {"metric": "cpu_percent", "operator": "<", "threshold": 1, "duration_minutes": 10}
    assert await scenario.path(rule, "50x1 0x3") == "pending=>firing"


async def test_samples_that_lack_the_metric_say_nothing(scenario: Scenario) -> None:
    samples = await scenario.measure("memory_percent", "50x7")
    rule = {"metric": "cpu_percent", "operator": "<", "threshold": 1, "duration_minutes": 10}
    assert path_of(await scenario.transitions(rule, samples)) == ""


async def test_long_windows_are_read_from_the_rollups_and_the_tail(scenario: Scenario) -> None:
    samples = await scenario.measure("cpu_percent", "50x59 95x99")
    await refresh_level(scenario.connection, "agent_metrics_5m", scenario.at(-12), scenario.at(170))
    transitions = await scenario.transitions(simple(minutes=180), samples)
    assert path_of(transitions) == "pending=>firing"
    assert 300 + 0.8 * 180 <= when(transitions, "firing", scenario) <= 300 + 190


async def test_late_data_proves_a_breach(scenario: Scenario) -> None:
    samples = await scenario.measure("cpu_percent", "50x2 _x4 50x4")
    assert path_of(await scenario.transitions(simple(), samples)) == ""
    await scenario.measure("cpu_percent", "95x3", first=3)
    assert path_of(await scenario.transitions(simple(), samples)) == "pending=>firing=>recovering=>inactive"
