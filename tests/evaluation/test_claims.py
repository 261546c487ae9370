"""What is said of a claim follows from the intervals alone."""

import itertools

import pytest

from gi_lib.evaluation import VERDICTS, Finding, alike, higher, verdict
from gi_lib.evaluation.claims import FAILS, HOLDS, IN_PART, OPEN


@pytest.mark.parametrize(
    ("supports", "expected"),
    [
        ([], OPEN),
        ([None, None], OPEN),
        ([True], HOLDS),
        ([True, True], HOLDS),
        ([True, None], IN_PART),
        ([True, False], IN_PART),
        ([False], FAILS),
        ([False, None], FAILS),
    ],
)
def test_a_verdict_follows_from_its_findings(supports, expected):
    assert verdict([Finding("", one) for one in supports]) == expected


def test_the_order_of_findings_does_not_matter():
    for supports in itertools.product([True, False, None], repeat=3):
        found = {verdict([Finding("", one) for one in order]) for order in itertools.permutations(supports)}
        assert len(found) == 1 and found <= set(VERDICTS)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.1, 0.2, True), (-0.1, 0.2, None), (-0.2, -0.1, False), (0.0, 0.1, None)]
)
def test_higher_is_decided_by_the_whole_interval(low, high, expected):
    assert higher("x", low, high).supports is expected
    assert higher("x", low + 1, high + 1, than=1).supports is (expected if low else None)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.05, 0.05, True),
        (0.01, 0.04, True),
        (0.01, 0.06, False),
        (-0.06, -0.01, False),
        (-0.01, 0.06, None),
        (-1, 1, None),
    ],
)
def test_alike_needs_an_interval_inside_the_margin(low, high, expected):
    assert alike("x", low, high, margin=0.05).supports is expected


@pytest.mark.parametrize("limits", [(float("nan"), 0.1), (0.1, float("nan")), (0.2, 0.1)])
def test_no_interval_is_refused(limits):
    with pytest.raises(ValueError, match="is none"):
        higher("x", *limits)
    with pytest.raises(ValueError, match="is none"):
        alike("x", *limits, margin=0.05)
