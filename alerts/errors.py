"""Errors of rules, alerts and maintenance windows; each class has a stable code."""

from typing import ClassVar

from core.errors import RtsError


class AlertRuleNotFoundError(RtsError):
    """There is no alert rule with this id."""

    code: ClassVar[str] = "alert_rule_not_found"
    status: ClassVar[int] = 404


class FaultyAlertRuleError(RtsError):
    """The conditions of this rule are invalid (see its error_message): correct them first."""

    code: ClassVar[str] = "alert_rule_faulty"
    status: ClassVar[int] = 409


class AlertNotFoundError(RtsError):
    """There is no alert with this id."""

    code: ClassVar[str] = "alert_not_found"
    status: ClassVar[int] = 404


class AlertEndedError(RtsError):
    """This alert has ended."""

    code: ClassVar[str] = "alert_ended"
    status: ClassVar[int] = 409


class WindowNotFoundError(RtsError):
    """There is no maintenance window with this id."""

    code: ClassVar[str] = "maintenance_window_not_found"
    status: ClassVar[int] = 404
