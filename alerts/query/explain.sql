-- count_devices --
-- The number of devices in scopes (:scopes, JSON) of a business (:tenant; null: all).
SELECT count(DISTINCT device_id) FROM alert_pairs(:scopes::jsonb, :tenant::uuid)
