"""From measured differences to what is said of a claim."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

HOLDS, IN_PART, FAILS, OPEN = "holds", "holds in part", "does not hold", "cannot be tested here"
VERDICTS = (HOLDS, IN_PART, FAILS, OPEN)


@dataclass(frozen=True)
class Finding:
    """What one number says about a claim.

    Parameters
    ----------
    says
        The number in words.
    supports
        Whether it is as claimed; None if it could be either, because the interval reaches both sides.
    """

    says: str
    supports: bool | None


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper that a recorded table can support or not.

    Parameters
    ----------
    claim, paper
        In short words, and the number printed for it.
    chapter, anchor
        Page that computes it, and the figure or section there.
    table
        Name of the recorded table.
    read
        Findings in the table of one recorded run; none if that run cannot tell.
    """

    claim: str
    paper: str
    chapter: str
    anchor: str
    table: str
    read: Callable[[pd.DataFrame], list[Finding]]


def higher(says: str, low: float, high: float, than: float = 0.0) -> Finding:
    """Something was claimed to be above a number: the interval decides.

    Parameters
    ----------
    says
        The number in words.
    low, high
        Limits of its interval.
    than
        What it was claimed to exceed.

    Examples
    --------
    >>> higher("0.10 [0.02, 0.18]", 0.02, 0.18).supports, higher("0.10 [−0.02, 0.22]", -0.02, 0.22).supports
    (True, None)
    """
    if not low <= high:
        raise ValueError(f"The interval from {low} to {high} is none.")
    return Finding(says, True if low > than else False if high < than else None)


def alike(says: str, low: float, high: float, margin: float) -> Finding:
    """No difference was claimed: the interval must lie within a margin around zero.

    An interval that only includes zero does not show that there is no difference. One that excludes zero shows that
    there is one; if it lies within the margin too, it is too small to matter.

    Examples
    --------
    >>> [alike("", *limits, margin=0.05).supports for limits in [(-0.03, 0.04), (-0.2, 0.1), (0.01, 0.09)]]
    [True, None, False]
    """
    if not low <= high:
        raise ValueError(f"The interval from {low} to {high} is none.")
    if -margin <= low and high <= margin:
        return Finding(says, True)
    return Finding(says, False if low > 0 or high < 0 else None)


def verdict(findings: Sequence[Finding]) -> str:
    """One of `VERDICTS`.

    A claim *holds* if every finding supports it and none leaves it open; it *does not hold* if none supports it and one
    at least contradicts it; it *holds in part* if some support it and others do not; and it *cannot be tested here* if
    there is no finding, or none that decides.
    """
    supports = [finding.supports for finding in findings]
    if True in supports:
        return HOLDS if all(supports) else IN_PART
    return FAILS if False in supports else OPEN
