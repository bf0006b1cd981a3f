-- Relations that are in our way.

-- has_versions --
-- Whether the table of our revisions is where ours would be made.
SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
                                      AND relname = 'rts_agents_alembic_version')

-- is_upgraded --
-- Whether a revision of ours is applied there.
SELECT EXISTS (SELECT FROM rts_agents_alembic_version)

-- foreign_tables --
-- Relations of our names where ours would be made, and their rows by the last count (-1: never counted). :names.
SELECT c.oid::regclass::text AS name, c.reltuples::bigint AS rows
FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relname = ANY (CAST(:names AS text[]))
ORDER BY c.relname
