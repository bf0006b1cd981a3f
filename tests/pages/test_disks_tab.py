"""The tab of disks, interfaces and sensors: the newest values of each, and a chart of the one that is chosen."""

from datetime import timedelta

from playwright.async_api import expect

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import Tab
from tests.pages.pictures import picture
from tests.people import Tenant

pytestmark = needs_browser
MINUTE = timedelta(minutes=1)


async def test_disks_and_sensors_have_values_and_charts(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, "with-disks")
    now = utc_now()
    parts = [
        {"disks": [{"name": "C:", "percent": 51.5}, {"name": "D:", "percent": 90 + step / 2}],
         "interfaces": [{"name": "Ethernet", "rx_bytes": 1000 * step, "tx_bytes": 500 * step}],
         "sensors": [{"name": "CPU", "celsius": 61.5}]}
        for step in range(10)
    ]  # fmt: skip
    await device.accepted(*(sample(now - (9 - step) * 5 * MINUTE, **each) for step, each in enumerate(parts)))

    page = await tab.open(f"/dashboard/agents/{device.agent_id}?tab=disks")
    disks = page.get_by_role("table", name="Disks")
    await expect(disks.get_by_role("row", name="C:")).to_contain_text("51.5")
    await expect(page.get_by_role("table", name="Network interfaces")).to_contain_text("Ethernet")
    await expect(page.get_by_role("table", name="Temperatures")).to_contain_text("61.5")
    await disks.get_by_role("row", name="D:").get_by_role("link").first.click()
    await expect(page.get_by_text("D: · Disk: used share").first).to_be_visible()
    await expect(page.locator("canvas").last).to_be_visible()
    assert tab.faults == []


async def test_all_disks_have_a_chart_each_and_one_can_be_left_out(
    tab: Tab, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, "with-three-disks")
    now = utc_now()
    names = ("/", "/var,log", "/srv")  # a comma belongs to a name as anything else
    await device.accepted(
        *(
            sample(now - step * 5 * MINUTE, disks=[{"name": name, "percent": 40.0 + step} for name in names])
            for step in range(10)
        )
    )
    page = await tab.open(f"/dashboard/agents/{device.agent_id}?tab=disks")
    await page.get_by_role("link", name="Used share").click()
    charts = page.get_by_role("region", name="Charts of Disk: used share")
    await expect(charts.locator("canvas")).to_have_count(3)
    await charts.scroll_into_view_if_needed()
    await picture(page, "disks-1440")
    await charts.get_by_label("/var,log", exact=True).uncheck()
    await expect(charts.locator("canvas")).to_have_count(2)
    await page.reload()
    await expect(charts.locator("canvas")).to_have_count(2)
    await expect(charts.get_by_label("/var,log", exact=True)).not_to_be_checked()
