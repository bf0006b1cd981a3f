-- The benchmark of big uploads.

-- empty_samples --
TRUNCATE agent_metrics

-- count_samples --
SELECT count(*) FROM agent_metrics

-- all_samples --
-- Every sample, chunk by chunk, as a file for COPY.
SELECT * FROM agent_metrics

-- copy_samples --
COPY agent_metrics FROM STDIN (FORMAT BINARY)
