"""Whether somebody else uploaded a moment ago, found from the two newest owners."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.turns import CATCHING_UP_SECONDS, QUIET_SECONDS, RECENT_SECONDS, NewestOwners

arrivals = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, RECENT_SECONDS)), max_size=12)


@given(arrivals, st.sampled_from("abcd"))
def test_the_newest_owner_equals_that_of_a_list_of_all_arrivals(uploads: list[tuple[str, float]], asked: str) -> None:
    now = 0.0
    newest, seen = NewestOwners(lambda: now), list[tuple[str, float]]()
    for owner, pause in uploads:
        now += pause
        newest.note(owner)
        seen.append((owner, now))
    expected = any(owner != asked and now - at < RECENT_SECONDS for owner, at in seen)
    assert newest.is_there_another(asked) == expected
    assert newest.is_anybody_there() == bool(seen and now - seen[-1][1] < RECENT_SECONDS)


def test_a_device_that_catches_up_does_not_count_until_a_while_after_its_large_uploads() -> None:
    now = 0.0
    newest = NewestOwners(lambda: now)
    newest.note_large("a1")
    newest.note("a", "a1")
    assert not newest.is_anybody_there()
    newest.note("a", "a2")
    assert newest.is_there_another("b")
    now += CATCHING_UP_SECONDS / 2
    newest.note_large("a3")
    now += CATCHING_UP_SECONDS / 2 + 1
    newest.note("b", "a3")
    assert not newest.is_anybody_there()
    newest.note("a", "a1")
    assert newest.is_anybody_there()
    assert not newest.is_quiet()
    now += QUIET_SECONDS
    assert newest.is_quiet()
    assert list(newest._catching_up) == ["a3"]
