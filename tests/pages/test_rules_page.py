"""The list and the editor of alert rules: rules on instances survive an edit, and who changed a rule is there."""

import re

import asyncpg
import httpx
from playwright.async_api import expect

from tests.conftest import MakeDevice
from tests.pages.builds import needs_browser
from tests.pages.conftest import Tab
from tests.pages.pictures import picture
from tests.pages.test_states import refusing
from tests.people import Employee, Tenant
from tests.rules import Rules

pytestmark = needs_browser


async def test_a_rule_on_instances_keeps_them_when_it_is_edited(
    tab: Tab, client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee, dora: Tenant
) -> None:
    conditions = {
        "metric": "disk.percent", "instance": ["C:", "/var*"], "except_instances": ["/var/tmp"],
        "operator": ">", "threshold": 90, "duration_minutes": 10,
    }  # fmt: skip
    rule = await Rules(client, pool, employee).make(dora, alert_name="Each disk full", conditions=conditions)
    page = await tab.open(f"/admin/agents/alerts/{rule['id']}")
    await expect(page.get_by_label("Instances, by name")).to_have_value("C:\n/var*")
    await expect(page.get_by_label("Except")).to_have_value("/var/tmp")
    await page.get_by_label("Threshold", exact=True).fill("95")
    await picture(page, "rule-instances")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Alert rules", level=1)).to_be_visible()
    saved = (await client.get(f"/api/agents/alerts/{rule['id']}", headers=employee.headers)).json()
    assert saved["conditions"] == conditions | {"threshold": 95}


async def test_a_rule_on_each_disk_is_made(
    tab: Tab, client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee, dora: Tenant
) -> None:
    page = await tab.open(f"/admin/agents/alerts/new?business={dora.business_id}")
    await page.get_by_label("Name", exact=True).fill("Any disk of Dora")
    await page.get_by_label("Metric").select_option("disk.percent")
    await expect(page.get_by_label("Instances, by name")).to_have_value("*")
    await page.get_by_role("button", name=re.compile("^Save")).click()
    await expect(page.get_by_role("link", name="Any disk of Dora")).to_be_visible()
    listed = (await client.get("/api/agents/alerts?search=Any disk of Dora", headers=employee.headers)).json()
    (rule,) = listed["rules"]
    assert (rule["conditions"]["metric"], rule["conditions"]["instance"]) == ("disk.percent", "*")
    await pool.execute("UPDATE agent_alerts SET soft_delete = true WHERE id = $1::uuid", rule["id"])


async def test_a_baseline_of_each_disk_is_made_and_stays_one(
    tab: Tab, client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee, dora: Tenant
) -> None:
    page = await tab.open(f"/admin/agents/alerts/new?business={dora.business_id}")
    await page.get_by_label("Name", exact=True).fill("Odd disk of Dora")
    await page.get_by_label("Kind", exact=True).select_option("unusual")
    await page.get_by_label("Metric").select_option("disk.percent")
    await page.get_by_label("Instances, by name").fill("C:\n/var*")
    await page.get_by_role("button", name=re.compile("^Save")).click()
    await expect(page.get_by_role("heading", name="Alert rules", level=1)).to_be_visible()
    await tab.open("/admin/agents/alerts?q=Odd disk of Dora")
    await page.get_by_role("link", name="Odd disk of Dora").click()
    await expect(page.get_by_label("Instances, by name")).to_have_value("C:\n/var*")
    await page.get_by_label("Deviations from usual").fill("5")
    await page.get_by_role("button", name=re.compile("^Save")).click()
    await expect(page.get_by_role("heading", name="Alert rules", level=1)).to_be_visible()
    listed = (await client.get("/api/agents/alerts?search=Odd disk of Dora", headers=employee.headers)).json()
    (rule,) = listed["rules"]
    conditions = rule["conditions"]
    assert (conditions["metric"], conditions["instance"], conditions["deviations"]) == (
        "disk.percent",
        ["C:", "/var*"],
        5,
    )
    await pool.execute("UPDATE agent_alerts SET soft_delete = true WHERE id = $1::uuid", rule["id"])


async def test_the_editor_shows_who_changed_a_rule(
    tab: Tab, client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee, dora: Tenant
) -> None:
    name = await pool.fetchval("SELECT email FROM employees WHERE id = $1", employee.employee_id)
    rules = Rules(client, pool, employee)
    rule = await rules.make(dora, alert_name="Changed twice")
    await rules.change(rule, severity="critical")
    await rules.call("POST", rule["id"], "disable")
    page = await tab.open("/admin/agents/alerts?q=Changed twice")
    row = page.get_by_role("row", name=re.compile("Changed twice"))
    await expect(row).to_contain_text(name)
    await row.get_by_role("link", name="Changed twice").click()
    changes = page.get_by_role("list", name="Changes")
    await expect(changes.get_by_role("listitem")).to_have_count(3)
    await expect(changes.get_by_role("listitem").nth(0)).to_contain_text("disabled it")
    await expect(changes.get_by_role("listitem").nth(1)).to_contain_text("severity: warning → critical")
    await expect(changes.get_by_role("listitem").nth(1)).to_contain_text(name)
    await expect(changes.get_by_role("listitem").nth(2)).to_contain_text("created it")


async def test_a_preview_that_failed_is_tried_again_by_itself(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    await make_device(dora, "previewed")
    refuse = refusing(503, "database_unavailable", **{"Retry-After": "1"})
    await tab.page.route("**/alerts/backtest", refuse, times=1)
    page = await tab.open(f"/admin/agents/alerts/new?business={dora.business_id}")
    await expect(page.get_by_text("The database is unavailable at the moment.")).to_be_visible()
    await expect(page.get_by_text(re.compile("It would have opened 0 alerts"))).to_be_visible(timeout=60_000)
    await expect(page.get_by_text("The database is unavailable at the moment.")).to_have_count(0)
