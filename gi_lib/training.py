"""The one training loop, and the scikit-learn estimators built on it.

A network is a plain `torch.nn.Module`. An estimator pairs it with the published schedule, scales inputs and labels on
the training accessions, and follows scikit-learn's conventions (``fit``, ``predict``, ``get_params``, cloning).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from tqdm import tqdm

from gi_lib.encoding.scaling import CountScaler
from gi_lib.models import GPSNN, Galiana, sphere

OPTIMISERS = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}
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


class Inputs(Protocol):
    """What a network reads, held on its device: ``inputs[batch]`` gives the arguments of ``forward``."""

    def __len__(self) -> int: ...

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]: ...


class Features:
    """Plain features of shape (sample, feature)."""

    def __init__(self, features: np.ndarray, device: torch.device):
        self.features = torch.as_tensor(np.asarray(features, np.float32), device=device)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]:
        return (self.features[batch],)


class Counts:
    """Counts of shape (sample, gene, variant_type), scaled batch by batch so that memory holds integers."""

    def __init__(self, counts: np.ndarray, scaler: CountScaler, device: torch.device):
        self.counts = torch.as_tensor(counts, device=device)
        self.scaler = scaler
        self.mean = torch.as_tensor(scaler.mean_, device=device)
        self.scale = torch.as_tensor(scaler.scale_, device=device)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]:
        counts = self.counts[batch].float()
        if self.scaler.scaling == "frequency":
            return (counts / counts.sum(dim=-1, keepdim=True).clamp(min=1),)
        return ((counts - self.mean) / self.scale,)


class SharedCounts:
    """Counts held as their distinct rows and, for each gene of each accession, which row it has.

    Genes without variants, or with one variant of one type, are alike; G need encode each kind of row once a
    batch. On 22,000 SNPs of 1,135 accessions there are 119 kinds among 15 million rows.
    """

    def __init__(self, rows: np.ndarray, row: np.ndarray, scaler: CountScaler, device: torch.device):
        self.rows = torch.as_tensor(scaler.transform(rows), device=device)
        self.row = torch.as_tensor(row, device=device)

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]:
        return self.rows, self.row[batch].long()


def distinct_rows(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct count vectors, and where each occurs.

    Parameters
    ----------
    counts : shape (sample, gene, variant_type), unsigned int

    Returns
    -------
    rows : shape (row, variant_type)
    row : shape (sample, gene), int32
        ``rows[row]`` equals `counts`.
    """
    flat = counts.reshape(-1, counts.shape[-1])
    filled = np.flatnonzero(flat.any(axis=1))  # most genes of most accessions are empty
    code = np.zeros(len(filled), np.int64)
    for column in flat[filled].T:
        code = pd.factorize(code * (int(column.max(initial=0)) + 1) + column)[0]
    _, first = np.unique(code, return_index=True)
    rows = np.concatenate([np.zeros((1, counts.shape[-1]), counts.dtype), flat[filled[first]]])
    row = np.zeros(len(flat), np.int32)
    row[filled] = code + 1
    return rows, row.reshape(counts.shape[:2])


def count_inputs(counts: np.ndarray, scaler: CountScaler, device: torch.device, batch_size: int) -> Inputs:
    """Hold counts in whichever form makes G cheaper: shared rows if they are few, else one by one."""
    rows, row = distinct_rows(counts)
    if len(rows) < batch_size * counts.shape[1] / 2:
        return SharedCounts(rows, row, scaler, device)
    return Counts(counts, scaler, device)


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

    Returns
    -------
    list of float
        Mean training loss of each epoch.

    Raises
    ------
    FloatingPointError
        If the loss stops being a finite number.
    """
    # Without a per-tensor loop in Python; the arithmetic is the same.
    optimiser = OPTIMISERS[schedule.optimiser](
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, foreach=True
    )
    cut = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=schedule.decay, patience=schedule.patience - 1, threshold=0.0
    )
    order = torch.Generator().manual_seed(seed)
    history = []
    network.train()
    epochs = tqdm(range(schedule.epochs), unit="epoch", disable=not progress, leave=False)
    for epoch in epochs:
        total = torch.zeros((), device=labels.device)
        for batch in (
            torch.randperm(len(inputs), generator=order).to(labels.device).split(schedule.batch_size)
        ):
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
    return history


@torch.no_grad()
def predict(network: nn.Module, inputs: Inputs, batch_size: int = 100) -> np.ndarray:
    """Outputs of a network, shape (sample, output)."""
    network.eval()
    batches = torch.arange(len(inputs)).split(batch_size)
    device = next(network.parameters()).device
    return torch.cat([network(*inputs[batch.to(device)]) for batch in batches]).cpu().numpy()


class _Network(BaseEstimator):
    """What every estimator around a network shares: settings, inputs, training."""

    def __init__(
        self,
        epochs: int = 50,
        batch_size: int = 10,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-6,
        optimiser: str = "rmsprop",
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.optimiser = optimiser
        self.seed = seed
        self.device = device
        self.progress = progress

    def _fit_inputs(self, X: np.ndarray) -> None:
        """Learn what scaling the inputs needs from the training accessions."""

    def _inputs(self, X: np.ndarray, device: torch.device) -> Inputs:
        return Features(X, device)

    def _train(self, X: np.ndarray, labels: np.ndarray, n_outputs: int, loss: Callable) -> None:
        if len(X) != len(labels):
            raise ValueError(f"X has {len(X)} accessions but y has {len(labels)}; they must be the same.")
        schedule = Schedule(
            self.epochs, self.batch_size, self.learning_rate, self.weight_decay, self.optimiser
        )
        device = resolve_device(self.device)
        self._fit_inputs(X)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self.network_ = self._build(X, n_outputs).to(device)
        self.loss_history_ = train(
            self.network_,
            self._inputs(X, device),
            torch.as_tensor(labels, device=device),
            schedule,
            loss,
            self.seed,
            self.progress,
        )

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        check_is_fitted(self, "network_")
        return predict(self.network_, self._inputs(X, next(self.network_.parameters()).device))


class _Regressor(RegressorMixin, _Network):
    """Masked mean squared error on traits standardised over the training accessions."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Regressor":
        """Train on inputs X and labels y of shape (sample,) or (sample, trait), NaN for missing.

        Raises
        ------
        ValueError
            If X and y differ in length, or a trait has no two different labels.
        """
        y = np.asarray(y, np.float64)
        self.single_trait_ = y.ndim == 1
        labels = y.reshape(len(y), -1)
        constant = ~(np.nan_to_num(labels - np.nanmin(labels, axis=0, initial=np.inf)) > 0).any(axis=0)
        if constant.any():
            raise ValueError(
                f"Trait number {int(np.argmax(constant))} has no two different labels to learn from."
            )
        self.label_mean_, self.label_scale_ = np.nanmean(labels, axis=0), np.nanstd(labels, axis=0)
        scaled = ((labels - self.label_mean_) / self.label_scale_).astype(np.float32)
        self._train(X, scaled, labels.shape[1], masked_mse)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions in the units of the labels, shape (sample,) or (sample, trait)."""
        predicted = self._outputs(X) * self.label_scale_ + self.label_mean_
        return predicted[:, 0] if self.single_trait_ else predicted


class _Classifier(ClassifierMixin, _Network):
    """Cross-entropy over classes."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Classifier":
        """Train on inputs X and class names y of shape (sample,).

        Raises
        ------
        ValueError
            If X and y differ in length, or there is only one class.
        """
        self.classes_, code = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"There is one class only ('{self.classes_[0]}'); a classifier needs two or more."
            )
        self._train(X, code.astype(np.int64), len(self.classes_), nn.functional.cross_entropy)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Most probable class of each accession, shape (sample,)."""
        return self.classes_[self._outputs(X).argmax(axis=1)]


class _CountNetwork(_Network):
    """Galiana on counts of shape (sample, gene, variant_type), scaled as `scaling` says."""

    def __init__(
        self,
        scaling: str = "standardise",
        hidden: int = 50,
        epochs: int = 50,
        batch_size: int = 10,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-6,
        optimiser: str = "rmsprop",
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        super().__init__(epochs, batch_size, learning_rate, weight_decay, optimiser, seed, device, progress)
        self.scaling = scaling
        self.hidden = hidden

    def _fit_inputs(self, X: np.ndarray) -> None:
        self.scaler_ = CountScaler(self.scaling).fit(X)

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return Galiana(X.shape[1], n_outputs, X.shape[2], self.hidden)

    def _inputs(self, X: np.ndarray, device: torch.device) -> Inputs:
        return count_inputs(X, self.scaler_, device, self.batch_size)


class GalianaRegressor(_Regressor, _CountNetwork):
    """Galiana on gene × variant-type counts (Raimondi et al. 2024, Figure 1A).

    Parameters
    ----------
    scaling
        How counts are scaled; see `CountScaler`.
    hidden
        Width of the hidden layers, 50 in the paper.
    epochs, batch_size, learning_rate, weight_decay, optimiser
        See `Schedule`. The paper names no optimiser for this model; RMSprop is what it uses elsewhere.
    seed
        Decides the initial weights and the order of the accessions.
    device
        ``auto``, ``cpu`` or ``cuda``.
    progress
        Show a bar while training.
    """


class GalianaClassifier(_Classifier, _CountNetwork):
    """Galiana with one output per class; parameters as `GalianaRegressor`."""


class GPSNNRegressor(_Regressor):
    """GPSNN on latitude and longitude in degrees, shape (sample, 2); parameters as `Schedule`.

    An accession of unknown place gets the mean of the training accessions' coordinates on the sphere.
    """

    def _fit_inputs(self, X: np.ndarray) -> None:
        self.unknown_place_ = np.nanmean(sphere(X), axis=0)

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return GPSNN(n_outputs)

    def _inputs(self, X: np.ndarray, device: torch.device) -> Inputs:
        place = sphere(X)
        return Features(np.where(np.isnan(place), self.unknown_place_, place), device)
