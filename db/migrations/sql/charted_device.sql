-- What a chart needs of its device, by one call.

-- agent_charted_device --
-- A device that the caller may see (tenant null: an employee), as JSON; null for another tenant's device and for one that
-- is not there. How often it uploads and did before, when it came to its tenant, from when on the rollups may lack late
-- samples of it, and how far each of the named levels is materialised, as `get_watermarks` of rollups/queries.sql.
-- A generic plan, whatever the session has: to plan it took four fifths of its time, and nothing in it depends on values.
CREATE FUNCTION agent_charted_device(device uuid, tenant uuid, relations text[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET plan_cache_mode = 'force_generic_plan' AS $body$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'business_id', d.business_id,
            'metrics_interval_seconds', d.metrics_interval_seconds,
            'owned_since', CASE WHEN tenant IS NOT NULL THEN d.owned_since END,
            'former', (SELECT jsonb_agg(jsonb_build_array(i.until_at, i.seconds) ORDER BY i.changed_at, i.id)
                       FROM agent_device_intervals i WHERE i.agent_device_id = d.id),
            'late_from', d.late_from,
            'late_at', d.late_at,
            'late_before', d.late_before,
            'late_since', d.late_since,
            'watermarks', (SELECT jsonb_object_agg(c.user_view_name,
                                                   GREATEST(_timescaledb_functions.to_timestamp(w.watermark), 'epoch'))
                           FROM _timescaledb_catalog.continuous_agg c
                           LEFT JOIN _timescaledb_catalog.continuous_aggs_watermark w
                             ON w.mat_hypertable_id = c.mat_hypertable_id
                           WHERE c.user_view_name = ANY (relations)))
        FROM agent_devices d
        WHERE d.id = device AND NOT d.soft_delete AND (tenant IS NULL OR d.business_id = tenant)
    );
END $body$;
