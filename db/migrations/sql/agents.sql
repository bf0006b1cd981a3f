-- Devices and what belongs to them: tokens, services, software, commands. Tables in the order of the contract.

-- agent_devices --
-- A row for each agent. `agent_token` is the SHA-256 of its token in hex; null means revoked.
-- `current_metrics` is its newest sample (by collected_at), kept here so that a list of devices reads one table.
-- Late data shows at once: until the rollups have been refreshed after `late_at`, its charts read raw samples from
-- `late_from` on, the oldest sample of its late uploads since `late_since`; `late_before` is that of the period before.
CREATE TABLE agent_devices (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    service_location_id uuid REFERENCES service_locations (id) ON DELETE SET NULL,
    agent_token text UNIQUE CHECK (agent_token ~ '^[0-9a-f]{64}$'),
    device_name text NOT NULL CHECK (length(device_name) BETWEEN 1 AND 255),
    device_type text CHECK (device_type IN ('desktop', 'server', 'laptop', 'vm')),
    os_type text CHECK (os_type IN ('windows', 'linux', 'macos')),
    os_version text CHECK (length(os_version) <= 255),
    os_architecture text CHECK (length(os_architecture) <= 64),
    hostname text CHECK (length(hostname) <= 255),
    agent_version text CHECK (length(agent_version) <= 64),
    agent_last_updated timestamptz,
    status text NOT NULL DEFAULT 'offline' CHECK (status IN ('online', 'warning', 'offline', 'error', 'disabled')),
    last_heartbeat timestamptz,
    last_metrics_received timestamptz,
    current_collected_at timestamptz,
    current_metrics jsonb,
    late_from timestamptz,
    late_at timestamptz,
    late_since timestamptz,
    late_before timestamptz,
    metrics_interval_seconds integer NOT NULL DEFAULT 300 CHECK (metrics_interval_seconds BETWEEN 1 AND 86400),
    config_changed_at timestamptz NOT NULL DEFAULT now(),
    cpu_model text CHECK (length(cpu_model) <= 255),
    total_memory_gb double precision CHECK (total_memory_gb >= 0),
    total_disk_gb double precision CHECK (total_disk_gb >= 0),
    ip_address inet,
    mac_address text CHECK (length(mac_address) <= 64),
    monitoring_enabled boolean NOT NULL DEFAULT true,
    alerts_enabled boolean NOT NULL DEFAULT true,
    auto_remediation_enabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES employees (id),
    is_active boolean NOT NULL DEFAULT true,
    soft_delete boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70); -- each upload updates its row: room on the page keeps that update out of the indexes
CREATE INDEX agent_devices_by_business ON agent_devices (business_id, device_name, id) WHERE NOT soft_delete;
CREATE INDEX agent_devices_by_name ON agent_devices (device_name, id) WHERE NOT soft_delete;

-- agent_registration_tokens --
-- One-use tokens for /register; only the SHA-256 is kept.
CREATE TABLE agent_registration_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    token_hash text NOT NULL UNIQUE CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    service_location_id uuid REFERENCES service_locations (id) ON DELETE SET NULL,
    device_name text NOT NULL CHECK (length(device_name) BETWEEN 1 AND 255),
    metrics_interval_seconds integer NOT NULL DEFAULT 300 CHECK (metrics_interval_seconds BETWEEN 1 AND 86400),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    agent_device_id uuid REFERENCES agent_devices (id) ON DELETE SET NULL,
    created_by uuid NOT NULL REFERENCES employees (id),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- agent_monitored_services --
-- The newest known state of each service of a device.
CREATE TABLE agent_monitored_services (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    service_name text NOT NULL CHECK (length(service_name) BETWEEN 1 AND 255),
    service_display_name text CHECK (length(service_display_name) <= 255),
    service_type text CHECK (length(service_type) <= 64),
    status text NOT NULL CHECK (status IN ('running', 'stopped', 'starting', 'error')),
    pid bigint CHECK (pid >= 0),
    should_be_running boolean NOT NULL DEFAULT true,
    auto_restart boolean NOT NULL DEFAULT false,
    last_checked timestamptz NOT NULL,
    last_state_change timestamptz NOT NULL,
    restart_count integer NOT NULL DEFAULT 0,
    UNIQUE (agent_device_id, service_name)
) WITH (fillfactor = 80);

-- agent_software_inventory --
-- What is installed on a device.
CREATE TABLE agent_software_inventory (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    software_name text NOT NULL CHECK (length(software_name) BETWEEN 1 AND 512),
    software_version text CHECK (length(software_version) <= 255),
    vendor text CHECK (length(vendor) <= 255),
    install_date date,
    software_type text NOT NULL DEFAULT 'application'
        CHECK (software_type IN ('application', 'system', 'driver', 'update')),
    is_security_software boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    last_seen timestamptz NOT NULL DEFAULT now(),
    is_latest_version boolean,
    latest_available_version text CHECK (length(latest_available_version) <= 255),
    is_eol boolean,
    eol_date date
);
CREATE INDEX agent_software_inventory_by_device ON agent_software_inventory (agent_device_id, software_name);

-- agent_commands --
-- Commands to a device: pending -> sent -> executing -> completed, failed or timeout.
CREATE TABLE agent_commands (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    command_type text NOT NULL CHECK (length(command_type) BETWEEN 1 AND 100),
    command_params jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'sent', 'executing', 'completed', 'failed', 'timeout')),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    timeout_seconds integer NOT NULL DEFAULT 300 CHECK (timeout_seconds > 0),
    exit_code integer,
    stdout text,
    stderr text,
    error_message text,
    requested_by uuid NOT NULL REFERENCES employees (id),
    approval_required boolean NOT NULL DEFAULT false,
    approved_by uuid REFERENCES employees (id),
    approved_at timestamptz
);
-- Read by every heartbeat: how many commands wait for this device.
CREATE INDEX agent_commands_pending ON agent_commands (agent_device_id, created_at) WHERE status = 'pending';
