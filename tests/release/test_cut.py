"""A release writes one version at every place that has it, and refuses a version that is none."""

import shutil
from pathlib import Path

import pytest

from release.components import ROOT
from release.cut import PLACES, ReleaseError, check_version, current_version, write_version


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in PLACES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_release_writes_the_version_at_every_place_and_nothing_else(checkout: Path) -> None:
    old = current_version(checkout)
    write_version(checkout, "98.7.6")
    assert current_version(checkout) == "98.7.6"
    for name in PLACES:
        before, after = ((root / name).read_text().splitlines() for root in (ROOT, checkout))
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert changed, name
        assert all(a.replace(old, "98.7.6") == b for a, b in changed)


def test_a_second_release_finds_the_version_of_the_first(checkout: Path) -> None:
    write_version(checkout, "98.7.6")
    write_version(checkout, "98.7.7")
    assert current_version(checkout) == "98.7.7"


def test_a_place_without_the_version_is_named(checkout: Path) -> None:
    (checkout / "embedded" / "package.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"embedded/package\.json"):
        write_version(checkout, "98.7.6")


@pytest.mark.parametrize("given", ["", "1", "1.2", "v1.2.3", "1.2.3rc1", "1.2.3 ", "0.1.0", "0.0.9", "next"])
def test_a_version_that_is_none_or_not_newer_is_refused(given: str) -> None:
    with pytest.raises(ReleaseError, match=r"give X\.Y\.Z, newer than 0\.1\.0"):
        check_version(given, "0.1.0")


@pytest.mark.parametrize("given", ["0.1.1", "0.2.0", "0.10.0", "1.0.0"])
def test_a_newer_version_is_accepted(given: str) -> None:
    check_version(given, "0.1.0")
