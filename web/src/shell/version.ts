// Whether the server has a newer build of the pages than this tab: offered quietly, never loaded by itself.
import { signal } from "@preact/signals";

export const isNewVersion = signal(false);

const CHECK_MS = 5 * 60_000;
const own = document.querySelector<HTMLScriptElement>("script[type=module][src]")?.getAttribute("src") ?? "";

/** Ask for the page again and compare the name of its script, which holds its hash. */
export async function checkVersion(): Promise<void> {
  try {
    const response = await fetch("/dashboard", { headers: { Accept: "text/html" }, cache: "no-cache" });
    const script = /<script type="module"[^>]* src="([^"]+)"/.exec(await response.text())?.[1];
    if (response.ok && script && script !== own) isNewVersion.value = true;
  } catch {
    // Not reachable: the banner of the live channel shows it.
  }
}

setInterval(() => {
  if (!document.hidden && !isNewVersion.peek()) void checkVersion();
}, CHECK_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void checkVersion();
});
