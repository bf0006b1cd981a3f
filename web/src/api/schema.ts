// Written by web/make_types.py from the server's OpenAPI document: don't edit it by hand.

export type Acknowledgement = {
  note?: string | null;
};

export type ActiveHours = {
  days: Array<number>;
  from: string;
  to: string;
  time_zone: string;
};

export type AgentColumns = {
  columns: Array<string>;
  rows: Array<Array<unknown>>;
  next_cursor: string | null;
  as_of: string;
  total: number | null;
};

export type AgentConfig = {
  heartbeat_interval_seconds: number;
  metrics_interval_seconds: number;
  websocket_url: string;
};

export type AgentDetail = {
  id: string;
  device_name: string;
  device_type: string | null;
  business: Business;
  service_location: Location | null;
  status: "online" | "warning" | "offline" | "error" | "disabled";
  hostname: string | null;
  os_type: string | null;
  os_version: string | null;
  os_architecture: string | null;
  agent_version: string | null;
  agent_last_updated: string | null;
  last_heartbeat: string | null;
  last_metrics_received: string | null;
  cpu_model: string | null;
  total_memory_gb: number | null;
  total_disk_gb: number | null;
  ip_address: string | null;
  mac_address: string | null;
  monitoring_enabled: boolean;
  alerts_enabled: boolean;
  auto_remediation_enabled: boolean;
  metrics_interval_seconds: number;
  is_active: boolean;
  created_at: string;
  enrolled_at: string | null;
  status_changed_at: string | null;
  clone_suspected_at: string | null;
  clock_off_since?: string | null;
  clock_offset_seconds?: number | null;
  same_machine_as?: string | null;
  decommissioned_at: string | null;
  decommission_reason?: string | null;
  rotation_requested_at: string | null;
  token_state: "active" | "revoked";
  current_metrics: Record<string, unknown>;
  active_alerts: number;
  monitored_services: Array<MonitoredService>;
};

export type AgentEvent = {
  event_type: string;
  timestamp: string;
  data?: Record<string, unknown>;
};

export type AgentList = {
  agents: Array<ListedAgent>;
  next_cursor: string | null;
  as_of: string;
};

export type Alert = {
  id: string;
  rule_id: string;
  agent_id: string;
  device_name: string;
  business: Business;
  alert_name: string;
  alert_type: string;
  severity: "info" | "warning" | "critical";
  status: "active" | "acknowledged" | "resolved" | "auto_resolved";
  state: "pending" | "firing" | "recovering" | "no_data" | "error" | null;
  triggered_at: string;
  resolved_at: string | null;
  resolved_value: number | null;
  alert_message: string | null;
  metric_value: number | null;
  threshold_value: number | null;
  service_request_created: string | null;
  acknowledged_at: string | null;
  snoozed_until: string | null;
  acknowledged_by: string | null;
  acknowledged_by_name: string | null;
  resolved_by: string | null;
  resolved_by_name: string | null;
  resolution_notes: string | null;
  ticket_note: string | null;
  ticket_number: string | null;
  acknowledgement_note: string | null;
  metric: string | null;
  metrics: Array<string>;
  rule_kind: "metric" | "no_data" | "offline" | "service" | "change" | "forecast" | "baseline" | "series" | "series_change" | "series_forecast" | "series_baseline" | "all" | "any" | null;
  found_late: boolean;
  instance: string;
};

export type AlertHistory = {
  alerts: Array<Alert>;
  next_cursor: string | null;
  as_of: string;
};

export type AlertList = {
  alerts: Array<Alert>;
  next_cursor: string | null;
};

export type AlertPart = {
  id: string;
  rule_id: string;
  alert_name: string;
  severity: "info" | "warning" | "critical";
  status: string;
  start: string;
  end: string | null;
  metric: string | null;
  rule_kind: "metric" | "no_data" | "offline" | "service" | "change" | "forecast" | "baseline" | "series" | "series_change" | "series_forecast" | "series_baseline" | "all" | "any" | null;
  metrics: Array<string>;
  threshold: number | null;
  message: string | null;
};

export type AlertRule = {
  id: string;
  alert_name: string;
  alert_type: string;
  severity: "info" | "warning" | "critical";
  business_id: string | null;
  agent_device_id: string | null;
  service_location_id: string | null;
  device_type: "desktop" | "server" | "laptop" | "vm" | null;
  conditions: unknown;
  in_words: string | null;
  notification_enabled: boolean;
  notification_channels: unknown;
  notification_recipients: unknown;
  keep_firing_minutes: number;
  active_hours: unknown;
  is_shadow: boolean;
  ticket_enabled: boolean;
  description: string | null;
  is_active: boolean;
  open_alerts: number;
  last_triggered: string | null;
  trigger_count: number;
  error_message: string | null;
  error_at: string | null;
  created_at: string;
  updated_at: string;
  created_by: string | null;
  created_by_name: string | null;
};

export type AlertRuleChange = {
  alert_name?: string | null;
  alert_type?: string | null;
  severity?: "info" | "warning" | "critical" | null;
  business_id?: string | null;
  agent_device_id?: string | null;
  service_location_id?: string | null;
  device_type?: "desktop" | "server" | "laptop" | "vm" | null;
  conditions?: MetricCondition | NoDataCondition | OfflineCondition | ServiceCondition | ChangeCondition | ForecastCondition | BaselineCondition | SeriesCondition | SeriesChangeCondition | SeriesForecastCondition | SeriesBaselineCondition | AllOf | AnyOf | null;
  notification_enabled?: boolean | null;
  notification_channels?: Array<"webhook" | "email"> | null;
  notification_recipients?: Array<string> | null;
  keep_firing_minutes?: number | null;
  active_hours?: ActiveHours | null;
  is_shadow?: boolean | null;
  ticket_enabled?: boolean | null;
  description?: string | null;
};

export type AlertRuleList = {
  rules: Array<AlertRule>;
  next_cursor: string | null;
};

export type AlertTransition = {
  id: number;
  agent_id: string;
  device_name: string;
  instance: string;
  at: string;
  from_state: "inactive" | "pending" | "firing" | "recovering" | "no_data" | "error";
  to_state: "inactive" | "pending" | "firing" | "recovering" | "no_data" | "error";
  reason: string;
  value: number | null;
  threshold: number | null;
  is_shadow: boolean;
};

export type Alive = {
  status: "alive";
};

export type AllOf = {
  all: Array<MetricCondition | NoDataCondition | OfflineCondition | ServiceCondition | ChangeCondition | ForecastCondition | BaselineCondition | SeriesCondition | SeriesChangeCondition | SeriesForecastCondition | SeriesBaselineCondition | AllOf | AnyOf>;
};

export type AnyOf = {
  any: Array<MetricCondition | NoDataCondition | OfflineCondition | ServiceCondition | ChangeCondition | ForecastCondition | BaselineCondition | SeriesCondition | SeriesChangeCondition | SeriesForecastCondition | SeriesBaselineCondition | AllOf | AnyOf>;
};

export type AuditEntry = {
  id: number;
  at: string;
  actor_kind: "employee" | "user" | "agent" | "system" | "unknown";
  actor_id: string | null;
  actor_name: string | null;
  source: string | null;
  action: string;
  command_id: string | null;
  details: Record<string, unknown>;
};

export type AuditTrail = {
  entries: Array<AuditEntry>;
  next_before: number | null;
};

export type BacktestAnswer = {
  begin: string;
  end: string;
  step_minutes: number;
  level: string;
  devices: number;
  reach_devices: number;
  sampled: boolean;
  outcomes: Array<BacktestOutcome>;
  notes: Array<string>;
};

export type BacktestDevice = {
  agent_id: string;
  device_name: string;
  instance: string;
  alerts: number;
  tickets: number;
  first: string;
  last: string;
  firing_minutes: number;
  is_flapping: boolean;
};

export type BacktestOrder = {
  rule_id?: string | null;
  conditions?: MetricCondition | NoDataCondition | OfflineCondition | ServiceCondition | ChangeCondition | ForecastCondition | BaselineCondition | SeriesCondition | SeriesChangeCondition | SeriesForecastCondition | SeriesBaselineCondition | AllOf | AnyOf | null;
  business_id?: string | null;
  service_location_id?: string | null;
  agent_device_id?: string | null;
  device_type?: "desktop" | "server" | "laptop" | "vm" | null;
  keep_firing_minutes?: number;
  thresholds?: Array<number>;
  days?: number;
  sample_devices?: number | null;
};

export type BacktestOutcome = {
  threshold: number | null;
  in_words: string;
  alerts: number;
  tickets: number;
  devices: number;
  flapping: number;
  firing_minutes: number;
  worst: Array<BacktestDevice>;
  transitions: Array<BacktestTransition>;
};

export type BacktestTransition = {
  at: string;
  from_state: "inactive" | "pending" | "firing" | "recovering" | "no_data" | "error";
  to_state: "inactive" | "pending" | "firing" | "recovering" | "no_data" | "error";
  reason: string;
  value: number | null;
};

export type BaselineCondition = {
  metric: "cpu_percent" | "memory_used_gb" | "memory_percent" | "disk_used_gb" | "disk_percent" | "load_average_1m" | "load_average_5m" | "load_average_15m" | "uptime_seconds";
  deviations: number;
  floor: number;
  duration_minutes?: number;
};

export type Batch = {
  batch_id: string;
  commands: Array<Command>;
  not_created: Array<NotCreated>;
};

export type BatchChange = {
  changed: Array<string>;
  unchanged: Array<string>;
};

export type BatchOrder = {
  command_type: string;
  params?: Record<string, unknown>;
  timeout_seconds?: number;
  expires_in_hours?: number;
  approval_required?: boolean;
  agent_ids: Array<string>;
};

export type BulkOrder = {
  action: "acknowledge" | "snooze" | "resolve";
  ids: Array<string>;
  minutes?: number;
  note?: string | null;
};

export type BulkOutcome = {
  id: string;
  ok: boolean;
  code: string | null;
  alert: Alert | null;
};

export type BulkOutcomes = {
  outcomes: Array<BulkOutcome>;
};

export type Business = {
  id: string;
  business_name: string;
};

export type BusinessList = {
  businesses: Array<ListedBusiness>;
  next_cursor: string | null;
};

export type BusinessSummary = {
  id: string;
  business_name: string;
  devices: number;
  statuses: Statuses;
  open_alerts: OpenAlerts;
  oldest_unacknowledged_at: string | null;
};

export type Cancellation = {
  reason?: string | null;
};

export type ChangeCondition = {
  metric: "cpu_percent" | "memory_used_gb" | "memory_percent" | "disk_used_gb" | "disk_percent" | "load_average_1m" | "load_average_5m" | "load_average_15m" | "uptime_seconds";
  change_by: number;
  within_minutes?: number;
};

export type ChangeOrder = {
  plan: Record<string, unknown>;
  database: string;
  reason: string;
};

export type ChangeOrdered = {
  change_id: number;
  due_at: string;
  in_force: boolean;
};

export type ChangePage = {
  changes: Array<SoftwareChange>;
  next_cursor: string | null;
  inventory_since: string | null;
};

export type Command = {
  command_id: string;
  agent_id: string;
  device_name: string;
  batch_id: string | null;
  command_type: string;
  status: "pending" | "sent" | "executing" | "completed" | "failed" | "timeout" | "cancelled" | "expired";
  awaits_approval: boolean;
  approval_required: boolean;
  created_at: string;
  approved_at: string | null;
  sent_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  expires_at: string;
  cancel_requested_at: string | null;
  timeout_seconds: number;
  attempts: number;
  progress_percent: number | null;
  progress_message: string | null;
  exit_code: number | null;
  params: Record<string, unknown> | null;
  stdout: string | null;
  stderr: string | null;
  stdout_cut: boolean;
  stderr_cut: boolean;
  error_message: string | null;
  requested_by: string | null;
  requested_by_name: string | null;
  approved_by: string | null;
  approved_by_name: string | null;
};

export type CommandCatalog = {
  commands: Array<CommandInfo>;
  free_types?: boolean;
};

export type CommandInfo = {
  command_type: string;
  description: string;
  approval_required: boolean;
  dangerous: boolean;
  params: Array<CommandParameter>;
};

export type CommandList = {
  commands: Array<Command>;
  next_cursor: string | null;
};

export type CommandOrder = {
  command_type: string;
  params?: Record<string, unknown>;
  timeout_seconds?: number;
  expires_in_hours?: number;
  approval_required?: boolean;
};

export type CommandParameter = {
  name: string;
  type: "string" | "integer" | "boolean";
  required: boolean;
  description: string;
};

export type CommandPart = {
  command_id: string;
  command_type: string;
  status: string;
  created_at: string;
  completed_at: string | null;
};

export type CommandResult = {
  status: "completed" | "failed" | "timeout" | "cancelled";
  exit_code?: number | null;
  stdout?: string | null;
  stderr?: string | null;
  error_message?: string | null;
  started_at?: string | null;
  completed_at?: string | null;
};

export type Confirmation = {
  agent_id?: string | null;
  device_name?: string | null;
  replace_agent?: boolean;
};

export type Decommissioning = {
  reason: string;
};

export type Defaults = {
  created: Array<AlertRule>;
  existing: Array<AlertRule>;
};

export type DemoChoice = {
  key: string;
};

export type DemoLogin = {
  key: string;
  label: string;
  kind: "employee" | "customer";
  business_name: string | null;
};

export type DemoLogins = {
  logins: Array<DemoLogin>;
};

export type DeviceAnnotations = {
  start: string;
  end: string;
  as_of: string;
  statuses: Array<StatusPart>;
  gaps: Array<GapPart>;
  maintenance: Array<MaintenancePart>;
  alerts: Array<AlertPart>;
  commands: Array<CommandPart>;
  software: Array<SoftwarePart>;
  retention: Array<RetentionPart>;
  enrolled_at: string | null;
};

export type DeviceChanges = {
  device_name?: string | null;
  service_location_id?: string | null;
  device_type?: "desktop" | "server" | "laptop" | "vm" | null;
  metrics_interval_seconds?: number | null;
  monitoring_enabled?: boolean | null;
  alerts_enabled?: boolean | null;
  auto_remediation_enabled?: boolean | null;
  hostname?: string | null;
};

export type DeviceEvent = {
  id: number;
  event_type: string;
  occurred_at: string;
  received_at: string;
  data: Record<string, unknown>;
};

export type DeviceInfo = {
  hostname?: string | null;
  os_type?: "windows" | "linux" | "macos" | null;
  os_version?: string | null;
  os_architecture?: string | null;
  device_type?: "desktop" | "server" | "laptop" | "vm" | null;
  ip_address?: string | null;
  mac_address?: string | null;
  cpu_model?: string | null;
  total_memory_gb?: number | null;
  total_disk_gb?: number | null;
  agent_version?: string | null;
};

export type Disk = {
  name: string;
  type?: string | null;
  used_bytes?: number | null;
  size_bytes?: number | null;
  percent?: number | null;
  inodes_percent?: number | null;
  read_bytes?: number | null;
  write_bytes?: number | null;
  read_ms?: number | null;
  write_ms?: number | null;
};

export type DutyRun = {
  duty: string;
  last_run_at: string | null;
  last_seconds: number | null;
};

export type EntryNote = {
  index: number;
  field: string;
  code: string;
  message: string;
};

export type Envelope = {
  hostname?: unknown;
  os_version?: unknown;
  os_architecture?: unknown;
  ip_address?: unknown;
  mac_address?: unknown;
  metrics: Array<Sample>;
};

export type EolRule = {
  id: string;
  software_name: string;
  version_prefix: string;
  eol_date: string;
  latest_available_version: string | null;
  note: string | null;
  created_by: string | null;
  updated_by: string | null;
  created_by_name: string | null;
  updated_by_name: string | null;
  created_at: string;
  updated_at: string;
  applied_at: string | null;
};

export type EolRuleChange = {
  software_name?: string | null;
  version_prefix?: string | null;
  eol_date?: string | null;
  latest_available_version?: string | null;
  note?: string | null;
};

export type EolRuleList = {
  rules: Array<EolRule>;
  next_cursor: string | null;
};

export type Erasure = {
  erasure_id: number;
  kind: "device" | "business" | "person" | "orphans";
  subject_id: string | null;
  state: string;
  devices: number;
  reason: string;
  requested_at: string;
  requested_by: string;
  erased_at: string | null;
  proven_at: string | null;
  database: string;
  deleted: Record<string, number>;
  recount: Record<string, number>;
  sha256: string;
};

export type ErasureCounts = {
  rows: Record<string, number>;
  audit_rows: number;
};

export type ErasureOrder = {
  kind: "device" | "business" | "person";
  subject_id: string;
  reason: string;
  database: string;
};

export type ErasureRequested = {
  erasure_id: number;
};

export type ErasureSubject = {
  kind: "device" | "business" | "person";
  subject_id: string;
};

export type ErrorAnswer = {
  error: ErrorBody;
};

export type ErrorBody = {
  code: string;
  message: string;
  details: unknown;
};

export type EventList = {
  events: Array<DeviceEvent>;
  next_before: number | null;
};

export type EventReceipt = {
  kept?: boolean;
};

export type ForBusiness = {
  business_id: string;
};

export type ForecastCondition = {
  metric?: "cpu_percent" | "memory_used_gb" | "memory_percent" | "disk_used_gb" | "disk_percent" | "load_average_1m" | "load_average_5m" | "load_average_15m" | "uptime_seconds";
  reaches?: number;
  within_days: number;
};

export type FoundPage = {
  software: Array<FoundSoftware>;
  next_cursor: string | null;
};

export type FoundSoftware = {
  agent_id: string;
  device_name: string;
  business: Business;
  software_name: string;
  software_version: string | null;
  software_type: "application" | "system" | "driver" | "update";
  vendor: string | null;
  first_seen: string;
  last_seen: string;
  is_eol: boolean;
  eol_date: string | null;
};

export type FullAuditEntry = {
  id: number;
  at: string;
  actor_kind: "employee" | "user" | "agent" | "system" | "unknown";
  actor_id: string | null;
  actor_name: string | null;
  source: string | null;
  action: string;
  command_id: string | null;
  details: Record<string, unknown>;
  agent_id: string | null;
};

export type FullAuditTrail = {
  entries: Array<FullAuditEntry>;
  next_before: number | null;
};

export type GapPart = {
  start: string;
  end: string;
  reason: "offline" | "maintenance" | "deactivated" | "decommissioned" | "not_enrolled" | "outside_retention" | "may_come_late" | "late_data" | "monitoring_off";
  detail: string | null;
  message: string;
};

export type Gateway = {
  id: string;
  name: string;
  business: Business;
  service_location: Location | null;
  enrolment: "confirm" | "automatic";
  host_pattern: string;
  max_hosts: number;
  metrics_interval_seconds: number;
  may_read: boolean;
  hosts: number;
  waiting: number;
  created_at: string;
  revoked_at: string | null;
};

export type GatewayList = {
  gateways: Array<Gateway>;
  next_cursor: string | null;
};

export type GrowthDay = {
  day: string;
  bytes: number;
};

export type Health = {
  status: "ok";
  buffered_samples: number;
};

export type Heartbeat = {
  timestamp: string;
  status?: "online" | "warning" | "error";
  agent_version?: string | null;
  hostname?: string | null;
  os_version?: string | null;
  os_architecture?: string | null;
  ip_address?: string | null;
  mac_address?: string | null;
};

export type HeartbeatAnswer = {
  config_updated: boolean;
  config: AgentConfig;
  pending_commands: number;
  cancel_commands: Array<string>;
  rotate_token: boolean;
  clock_offset_seconds: number;
};

export type HistoryColumns = {
  agent_id: string;
  start: string;
  end: string;
  level: string;
  bucket_seconds: number;
  expected_interval_seconds: number;
  segments: Array<Segment>;
  units: Record<string, string>;
  warnings: Array<HistoryWarning>;
  timestamps: Array<number>;
  series: Record<string, Record<string, Array<number | null>>>;
  samples: Array<number>;
  coverage: Array<number>;
};

export type HistoryInstances = {
  agent_id: string;
  start: string;
  end: string;
  level: string;
  bucket_seconds: number;
  expected_interval_seconds: number;
  segments: Array<Segment>;
  units: Record<string, string>;
  warnings: Array<HistoryWarning>;
  instances: Array<SeriesLine>;
};

export type HistoryRows = {
  agent_id: string;
  start: string;
  end: string;
  level: string;
  bucket_seconds: number;
  expected_interval_seconds: number;
  segments: Array<Segment>;
  units: Record<string, string>;
  warnings: Array<HistoryWarning>;
  metrics: Array<Record<string, unknown>>;
};

export type HistoryWarning = {
  code: "outside_retention" | "coarser_than_asked";
  message: string;
};

export type HoldOrder = {
  kind: "device" | "business";
  subject_id: string;
  reason: string;
  ends_at?: string | null;
};

export type HoldPlaced = {
  hold_id: number;
};

export type Host = {
  id: string;
  host: string;
  state: "waiting" | "confirmed" | "refused";
  first_seen_at: string;
  confirmed_at: string | null;
  gateway_id: string;
  agent_id: string | null;
  device_name: string | null;
  same_name_agent_id: string | null;
};

export type HostList = {
  hosts: Array<Host>;
  next_cursor: string | null;
};

export type InstalledSoftware = {
  id: string;
  software_name: string;
  software_version: string | null;
  vendor: string | null;
  install_date: string | null;
  software_type: "application" | "system" | "driver" | "update";
  is_security_software: boolean;
  is_active: boolean;
  first_seen: string;
  last_seen: string;
  removed_at: string | null;
  is_latest_version: boolean | null;
  latest_available_version: string | null;
  is_eol: boolean;
  eol_date: string | null;
};

export type InstanceMetricInfo = {
  name: string;
  unit: string;
};

export type Interface = {
  name: string;
  rx_bytes?: number | null;
  tx_bytes?: number | null;
  rx_errors?: number | null;
  tx_errors?: number | null;
  rx_drops?: number | null;
  tx_drops?: number | null;
};

export type Inventory = {
  collected_at?: string | null;
  mode?: "full" | "delta";
  software?: Array<ListedSoftware>;
  removed?: Array<RemovedSoftware>;
};

export type IssuedToken = {
  id: string;
  state: "open" | "spent" | "expired" | "revoked";
  business: Business;
  service_location: Location | null;
  device_name: string;
  created_at: string;
  expires_at: string;
  spent_at: string | null;
  created_by_name: string | null;
  agent_id: string | null;
  hostname: string | null;
  os_type: string | null;
  first_heartbeat_at: string | null;
  first_sample_at: string | null;
};

export type IssuedTokenList = {
  tokens: Array<IssuedToken>;
  next_cursor: string | null;
};

export type LastAlertPass = {
  at: string | null;
  seconds: number | null;
  rules: number | null;
};

export type LeasedCommand = {
  command_id: string;
  command_type: string;
  params: Record<string, unknown>;
  timeout_seconds: number;
};

export type LeasedCommands = {
  commands: Array<LeasedCommand>;
  cancel_commands: Array<string>;
};

export type LegalHold = {
  hold_id: number;
  kind: "device" | "business";
  subject_id: string;
  subject: string;
  devices: number;
  reason: string;
  placed_at: string;
  placed_by: string;
  ends_at: string | null;
  released_at: string | null;
  released_by: string | null;
  error_message: string | null;
};

export type Limits = {
  live_devices: number;
};

export type ListedAgent = {
  id: string;
  device_name: string;
  business: Business;
  service_location: Location | null;
  status: "online" | "warning" | "offline" | "error" | "disabled";
  last_heartbeat: string | null;
  last_metrics_received: string | null;
  os_type: string | null;
  os_version: string | null;
  device_type: string | null;
  cpu_percent: number | null;
  memory_percent: number | null;
  disk_percent: number | null;
  hostname: string | null;
  ip_address: string | null;
  agent_version: string | null;
  open_alerts: number;
  worst_severity: "info" | "warning" | "critical" | null;
  created_at: string;
  status_changed_at: string | null;
  is_active: boolean;
  clone_suspected: boolean;
  decommissioned_at: string | null;
  metrics_interval_seconds: number;
};

export type ListedBusiness = {
  id: string;
  business_name: string;
  devices: number;
};

export type ListedService = {
  name: string;
  status: "error" | "running" | "starting" | "stopped";
  pid?: number | null;
};

export type ListedSoftware = {
  software_name: string;
  software_version?: string | null;
  vendor?: string | null;
  install_date?: string | null;
  software_type?: "application" | "system" | "driver" | "update";
  is_security_software?: boolean;
  is_latest_version?: boolean | null;
  latest_available_version?: string | null;
};

export type Location = {
  id: string;
  location_name: string | null;
};

export type MadeGateway = {
  gateway: Gateway;
  token: string;
};

export type MaintenancePart = {
  window_id: string;
  window_name: string;
  start: string;
  end: string;
};

export type MaintenanceWindow = {
  id: string;
  window_name: string;
  business_id: string | null;
  business_name: string | null;
  service_location_id: string | null;
  location_name: string | null;
  agent_device_id: string | null;
  device_name: string | null;
  starts_at: string | null;
  ends_at: string | null;
  weekdays: Array<number> | null;
  local_start: string | null;
  duration_minutes: number | null;
  time_zone: string | null;
  is_running: boolean;
  next_start: string | null;
  occurrences?: Array<Occurrence> | null;
  error_message: string | null;
  created_by: string | null;
  created_by_name: string | null;
  created_at: string;
};

export type MayRun = {
  go_on: boolean;
};

export type Me = {
  kind: "employee" | "customer";
  subject: string;
  name: string;
  role: string | null;
  employee_id: string | null;
  user_id: string | null;
  business: Business | null;
  expires_at: string;
  server_time: string;
  time_zone: string | null;
  permissions: Permissions;
  embed_origins: Array<string>;
  ticket_url: string | null;
  approval_above_devices: number;
  limits: Limits;
};

export type MergedInventory = {
  received: number;
  added: number;
  updated: number;
  removed: number;
  unchanged: number;
  duplicates: number;
  stale: boolean;
  rejected?: Array<RejectedEntry>;
  notes?: Array<EntryNote>;
};

export type MetricCatalog = {
  metrics: Array<MetricInfo>;
  with_instances: Array<InstanceMetricInfo>;
};

export type MetricCondition = {
  metric: "cpu_percent" | "memory_used_gb" | "memory_percent" | "disk_used_gb" | "disk_percent" | "load_average_1m" | "load_average_5m" | "load_average_15m" | "uptime_seconds";
  operator: ">" | ">=" | "<" | "<=";
  threshold: number;
  duration_minutes?: number;
  aggregate?: "all" | "avg" | "min" | "max" | "last" | "share";
  share_percent?: number | null;
  recovery_threshold?: number | null;
};

export type MetricInfo = {
  name: string;
  unit: string;
  kind: "gauge" | "counter";
  maximum: number;
  not_on: Array<string>;
  in_rules: boolean;
};

export type MonitoredService = {
  id: string;
  name: string;
  status: "running" | "stopped" | "starting" | "error";
  pid: number | null;
  should_be_running: boolean;
  auto_restart: boolean;
  last_checked: string;
  last_state_change: string;
  restart_count: number;
  state_changes: number;
  missing_since?: string | null;
};

export type Move = {
  business_id: string;
  service_location_id?: string | null;
};

export type NewAgentToken = {
  agent_token: string;
};

export type NewAlertRule = {
  alert_name: string;
  alert_type?: string | null;
  severity?: "info" | "warning" | "critical";
  business_id?: string | null;
  agent_device_id?: string | null;
  service_location_id?: string | null;
  device_type?: "desktop" | "server" | "laptop" | "vm" | null;
  conditions: MetricCondition | NoDataCondition | OfflineCondition | ServiceCondition | ChangeCondition | ForecastCondition | BaselineCondition | SeriesCondition | SeriesChangeCondition | SeriesForecastCondition | SeriesBaselineCondition | AllOf | AnyOf;
  notification_enabled?: boolean;
  notification_channels?: Array<"webhook" | "email"> | null;
  notification_recipients?: Array<string>;
  keep_firing_minutes?: number;
  active_hours?: ActiveHours | null;
  is_shadow?: boolean;
  ticket_enabled?: boolean;
  description?: string | null;
};

export type NewEolRule = {
  software_name: string;
  version_prefix?: string;
  eol_date: string;
  latest_available_version?: string | null;
  note?: string | null;
};

export type NewGateway = {
  business_id: string;
  name: string;
  service_location_id?: string | null;
  enrolment?: "confirm" | "automatic";
  host_pattern?: string;
  max_hosts?: number;
  metrics_interval_seconds?: number | null;
  may_read?: boolean;
};

export type NewRegistrationToken = {
  business_id: string;
  agent_id?: string | null;
  service_location_id?: string | null;
  device_name?: string | null;
  expires_in_hours?: number;
  metrics_interval_seconds?: number | null;
};

export type NewSession = {
  token?: string | null;
};

export type NewWindow = {
  window_name: string;
  business_id?: string | null;
  service_location_id?: string | null;
  agent_device_id?: string | null;
  starts_at?: string | null;
  ends_at?: string | null;
  weekdays?: Array<number> | null;
  local_start?: string | null;
  duration_minutes?: number | null;
  time_zone?: string | null;
};

export type NoDataCondition = {
  no_data_minutes: number;
};

export type NotCreated = {
  agent_id: string;
  code: "agent_not_found" | "agent_inactive" | "too_many_commands";
};

export type Note = {
  index: number;
  field: string;
  code: string;
  message: string;
};

export type Occurrence = {
  start: string;
  end: string;
};

export type OfflineCondition = {
  offline_minutes: number;
};

export type OpenAlerts = {
  critical: number;
  warning: number;
  info: number;
};

export type Permissions = {
  handle_alerts: boolean;
  order_commands: boolean;
  approve_commands: boolean;
  edit_rules: boolean;
  register: boolean;
  manage_agents: boolean;
  see_storage: boolean;
  keep_storage: boolean;
  maintenance: boolean;
};

export type PlaceZone = {
  time_zone: string | null;
  service_location_id?: string | null;
};

export type PlanOrder = {
  keep: Record<string, string>;
  large?: boolean;
};

export type Progress = {
  percent?: number | null;
  message?: string | null;
};

export type Ready = {
  status: "ready";
};

export type Receipt = {
  received: number;
  accepted: number;
  duplicates: number;
  rejected: Array<Rejection>;
  alerts_triggered?: Array<string>;
  notes?: Array<Note>;
  notes_left_out?: number;
};

export type Recorded = {
  recorded: boolean;
};

export type RegisteredAgent = {
  agent_id: string;
  agent_token: string;
  business_id: string;
  service_location_id: string | null;
  config: AgentConfig;
};

export type Registration = {
  hostname?: string | null;
  os_type?: "windows" | "linux" | "macos" | null;
  os_version?: string | null;
  os_architecture?: string | null;
  device_type?: "desktop" | "server" | "laptop" | "vm" | null;
  ip_address?: string | null;
  mac_address?: string | null;
  cpu_model?: string | null;
  total_memory_gb?: number | null;
  total_disk_gb?: number | null;
  agent_version?: string | null;
  token: string;
  system_info?: DeviceInfo | null;
};

export type RegistrationToken = {
  id: string;
  token: string;
  expires_at: string;
  install_command_linux: string;
  install_command_windows: string;
};

export type RejectedEntry = {
  index: number;
  code: string;
  message: string;
};

export type Rejection = {
  index: number;
  code: string;
  message: string;
};

export type RemovedSoftware = {
  software_name: string;
  software_version?: string | null;
  software_type?: "application" | "system" | "driver" | "update" | null;
};

export type Resolution = {
  notes?: string | null;
};

export type RetentionChange = {
  change_id: number;
  state: "waiting" | "applied" | "undone";
  requested_at: string;
  due_at: string;
  applied_at: string | null;
  undone_at: string | null;
  requested_by: string;
  undone_by: string | null;
  reason: string;
  before_days: Record<string, number>;
  after_days: Record<string, number>;
  planned_bytes: number;
  error_message: string | null;
};

export type RetentionLevel = {
  name: string;
  kept_days: number;
  bytes: number;
  growth_bytes_per_day: number | null;
  oldest_at: string | null;
  next_drop_at: string | null;
};

export type RetentionPart = {
  level: string;
  kept_from: string;
};

export type RetentionPlan = {
  plan: Record<string, unknown>;
  refused: boolean;
};

export type RetentionRecords = {
  name: string;
  what: string;
  kept_days: number;
  least_days: number;
  bytes: number;
  last_deleted_at: string | null;
  deleted_rows: number;
};

export type RetentionReport = {
  version: number;
  levels: Array<RetentionLevel>;
  records: Array<RetentionRecords>;
  max_sample_age_days: number;
  database_bytes: number;
  full_in_days: number | null;
  waiting: RetentionChange | null;
  holds: Array<LegalHold>;
  tenants: Array<TenantLevel>;
  drifts: Array<string>;
};

export type RuleChange = {
  at: string;
  actor_kind: "employee" | "user" | "agent" | "system" | "unknown";
  actor_id: string | null;
  actor_name: string | null;
  action: string;
  changed: Record<string, unknown>;
  before: Record<string, unknown>;
};

export type RuleTrail = {
  changes: Array<RuleChange>;
};

export type Sample = {
  collected_at: string;
  cpu_percent?: number | null;
  memory_used_gb?: number | null;
  memory_percent?: number | null;
  disk_used_gb?: number | null;
  disk_percent?: number | null;
  load_average?: Array<unknown> | null;
  uptime_seconds?: number | null;
  network_rx_bytes?: number | null;
  network_tx_bytes?: number | null;
  services?: Array<ListedService> | null;
  disks?: Array<Disk> | null;
  interfaces?: Array<Interface> | null;
  sensors?: Array<Sensor> | null;
  series?: Array<SeriesValue> | null;
};

export type SavedView = {
  id: string;
  name: string;
  page: "agents" | "alerts";
  query: string;
  shared: boolean;
  mine: boolean;
};

export type SavedViewList = {
  views: Array<SavedView>;
};

export type Segment = {
  level: string;
  start: string;
  end: string;
};

export type Sensor = {
  name: string;
  celsius?: number | null;
};

export type Series = {
  metric: string;
  instance: string;
  unit: string;
  kind: "gauge" | "counter";
  value: number | null;
  collected_at: string | null;
  since: string;
  gone_at: string | null;
};

export type SeriesBaselineCondition = {
  metric: string;
  instance: string | Array<string>;
  except_instances?: Array<string>;
  deviations: number;
  floor: number;
  duration_minutes?: number;
};

export type SeriesChangeCondition = {
  metric: string;
  instance: string | Array<string>;
  except_instances?: Array<string>;
  change_by: number;
  within_minutes?: number;
};

export type SeriesCondition = {
  metric: string;
  instance: string | Array<string>;
  except_instances?: Array<string>;
  operator: ">" | ">=" | "<" | "<=";
  threshold: number;
  duration_minutes?: number;
  aggregate?: "all" | "avg" | "min" | "max" | "last" | "share";
  share_percent?: number | null;
  recovery_threshold?: number | null;
};

export type SeriesForecastCondition = {
  metric: string;
  instance: string | Array<string>;
  except_instances?: Array<string>;
  reaches?: number;
  within_days: number;
};

export type SeriesLine = {
  metric: string;
  instance: string;
  unit: string;
  points?: Array<Record<string, unknown>> | null;
  timestamps?: Array<number> | null;
  avg?: Array<number | null> | null;
  min?: Array<number | null> | null;
  max?: Array<number | null> | null;
  samples?: Array<number> | null;
  coverage?: Array<number> | null;
};

export type SeriesList = {
  series: Array<Series>;
};

export type SeriesValue = {
  metric: string;
  value: number;
  instance?: string;
  unit?: string | null;
  kind?: "counter" | "gauge" | null;
};

export type Service = {
  id: string;
  name: string;
  status: "running" | "stopped" | "starting" | "error";
  pid: number | null;
  should_be_running: boolean;
  auto_restart: boolean;
  last_checked: string;
  last_state_change: string;
  restart_count: number;
  state_changes: number;
  missing_since?: string | null;
  service_display_name: string | null;
  service_type: string | null;
};

export type ServiceCondition = {
  service: string;
  duration_minutes?: number;
};

export type ServiceList = {
  services: Array<Service>;
};

export type ServiceSettings = {
  should_be_running?: boolean | null;
  auto_restart?: boolean | null;
  service_display_name?: string | null;
};

export type Site = {
  id: string;
  location_name: string | null;
  is_headquarters: boolean;
  devices: number;
};

export type SiteList = {
  locations: Array<Site>;
};

export type SiteSummary = {
  id: string | null;
  location_name: string | null;
  business_id: string;
  devices: number;
  statuses: Statuses;
  open_alerts: OpenAlerts;
};

export type Snooze = {
  minutes: number;
};

export type SoftwareChange = {
  at: string;
  change: "installed" | "removed" | "upgraded";
  software_name: string;
  software_version: string | null;
  from_version: string | null;
  software_type: "application" | "system" | "driver" | "update";
  vendor: string | null;
};

export type SoftwarePage = {
  software: Array<InstalledSoftware>;
  next_cursor: string | null;
  as_of: string;
  inventory_at: string | null;
};

export type SoftwarePart = {
  at: string;
  installed: number;
  removed: number;
  upgraded: number;
};

export type StatusPart = {
  status: "online" | "warning" | "offline" | "error" | "disabled";
  start: string;
  end: string;
  reason: string | null;
};

export type Statuses = {
  online: number;
  warning: number;
  offline: number;
  error: number;
  disabled: number;
};

export type StorageDatabase = {
  postgres: string;
  timescaledb: string | null;
  bytes: number;
  connections: number;
  connections_max: number;
  oldest_transaction_at: string | null;
  freeze_age: number;
};

export type StorageJob = {
  name: string;
  last_run_at: string | null;
  last_status: string | null;
  last_error?: string | null;
  next_run_at: string | null;
  runs: number | null;
  failures: number | null;
};

export type StorageLevel = {
  name: string;
  bytes: number;
  chunks: number;
  columnstore_chunks: number;
  chunk_seconds: number;
  oldest_at: string | null;
  newest_at: string | null;
  kept_seconds: number;
  next_drop_at: string | null;
  watermark_at: string | null;
  lag_seconds: number | null;
  allowed_lag_seconds: number | null;
  rows?: number | null;
  rows_per_day?: number | null;
};

export type StorageReport = {
  as_of: string;
  healthy: boolean;
  faults: Array<string>;
  levels: Array<StorageLevel>;
  series_levels: Array<StorageLevel>;
  growth: Array<GrowthDay>;
  full_at: string | null;
  database: StorageDatabase;
  jobs: Array<StorageJob>;
  worker: Array<DutyRun>;
  buffered_samples: number;
  buffered_samples_max: number;
  outboxes: Record<string, WaitingWork>;
  alert_pass: LastAlertPass;
  late_devices: number;
};

export type Summary = {
  as_of: string;
  devices: number;
  statuses: Statuses;
  silent_over_a_day: number;
  awaiting_approval: number;
  open_alerts: OpenAlerts;
  snoozed_alerts: number;
  businesses: Array<BusinessSummary>;
  sites: Array<SiteSummary>;
};

export type TenantAges = {
  business_id: string;
  keep: Record<string, string | null>;
};

export type TenantEffect = {
  business_id: string;
  business_name: string;
  devices: number;
  before_days: Record<string, number>;
  after_days: Record<string, number>;
  deleted_rows: Record<string, number>;
  effects: Array<string>;
  objections: Array<string>;
};

export type TenantLevel = {
  business_id: string;
  business_name: string;
  level: "raw" | "5m" | "1h" | "1d";
  kept_days: number | null;
  former_days: number | null;
  former_until: string | null;
  changed_at: string;
  changed_by: string;
  reason: string;
  deleted_until: string | null;
  deleted_rows: number;
};

export type TenantOrder = {
  business_id: string;
  keep: Record<string, string | null>;
  database: string;
  reason: string;
};

export type Top = {
  metric: string;
  top: Array<TopValue>;
};

export type TopValue = {
  agent_id: string;
  device_name: string;
  business_id: string;
  instance: string;
  unit: string;
  value: number;
  collected_at: string;
};

export type TransitionList = {
  transitions: Array<AlertTransition>;
  next_cursor: string | null;
};

export type UndoOrder = {
  database: string;
};

export type Undone = {
  message: string;
};

export type ViewOrder = {
  name: string;
  page: "agents" | "alerts";
  query: string;
  shared?: boolean;
};

export type WaitingWork = {
  waiting: number;
  failing: number;
  due_since: string | null;
};

export type WindowList = {
  windows: Array<MaintenanceWindow>;
  next_cursor: string | null;
};

export type ZoneList = {
  time_zones: Array<PlaceZone>;
};
