"""Fits that are trained together: each says what it wants to train next, and what is alike is trained at once.

An estimator's ``fitting`` is a generator. It yields a training, is sent the losses of its epochs, and goes on. So a
fit with two stages, such as transfer learning, reads from top to bottom as if it were alone, and the stages of several
fits still meet.
"""

from collections.abc import Generator, Sequence
from typing import Any, Protocol


class Wanted(Protocol):
    """What a fit wants to train: a `gi_lib.training.loop.Training`, or one of another kind."""

    @property
    def alike(self) -> tuple:
        """What trainings of this kind must have in common to be trained at once."""

    @property
    def at_once(self) -> int:
        """How many are trained at once at most."""

    @staticmethod
    def together(trainings: Sequence["Wanted"]) -> list[Any]:
        """Train them; for each the answer that its fit goes on with, or the exception that ended it."""


Fitting = Generator[Wanted, Any, None]


def complete(fittings: Sequence[Fitting]) -> list[Exception | None]:
    """Run fits to their ends.

    Returns
    -------
    list
        For each fit what ended it early, or None.
    """
    outcome: list[Exception | None] = [None] * len(fittings)
    waiting: dict[int, Wanted] = {}

    def advance(number: int, answer: Any) -> None:
        fitting = fittings[number]
        waiting.pop(number, None)
        try:
            if isinstance(answer, Exception):
                waiting[number] = fitting.throw(answer)
            else:
                waiting[number] = fitting.send(answer)
        except StopIteration:
            pass
        except Exception as error:
            outcome[number] = error

    for number in range(len(fittings)):
        advance(number, None)
    while waiting:
        first = next(iter(waiting.values()))
        alike = [
            number for number, one in waiting.items() if type(one) is type(first) and one.alike == first.alike
        ]
        alike = alike[: first.at_once]
        for number, answer in zip(alike, first.together([waiting[number] for number in alike]), strict=True):
            advance(number, answer)
    return outcome
