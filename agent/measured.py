"""Measurements that may fail: psutil raises many errors on systems that it does not know; none ends the agent."""

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


def measured(name: str, measure: Callable[[], T]) -> T | None:
    """Return what `measure` returns; None if it fails, with a line in the log for the first failure of each kind."""
    try:
        return measure()
    except Exception as error:  # noqa: BLE001
        report(name, f"{error!r}"[:300])
        return None


@cache
def report(name: str, fault: str) -> None:
    """Log a fault, each once."""
    log.warning("%s cannot be measured: %s", name, fault)
