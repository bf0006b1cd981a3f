// Sign-in: the platform's token, or the demo's buttons. As a page, and over a page whose session has ended.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/call";
import type { DemoLogin } from "../api/pending";
import { demoLogins, me, signInToDemo, signInWithToken } from "../api/session";
import { go, param } from "../lib/url";
import { texts } from "../texts";
import { ErrorBox } from "../ui/states";

export function SignInPage() {
  const t = texts.value.signIn;
  useEffect(() => {
    if (me.value) go(safe(param("next")), true);
  }, [me.value]);
  return (
    <main class="sign-in" id="content" tabIndex={-1}>
      <div class="card">
        <div class="brand-line">
          <img src="/favicon.svg" alt="" width="36" height="36" />
          <h1>{texts.value.brand}</h1>
        </div>
        <p>{t.sentence}</p>
        <SignInForm />
      </div>
    </main>
  );
}

/** Only an address of these pages is gone to after the sign-in. */
function safe(next: string): string {
  return /^\/(dashboard|admin)(\/|\?|$)/.test(next) ? next : "/dashboard";
}

export function SignInForm() {
  const t = texts.value.signIn;
  const [logins, setLogins] = useState<DemoLogin[]>();
  const [token, setToken] = useState("");
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    void demoLogins().then(setLogins);
  }, []);
  const run = (signIn: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    signIn().catch((fault: unknown) => setError(fault instanceof ApiError ? fault : new ApiError(0, "page_fault", String(fault)))).finally(() => setBusy(false));
  };
  return (
    <div class="sign-in-form">
      {error && <ErrorBox error={error} />}
      {logins && logins.length > 0 && <Demo logins={logins} busy={busy} choose={(key) => run(() => signInToDemo(key))} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(() => signInWithToken(token.trim()));
        }}
      >
        <label for="token">{t.token}</label>
        <input id="token" type="password" autocomplete="off" spellcheck={false} value={token} aria-describedby="token-help" onInput={(event) => setToken(event.currentTarget.value)} />
        <p class="help" id="token-help">
          {t.tokenHelp}
        </p>
        <button type="submit" class="primary" disabled={busy || !token.trim()}>
          {t.signIn}
        </button>
      </form>
    </div>
  );
}

function Demo({ logins, busy, choose }: { logins: DemoLogin[]; busy: boolean; choose: (key: string) => void }) {
  const t = texts.value.signIn;
  return (
    <section class="demo" aria-labelledby="demo-title">
      <h2 id="demo-title">{t.demo}</h2>
      <ul>
        {logins.map((login) => (
          <li key={login.key}>
            <button type="button" disabled={busy} onClick={() => choose(login.key)}>
              <strong>{login.kind === "employee" ? t.employee : login.business_name}</strong>
              <span>{login.label}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
