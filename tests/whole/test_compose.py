"""The compose file, by reading: no Docker engine is needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.supervisor import GRACE_SECONDS
from db.server_check import MINIMUM_TIMESCALEDB, parse_version

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.timescale.yml").read_text())
    return loaded


def test_the_database_is_a_pinned_community_image_that_the_start_check_accepts(compose: dict[str, Any]) -> None:
    image = re.fullmatch(r"timescale/timescaledb:(\d+\.\d+\.\d+)-pg(17|18)", compose["services"]["database"]["image"])
    assert image
    assert parse_version(image[1]) >= MINIMUM_TIMESCALEDB


def test_the_database_has_a_health_check_a_volume_and_no_open_port(compose: dict[str, Any]) -> None:
    database = compose["services"]["database"]
    assert database["healthcheck"]["test"]
    assert database["volumes"] == ["data:/var/lib/postgresql/data"]
    assert all(port.startswith("127.0.0.1:") for port in database["ports"])
    assert ":?" in database["environment"]["POSTGRES_PASSWORD"]


def test_api_and_worker_wait_for_the_migrations(compose: dict[str, Any]) -> None:
    for name in ("api", "worker"):
        assert compose["services"][name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_image_holds_every_package(compose: dict[str, Any]) -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "loadtest", "release"}
    assert copied == packages


def test_the_api_is_well_when_it_is_ready_and_has_time_to_drain(compose: dict[str, Any]) -> None:
    api = compose["services"]["api"]
    assert any("/api/health/ready" in part for part in api["healthcheck"]["test"])
    seconds = int(api["stop_grace_period"].removesuffix("s"))
    assert seconds > GRACE_SECONDS + 5
