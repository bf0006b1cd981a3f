"""The result on the screen: a table of latencies, a line for each check, and what doesn't hold, with names."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from loadtest.checks.conservation import NAMED
from loadtest.checks.result import LoadResult

QUANTILES = ("p50", "p95", "p99", "max")


def show(result: LoadResult, console: Console) -> None:
    console.print(latencies(result))
    for line in facts(result.as_json()):
        console.print(line, highlight=False, soft_wrap=True)
    for doubt in result.doubts:
        console.print(f"[yellow]![/yellow] {doubt}", highlight=False, soft_wrap=True)
    if not result.faults:
        console.print("[green]✓ nothing is lost, nothing is there twice; the rollups equal the raw samples[/green]")
        return
    astray = len(result.conservation.faults)
    which = f": {astray} agents' numbers do not add up" if astray else ""
    console.print(f"[red]✗ it does not hold{which}[/red]")
    for fault in [*result.faults[:NAMED], *result.faults[NAMED:][-3:]]:
        console.print(f"  {escape(fault)}", highlight=False, soft_wrap=True)


def latencies(result: LoadResult) -> Table:
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


def facts(result: dict[str, Any]) -> Iterator[str]:
    """Yield further remarks, one per line."""
    totals, lateness = result["conservation"]["totals"], result["lateness_ms"]
    yield (
        f"{result['uploads_per_second']:g} uploads/s and {result['samples_per_second']:,g} samples/s over "
        f"{result['took_seconds']:g} s"
    )
    yield (
        f"sent {totals['sent']:,} = accepted {totals['accepted']:,} + duplicates {totals['duplicates']:,} + rejected "
        f"{totals['rejected']:,}; rows in the database {totals['rows']:,}; in lost answers {totals['unsure']:,}"
    )
    for name in ("rejected_by_code",):
        if totals[name]:
            yield f"rejected: {counts(totals[name])}"
    for name in ("waits", "lost", "failures"):
        if result[name]:
            yield f"{name}: {counts(result[name])}"
    yield "rollups: " + ", ".join(
        f"{level['level']} {level['buckets']:,} buckets, {level['differing']} differ"
        for level in result["rollups"]["levels"]
    )
    if "fairness" in result:
        yield f"answers to the attack: {counts(result['attacks'])}"
        yield f"others beside the attack ÷ alone: {counts(result['fairness']['ratios'], '{:.2f}')}"
        for name, sent in result["fairness"]["webhooks_of_others"].items():
            waited = f"longest {sent['longest_seconds']:.1f} s"
            yield f"webhooks of others ({name}): {sent['sent']} of {sent['made']} sent, {waited}"
    yield (
        f"generator: woke p50 {lateness.get('p50')} / p99 {lateness.get('p99')} ms after the slot, "
        f"{result['generator']['cpu_share']:.0%} of a core; {counts(result['cpu_shares'], '{:.0%}')}; all cores "
        f"together {result['machine_busy']:.0%} busy"
    )


def counts(values: dict[str, Any], form: str = "{:,}") -> str:
    """Return numbers by name as one line."""
    return ", ".join(f"{name} {form.format(value)}" for name, value in sorted(values.items()))


def text(value: float | None) -> str:
    """Return a latency for the table."""
    return "" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"
