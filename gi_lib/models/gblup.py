"""GBLUP: genomic best linear unbiased prediction, the linear model of the field.

The relationship matrix is that of VanRaden 2008 (Journal of Dairy Science 91, 4414, doi 10.3168/jds.2007-0980), the
variances are found as by EMMA, Kang et al. 2008 (Genetics 178, 1709, doi 10.1534/genetics.107.080101).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.models.checks import enough_labels

# Shares of genetic variance at which the slope of the likelihood is looked at: from nothing to all but a millionth.
_GRID = np.append(0.0, 1 / (1 + np.logspace(6, -6, 100)))
_GAIN = 1e-8  # in log-likelihood; what gains less over no genetic variance is rounding
_NEGLIGIBLE = 1e-10  # relative: spread of a constant, or a direction that a matrix does not have


class GBLUP(RegressorMixin, BaseEstimator):
    r"""Genomic best linear unbiased prediction with variances by restricted maximum likelihood (REML).

    Each trait is a sum of fixed effects, of genetic values that are as alike as the genomes are, and of noise:

    .. math::

        y = F b + u + e, \qquad u \sim N(0, \sigma_g^2 K), \qquad e \sim N(0, \sigma_e^2 I), \qquad
        K = \frac{Z Z^\top}{c}, \qquad Z_{ij} = x_{ij} - 2 p_j, \qquad c = 2 \sum_j p_j (1 - p_j)

    with :math:`x_{ij}` the dosage of marker j in accession i and :math:`p_j` the allele's frequency among the
    training accessions (VanRaden 2008, method 1). The first column of F is the intercept.

    Let :math:`S` project away from the columns of F, let :math:`\lambda_i, U` be the eigenvalues and eigenvectors of
    :math:`S K S` that are orthogonal to F, r its rank, and :math:`\eta = U^\top y`. The :math:`\eta_i` are independent
    with variance :math:`\sigma_g^2 (\lambda_i + \delta)`, :math:`\delta = \sigma_e^2 / \sigma_g^2`, so that the
    restricted likelihood of any :math:`\delta` costs one sum over accessions (Kang et al. 2008):

    .. math::

        \ell(\delta) = -\tfrac12 \Big[ (n - r) \log(2 \pi \hat\sigma_g^2) + \sum_i \log(\lambda_i + \delta)
        + n - r \Big], \qquad \hat\sigma_g^2 = \frac{1}{n - r} \sum_i \frac{\eta_i^2}{\lambda_i + \delta}

    Every maximum between two points of a grid is refined by bisection of the slope and the highest is taken, the ends
    of the range included. The predictor of a new accession with dosages x and covariates f is then

    .. math::

        \hat y = f^\top \hat b + \frac{(x - 2 p)^\top Z^\top}{c} w, \qquad
        w = U \frac{\eta}{\lambda + \delta}, \qquad F \hat b = S^\perp (y - K w)

    where :math:`S^\perp = I - S`. Since w holds no part of F, the :math:`\hat b` are the generalised
    least-squares estimates.

    Traits with the same missing labels share one eigendecomposition, and all share one product of the dosages.
    Frequencies are those of all training accessions; among the labelled ones alone K would differ by a factor and
    by a shift that the intercept absorbs, which changes no prediction.

    Parameters
    ----------
    n_covariates
        So many of the last columns of X are not markers but covariates with fixed effects, such as coordinates of the
        place of origin. A covariate that is constant among the labelled accessions has no effect; covariates that
        are linear combinations of each other share theirs (the shortest vector of standardised effects). Neither
        disturbs the rest.

    Attributes
    ----------
    genetic_variance_, residual_variance_ : shape (trait,)
        :math:`\sigma_g^2` and :math:`\sigma_e^2`, in squared units of the trait. The residual variance is at least a
        millionth of the whole.
    heritability_ : shape (trait,)
        :math:`\sigma_g^2 / (\sigma_g^2 + \sigma_e^2)`, which refers to unrelated accessions of an outbred population
        with these frequencies, where K has ones on its diagonal. NaN if the fixed effects leave no variance.
    variance_explained_ : shape (trait,)
        :math:`k \sigma_g^2 / (k \sigma_g^2 + \sigma_e^2)` with k the mean of the :math:`\lambda_i`: the genetic share
        of the variance that the fixed effects leave among the labelled accessions. It does not depend on the scale
        of K. For inbred accessions, whose k is about 2, this is the heritability in the usual sense.
    log_likelihood_ : shape (trait,)
        Restricted log-likelihood at the maximum: the log-density of :math:`\eta`. NaN where the heritability is.
    fixed_effects_ : shape (1 + covariate, trait)
        Intercept (the value of an accession of average dosages whose covariates are 0), then effects per unit of each
        covariate.
    allele_frequency_ : shape (marker,)
        :math:`p_j`.

    Notes
    -----
    On one CPU core 1,135 accessions, 22,000 markers and 36 traits take about 2.5 seconds, and 0.4 seconds more for each
    further pattern of missing labels; memory is that of one copy of the dosages as float64.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> dosage = random.binomial(2, 0.4, (1000, 200))
    >>> genetic = dosage @ random.normal(size=200)
    >>> trait = genetic + random.normal(0, genetic.std(), 1000)  # half of the variance is genetic
    >>> model = GBLUP().fit(dosage[:800], trait[:800])
    >>> model.heritability_.round(2)
    array([0.5])
    >>> print(np.corrcoef(model.predict(dosage[800:]), genetic[800:])[0, 1].round(2))
    0.89
    """

    def __init__(self, n_covariates: int = 0):
        self.n_covariates = n_covariates

    def fit(self, X: ArrayLike, y: ArrayLike) -> "GBLUP":
        """Estimate variances, fixed effects and marker effects.

        Parameters
        ----------
        X : shape (sample, marker + covariate)
            Dosages between 0 and 2, of any numeric type, then the covariates.
        y : shape (sample,) or (sample, trait)
            Labels; NaN where one is missing.

        Raises
        ------
        ValueError
            If a dosage is missing (NaN or 255) or not between 0 and 2, a covariate not finite, or a label infinite.
            If X and y differ in length, or a trait has no more labels than there are fixed effects.
        """
        dosage, covariates = _split(X, self.n_covariates)
        labels = enough_labels(y, len(dosage), 1 + self.n_covariates)
        self.single_trait_ = np.ndim(y) == 1
        self.n_features_in_ = dosage.shape[1] + self.n_covariates
        p = self.allele_frequency_ = dosage.mean(axis=0) / 2
        centred = np.subtract(dosage, 2 * p, out=dosage)
        scale = 2 * (p * (1 - p)).sum() or 1.0  # 1: no marker varies
        relationship = centred @ centred.T / scale

        n_traits = labels.shape[1]
        self.genetic_variance_, self.residual_variance_ = np.empty((2, n_traits))
        self.variance_explained_, self.log_likelihood_ = np.empty((2, n_traits))
        self.fixed_effects_ = np.empty((1 + self.n_covariates, n_traits))
        weights = np.zeros(labels.shape)  # w, 0 for accessions without a label
        for traits, labelled, fit, fixed_effects in fit_variances(relationship, labels, covariates):
            weights[np.ix_(labelled, traits)] = fit.weights
            self.fixed_effects_[:, traits] = fixed_effects
            self.genetic_variance_[traits] = fit.genetic_variance
            self.residual_variance_[traits] = fit.residual_variance
            self.variance_explained_[traits] = fit.share
            self.log_likelihood_[traits] = fit.log_likelihood
        total = self.genetic_variance_ + self.residual_variance_
        self.heritability_ = self.genetic_variance_ / np.where(total > 0, total, np.nan)
        self._effects = centred.T @ weights / scale
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict from X of shape (sample, marker + covariate); the result has the dimensions of the labels.

        Raises
        ------
        ValueError
            If X has another number of columns than in training, or is refused as in `fit`.
        """
        check_is_fitted(self, "heritability_")
        dosage, covariates = _split(X, self.n_covariates, self.n_features_in_)
        dosage -= 2 * self.allele_frequency_
        predicted = self.fixed_effects_[0] + covariates @ self.fixed_effects_[1:] + dosage @ self._effects
        return predicted[:, 0] if self.single_trait_ else predicted

    def marker_effects(self) -> np.ndarray:
        r"""Effects of one more copy of each marker's allele, shape (marker, trait).

        They are :math:`Z^\top w / c`; the genetic value of an accession is ``(x - 2 * allele_frequency_) @ effects``,
        so that no training accession is needed to predict. GBLUP is ridge regression on the markers with
        penalty :math:`c \sigma_e^2 / \sigma_g^2` (VanRaden 2008).
        """
        check_is_fitted(self, "heritability_")
        return self._effects


# ---------------------------------------------------------------------------------------------- fixed effects


@dataclass(frozen=True)
class _FixedEffects:
    """Intercept and standardised covariates, whatever their rank."""

    basis: np.ndarray  # (sample, rank), orthonormal
    solve: np.ndarray  # (1 + covariate, sample): times values gives their least-squares effects

    @classmethod
    def of(cls, covariates: np.ndarray) -> "_FixedEffects":
        mean, spread = covariates.mean(axis=0), covariates.std(axis=0)
        constant = spread <= _NEGLIGIBLE * np.abs(covariates).max(axis=0, initial=0)
        spread = np.where(constant, 1, spread)
        # Centred, a constant is 0 and takes nothing from the intercept.
        standardised = np.where(constant, 0, (covariates - mean) / spread)
        design = np.column_stack([np.ones(len(covariates)), standardised])
        left, singular, right = np.linalg.svd(design, full_matrices=False)
        keep = singular > _NEGLIGIBLE * singular[0]
        solve = right[keep].T / singular[keep] @ left[:, keep].T
        solve[1:] /= spread[:, None]
        solve[0] -= mean @ solve[1:]
        return cls(left[:, keep], solve)

    @property
    def rank(self) -> int:
        return self.basis.shape[1]

    def remove(self, values: np.ndarray) -> np.ndarray:
        """What the fixed effects cannot explain of each column."""
        return values - self.basis @ (self.basis.T @ values)


# -------------------------------------------------------------------------------------------------- variances


@dataclass(frozen=True)
class Variances:
    """Of the traits with one pattern of labels."""

    weights: np.ndarray  # (sample, trait)
    genetic_variance: np.ndarray  # (trait,), as are the following
    residual_variance: np.ndarray
    share: np.ndarray
    log_likelihood: np.ndarray


def fit_variances(
    relationship: np.ndarray, labels: np.ndarray, covariates: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, Variances, np.ndarray]]:
    """REML for any relationship matrix (sample, sample) and labels (sample, trait) with gaps.

    Yields, for each pattern of gaps, the numbers of its traits, which accessions are labelled (sample,), the variances,
    and the fixed effects (1 + covariate, trait): the intercept first, then those of `covariates` (sample, covariate).
    """
    if covariates is None:
        covariates = np.empty((len(labels), 0))
    patterns, pattern_of = np.unique(~np.isnan(labels), axis=1, return_inverse=True)
    for i, labelled in enumerate(patterns.T):
        traits = np.flatnonzero(pattern_of == i)
        fixed = _FixedEffects.of(covariates[labelled])
        among = relationship[np.ix_(labelled, labelled)]
        values = labels[np.ix_(labelled, traits)]
        fit = _fit_pattern(among, fixed, values)
        yield traits, labelled, fit, fixed.solve @ (values - among @ fit.weights)


def _fit_pattern(relationship: np.ndarray, fixed: _FixedEffects, labels: np.ndarray) -> Variances:
    """REML for labels (sample, trait) without gaps."""
    eigenvalues, vectors = _spectrum(relationship, fixed)
    contrasts = vectors.T @ fixed.remove(labels)
    squares = contrasts**2
    constant = squares.sum(axis=0) <= _NEGLIGIBLE**2 * (labels**2).sum(axis=0)
    squares[:, constant] = 1  # anything: the results are replaced below

    scale = eigenvalues.mean()
    if scale <= _NEGLIGIBLE:  # the labelled accessions do not differ
        eigenvalues, scale = np.ones_like(eigenvalues), 1.0
    relative = eigenvalues / scale
    share = np.where(constant, 0, _best_share(relative, squares))
    variance = np.where(constant, 0, _variance(share, relative, squares))
    # w = η / (λ + δ), in a form that holds for infinite δ too.
    weights = vectors @ (contrasts * share / scale / _spread(share, relative))
    return Variances(
        weights=weights,
        genetic_variance=share * variance / scale,
        residual_variance=(1 - share) * variance,
        share=np.where(constant, np.nan, share),
        log_likelihood=np.where(constant, np.nan, _log_likelihood(share, relative, squares)),
    )


def _spectrum(relationship: np.ndarray, fixed: _FixedEffects) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of the relationship matrix among the contrasts free of fixed effects."""
    # S(K + I)S is 0 on the fixed effects and at least 1 on all else, so its eigenvectors do not mix the two even
    # where K is singular (Kang et al. 2008).
    shifted = relationship + np.eye(len(relationship))
    eigenvalues, vectors = np.linalg.eigh(fixed.remove(fixed.remove(shifted).T))
    return eigenvalues[fixed.rank :] - 1, vectors[:, fixed.rank :]


# Below, the eigenvalues have mean 1 and h is the genetic share of the variance, with one value for each column of the
# squares: contrast i has variance σ²(hλᵢ + 1 − h). Unlike δ, h has an end for both extremes.


def _spread(h: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    return h * eigenvalues[:, None] + (1 - h)


def _variance(h: np.ndarray, eigenvalues: np.ndarray, squares: np.ndarray) -> np.ndarray:
    return (squares / _spread(h, eigenvalues)).mean(axis=0)


def _log_likelihood(h: np.ndarray, eigenvalues: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Restricted log-likelihood at the best variance for each h."""
    variance = _variance(h, eigenvalues, squares)
    log_determinant = np.log(_spread(h, eigenvalues)).sum(axis=0)
    return -(len(eigenvalues) * (np.log(2 * np.pi * variance) + 1) + log_determinant) / 2


def _slope(h: np.ndarray, eigenvalues: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Twice the derivative of the log-likelihood in h."""
    inverse = 1 / _spread(h, eigenvalues)
    change = (eigenvalues[:, None] - 1) * inverse
    fit = squares * inverse
    return (fit * change).mean(axis=0) / fit.mean(axis=0) * len(fit) - change.sum(axis=0)


def _best_share(eigenvalues: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """The genetic share of highest likelihood for each trait."""
    traits = np.arange(squares.shape[1])
    slopes = np.stack([_slope(np.full(len(traits), h), eigenvalues, squares) for h in _GRID])
    interval, trait = np.nonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    low, high = _GRID[interval], _GRID[interval + 1]
    for _ in range(50):
        middle = (low + high) / 2
        rising = _slope(middle, eigenvalues, squares[:, trait]) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)

    best = np.zeros(len(traits))
    highest = _log_likelihood(best, eigenvalues, squares) + _GAIN
    candidates = np.append(low, np.full(len(traits), _GRID[-1]))
    trait = np.append(trait, traits)
    reached = _log_likelihood(candidates, eigenvalues, squares[:, trait])
    for t, h, value in zip(trait, candidates, reached, strict=True):
        if value > highest[t]:
            best[t], highest[t] = h, value
    return best


# ------------------------------------------------------------------------------------------------------ input


def _split(X: ArrayLike, n_covariates: int, n_columns: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Checked copies of the dosages and the covariates, both float64."""
    X = np.asarray(X)
    if X.ndim != 2 or not X.shape[1] or X.dtype.kind not in "biuf":
        raise ValueError(f"X must be numbers of shape (sample, column); it is {X.dtype} of shape {X.shape}.")
    if n_columns is not None and X.shape[1] != n_columns:
        raise ValueError(f"X has {X.shape[1]} columns; the model was fitted on {n_columns}.")
    if not (isinstance(n_covariates, Integral) and 0 <= n_covariates < X.shape[1]):
        raise ValueError(
            f"n_covariates is {n_covariates}; with {X.shape[1]} columns it must be a whole number "
            f"between 0 and {X.shape[1] - 1}."
        )
    n_markers = X.shape[1] - n_covariates
    dosage, covariates = X[:, :n_markers].astype(float), X[:, n_markers:].astype(float)
    wrong = dosage.size > 0 and not (dosage.min() >= 0 and dosage.max() <= 2)  # NaN fails both
    if wrong:
        sample, marker = np.argwhere(~((dosage >= 0) & (dosage <= 2)))[0]
        value = dosage[sample, marker]
        if np.isnan(value) or value == MISSING_DOSAGE:
            raise ValueError(
                f"The dosage of marker number {marker} in accession number {sample} is missing ({value:g}); "
                "impute missing dosages from the training accessions first."
            )
        raise ValueError(
            f"The dosage of marker number {marker} in accession number {sample} is {value:g}; "
            "dosages lie between 0 and 2."
        )
    if not np.isfinite(covariates).all():
        sample, covariate = np.argwhere(~np.isfinite(covariates))[0]
        raise ValueError(
            f"Covariate number {covariate} of accession number {sample} is {covariates[sample, covariate]}; "
            "covariates must be finite."
        )
    return dosage, covariates
