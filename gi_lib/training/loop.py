"""The one training loop, for every network: batches, optimiser, learning rate, loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gi_lib.training.inputs import Inputs
from gi_lib.training.optimisers import RMSprop

OPTIMISERS = {"rmsprop": RMSprop, "adam": partial(torch.optim.Adam, fused=True)}
DEVICES = ("auto", "cpu", "cuda")


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

    The learning rate is cut to a third after `patience` epochs in a row without a lower training loss.
    """

    epochs: int = 50
    batch_size: int = 10
    learning_rate: float = 1e-2
    weight_decay: float = 1e-6
    optimiser: str = "rmsprop"
    decay: float = 1 / 3
    patience: int = 3

    def __post_init__(self):
        for name in ("epochs", "batch_size", "learning_rate", "patience"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be greater than zero.")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser is {self.optimiser!r}; allowed are {', '.join(OPTIMISERS)}.")


def masked_mse(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error over the labels that are there (NaN marks a missing one)."""
    observed = ~torch.isnan(labels)
    error = torch.where(observed, outputs - torch.nan_to_num(labels), 0)
    return error.square().sum() / observed.sum().clamp(min=1)


def train(
    network: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    schedule: Schedule,
    loss: Callable[[Tensor, Tensor], Tensor],
    seed: int,
    progress: bool = False,
    after_epoch: Callable[[int], None] | None = None,
) -> list[float]:
    """Train a network in place.

    Parameters
    ----------
    network
        On the device of `inputs` and `labels`.
    inputs, labels
        One entry per accession.
    loss
        Maps (outputs, labels) of a batch to a scalar.
    seed
        Decides the order of the accessions in every epoch.
    progress
        Show a bar with the loss.
    after_epoch
        Called with the number of epochs done; an exception it raises ends the training.

    Returns
    -------
    list of float
        Mean training loss of each epoch.

    Raises
    ------
    FloatingPointError
        If the loss stops being a finite number.
    """
    optimiser = OPTIMISERS[schedule.optimiser](
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    cut = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=schedule.decay, patience=schedule.patience - 1, threshold=0.0
    )
    order = torch.Generator().manual_seed(seed)
    history = []
    epochs = tqdm(range(schedule.epochs), unit="epoch", disable=not progress, leave=False)
    for epoch in epochs:
        network.train()
        total = torch.zeros((), device=labels.device)
        shuffled = torch.randperm(len(inputs), generator=order).to(labels.device)
        for batch in shuffled.split(schedule.batch_size):
            optimiser.zero_grad(set_to_none=True)
            error = loss(network(*inputs[batch]), labels[batch])
            error.backward()
            optimiser.step()
            total += error.detach() * len(batch)
        history.append(total.item() / len(inputs))
        if not math.isfinite(history[-1]):
            raise FloatingPointError(
                f"The training loss became {history[-1]} in epoch {epoch + 1}; "
                f"try a learning rate below {schedule.learning_rate:g}."
            )
        cut.step(history[-1])
        epochs.set_postfix(loss=f"{history[-1]:.3f}")
        if after_epoch is not None:
            after_epoch(epoch + 1)
    return history


@torch.no_grad()
def predict(
    network: nn.Module,
    inputs: Inputs,
    batch_size: int = 100,
    output: Callable[..., Tensor] = nn.Module.__call__,
) -> np.ndarray:
    """Outputs of a network, shape (sample, output), or of another of its methods, such as ``Galiana.features``."""
    network.eval()
    batches = torch.arange(len(inputs)).split(batch_size)
    device = next(network.parameters()).device
    return torch.cat([output(network, *inputs[batch.to(device)]) for batch in batches]).cpu().numpy()
