-- A device's life beyond its uploads: confirmed, silent, cloned, rotated, deactivated, decommissioned, deleted.

-- agent_devices_life --
-- `status` is what people see; `reported_status` what the device last said of itself, which counts again once it is
-- heard after a silence. The worker looks at a device when `status_due_at` has come: uploads don't move it (that would
-- write an index for each), the worker does, by when the device was last heard.
-- A new token leaves the old one in `previous_agent_token`: good until the new one has been used, and then until
-- `previous_token_until`. `boot_at` (time of a sample minus its uptime) and the boot before tell two devices with one
-- token: `boot_returns` counts how often a boot time came back within a day after another one (`boot_changed_at`), which
-- a single device's doesn't, but for a clock that is set wrong and right again.
ALTER TABLE agent_devices
    ADD COLUMN reported_status text NOT NULL DEFAULT 'online' CHECK (reported_status IN ('online', 'warning', 'error')),
    ADD COLUMN status_changed_at timestamptz,
    ADD COLUMN status_due_at timestamptz,
    ADD COLUMN enrolled_at timestamptz,
    ADD COLUMN previous_agent_token text UNIQUE CHECK (previous_agent_token ~ '^[0-9a-f]{64}$'),
    ADD COLUMN previous_token_until timestamptz,
    ADD COLUMN rotation_requested_at timestamptz,
    ADD COLUMN boot_at timestamptz,
    ADD COLUMN boot_before timestamptz,
    ADD COLUMN boot_changed_at timestamptz,
    ADD COLUMN boot_returns integer NOT NULL DEFAULT 0,
    ADD COLUMN clone_suspected_at timestamptz,
    ADD COLUMN decommissioned_at timestamptz,
    ADD COLUMN decommission_reason text CHECK (length(decommission_reason) <= 500),
    ADD COLUMN deleted_at timestamptz;
UPDATE agent_devices SET enrolled_at = last_heartbeat,
    status_due_at = CASE WHEN status IN ('online', 'warning', 'error')
                         THEN COALESCE(GREATEST(last_heartbeat, last_metrics_received), created_at) END;
CREATE INDEX agent_devices_status_due ON agent_devices (status_due_at) WHERE status_due_at IS NOT NULL;
-- Devices whose enrolment no heartbeat has confirmed; the worker reads it. No index may name a column that each upload
-- sets, not in its condition either: an update that touches one is written into every index.
CREATE INDEX agent_devices_unconfirmed ON agent_devices (created_at)
    WHERE enrolled_at IS NULL AND agent_token IS NOT NULL AND NOT soft_delete;

-- agent_presence --
-- One row: until when nobody at all was heard, though several businesses' devices were due. Silence counts from then
-- on: it was ours.
CREATE TABLE agent_presence (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    deaf_until timestamptz
);
INSERT INTO agent_presence DEFAULT VALUES;

-- agent_devices_listing --
-- A page of the list costs the same whatever filters it: each index holds the order of the list behind its filter.
-- Words are looked for in name and hostname, which a line's end keeps apart.
CREATE INDEX agent_devices_by_status ON agent_devices (status, device_name, id) WHERE NOT soft_delete;
CREATE INDEX agent_devices_by_business_status ON agent_devices (business_id, status, device_name, id)
    WHERE NOT soft_delete;
CREATE INDEX agent_devices_by_location ON agent_devices (service_location_id, device_name, id) WHERE NOT soft_delete;
CREATE INDEX agent_devices_by_location_status ON agent_devices (service_location_id, status, device_name, id)
    WHERE NOT soft_delete;
CREATE INDEX agent_devices_clones ON agent_devices (device_name, id)
    WHERE clone_suspected_at IS NOT NULL AND NOT soft_delete;
-- Not a partial index: the planner would not use its statistics, and take any text for a rare one.
CREATE INDEX agent_devices_by_text ON agent_devices
    USING gin ((device_name || E'\n' || COALESCE(hostname, '')) gin_trgm_ops);

-- agent_registration_tokens_for_device --
-- A token may be for a device that is there already: it gets a new token of its own and keeps its history.
ALTER TABLE agent_registration_tokens
    ADD COLUMN for_device_id uuid REFERENCES agent_devices (id) ON DELETE CASCADE;
-- Which token a device came with: it can be used again when the device was never heard.
CREATE INDEX agent_registration_tokens_by_device ON agent_registration_tokens (agent_device_id)
    WHERE agent_device_id IS NOT NULL;

-- agent_events --
-- What happened on a device or to it: told by its agent (`service_crashed`), or noticed here (`status_changed`).
CREATE TABLE agent_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    event_type text NOT NULL CHECK (length(event_type) BETWEEN 1 AND 100),
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX agent_events_by_device ON agent_events (agent_device_id, received_at DESC, id DESC);
CREATE INDEX agent_events_by_time ON agent_events (received_at);

-- agent_audit --
-- Who did what, when and from where. No foreign keys: the trail outlives what it is about.
CREATE TABLE agent_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('employee', 'user', 'agent', 'system')),
    actor_id uuid,
    source inet,
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    agent_device_id uuid,
    command_id uuid,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX agent_audit_by_device ON agent_audit (agent_device_id, id DESC);
CREATE INDEX agent_audit_by_command ON agent_audit (command_id, id) WHERE command_id IS NOT NULL;
