-- What rules on instances compare with: the usual of each hour of the week, and growth by one function for live
-- evaluation and for the past. And the columnstore of samples without a column of its own for the kind of a series.

-- agent_series_baselines --
-- What is usual for a series at an hour of the week, by the clock of the device's people; of a counter its rate.
CREATE TABLE agent_series_baselines (
    series_id integer NOT NULL REFERENCES agent_series (id) ON DELETE CASCADE,
    hour_of_week smallint NOT NULL CHECK (hour_of_week BETWEEN 0 AND 167),
    median double precision NOT NULL,
    distance double precision NOT NULL,
    weeks integer NOT NULL,
    time_zone text NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (series_id, hour_of_week)
);

-- alert_growth --
-- Growth a day by the median of the slopes between daily maxima (Theil-Sen) since the last big drop: a fall by more than
-- 10 points of a percentage, or 10 % of anything else. Where such drops come again (two or more), it is the slope between
-- the highest values before each drop. It is no growth unless three quarters of the slopes rise. One row, or none where
-- fewer than five days say nothing.
CREATE FUNCTION alert_growth(days date[], highs double precision[], is_percent boolean)
RETURNS TABLE (newest double precision, slope_per_day double precision, day_count integer, since date)
LANGUAGE sql STABLE ROWS 1 AS $body$
    WITH daily AS (
        SELECT d.day, d.highest, lag(d.highest) OVER (ORDER BY d.day) AS before
        FROM unnest(days, highs) AS d (day, highest)
        WHERE d.highest IS NOT NULL
    ), fallen AS (
        SELECT d.day, d.highest,
               COALESCE(d.before - d.highest > CASE WHEN is_percent THEN 10 ELSE 0.1 * abs(d.before) END, false) AS fell
        FROM daily d
    ), tooth AS MATERIALIZED (
        SELECT f.day, f.highest, f.fell, count(*) FILTER (WHERE f.fell) OVER (ORDER BY f.day) AS number FROM fallen f
    ), era AS MATERIALIZED (
        SELECT COALESCE(max(t.day) FILTER (WHERE t.fell), min(t.day)) AS since, count(*) FILTER (WHERE t.fell) AS drops
        FROM tooth t
    ), peak AS MATERIALIZED (
        SELECT t.number, max(t.highest) AS highest, last(t.day, t.highest) AS day
        FROM tooth t CROSS JOIN era e
        WHERE e.drops >= 2 AND t.number < e.drops
        GROUP BY t.number
    ), rise AS (
        SELECT count(*) AS pairs, max(b.highest) AS highest,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY (b.highest - a.highest) / GREATEST(b.day - a.day, 1)) AS median,
               percentile_cont(0.25) WITHIN GROUP (ORDER BY (b.highest - a.highest) / GREATEST(b.day - a.day, 1))
                   AS quarter
        FROM peak a JOIN peak b ON b.number > a.number
    ), point AS MATERIALIZED (
        SELECT t.day, t.highest FROM tooth t CROSS JOIN era e WHERE t.day >= e.since
    ), slope AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (b.highest - a.highest) / (b.day - a.day)) AS median,
               percentile_cont(0.25) WITHIN GROUP (ORDER BY (b.highest - a.highest) / (b.day - a.day)) AS quarter
        FROM point a JOIN point b ON b.day > a.day
    ), known AS (
        SELECT last(p.highest, p.day) AS newest, count(*)::integer AS days FROM point p
    )
    SELECT CASE WHEN r.quarter > 0 THEN GREATEST(k.newest, r.highest) ELSE k.newest END,
           CASE WHEN r.pairs > 0 THEN CASE WHEN r.quarter > 0 THEN r.median ELSE 0 END
                WHEN k.days < 5 THEN 0 WHEN s.quarter > 0 THEN s.median ELSE LEAST(s.median, 0) END,
           k.days, e.since
    FROM known k CROSS JOIN era e CROSS JOIN rise r CROSS JOIN slope s
    WHERE k.days >= 5 OR e.drops > 0
$body$;

-- segment_by_kind --
-- `is_counter` is the same in all samples of a series: as a part of the segment it takes one byte a batch. For chunks that
-- are converted from now on.
ALTER TABLE agent_series_samples SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'series_id, is_counter',
    timescaledb.orderby = 'collected_at'
)
