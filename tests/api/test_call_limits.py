"""Token buckets: a minute's worth at once, then one by one; each caller has their own."""

from uuid import uuid4

import pytest

from api import rate_limits
from api.rate_limits import Buckets, CallLimits
from core.errors import RateLimitedError


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def takes(buckets: Buckets, key: str = "a") -> int:
    """How many calls a caller may make just now."""
    count = 0
    while not buckets.take(key):
        count += 1
    return count


def test_a_minutes_worth_may_come_at_once(clock: FakeClock) -> None:
    assert takes(Buckets(120, clock)) == 120


def test_used_up_calls_return_one_by_one(clock: FakeClock) -> None:
    buckets = Buckets(60, clock)
    takes(buckets)
    clock.now += 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(1.0)
    clock.now += 10
    assert takes(buckets) == 10


def test_a_caller_that_waits_for_retry_after_may_call(clock: FakeClock) -> None:
    buckets = Buckets(7, clock)
    takes(buckets)
    clock.now += buckets.take("a") + 1e-9
    assert buckets.take("a") == 0.0


def test_being_away_for_long_saves_no_more_than_a_minutes_worth(clock: FakeClock) -> None:
    buckets = Buckets(60, clock)
    takes(buckets)
    clock.now += 86_400
    assert takes(buckets) == 60


def test_a_refused_call_costs_nothing(clock: FakeClock) -> None:
    buckets = Buckets(60, clock)
    takes(buckets)
    for _ in range(100):
        assert buckets.take("a") > 0
    clock.now += 1
    assert takes(buckets) == 1


def test_callers_dont_share(clock: FakeClock) -> None:
    buckets = Buckets(3, clock)
    assert (takes(buckets, "a"), takes(buckets, "b")) == (3, 3)


def test_a_limit_below_one_in_a_second_works(clock: FakeClock) -> None:
    buckets = Buckets(1, clock)
    assert takes(buckets) == 1
    assert buckets.take("a") == pytest.approx(60)


def test_quiet_callers_are_forgotten_and_recent_callers_are_not(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_KEYS", 3)
    buckets = Buckets(2, clock)
    for key in ("quiet", "quiet too"):
        buckets.take(key)
    clock.now += 61
    takes(buckets, "noisy")
    buckets.take("new")
    assert set(buckets._levels) == {"noisy", "new"}
    assert buckets.take("noisy") > 0


def test_memory_stays_bounded_when_everybody_calls(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_KEYS", 5)
    buckets = Buckets(2, clock)
    for number in range(1000):
        buckets.take(number)
        assert len(buckets._levels) <= 5


def test_an_agent_counts_for_its_business_once_it_is_known(clock: FakeClock) -> None:
    limits = CallLimits(agent=100, person=100, business=3, clock=clock)
    business, agents = uuid4(), [uuid4(), uuid4()]
    limits.take_agent(agents[0])  # whose it is, is not known yet
    for agent in agents:
        limits.learn(agent, business)
    for agent in (*agents, agents[0]):
        limits.take_agent(agent)
    with pytest.raises(RateLimitedError) as caught:
        limits.take_agent(agents[1])
    assert caught.value.details["limit"] == "business"
    limits.take_agent(uuid4())


def test_the_wait_is_told_in_whole_seconds_rounded_up(clock: FakeClock) -> None:
    limits = CallLimits(agent=50, person=1, business=50, clock=clock)
    limits.take_person("p", None)
    clock.now += 0.5
    with pytest.raises(RateLimitedError) as caught:
        limits.take_person("p", None)
    assert caught.value.headers(5) == {"Retry-After": "60"}
    assert caught.value.details == {"limit": "person", "retry_after_seconds": 60}


def test_the_cache_of_agents_and_businesses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_KEYS", 5)
    limits = CallLimits(1, 1, 1)
    for _ in range(100):
        limits.learn(uuid4(), uuid4())
        assert len(limits._business_of) <= 5
