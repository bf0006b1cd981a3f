-- Alert rules and what became of them.

-- agent_alerts --
-- Rules; `agent_device_id` null means all devices of the business.
CREATE TABLE agent_alerts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    alert_name text NOT NULL CHECK (length(alert_name) BETWEEN 1 AND 255),
    alert_type text NOT NULL CHECK (length(alert_type) BETWEEN 1 AND 100),
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    business_id uuid REFERENCES businesses (id) ON DELETE CASCADE,
    agent_device_id uuid REFERENCES agent_devices (id) ON DELETE CASCADE,
    conditions jsonb NOT NULL,
    notification_enabled boolean NOT NULL DEFAULT true,
    notification_channels jsonb NOT NULL DEFAULT '[]',
    notification_recipients jsonb NOT NULL DEFAULT '[]',
    is_active boolean NOT NULL DEFAULT true,
    last_triggered timestamptz,
    trigger_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES employees (id),
    soft_delete boolean NOT NULL DEFAULT false
);

-- agent_alert_history --
-- One row for each time a rule fired on a device.
CREATE TABLE agent_alert_history (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_alert_id uuid NOT NULL REFERENCES agent_alerts (id) ON DELETE CASCADE,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    triggered_at timestamptz NOT NULL,
    resolved_at timestamptz,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    alert_message text,
    metric_value double precision,
    threshold_value double precision,
    notification_sent boolean NOT NULL DEFAULT false,
    notification_sent_at timestamptz,
    service_request_created uuid REFERENCES service_requests (id) ON DELETE SET NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'acknowledged', 'resolved', 'auto_resolved')),
    acknowledged_by uuid REFERENCES employees (id),
    acknowledged_at timestamptz,
    resolution_notes text
);
-- At most one open alert for each rule and device: two evaluators can't both open one.
CREATE UNIQUE INDEX agent_alert_history_one_open ON agent_alert_history (agent_alert_id, agent_device_id)
    WHERE status IN ('active', 'acknowledged');
CREATE INDEX agent_alert_history_by_device ON agent_alert_history (agent_device_id, triggered_at DESC);
