// Saved views: a name for filters, order and columns. Own ones, those shared by colleagues, and some that are always there.
import { useGet, ONCE } from "../lib/resource";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { SavedView } from "../api/pending";
import { go, place } from "../lib/url";
import { texts } from "../texts";
import { ActButton, Field } from "../ui/controls";
import { Dialog, Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Name } from "../ui/name";

const READY: Array<["all" | "serversOffline" | "alerts" | "busy", string]> = [
  ["all", ""],
  ["serversOffline", "status=offline&type=server,vm"],
  ["alerts", "alerts=open&sort=-alerts"],
  ["busy", "over=cpu:80&sort=-cpu"],
];

function hrefOf(query: string): string {
  return query ? `/dashboard/agents?${query}` : "/dashboard/agents";
}

/** The query without parts that are not of a view: the zone of times. */
function currentQuery(): string {
  const query = new URLSearchParams(place.value.query);
  query.delete("tz");
  query.delete("view");
  return query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

export function Views() {
  const t = texts.value.views;
  const [isSaving, setSaving] = useState(false);
  const saved = useGet<{ views: SavedView[] }>("/api/views", { page: "agents" }, ONCE);
  const current = currentQuery();
  const links: Array<[string, string, string]> = READY.map(([key, query]) => [key, t.ready[key], query]);
  for (const view of saved.data?.views ?? []) links.push([view.id, view.name, view.query]);
  return (
    <div class="views">
      <nav aria-label={t.label}>
        {links.map(([key, name, query]) => (
          <a key={key} href={hrefOf(query)} aria-current={query === current ? "true" : undefined}>
            <Name of={name} />
          </a>
        ))}
      </nav>
      <button type="button" class="plain small" onClick={() => setSaving(true)}>
        <Icon name="registration" size={12} /> {t.save}
      </button>
      {(saved.data?.views.some((view) => view.mine) ?? false) && <Remove views={saved.data!.views.filter((view) => view.mine)} done={saved.reload} />}
      {isSaving && (
        <SaveView
          query={current}
          close={(done) => {
            setSaving(false);
            if (done) saved.reload();
          }}
        />
      )}
    </div>
  );
}

function Remove({ views, done }: { views: SavedView[]; done: () => void }) {
  const t = texts.value.views;
  return (
    <Menu label="" icon="more" name={t.remove} class="quiet">
      {(close) => (
        <div class="menu-form">
          {views.map((view) => (
            <ActButton
              key={view.id}
              class="choice"
              act={async () => {
                await call("DELETE", `/api/views/${view.id}`);
                close();
                done();
              }}
            >
              {t.removeOne(view.name)}
            </ActButton>
          ))}
        </div>
      )}
    </Menu>
  );
}

function SaveView({ query, close }: { query: string; close: (done: boolean) => void }) {
  const t = texts.value.views;
  const [name, setName] = useState("");
  const [isShared, setShared] = useState(false);
  const save = async () => {
    await call("POST", "/api/views", { body: { name: name.trim(), page: "agents", query, shared: isShared } });
    close(true);
    go(hrefOf(query), true);
  };
  return (
    <Dialog title={t.save} close={() => close(false)}>
      <Field label={t.name}>{(id) => <input id={id} maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
      <label class="check">
        <input type="checkbox" checked={isShared} onChange={(event) => setShared(event.currentTarget.checked)} />
        <span>{t.shared}</span>
      </label>
      <footer>
        <ActButton class="primary" act={save} disabled={!name.trim()}>
          {texts.value.save}
        </ActButton>
      </footer>
    </Dialog>
  );
}
