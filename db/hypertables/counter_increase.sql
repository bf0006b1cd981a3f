-- How much a counter grew, resets handled, in a form that can be stacked from raw samples to days.

-- counter_increase --
-- counter_increase(first, last, increase ORDER BY time) adds up pieces of a counter's history. A piece is a raw
-- sample (first = last = its value, increase 0) or a bucket of a finer level. Between two pieces the counter grew by
-- first - previous last; a smaller first means that it was reset to 0 in between, so it grew by first (the rule of
-- Prometheus' increase()). Pieces without a value are passed over. State: {total, last}.
-- double precision is exact here: values are limited to 2^53, and a total can't overflow.
CREATE FUNCTION counter_increase_step(state double precision[], piece_first double precision,
                                      piece_last double precision, piece_increase double precision)
RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF piece_first IS NULL THEN
        RETURN state;
    ELSIF state IS NULL THEN
        RETURN ARRAY[piece_increase, piece_last];
    ELSIF piece_first >= state[2] THEN
        RETURN ARRAY[state[1] + piece_increase + piece_first - state[2], piece_last];
    END IF;
    RETURN ARRAY[state[1] + piece_increase + piece_first, piece_last];
END $$;
CREATE FUNCTION counter_increase_total(state double precision[])
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN state[1];
CREATE AGGREGATE counter_increase(double precision, double precision, double precision) (
    SFUNC = counter_increase_step, STYPE = double precision[], FINALFUNC = counter_increase_total, PARALLEL = SAFE
);
