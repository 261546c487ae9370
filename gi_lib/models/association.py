"""Tests of single predictors, one after the other: genes against traits, or markers against the expression of genes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class AssociationTests:
    """Tests of single predictors; arrays are of shape (predictor, trait), NaN where one cannot be tested.

    Attributes
    ----------
    effect
        Slope, in units of the trait per unit of the predictor.
    t
        Slope over its standard error.
    freedom : shape (trait,)
        Degrees of freedom of t.
    """

    effect: np.ndarray
    t: np.ndarray
    freedom: np.ndarray

    @cached_property
    def p(self) -> np.ndarray:
        """Two-sided."""
        return 2 * stats.t.sf(np.abs(self.t), self.freedom)


def association_tests(
    predictors: ArrayLike, labels: ArrayLike, covariates: ArrayLike | None = None
) -> AssociationTests:
    """Regress each trait on each predictor and the covariates, by ordinary least squares, all at once.

    What the covariates explain is removed from traits and predictors; the rest is a product of two matrices (Frisch &
    Waugh 1933). Traits with labels of the same accessions share one decomposition of the covariates.

    Parameters
    ----------
    predictors : shape (sample, predictor)
        For example the burden of genes, or dosages.
    labels : shape (sample, trait)
        NaN where missing.
    covariates : shape (sample, covariate)
        With the intercept; by default the intercept alone. They may depend on each other.

    Returns
    -------
    AssociationTests
        NaN for a predictor that the covariates explain among the labelled accessions, and for a trait that is
        constant, or has too few labels, after them.

    Raises
    ------
    ValueError
        If shapes differ, or predictors or covariates are not finite.
    """
    predictors, labels = np.asarray(predictors, float), np.asarray(labels, float)
    covariates = np.ones((len(predictors), 1)) if covariates is None else np.asarray(covariates, float)
    for name, values in (("predictors", predictors), ("labels", labels), ("covariates", covariates)):
        if values.ndim != 2 or len(values) != len(predictors):
            raise ValueError(
                f"The {name} have shape {values.shape}; needed are {len(predictors)} rows, and columns."
            )
        if name != "labels" and not np.isfinite(values).all():
            raise ValueError(f"The {name} hold a value that is not finite.")
    predictors = predictors - predictors.mean(axis=0)
    effect, t = np.full((2, predictors.shape[1], labels.shape[1]), np.nan)
    freedom = np.empty(labels.shape[1])
    patterns, pattern = np.unique(~np.isnan(labels), axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        alike = np.flatnonzero(pattern == number)
        freedom[alike] = _test(
            predictors[known], labels[np.ix_(known, alike)], covariates[known], effect, t, alike
        )
    return AssociationTests(effect, t, np.maximum(freedom, 1))


def _test(
    predictors: np.ndarray,
    labels: np.ndarray,
    covariates: np.ndarray,
    effect: np.ndarray,
    t: np.ndarray,
    traits: np.ndarray,
) -> int:
    """Fill in these traits' columns of `effect` and `t`, all accessions having labels; the degrees of freedom."""
    basis = _basis(covariates)
    freedom = len(labels) - basis.shape[1] - 1
    trait = labels - basis @ (basis.T @ labels)
    total = np.square(predictors).sum(axis=0)
    variance = total - np.square(basis.T @ predictors).sum(axis=0)
    of_trait = np.square(trait).sum(axis=0)
    tested = np.flatnonzero((variance > 1e-10 * total) & (total > 0))
    varies = np.flatnonzero(of_trait > 1e-20 * np.square(labels).sum(axis=0))
    if freedom < 1 or not len(tested) or not len(varies):
        return freedom
    variance, of_trait = variance[tested, None], of_trait[varies]
    slope = predictors[:, tested].T @ trait[:, varies] / variance
    residual = np.maximum(of_trait - slope**2 * variance, 1e-15 * of_trait)
    place = np.ix_(tested, traits[varies])
    effect[place] = slope
    t[place] = slope * np.sqrt(variance * freedom / residual)
    return freedom


def _basis(covariates: np.ndarray) -> np.ndarray:
    """An orthonormal basis (sample, dimension) of what the covariates span."""
    size = np.sqrt(np.square(covariates).sum(axis=0))
    left, singular, _ = np.linalg.svd(covariates / np.where(size > 0, size, 1), full_matrices=False)
    return left[:, singular > 1e-8 * singular.max(initial=0)]
