-- Statements for the platform's tables, composed from the columns that are there. A table that is missing gives no row.

-- compose_insert --
-- An INSERT whose $1 is a JSON object: into :table, those of :columns that we would fill.
SELECT format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1::jsonb) RETURNING id',
              a.attrelid::regclass, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
FROM pg_attribute a
WHERE a.attrelid = to_regclass(:table::text) AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attname = ANY (:columns::text[])
GROUP BY a.attrelid

-- compose_update --
-- An UPDATE of one row whose $1 is a JSON object and $2 the row's id: of :table, those of :columns that we would set.
SELECT format('UPDATE %1$s SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1::jsonb)) WHERE id = $2',
              a.attrelid::regclass, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
FROM pg_attribute a
WHERE a.attrelid = to_regclass(:table::text) AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attname = ANY (:columns::text[])
GROUP BY a.attrelid
