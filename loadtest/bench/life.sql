-- The benchmark of a row's life: statements besides the measured work.

-- sizes --
-- Bytes on disk of each level with its indexes, TOAST and columnstore.
SELECT a.relation,
       hypertable_size(CASE WHEN c.view_name IS NULL THEN a.relation
                            ELSE format('%I.%I', c.materialization_hypertable_schema, c.materialization_hypertable_name)
                       END::regclass) AS bytes
FROM unnest(:relations::text[]) AS a (relation)
LEFT JOIN timescaledb_information.continuous_aggregates c ON c.view_name = a.relation

-- to_columnstore --
-- Convert every chunk of a relation. :relation (a rollup's own hypertable is found).
SELECT compress_chunk(format('%I.%I', k.chunk_schema, k.chunk_name)::regclass)
FROM timescaledb_information.chunks k
LEFT JOIN timescaledb_information.continuous_aggregates c ON c.materialization_hypertable_name = k.hypertable_name
WHERE COALESCE(c.view_name, k.hypertable_name) = :relation::text AND NOT k.is_compressed

-- vacuum --
VACUUM ANALYZE
