// Types of the answers as docs/api.md promises them to the pages.
import type { Alert, Business, Location, RegistrationToken } from "./schema";

export type Status = "online" | "warning" | "offline" | "error" | "disabled";
export type Severity = "info" | "warning" | "critical";
export type ByStatus = Record<Status, number>;
export type BySeverity = Record<Severity, number>;

export interface Me {
  kind: "employee" | "customer";
  subject: string;
  name: string;
  role: string | null;
  employee_id: string | null;
  user_id: string | null;
  business: Business | null;
  expires_at: string;
  server_time: string;
  permissions: Record<"handle_alerts" | "order_commands" | "approve_commands" | "edit_rules" | "register" | "manage_agents" | "see_storage" | "keep_storage" | "maintenance", boolean>;
  embed_origins: string[];
  ticket_url: string | null;
  approval_above_devices: number;
}

export interface DemoLogin {
  key: string;
  label: string;
  kind: "employee" | "customer";
  business_name: string | null;
}

export interface DeviceColumns {
  columns: string[];
  rows: unknown[][];
  next_cursor: string | null;
  as_of: string;
  total: number | null;
}

export interface BusinessRow {
  id: string;
  business_name: string;
  devices: number;
}

export interface SiteRow {
  id: string;
  location_name: string | null;
  is_headquarters: boolean;
  devices: number;
}

export interface Counted {
  devices: number;
  statuses: ByStatus;
  open_alerts: BySeverity;
}

export interface Summary extends Counted {
  as_of: string;
  silent_over_a_day: number;
  awaiting_approval: number;
  snoozed_alerts: number;
  businesses: Array<Counted & { id: string; business_name: string; oldest_unacknowledged_at: string | null }>;
  sites: Array<Counted & { id: string | null; location_name: string | null; business_id: string }>;
}

export interface AlertPage {
  alerts: Alert[];
  next_cursor: string | null;
  as_of?: string;
}

export interface TokenRow {
  id: string;
  state: "open" | "spent" | "expired" | "revoked";
  business: Business;
  service_location: Location | null;
  device_name: string | null;
  created_at: string;
  expires_at: string;
  spent_at: string | null;
  created_by_name: string | null;
  agent_id: string | null;
  hostname: string | null;
  os_type: string | null;
  first_heartbeat_at: string | null;
  first_sample_at: string | null;
}

export type NewToken = RegistrationToken & { id: string };

export interface MetricInfo {
  name: string;
  unit: string;
  kind: "gauge" | "counter";
  maximum: number;
  not_on: string[];
  in_rules: boolean;
}

export interface CommandInfo {
  command_type: string;
  description: string;
  approval_required: boolean;
  dangerous: boolean;
  params: Array<{ name: string; type: "string" | "integer" | "boolean"; required: boolean; description: string }>;
  known_by: string | null;
}

export interface StorageReport {
  as_of: string;
  healthy: boolean;
  faults: string[];
  levels: Array<{
    name: string;
    bytes: number;
    rows: number | null;
    rows_per_day: number | null;
    oldest_at: string | null;
    newest_at: string | null;
    chunks: number;
    columnstore_chunks: number;
    chunk_seconds: number;
    kept_seconds: number | null;
    next_drop_at: string | null;
    watermark_at: string | null;
    lag_seconds: number | null;
    allowed_lag_seconds: number | null;
  }>;
  series_levels: StorageReport["levels"];
  growth: Array<{ day: string; bytes: number }>;
  full_at: string | null;
  database: { postgres: string; timescaledb: string | null; bytes: number; connections: number; connections_max: number; oldest_transaction_at: string | null; freeze_age: number };
  jobs: Array<{ name: string; last_run_at: string | null; last_status: string | null; last_error: string | null; next_run_at: string | null; runs: number | null; failures: number | null }>;
  worker: Array<{ duty: string; last_run_at: string | null; last_seconds: number | null }>;
  buffered_samples: number;
  buffered_samples_max: number;
  outboxes: Record<"tickets" | "notifications", { waiting: number; failing: number; due_since: string | null }>;
  alert_pass: { at: string | null; seconds: number | null; rules: number | null };
  late_devices: number;
}

export interface SavedView {
  id: string;
  name: string;
  page: string;
  query: string;
  shared: boolean;
  mine: boolean;
  created_by_name: string | null;
}
