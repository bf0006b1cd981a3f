-- References to employees that become empty when the platform deletes the employee. They are checked by the next file.

-- references_to_employees --
ALTER TABLE agent_devices DROP CONSTRAINT agent_devices_created_by_fkey, ADD CONSTRAINT agent_devices_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_registration_tokens DROP CONSTRAINT agent_registration_tokens_created_by_fkey, ADD CONSTRAINT agent_registration_tokens_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_commands DROP CONSTRAINT agent_commands_requested_by_fkey, ADD CONSTRAINT agent_commands_requested_by_fkey
    FOREIGN KEY (requested_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_commands DROP CONSTRAINT agent_commands_approved_by_fkey, ADD CONSTRAINT agent_commands_approved_by_fkey
    FOREIGN KEY (approved_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_alerts DROP CONSTRAINT agent_alerts_created_by_fkey, ADD CONSTRAINT agent_alerts_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_alert_history DROP CONSTRAINT agent_alert_history_acknowledged_by_fkey, ADD CONSTRAINT agent_alert_history_acknowledged_by_fkey
    FOREIGN KEY (acknowledged_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_alert_history DROP CONSTRAINT agent_alert_history_resolved_by_fkey, ADD CONSTRAINT agent_alert_history_resolved_by_fkey
    FOREIGN KEY (resolved_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_maintenance_windows DROP CONSTRAINT agent_maintenance_windows_created_by_fkey, ADD CONSTRAINT agent_maintenance_windows_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_software_eol DROP CONSTRAINT agent_software_eol_created_by_fkey, ADD CONSTRAINT agent_software_eol_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE agent_software_eol DROP CONSTRAINT agent_software_eol_updated_by_fkey, ADD CONSTRAINT agent_software_eol_updated_by_fkey
    FOREIGN KEY (updated_by) REFERENCES employees (id) ON DELETE SET NULL NOT VALID;
