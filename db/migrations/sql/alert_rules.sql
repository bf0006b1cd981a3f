-- Alert rules' reach, the state of each rule on each device, every change of it, and what rules compare with.

-- agent_alerts_reach --
-- A rule is for one device, a site, a type of device, a business, or (business null) all. A shadow rule is evaluated and
-- recorded, and tells nobody. `active_hours` bounds when it may begin to fire: {"days", "from", "to", "time_zone"}.
ALTER TABLE agent_alerts
    ADD COLUMN service_location_id uuid REFERENCES service_locations (id) ON DELETE CASCADE,
    ADD COLUMN device_type text CHECK (device_type IN ('desktop', 'server', 'laptop', 'vm')),
    ADD COLUMN description text CHECK (length(description) <= 2000),
    ADD COLUMN is_shadow boolean NOT NULL DEFAULT false,
    ADD COLUMN ticket_enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN keep_firing_minutes double precision NOT NULL DEFAULT 5 CHECK (keep_firing_minutes BETWEEN 0 AND 1440),
    ADD COLUMN active_hours jsonb,
    ADD COLUMN error_message text,
    ADD COLUMN error_at timestamptz;
CREATE INDEX agent_alerts_active ON agent_alerts (id) WHERE is_active AND NOT soft_delete;
CREATE INDEX agent_alerts_by_business ON agent_alerts (business_id, alert_name) WHERE NOT soft_delete;

-- agent_alert_history_people --
ALTER TABLE agent_alert_history
    ADD COLUMN snoozed_until timestamptz,
    ADD COLUMN resolved_by uuid REFERENCES employees (id),
    ADD COLUMN ticket_note text CHECK (length(ticket_note) <= 1000);
-- What each upload's answer, a device's page and the list of open alerts ask for; small, whatever the history holds.
CREATE INDEX agent_alert_history_open ON agent_alert_history (agent_device_id) WHERE status IN ('active', 'acknowledged');

-- agent_alert_states --
-- Where a rule stands on a device; no row means inactive. At most one, by its key; `evaluated_at` only grows, so that an
-- evaluation of an earlier instant changes nothing.
CREATE TABLE agent_alert_states (
    agent_alert_id uuid NOT NULL REFERENCES agent_alerts (id) ON DELETE CASCADE,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('pending', 'firing', 'recovering', 'no_data')),
    since timestamptz NOT NULL,
    reason text NOT NULL,
    value double precision,
    history_id uuid REFERENCES agent_alert_history (id) ON DELETE SET NULL,
    evaluated_at timestamptz NOT NULL,
    PRIMARY KEY (agent_alert_id, agent_device_id)
) WITH (fillfactor = 80);
CREATE INDEX agent_alert_states_by_device ON agent_alert_states (agent_device_id, state);

-- agent_alert_transitions --
-- Every change of a state, for people who ask why.
CREATE TABLE agent_alert_transitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_alert_id uuid NOT NULL REFERENCES agent_alerts (id) ON DELETE CASCADE,
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    reason text NOT NULL,
    value double precision,
    threshold double precision,
    is_shadow boolean NOT NULL DEFAULT false
);
CREATE INDEX agent_alert_transitions_by_rule ON agent_alert_transitions (agent_alert_id, at DESC, id DESC);
CREATE INDEX agent_alert_transitions_by_device ON agent_alert_transitions (agent_device_id, at DESC, id DESC);

-- agent_alert_passes --
-- One row: when all rules were evaluated last, and what that took. A long gap means that we were away.
CREATE TABLE agent_alert_passes (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    at timestamptz,
    resumed_at timestamptz,
    seconds double precision,
    statements integer,
    rules integer,
    changed integer
);
INSERT INTO agent_alert_passes DEFAULT VALUES;

-- agent_maintenance_windows --
-- When nothing begins to fire: once (starts_at to ends_at), or each week on some days from a local time for a while.
CREATE TABLE agent_maintenance_windows (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    window_name text NOT NULL CHECK (length(window_name) BETWEEN 1 AND 255),
    business_id uuid REFERENCES businesses (id) ON DELETE CASCADE,
    service_location_id uuid REFERENCES service_locations (id) ON DELETE CASCADE,
    agent_device_id uuid REFERENCES agent_devices (id) ON DELETE CASCADE,
    starts_at timestamptz,
    ends_at timestamptz,
    weekdays smallint[] CHECK (weekdays <@ ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[] AND cardinality(weekdays) > 0),
    local_start time,
    duration_minutes integer CHECK (duration_minutes BETWEEN 1 AND 10080),
    time_zone text CHECK (length(time_zone) <= 64),
    created_by uuid NOT NULL REFERENCES employees (id),
    created_at timestamptz NOT NULL,
    CHECK ((weekdays IS NULL) = (starts_at IS NOT NULL AND ends_at > starts_at)),
    CHECK ((weekdays IS NULL) OR (local_start IS NOT NULL AND duration_minutes IS NOT NULL AND time_zone IS NOT NULL))
);
CREATE INDEX agent_maintenance_windows_by_business ON agent_maintenance_windows (business_id);

-- agent_baselines --
-- What is usual for a metric of a device at an hour of the week (0 is Monday 00:00 UTC): median and median distance.
CREATE TABLE agent_baselines (
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    metric text NOT NULL,
    hour_of_week smallint NOT NULL CHECK (hour_of_week BETWEEN 0 AND 167),
    median double precision NOT NULL,
    distance double precision NOT NULL,
    weeks integer NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (agent_device_id, metric, hour_of_week)
);

-- agent_forecasts --
-- How a metric of a device grows a day, by its daily maxima since the last big drop.
CREATE TABLE agent_forecasts (
    agent_device_id uuid NOT NULL REFERENCES agent_devices (id) ON DELETE CASCADE,
    metric text NOT NULL,
    newest double precision NOT NULL,
    slope_per_day double precision NOT NULL,
    days integer NOT NULL,
    since date NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (agent_device_id, metric)
);

-- agent_alert_tickets --
-- The outbox of tickets: one row for each incident, of one device or of a group (agent_device_id null). It is written
-- with the alert and worked off later, so that a ticket that fails never loses the alert. `incident_key` says what it is
-- about: `device:<rule>:<device>`, `rule:<rule>:<business>`, `site:<location>`. `seen_*` is how we left the ticket: if it
-- is so still, nobody has touched it; once somebody has (`was_touched`), it is never closed by itself.
CREATE TABLE agent_alert_tickets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    incident_key text NOT NULL CHECK (length(incident_key) BETWEEN 1 AND 200),
    agent_alert_id uuid NOT NULL REFERENCES agent_alerts (id) ON DELETE CASCADE,
    agent_device_id uuid REFERENCES agent_devices (id) ON DELETE CASCADE,
    business_id uuid NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    service_location_id uuid REFERENCES service_locations (id) ON DELETE SET NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 255),
    description text NOT NULL,
    wanted text NOT NULL CHECK (wanted IN ('open', 'closed')),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'open', 'closed', 'kept')),
    service_request_id uuid REFERENCES service_requests (id) ON DELETE SET NULL,
    seen_status_id uuid,
    seen_updated_at timestamptz,
    was_touched boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    opened_at timestamptz,
    closed_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    last_error text
);
-- At most one open incident for each rule and device, each rule's group in a business, and each site.
CREATE UNIQUE INDEX agent_alert_tickets_one_open ON agent_alert_tickets (incident_key) WHERE wanted = 'open';
CREATE INDEX agent_alert_tickets_by_key ON agent_alert_tickets (incident_key, created_at DESC);
CREATE INDEX agent_alert_tickets_due ON agent_alert_tickets (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX agent_alert_tickets_by_rule ON agent_alert_tickets (agent_alert_id, agent_device_id, closed_at DESC);
-- A deleted ticket or device finds what refers to it.
CREATE INDEX agent_alert_tickets_by_device ON agent_alert_tickets (agent_device_id) WHERE agent_device_id IS NOT NULL;
CREATE INDEX agent_alert_tickets_by_request ON agent_alert_tickets (service_request_id)
    WHERE service_request_id IS NOT NULL;
CREATE INDEX agent_alert_history_by_request ON agent_alert_history (service_request_created)
    WHERE service_request_created IS NOT NULL;

-- agent_alert_history_ticket --
ALTER TABLE agent_alert_history ADD COLUMN agent_alert_ticket_id uuid REFERENCES agent_alert_tickets (id) ON DELETE SET NULL;
CREATE INDEX agent_alert_history_by_ticket ON agent_alert_history (agent_alert_ticket_id)
    WHERE agent_alert_ticket_id IS NOT NULL;

-- agent_alert_notifications --
-- The outbox of notifications: one row for each alert, kind and recipient.
CREATE TABLE agent_alert_notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_alert_history_id uuid NOT NULL REFERENCES agent_alert_history (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('firing', 'resolved')),
    channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
    recipient text NOT NULL CHECK (length(recipient) BETWEEN 1 AND 2000),
    created_at timestamptz NOT NULL,
    due_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    last_error text,
    UNIQUE (agent_alert_history_id, kind, channel, recipient)
);
CREATE INDEX agent_alert_notifications_due ON agent_alert_notifications (due_at) WHERE due_at IS NOT NULL;

-- alert_beyond --
-- Whether a value is beyond a threshold: above when up, else below; being equal counts unless strict. Null is unknown.
CREATE FUNCTION alert_beyond(value double precision, is_up boolean, is_strict boolean, threshold double precision)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $body$
    SELECT CASE WHEN is_up THEN value > threshold ELSE value < threshold END OR (NOT is_strict AND value = threshold)
$body$;

-- alert_hour_of_week --
-- The hour of the week in UTC, 0 to 167; 0 is Monday from 00:00.
CREATE FUNCTION alert_hour_of_week(at timestamptz) RETURNS integer LANGUAGE sql STABLE AS $body$
    SELECT ((extract(isodow FROM at AT TIME ZONE 'UTC') - 1) * 24 + extract(hour FROM at AT TIME ZONE 'UTC'))::integer
$body$;

-- alert_pairs --
-- Conditions (JSON, as alerts/facts_of.py writes them) × the devices in their rule's reach: of one device, of a site, of a
-- type, of a business, or all. `now_value` is the newest value of the metric `newest_of`, for leaves that need it. Deactivated devices and those without monitoring or alerts are in no reach. A tenant, when
-- given, bounds all.
CREATE FUNCTION alert_pairs(leaves jsonb, tenant uuid)
RETURNS TABLE (
    rule_id uuid, leaf integer, device_id uuid, every interval, feature integer, is_up boolean, is_strict boolean,
    value_threshold double precision, last_threshold double precision, recovery double precision, by_value boolean,
    span interval, name text, deviations double precision, floor double precision, now_value double precision
) LANGUAGE sql STABLE ROWS 10000 AS $body$
    WITH leaf AS MATERIALIZED (
        SELECT *
        FROM jsonb_to_recordset(leaves) AS l (
            rule_id uuid, leaf integer, business_id uuid, service_location_id uuid, device_id uuid, device_type text,
            feature integer, is_up boolean, is_strict boolean, value_threshold double precision,
            last_threshold double precision, recovery double precision, by_value boolean, window_seconds double precision,
            name text, deviations double precision, floor double precision, newest_of text)
    ), device AS MATERIALIZED (
        SELECT d.id, d.business_id, d.service_location_id, d.device_type, d.current_metrics,
               d.metrics_interval_seconds * interval '1 second' AS every
        FROM agent_devices d
        WHERE d.is_active AND NOT d.soft_delete AND d.monitoring_enabled AND d.alerts_enabled
          AND (tenant IS NULL OR d.business_id = tenant)
    ), pair AS (
        SELECT l.*, d.id, d.every, d.service_location_id AS at_location, d.device_type AS of_type, d.current_metrics
        FROM leaf l JOIN device d ON d.id = l.device_id
        WHERE l.business_id IS NULL OR l.business_id = d.business_id
        UNION ALL
        SELECT l.*, d.id, d.every, d.service_location_id, d.device_type, d.current_metrics
        FROM leaf l JOIN device d ON d.business_id = l.business_id
        WHERE l.device_id IS NULL
        UNION ALL
        SELECT l.*, d.id, d.every, d.service_location_id, d.device_type, d.current_metrics
        FROM leaf l CROSS JOIN device d
        WHERE l.device_id IS NULL AND l.business_id IS NULL
    )
    SELECT p.rule_id, p.leaf, p.id, p.every, p.feature, p.is_up, p.is_strict, p.value_threshold, p.last_threshold,
           p.recovery, p.by_value, p.window_seconds * interval '1 second', p.name, p.deviations, p.floor,
           (p.current_metrics ->> p.newest_of)::double precision
    FROM pair p
    WHERE (p.service_location_id IS NULL OR p.service_location_id = p.at_location)
      AND (p.device_type IS NULL OR p.device_type = p.of_type)
$body$;
