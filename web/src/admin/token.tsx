// A new registration token: the install command for each system, and the ladder from token to first sample.
import { useGet } from "../lib/resource";
import { useState } from "preact/hooks";
import type { NewToken, TokenRow } from "../api/pending";
import { now } from "../lib/clock";
import { millis } from "../lib/format";
import { texts } from "../texts";
import { CopyButton, When } from "../ui/controls";
import { Name } from "../ui/name";
import { Mark } from "../ui/status";

const POLL_SECONDS = 3;
const PATIENCE_MS = 120_000;

type System = "linux" | "windows";

function ownSystem(): System {
  return /Windows/.test(navigator.userAgent) ? "windows" : "linux";
}

export function TokenResult({ token }: { token: NewToken }) {
  const t = texts.value.registration;
  const [system, setSystem] = useState<System>(ownSystem());
  const [madeAt] = useState(now.peek());
  const state = useGet<TokenRow>(`/api/agents/registration-tokens/${token.id}`, {}, { every: POLL_SECONDS });
  const command = system === "linux" ? token.install_command_linux : token.install_command_windows;
  const isQuiet = now.value - madeAt > PATIENCE_MS && state.data?.first_heartbeat_at === null;
  return (
    <div class="token-result">
      <p class="token">
        <code>{token.token}</code> <CopyButton text={token.token} label={t.copyToken} />
      </p>
      <p class="faint">
        {t.once} {t.expires} <When time={token.expires_at} at />
      </p>
      <div class="segments" role="group" aria-label={t.system}>
        <button type="button" aria-pressed={system === "linux"} onClick={() => setSystem("linux")}>
          Linux / macOS
        </button>
        <button type="button" aria-pressed={system === "windows"} onClick={() => setSystem("windows")}>
          Windows
        </button>
      </div>
      <pre class="snippet" tabIndex={0} aria-label={t.command}>
        {command}
      </pre>
      <p>
        <CopyButton text={command} label={t.copyCommand} />
      </p>
      {state.data && <Ladder row={state.data} />}
      {isQuiet && (
        <div class="banner info">
          <p>{t.nothingYet}</p>
          <ol>
            {t.checks.map((check) => (
              <li key={check}>{check}</li>
            ))}
          </ol>
        </div>
      )}
    </div>
  );
}

/** Token made → spent → first heartbeat → first sample, each with its time. */
export function Ladder({ row }: { row: TokenRow }) {
  const t = texts.value.registration;
  const steps: Array<[string, string | null, string]> = [
    [t.steps.made, row.created_at, ""],
    [t.steps.spent, row.spent_at, [row.hostname, row.os_type].filter(Boolean).join(", ")],
    [t.steps.heartbeat, row.first_heartbeat_at, ""],
    [t.steps.sample, row.first_sample_at, ""],
  ];
  const reached = steps.findLastIndex(([, at]) => at !== null && !Number.isNaN(millis(at)));
  return (
    <ol class="ladder" aria-label={t.ladder} aria-live="polite">
      {steps.map(([name, at, more], index) => (
        <li key={name} class={at ? "done" : index === reached + 1 && row.state === "open" ? "next" : ""}>
          <Mark kind={at ? "online" : "disabled"} stale={!at} label={at ? t.done : t.waiting} />
          <span>
            {name} {more && <Name class="faint" of={more} />}
          </span>
          <span class="faint">{at && <When time={at} />}</span>
        </li>
      ))}
      {row.agent_id && row.spent_at && (
        <li class="end">
          <a href={`/dashboard/agents/${row.agent_id}`}>{t.toDevice}</a>
        </li>
      )}
    </ol>
  );
}
