"""Fits that are trained together: each says what it wants to train next, and what is alike is trained at once.

An estimator's ``fitting`` is a generator. It yields a `Training`, is sent the losses of its epochs, and goes on. So a
fit with two stages, such as transfer learning, reads from top to bottom as if it were alone, and the stages of several
fits still meet.
"""

from collections.abc import Generator, Sequence

from torch import nn

from gi_lib.models.sparse import SparseLinear
from gi_lib.training.loop import Training, train

Fitting = Generator[Training, list[float], None]

AT_ONCE = {"cpu": 10, "cuda": 64}
"""How many fits are stacked at most."""


def complete(fittings: Sequence[Fitting]) -> list[Exception | None]:
    """Run fits to their ends.

    Returns
    -------
    list
        For each fit what ended it early, or None.
    """
    outcome: list[Exception | None] = [None] * len(fittings)
    waiting: dict[int, Training] = {}

    def advance(number: int, answer: list[float] | Exception | None) -> None:
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
        first = _shape(next(iter(waiting.values())))
        alike = [number for number, training in waiting.items() if _shape(training) == first]
        alike = alike[: AT_ONCE[waiting[alike[0]].labels.device.type]]
        for number, answer in zip(alike, train([waiting[number] for number in alike]), strict=True):
            advance(number, answer)
    return outcome


def _shape(training: Training) -> tuple:
    """What trainings must have in common to be trained at once."""
    parameters = tuple((name, p.shape, p.requires_grad) for name, p in training.network.named_parameters())
    scaling = getattr(training.inputs, "scaling", None)
    return (
        type(training.network), parameters, _edges(training.network),
        type(training.inputs), getattr(scaling, "frequency", None),
        training.schedule, training.loss, training.labels.device, training.labels.shape[1:],
    )  # fmt: skip


def _edges(network: nn.Module) -> tuple:
    """Where the edges of sparse layers begin and end."""
    return tuple(
        bytes(ends.cpu().numpy())
        for layer in network.modules()
        if isinstance(layer, SparseLinear)
        for ends in (layer.source, layer.target)
    )
