-- Parts of a rollup of samples that store a value once: what repeats another part, as most of a bucket of one sample does,
-- is null, and the view fills it in for everybody who reads. They replace the parts of the same name in `rollup.sql`.

-- gauge_of_samples --
sum(VALUE) AS NAME_sum, nullif(count(NAME), count(*)) AS NAME_count,
nullif(min(VALUE), sum(VALUE)) AS NAME_min, nullif(max(VALUE), sum(VALUE)) AS NAME_max

-- counter_of_samples --
first(VALUE, collected_at) FILTER (WHERE NAME IS NOT NULL) AS NAME_first,
nullif(last(VALUE, collected_at) FILTER (WHERE NAME IS NOT NULL),
       first(VALUE, collected_at) FILTER (WHERE NAME IS NOT NULL)) AS NAME_last,
min(collected_at) FILTER (WHERE NAME IS NOT NULL) AS NAME_first_at,
nullif(max(collected_at) FILTER (WHERE NAME IS NOT NULL),
       min(collected_at) FILTER (WHERE NAME IS NOT NULL)) AS NAME_last_at,
counter_increase_of_samples(array_agg(VALUE ORDER BY collected_at)) AS NAME_increase

-- view --
-- What is read of the level. TimescaleDB keeps it when a column is renamed or the level is made real-time.
CREATE OR REPLACE VIEW LEVEL AS SELECT COLUMNS FROM BEHIND

-- filled_in --
COALESCE(COLUMN, SAME) AS COLUMN

-- left_out --
nullif(COLUMN, SAME)
