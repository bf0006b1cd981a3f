-- Gateways: one token of a business whose uploads bring many hosts, and which device each host is.

-- agent_gateways --
-- `enrolment`: a new host waits for a person (confirm), or becomes a device when its name fits `host_pattern` (automatic).
CREATE TABLE agent_gateways (
    id uuid PRIMARY KEY,
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    service_location_id uuid REFERENCES service_locations (id) ON DELETE SET NULL,
    gateway_name text NOT NULL CHECK (length(gateway_name) BETWEEN 1 AND 255),
    token_hash text NOT NULL,
    enrolment text NOT NULL CHECK (enrolment IN ('confirm', 'automatic')),
    host_pattern text NOT NULL CHECK (length(host_pattern) BETWEEN 1 AND 255),
    max_hosts integer NOT NULL CHECK (max_hosts BETWEEN 1 AND 5000),
    metrics_interval_seconds integer NOT NULL CHECK (metrics_interval_seconds BETWEEN 1 AND 86400),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
)

-- gateways_by_business --
CREATE INDEX agent_gateways_by_business ON agent_gateways (business_id, created_at DESC, id DESC)

-- agent_gateway_hosts --
-- A host of a business and its device; an erasure of the device takes it along. Without a device it waits for a person; refused, its samples are left out.
-- All gateways of the business share it, so that a new gateway takes over the hosts of an old one.
CREATE TABLE agent_gateway_hosts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    gateway_id uuid NOT NULL REFERENCES agent_gateways (id) ON DELETE CASCADE,
    host text NOT NULL CHECK (length(host) BETWEEN 1 AND 255),
    agent_device_id uuid REFERENCES agent_devices (id) ON DELETE CASCADE,
    first_seen_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    refused_at timestamptz,
    UNIQUE (business_id, host),
    CHECK (refused_at IS NULL OR agent_device_id IS NULL)
)

-- gateway_hosts_by_gateway --
CREATE INDEX agent_gateway_hosts_by_gateway ON agent_gateway_hosts (gateway_id)

-- gateway_hosts_by_device --
-- The writer looks up whether a gateway may write for a device; a device is one host.
CREATE UNIQUE INDEX agent_gateway_hosts_by_device ON agent_gateway_hosts (agent_device_id)
