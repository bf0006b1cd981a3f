-- Storage policies as the database has them, and the chunks that they leave.

-- list_policies --
-- Each policy of our relations with its values; intervals are null where a policy has none. `invalid` names the values
-- that are no length of time, or one beyond a thousand years. The refresh job of a rollup that was dropped is left out.
SELECT j.relation, j.job_id, j.kind, j.scheduled, v.drop_after, v.compress_after, v.start_offset, v.end_offset, v.invalid,
       LEAST(j.every, interval '365000 days') AS every
FROM agent_storage_jobs() j
CROSS JOIN LATERAL (
    SELECT max(p.value) FILTER (WHERE p.name = 'drop_after') AS drop_after,
           max(p.value) FILTER (WHERE p.name = 'compress_after') AS compress_after,
           max(p.value) FILTER (WHERE p.name = 'start_offset') AS start_offset,
           max(p.value) FILTER (WHERE p.name = 'end_offset') AS end_offset,
           COALESCE(array_agg(p.name) FILTER (WHERE p.value IS NULL AND p.written IS NOT NULL), '{}') AS invalid
    FROM (SELECT w.name, w.written, CASE WHEN pg_input_is_valid(w.written, 'interval') THEN
                     CASE WHEN w.written::interval BETWEEN interval '-365000 days' AND interval '365000 days'
                          THEN w.written::interval END END AS value
          FROM (SELECT n.name, j.config ->> n.name AS written
                FROM unnest(ARRAY['drop_after', 'compress_after', 'start_offset', 'end_offset']) AS n (name)) w) p
) v
WHERE j.relation = ANY (:relations::text[]) AND to_regclass(j.relation) IS NOT NULL

-- list_layouts --
-- The time range of a chunk of each relation, and the column that segments its columnstore; null without a columnstore.
SELECT a.relation, LEAST(d.time_interval, interval '365000 days') AS chunk, NULLIF(s.segmentby, '') AS segmented_by
FROM unnest(:relations::text[]) AS a (relation)
LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_name = a.relation
JOIN timescaledb_information.dimensions d
  ON d.hypertable_name = COALESCE(c.materialization_hypertable_name, a.relation)
 AND (c.view_name IS NULL OR d.hypertable_schema = c.materialization_hypertable_schema)
LEFT JOIN timescaledb_information.hypertable_columnstore_settings s
  ON s.hypertable = format('%I.%I', d.hypertable_schema, d.hypertable_name)::regclass

-- list_oldest_chunks --
-- Where the oldest chunk of each relation begins; no row for a relation without chunks.
SELECT a.relation, min(k.range_start) AS oldest
FROM unnest(:relations::text[]) AS a (relation)
LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_name = a.relation
JOIN timescaledb_information.chunks k
  ON k.hypertable_name = COALESCE(c.materialization_hypertable_name, a.relation)
 AND (c.view_name IS NULL OR k.hypertable_schema = c.materialization_hypertable_schema)
GROUP BY a.relation

-- holds_agent_metrics_5m --
-- Whether this rollup has rows in [:start, :end).
SELECT EXISTS (SELECT FROM agent_metrics_5m WHERE bucket >= :start AND bucket < :end)

-- holds_agent_metrics_1h --
-- Whether this rollup has rows in [:start, :end).
SELECT EXISTS (SELECT FROM agent_metrics_1h WHERE bucket >= :start AND bucket < :end)

-- holds_agent_metrics_1d --
-- Whether this rollup has rows in [:start, :end).
SELECT EXISTS (SELECT FROM agent_metrics_1d WHERE bucket >= :start AND bucket < :end)

-- holds_agent_series_5m --
-- Whether this rollup has rows in [:start, :end).
SELECT EXISTS (SELECT FROM agent_series_5m WHERE bucket >= :start AND bucket < :end)

-- holds_agent_series_1h --
-- Whether this rollup has rows in [:start, :end).
SELECT EXISTS (SELECT FROM agent_series_1h WHERE bucket >= :start AND bucket < :end)

-- holds_agent_series_1d --
-- Whether this rollup has rows in [:start, :end).
SELECT EXISTS (SELECT FROM agent_series_1d WHERE bucket >= :start AND bucket < :end)

-- is_held --
-- Whether a legal hold is in force.
SELECT EXISTS (SELECT FROM agent_legal_holds WHERE released_at IS NULL)

-- set_schedule --
-- Schedule a policy or take it out of the schedule.
SELECT agent_set_policy(:job_id, :scheduled)

-- set_refresh --
-- Schedule a refresh, and let it look back no further than :window.
SELECT agent_set_policy(:job_id, true, 'start_offset', :window::interval)

-- set_retention --
-- Set the age of retention. :job_id, :keep age, :scheduled, :next_start when it runs next (null: as it was).
SELECT agent_set_policy(:job_id, :scheduled, 'drop_after', :keep::interval, :next_start::timestamptz)

-- set_look_back --
-- Keep how far the refresh of a level looks back. :level, :window age.
UPDATE agent_storage_levels SET refresh_from = :window WHERE level = :level AND refresh_from IS DISTINCT FROM :window

-- add_retention --
-- Add the retention policy that is missing. :relation, :keep age.
SELECT add_retention_policy(:relation::text::regclass, drop_after => :keep::interval)

-- read_target --
-- Which database this is.
SELECT current_user || '@' || COALESCE(host(inet_server_addr()), 'local') || '/' || current_database()
