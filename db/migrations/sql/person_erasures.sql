-- Erasures of persons: their names and addresses in our tables.

-- agent_erasures --
ALTER TABLE agent_erasures DROP CONSTRAINT agent_erasures_subject_kind_check,
    ADD CONSTRAINT agent_erasures_subject_kind_check
    CHECK (subject_kind IN ('device', 'business', 'person', 'orphans'));
