"""The two dashboards for Grafana: `make dashboards` writes them into docs/grafana/dashboards.

Their queries read the schema `grafana` and nothing else, through the role that the data source signs in with.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos, VariableRefresh

FOLDER = Path(__file__).parents[1] / "docs" / "grafana" / "dashboards"
SOURCE = DataSourceRef(type_val="grafana-postgresql-datasource", uid="rts-agents")
RANGE = "$__timeFrom()::timestamptz, $__timeTo()::timestamptz, '$__interval'"
FINEST = "60s"  # what `$__interval` is at least: agents upload each minute or less often


class Sql(Builder[Dataquery], Dataquery):
    """A query of the PostgreSQL data source, which the SDK has no type for."""

    def __init__(self, text: str, form: str) -> None:
        self._text, self._form = text, form

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the query as Grafana stores it."""
        return {
            "refId": "A", "datasource": SOURCE.to_json(), "format": self._form, "editorMode": "code", "rawQuery": True,
            "rawSql": self._text,
        }  # fmt: skip


def chart(title: str, columns: Sequence[str], unit: str) -> timeseries.Panel:
    """Return a chart of one device."""
    selected = ", ".join(columns)
    text = f"SELECT \"time\", {selected}\nFROM grafana.chart(NULLIF('${{device}}', '')::uuid, {RANGE})"
    return over_time(title, text, unit)


def fleet_chart(title: str, column: str, unit: str) -> timeseries.Panel:
    """Return a chart with a line for each business."""
    text = f'SELECT "time", business AS metric, {column}\nFROM grafana.fleet({RANGE})\nORDER BY 1'
    return over_time(title, text, unit)


def over_time(title: str, text: str, unit: str) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).datasource(SOURCE).unit(unit).interval(FINEST)
    return panel.with_target(Sql(text, "time_series"))


def listed(title: str, text: str) -> table.Panel:
    return table.Panel().title(title).datasource(SOURCE).with_target(Sql(text, "table"))


def alerts(condition: str = "") -> str:
    return (
        'SELECT "time", timeend, device, business, rule, severity, status, text, tags\n'
        f'FROM grafana.alerts\nWHERE $__timeFilter("time"){condition}\nORDER BY "time" DESC\nLIMIT 500'
    )


def fleet() -> build.Dashboard:
    """Return the dashboard of all devices that the role sees."""
    status = (
        stat.Panel().title("Devices by status").datasource(SOURCE).reduce_options(ReduceDataOptions().values(True))
        .with_target(Sql("SELECT status AS metric, count(*) AS devices FROM grafana.devices GROUP BY 1", "table"))
    )  # fmt: skip
    newest = (
        'SELECT device, business, status, "time", cpu_percent, memory_percent, disk_percent, load_average_5m\n'
        "FROM grafana.latest\nORDER BY disk_percent DESC NULLS LAST\nLIMIT 500"
    )
    dashboard = new_dashboard("RTS Agents: fleet", "rts-agents-fleet")
    panels = [
        (status, 24, 4), (fleet_chart("CPU, average", "cpu_percent", "percent"), 12, 8),
        (fleet_chart("Memory, average", "memory_percent", "percent"), 12, 8),
        (fleet_chart("Fullest disk", "disk_percent_max", "percent"), 12, 8),
        (fleet_chart("Devices with samples", "devices::double precision AS devices", "short"), 12, 8),
        (listed("Newest samples", newest), 24, 10), (listed("Alerts", alerts()), 24, 8),
    ]  # fmt: skip
    return place(dashboard, panels)


def device() -> build.Dashboard:
    """Return the dashboard of one device."""
    choose = (
        build.QueryVariable("device").label("Device").datasource(SOURCE)
        .query("SELECT name AS __text, id::text AS __value FROM grafana.devices ORDER BY name")
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
    )  # fmt: skip
    dashboard = new_dashboard("RTS Agents: device", "rts-agents-device").with_variable(choose)
    with_range = [("CPU", "cpu_percent", "percent"), ("Memory", "memory_percent", "percent"),
                  ("Disk", "disk_percent", "percent")]  # fmt: skip
    panels: list[tuple[Any, int, int]] = [
        (chart(title, (name, f"{name}_min", f"{name}_max"), unit), 12, 8) for title, name, unit in with_range
    ]
    loads = ("load_average_1m", "load_average_5m", "load_average_15m")
    traffic = ("network_rx_bytes_per_second", "network_tx_bytes_per_second")
    panels += [
        (chart("Load", loads, "short"), 12, 8), (chart("Network", traffic, "Bps"), 12, 8),
        (chart("Samples", ("samples",), "short"), 12, 8),
        (listed("Alerts of the device", alerts(" AND device_id::text = '${device}'")), 24, 8),
    ]  # fmt: skip
    return place(dashboard, panels)


def new_dashboard(title: str, uid: str) -> build.Dashboard:
    dashboard = (
        build.Dashboard(title).uid(uid).tags(["rts-agents"]).time("now-24h", "now").refresh("1m").timezone("browser")
    )
    return dashboard.readonly()


def place(dashboard: build.Dashboard, panels: Sequence[tuple[Any, int, int]]) -> build.Dashboard:
    """Put panels (with width of 24 and height) beside each other, row by row."""
    x = y = height = 0
    for panel, width, tall in panels:
        if x + width > 24:
            x, y, height = 0, y + height, 0
        dashboard.with_panel(panel.grid_pos(GridPos(h=tall, w=width, x=x, y=y)))
        x, height = x + width, max(height, tall)
    return dashboard


def annotated(dashboard: build.Dashboard, text: str) -> dict[str, Any]:
    """Return a dashboard as JSON, with alerts as annotations."""
    document: dict[str, Any] = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    query = Sql(text, "table").to_json()
    note = {"name": "Alerts", "datasource": SOURCE.to_json(), "enable": True, "iconColor": "red", "target": query}
    document["annotations"] = {"list": [note]}
    return document


def dashboards() -> dict[str, dict[str, Any]]:
    """Return both dashboards by the name of their file."""
    return {
        "fleet.json": annotated(fleet(), alerts()),
        "device.json": annotated(device(), alerts(" AND device_id::text = '${device}'")),
    }


def text_of(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, content in dashboards().items():
        (FOLDER / name).write_text(text_of(content))
