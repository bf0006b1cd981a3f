// Commands, maintenance, software, and the dialogs of other pages: one file of script.
export { BulkCommand } from "../commands/bulk";
export { CommandDialog } from "../commands/dialog";
export { CommandsPage } from "../commands/page";
export { SoftwarePage } from "../fleet/software";
export { WindowDialog } from "../maintenance/dialog";
export { MaintenancePage } from "../maintenance/page";
