"""End-of-life rules: which one counts for a software, by name and version, when a list comes in."""

from datetime import date
from uuid import UUID

import asyncpg
import pytest

from tests.api.eol_rules import FUTURE, PAST, Rules, marks, new_name, stored
from tests.devices import Device
from tests.software import DAY, MAY, installed, listed, software


@pytest.fixture
def name() -> str:
    return new_name()


@pytest.mark.parametrize(
    ("pattern", "named", "fits"),
    [
        ("Python", "python", True), ("python", "PYTHON", True), ("python", "python 3", False),
        ("python*", "Python 3.8 (64-bit)", True), ("python*", "Python", True), ("python*", "IronPython", False),
        ("*python", "IronPython", True), ("*sql*server*", "Microsoft SQL Server 2012", True),
        ("*sql*server*", "server sql", False), ("100%", "100%", True), ("100%", "100 percent", False),
        ("a_b", "a_b", True), ("a_b", "axb", False), ("a\\b", "a\\b", True), ("a\\b", "ab", False),
        ("x*", "x", True), ("a long name of more than 16*", "A long name of more than 16 letters", True),
    ],
)  # fmt: skip
async def test_a_name_fits_by_its_stars_and_nothing_else(
    device: Device, eol_rules: Rules, pattern: str, named: str, fits: bool
) -> None:
    rule = await eol_rules.create(pattern, "9.7.13")
    await listed(device, software(named, "9.7.13"))
    assert (await marks(device))["9.7.13"][0] is fits
    await eol_rules.delete(rule)


async def test_a_version_fits_by_whole_parts(device: Device, eol_rules: Rules, name: str) -> None:
    await eol_rules.create(name, "3.7")
    versions = {
        "3.7": True, "3.7.9": True, "3.7-2ubuntu1": True, "3.7 (64-bit)": True, "3.7+b": True, "3.70": False,
        "3.7a1": False, "3": False, "13.7": False, "3.8": False, None: False,
    }  # fmt: skip
    await listed(device, *(software(name, version) for version in versions))
    assert {version: mark[0] for version, mark in (await marks(device)).items()} == versions


@pytest.mark.parametrize("prefix", ["3.7.", "3.7.*", " 3.7 ", "3.7*"])
async def test_a_version_prefix_may_be_written_with_a_star(
    device: Device, eol_rules: Rules, name: str, prefix: str
) -> None:
    assert (await eol_rules.create(name, prefix))["version_prefix"] == "3.7"
    await listed(device, software(name, "3.7.1"), software(name, "3.70"))
    assert {version: mark[0] for version, mark in (await marks(device)).items()} == {"3.7.1": True, "3.70": False}


async def test_the_most_specific_rule_counts(device: Device, eol_rules: Rules, name: str) -> None:
    await eol_rules.create(f"{name}*", eol_date="2021-01-01")
    await eol_rules.create(f"{name}*", "3", eol_date="2022-01-01")
    await eol_rules.create(f"{name}", "3", eol_date="2023-01-01")
    await eol_rules.create(f"{name} pro*", "3", eol_date="2024-01-01")
    await eol_rules.create(f"{name}*", "3.7", eol_date="2025-01-01")
    await listed(
        device, software(name, "2"), software(name, "3.1"), software(f"{name} pro", "3.2"), software(name, "3.7.1"),
        software(f"{name} lite", "3.3"), software(f"{name} pro", "3.7.2"),
    )  # fmt: skip
    assert {version: mark[1] for version, mark in (await marks(device)).items()} == {
        "2": "2021-01-01", "3.1": "2023-01-01", "3.2": "2024-01-01", "3.7.1": "2025-01-01", "3.3": "2022-01-01",
        "3.7.2": "2025-01-01",
    }  # fmt: skip


async def test_new_inventory_is_marked_when_it_comes_in(
    device: Device, eol_rules: Rules, name: str, pool: asyncpg.Pool
) -> None:
    past = await eol_rules.create(name, "1", latest_available_version="2.5")
    future = await eol_rules.create(name, "2", FUTURE)
    entries = software(name, "1.1"), software(name, "1.2", latest_available_version="2.9"), software(name, "2.0")
    await listed(device, *entries, software(name, "3"))
    assert await marks(device) == {
        "1.1": (True, PAST, "2.5"), "1.2": (True, PAST, "2.9"), "2.0": (False, FUTURE, None), "3": (False, None, None),
    }  # fmt: skip
    assert await stored(pool, device) == {
        "1.1": (True, date(2020, 1, 1), UUID(past["id"])), "1.2": (True, date(2020, 1, 1), UUID(past["id"])),
        "2.0": (False, date(2190, 1, 1), UUID(future["id"])), "3": (None, None, None),
    }  # fmt: skip
    assert sorted(await installed(device, eol="true")) == [(name, "1.1"), (name, "1.2")]
    assert sorted(await installed(device, eol="false")) == [(name, "2.0"), (name, "3")]


async def test_the_rule_applies_again_when_the_agent_stops_reporting_an_end_of_life(
    device: Device, eol_rules: Rules, name: str
) -> None:
    await eol_rules.create(name, latest_available_version="5")
    await listed(device, software(name, latest_available_version="6"), at=MAY)
    assert (await marks(device))["1.0"] == (True, PAST, "6")
    await listed(device, software(name), at=MAY + DAY)
    assert (await marks(device))["1.0"] == (True, PAST, "5")
