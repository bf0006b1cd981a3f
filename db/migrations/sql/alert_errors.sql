-- A rule that can't be understood any more shows in the state of its alerts.

-- agent_alert_states_error --
-- `error`: there is an alert, and its rule can't be evaluated.
ALTER TABLE agent_alert_states
    DROP CONSTRAINT agent_alert_states_state_check,
    ADD CONSTRAINT agent_alert_states_state_check
        CHECK (state IN ('pending', 'firing', 'recovering', 'no_data', 'error'));
