// Whether the shown data is live: a dot and a word.
import { live } from "../lib/live";
import { texts } from "../texts";

export function LiveDot() {
  const t = texts.value.liveStates;
  const state = live.value.state;
  return (
    <span class={`live-dot ${state}`} title={t[state].long}>
      <span class="dot" aria-hidden="true" />
      <span class="wide-only">{t[state].word}</span>
      <span class="unseen narrow-only">{t[state].word}</span>
    </span>
  );
}
