"""What a run says of fairness: ratios of others' waiting, and webhooks that did not go out."""

from typing import Any

from loadtest.checks.fairness import MAX_WAIT_SECONDS, MIN_UPLOADS, Messages, compare


def latencies(count: int, milliseconds: float) -> dict[str, Any]:
    return {"from_slot_ms": {"count": count, **dict.fromkeys(("p50", "p95", "p99", "max"), milliseconds)}}


def test_others_that_wait_more_than_twice_as_long_are_a_fault() -> None:
    for beside, faults in ((19, 0), (20, 0), (21, 2)):
        comparison = compare(
            {"alone": latencies(MIN_UPLOADS, 10), "others": latencies(MIN_UPLOADS, beside)}, "alone", "others"
        )
        assert comparison
        assert len(comparison.faults) == faults


def test_few_uploads_are_not_judged_and_none_are_not_compared() -> None:
    comparison = compare(
        {"alone": latencies(MIN_UPLOADS - 1, 10), "others": latencies(MIN_UPLOADS, 90)}, "alone", "others"
    )
    assert comparison
    assert (comparison.faults, comparison.ratios["p50"]) == ([], 9)
    assert compare({"alone": latencies(MIN_UPLOADS, 10)}, "alone", "others") is None


def test_webhooks_that_are_missing_or_late_are_faults_with_the_reason() -> None:
    comparison = compare({"alone": latencies(MIN_UPLOADS, 10), "others": latencies(MIN_UPLOADS, 10)}, "alone", "others")
    assert comparison
    comparison.messages["beside"] = Messages(3, 1, MAX_WAIT_SECONDS + 1, "no answer")
    assert [fault.partition(" webhook")[0] for fault in comparison.faults] == ["2 of 3", "a"]
    assert "no answer" in comparison.faults[0]
