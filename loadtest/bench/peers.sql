-- count_samples --
-- All raw samples.
SELECT count(*) FROM agent_metrics
