"""Only the commands that need the server load it: the worker and the tools begin sooner and take less memory."""

import subprocess
import sys

import pytest

LOADED = "import sys, cli.main; print(*(name for name in ('api.app', 'fastapi', 'uvicorn') if name in sys.modules))"


def test_the_command_line_does_not_load_the_server() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []


@pytest.mark.parametrize("module", ["api.app", "cli.serving"])
def test_the_server_is_what_would_be_seen(module: str) -> None:
    seen = LOADED.replace("cli.main", module)
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True, timeout=120)
    assert "fastapi" in done.stdout.split()
