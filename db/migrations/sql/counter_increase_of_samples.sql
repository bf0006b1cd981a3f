-- How much a counter grew in a bucket of samples, by one call for the bucket.

-- counter_increase_of_samples --
-- As counter_increase(value, value, 0 ORDER BY time), of the values in the order of their times; that aggregate calls a
-- function for each sample, which took a third of a refresh. Null without a value. Nothing is found by search_path here:
-- refreshes set it.
CREATE OR REPLACE FUNCTION counter_increase_of_samples(samples double precision[])
RETURNS double precision LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    total double precision;
    previous double precision;
    value double precision;
BEGIN
    FOREACH value IN ARRAY samples LOOP
        IF value >= previous THEN
            total := total + value - previous;
            previous := value;
        ELSIF value IS NULL THEN
            CONTINUE;
        ELSIF previous IS NULL THEN
            total := 0;
            previous := CASE WHEN value < 0 THEN -value - 1 ELSE value END;  -- a break: ingest/counter_breaks.py
        ELSIF value < 0 THEN
            previous := -value - 1;
        ELSE
            total := total + value;
            previous := value;
        END IF;
    END LOOP;
    RETURN total;
END $$;
