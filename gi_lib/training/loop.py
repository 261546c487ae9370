"""The one training loop, for every network and any number of fits: batches, optimiser, learning rate, loss."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gi_lib.models.binn import EntityEncoder
from gi_lib.models.sparse import SparseLinear
from gi_lib.training.inputs import Inputs
from gi_lib.training.optimisers import Adam, RMSprop
from gi_lib.training.stacked import restack, stack, unstack

OPTIMISERS = {"rmsprop": RMSprop, "adam": Adam}
DEVICES = ("auto", "cpu", "cuda")
AT_ONCE = {"cpu": 10, "cuda": 64}
"""How many networks are stacked at most, by device."""
SMALL = 300_000
"""Small networks are stacked until they have so many weights: their steps take calls, not arithmetic."""


def resolve_device(device: str = "auto") -> torch.device:
    """The device to compute on: ``auto`` takes a CUDA GPU if there is one.

    Raises
    ------
    ValueError
        If the name is unknown, or ``cuda`` is asked for where there is none.
    """
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}; allowed are {', '.join(DEVICES)}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda' but PyTorch finds no CUDA GPU here; use 'auto' or 'cpu'.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


@dataclass(frozen=True)
class Schedule:
    """How a network is trained; the defaults are those of Raimondi et al. 2024, *Implementation*.

    The learning rate is multiplied by `decay` after `patience` epochs in a row without a lower training loss. With
    `stop_after`, training ends after so many epochs in a row without a lower loss on the accessions that
    `Training.held_out` keeps apart, and the weights of the best epoch are kept. `weight_decay` and `l1` are the
    penalties on squares and absolute values of the weights.
    """

    epochs: int = 50
    batch_size: int = 10
    learning_rate: float = 1e-2
    weight_decay: float = 1e-6
    optimiser: str = "rmsprop"
    decay: float = 1 / 3
    patience: int = 3
    l1: float = 0.0
    stop_after: int | None = None

    @property
    def in_common(self) -> tuple:
        """What networks that are trained at once share; the rest each may have for itself."""
        stops = self.stop_after is not None
        return self.epochs, self.batch_size, self.optimiser, self.weight_decay, self.l1, stops

    def __post_init__(self):
        for name in ("epochs", "batch_size", "learning_rate", "patience", "stop_after"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be greater than zero.")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser is {self.optimiser!r}; allowed are {', '.join(OPTIMISERS)}.")


def masked_mse(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error over the labels that are there (NaN marks a missing one).

    Maps (..., batch, trait) to one number for each of the leading dimensions.
    """
    observed = ~torch.isnan(labels)
    error = torch.where(observed, outputs - torch.nan_to_num(labels), 0)
    return error.square().sum((-2, -1)) / observed.sum((-2, -1)).clamp(min=1)


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labels that are there (-1 marks a missing one).

    Maps outputs (..., batch, class) and labels (..., batch) to one number for each of the leading dimensions.
    """
    observed = labels >= 0
    chosen = outputs.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -torch.where(observed, chosen, 0).sum(-1) / observed.sum(-1).clamp(min=1)


@dataclass
class Training:
    """One network to train, in place.

    Attributes
    ----------
    network
        On the device of `inputs` and `labels`.
    inputs, labels
        One entry per accession.
    held_out
        So many accessions, the last ones, are not trained on; their loss says when to stop.
    schedule, loss
        The loss maps outputs (fit, batch, output) and labels (fit, batch, ...) to one number per fit, and leaves out
        missing labels: NaN, or -1 where they are integers.
    seed
        Decides the order of the accessions in every epoch.
    progress
        Show a bar with the loss.
    after_epoch
        Called with the number of epochs done; an exception it raises ends the training.
    """

    network: nn.Module
    inputs: Inputs
    labels: Tensor
    schedule: Schedule
    loss: Callable[[Tensor, Tensor], Tensor] = masked_mse
    seed: int = 0
    progress: bool = False
    after_epoch: Callable[[int], None] | None = None
    held_out: int = 0

    @property
    def n_trained(self) -> int:
        """Accessions that are trained on."""
        return len(self.inputs) - self.held_out

    @property
    def alike(self) -> tuple:
        """What networks must have in common to be trained at once."""
        parameters = tuple((name, p.shape, p.requires_grad) for name, p in self.network.named_parameters())
        scaling = getattr(self.inputs, "scaling", None)
        return (
            type(self.network), parameters, _edges(self.network),
            type(self.inputs), getattr(scaling, "frequency", None),
            self.schedule.in_common, self.loss, self.labels.device, self.labels.shape[1:],
        )  # fmt: skip

    @property
    def at_once(self) -> int:
        """How many are trained at once at most."""
        n_weights = sum(parameter.numel() for parameter in self.network.parameters())
        return max(AT_ONCE[self.labels.device.type], SMALL // n_weights)

    @staticmethod
    def together(trainings: Sequence["Training"]) -> list[list[float] | Exception]:
        """See `train`."""
        return train(trainings)


def _edges(network: nn.Module) -> tuple:
    """What must agree about the edges of networks: those of sparse layers, and how many each entity has."""
    agree = {SparseLinear: ("source", "target"), EntityEncoder: ("target",)}
    return tuple(
        bytes(getattr(layer, end).cpu().numpy())
        for layer in network.modules()
        for end in agree.get(type(layer), ())
    )


def train(trainings: Sequence[Training]) -> list[list[float] | Exception]:
    """Train several networks of one shape at once, each as if it were alone.

    Each has accessions, weights, state of the optimiser, learning rate and early stop of its own. In one step every
    network takes its next batch; one that has no batch left in an epoch waits for the others.

    Parameters
    ----------
    trainings
        With what `Schedule.in_common` names, losses, class of inputs, and shape of networks in common.

    Returns
    -------
    list
        For each network the mean training loss of each epoch, or the exception that ended its training: that of
        `after_epoch`, or `FloatingPointError` if the loss stopped being a finite number.
    """
    schedule = trainings[0].schedule
    networks = [one.network.train() for one in trainings]
    sizes = [one.n_trained for one in trainings]
    engine = _Engine(trainings)
    stopping = _Stopping(engine, trainings) if schedule.stop_after else None
    falling = [_Plateau(one.schedule) for one in trainings]
    orders = [torch.Generator().manual_seed(one.seed) for one in trainings]
    results: list[list[float] | Exception] = [[] for _ in trainings]
    epochs = tqdm(
        range(schedule.epochs), unit="epoch", disable=not any(one.progress for one in trainings), leave=False
    )
    for epoch in epochs:
        totals = engine.epoch(
            [torch.randperm(n, generator=order) for n, order in zip(sizes, orders, strict=True)]
        )
        current = [total / n for total, n in zip(totals, sizes, strict=True)]
        going = [
            fit
            for fit, result in enumerate(results)
            if not isinstance(result, Exception) and not (stopping and stopping.has_stopped[fit])
        ]
        for fit in going:
            results[fit].append(current[fit])
            if not math.isfinite(current[fit]):
                results[fit] = FloatingPointError(
                    f"The training loss became {current[fit]} in epoch {epoch + 1}; "
                    f"try a learning rate below {trainings[fit].schedule.learning_rate:g}."
                )
        engine.learning_rates([plateau.step(error) for plateau, error in zip(falling, current, strict=True)])
        if stopping:
            stopping.step()
        epochs.set_postfix(loss=f"{np.mean([current[fit] for fit in going]):.3f}")
        if any(one.after_epoch for one in trainings):
            unstack(engine.network, networks)
            for fit in going:
                if trainings[fit].after_epoch and not isinstance(results[fit], Exception):
                    try:
                        trainings[fit].after_epoch(epoch + 1)
                    except Exception as error:
                        results[fit] = error
                    trainings[fit].network.train()
        if all(
            isinstance(result, Exception) or (stopping and stopping.has_stopped[fit])
            for fit, result in enumerate(results)
        ):
            break
    if stopping:
        stopping.restore()
    unstack(engine.network, networks)
    return results


class _Plateau:
    """The learning rate of one fit: cut after `Schedule.patience` epochs in a row without a lower loss."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule
        self.rate, self.lowest, self.waited = schedule.learning_rate, math.inf, 0

    def step(self, loss: float) -> float:
        self.waited = 0 if loss < self.lowest else self.waited + 1
        self.lowest = min(self.lowest, loss)
        if self.waited == self.schedule.patience:
            self.rate, self.waited = self.rate * self.schedule.decay, 0
        return self.rate


class _Stopping:
    """Early stopping of each fit by the loss on what it holds out, and the weights of its best epoch."""

    def __init__(self, engine: "_Engine", trainings: Sequence[Training]):
        for one in trainings:
            if not one.held_out:
                raise ValueError("stop_after needs accessions that are held out; held_out is 0.")
        self.engine, self.wait = engine, [one.schedule.stop_after for one in trainings]
        widest = max(one.held_out for one in trainings)
        places = [list(range(one.n_trained, len(one.inputs))) for one in trainings]
        filled = [
            row + [len(one.inputs)] * (widest - len(row)) for row, one in zip(places, trainings, strict=True)
        ]
        self.places = torch.tensor(filled, device=engine.device)
        self.lowest, self.waited = [math.inf] * len(trainings), [0] * len(trainings)
        self.has_stopped = [False] * len(trainings)
        self.best = [parameter.detach().clone() for parameter in engine.network.parameters()]

    @torch.no_grad()
    def step(self) -> None:
        """Judge the epoch that is over."""
        for fit, loss in enumerate(self.engine.losses(self.places)):
            if self.has_stopped[fit]:
                continue
            if loss < self.lowest[fit]:
                self.lowest[fit], self.waited[fit] = loss, 0
                for kept, parameter in zip(self.best, self.engine.network.parameters(), strict=True):
                    kept[fit] = parameter[fit]
            else:
                self.waited[fit] += 1
            if self.waited[fit] >= self.wait[fit]:
                self.has_stopped[fit] = True
                self.engine.going[fit] = 0

    @torch.no_grad()
    def restore(self) -> None:
        """Go back to the best epoch of each fit."""
        for kept, parameter in zip(self.best, self.engine.network.parameters(), strict=True):
            parameter.copy_(kept)


class _Engine:
    """The steps of stacked networks; on a GPU one step is recorded as a CUDA graph and then replayed."""

    def __init__(self, trainings: Sequence[Training]):
        schedule, self.loss = trainings[0].schedule, trainings[0].loss
        self.networks = [one.network for one in trainings]
        self.batch_size = schedule.batch_size
        self.network = stack(self.networks)
        self.batches = type(trainings[0].inputs).join([one.inputs for one in trainings])
        self.labels = _with_a_missing_one([one.labels for one in trainings])
        self.device = self.labels.device
        self.lengths = torch.tensor([[one.n_trained] for one in trainings], device=self.device)
        self.missing = [len(one.inputs) for one in trainings]
        self.fit = torch.arange(len(trainings), device=self.device)[:, None]
        self.rates = torch.tensor([one.schedule.learning_rate for one in trainings], device=self.device)
        self.optimiser = OPTIMISERS[schedule.optimiser](
            self.network.parameters(), self.rates, schedule.weight_decay, schedule.l1
        )
        self.going = torch.ones_like(self.rates)  # 0 for a fit that has stopped
        self.total = torch.zeros(len(trainings), device=self.device)
        longest = max(one.n_trained for one in trainings)
        self.n_steps = -(-longest // self.batch_size)
        # A place after the last accession of a fit has a missing label: it fills up a batch.
        shape = self.n_steps, len(trainings), self.batch_size
        self.order = torch.tensor(self.missing, device=self.device)[:, None].expand(shape).clone()
        self.cursor = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.graph = self._recorded() if self.device.type == "cuda" else None

    def epoch(self, orders: Sequence[Tensor]) -> list[float]:
        """One epoch in these orders of accessions; the sum over accessions of each fit's loss."""
        full = torch.empty((len(orders), self.n_steps * self.batch_size), dtype=torch.int64)
        for row, order, missing in zip(full, orders, self.missing, strict=True):
            row[: len(order)], row[len(order) :] = order, missing
        self.order.copy_(full.view(len(orders), self.n_steps, self.batch_size).transpose(0, 1))
        self.total.zero_()
        self.cursor.zero_()
        for _ in range(self.n_steps):
            self.graph.replay() if self.graph else self._step()
        return self.total.tolist()

    def learning_rates(self, rates: Sequence[float]) -> None:
        """Set each fit's learning rate."""
        self.rates.copy_(torch.tensor(rates))

    @torch.no_grad()
    def losses(self, places: Tensor) -> list[float]:
        """Loss of each fit on accessions at these places, (fit, number)."""
        self.network.eval()
        losses = self.loss(self.network(*self.batches(places)), self.labels[self.fit, places])
        self.network.train()
        return losses.tolist()

    def _step(self) -> None:
        place = self.order.index_select(0, self.cursor)[0]  # (fit, batch)
        self.optimiser.zero_grad()
        error = self.loss(self.network(*self.batches(place)), self.labels[self.fit, place])  # (fit,)
        error.sum().backward()
        n = (place < self.lengths).sum(1)
        self.optimiser.step((n > 0) * self.going)
        self.total += error.detach() * n
        self.cursor += 1

    def _recorded(self) -> torch.cuda.CUDAGraph:
        self.order.zero_()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # kernels are compiled and memory is taken before the recording
                self.cursor.zero_()
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self.optimiser.zero_grad()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        restack(self.network, self.networks)
        self.optimiser.forget()
        return graph


def _with_a_missing_one(labels: Sequence[Tensor]) -> Tensor:
    """Labels of all fits, (fit, accession + 1, ...), filled up with missing ones."""
    longest = max(len(one) for one in labels) + 1
    missing = math.nan if labels[0].is_floating_point() else -1
    filled = labels[0].new_full((len(labels), longest, *labels[0].shape[1:]), missing)
    for row, one in zip(filled, labels, strict=True):
        row[: len(one)] = one
    return filled


@torch.no_grad()
def predict(
    network: nn.Module,
    inputs: Inputs,
    batch_size: int = 100,
    output: Callable[..., Tensor] = nn.Module.__call__,
) -> np.ndarray:
    """Outputs of a network, shape (sample, output), or of another of its methods, such as ``Galiana.features``."""
    network = stack([network.eval()])
    batches = inputs.join([inputs])
    device = next(network.parameters()).device
    places = torch.arange(len(inputs), device=device)[None].split(batch_size, dim=1)
    return torch.cat([output(network, *batches(place))[0] for place in places]).cpu().numpy()
