-- A counter may fall although its device wasn't started anew: an adapter that was counted has gone.

-- counter_value --
-- A stored value of a counter below 0 is a break: the counter stands at -value - 1, and how much it grew since the value
-- before isn't known. The writer marks it, by the uptime; so every level of the rollups can see it.
CREATE FUNCTION counter_value(stored double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN CASE WHEN stored < 0 THEN -stored - 1 ELSE stored END;

-- counter_increase --
-- As before, and a piece that begins with a break adds only what it grew by itself.
CREATE OR REPLACE FUNCTION counter_increase_add(state point, piece_first double precision,
                                                piece_last double precision, piece_increase double precision)
RETURNS point LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF piece_last < 0 THEN
        piece_last := -piece_last - 1;
    END IF;
    IF piece_first >= state[1] THEN
        RETURN point(state[0] + piece_increase + piece_first - state[1], piece_last);
    ELSIF state[1] = 'infinity' THEN
        RETURN point(piece_increase, piece_last);
    ELSIF piece_first < 0 THEN
        RETURN point(state[0] + piece_increase, piece_last);
    END IF;
    RETURN point(state[0] + piece_increase + piece_first, piece_last);
END $$;
