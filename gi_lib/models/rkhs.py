r"""RKHS regression: genetic values that are as alike as a Gaussian kernel of the genomes says.

GBLUP's relationship matrix is linear in the dosages, so that it sees additive effects. The Gaussian kernel

.. math:: K_{ij} = \exp\!\Big(-h \frac{\lVert x_i - x_j \rVert^2}{\overline{d^2}}\Big)

with :math:`\overline{d^2}` the mean squared distance between training accessions, holds interactions of all orders
(Gianola & van Kaam 2008, doi 10.1534/genetics.107.084285; de los Campos et al. 2010, doi 10.1017/S0016672310000285).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils.validation import check_is_fitted

from gi_lib.models.checks import complete_markers, enough_labels, same_markers
from gi_lib.models.gblup import fit_variances

BANDWIDTHS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class RKHS(RegressorMixin, BaseEstimator):
    """Regression with a Gaussian kernel; variances and bandwidth by restricted maximum likelihood.

    Parameters
    ----------
    bandwidths
        h that are tried; for each trait that with the highest restricted likelihood is taken.

    Attributes
    ----------
    bandwidth_, variance_explained_ : shape (trait,)
        The bandwidth, and the genetic share of the variance among the labelled accessions.
    """

    def __init__(self, bandwidths: Sequence[float] = BANDWIDTHS):
        self.bandwidths = bandwidths

    def fit(self, X: ArrayLike, y: ArrayLike) -> "RKHS":
        """Fit to X of shape (sample, marker) and y of shape (sample,) or (sample, trait), NaN for missing.

        Raises
        ------
        ValueError
            If X is not finite or has another length than y, a bandwidth is not positive, or a trait has too few labels.
        """
        X = complete_markers(X).astype(float)
        if not len(self.bandwidths) or not all(h > 0 for h in self.bandwidths):
            raise ValueError(f"bandwidths are {tuple(self.bandwidths)}; they must be above 0.")
        labels = enough_labels(y, len(X))
        self.single_trait_ = np.ndim(y) == 1
        self.X_ = X
        squares = euclidean_distances(X, squared=True)
        self.mean_square_ = squares[np.triu_indices(len(X), 1)].mean() or 1.0
        n_traits = labels.shape[1]
        best = np.full(n_traits, -np.inf)
        self.weights_ = np.zeros(labels.shape)
        self.bandwidth_, self.variance_explained_, self.intercept_ = np.full((3, n_traits), np.nan)
        for h in self.bandwidths:
            for traits, labelled, fit, intercept in fit_variances(self._kernel(squares, h), labels):
                likelihood = np.nan_to_num(fit.log_likelihood, nan=-1e300)  # of a constant: any will do
                for place, trait in enumerate(traits):
                    if likelihood[place] > best[trait]:
                        best[trait] = likelihood[place]
                        self.bandwidth_[trait], self.variance_explained_[trait] = h, fit.share[place]
                        self.intercept_[trait] = intercept[0, place]
                        self.weights_[:, trait] = 0
                        self.weights_[labelled, trait] = fit.weights[:, place]
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predictions with the dimensions of the labels.

        Raises
        ------
        ValueError
            If X has another number of markers than in training, or is refused as in `fit`.
        """
        check_is_fitted(self, "weights_")
        X = same_markers(complete_markers(X), self.X_.shape[1]).astype(float)
        squares = euclidean_distances(X, self.X_, squared=True)
        predicted = np.empty((len(X), len(self.bandwidth_)))
        for h in np.unique(self.bandwidth_):
            there = self.bandwidth_ == h
            predicted[:, there] = self._kernel(squares, h) @ self.weights_[:, there]
        predicted += self.intercept_
        return predicted[:, 0] if self.single_trait_ else predicted

    def _kernel(self, squares: np.ndarray, h: float) -> np.ndarray:
        return np.exp(-h * squares / self.mean_square_)
