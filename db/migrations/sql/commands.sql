-- Commands with approval, lease, progress, cancellation and expiry.

-- agent_commands_life --
-- pending -> sent (leased to the agent) -> executing -> completed, failed or timeout; or cancelled, or expired.
-- A command that awaits approval is pending with approved_at null: the constraint below lets it go nowhere but to
-- cancelled or expired, whatever code runs. `due_at` is when the worker must look at it: expiry while pending, the
-- lease's end while sent, the time-out while executing; null when it has ended.
ALTER TABLE agent_commands
    DROP CONSTRAINT agent_commands_status_check,
    ADD CONSTRAINT agent_commands_status_check CHECK (status IN
        ('pending', 'sent', 'executing', 'completed', 'failed', 'timeout', 'cancelled', 'expired')),
    ADD COLUMN batch_id uuid,
    ADD COLUMN expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    ADD COLUMN due_at timestamptz,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN answered_at timestamptz, -- when the agent sent its result: the first one counts
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN progress_percent real CHECK (progress_percent BETWEEN 0 AND 100),
    ADD COLUMN progress_message text CHECK (length(progress_message) <= 500),
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN stdout_cut boolean NOT NULL DEFAULT false,
    ADD COLUMN stderr_cut boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT agent_commands_approved CHECK
        (NOT approval_required OR approved_at IS NOT NULL OR status IN ('pending', 'cancelled', 'expired')),
    ADD CONSTRAINT agent_commands_second_employee CHECK (approved_by <> requested_by);
UPDATE agent_commands SET due_at = expires_at WHERE status IN ('pending', 'sent', 'executing');

-- agent_commands_due --
-- A row that the platform inserts itself gets its due time too.
CREATE FUNCTION agent_command_due() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.due_at := COALESCE(NEW.due_at, NEW.expires_at);
    RETURN NEW;
END $body$;
CREATE TRIGGER agent_command_due BEFORE INSERT ON agent_commands
    FOR EACH ROW WHEN (NEW.due_at IS NULL AND NEW.status = 'pending') EXECUTE FUNCTION agent_command_due();
CREATE INDEX agent_commands_due ON agent_commands (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX agent_commands_by_device ON agent_commands (agent_device_id, created_at DESC, id DESC);
CREATE INDEX agent_commands_changed ON agent_commands (agent_device_id, changed_at);
CREATE INDEX agent_commands_by_batch ON agent_commands (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX agent_commands_newest ON agent_commands (created_at DESC, id DESC);
