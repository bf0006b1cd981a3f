// The tabs below a device's charts: one file of script.
export { DeviceTab } from "../device/tabs";
