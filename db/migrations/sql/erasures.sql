-- Erasure of devices and businesses, and the log of backups, restores and drills.

-- agent_erasures --
-- What is to be erased, and the certificate of what was. `waiting`: the devices are refused, nothing is deleted yet;
-- `erased`: everything is deleted; `proven`: a later count found nothing. `deleted` and `recount` are rows by table.
-- No foreign key: the row outlives what it erased.
CREATE TABLE agent_erasures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind text NOT NULL CHECK (subject_kind IN ('device', 'business', 'orphans')),
    subject_id uuid,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    requested_at timestamptz NOT NULL,
    requested_by text NOT NULL CHECK (length(requested_by) BETWEEN 1 AND 200),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'erased', 'proven', 'cancelled')),
    devices integer NOT NULL DEFAULT 0 CHECK (devices >= 0),
    deleted jsonb NOT NULL DEFAULT '{}',
    recount jsonb,
    erased_at timestamptz,
    proven_at timestamptz,
    CHECK ((subject_id IS NULL) = (subject_kind = 'orphans'))
);
CREATE UNIQUE INDEX agent_erasures_one_waiting ON agent_erasures (subject_kind, subject_id) WHERE state = 'waiting';
CREATE INDEX agent_erasures_open ON agent_erasures (state) WHERE state IN ('waiting', 'erased');

-- agent_erasure_devices --
-- Whose measurements an erasure deletes; the rows go when it is proven. `from_at` and `until_at` limit it to the time in
-- which a device belonged to the business; null for all of it.
CREATE TABLE agent_erasure_devices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erasure_id bigint NOT NULL REFERENCES agent_erasures (id) ON DELETE CASCADE,
    agent_device_id uuid NOT NULL,
    from_at timestamptz,
    until_at timestamptz,
    series_ids integer[] NOT NULL DEFAULT '{}',
    erased_at timestamptz,
    CHECK ((from_at IS NULL) = (until_at IS NULL))
);
CREATE UNIQUE INDEX agent_erasure_devices_each ON agent_erasure_devices (erasure_id, agent_device_id, from_at)
    NULLS NOT DISTINCT;

-- agent_backup_log --
-- Backups, restores and restore drills of this database, as the commands report them. Sizes in bytes.
CREATE TABLE agent_backup_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('backup', 'restore', 'drill')),
    at timestamptz NOT NULL,
    seconds double precision NOT NULL CHECK (seconds >= 0),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    is_good boolean NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX agent_backup_log_newest ON agent_backup_log (kind, at DESC);
