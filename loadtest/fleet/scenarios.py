"""The scenarios as a table: who sends what, and when. The slots are the same in all of them, so that they compare."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from loadtest.fleet.clocks import pack_by_clock
from loadtest.fleet.malformed import large_bodies, malformed_payload
from loadtest.fleet.payloads import Due, Payload, pack_backlog, pack_times
from loadtest.fleet.series import to_ms
from loadtest.fleet.slots import interval_of, phase_of, slots
from loadtest.plan import POISONED, LoadPlan, LoadSettings, Member, ScenarioName

SAMPLE_SECONDS = 60  # an agent that uploads less often sends a sample for each minute
BACKLOG_SECONDS = 60  # one sample a minute while the server was away
LAPTOP_SECONDS = 300  # a laptop that was away for weeks sampled every five minutes
BACKLOG_ENDS = 300  # seconds before the base


@dataclass(frozen=True, slots=True)
class Scenario:
    """`dues` yields an agent's uploads by time; `group` is the group in which its latency is reported."""

    what: str
    dues: Callable[[LoadPlan, Member], Iterator[Due]]
    group: Callable[[LoadSettings, Member, float], str] = lambda _settings, _member, _due: "agents"
    answers_dropped: bool = False  # each upload is sent once without waiting for the answer, and then again
    pauses_database: bool = False
    attacks: bool = False  # from outside the generator, after the time in which the others are alone
    server: Mapping[str, str] = field(default_factory=dict)  # settings of the run's own server


def due_slots(settings: LoadSettings, number: int) -> Iterator[float]:
    """Yield when the uploads of agent `number` are due."""
    interval = interval_of(number, settings.intervals)
    return slots(phase_of(number, settings.agents, settings.intervals), interval, settings.seconds)


def steady(plan: LoadPlan, member: Member) -> Iterator[Due]:
    """Yield the uploads of an agent that was never away."""
    interval = interval_of(member.number, plan.settings.intervals)
    count = max(1, int(interval // SAMPLE_SECONDS))
    for offset in due_slots(plan.settings, member.number):
        yield Due(offset, partial(pack_newest, plan, member.number, offset, count, interval / count))


def pack_newest(plan: LoadPlan, number: int, offset: float, count: int, every: float, start: float) -> Payload:
    """Return the upload of a slot: `count` samples, the newest at the slot itself."""
    newest = start + offset
    return pack_times(number, (to_ms(newest - every * age) for age in reversed(range(count))), plan.settings.seed)


def backlog(plan: LoadPlan, member: Member, span: float, every: float) -> Iterator[Due]:
    """Yield what an agent kept for `span` seconds, due at once; packed now, so that the run doesn't wait for it."""
    end = plan.base - BACKLOG_ENDS
    times = [to_ms(end - every * age) for age in reversed(range(int(span // every)))]
    for payload in pack_backlog(member.number, times, plan.settings.seed):
        yield Due(0, partial(packed, payload))


def packed(payload: Payload, start: float) -> Payload:
    """Return the uploads that were packed before the start."""
    del start
    return payload


def reconnect_storm(plan: LoadPlan, member: Member) -> Iterator[Due]:
    """Every agent comes back at once with a day of samples, and goes on as usual."""
    yield from backlog(plan, member, plan.settings.backlog_hours * 3600, BACKLOG_SECONDS)
    yield from steady(plan, member)


def laptop_return(plan: LoadPlan, member: Member) -> Iterator[Due]:
    """Let some agents come back with three weeks of samples; the others go on as usual."""
    if is_laptop(plan.settings, member):
        yield from backlog(plan, member, plan.settings.backlog_days * 86_400, LAPTOP_SECONDS)
    yield from steady(plan, member)


def clock_chaos(plan: LoadPlan, member: Member) -> Iterator[Due]:
    """Every agent's clock is wrong in its own way."""
    interval = interval_of(member.number, plan.settings.intervals)
    for turn, offset in enumerate(due_slots(plan.settings, member.number)):
        for part in range(2):
            make = partial(pack_by_clock, member.number, offset, interval, turn == 0, part, plan.settings.seed)
            yield Due(offset, make)


def poison_tenant(plan: LoadPlan, member: Member) -> Iterator[Due]:
    """One tenant's agents send something hostile every second after a while; the others go on as usual."""
    if member.tenant != POISONED:
        yield from steady(plan, member)
        return
    large_bodies()  # packed before the start
    victim = next(other for other in plan.members if other.tenant != POISONED)
    settings = plan.settings
    first = settings.alone_seconds + phase_of(member.number, settings.agents, (settings.poison_interval,))
    for turn, offset in enumerate(slots(first, settings.poison_interval, settings.seconds)):
        yield Due(offset, partial(malformed_payload, member.number, turn, offset, victim.agent_id))


def is_laptop(settings: LoadSettings, member: Member) -> bool:
    """Return whether an agent was away for weeks."""
    return member.number % settings.laptop_every == 0


def group_by_absence(settings: LoadSettings, member: Member, due: float) -> str:
    """Return the group of laptop-return."""
    del due
    return "laptops" if is_laptop(settings, member) else "others"


def group_by_tenant(settings: LoadSettings, member: Member, due: float) -> str:
    """Return the group of poison-tenant; an upload that was due before the attack has its own group."""
    if member.tenant == POISONED:
        return "poison"
    return "alone" if due < settings.alone_seconds else "others"


SCENARIOS: dict[ScenarioName, Scenario] = {
    "steady": Scenario("uploads, heartbeats and dashboards as on any day", steady),
    "reconnect-storm": Scenario("every agent comes back at once with 24 h of samples", reconnect_storm),
    "laptop-return": Scenario(
        "one agent in ten comes back with three weeks of samples", laptop_return, group_by_absence
    ),
    "retry-storm": Scenario(
        "every answer is dropped once, every upload is sent twice", steady, answers_dropped=True
    ),
    "clock-chaos": Scenario("clocks in 1970, two hours ahead, an hour twice by daylight saving", clock_chaos),
    "poison-tenant": Scenario(
        "one tenant attacks, and sends as much as it may", poison_tenant, group_by_tenant, attacks=True,
        server={"RTS_WEBHOOK_NETWORKS": "127.0.0.0/8"},
    ),
    "database-pause": Scenario("the database is away for a minute", steady, pauses_database=True),
}  # fmt: skip
