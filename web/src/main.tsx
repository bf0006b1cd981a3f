// The beginning: who is signed in, then the page that the URL names.
import { render } from "preact";
import { App, loadPage } from "./app";
import { me, readMe, takeTokenFromAddress } from "./api/session";
import { loadFirstScreen } from "./fleet/store";
import { loadAhead } from "./later/parts";
import { loadTexts } from "./texts";
import { followLinks } from "./lib/url";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/print.css";

document.addEventListener("click", followLinks);
loadPage(location.pathname);
if (location.pathname === "/dashboard/agents" && !location.hash) loadFirstScreen();
void (async () => {
  try {
    if (await takeTokenFromAddress()) return;
  } catch {
    // A bad token in the address: the sign-in page shows.
  }
  if (location.pathname === "/sign-in") me.value = null;
  else await readMe();
})();
void loadTexts().then(() => render(<App />, document.getElementById("app")!));
addEventListener("load", loadAhead, { once: true });
