"""docs/operations.md and the product say the same: each metric, reason, setting and example."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from api.errors import Reason
from api.server import readiness
from api.server.connections import connections_per_process
from core.clock import utc_now
from core.settings import Settings
from db.hypertables.policies import LEVELS
from db.server_faults import ServerState
from health.counts import ProcessCounts
from health.exposition import all_metrics
from health.fleet import AlertPass, DatabaseHealth, FleetFacts, FleetHealth, WorkQueue
from rollups.status import LevelStatus

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
NAME = re.compile(r"\brts_[a-z_]+\b")


def everything() -> list[Metric]:
    """Return every metric that there is, with one value at least."""
    now = utc_now()
    outbox, server = WorkQueue(1, 1, now), DatabaseHealth(18, "2.29.2", 1, 1, 97, now, 1)
    facts = FleetFacts(
        {"online": 1},
        {"info": 1},
        {"pending": 1},
        now,
        outbox,
        outbox,
        AlertPass(now, 1.0, 1, 1),
        server,
        {"look_up": 1},
        {"backup": now},
        {"alerts": 1},
    )
    levels = [LevelStatus(level, 1, 1, 0, now, now, now if level.bucket else None, now) for level in LEVELS]
    process = ProcessCounts(written_at=now.timestamp())
    state = ServerState(False, 16, 1, 24, 2, True, 170006, "2.29.2", False, 0.1)
    return list(all_metrics({0: process}, FleetHealth(facts, levels, now, 0.1, server=state), now.timestamp()))


def full_name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


EXPOSED = {full_name(metric) for metric in everything()}
PARTS = {
    f"{metric.name}_{part}" for metric in everything() if metric.type == "histogram" for part in ("bucket", "count")
}
ROWS = {name for row in re.findall(r"^\| (`rts_[^|]*)\|", PAGE, re.MULTILINE) for name in NAME.findall(row)}


def test_every_metric_is_in_the_tables_and_no_other() -> None:
    assert len(EXPOSED) > 40
    assert ROWS == EXPOSED


def test_every_metric_follows_prometheus_conventions() -> None:
    for metric in everything():
        assert metric.documentation.endswith("."), metric.name
        assert not metric.name.endswith(("_count", "_sum", "_bucket", "_total")), metric.name
        assert not re.search(r"_(ms|minutes|kb|mb)(_|$)", metric.name), metric.name


def test_every_name_on_the_page_is_a_metric() -> None:
    assert set(NAME.findall(PAGE)) - EXPOSED - PARTS == set()


def documents(language: str) -> list[str]:
    return [text for language_of_block, text in BLOCKS if language_of_block == language]


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    loaded = [yaml.safe_load(text) for text in documents("yaml")]
    (groups,) = [document["groups"] for document in loaded if "groups" in document]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_rule_is_complete_and_about_metrics_that_exist(rules: list[dict[str, Any]]) -> None:
    labels = {full_name(metric): set(metric.samples[0].labels) for metric in everything() if metric.samples}
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        names = NAME.findall(rule["expr"])
        assert names
        assert set(names) <= EXPOSED | PARTS
        for name, label in re.findall(r"(rts_\w+)\{(\w+)", rule["expr"]):
            assert label in labels.get(name, {label}), rule["alert"]


def test_every_reason_is_on_the_page() -> None:
    reasons = [value for value in vars(readiness).values() if isinstance(value, Reason)]
    assert len(reasons) == 10
    for reason in reasons:
        assert f"| `{reason.code}` |" in PAGE


def test_every_setting_on_the_page_exists() -> None:
    settings_names = {f"RTS_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bRTS_[A-Z_]+\b", PAGE)) <= settings_names


def test_the_number_of_connections_is_right() -> None:
    assert connections_per_process(Settings()) == 13
    for words in ("`RTS_POOL_SIZE` + 5", "13 connections a process", "4 processes take 52, 65 during a restart"):
        assert words in PAGE


def test_links_on_the_page_lead_somewhere() -> None:
    headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in PAGE.splitlines()
                if line.startswith("#")}  # fmt: skip
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (ROOT / "docs" / target).exists(), target


def with_certificate(text: str, directory: Path) -> str:
    """Return a configuration whose ports and certificates are those of a test."""
    key, certificate = directory / "agents.key", directory / "agents.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-subj", "/CN=localhost", "-days", "1"], check=True, capture_output=True,
    )  # fmt: skip
    both = directory / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    for name, path in (
        ("/etc/haproxy/agents.pem", both), ("/etc/nginx/agents.pem", certificate), ("/etc/nginx/agents.key", key),
    ):  # fmt: skip
        text = text.replace(name, str(path))
    return text


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy isn't installed")
def test_haproxy_takes_the_example(tmp_path: Path) -> None:
    (example,) = documents("haproxy")
    file = tmp_path / "haproxy.cfg"
    file.write_text(with_certificate(example, tmp_path))
    checked = subprocess.run(["haproxy", "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx isn't installed")
def test_nginx_takes_the_example(tmp_path: Path) -> None:
    (example,) = documents("nginx")
    file = tmp_path / "nginx.conf"
    inside = with_certificate(example, tmp_path)
    file.write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\nevents {{}}\nhttp {{\naccess_log off;\n{inside}\n}}\n"
    )
    checked = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
