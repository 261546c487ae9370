"""Scikit-learn estimators around the networks: the published schedule; inputs and labels scaled on what they see."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from gi_lib.datasets.pathways import Edges
from gi_lib.encoding.scaling import CountScaler
from gi_lib.models.bmsnn import BMSNN
from gi_lib.models.checks import different_labels
from gi_lib.models.galiana import Galiana
from gi_lib.models.gpsnn import GPSNN, sphere
from gi_lib.training.inputs import Features, Held, Inputs, Part, count_inputs
from gi_lib.training.loop import Schedule, Training, cross_entropy, masked_mse, predict, resolve_device
from gi_lib.training.together import Fitting, complete

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

    def fit(self, X: np.ndarray, y: np.ndarray, after_epoch: AfterEpoch | None = None) -> "_Network":
        """Train on inputs X and labels y, one row per accession.

        `fitting` of each kind does the same step by step, so that several fits can be trained together. It takes the
        inputs of all accessions, which of them to learn from, and the labels of those; `after_epoch` is called with the
        number of epochs done and the estimator, which can predict by then.
        """
        return fit_together([self], X, y, after_epoch=after_epoch)[0]

    def _schedule(self) -> Schedule:
        return Schedule(self.epochs, self.batch_size, self.learning_rate, self.weight_decay, self.optimiser)

    def _order(self, n_samples: int) -> tuple[np.ndarray, int]:
        """Training accessions in order, and how many of the last are held out to stop by."""
        return np.arange(n_samples), 0

    def _fit_inputs(self, X: Held, samples: np.ndarray) -> None:
        """Learn what scaling the inputs needs from the training accessions."""

    def _inputs(self, X: Held, device: torch.device, samples: np.ndarray) -> Inputs:
        return Features(X.array[samples], device)

    def _learner(self, inputs: Inputs) -> tuple[nn.Module, Inputs]:
        """The part of the network that is trained, and what it reads."""
        return self.network_, inputs

    def _training(
        self,
        X: Held,
        samples: np.ndarray,
        labels: np.ndarray,
        n_outputs: int,
        loss: Callable,
        after_epoch: AfterEpoch | None,
    ) -> Fitting:
        schedule, device = self._schedule(), resolve_device(self.device)
        self._fit_inputs(X, samples)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self.network_ = self._build(X.array, n_outputs).to(device)
        self.input_shape_ = X.array.shape[1:]
        order, held_out = self._order(len(samples))
        learner, inputs = self._learner(self._inputs(X, device, samples[order]))
        self.loss_history_ = yield Training(
            learner,
            inputs,
            torch.as_tensor(labels[order], device=device),
            schedule,
            loss,
            self.seed,
            self.progress,
            after_epoch and (lambda epoch: after_epoch(epoch, self)),
            held_out,
        )

    def _outputs(
        self, X: np.ndarray | Part, output: Callable[..., Tensor] = nn.Module.__call__
    ) -> np.ndarray:
        check_is_fitted(self, "network_")
        held, samples = X if isinstance(X, Part) else Part(Held(X), np.arange(len(X)))
        if held.array.shape[1:] != self.input_shape_:
            raise ValueError(
                f"X has the shape {held.array.shape}; the model was fitted on (accession, "
                f"{', '.join(map(str, self.input_shape_))})."
            )
        inputs = self._inputs(held, next(self.network_.parameters()).device, samples)
        return predict(self.network_, inputs, output=output)


def learns_together(estimator: object) -> bool:
    """Whether `fit_together` does what the ``fit`` of an estimator does.

    A class with a ``fit`` of its own, below the one that ``fitting`` comes from, wants to be asked by that ``fit``.
    """
    if not hasattr(estimator, "fitting"):
        return False
    fit, fitting = (
        next(kind for kind in type(estimator).__mro__ if name in vars(kind)) for name in ("fit", "fitting")
    )
    return issubclass(fitting, fit)


def fit_together(
    estimators: Sequence[_Network],
    X: np.ndarray | Held,
    y: np.ndarray,
    samples: Sequence[np.ndarray] | None = None,
    source: np.ndarray | None = None,
    entities: np.ndarray | None = None,
    after_epoch: AfterEpoch | None = None,
) -> list[_Network]:
    """Fit several estimators at once, each as its ``fit`` would alone; what is alike is trained in one go.

    Parameters
    ----------
    estimators
        Each with a method ``fitting``.
    X, y
        One row per accession.
    samples
        For each estimator the accessions to learn from; all, if none are named.
    source : shape (accession, source_trait)
        Labels of the source task, for estimators that learn one.
    entities : shape (accession, entity)
        Measurements between genome and trait, for estimators that learn from them.
    after_epoch
        Called with the number of epochs done and the estimator.

    Raises
    ------
    ValueError
        If X, y, source and entities differ in length, or one of the last two holds an infinite value; and
        what the first estimator that failed would raise alone.
    FloatingPointError
        If the loss of a training stops being a finite number.
    """
    held = X if isinstance(X, Held) else Held(X)
    if len(held) != len(y):
        raise ValueError(f"X has {len(held)} accessions but y has {len(y)}; they must be the same.")
    besides = {"source": source, "entities": entities}
    besides = {name: np.asarray(values, np.float64) for name, values in besides.items() if values is not None}
    for name, values in besides.items():
        if np.isinf(values).any():
            raise ValueError(f"{name} holds an infinite value; use NaN where one is missing.")
        if values.ndim != 2 or len(values) != len(held):
            raise ValueError(
                f"{name} has shape {values.shape}; needed are {len(held)} rows, one per accession of X, and columns."
            )
    samples = [np.arange(len(held))] * len(estimators) if samples is None else samples
    fittings = []
    for estimator, mine in zip(estimators, samples, strict=True):
        options = {} if after_epoch is None else {"after_epoch": after_epoch}
        options |= {name: values[mine] for name, values in besides.items()}
        fittings.append(estimator.fitting(held, mine, np.asarray(y)[mine], **options))
    for error in complete(fittings):
        if error is not None:
            raise error
    return list(estimators)


def predict_together(
    estimators: Sequence[_Network], held: Held, samples: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """What each estimator predicts for its accessions of an array that is held; a network reads it where it lies."""
    return [
        np.asarray(estimator.predict(Part(held, mine) if _reads_parts(estimator) else held.array[mine]))
        for estimator, mine in zip(estimators, samples, strict=True)
    ]


def _reads_parts(estimator: object) -> bool:
    """Whether ``predict`` is the one that is written here, and not one that expects an array."""
    return type(estimator).predict in (Regressor.predict, _Classifier.predict)


class SourceTask:
    """For estimators that learn from the labels of a source task T1 too."""

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        source: np.ndarray | None = None,
        after_epoch: AfterEpoch | None = None,
    ) -> "SourceTask":
        """Train on the labels y and those of the source task; see `fitting`."""
        return fit_together([self], X, y, source=source, after_epoch=after_epoch)[0]


class Regressor(RegressorMixin, _Network):
    """Masked mean squared error on traits standardised over the training accessions."""

    def fitting(
        self, X: Held, samples: np.ndarray, y: np.ndarray, after_epoch: AfterEpoch | None = None
    ) -> Fitting:
        """What ``fit`` does, with labels y of shape (sample,) or (sample, trait), NaN for missing.

        Raises
        ------
        ValueError
            If X is not what the network reads, a label is infinite, or a trait has no two different labels.
        """
        labels = different_labels(y, len(samples))
        self.single_trait_ = np.ndim(y) == 1
        self.label_mean_, self.label_scale_ = np.nanmean(labels, axis=0), np.nanstd(labels, axis=0)
        scaled = ((labels - self.label_mean_) / self.label_scale_).astype(np.float32)
        yield from self._training(X, samples, scaled, labels.shape[1], masked_mse, after_epoch)

    def predict(self, X: np.ndarray | Part) -> np.ndarray:
        """Predictions in the units of the labels, shape (sample,) or (sample, trait)."""
        predicted = self._outputs(X) * self.label_scale_ + self.label_mean_
        return predicted[:, 0] if self.single_trait_ else predicted


class _Classifier(ClassifierMixin, _Network):
    """Cross-entropy over classes."""

    def fitting(
        self, X: Held, samples: np.ndarray, y: np.ndarray, after_epoch: AfterEpoch | None = None
    ) -> Fitting:
        """What ``fit`` does, with class names y of shape (sample,).

        Raises
        ------
        ValueError
            If X is not what the network reads, or there are fewer than two classes.
        """
        if not len(samples):
            raise ValueError("There is no accession with a class to learn from.")
        self.classes_, code = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"There is one class only ('{self.classes_[0]}'); a classifier needs two or more."
            )
        yield from self._training(
            X, samples, code.astype(np.int64), len(self.classes_), cross_entropy, after_epoch
        )

    def predict(self, X: np.ndarray | Part) -> np.ndarray:
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

    def _fit_inputs(self, X: Held, samples: np.ndarray) -> None:
        totals, squares = X.moments
        self.scaler_ = CountScaler(self.scaling).fit_moments(
            totals[samples], squares[samples], X.counts.shape[1]
        )

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return Galiana(X.shape[1], n_outputs, X.shape[2], self.hidden)

    def _inputs(self, X: Held, device: torch.device, samples: np.ndarray) -> Inputs:
        return count_inputs(X, self.scaler_, device, self.batch_size, samples)


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

    def _fit_inputs(self, X: Held, samples: np.ndarray) -> None:
        places = sphere(X.array)[samples]
        if np.isnan(places).any(axis=1).all():
            raise ValueError(f"None of {len(samples)} accessions has a known latitude and longitude.")
        self.unknown_place_ = np.nanmean(places, axis=0)

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return GPSNN(n_outputs)

    def _inputs(self, X: Held, device: torch.device, samples: np.ndarray) -> Inputs:
        place = sphere(X.array[samples])
        return Features(np.where(np.isnan(place), self.unknown_place_, place), device)
