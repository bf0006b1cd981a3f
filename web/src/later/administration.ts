// Agents, their registration, and storage: one file of script.
export { ManagementPage } from "../admin/management";
export { RegistrationPage } from "../admin/registration";
export { StoragePage } from "../admin/storage";
