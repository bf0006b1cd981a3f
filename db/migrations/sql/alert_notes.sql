-- A note with an acknowledgement, and the history of all alerts in the order of time.

-- acknowledgement_note --
ALTER TABLE agent_alert_history ADD COLUMN acknowledgement_note text CHECK (length(acknowledgement_note) <= 2000)

-- alert_history_by_time --
CREATE INDEX agent_alert_history_by_time ON agent_alert_history (triggered_at DESC, id DESC)
