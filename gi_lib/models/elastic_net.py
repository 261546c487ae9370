r"""Lasso and elastic net over a path of penalties, the penalty chosen by inner validation.

.. math::

    \hat\beta(\lambda) = \arg\min_\beta\; \frac{1}{2n} \Big\lVert \frac{y - \bar y}{s} - X\beta \Big\rVert^2
    + \frac{\lambda}{s} \Big( \alpha \lVert \beta \rVert_1 + \frac{1 - \alpha}{2} \lVert \beta \rVert^2 \Big)

with standardised markers and s the standard deviation of the labels y, as in glmnet (Friedman et al. 2010, doi
10.18637/jss.v033.i01), whose path is the same. The problem is solved by skglm (Bertrand et al. 2022, arXiv 2204.07826).
"""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from gi_lib.models.checks import complete_markers, different_labels, enough_to_divide, same_markers

SAME = 1e-10  # relative spread of what counts as constant


class ElasticNet(RegressorMixin, BaseEstimator):
    r"""Elastic net on dosages; the penalty with the least error over inner folds of the training accessions.

    Parameters
    ----------
    l1_ratio
        :math:`\alpha`; 1 is the lasso, 0.33 the choice of Mathew et al. 2022.
    n_penalties
        :math:`\lambda` that are tried, evenly spaced on a log scale from the least that gives an empty model.
    smallest
        The last one, as a share of the first.
    inner_folds
        How many.
    tolerance
        Where the solver stops: violation of the optimality conditions, in units of the spread of the labels.
    seed
        Decides the inner folds.

    Attributes
    ----------
    effects_ : shape (marker, trait)
        Of one more copy of the allele.
    intercept_ : shape (trait,)
        Prediction where every dosage is 0.
    penalty_ : shape (trait,)
        The :math:`\lambda` chosen.
    """

    def __init__(
        self,
        l1_ratio: float = 0.33,
        n_penalties: int = 30,
        smallest: float = 0.03,
        inner_folds: int = 5,
        tolerance: float = 1e-4,
        seed: int = 0,
    ):
        self.l1_ratio = l1_ratio
        self.n_penalties = n_penalties
        self.smallest = smallest
        self.inner_folds = inner_folds
        self.tolerance = tolerance
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> "ElasticNet":
        """Fit to X of shape (sample, marker) and y of shape (sample,) or (sample, trait), NaN for missing.

        Raises
        ------
        ValueError
            If a setting is out of range, X is not finite, the lengths differ, or a trait has no two different labels
            or fewer than there are inner folds.
        """
        self._check_settings()
        X = complete_markers(X)
        labels = different_labels(y, len(X))
        enough_to_divide(labels, self.inner_folds)
        self.single_trait_ = np.ndim(y) == 1
        self.n_features_in_ = X.shape[1]
        self.effects_ = np.zeros((X.shape[1], labels.shape[1]))
        self.intercept_, self.penalty_ = np.empty((2, labels.shape[1]))
        for trait, column in enumerate(labels.T):
            known = ~np.isnan(column)
            markers, values = X[known], column[known]
            self.penalty_[trait] = self._choose(markers, values)
            first = highest_penalty(markers, values, self.l1_ratio)
            down = np.geomspace(first, self.penalty_[trait], self.n_penalties)  # each start is near its end
            effects, intercepts = elastic_net_path(markers, values, down, self.l1_ratio, self.tolerance)
            self.effects_[:, trait], self.intercept_[trait] = effects[:, -1], intercepts[-1]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions of shape (sample,) or (sample, trait).

        Raises
        ------
        ValueError
            If X has another number of markers than in training, or is refused as in `fit`.
        """
        check_is_fitted(self, "effects_")
        predicted = same_markers(complete_markers(X), self.n_features_in_) @ self.effects_ + self.intercept_
        return predicted[:, 0] if self.single_trait_ else predicted

    def _choose(self, markers: np.ndarray, values: np.ndarray) -> float:
        first = highest_penalty(markers, values, self.l1_ratio)
        penalties = np.geomspace(first, self.smallest * first, self.n_penalties)
        squares = np.zeros(self.n_penalties)
        for train, test in KFold(self.inner_folds, shuffle=True, random_state=self.seed).split(markers):
            effects, intercepts = elastic_net_path(
                markers[train], values[train], penalties, self.l1_ratio, self.tolerance
            )
            errors = markers[test] @ effects + intercepts - values[test, None]
            squares += (errors**2).sum(axis=0)
        return penalties[squares.argmin()]  # the first is the largest

    def _check_settings(self) -> None:
        for name, low, high in (("l1_ratio", 0.01, 1), ("smallest", 1e-6, 1), ("tolerance", 1e-12, 1)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between {low:g} and {high}.")
        for name in ("n_penalties", "inner_folds"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 2.")


def highest_penalty(markers: np.ndarray, values: np.ndarray, l1_ratio: float) -> float:
    """The least λ with which no marker is in the model."""
    scaled = StandardScaler().fit_transform(np.asarray(markers, float))
    centred = values - values.mean()
    return np.abs(centred @ scaled).max() / len(values) / l1_ratio or 1.0


def elastic_net_path(
    markers: np.ndarray, values: np.ndarray, penalties: np.ndarray, l1_ratio: float, tolerance: float = 1e-4
) -> tuple[np.ndarray, np.ndarray]:
    """Elastic net for falling penalties, each solution the start of the next.

    Parameters
    ----------
    markers, values
        Shapes (sample, marker) and (sample,), without gaps.
    penalties
        λ, the largest first.
    l1_ratio, tolerance
        See `ElasticNet`.

    Returns
    -------
    effects : shape (marker, penalty)
        Of one more copy.
    intercepts : shape (penalty,)

    Raises
    ------
    FloatingPointError
        If the solver fails.
    """
    from skglm.datafits import Quadratic  # slow to import, and needed here alone
    from skglm.penalties import L1_plus_L2
    from skglm.solvers import AndersonCD

    scaler = StandardScaler()
    scaled = np.asfortranarray(scaler.fit_transform(np.asarray(markers, float)))
    varies = scaler.var_ > SAME * np.maximum(scaler.mean_**2, 1)
    scaled = np.asfortranarray(scaled[:, varies])
    mean, spread = values.mean(), values.std()
    solver = AndersonCD(tol=tolerance, fit_intercept=False, warm_start=True, max_iter=100, max_epochs=50_000)
    penalty = L1_plus_L2(1.0, l1_ratio)
    effects = np.zeros((markers.shape[1], len(penalties)))
    # The solver extrapolates from arrays that are not filled yet, and discards what is no improvement.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # of the first, empty models
        _, solution, *_ = solver.path(
            scaled, (values - mean) / spread, Quadratic(), penalty, penalties / spread
        )
    if not np.isfinite(solution).all():
        raise FloatingPointError(
            "The solver of the elastic net did not end with numbers; try a larger tolerance."
        )
    effects[varies] = solution * spread / scaler.scale_[varies, None]
    return effects, mean - scaler.mean_ @ effects
