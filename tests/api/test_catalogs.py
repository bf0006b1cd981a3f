"""The catalogues of metrics and of command types."""

import httpx

from core.metrics import METRICS
from core.series import SERIES_METRICS
from tests.people import Employee, Tenant


async def test_every_metric_is_listed_with_the_unit_of_its_chart(client: httpx.AsyncClient, alice: Tenant) -> None:
    answer = (await client.get("/api/agents/metrics/catalog", headers=alice.headers)).json()
    units = {metric["name"]: metric["unit"] for metric in answer["metrics"]}
    assert units == {metric.name: metric.shown_unit for metric in METRICS}
    units = {metric["name"]: metric["unit"] for metric in answer["with_instances"]}
    assert units == {metric.name: metric.shown_unit for metric in SERIES_METRICS}


async def test_counters_are_not_offered_for_rules(client: httpx.AsyncClient, alice: Tenant) -> None:
    answer = (await client.get("/api/agents/metrics/catalog", headers=alice.headers)).json()
    assert {metric["name"] for metric in answer["metrics"] if not metric["in_rules"]} == {
        "network_rx_bytes",
        "network_tx_bytes",
    }


async def test_commands_say_which_need_a_second_employee(client: httpx.AsyncClient, employee: Employee) -> None:
    answer = (await client.get("/api/agents/commands/catalog", headers=employee.headers)).json()
    needed = {command["command_type"] for command in answer["commands"] if command["approval_required"]}
    assert needed == {"run_script", "reboot", "shutdown", "uninstall"}
