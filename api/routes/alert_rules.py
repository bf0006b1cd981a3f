"""/api/agents/alerts: rules and their changes of state. Employees only."""

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import StringConstraints

from alerts.manage.rule_trail import read_rule_trail
from alerts.manage.rules import (
    RuleFilter,
    change_rule,
    create_defaults,
    create_rule,
    decoded,
    delete_rule,
    list_rules,
    read_rule,
    read_transitions,
    switch_rule,
)
from alerts.rules.loader import UNREADABLE, parse_stored
from api.auth import CurrentEmployee, MayEditRules
from api.fields.cursors import Cursor, Limit, make_page, parse_id, read_cursor
from api.fields.recipients import refuse_internal
from api.fields.text import StorableText
from api.fields.times import parse_time
from api.schemas.alert_rules import (
    AlertRule,
    AlertRuleChange,
    AlertRuleList,
    AlertTransition,
    Defaults,
    ForBusiness,
    NewAlertRule,
    RuleChange,
    RuleTrail,
    TransitionList,
)
from api.services import get_services
from core.series import MAX_INSTANCE, instance_name

router = APIRouter(prefix="/api/agents/alerts", tags=["alert rules"])

RuleId = Annotated[UUID, Path(description="id of the rule")]
Search = Annotated[StorableText, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


@router.get("")
async def list_alert_rules(
    request: Request,
    employee: CurrentEmployee,
    business_id: Annotated[UUID | None, Query(description="only this business's own")] = None,
    agent_id: Annotated[UUID | None, Query(description="only those that reach this device")] = None,
    is_active: Annotated[bool | None, Query(description="only enabled rules (true), or disabled ones (false)")] = None,
    search: Annotated[Search | None, Query(description="text within name or description, in any case")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> AlertRuleList:
    """List the alert rules in the order of their names."""
    del employee
    filters = RuleFilter(business_id, agent_id, is_active, search, read_cursor(cursor, str, UUID))
    rows = await list_rules(get_services(request).pool, filters, limit + 1)
    page, more = make_page(rows, limit, "alert_name", "id")
    return AlertRuleList(rules=[to_alert_rule(row) for row in page], next_cursor=more)


@router.post("", status_code=201)
async def create_alert_rule(request: Request, employee: MayEditRules, body: NewAlertRule) -> AlertRule:
    """Make a rule; it is evaluated from now on."""
    services = get_services(request)
    refuse_internal(body.notification_recipients, services.settings.reachable_networks)
    return to_alert_rule(await create_rule(services.pool, body.values(), employee.actor, services.clock()))


@router.post("/defaults", status_code=201)
async def create_default_rules(request: Request, employee: MayEditRules, body: ForBusiness) -> Defaults:
    """Create the default rules of a business, except for types of which it (or all businesses) has a rule already."""
    services = get_services(request)
    created, existing = await create_defaults(services.pool, body.business_id, employee.actor, services.clock())
    return Defaults(created=[to_alert_rule(row) for row in created], existing=[to_alert_rule(row) for row in existing])


@router.get("/{rule_id}")
async def read_alert_rule(request: Request, employee: CurrentEmployee, rule_id: RuleId) -> AlertRule:
    """Read one rule with its latest results."""
    del employee
    return to_alert_rule(await read_rule(get_services(request).pool, rule_id))


@router.patch("/{rule_id}")
async def change_alert_rule(
    request: Request, employee: MayEditRules, rule_id: RuleId, body: AlertRuleChange
) -> AlertRule:
    """Change a rule. New conditions or another scope reset it: its open alerts end with a note."""
    services = get_services(request)
    refuse_internal(body.notification_recipients, services.settings.reachable_networks)
    return to_alert_rule(await change_rule(services.pool, rule_id, body.changes(), employee.actor, services.clock()))


@router.delete("/{rule_id}", status_code=204)
async def delete_alert_rule(request: Request, employee: MayEditRules, rule_id: RuleId) -> Response:
    """Delete a rule; its open alerts end with a note, its past alerts stay readable."""
    services = get_services(request)
    await delete_rule(services.pool, rule_id, employee.actor, services.clock())
    return Response(status_code=204)


@router.post("/{rule_id}/enable")
async def enable_alert_rule(request: Request, employee: MayEditRules, rule_id: RuleId) -> AlertRule:
    """Enable a rule; its states begin anew."""
    services = get_services(request)
    return to_alert_rule(await switch_rule(services.pool, rule_id, employee.actor, services.clock(), on=True))


@router.post("/{rule_id}/disable")
async def disable_alert_rule(request: Request, employee: MayEditRules, rule_id: RuleId) -> AlertRule:
    """Disable a rule; its open alerts end with a note."""
    services = get_services(request)
    return to_alert_rule(await switch_rule(services.pool, rule_id, employee.actor, services.clock(), on=False))


@router.get("/{rule_id}/changes")
async def list_changes(request: Request, employee: CurrentEmployee, rule_id: RuleId) -> RuleTrail:
    """Read the changes of a rule with their authors, newest first."""
    del employee
    rows = await read_rule_trail(get_services(request).pool, rule_id)
    return RuleTrail(changes=[RuleChange.model_validate(row) for row in rows])


@router.get("/{rule_id}/transitions")
async def list_transitions(
    request: Request,
    employee: CurrentEmployee,
    rule_id: RuleId,
    agent_id: Annotated[UUID | None, Query(description="only on this device")] = None,
    instance: Annotated[
        str | None, Query(description="only of this disk, interface or sensor", max_length=MAX_INSTANCE)
    ] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> TransitionList:
    """Read each change of a rule's state on a device with its reason, newest first."""
    del employee
    after = read_cursor(cursor, parse_time, parse_id)
    place = agent_id, None if instance is None else instance_name(instance)
    rows = await read_transitions(get_services(request).pool, rule_id, place, after, limit + 1)
    page, more = make_page(rows, limit, "at", "id")
    transitions = [AlertTransition(agent_id=row["agent_device_id"], **row) for row in page]
    return TransitionList(transitions=transitions, next_cursor=more)


def to_alert_rule(row: asyncpg.Record) -> AlertRule:
    """Return a rule's row as the model of the API."""
    documents = ("conditions", "notification_channels", "notification_recipients", "active_hours")
    read = {name: decoded(row[name]) for name in documents}
    return AlertRule(**dict(row) | read, in_words=in_words(row["conditions"]))


def in_words(text: str) -> str | None:
    """Return stored conditions in words; None if another program wrote them in an unknown form."""
    try:
        return parse_stored(text).in_words()
    except UNREADABLE:
        return None
