// A device and the alerts, with the charts: one file of script.
export { AlertsPage } from "../alerts/page";
export { EmbedPage } from "../device/embed";
export { DevicePage } from "../device/page";
