"""Errors of inventory: each class is one reason with a stable code."""

from typing import ClassVar

from core.errors import RtsError


class EolRuleNotFoundError(RtsError):
    """There is no end-of-life rule with this id."""

    code: ClassVar[str] = "eol_rule_not_found"
    status: ClassVar[int] = 404


class EolRuleExistsError(RtsError):
    """A rule for this name and version prefix already exists: change that one."""

    code: ClassVar[str] = "eol_rule_exists"
    status: ClassVar[int] = 409


class ServiceNotFoundError(RtsError):
    """There is no such service on this device."""

    code: ClassVar[str] = "service_not_found"
    status: ClassVar[int] = 404
