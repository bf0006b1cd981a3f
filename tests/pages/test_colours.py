"""Colours that mean something are apart for people with a colour vision deficiency; words and shapes say the same."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from tests.pages.colours import SIGHTS, distance

WEB = Path(__file__).parents[2] / "web" / "src"
APART = 10.0  # CIEDE2000: two colours of small shapes, not side by side
SCHEMES = ("light", "dark")


def variables(scheme: str) -> dict[str, str]:
    """Return the colours of the style sheet by name, as `--bad`."""
    matches = re.findall(r"(--[\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (WEB / "styles/base.css").read_text())
    return {name: values[SCHEMES.index(scheme)] for name, *values in matches}


def painted(scheme: str) -> dict[str, str]:
    """Return the colours of a canvas by name: two lines, the past, and three severities."""
    text = (WEB / "charts/palette.ts").read_text()
    block = text[text.index(f"const {scheme.upper()}") :]
    lines, alerts = re.search(r"lines: \[(.*)\]", block), re.search(r"alert: \{(.*)\}", block)
    compare = re.search(r'compare: "(#\w{6})"', block)
    assert lines
    assert alerts
    assert compare
    first, second = re.findall(r"#\w{6}", lines[1])
    return {
        "first": first,
        "second": second,
        "compare": compare[1],
        **dict(re.findall(r'(\w+): "(#\w{6})"', alerts[1])),
    }


def lanes() -> dict[str, str]:
    """Return the colours of the status lane, which are those of both schemes."""
    return dict(re.findall(r"\.lane-span\.(\w+) \{ background: (#\w{6})", (WEB / "styles/pages.css").read_text()))


def meters(scheme: str) -> dict[str, str]:
    text = (WEB / "styles/parts.css").read_text()
    matches = re.findall(r"\.meter(\.\w+)? \.fill \{ fill: light-dark\((#\w{6}), (#\w{6})\)", text)
    return {name: values[SCHEMES.index(scheme)] for name, *values in matches}


def too_near(colours: dict[str, str]) -> list[tuple[str, str, str, float]]:
    return [
        (one, other, sight, round(found, 1))
        for one, other in combinations(colours, 2)
        for sight in SIGHTS
        if (found := distance(colours[one], colours[other], sight)) < APART
    ]


def test_the_distance_is_that_of_its_definition() -> None:
    assert round(distance("#000000", "#ffffff", "full"), 3) == 100
    assert distance("#ff0000", "#ff0000", "protanopia") == 0
    assert round(distance("#ff0000", "#00ff00", "full"), 1) == 86.6
    assert distance("#b3380a", "#8f6400", "deuteranopia") < 2.3  # two that these people take for one


@pytest.mark.parametrize("scheme", SCHEMES)
def test_statuses_and_severities_are_apart_for_every_sight(scheme: str) -> None:
    names = ("--good", "--warn", "--bad", "--fault", "--muted", "--accent")
    assert too_near({name: variables(scheme)[name] for name in names}) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lines_and_alerts_of_charts_are_apart_for_every_sight(scheme: str) -> None:
    colours = painted(scheme)
    assert too_near({name: colours[name] for name in ("first", "second", "compare")}) == []
    assert too_near({name: colours[name] for name in ("critical", "warning", "info")}) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_meters_and_the_status_lane_are_apart_for_every_sight(scheme: str) -> None:
    assert len(lanes()) == 5
    assert too_near(lanes()) == []
    assert len(meters(scheme)) == 3
    assert too_near(meters(scheme)) == []
