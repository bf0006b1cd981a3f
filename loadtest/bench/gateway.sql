-- The benchmark of gateways.

-- add_business --
INSERT INTO businesses (business_name) VALUES ('bench') RETURNING id

-- count_rows --
SELECT count(*) FROM agent_metrics
