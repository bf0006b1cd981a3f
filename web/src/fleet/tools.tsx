// What a list offers besides: columns, CSV, print, the link.
import { serverNow } from "../lib/clock";
import { saveCsv } from "../lib/csv";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { copy } from "../ui/controls";
import { Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { COLUMNS, columnsOf, columnTitle, defaultColumns } from "./columns";
import { shown } from "./order";

function toggle(key: string, on: boolean): void {
  const chosen = columnsOf(param("cols")).map((column) => column.key as string);
  const next = COLUMNS.map((column) => column.key as string).filter((one) => (one === key ? on : chosen.includes(one)));
  const usual = defaultColumns();
  const isDefault = next.length === usual.length && next.every((one) => usual.includes(one));
  setParams({ cols: isDefault ? null : next.join(",") });
}

function saveList(): void {
  const columns = columnsOf(param("cols"));
  const head = [columnTitle("name"), columnTitle("status"), ...columns.map((column) => columnTitle(column.key)), "id"];
  const rows = shown.peek().map((device) => [device.name, device.live.peek().status, ...columns.map((column) => column.csv(device)), device.id]);
  saveCsv(`devices-${new Date(serverNow()).toISOString().slice(0, 16)}Z`, head, rows);
}

export function ListTools() {
  const t = texts.value.tools;
  const chosen = columnsOf(param("cols"));
  return (
    <div class="tools">
      <Menu icon="columns" label={<span class="wide-only">{t.columns}</span>} name={t.columns} align="right">
        {() => (
          <fieldset class="menu-form">
            <legend class="unseen">{t.columns}</legend>
            {COLUMNS.map((column) => (
              <label class="check" key={column.key}>
                <input type="checkbox" checked={chosen.includes(column)} onChange={(event) => toggle(column.key, event.currentTarget.checked)} />
                <span>{columnTitle(column.key)}</span>
              </label>
            ))}
          </fieldset>
        )}
      </Menu>
      <button type="button" title={t.csvHelp} onClick={saveList}>
        <Icon name="download" /> <span class="wide-only">CSV</span>
        <span class="unseen narrow-only">CSV</span>
      </button>
      <button type="button" class="icon-only" title={t.print} aria-label={t.print} onClick={() => print()}>
        <Icon name="print" />
      </button>
      <button type="button" class="icon-only" title={t.copyLink} aria-label={t.copyLink} onClick={() => void copy(location.href)}>
        <Icon name="link" />
      </button>
    </div>
  );
}
