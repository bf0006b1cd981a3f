"""The periodic tasks of the worker as a table: name, interval, handler, and the servers that need it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.notify.channels import Channel
from alerts.notify.mail import Mail
from alerts.notify.queue import QuietHours
from alerts.notify.sending import send_due
from alerts.notify.webhook import Webhook
from alerts.query.baselines import update_baselines
from alerts.query.forecasts import update_forecasts
from alerts.query.series_baselines import update_series_baselines
from alerts.query.series_forecasts import update_series_forecasts
from alerts.replay.late_data import find_late
from alerts.state.evaluate import evaluate
from alerts.tickets.worker import work_tickets
from commands.delivery import settle_due_commands
from core.clock import utc_now
from core.settings import Settings
from db.pools import Connection
from db.sql import load_beside
from devices.audit_chain import read_head, seal_trail
from devices.erasure.work import prove_due, run_waiting
from devices.presence import OfflineThresholds, lapse_enrolments, sweep
from health.faults import find_faults
from health.fleet import read_fleet
from inventory.eol import apply_rules, reach_ends
from retention.purge import note_audit_setting, purge_records
from retention.trims import trim_tenants
from rollups.failed_jobs import TASK, run_delayed
from rollups.refresh import PolicyRunner
from rollups.repair import watch_drift, widen
from worker.retention import apply_changes, keep_holds, keep_sizes
from worker.series import keep_series
from worker.services import forget_missing_services

QUERIES = load_beside(__file__)
log = logging.getLogger(__name__)

EVERY_TICK = timedelta(0)
Handler = Callable[[Connection, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """`do` takes a connection outside a transaction, and now (UTC).

    `scheduler`: only where the server has one (True) or has none (False). `seconds` is its deadline; `at_once`
    how many runs of it may overlap, for one that waits for others' servers.
    """

    name: str
    every: timedelta
    do: Handler
    scheduler: bool | None = None
    seconds: float = 300.0
    at_once: int = 1


def make_tasks(settings: Settings) -> list[PeriodicTask]:
    """Return the tasks in the order in which they are begun."""
    return [
        PeriodicTask("policy drift", timedelta(seconds=20), watch_drift),  # first: it pauses policies that lose data
        PeriodicTask("retention changes", timedelta(seconds=20), apply_changes),
        PeriodicTask("legal holds", timedelta(hours=1), keep_holds),
        PeriodicTask("storage sizes", timedelta(hours=1), keep_sizes),
        PeriodicTask("refresh windows", timedelta(hours=1), widen),
        PeriodicTask("storage policies", EVERY_TICK, run_policies(PolicyRunner()), scheduler=False, seconds=3600),
        PeriodicTask("vacuum", timedelta(minutes=30), clean_up, scheduler=False, seconds=3600),
        PeriodicTask(TASK, timedelta(seconds=30), run_failed_jobs, scheduler=True, seconds=7200),
        PeriodicTask("due commands", EVERY_TICK, settle_due_commands),
        PeriodicTask("presence", EVERY_TICK, watch_presence(settings)),
        PeriodicTask("lapsed enrolments", timedelta(minutes=1), end_enrolments(settings)),
        PeriodicTask("audit seals", timedelta(seconds=30), seal_audit),
        PeriodicTask("old records", timedelta(hours=1), purge_by(settings.audit_days), seconds=1800),
        PeriodicTask("end-of-life rules", EVERY_TICK, apply_rules),
        PeriodicTask("ends of life", timedelta(hours=1), reach_ends),  # runs within an hour after midnight UTC
        PeriodicTask("forecasts", timedelta(hours=1), update_forecasts),
        PeriodicTask("series", timedelta(hours=1), keep_series),
        PeriodicTask("missing services", timedelta(hours=1), forget_missing_services),
        PeriodicTask("forecasts of series", timedelta(hours=1), update_series_forecasts),
        PeriodicTask(
            "baselines", timedelta(hours=1), baselines_by(update_baselines, settings.time_zone)
        ),  # each once a day, new ones within the hour
        PeriodicTask(
            "baselines of series", timedelta(hours=1), baselines_by(update_series_baselines, settings.time_zone)
        ),
        PeriodicTask("alerts", timedelta(seconds=30), evaluate_rules(settings.unmeasured_days)),
        PeriodicTask("late samples", timedelta(seconds=30), evaluate_late_samples),
        PeriodicTask("tickets", EVERY_TICK, tickets_for(settings.ticket_client)),
        PeriodicTask("notifications", EVERY_TICK, send_notifications(settings), at_once=4),
        PeriodicTask("erasures", timedelta(minutes=10), work_erasures(settings), seconds=3600),
        PeriodicTask("tenant retention", timedelta(minutes=10), trim_at(settings.erasure_hour), seconds=3600),
        PeriodicTask("health", timedelta(minutes=5), watch_health),
    ]


def watch_presence(settings: Settings) -> Handler:
    """Move devices that fall silent to warning and offline."""
    thresholds = OfflineThresholds(
        timedelta(seconds=settings.heartbeat_interval_seconds),
        settings.warning_after_intervals,
        settings.offline_after_intervals,
    )

    async def do(connection: Connection, now: datetime) -> None:
        changed = await sweep(connection, now, thresholds)
        if changed:
            log.info("%d silent devices changed their status", changed)

    return do


def send_notifications(settings: Settings) -> Handler:
    """Send the notifications of alerts that are due."""
    senders: dict[str, Channel] = {
        "webhook": Webhook(settings.webhook_secret.get_secret_value(), utc_now, settings.reachable_networks),
        "email": Mail(settings.smtp_url.get_secret_value(), settings.mail_from),
    }
    quiet = QuietHours.parse(settings.quiet_hours)

    async def do(connection: Connection, now: datetime) -> None:
        sent = await send_due(connection, senders, now, quiet)
        if sent:
            log.info("sent %d notifications", sent)

    return do


def baselines_by(update: Callable[[Connection, datetime, str], Awaitable[None]], zone: str) -> Handler:
    """Compute baselines; `zone` is the default where neither site nor business has a time zone."""

    async def do(connection: Connection, now: datetime) -> None:
        await update(connection, now, zone)

    return do


async def seal_audit(connection: Connection, now: datetime) -> None:
    """Seal new audit rows in the chain of hashes, and log the newest hash for a later comparison."""
    del now
    if await seal_trail(connection):
        head = await read_head(connection)
        log.info("the audit trail is sealed up to row %s: %s", head.last_id, head.hash)


def purge_by(audit_days: int) -> Handler:
    """Delete old records by their ages; `audit_days` is the setting for the audit trail, 0: for ever."""

    async def do(connection: Connection, now: datetime) -> None:
        await note_audit_setting(connection, audit_days)
        await purge_records(connection, now)

    return do


def end_enrolments(settings: Settings) -> Handler:
    """Remove devices that registered and never called."""

    async def do(connection: Connection, now: datetime) -> None:
        lapsed = await lapse_enrolments(connection, now, timedelta(seconds=settings.enrol_within_seconds))
        if lapsed:
            log.info("%d devices made no contact after registration and were removed", lapsed)

    return do


def evaluate_rules(unmeasured_days: float) -> Handler:
    """Evaluate the alert rules, unless another worker does; `unmeasured_days`: RTS_UNMEASURED_DAYS."""

    async def do(connection: Connection, now: datetime) -> None:
        done = await evaluate(connection, now, timedelta(days=unmeasured_days))
        if done is not None and done.changed:
            log.info("%d alert rules evaluated in %.2f s: %d changes", done.rules, done.seconds, done.changed)

    return do


async def evaluate_late_samples(connection: Connection, now: datetime) -> None:
    """Evaluate late samples and record the breaches in them."""
    late = await find_late(connection, now)
    if late:
        log.info("%d breaches were found late", late)


def tickets_for(client: str) -> Handler:
    """Process the outbox of tickets; `client` is the e-mail of the user of all tickets, empty for none."""

    async def do(connection: Connection, now: datetime) -> None:
        done = await work_tickets(connection, now, client=client)
        if done:
            log.info("tickets: %s", ", ".join(f"{times} {what}" for what, times in sorted(done.items())))

    return do


def run_policies(runner: PolicyRunner) -> Handler:
    """Run TimescaleDB's jobs (refresh, columnstore, retention) on a server without its scheduler."""

    async def do(connection: Connection, now: datetime) -> None:
        for job in await runner.run_due(connection, now):
            log.info("ran %s of %s", job.kind, job.relation)

    return do


async def run_failed_jobs(connection: Connection, now: datetime) -> None:
    """Run the jobs that the scheduler delays because it marked them failed."""
    for job in await run_delayed(connection, now):
        log.warning("ran %s of %s, which the scheduler had marked failed and delayed", job.kind, job.relation)


def work_erasures(settings: Settings) -> Handler:
    """Run the waiting erasures in their hour, and recount earlier ones."""

    async def do(connection: Connection, now: datetime) -> None:
        done = await run_waiting(connection, now) if now.hour == settings.erasure_hour else []
        for number in done:
            log.info("erasure %d is done", number)
        for number in await prove_due(connection, now):
            log.info("erasure %d is proven", number)

    return do


def trim_at(hour: int) -> Handler:
    """Delete rows beyond the retention of single businesses, in the hour for erasures."""

    async def do(connection: Connection, now: datetime) -> None:
        if now.hour == hour:
            await trim_tenants(connection, now)

    return do


async def clean_up(connection: Connection, now: datetime) -> None:
    """Run VACUUM (ANALYZE) on the embedded server, which has no autovacuum."""
    del now
    await connection.execute(QUERIES["clean_up"])


async def watch_health(connection: Connection, now: datetime) -> None:
    """Log faults: stale levels, waiting work."""
    for fault in find_faults(await read_fleet(connection, now)):
        log.warning(fault)
