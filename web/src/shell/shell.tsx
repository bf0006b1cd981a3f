// What stands around every page: rail, top bar, banner of the live channel, messages.
import type { ComponentChildren } from "preact";
import { isEmployee, may } from "../api/session";
import { path } from "../lib/url";
import { texts, type Texts } from "../texts";
import { Icon } from "../ui/icons";
import { Toasts } from "../ui/toasts";
import { LiveBanner } from "./banner";
import { OpenAlertCount } from "./counts";
import { TopBar } from "./topbar";

interface Item {
  href: string;
  icon: string;
  key: keyof Texts["nav"];
  exact?: boolean;
}

const FOR_ALL: Item[] = [
  { href: "/dashboard", icon: "overview", key: "overview", exact: true },
  { href: "/dashboard/agents", icon: "devices", key: "devices" },
  { href: "/dashboard/agents/alerts", icon: "alerts", key: "alerts" },
  { href: "/dashboard/commands", icon: "commands", key: "commands" },
  { href: "/dashboard/software", icon: "software", key: "software" },
  { href: "/dashboard/maintenance", icon: "maintenance", key: "maintenance" },
];

function forEmployees(): Item[] {
  const items: Item[] = [];
  if (may("edit_rules")) items.push({ href: "/admin/agents/alerts", icon: "rules", key: "rules" });
  if (may("register")) items.push({ href: "/admin/agents/registration", icon: "registration", key: "registration" });
  if (may("register")) items.push({ href: "/admin/agents/gateways", icon: "gateways", key: "gateways" });
  if (may("manage_agents")) items.push({ href: "/admin/agents", icon: "agents", key: "management", exact: true });
  if (may("see_storage")) items.push({ href: "/admin/agents/storage", icon: "storage", key: "storage" });
  return items;
}

/** The item whose address is the longest beginning of the path. */
function currentOf(items: Item[]): string {
  const fits = items.filter((item) => (item.exact ? path.value === item.href : path.value === item.href || path.value.startsWith(`${item.href}/`)));
  return fits.sort((a, b) => b.href.length - a.href.length)[0]?.href ?? "";
}

function Links({ items, current }: { items: Item[]; current: string }) {
  return (
    <ul>
      {items.map((item) => (
        <li key={item.href}>
          <a href={item.href} aria-current={item.href === current ? "page" : undefined}>
            <Icon name={item.icon} size={18} />
            <span>{texts.value.nav[item.key]}</span>
            {item.key === "alerts" && <OpenAlertCount />}
          </a>
        </li>
      ))}
    </ul>
  );
}

export function Shell({ children }: { children: ComponentChildren }) {
  const admin = isEmployee.value ? forEmployees() : [];
  const current = currentOf([...FOR_ALL, ...admin]);
  const t = texts.value;
  return (
    <div class="shell">
      <a class="skip" href="#content">
        {t.skip}
      </a>
      <nav class="rail" aria-label={t.nav.label}>
        <a class="brand" href="/dashboard" aria-label={t.brand}>
          <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M5 18h5l3-8 5 14 3-9 2 3h4" />
          </svg>
          <span>{t.brand}</span>
        </a>
        <Links items={FOR_ALL} current={current} />
        {admin.length > 0 && <p class="group">{t.nav.admin}</p>}
        {admin.length > 0 && <Links items={admin} current={current} />}
      </nav>
      <div class="column">
        <TopBar />
        <LiveBanner />
        {children}
      </div>
      <BottomBar items={[...FOR_ALL, ...admin]} current={current} />
      <Toasts />
    </div>
  );
}

/** On a narrow screen: four pages at the bottom, the others behind "More". */
function BottomBar({ items, current }: { items: Item[]; current: string }) {
  const t = texts.value.nav;
  const first = items.slice(0, 4);
  const others = items.slice(4);
  return (
    <nav class="bottom-bar" aria-label={t.label}>
      <Links items={first} current={current} />
      <details key={path.value}>
        <summary>
          <Icon name="more" size={18} />
          <span>{t.more}</span>
        </summary>
        <Links items={others} current={current} />
      </details>
    </nav>
  );
}
