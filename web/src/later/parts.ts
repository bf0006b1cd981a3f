// Which parts load later, and from which file.
import type { ComponentType } from "preact";
import { loadLaterTexts } from "../texts";
import { lazy, type Lazy } from "../ui/lazy";

/** A part whose texts are in the second file of the language. */
const withTexts = <M>(part: Promise<M>) => Promise.all([part, loadLaterTexts()]).then(([loaded]) => loaded);

const administration = () => withTexts(import("./administration"));
const devices = () => import("./devices");
const rules = () => withTexts(import("./rules"));
const tabs = () => withTexts(import("./tabs"));
const work = () => import("./work");

interface PageProps {
  parts: Record<string, string>;
}

function page<M>(read: () => Promise<M>, choose: (of: M) => ComponentType<PageProps>): Lazy<PageProps> {
  return lazy<M, PageProps>(read, choose, "page");
}

export const GatewaysPage = page(administration, (of) => of.GatewaysPage);
export const ManagementPage = page(administration, (of) => of.ManagementPage);
export const RegistrationPage = page(administration, (of) => of.RegistrationPage);
export const StoragePage = page(administration, (of) => of.StoragePage);
export const RulesPage = page(rules, (of) => of.RulesPage);
export const RulePage = page(rules, (of) => of.RulePage);

export const DevicePage = page(devices, (of) => of.DevicePage);

export const AlertsPage = page(devices, (of) => of.AlertsPage);
export const EmbedPage = page(devices, (of) => of.EmbedPage);
export const CommandsPage = page(work, (of) => of.CommandsPage);
export const MaintenancePage = page(work, (of) => of.MaintenancePage);
export const SoftwarePage = page(work, (of) => of.SoftwarePage);
export const DeviceTab = lazy(tabs, (of) => of.DeviceTab, "part");
export const BulkCommand = lazy(work, (of) => of.BulkCommand, "dialog");
export const CommandDialog = lazy(work, (of) => of.CommandDialog, "dialog");
export const EmbedDialog = lazy(devices, (of) => of.EmbedDialog, "dialog");
export const WindowDialog = lazy(work, (of) => of.WindowDialog, "dialog");

/** Load the parts that are likely to be opened next, after the first page is shown. */
export function loadAhead(): void {
  const idle = window.requestIdleCallback ?? ((then: () => void) => setTimeout(then, 2000));
  idle(() => void devices().then(tabs).then(work).catch(() => undefined));
}
