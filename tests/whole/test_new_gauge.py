"""A new gauge needs a line in the catalogue and a revision: a copy of the product with both is tested as a product."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from db.migrations.run import head
from tests.databases import REAL_SERVER
from tests.templates import copy_directory

ROOT = Path(__file__).parents[2]
# Compiled modules are copied too; a name that ends in a number is of one that another process is writing now.
EXCLUDED = shutil.ignore_patterns(
    ".git", ".venv", "pictures", "node_modules", "*.pyc.*", ".hypothesis", ".*_cache", "web", "site"
)
LINE = '    Metric("uptime_seconds"'
GAUGE = '    Metric("gpu_percent", "percent", Kind.GAUGE, 100),\n'
REVISION = '''"""The load of graphics processors."""

from db.migrations.metric_columns import add_gauge, drop_gauge

revision = "new_gauge"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the gauge."""
    add_gauge("gpu_percent")


def downgrade() -> None:
    """Drop it."""
    drop_gauge("gpu_percent")
'''


def test_a_line_in_the_catalogue_and_a_revision_are_enough(tmp_path: Path) -> None:
    copy = tmp_path / "product"
    shutil.copytree(ROOT, copy, ignore=EXCLUDED)
    (copy / "embedded" / "node_modules").symlink_to(ROOT / "embedded" / "node_modules")
    if not REAL_SERVER:
        copy_directory("ours", copy / "before")
    catalogue = copy / "core" / "metrics.py"
    before, line, after = catalogue.read_text().partition(LINE)
    catalogue.write_text(before + GAUGE + line + after)
    versions = copy / "db" / "migrations" / "versions"
    (versions / "new_gauge.py").write_text(REVISION.format(head=head()))
    scenario = copy / "tests" / "whole" / "test_new_gauge_scenario.py"
    scenario.write_text((Path(__file__).parent / "new_gauge_scenario.py").read_text())
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", str(scenario)], cwd=copy, check=False,
        env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 passed" in ended.stdout
