-- Approval of commands, held by the database whatever code runs.

-- approval_is_signed --
-- An approval has its time and its employee, or the name of one who was deleted since. Older rows stay as they are.
ALTER TABLE agent_commands ADD CONSTRAINT agent_commands_approval_signed CHECK
    (CASE WHEN approved_at IS NULL THEN approved_by IS NULL
          ELSE approved_by IS NOT NULL OR approved_by_name IS NOT NULL END) NOT VALID;

-- agent_approval_stays --
-- The need for approval is never lowered, a command does not change hands, and whoever approves is named at that moment.
CREATE FUNCTION agent_approval_stays() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF OLD.approval_required AND NOT NEW.approval_required THEN
        RAISE EXCEPTION 'approval_required of a command is not lowered' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_at IS NULL AND NEW.approved_at IS NOT NULL AND NEW.approved_by IS NULL THEN
        RAISE EXCEPTION 'approved_at needs approved_by' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.requested_by IS DISTINCT FROM OLD.requested_by AND NEW.requested_by IS NOT NULL THEN
        RAISE EXCEPTION 'requested_by of a command does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approval_required AND OLD.approved_at IS NOT NULL AND (NEW.agent_device_id, NEW.command_type, NEW.command_params)
           IS DISTINCT FROM (OLD.agent_device_id, OLD.command_type, OLD.command_params) THEN
        RAISE EXCEPTION 'an approved command is not rewritten' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $body$;
CREATE TRIGGER agent_keeps_approval
    BEFORE UPDATE OF approval_required, approved_at, approved_by, requested_by, agent_device_id, command_type,
                     command_params ON agent_commands
    FOR EACH ROW EXECUTE FUNCTION agent_approval_stays();
