"""An alert in words: what, where, how much, and how much is too much."""

from alerts.query.facts import ConditionResult
from alerts.rules.loader import RuleRow
from core.text import clean_name

LONGEST = 1000


def alert_message(row: RuleRow, result: ConditionResult, device_name: str) -> str:
    """Return the message of an alert in a line: `High CPU on web-1: 95 (cpu_percent: all > 90 percent for 10 min)`."""
    value_text = "" if result.value is None else f" {result.value:.4g}"
    note = f"; {result.note}" if result.note else ""
    text = f"{row.alert_name} on {device_name}:{value_text} ({row.rule.condition.in_words()}{note})"
    return clean_name(text)[:LONGEST]
