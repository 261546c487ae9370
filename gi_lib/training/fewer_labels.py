"""What if there were fewer labels? An estimator around another one that forgets some of them."""

import inspect

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from gi_lib.training.estimators import fit_together, learns_together
from gi_lib.training.inputs import Held
from gi_lib.training.together import Fitting


class FewerLabels(RegressorMixin, BaseEstimator):
    """Fit an estimator after forgetting the labels of a random part of the accessions.

    Only the labels of the traits of interest are forgotten, for all traits of an accession together. Labels of a source
    task stay, so an estimator that learns one sees all accessions there; any other sees the remaining ones alone.

    Parameters
    ----------
    estimator
        Of any kind that follows scikit-learn's conventions. If its ``fit`` takes ``source``, it gets it.
    share
        In (0, 1]: of the labelled accessions so many keep their labels, and at least two. The accessions kept at
        a small share are among those kept at a larger one, and are the same for every estimator.
    seed
        Decides which; it is also the seed of the estimator if that has one.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.arange(10.0)[:, None]
    >>> model = FewerLabels(LinearRegression(), share=0.3).fit(X, 2 * X)
    >>> model.n_kept_, model.predict(np.array([[20.0]])).round(6).item()
    (3, 40.0)
    """

    def __init__(self, estimator: BaseEstimator, share: float = 1.0, seed: int = 0):
        self.estimator = estimator
        self.share = share
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray, source: np.ndarray | None = None) -> "FewerLabels":
        """Forget labels, then fit.

        Parameters
        ----------
        X
            One row per accession, as the estimator wants it.
        y : shape (sample,) or (sample, trait)
            Labels, NaN for missing. Accessions without any are neither counted nor kept.
        source : shape (sample, source_trait)
            Labels of the source task for an estimator that takes them; no other sees them.

        Raises
        ------
        ValueError
            If the share is not in (0, 1], X and y differ in length, or fewer than two accessions have a label.
        """
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} accessions but y has {len(y)}; they must be the same.")
        if learns_together(self.estimator):
            return fit_together([self], X, y, source=source)[0]
        kept, y = self._keep(y)
        if "source" in inspect.signature(self.estimator_.fit).parameters:
            self.estimator_.fit(X, y, source=source)
        else:
            self.estimator_.fit(X[kept], y[kept])
        return self

    @available_if(lambda self: learns_together(self.estimator))
    def fitting(
        self, X: Held, samples: np.ndarray, y: np.ndarray, source: np.ndarray | None = None
    ) -> Fitting:
        """What ``fit`` does, step by step, where the estimator can; see `gi_lib.training.fit_together`."""
        kept, y = self._keep(y)
        if "source" in inspect.signature(self.estimator_.fit).parameters:
            yield from self.estimator_.fitting(X, samples, y, source=source)
        else:
            yield from self.estimator_.fitting(X, samples[kept], y[kept])

    def _keep(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which accessions keep their labels, and all labels with the others forgotten; a fresh estimator."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; it must be greater than 0 and at most 1.")
        y = np.asarray(y, np.float64)
        labelled = np.flatnonzero(~np.isnan(y.reshape(len(y), -1)).all(axis=1))
        if len(labelled) < 2:
            raise ValueError(f"{len(labelled)} accessions have a label; at least two are needed.")
        self.n_kept_ = max(2, round(self.share * len(labelled)))
        kept = np.sort(np.random.default_rng(self.seed).permutation(labelled)[: self.n_kept_])
        labels = np.full(y.shape, np.nan)
        labels[kept] = y[kept]
        self.estimator_ = clone(self.estimator)
        if "seed" in self.estimator_.get_params():
            self.estimator_.set_params(seed=self.seed)
        return kept, labels

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions of the fitted estimator."""
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict(X)
