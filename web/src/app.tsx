// Which page an address has, and who may open it.
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { signedOut } from "./api/call";
import { may, me, meError, readMe } from "./api/session";
import type { Me } from "./api/pending";
import { matchPath, path, place, go } from "./lib/url";
import { texts, type Texts } from "./texts";
import { Shortcuts } from "./shell/shortcuts";
import { Shell } from "./shell/shell";
import { SignInForm, SignInPage } from "./shell/sign_in";
import { Dialog } from "./ui/dialog";
import { ErrorBox, NotFound, Skeleton } from "./ui/states";
import { FleetPage } from "./fleet/page";
import { OverviewPage } from "./fleet/overview";
import * as later from "./later/parts";
import { isLazy } from "./ui/lazy";

type Parts = Record<string, string>;
interface Route {
  pattern: string;
  page: ComponentType<{ parts: Parts }>;
  title: keyof Texts["nav"];
  needs?: keyof Me["permissions"];
}

// A fixed address comes before one with a parameter that it would fit.
const ROUTES: Route[] = [
  { pattern: "/dashboard", page: OverviewPage, title: "overview" },
  { pattern: "/dashboard/agents", page: FleetPage, title: "devices" },
  { pattern: "/dashboard/agents/alerts", page: later.AlertsPage, title: "alerts" },
  { pattern: "/dashboard/agents/:id", page: later.DevicePage, title: "devices" },
  { pattern: "/dashboard/commands", page: later.CommandsPage, title: "commands" },
  { pattern: "/dashboard/software", page: later.SoftwarePage, title: "software" },
  { pattern: "/dashboard/maintenance", page: later.MaintenancePage, title: "maintenance" },
  { pattern: "/admin/agents", page: later.ManagementPage, title: "management", needs: "manage_agents" },
  { pattern: "/admin/agents/alerts", page: later.RulesPage, title: "rules", needs: "edit_rules" },
  { pattern: "/admin/agents/alerts/:rule", page: later.RulePage, title: "rules", needs: "edit_rules" },
  { pattern: "/admin/agents/registration", page: later.RegistrationPage, title: "registration", needs: "register" },
  { pattern: "/admin/agents/gateways", page: later.GatewaysPage, title: "gateways", needs: "register" },
  { pattern: "/admin/agents/storage", page: later.StoragePage, title: "storage", needs: "see_storage" },
];

function find(given: string): [Route, Parts] | null {
  for (const route of ROUTES) {
    const parts = matchPath(route.pattern, given);
    if (parts) return !route.needs || may(route.needs) ? [route, parts] : null;
  }
  return null;
}

/** Begin to load the script of the page that the address names, before it is known who asks for it. */
export function loadPage(given: string): void {
  const route = ROUTES.find((one) => matchPath(one.pattern, given));
  const page = given.startsWith("/embed/") ? later.EmbedPage : route?.page;
  if (page && isLazy(page)) page.load().catch(() => undefined); // the page itself shows what failed
}

export function App() {
  const person = me.value;
  const here = path.value;
  if (here.startsWith("/embed/")) return <later.EmbedPage parts={{}} />;
  if (here.startsWith("/sign-in")) return <SignInPage />;
  if (person === undefined) return meError.value ? <Away /> : <Skeleton />;
  if (person === null) return <ToSignIn />;
  return (
    <>
      <Shell>
        <Page />
      </Shell>
      <Shortcuts />
      {signedOut.value && <SignInOver />}
    </>
  );
}

function Page() {
  const here = path.value;
  const found = here === "/" || here === "/admin" ? null : find(here);
  useEffect(() => {
    if (here === "/" || here === "/admin") go(here === "/" ? "/dashboard" : "/admin/agents", true);
  }, [here]);
  const title = found ? texts.value.nav[found[0].title] : texts.value.notFound.title;
  useEffect(() => {
    document.title = `${title} · ${texts.value.brand}`;
  }, [title]);
  if (!found) return <NotFound />;
  const [{ page: Content }, parts] = found;
  return <Content parts={parts} key={here} />;
}

/** The sign-in over a page whose session has ended; typed text stays, and the calls continue after it. */
function SignInOver() {
  const t = texts.value.signIn;
  return (
    <Dialog title={t.again} close={() => undefined}>
      <p>{t.againSentence}</p>
      <SignInForm />
    </Dialog>
  );
}

function ToSignIn() {
  useEffect(() => {
    const { path: here, query } = place.peek();
    const next = here + (query.size ? `?${query}` : "");
    go(next === "/" || next === "/dashboard" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(next)}`, true);
  }, []);
  return <Skeleton />;
}

function Away() {
  return (
    <main class="page narrow-page" id="content">
      <h1>{texts.value.brand}</h1>
      {meError.value && (
        <ErrorBox
          error={meError.value}
          retry={() => {
            meError.value = null;
            void readMe();
          }}
        />
      )}
    </main>
  );
}
