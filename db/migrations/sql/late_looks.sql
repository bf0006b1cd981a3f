-- Late samples that alert rules have been held against.

-- agent_alert_late_looks --
-- The newest late upload of a device (agent_devices.late_at) whose samples have been looked at; no row: none yet.
CREATE TABLE agent_alert_late_looks (
    agent_device_id uuid PRIMARY KEY REFERENCES agent_devices (id) ON DELETE CASCADE,
    looked_at timestamptz NOT NULL
);
