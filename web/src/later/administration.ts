// Agents, their registration, and storage: one file of script.
export { GatewaysPage } from "../admin/gateways";
export { ManagementPage } from "../admin/management";
export { RegistrationPage } from "../admin/registration";
export { StoragePage } from "../admin/storage";
