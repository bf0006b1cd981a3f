-- Facts that devices report about their machines.

-- change_facts --
-- Store agents' data about their machines where it differs, with an event that has both values; null: not sent. In
-- parallel :devices (each once), :hostname and the other facts, :by_others whether a program other than the product's
-- agent reports them: these are stored only for devices that send no heartbeats. :now.
WITH reported AS (
    SELECT *
    FROM unnest(:devices::uuid[], :hostname::text[], :os_version::text[], :os_architecture::text[], :ip_address::inet[],
                :mac_address::text[], :by_others::boolean[])
        AS t (id, hostname, os_version, os_architecture, ip_address, mac_address, by_others)
), before AS (
    SELECT d.id, t.hostname, t.os_version, t.os_architecture, t.ip_address, t.mac_address,
           jsonb_build_object('hostname', d.hostname, 'os_version', d.os_version, 'os_architecture', d.os_architecture,
                              'ip_address', host(d.ip_address), 'mac_address', d.mac_address) AS old,
           jsonb_strip_nulls(jsonb_build_object('hostname', t.hostname, 'os_version', t.os_version,
                                                'os_architecture', t.os_architecture, 'ip_address', host(t.ip_address),
                                                'mac_address', t.mac_address)) AS new
    FROM agent_devices d JOIN reported t ON t.id = d.id
    WHERE (NOT t.by_others OR d.last_heartbeat IS NULL)
      AND (COALESCE(t.hostname, d.hostname, ''), COALESCE(t.os_version, d.os_version, ''),
           COALESCE(t.os_architecture, d.os_architecture, ''), COALESCE(host(t.ip_address), host(d.ip_address), ''),
           COALESCE(t.mac_address, d.mac_address, ''))
          <> (COALESCE(d.hostname, ''), COALESCE(d.os_version, ''), COALESCE(d.os_architecture, ''),
              COALESCE(host(d.ip_address), ''), COALESCE(d.mac_address, ''))
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
), changed AS (
    UPDATE agent_devices d
    SET hostname = COALESCE(b.hostname, d.hostname), os_version = COALESCE(b.os_version, d.os_version),
        os_architecture = COALESCE(b.os_architecture, d.os_architecture),
        ip_address = COALESCE(b.ip_address, d.ip_address), mac_address = COALESCE(b.mac_address, d.mac_address),
        updated_at = :now::timestamptz
    FROM before b
    WHERE d.id = b.id
    RETURNING d.id
)
INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
SELECT b.id, 'facts_changed', :now, :now,
       (SELECT jsonb_object_agg(n.key, jsonb_build_object('from', b.old -> n.key, 'to', n.value))
        FROM jsonb_each(b.new) n WHERE n.value IS DISTINCT FROM b.old -> n.key)
FROM before b JOIN changed c ON c.id = b.id
