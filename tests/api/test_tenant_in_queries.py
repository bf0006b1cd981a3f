"""Every query that reads devices for people is bound to the caller's business, in the SQL itself."""

import re
from pathlib import Path

import pytest

from db.sql import load_queries

ROOT = Path(__file__).parents[2]
FOLDERS = ("alerts", "api", "commands", "devices", "health", "ingest", "inventory", "retention", "rollups", "worker")
TABLES = re.compile(
    r"\bagent_(?!charted_device\b|person_name\b|storage_jobs\b|software_rule\b|software_version_fits\b)\w+"
)

AGENT = "the agent's own: its id and the hash of its token come from its signature"
EMPLOYEE = "an employee's, who sees all; routes ask for CurrentEmployee"
WORKER = "the worker's, which answers nobody"
ADMITTED = "by ids that this agent or follower was admitted for; the hub asks once more who may be told"
FOLLOWERS = "for all followers of a scope at once; each is sent what is their business's (tests/live/test_scopes.py)"
COUNTS = "counts of the whole fleet, for operators: no row of a device leaves it"
COMMAND_LINE = "the command line's, on a device that it makes and takes back"
OWNER = "by the person who owns it, whose id comes from their token"
TRAIL = "writes into the audit trail and reads nothing"
GATEWAY = "an employee's, or the gateway's own: bound to the business of its signed token (tests/api/test_gateways.py)"
TOKEN = "by whoever holds the registration token, for the device that it is for"
# Statements on devices that take no tenant, and why; * is a whole file.
WITHOUT_TENANT: dict[str, dict[str, str]] = {
    "devices/audit.sql": {
        "read_audit": EMPLOYEE, "read_trail": EMPLOYEE, "add_refused_calls": TRAIL, "add_read": TRAIL,
    },
    "devices/audit_chain.sql": {"*": WORKER},
    "devices/erasure/queries.sql": {"*": COMMAND_LINE},
    "devices/erasure/person.sql": {
        "compose_references": COMMAND_LINE, "count_records": COMMAND_LINE, "erase_records": COMMAND_LINE,
    },
    "commands/orders.sql": {"full_devices": EMPLOYEE},
    "commands/delivery.sql": {
        "lease_commands": AGENT, "release_commands": AGENT, "list_cancellations": AGENT, "start_command": AGENT,
        "finish_command": AGENT, "settle_due_commands": WORKER, "due_commands": WORKER,
    },
    "devices/credentials.sql": {"request_rotation": EMPLOYEE, "rotate_token": AGENT, "revoke_token": EMPLOYEE},
    "inventory/eol.sql": {
        "list_rules": EMPLOYEE, "create_rule": EMPLOYEE, "change_rule": EMPLOYEE, "delete_rule": EMPLOYEE,
        "next_rule": WORKER, "mark_batch": WORKER, "pause_rule": WORKER, "settle_rule": WORKER, "reach_ends": WORKER,
        "due_ends": WORKER,
    },
    "devices/event_log.sql": {"add_event": AGENT},
    "inventory/software.sql": {"newest_list": AGENT, "merge_list": AGENT},
    "devices/lifecycle.sql": {
        "deactivate": EMPLOYEE, "activate": EMPLOYEE, "decommission": EMPLOYEE, "delete_device": EMPLOYEE,
        "restore": EMPLOYEE, "change_device": EMPLOYEE, "dismiss_clone": EMPLOYEE, "move_device": EMPLOYEE,
    },
    "devices/presence.sql": {"note_outage": WORKER, "sweep": WORKER, "lapse_enrolments": WORKER, "due_devices": WORKER,
                             "due_enrolments": WORKER},
    "devices/queries.sql": {
        "create_registration_token": EMPLOYEE, "device_of_token": TOKEN, "register_device": TOKEN,
        "check_agent": AGENT, "heartbeat": AGENT,
    },
    "alerts/tickets/fit.sql": {"*": COUNTS},
    "devices/platform_import.sql": {"*": "the command line's, which imports devices of the platform"},
    "rollups/failed_jobs.sql": {"*": WORKER},
    "rollups/jobs.sql": {"count_late_devices": COUNTS},
    "devices/registration_tokens.sql": {"*": EMPLOYEE},
    "devices/saved_views.sql": {"*": OWNER},
    "devices/directory.sql": {"set_time_zone": EMPLOYEE},
    "devices/gateways.sql": {"*": GATEWAY},
    "inventory/services.sql": {"change_service": EMPLOYEE},
    "ingest/series.sql": {"*": AGENT},
    "worker/series.sql": {"*": WORKER},
    "worker/services.sql": {"*": WORKER},
    "rollups/drift.sql": {"*": WORKER},
    "retention/changes.sql": {"*": EMPLOYEE},
    "retention/effects.sql": {"*": EMPLOYEE},
    "retention/growth.sql": {"*": COUNTS},
    "retention/holds.sql": {"*": EMPLOYEE},
    "retention/tenants.sql": {"*": "a DBA's, or the worker's: bound to the business that is named"},
    "retention/records.sql": {"*": "the worker's, or an employee's: ages and counts by kind, no row leaves them"},
    "rollups/series.sql": {"top_of_fleet": EMPLOYEE},
    "alerts/manage/alerts.sql": {
        "acknowledge": EMPLOYEE, "resolve": EMPLOYEE, "snooze": EMPLOYEE,
    },
    "alerts/replay/backtest.sql": {"*": EMPLOYEE},
    "alerts/query/baselines.sql": {"*": WORKER},
    "alerts/replay/late_data.sql": {"*": WORKER},
    "alerts/query/forecasts.sql": {"*": WORKER},
    "alerts/state/broken_rules.sql": {"*": WORKER},
    "alerts/manage/windows.sql": {"create_window": EMPLOYEE, "replace_window": EMPLOYEE, "delete_window": EMPLOYEE},
    "alerts/notify/queue.sql": {"*": WORKER},
    "alerts/silences/past.sql": {"*": EMPLOYEE},
    "alerts/manage/scope.sql": {"*": EMPLOYEE},
    "alerts/manage/rules.sql": {"*": EMPLOYEE},
    "alerts/replay/rule_tests.sql": {"*": COMMAND_LINE},
    "alerts/tickets/incidents.sql": {"*": WORKER},
    "alerts/tickets/worker.sql": {"*": WORKER},
    "alerts/query/runner.sql": {"*": WORKER},
    "alerts/query/statements.sql": {"*": WORKER},
    "alerts/query/series.sql": {"*": WORKER},
    "alerts/query/series_baselines.sql": {"*": WORKER},
    "alerts/query/series_past.sql": {"*": WORKER},
    "alerts/manage/rule_trail.sql": {"read_rule_trail": EMPLOYEE},
    "ingest/facts.sql": {"change_facts": AGENT},
    "alerts/rules/loader.sql": {"*": WORKER},
    "alerts/silences/schedule.sql": {"*": WORKER},
    "alerts/state/apply.sql": {"*": WORKER},
    "alerts/state/unmeasured.sql": {"*": WORKER},
    "alerts/state/evaluate.sql": {"*": WORKER},
    "api/live/queries.sql": {
        "device_states": ADMITTED, "changed_commands": ADMITTED, "new_events": ADMITTED, "good_tokens": ADMITTED,
    },
    "api/live/scopes.sql": {
        "changed_devices": FOLLOWERS, "open_alerts": FOLLOWERS, "read_changed_alerts": FOLLOWERS,
        "late_alerts": FOLLOWERS, "registration_tokens": EMPLOYEE,
    },
    "health/fleet.sql": {"describe_fleet": COUNTS},
    "ingest/queries.sql": {"*": AGENT},
    "rollups/queries.sql": {"describe_levels": WORKER, "count_rows": WORKER, "forget_late": WORKER},
}  # fmt: skip


def on_devices() -> dict[tuple[str, str], str]:
    """Return the statements on devices' tables, by file and name."""
    statements = {}
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.sql")):
            for name, text in load_queries(file).items():
                if TABLES.search(text):
                    statements[str(file.relative_to(ROOT)), name] = text
    return statements


STATEMENTS = on_devices()


def is_bound(text: str) -> bool:
    """Tell whether a statement takes a tenant and compares the business with it."""
    business = r"(\w+\.)?business_id = :tenant\b"
    # Rows of a device that changed hands stay with the tenant they were written for.
    own = rf"\({business} AND (\w+\.)?former_owner IS NULL\)"
    return bool(re.search(rf"\(:tenant(::uuid)? IS NULL OR ({business}|{own})\)", " ".join(text.split())))


@pytest.mark.parametrize(("file", "name"), STATEMENTS)
def test_a_statement_on_devices_is_bound_to_a_tenant_or_has_a_reason(file: str, name: str) -> None:
    excused = WITHOUT_TENANT.get(file, {})
    if "*" not in excused:
        assert is_bound(STATEMENTS[file, name]) != (name in excused)


def test_every_reason_is_for_a_statement_that_is_there() -> None:
    listed = {(file, name) for file, names in WITHOUT_TENANT.items() for name in names if name != "*"}
    assert listed <= set(STATEMENTS)
    assert {file for file, names in WITHOUT_TENANT.items() if "*" in names} <= {file for file, _ in STATEMENTS}


def test_the_rule_finds_what_is_not_bound() -> None:
    assert len([text for text in STATEMENTS.values() if is_bound(text)]) > 12
    bound = "SELECT id FROM agent_devices d WHERE (:tenant::uuid IS NULL OR d.business_id = :tenant)"
    assert is_bound(bound)
    assert not is_bound(bound.replace("tenant", "business"))
    assert not is_bound(bound.replace("d.business_id = :tenant", "d.business_id = :device_id"))
