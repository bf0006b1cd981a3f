"""Two devices with one token: told by boot times that come back; reboots, backlogs and clocks are no clones."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import pytest

from core.clock import utc_now
from tests.calls import MINUTE, deeds, events, listed, removed, seen
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee

HOUR = timedelta(hours=1)


class Story:
    """A device's uploads one after the other, each a minute after the one before."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.now = (utc_now() - 2 * HOUR).replace(microsecond=0)

    async def upload(self, boot_at: datetime, drift: timedelta = timedelta()) -> None:
        """Upload a sample of a machine that was started then, with a clock that is off by `drift`."""
        self.now += MINUTE
        uptime = int((self.now - boot_at).total_seconds())
        await self.device.accepted(sample(self.now + drift, uptime_seconds=uptime))

    async def uploads(self, boots: Sequence[datetime]) -> None:
        for boot_at in boots:
            await self.upload(boot_at)

    async def suspected(self) -> bool:
        return (await seen(self.device))["clone_suspected_at"] is not None

    async def reports(self) -> int:
        return len(await events(self.device, event_type="clone_suspected"))


async def test_two_machines_that_upload_by_turns_are_reported_once(
    make_device: MakeDevice, employee: Employee, device: Device
) -> None:
    story = Story(device)
    one, other = story.now - 3 * HOUR, story.now - 50 * HOUR
    await story.uploads([one, other, one])
    assert not await story.suspected()
    await story.uploads([other])
    assert await story.suspected()
    since = (await seen(device))["clone_suspected_at"]
    await story.uploads([one, other] * 5)
    assert await story.reports() == 1
    assert (await seen(device))["clone_suspected_at"] == since
    (event,) = await events(device, event_type="clone_suspected")
    assert {datetime.fromisoformat(event["data"][name]) for name in ("boot_at", "other_boot_at")} == {one, other}
    sound = await make_device()
    for is_suspected, found_id in (("true", device.agent_id), ("false", sound.agent_id)):
        listed_ids = {
            agent["id"]
            for agent in await listed(device.client, employee.headers, clone_suspected=is_suspected, limit=1000)
        }
        assert str(found_id) in listed_ids
        assert not {str(device.agent_id), str(sound.agent_id)} <= listed_ids


async def test_machines_that_each_upload_several_times_in_a_row_are_found_too(device: Device) -> None:
    story = Story(device)
    one, other = story.now - 3 * HOUR, story.now - 50 * HOUR
    await story.uploads([one] * 3 + [other] * 2 + [one] * 4 + [other])
    assert await story.reports() == 1


async def test_a_suspicion_that_is_dismissed_comes_back_only_with_new_signs(device: Device, employee: Employee) -> None:
    story = Story(device)
    one, other = story.now - 3 * HOUR, story.now - 50 * HOUR
    await story.uploads([one, other, one, other])
    await removed(device, employee, "clone-suspicion")
    assert not await story.suspected()
    await story.uploads([other] * 5)
    assert not await story.suspected()
    assert await deeds(device, employee) == ["clone_dismissed"]
    await story.uploads([one, other])
    assert await story.suspected()
    assert await story.reports() == 2


async def test_a_reboot_is_no_clone(device: Device) -> None:
    story = Story(device)
    await story.uploads([story.now - 5 * HOUR] * 2)
    for _ in range(6):  # it is started again and again
        boot_at = story.now
        await story.uploads([boot_at] * 3)
    assert not await story.suspected()


async def test_a_backlog_from_before_a_reboot_is_no_clone(device: Device) -> None:
    story = Story(device)
    before = story.now - 5 * HOUR
    await story.uploads([before] * 2)
    backlog = [story.now + number * timedelta(seconds=7) for number in range(1, 6)]
    after = story.now + MINUTE
    for collected_at in backlog:
        await story.upload(after)
        uptime = int((collected_at - before).total_seconds())
        await device.accepted(sample(collected_at, uptime_seconds=uptime))
    assert not await story.suspected()


async def test_a_clock_that_wanders_by_seconds_is_no_clone(device: Device) -> None:
    story = Story(device)
    boot_at = story.now - 5 * HOUR
    for seconds in (0, 20, -25, 30, 0, 50, -40, 10, -30, 30):
        await story.upload(boot_at, drift=timedelta(seconds=seconds))
    assert not await story.suspected()


async def test_a_clock_that_is_set_right_once_is_no_clone(device: Device) -> None:
    story = Story(device)
    boot_at = story.now - 5 * HOUR
    for drift in [timedelta(hours=-1)] * 4 + [timedelta()] * 6:
        await story.upload(boot_at, drift)
    assert not await story.suspected()


async def test_a_device_that_doesnt_tell_its_uptime_is_no_clone(device: Device) -> None:
    for minutes in range(6, 0, -1):
        await device.accepted(sample(minutes * MINUTE, cpu_percent=1))
    detail = await seen(device)
    assert detail["clone_suspected_at"] is None


async def test_one_machine_with_several_samples_in_an_upload_is_no_clone(device: Device) -> None:
    story = Story(device)
    boot_at = story.now - 5 * HOUR
    for _ in range(6):
        times = [story.now + step * MINUTE for step in range(5)]
        await device.accepted(
            *(sample(time, uptime_seconds=int((time - boot_at).total_seconds())) for time in reversed(times))
        )
        story.now += 5 * MINUTE
    assert not await story.suspected()


async def test_a_clock_that_is_set_wrong_and_right_again_days_apart_is_no_clone(
    device: Device, pool: asyncpg.Pool
) -> None:
    for number, uptime in enumerate((100_000, 50_000, 100_300, 50_300)):
        await device.accepted(sample((4 - number) * MINUTE, uptime_seconds=uptime))
        query = "UPDATE agent_devices SET boot_changed_at = boot_changed_at - interval '2 days' WHERE id = $1"
        await pool.execute(query, device.agent_id)
    query = "SELECT clone_suspected_at FROM agent_devices WHERE id = $1"
    assert await pool.fetchval(query, device.agent_id) is None


@pytest.mark.parametrize(
    ("ahead", "each"), [(5 * MINUTE, 3), (3 * MINUTE, 1), (20 * MINUTE, 2), (-7 * MINUTE, 4), (2 * HOUR, 3)]
)
async def test_a_clock_that_is_set_to_and_fro_is_no_clone(
    device: Device, pool: asyncpg.Pool, ahead: timedelta, each: int
) -> None:
    """The uptime goes on evenly by our clock: one machine, whose clock two time services set by turns."""
    start = utc_now() - 5 * HOUR
    for step in range(24):
        drift = ahead if step % (2 * each) < each else timedelta()
        at = start + step * 5 * MINUTE
        await device.accepted(sample(at + drift, uptime_seconds=86_400 + step * 300))
        # As if the upload before had come five minutes ago by our clock.
        query = "UPDATE agent_devices SET boot_by_receipt = boot_by_receipt - interval '5 minutes' WHERE id = $1"
        await pool.execute(query, device.agent_id)
    assert (await seen(device))["clone_suspected_at"] is None
