-- The rows that a downgrade loses: counted, saved into files, and restored after the next upgrade.

-- read_revision --
-- The revision of the schema; null before the first.
SELECT max(version_num) FROM rts_agents_alembic_version

-- describe_relation --
-- Columns that can be written, the primary key, and what a continuous aggregate writes to. Nothing for a table that is
-- absent. `is_foreign`: the platform made it, so no downgrade drops it.
SELECT (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
       COALESCE((SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int[], a.attnum::int))
                 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = c.oid AND i.indisprimary), '{}') AS key,
       COALESCE((SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
                 FROM timescaledb_information.continuous_aggregates
                 WHERE format('%I.%I', view_schema, view_name)::regclass = c.oid), '') AS behind,
       :table::text = ANY (:platform::text[])
           AND obj_description(c.oid, 'pg_class') IS DISTINCT FROM :mark::text AS is_foreign
FROM pg_class c
WHERE c.oid = to_regclass(:table::text)

-- compose_select --
-- The statement that reads some columns of the rows where a condition holds.
SELECT format('SELECT %s FROM %I%s', (SELECT string_agg(quote_ident(c), ', ') FROM unnest(:columns::text[]) c), :table::text,
              CASE WHEN :condition::text = '' THEN '' ELSE ' WHERE ' || :condition::text END)

-- compose_condition --
-- The condition under which one of these columns has a value.
SELECT format('num_nonnulls(%s) > 0', (SELECT string_agg(quote_ident(c), ', ') FROM unnest(:columns::text[]) c))

-- compose_count --
-- The statement that counts what another one reads, up to a limit.
SELECT format('SELECT count(*) FROM (SELECT FROM (%s) found LIMIT %s) few', :reads::text, :most::bigint)

-- compose_copy_out --
-- The statement that writes what another one reads, as CSV.
SELECT format('COPY (%s) TO STDOUT (FORMAT csv, HEADER, NULL ''\N'')', :reads::text)

-- compose_loosen --
-- Statements that let rows come in any order, references checked at the end and triggers of the tables off, each beside
-- the one that undoes it.
SELECT format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE INITIALLY DEFERRED', conrelid::regclass, conname),
       format('ALTER TABLE %s ALTER CONSTRAINT %I NOT DEFERRABLE', conrelid::regclass, conname)
FROM pg_constraint
WHERE contype = 'f' AND NOT condeferrable AND conparentid = 0 AND conrelid = ANY (:tables::text[]::regclass[])
UNION ALL
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),
       format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled = 'O' AND tgrelid = ANY (:tables::text[]::regclass[])
  AND tgname NOT LIKE 'ts\_%'

-- check_references --
-- All references at once, before the end of the transaction.
SET CONSTRAINTS ALL IMMEDIATE

-- compose_staging --
-- The statement that makes an empty temporary table for the rows of a file.
SELECT format('CREATE TEMPORARY TABLE saved_rows ON COMMIT DROP AS SELECT %s FROM %I WITH NO DATA',
              (SELECT string_agg(quote_ident(c), ', ') FROM unnest(:columns::text[]) c), :table::text)

-- drop_staging --
-- That table again.
DROP TABLE saved_rows

-- compose_copy_in --
-- The statement that reads a file into it.
SELECT format('COPY saved_rows (%s) FROM STDIN (FORMAT csv, HEADER, NULL ''\N'')',
              (SELECT string_agg(quote_ident(c), ', ') FROM unnest(:columns::text[]) c))

-- compose_rows_back --
-- The statement that restores rows. An existing row gets its saved values.
SELECT format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM saved_rows%s', :target::text, list, list,
              CASE WHEN cardinality(:key::text[]) = 0 THEN ''
                   ELSE format(' ON CONFLICT (%s) DO %s',
                               (SELECT string_agg(quote_ident(k), ', ') FROM unnest(:key::text[]) k),
                               COALESCE('UPDATE SET ' || (SELECT string_agg(format('%1$I = excluded.%1$I', c), ', ')
                                                          FROM unnest(:columns::text[]) c
                                                          WHERE c <> ALL (:key::text[])), 'NOTHING')) END)
FROM (SELECT string_agg(quote_ident(c), ', ') AS list FROM unnest(:columns::text[]) c) names

-- compose_twins_away --
-- Statements that delete rows which an upgrade made again under another key: a saved row has the same unique values.
SELECT format('DELETE FROM %I t USING saved_rows s WHERE %s AND (%s) IS DISTINCT FROM (%s)', :table::text,
              (SELECT string_agg(format('t.%1$I = s.%1$I', a.attname), ' AND ') FROM pg_attribute a
               WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)),
              (SELECT string_agg(format('t.%I', k), ', ') FROM unnest(:key::text[]) k),
              (SELECT string_agg(format('s.%I', k), ', ') FROM unnest(:key::text[]) k))
FROM pg_index i
WHERE i.indrelid = to_regclass(:table::text) AND i.indisunique AND NOT i.indisprimary
  AND i.indpred IS NULL AND i.indexprs IS NULL AND cardinality(:key::text[]) > 0

-- compose_columns_back --
-- The statement that puts columns of rows back, found by the primary key.
SELECT format('UPDATE %I t SET %s FROM saved_rows s WHERE %s', :table::text,
              (SELECT string_agg(format('%1$I = s.%1$I', c), ', ') FROM unnest(:columns::text[]) c
               WHERE c <> ALL (:key::text[])),
              (SELECT string_agg(format('t.%1$I = s.%1$I', k), ' AND ') FROM unnest(:key::text[]) k))

-- compose_empty_rollup --
-- The statement that empties a continuous aggregate in the time of the saved rows: it has no key to find them by.
SELECT format('DELETE FROM %s WHERE bucket BETWEEN (SELECT min(bucket) FROM saved_rows) '
              'AND (SELECT max(bucket) FROM saved_rows)', :target::text)

-- compose_sequences --
-- Statements that move the identity columns of a table behind its rows.
SELECT format('SELECT setval(%L, GREATEST((SELECT max(%I) FROM %I), 1))', pg_get_serial_sequence(:table::text, attname),
              attname, :table::text)
FROM pg_attribute
WHERE attrelid = to_regclass(:table::text) AND attnum > 0 AND NOT attisdropped
  AND pg_get_serial_sequence(:table::text, attname) IS NOT NULL
