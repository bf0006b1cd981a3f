-- Every upload updates its device's row: what that costs beside the row itself.

-- room_for_updates --
-- Without room in its page, one update in eight went to another page and wrote every index anew. Pages that are there
-- already get room as their rows move.
ALTER TABLE agent_devices SET (fillfactor = 60);

-- tokens_by_length --
-- A check runs at each update, whatever it changes: the two patterns were a fifth of an update. Both columns are only
-- written with SHA-256 in hex.
ALTER TABLE agent_devices
    DROP CONSTRAINT agent_devices_agent_token_check,
    DROP CONSTRAINT agent_devices_previous_agent_token_check,
    ADD CONSTRAINT agent_devices_agent_token_check CHECK (length(agent_token) = 64) NOT VALID,
    ADD CONSTRAINT agent_devices_previous_agent_token_check CHECK (length(previous_agent_token) = 64) NOT VALID
