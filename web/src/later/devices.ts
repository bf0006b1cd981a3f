// A device and the alerts, with the charts: one file of script.
export { AlertsPage } from "../alerts/page";
export { EmbedPage } from "../device/embed";
export { EmbedDialog } from "../device/embed_dialog";
export { DevicePage } from "../device/page";
