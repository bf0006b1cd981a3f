"""The compose file, by reading: no Docker engine is needed."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml
from sqlalchemy.engine import make_url

from cli.supervisor import GRACE_SECONDS
from db.migrations.run import upgrade
from db.server_check import MINIMUM_TIMESCALEDB, parse_version
from tests.databases import REAL_SERVER, as_admin

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


def test_every_setting_can_be_given_and_the_role_is_no_superuser(compose: dict[str, Any]) -> None:
    for name in ("api", "worker", "migrate"):
        assert compose["services"][name]["env_file"] == [{"path": "rts.env", "required": False}]
        assert compose["services"][name]["environment"]["DATABASE_URL"].startswith("postgresql://rts:")
    assert compose["services"]["database"]["environment"]["POSTGRES_USER"] == "postgres"
    assert "CREATE ROLE rts LOGIN PASSWORD" in compose["configs"]["application"]["content"]


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one role")
def test_the_role_that_the_first_start_makes_can_upgrade_and_check(compose: dict[str, Any]) -> None:
    name = f"rts_test_{uuid4().hex[:12]}"
    script = str(compose["configs"]["application"]["content"]).split("<<'SQL'\n")[1].split("SQL\n")[0]
    before, after = re.sub(r"\brts\b", name, script).replace(":'password'", "'its_own'").split(f"\\connect {name}\n")
    url = make_url(as_admin(REAL_SERVER))
    with psycopg.connect(url.render_as_string(False), autocommit=True) as admin:
        try:
            run_each(admin, before)
            with psycopg.connect(url.set(database=name).render_as_string(False), autocommit=True) as inside:
                run_each(inside, after)
            own = url.set(username=name, password="its_own", database=name).render_as_string(False)
            upgrade(own)
            with psycopg.connect(own) as connection:
                assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
                    False,
                )
                assert connection.execute("SELECT count(*) FROM agent_metrics").fetchone() == (0,)
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE IF EXISTS {name}".encode())


def run_each(connection: psycopg.Connection[Any], statements: str) -> None:
    """Run statements one by one, as psql does."""
    for statement in filter(str.strip, statements.split(";\n")):
        connection.execute(statement.encode())
