// The snippet that shows one chart in another page; only where the server allows such pages.
import { useState } from "preact/hooks";
import { me } from "../api/session";
import type { AgentDetail } from "../api/schema";
import { param } from "../lib/url";
import { texts } from "../texts";
import { CopyButton, Field } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { GROUPS } from "./charts";

export function EmbedDialog({ device, close }: { device: AgentDetail; close: () => void }) {
  const t = texts.value.embed;
  const [chart, setChart] = useState("cpu");
  const origins = me.value?.embed_origins ?? [];
  const query = new URLSearchParams({ m: chart, ...(param("from") && { from: param("from") }), ...(param("to") && { to: param("to") }) });
  const address = `${location.origin}/embed/agents/${device.id}/chart?${query}`;
  const snippet = `<iframe src="${address.replaceAll("&", "&amp;")}" width="640" height="260" title="${device.device_name.replace(/["<>&]/g, "")}"></iframe>`;
  return (
    <Dialog title={t.title} close={close}>
      {origins.length === 0 ? (
        <p>{t.notAllowed}</p>
      ) : (
        <>
          <Field label={t.chart}>
            {(id) => (
              <select id={id} value={chart} onChange={(event) => setChart(event.currentTarget.value)}>
                {GROUPS.map((group) => (
                  <option key={group.key} value={group.key}>
                    {texts.value.charts.titles[group.key]}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <pre class="snippet" tabIndex={0}>
            {snippet}
          </pre>
          <p class="help">{t.allowed(origins.join(", "))}</p>
          <footer>
            <CopyButton text={snippet} />
          </footer>
        </>
      )}
    </Dialog>
  );
}
