// The states that every page has besides its content: loading, empty, filtered empty, error, no permission.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../api/call";
import type { Resource } from "../lib/resource";
import { texts } from "../texts";

/** Show what a resource holds, or how it stands. An error over old data leaves the data there. */
export function Loaded<T>({ of, skeleton, children }: { of: Resource<T>; skeleton?: ComponentChildren; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {of.error && <ErrorBox error={of.error} retry={of.reload} />}
      {of.data !== undefined ? children(of.data) : !of.error && (skeleton ?? <Skeleton />)}
    </>
  );
}

/** Grey lines of the final size; they show after 150 ms, so that a quick answer doesn't blink. */
export function Skeleton({ lines = 6, label }: { lines?: number; label?: string }) {
  return (
    <div class="skeleton" role="status">
      <span class="unseen">{label ?? texts.value.loading}</span>
      {Array.from({ length: lines }, (_, index) => (
        <div class="line" key={index} />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="title">{title}</p>
      {children && <div class="next">{children}</div>}
    </div>
  );
}

/** What failed and what to do; a 429 or 503 counts down and tries again by itself. */
export function ErrorBox({ error, retry }: { error: ApiError; retry?: () => void }) {
  const t = texts.value.errors;
  const [left, setLeft] = useState(error.retryAfter ?? 0);
  useEffect(() => {
    if (!error.retryAfter || !retry) return undefined;
    const until = Date.now() + error.retryAfter * 1000;
    setLeft(error.retryAfter);
    const timer = setInterval(() => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      setLeft(Math.max(0, seconds));
      if (seconds <= 0) {
        clearInterval(timer);
        retry();
      }
    }, 1000);
    return () => clearInterval(timer);
  }, [error]);
  return (
    <div class="error-box" role="alert">
      <p>
        <strong>{t.title}</strong> {t.codes[error.code] ?? error.message ?? t.unknown} <code>{error.code}</code>
      </p>
      {retry && (
        <button type="button" class="small" onClick={retry}>
          {left > 0 ? t.retryIn(left) : t.retry}
        </button>
      )}
    </div>
  );
}

/** The page of an address that there isn't, or isn't for this person. */
export function NotFound() {
  const t = texts.value;
  return (
    <main class="page narrow-page" id="content" tabIndex={-1}>
      <h1>{t.notFound.title}</h1>
      <p>{t.notFound.sentence}</p>
      <p>
        <a href="/dashboard">{t.notFound.back}</a>
      </p>
    </main>
  );
}
