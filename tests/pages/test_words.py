"""Pages name metrics, conditions, events and actions in the words of the language, with their units; no code names."""

import re
from datetime import timedelta

import asyncpg
import httpx
import pytest
from playwright.async_api import expect

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab, Tab
from tests.people import Employee, Tenant
from tests.rules import Rules

pytestmark = needs_browser
EACH_DISK = {"metric": "disk.percent", "instance": "*", "except_instances": ["/snap/*"]}
CONDITIONS = [
    ({"metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 15},
     "CPU > 90 % for 15 min", "CPU > 90 % durante 15 min"),
    (EACH_DISK | {"operator": ">", "threshold": 90, "duration_minutes": 60},
     "Disk: used share of each except /snap/* > 90 % for 1 h",
     "Disco: parte usada de cada uno excepto /snap/* > 90 % durante 1 h"),
    ({"metric": "temperature.celsius", "instance": "CPU", "change_by": -20, "within_minutes": 30},
     "Temperature: temperature of CPU falls by 20 °C within 30 min",
     "Temperatura: temperatura de CPU baja 20 °C en 30 min"),
    ({"any": [{"no_data_minutes": 60}, {"all": [{"service": "*", "duration_minutes": 5}, {"offline_minutes": 15}]}]},
     "no samples for 1 h or (a service that should run does not for 5 min and silent for 15 min)",
     "sin muestras durante 1 h o (un servicio que debe funcionar no lo hace durante 5 min y en silencio "
     "durante 15 min)"),
    ({"within_days": 14}, "Disk reaches 100 % within 14 d", "Disco llega a 100 % en 14 d"),
]  # fmt: skip


@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
async def test_rules_are_in_words_of_the_language(
    open_tab: OpenTab, client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee, dora: Tenant, locale: str
) -> None:
    rules = Rules(client, pool, employee)
    for number, (conditions, *_) in enumerate(CONDITIONS):
        await rules.make(dora, alert_name=f"worded-{locale}-{number}", conditions=conditions)
    page = await (await open_tab(employee, locale=locale)).open(f"/admin/agents/alerts?q=worded-{locale}")
    for number, (_, english, spanish) in enumerate(CONDITIONS):
        row = page.get_by_role("row").filter(has_text=f"worded-{locale}-{number}")
        await expect(row).to_contain_text(english if locale == "en-GB" else spanish)


async def test_metrics_of_instances_have_names_and_units(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, "with-named-parts")
    parts = {"disks": [{"name": "C:", "percent": 51.5}], "sensors": [{"name": "CPU", "celsius": 61.5}]}
    await device.accepted(sample(utc_now() - timedelta(minutes=1), **parts))
    page = await tab.open(f"/dashboard/agents/{device.agent_id}?tab=disks")
    await expect(page.get_by_role("columnheader", name="Used share")).to_be_visible()
    await expect(page.get_by_role("table", name="Temperatures")).to_contain_text("61.5 °C")
    await page.goto(page.url.replace("tab=disks", "tab=settings"))
    await page.get_by_role("link", name="Disks and interfaces").click()
    await page.get_by_role("link", name="61.5 °C").click()
    await expect(page.get_by_text("CPU · Temperature: temperature").first).to_be_visible()


async def test_the_audit_trail_says_what_changed(
    open_tab: OpenTab, client: httpx.AsyncClient, make_device: MakeDevice, dora: Tenant, employee: Employee
) -> None:
    device = await make_device(dora, "with-a-change")
    answer = await client.patch(
        f"/api/agents/{device.agent_id}",
        json={"metrics_interval_seconds": 120, "alerts_enabled": False},
        headers=employee.headers,
    )
    assert answer.status_code == 200
    page = await (await open_tab(employee, locale="es-ES")).open(f"/dashboard/agents/{device.agent_id}?tab=audit")
    row = page.get_by_role("row").filter(has_text="Dispositivo cambiado")
    await expect(row).to_contain_text("alertas: sí → no")
    await expect(row).to_contain_text(re.compile(r"segundos entre muestras: \d+ → 120"))


@pytest.mark.parametrize(("width", "hint"), [(1440, "Buscar dispositivos"), (375, "Buscar")])
async def test_the_hint_of_the_search_fits_its_field(
    open_tab: OpenTab, employee: Employee, width: int, hint: str
) -> None:
    tab = await open_tab(employee, locale="es-ES", viewport={"width": width, "height": 812})
    page = await tab.open("/dashboard")
    await expect(page.get_by_role("searchbox", name="Buscar dispositivos")).to_have_attribute("placeholder", hint)
