"""The two ways of decoding an upload agree; no database."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import clean_name
from db.hypertables.policies import MAX_SAMPLE_AGE
from ingest.decode import _decode_carefully, decode_in_pieces, decode_upload
from ingest.diagnose import FIELDS
from ingest.samples import Decoded

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)

times = st.one_of(
    st.datetimes(datetime(2026, 4, 1), datetime(2026, 5, 4), timezones=st.just(UTC)).map(datetime.isoformat),
    st.sampled_from(
        ["2026-05-03T11:59:59.123456789Z", "2026-05-03T13:00:00+02:00", "2026-05-03T11:00:00", "soon", None]
    ),
)
numbers: st.SearchStrategy[Any] = st.one_of(
    st.floats(-10, 120), st.integers(-5, 2**70), st.sampled_from([None, True, "7", [], float("nan"), float("inf"), 0])
)
names = sorted(FIELDS - {"collected_at", "load_average", "services"})
services = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(max_size=5), "status": st.sampled_from(["running", "stopped", "asleep"])},
        optional={"pid": st.one_of(st.none(), st.integers(-1, 10))},
    ),
    max_size=2,
)
samples = st.fixed_dictionaries(
    {"collected_at": times},
    optional=dict.fromkeys(names, numbers)
    | {"load_average": st.one_of(st.none(), st.lists(numbers, min_size=2, max_size=3)), "services": services}
    | {"extra": st.one_of(st.text(max_size=5), st.integers())},
)


def view(decoded: Decoded) -> tuple[Any, ...]:
    """What counts of a decoded upload; the message of a rejection may differ."""
    faults = [(r.index, r.code) for r in decoded.rejected], [(n.index, n.field, n.code) for n in decoded.notes]
    return decoded.received, decoded.samples, decoded.unknown, faults


@given(st.lists(samples, max_size=4))
def test_the_typed_and_the_careful_way_agree(samples: list[dict[str, Any]]) -> None:
    body = json.dumps({"metrics": samples}).encode()
    assert view(decode_upload(body, NOW, 100)) == view(_decode_carefully(body, NOW, 100))


@pytest.mark.parametrize("name", [" ", "  a ", "\t", "\x1f", "\x85", "a\u200bb", "a\nb", "x" * 256, "e\u0301"])
def test_a_service_with_an_odd_name_is_cleaned_or_left_out_with_a_note(name: str) -> None:
    item = {"collected_at": "2026-05-03T11:59:00Z", "services": [{"name": name, "status": "running"}]}
    body = json.dumps({"metrics": [item]}).encode()
    decoded = decode_upload(body, NOW, 100)
    assert view(decoded) == view(_decode_carefully(body, NOW, 100))
    assert [note.field for note in decoded.notes] == ["services"]
    assert all(service.name == clean_name(service.name) for service in decoded.samples[0].services or [])


def test_a_number_beyond_every_float_costs_only_itself() -> None:
    huge = "1" + "0" * 400
    services = f'[{{"name": "a", "status": "running", "pid": {huge}}}, {{"name": "b", "status": "stopped", "pid": 7}}]'
    series = f'[{{"metric": "custom.x", "value": {huge}}}, {{"metric": "custom.x", "value": 3}}]'
    parts = f'"cpu_percent": {huge}, "services": {services}, "series": {series}'
    body = f'{{"metrics": [{{"collected_at": "2026-05-03T11:59:00Z", {parts}}}]}}'
    (sample,) = decode_upload(body.encode(), NOW, 100).samples
    assert sample.cpu_percent is None
    assert [value.value for value in sample.series or []] == [3]
    assert [(service.name, service.pid) for service in sample.services or []] == [("a", None), ("b", 7)]


@given(st.lists(samples, max_size=4))
def test_every_sample_is_accepted_or_rejected_once(samples: list[dict[str, Any]]) -> None:
    decoded = decode_upload(json.dumps({"metrics": samples}).encode(), NOW, 100)
    assert decoded.received == len(samples) == len(decoded.samples) + len(decoded.rejected)
    assert len({rejection.index for rejection in decoded.rejected}) == len(decoded.rejected)


def test_a_deep_or_huge_value_in_one_sample_doesnt_cost_the_others() -> None:
    good = '{"collected_at": "2026-05-03T11:59:00Z", "cpu_percent": 5}'
    huge = '{"collected_at": "2026-05-03T11:58:00Z", "cpu_percent": 1e999}'
    decoded = decode_upload(f'{{"metrics": [{good}, {huge}, 7]}}'.encode(), NOW, 100)
    assert [sample.cpu_percent for sample in decoded.samples] == [5, None]
    assert [(n.index, n.field, n.code) for n in decoded.notes] == [(1, "cpu_percent", "not_finite")]
    assert [(r.index, r.code) for r in decoded.rejected] == [(2, "wrong_type")]


def test_the_age_bounds_are_27_days_and_10_minutes() -> None:
    def outcome(age: timedelta) -> list[str]:
        body = json.dumps({"metrics": [{"collected_at": (NOW - age).isoformat()}]}).encode()
        return [rejection.code for rejection in decode_upload(body, NOW, 1).rejected]

    second = timedelta(seconds=1)
    assert outcome(timedelta(days=27)) == outcome(timedelta(minutes=-10)) == []
    assert outcome(timedelta(days=27) + second) == ["too_old"]
    assert outcome(timedelta(minutes=-10) - second) == ["clock_ahead"]


def in_pieces(body: bytes, size: int) -> Decoded | None:
    """What the pieces make up."""
    pieces = decode_in_pieces(body, NOW, 20_000, MAX_SAMPLE_AGE, size)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            decoded: Decoded | None = end.value
            return decoded


@given(st.lists(samples, max_size=9), st.integers(1, 4))
def test_a_body_in_pieces_is_what_it_is_at_once_or_left_to_the_careful_way(
    samples: list[dict[str, Any]], size: int
) -> None:
    body = json.dumps({"metrics": samples, "hostname": "server-1"}).encode()
    decoded = in_pieces(body, size)
    if decoded is None:
        assert in_pieces(json.dumps({"metrics": []}).encode(), size)
        return
    whole = decode_upload(body, NOW, 20_000)
    assert view(decoded) == view(whole)
    assert decoded.facts == whole.facts


@pytest.mark.parametrize("body", [b'{"metrics": [{}, 5]}', b'{"metrics": 5}', b"[]", b'{"metrics": [{"cpu', b"\xff"])
def test_a_faulty_body_is_left_to_the_careful_way(body: bytes) -> None:
    assert in_pieces(body, 1) is None
