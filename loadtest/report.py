"""The result on the screen: a table of latencies, a line for each check, and what doesn't hold, with names."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from loadtest.checks.conservation import NAMED
from loadtest.checks.result import Result

QUANTILES = ("p50", "p95", "p99", "max")


def show(result: Result, console: Console) -> None:
    console.print(latencies(result))
    for line in facts(result.as_json()):
        console.print(line, highlight=False, soft_wrap=True)
    for doubt in result.doubts:
        console.print(f"[yellow]![/yellow] {doubt}", highlight=False, soft_wrap=True)
    if not result.faults:
        console.print("[green]✓ nothing is lost, nothing is there twice; the rollups equal the raw samples[/green]")
        return
    console.print(f"[red]✗ it doesn't hold: {len(result.conservation.faults)} agents' numbers don't add up[/red]")
    for fault in [*result.faults[:NAMED], *result.faults[NAMED:][-3:]]:
        console.print(f"  {escape(fault)}", highlight=False, soft_wrap=True)


def latencies(result: Result) -> Table:
    """Return the latencies as a table, in milliseconds."""
    title = f"{result.settings.label} on {result.kind}: latency in ms"
    table = Table(Column("call", no_wrap=True), title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("count", *QUANTILES, "sent p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, latency in rows(result.outcome["measures"]):
        slot, send = latency["from_slot_ms"], latency["from_send_ms"]
        table.add_row(
            name, f"{slot['count']:,}", *(text(slot.get(quantile)) for quantile in QUANTILES),
            text(send.get("p50")), text(send.get("p99")),
        )  # fmt: skip
    return table


def rows(measures: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the table's rows."""
    for group, latency in measures["uploads"].items():
        yield f"upload ({group})", latency
    yield "heartbeat", measures["heartbeats"]
    yield from measures["reads"].items()


def facts(kept: dict[str, Any]) -> Iterator[str]:
    """Yield what else there is to say, a line each."""
    totals, lateness = kept["conservation"]["totals"], kept["lateness_ms"]
    yield (
        f"{kept['uploads_per_second']:g} uploads/s and {kept['samples_per_second']:,g} samples/s over "
        f"{kept['took_seconds']:g} s"
    )
    yield (
        f"sent {totals['sent']:,} = accepted {totals['accepted']:,} + duplicates {totals['duplicates']:,} + rejected "
        f"{totals['rejected']:,}; rows in the database {totals['rows']:,}; in lost answers {totals['unsure']:,}"
    )
    for name in ("rejected_by_code",):
        if totals[name]:
            yield f"rejected: {counts(totals[name])}"
    for name in ("waits", "lost", "failures"):
        if kept[name]:
            yield f"{name}: {counts(kept[name])}"
    yield "rollups: " + ", ".join(
        f"{level['level']} {level['buckets']:,} buckets, {level['differing']} differ"
        for level in kept["rollups"]["levels"]
    )
    if "fairness" in kept:
        yield f"answers to the attack: {counts(kept['attacks'])}"
        yield f"others beside the attack ÷ alone: {counts(kept['fairness']['ratios'], '{:.2f}')}"
        for name, found in kept["fairness"]["webhooks_of_others"].items():
            waited = f"longest {found['longest_seconds']:.1f} s"
            yield f"webhooks of others ({name}): {found['sent']} of {found['made']} sent, {waited}"
    yield (
        f"generator: woke p50 {lateness.get('p50')} / p99 {lateness.get('p99')} ms after the slot, "
        f"{kept['generator']['cpu_share']:.0%} of a core; {counts(kept['cpu_shares'], '{:.0%}')}; all cores together "
        f"{kept['machine_busy']:.0%} busy"
    )


def counts(values: dict[str, Any], form: str = "{:,}") -> str:
    """Return numbers by name as one line."""
    return ", ".join(f"{name} {form.format(value)}" for name, value in sorted(values.items()))


def text(value: float | None) -> str:
    """Return a latency for the table."""
    return "" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"
