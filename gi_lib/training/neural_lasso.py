"""NeuralLasso as a scikit-learn estimator, with the weight of its penalty found on the training accessions."""

from collections.abc import Generator

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted

from gi_lib.encoding.markers import DosageImputer
from gi_lib.models.checks import different_labels, enough_to_divide, same_markers
from gi_lib.models.interacting_lasso import InteractingLasso
from gi_lib.models.neural_lasso import NeuralLasso
from gi_lib.training.estimators import fit_together
from gi_lib.training.inputs import Held
from gi_lib.training.loop import resolve_device
from gi_lib.training.separable import PROTOCOLS, Fit, LassoTraining, Protocol
from gi_lib.training.together import Fitting

INNER_VALIDATION = "inner validation"
HALVINGS = tuple(range(1, 7))
"""Penalties that are tried: the least that leaves no marker in the model, halved so often."""


class NeuralLassoRegressor(RegressorMixin, BaseEstimator):
    r"""NeuralLasso on dosages (Mathew et al. 2022, equations 8 to 10).

    Whole dosages are trained in the separable form, other ones through the layer as written; both give the same.

    Parameters
    ----------
    neighbourhood, activations, chromosome
        The window; see `gi_lib.models.NeuralLasso`.
    interactions
        Rectify the sum over the window instead of every term (`gi_lib.models.InteractingLasso`), so that neighbouring
        markers interact. This is not the model of the paper, and much slower.
    protocol
        One of `gi_lib.training.separable.PROTOCOLS`: ``sound``; ``as published``, the settings of the text; ``as
        coded``, those of the authors' code, which differ.
    penalty
        λ, the weight of the sum of all absolute slopes and biases beside the loss of the protocol; with ``sound`` in
        units of standardised labels. The paper's loss is a sum over accessions, so its λ is their number times this.
        ``inner validation``: of six values, that with the best mean correlation over inner folds of the training
        accessions, the larger of equals.
    inner_folds
        How many.
    n_iterations
        Steps of Adam; those of the protocol if None.
    seed
        Decides inner folds and batches.
    device
        ``auto``, ``cpu`` or ``cuda``.
    progress
        Show a bar over iterations.

    Attributes
    ----------
    layers_ : list of NeuralLasso or InteractingLasso
        One for each trait.
    penalty_ : shape (trait,)
        The penalties used.
    penalties_, validation_ : shape (trait, penalty) and (trait, penalty, fold)
        What was tried, and the correlation it reached; only after inner validation.
    loss_history_ : shape (trait, iteration)
        Loss without the penalty.
    """

    def __init__(
        self,
        neighbourhood: int = 2,
        activations: tuple[str, ...] | None = None,
        chromosome: np.ndarray | None = None,
        interactions: bool = False,
        protocol: str = "sound",
        penalty: str | float = INNER_VALIDATION,
        inner_folds: int = 5,
        n_iterations: int | None = None,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        self.neighbourhood = neighbourhood
        self.activations = activations
        self.chromosome = chromosome
        self.interactions = interactions
        self.protocol = protocol
        self.penalty = penalty
        self.inner_folds = inner_folds
        self.n_iterations = n_iterations
        self.seed = seed
        self.device = device
        self.progress = progress

    def fit(self, X: np.ndarray, y: np.ndarray) -> "NeuralLassoRegressor":
        """Train on dosages (sample, marker) and labels (sample,) or (sample, trait); see `fitting`."""
        return fit_together([self], X, y)[0]

    def fitting(self, X: Held, samples: np.ndarray, y: np.ndarray) -> Fitting:
        """What ``fit`` does, on the accessions `samples` of X with labels y, NaN for missing.

        Raises
        ------
        ValueError
            If a setting is not allowed, X is no matrix of finite numbers, or a trait has no two different labels
            or fewer than there are inner folds.
        """
        self._check_settings()
        dosage = X.dosage
        labels = different_labels(y, len(samples))
        self.single_trait_ = np.ndim(y) == 1
        known = ~np.isnan(labels)
        self.n_features_in_ = dosage.shape[1]
        self.label_mean_, self.label_scale_ = np.zeros(labels.shape[1]), np.ones(labels.shape[1])
        protocol = PROTOCOLS[self.protocol]
        if protocol.standardised:
            self.label_mean_, self.label_scale_ = np.nanmean(labels, axis=0), np.nanstd(labels, axis=0)
        scaled = (labels - self.label_mean_) / self.label_scale_
        seeds = [[self.seed, trait] for trait in range(labels.shape[1])]
        everything = [
            Fit(samples[there], column[there], 0.0, seed)
            for column, there, seed in zip(scaled.T, known.T, seeds, strict=True)
        ]
        if self.interactions:
            layer = InteractingLasso(dosage.shape[1], self.neighbourhood, self.chromosome)
        else:
            layer = NeuralLasso(dosage.shape[1], self.neighbourhood, self.activations, self.chromosome)
        shared = {
            "dosage": dosage,
            "layer": layer,
            "protocol": protocol,
            "n_iterations": self.n_iterations or protocol.n_iterations,
            "device": resolve_device(self.device),
            "progress": self.progress,
        }
        if self.penalty == INNER_VALIDATION:
            enough_to_divide(labels, self.inner_folds)
            yield from self._choose(everything, shared)
        else:
            self.penalty_ = np.full(len(everything), float(self.penalty))
        fits = [
            Fit(one.samples, one.labels, penalty, one.seed)
            for one, penalty in zip(everything, self.penalty_, strict=True)
        ]
        trained = yield LassoTraining(fits=fits, **shared)
        self.layers_ = [one.layer for one in trained]
        self.imputers_ = [DosageImputer("most frequent").fit(dosage[one.samples]) for one in everything]
        self.loss_history_ = np.stack([one.loss for one in trained])

    def _choose(self, everything: list[Fit], shared: dict) -> Fitting:
        """Find the penalty of each trait by validation on its training accessions."""
        folds = KFold(self.inner_folds, shuffle=True, random_state=self.seed)
        self.penalties_ = np.empty((len(everything), len(HALVINGS)))
        for trait, one in enumerate(everything):
            filled = DosageImputer("most frequent").fit_transform(shared["dosage"][one.samples])
            highest = highest_penalty(filled, one.labels, shared["protocol"])
            self.penalties_[trait] = highest * 0.5 ** np.array(HALVINGS)
        self.validation_ = np.empty((*self.penalties_.shape, self.inner_folds))
        for trait, one in enumerate(everything):
            divisions = list(folds.split(one.samples))
            trained = yield LassoTraining(
                fits=[
                    Fit(one.samples[train], one.labels[train], penalty, one.seed)
                    for penalty in self.penalties_[trait]
                    for train, _ in divisions
                ],
                keep=False,
                **shared,
            )
            predictions = iter(trained)
            for number in range(len(HALVINGS)):
                for fold, (_, test) in enumerate(divisions):
                    predicted = next(predictions).predicted[one.samples[test]]
                    self.validation_[trait, number, fold] = correlation(predicted, one.labels[test])
        best = self.validation_.mean(axis=2).argmax(axis=1)  # the first is the largest
        self.penalty_ = self.penalties_[np.arange(len(best)), best]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions in the units of the labels, shape (sample,) or (sample, trait).

        Raises
        ------
        ValueError
            If X has another number of markers than in training.
        """
        check_is_fitted(self, "layers_")
        dosage, outputs = Held(same_markers(X, self.n_features_in_)).dosage, []
        for layer, imputer in zip(self.layers_, self.imputers_, strict=True):
            filled = torch.as_tensor(imputer.transform(dosage))
            with torch.no_grad():
                outputs.append(layer(filled))
        predicted = torch.stack(outputs, dim=1).numpy() * self.label_scale_ + self.label_mean_
        return predicted[:, 0] if self.single_trait_ else predicted

    def _check_settings(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol is {self.protocol!r}; allowed are {', '.join(PROTOCOLS)}.")
        if isinstance(self.penalty, str):
            if self.penalty != INNER_VALIDATION:
                raise ValueError(
                    f"penalty is {self.penalty!r}; allowed are '{INNER_VALIDATION}' or a number."
                )
        elif not 0 <= self.penalty < np.inf:
            raise ValueError(f"penalty is {self.penalty}; it must be at least 0 and finite.")
        if self.interactions and self.activations is not None:
            raise ValueError("activations have no effect with interactions; leave one of the two out.")
        if self.inner_folds < 2:
            raise ValueError(f"inner_folds is {self.inner_folds}; it must be at least 2.")
        if self.n_iterations is not None and self.n_iterations < 1:
            raise ValueError(f"n_iterations is {self.n_iterations}; it must be at least 1.")


def bracketing_search(
    middle: float = 7e-3, step: float = 2e-3, smallest: float = 3e-4
) -> Generator[list[float], list[float], float]:
    """The search for a penalty of Mathew et al. 2022: keep the best of three, then shift or halve.

    A generator: it yields penalties, is sent a score for each, the higher the better, and returns the one it settles
    on. If the best of the three is the middle one, also among equals, the step is halved; else the three move towards
    the best, which becomes the middle. It ends when the step is at most `smallest`. The defaults are those of the
    authors' code. A penalty below zero is never tried; its place counts as worse than the others.

    Examples
    --------
    >>> search, scores = bracketing_search(4.0, 2.0, 0.5), None
    >>> while True:
    ...     try:
    ...         asked = search.send(scores)
    ...     except StopIteration as end:
    ...         print(end.value)
    ...         break
    ...     scores = [-abs(penalty - 7) for penalty in asked]
    7.0
    """
    known: dict[float, float] = {}
    while True:
        three = [round(penalty, 12) for penalty in (middle, middle + step, middle - step)]
        missing = [penalty for penalty in three if penalty >= 0 and penalty not in known]
        if missing:
            known.update(zip(missing, (yield missing), strict=True))
        best = max(three, key=lambda penalty: known.get(penalty, -np.inf))  # the first of equals: the middle
        if step <= smallest:
            return best
        if best == middle:
            step /= 2
        else:
            middle = best


def highest_penalty(dosage: np.ndarray, labels: np.ndarray, protocol: Protocol) -> float:
    """The least λ that keeps every slope of an untrained layer at zero: the largest gradient of the loss by a slope.

    Parameters
    ----------
    dosage : shape (sample, marker)
        Of the training accessions, without gaps.
    labels : shape (sample,)
        Theirs, without gaps.
    protocol
        Gives the loss.
    """
    centred = labels - labels.mean()
    covariance = np.abs(centred @ dosage.astype(np.float64)).max() / len(labels)
    if protocol.loss == "mean square":
        return 2 * covariance
    return covariance / centred.std() / np.sqrt(-(-len(labels) // protocol.batches))


def correlation(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Pearson correlation; 0 if one of the two does not vary."""
    if np.ptp(predicted) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(np.corrcoef(predicted, labels)[0, 1])
