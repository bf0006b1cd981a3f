// The device list: search, filters, views, order, columns, selection.
import { useEffect, useState } from "preact/hooks";
import { isEmployee, may } from "../api/session";
import { number } from "../lib/format";
import { pollTick } from "../lib/live";
import { isNarrow } from "../lib/settings";
import { param, place } from "../lib/url";
import { texts } from "../texts";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { VirtualRows } from "../ui/virtual";
import { columnsOf } from "./columns";
import { countFilters } from "./filter";
import { clearFilters, FilterBar } from "./filters";
import { ListHead } from "./head";
import { useListKeys } from "./keys";
import { isOutOfOrder, shown, sortAgain, watchOrder } from "./order";
import { Card, Row } from "./row";
import { SelectionBar } from "./selection_bar";
import { devices, fleet, loadFleet } from "./store";
import { ListTools } from "./tools";
import { followFleet, followVisible } from "./updates";
import { Views } from "./views";

const ROW = 34;
const CARD = 62;

export function FleetPage() {
  const [filtersOpen, openFilters] = useState(false);
  useEffect(followFleet, []);
  useEffect(watchOrder, []);
  useEffect(() => {
    void loadFleet();
  }, [pollTick.value]);
  const t = texts.value.fleet;
  const filters = countFilters(place.value.query);
  return (
    <main class="page fleet-page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.devices}</h1>
        <Counts />
        <span class="grow" />
        {isNarrow.value && (
          <button type="button" class="small" aria-expanded={filtersOpen} onClick={() => openFilters(!filtersOpen)}>
            {filters ? `${t.filters} (${filters})` : t.filters}
          </button>
        )}
        <ListTools />
      </div>
      {(!isNarrow.value || filtersOpen) && <Views />}
      {(!isNarrow.value || filtersOpen) && <FilterBar />}
      {fleet.value.error && <ErrorBox error={fleet.value.error} retry={() => void loadFleet()} />}
      <List />
      <SelectionBar />
    </main>
  );
}

function Counts() {
  const t = texts.value.fleet;
  const { loaded, total, isComplete } = fleet.value;
  const all = isComplete ? devices.size : (total ?? loaded);
  return (
    <p class="counts" role="status">
      {isComplete ? (shown.value.length === all ? t.all(number(all)) : t.shown(number(shown.value.length), number(all))) : !fleet.value.error && t.loading(number(loaded), all ? number(all) : "…")}
      {isOutOfOrder.value && (
        <>
          {" · "}
          <button type="button" class="plain small" onClick={sortAgain}>
            {t.sortAgain}
          </button>
        </>
      )}
    </p>
  );
}

function List() {
  const t = texts.value.fleet;
  const rows = shown.value;
  const columns = columnsOf(param("cols"));
  const withBox = may("order_commands") || may("maintenance");
  const active = useListKeys(rows, withBox);
  const narrow = isNarrow.value;
  if (!rows.length) return <Nothing />;
  const tracks = [...(withBox ? ["34px"] : []), "minmax(180px, 1.5fr)", ...columns.map((column) => column.width)].join(" ");
  return (
    <div class="list" style={{ "--tracks": tracks }}>
      <VirtualRows
        rows={rows}
        height={narrow ? CARD : ROW}
        label={texts.value.nav.devices}
        keyOf={(device) => device.id}
        head={narrow ? undefined : <ListHead columns={columns} withBox={withBox} />}
        focusAt={active}
        settled={(visible) => followVisible(visible.map((device) => device.id))}
        columns={narrow ? 1 : columns.length + 1 + (withBox ? 1 : 0)}
      >
        {(device, index) => (narrow ? <Card device={device} withBox={withBox} /> : <Row device={device} columns={columns} withBox={withBox} isActive={index === active} />)}
      </VirtualRows>
      <p class="unseen">{t.keys}</p>
    </div>
  );
}

function Nothing() {
  const t = texts.value.fleet;
  if (!fleet.value.isComplete) return fleet.value.error ? null : <Skeleton lines={14} label={t.loading("0", "…")} />;
  if (devices.size) {
    return (
      <Empty title={t.noneMatch(number(devices.size))}>
        <button type="button" onClick={clearFilters}>
          {texts.value.filters.clear}
        </button>
      </Empty>
    );
  }
  if (!isEmployee.value) return <Empty title={t.emptyCustomer} />;
  return (
    <Empty title={t.empty}>
      <a class="button primary" href="/admin/agents/registration">
        {t.emptyNext}
      </a>
    </Empty>
  );
}
