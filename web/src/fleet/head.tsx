// The head of the device list: titles that sort, and the box that selects all that show.
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { columnTitle, type Column } from "./columns";
import { shown } from "./order";
import { clearSelection, selectAll, selected } from "./selection";

const DOWN_FIRST = new Set(["cpu", "memory", "disk", "alerts", "seen", "created"]);

export function ListHead({ columns, withBox }: { columns: Column[]; withBox: boolean }) {
  return (
    <div class="list-head" role="rowgroup">
      <div class="list-row" role="row" aria-rowindex={1}>
        {withBox && (
          <span role="columnheader" class="box">
            <AllBox />
          </span>
        )}
        <Title name="name" />
        {columns.map((column) => (
          <Title key={column.key} name={column.key} />
        ))}
      </div>
    </div>
  );
}

function AllBox() {
  const all = shown.value;
  const chosen = selected.value;
  const some = chosen.size > 0;
  const every = some && all.every((device) => chosen.has(device.id));
  return (
    <input
      type="checkbox"
      aria-label={texts.value.fleet.selectAll(all.length)}
      title={texts.value.fleet.selectAll(all.length)}
      checked={every}
      ref={(box) => {
        if (box) box.indeterminate = some && !every;
      }}
      onChange={() => (every ? clearSelection() : selectAll(all.map((device) => device.id)))}
    />
  );
}

function Title({ name }: { name: Column["key"] }) {
  const sort = param("sort") || "name";
  const isDown = sort === `-${name}`;
  const isUp = sort === name;
  const next = isUp ? `-${name}` : isDown ? name : DOWN_FIRST.has(name) ? `-${name}` : name;
  return (
    <span role="columnheader" aria-sort={isUp ? "ascending" : isDown ? "descending" : undefined} class={`c-${name}`}>
      <button type="button" class="sort" onClick={() => setParams({ sort: next === "name" ? null : next }, "push")}>
        {columnTitle(name)}
        <span aria-hidden="true">{isUp ? " ▲" : isDown ? " ▼" : ""}</span>
      </button>
    </span>
  );
}
