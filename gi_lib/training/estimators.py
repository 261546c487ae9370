"""Scikit-learn estimators around the networks: the published schedule; inputs and labels scaled on what they see."""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from gi_lib.datasets.pathways import Edges
from gi_lib.encoding.scaling import CountScaler
from gi_lib.models.bmsnn import BMSNN
from gi_lib.models.galiana import Galiana
from gi_lib.models.gpsnn import GPSNN, sphere
from gi_lib.training.inputs import Features, Inputs, count_inputs
from gi_lib.training.loop import Schedule, masked_mse, predict, resolve_device, train

AfterEpoch = Callable[[int, BaseEstimator], None]


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

    def _learner(self, inputs: Inputs) -> tuple[nn.Module, Inputs]:
        """The part of the network that is trained, and what it reads."""
        return self.network_, inputs

    def _train(
        self,
        X: np.ndarray,
        labels: np.ndarray,
        n_outputs: int,
        loss: Callable,
        after_epoch: AfterEpoch | None,
    ) -> None:
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
        learner, inputs = self._learner(self._inputs(X, device))
        self.loss_history_ = train(
            learner,
            inputs,
            torch.as_tensor(labels, device=device),
            schedule,
            loss,
            self.seed,
            self.progress,
            after_epoch and (lambda epoch: after_epoch(epoch, self)),
        )

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        check_is_fitted(self, "network_")
        return predict(self.network_, self._inputs(X, next(self.network_.parameters()).device))


class Regressor(RegressorMixin, _Network):
    """Masked mean squared error on traits standardised over the training accessions."""

    def fit(self, X: np.ndarray, y: np.ndarray, after_epoch: AfterEpoch | None = None) -> "Regressor":
        """Train on inputs X and labels y of shape (sample,) or (sample, trait), NaN for missing.

        `after_epoch` is called with the number of epochs done and the estimator, which can predict by then.

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
        self._train(X, scaled, labels.shape[1], masked_mse, after_epoch)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions in the units of the labels, shape (sample,) or (sample, trait)."""
        predicted = self._outputs(X) * self.label_scale_ + self.label_mean_
        return predicted[:, 0] if self.single_trait_ else predicted


class _Classifier(ClassifierMixin, _Network):
    """Cross-entropy over classes."""

    def fit(self, X: np.ndarray, y: np.ndarray, after_epoch: AfterEpoch | None = None) -> "_Classifier":
        """Train on inputs X and class names y of shape (sample,); `after_epoch` as for the regressors.

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
        cross_entropy = nn.functional.cross_entropy
        self._train(X, code.astype(np.int64), len(self.classes_), cross_entropy, after_epoch)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Most probable class of each accession, shape (sample,)."""
        return self.classes_[self._outputs(X).argmax(axis=1)]


class CountNetwork(_Network):
    """A network on counts of shape (sample, gene, variant_type), scaled as `scaling` says: Galiana, or a subclass's."""

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


class GalianaRegressor(Regressor, CountNetwork):
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


class GalianaClassifier(_Classifier, CountNetwork):
    """Galiana with one output per class; parameters as `GalianaRegressor`."""


class BMSNNRegressor(Regressor, CountNetwork):
    """BMSNN on gene × variant-type counts (Raimondi et al. 2024, Figure 1C).

    Parameters
    ----------
    layers
        Edge lists from the genes of X up to pathways; see `gi_lib.models.bmsnn.BMSNN`.
    hidden
        Width of the dense layer above the pathways: 50 for BMSNN50, 100 for BMSNN100.
    scaling, epochs, batch_size, learning_rate, weight_decay, optimiser, seed, device, progress
        As `GalianaRegressor`; the paper's weight decay is 1e-4 here.
    """

    def __init__(
        self,
        layers: tuple[Edges, ...],
        hidden: int = 50,
        scaling: str = "standardise",
        epochs: int = 50,
        batch_size: int = 10,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-4,
        optimiser: str = "rmsprop",
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        super().__init__(
            scaling,
            hidden,
            epochs,
            batch_size,
            learning_rate,
            weight_decay,
            optimiser,
            seed,
            device,
            progress,
        )
        self.layers = layers

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        if self.layers[0].n_sources != X.shape[1]:
            raise ValueError(
                f"The lowest layer has {self.layers[0].n_sources} genes but the counts have {X.shape[1]}; "
                "connect the pathways to the genes of this cohort."
            )
        return BMSNN(self.layers, n_outputs, X.shape[2], self.hidden)


class GPSNNRegressor(Regressor):
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
