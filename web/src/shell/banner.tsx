// Messages about the page itself: not live, session ends soon, a new version of the pages.
import { signal, useSignalEffect } from "@preact/signals";
import { me } from "../api/session";
import { now } from "../lib/clock";
import { clock, duration, millis } from "../lib/format";
import { live, pollTick, reconnectNow } from "../lib/live";
import { texts } from "../texts";
import { isNewVersion } from "./version";

const WARN_MS = 5 * 60_000;
const SETTLE_MS = 1500; // a socket that is back within this time is not worth a word

/** Whether the channel has been away for long enough to say so. */
const away = signal(false);

export function LiveBanner() {
  useSignalEffect(() => {
    const state = live.value;
    if (state.state !== "away") away.value = false;
    else if (now.value - state.since > SETTLE_MS) away.value = true;
  });
  const t = texts.value.banner;
  const expires = millis(me.value?.expires_at);
  const left = expires - now.value;
  return (
    <div class="banners" aria-live="polite">
      {away.value && <Away />}
      {left > 0 && left < WARN_MS && <p class="banner info">{t.sessionEnds(duration(Math.ceil(left / 60_000) * 60))}</p>}
      {isNewVersion.value && (
        <p class="banner info">
          {t.newVersion}{" "}
          <button type="button" class="small" onClick={() => location.reload()}>
            {t.reload}
          </button>
        </p>
      )}
    </div>
  );
}

function Away() {
  const t = texts.value.banner;
  const { since, retryAt } = live.value;
  const wait = Math.max(0, Math.ceil((retryAt - now.value) / 1000));
  pollTick.value;
  return (
    <p class="banner warn">
      <span>{t.notLive(clock(since, true))}</span> <span aria-hidden="true">{wait > 0 ? t.tryingIn(wait) : t.trying}</span>{" "}
      <button type="button" class="small" onClick={reconnectNow}>
        {t.tryNow}
      </button>
    </p>
  );
}
