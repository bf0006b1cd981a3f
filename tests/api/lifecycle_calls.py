"""The calls that only employees make of a device's life, and a mark that runs a test with each of them."""

from typing import Any

import pytest

CALLS: list[tuple[str, tuple[str, ...], dict[str, Any] | None]] = [
    ("POST", ("deactivate",), None),
    ("POST", ("activate",), None),
    ("POST", ("decommission",), {"reason": "sold"}),
    ("POST", ("restore",), None),
    ("POST", ("token", "rotation"), None),
    ("PATCH", (), {"device_name": "x"}),
    ("DELETE", (), None),
    ("DELETE", ("token",), None),
    ("DELETE", ("clone-suspicion",), None),
    ("GET", ("audit",), None),
]
each_call = pytest.mark.parametrize(("method", "parts", "body"), CALLS, ids=lambda value: str(value))
