r"""BayesA, BayesB and the Bayesian Lasso: whole-genome regression by Gibbs sampling.

.. math:: y = \mu + X\beta + e, \qquad e \sim N(0, \sigma_e^2 I)

The three differ in the prior of the marker effects: a scaled t distribution (BayesA; Meuwissen et al. 2001,
doi 10.1093/genetics/157.4.1819), a mixture of that with a point mass at zero (BayesB), and a double exponential
(Park & Casella 2008, doi 10.1198/016214508000000337). Hyper-parameters and their priors are the defaults of BGLR
(Pérez & de los Campos 2014, doi 10.1534/genetics.114.164442), so that the two can be compared.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from numba import njit
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from gi_lib.models.checks import complete_markers, different_labels, same_markers

PRIORS = ("BayesA", "BayesB", "Bayesian Lasso")
TRACES = ("intercept", "residual variance", "genetic variance", "scale", "share in the model")
"""What is kept of every draw. The scale is that of the prior: S of BayesA and BayesB, lambda of the Bayesian Lasso."""

_EXPLAINED = 0.5  # expected share of variance, R² of BGLR
_DF = 5.0  # degrees of freedom of every scaled inverse chi-square prior
_SHAPE = 1.1  # of the gamma prior of S and of lambda squared
_INCLUDED, _COUNTS = 0.5, 10.0  # prior share of markers in the model and how many markers it is worth


class BayesianRegression(RegressorMixin, BaseEstimator):
    r"""Whole-genome regression with one of three priors, fitted by Gibbs sampling; predicts the posterior mean.

    Parameters
    ----------
    prior
        One of `PRIORS`.
    n_iterations, burn_in, thin
        Of every chain: all iterations, how many at its start are not used, and each how many-th of the rest is.
        The defaults are those of Mathew et al. 2022; BGLR thins by five.
    n_chains
        Independent chains. Effects are averaged over all; `traces_` keeps the chains apart.
    seed
        With trait and chain, decides every draw; the number of jobs does not.
    n_jobs
        How many chains run side by side; -1: as many as PyTorch has threads.

    Attributes
    ----------
    effects_ : shape (marker, trait)
        Posterior mean of the effect of one more copy of the allele.
    intercept_ : shape (trait,)
        Posterior mean, for an accession with average dosages.
    traces_ : shape (trait, chain, draw, len(TRACES))
        The draws that were used, of the numbers named in `TRACES`.

    Notes
    -----
    With V the variance of the labels, :math:`R^2 = 0.5`, :math:`\nu = 5` and
    :math:`M = \sum_j \mathrm{Var}(x_j)`:

    - BayesA: :math:`\beta_j \sim N(0, \sigma_j^2)`, :math:`\sigma_j^2 \sim S\,\chi^{-2}_\nu`,
      :math:`S \sim \Gamma(1.1,\; 0.1 / S_0)`, :math:`S_0 = V R^2 (\nu + 2) / M`.
    - BayesB: the same with a share :math:`\pi` of the markers in the model and :math:`S_0 / \pi_0`;
      :math:`\pi \sim \mathrm{Beta}(\pi_0 c + 1, (1 - \pi_0) c + 1)`, :math:`\pi_0 = 0.5, c = 10`.
    - Bayesian Lasso: :math:`\beta_j \sim N(0, \sigma_e^2 \tau_j^2)`, :math:`\tau_j^2 \sim \mathrm{Exp}(\lambda^2 / 2)`,
      :math:`\lambda^2 \sim \Gamma(1.1,\; 0.1 / \lambda_0^2)`, :math:`\lambda_0^2 = 2 M (1 - R^2) / R^2`.
    - :math:`\sigma_e^2 \sim S_e\,\chi^{-2}_\nu`, :math:`S_e = V (1 - R^2)(\nu + 2)`; the intercept has a flat prior.
    """

    in_threads = True
    """Fits do not hold the interpreter's lock, so that those of several folds can run side by side."""

    def __init__(
        self,
        prior: str = "BayesA",
        n_iterations: int = 10_000,
        burn_in: int = 3_000,
        thin: int = 5,
        n_chains: int = 1,
        seed: int = 1,
        n_jobs: int = -1,
    ):
        self.prior = prior
        self.n_iterations = n_iterations
        self.burn_in = burn_in
        self.thin = thin
        self.n_chains = n_chains
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> "BayesianRegression":
        """Sample from the posterior.

        Parameters
        ----------
        X : shape (sample, marker)
            Dosages, of any numeric type; whole numbers are held as bytes.
        y : shape (sample,) or (sample, trait)
            Labels; NaN where one is missing.

        Raises
        ------
        ValueError
            If a setting is out of range, X is no matrix of finite numbers or holds the byte 255 of a missing dosage,
            the lengths differ, a label is infinite, or a trait has no two different labels.
        """
        self._check_settings()
        X = complete_markers(X)
        labels = different_labels(y, len(X))
        self.single_trait_ = np.ndim(y) == 1
        self.n_features_in_ = X.shape[1]
        observed = ~np.isnan(labels)
        patterns, pattern_of = np.unique(observed, axis=1, return_inverse=True)
        values = [column[there] for column, there in zip(labels.T, observed.T, strict=True)]
        # Traits with the same missing labels share their dosages in memory.
        markers = [_Markers.of(X[pattern]) for pattern in patterns.T]
        tasks = []
        for trait, known in enumerate(values):
            seeds = np.random.SeedSequence([self.seed, trait]).spawn(self.n_chains)
            tasks += [(markers[pattern_of[trait]], known, np.random.default_rng(seed)) for seed in seeds]
        with ThreadPoolExecutor(torch.get_num_threads() if self.n_jobs == -1 else self.n_jobs) as pool:
            chains = list(pool.map(lambda task: self._chain(*task), tasks))
        n_traits = labels.shape[1]
        effects = np.stack([effect for effect, _ in chains]).reshape(n_traits, self.n_chains, -1)
        self.effects_ = effects.mean(axis=1).T
        self.traces_ = np.stack([trace for _, trace in chains]).reshape(
            n_traits, self.n_chains, -1, len(TRACES)
        )
        self.mean_dosage_ = np.stack([markers[i].mean for i in pattern_of], axis=1)
        self.intercept_ = self.traces_[..., 0].mean(axis=(1, 2))
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Posterior mean of the genetic value plus the intercept, with the dimensions of the labels.

        Raises
        ------
        ValueError
            If X has another number of markers than in training, or is refused as in `fit`.
        """
        check_is_fitted(self, "effects_")
        X = same_markers(complete_markers(X), self.n_features_in_).astype(float)
        offset = self.intercept_ - (self.mean_dosage_ * self.effects_).sum(axis=0)
        predicted = X @ self.effects_ + offset
        return predicted[:, 0] if self.single_trait_ else predicted

    def diagnostics(self) -> pd.DataFrame:
        """How far the chains can be trusted.

        Returns
        -------
        pandas.DataFrame
            One row for each trait and each of `TRACES`, with columns ``trait`` (its number), ``quantity``, ``mean``,
            ``sd``, ``error``, the Monte Carlo standard error of the mean, ``effective``, the number of independent
            draws that would say as much about the mean, and ``r_hat``, the rank-normalised split R-hat of Vehtari et
            al. 2021 (doi 10.1214/20-BA1221): above 1.01 the chains, or the halves of a single one, do not agree. NaN
            where nothing varies, or where there are fewer than eight draws.
        """
        from arviz_stats.base import array_stats  # slow to import, and needed here alone

        check_is_fitted(self, "traces_")
        rows = []
        for trait, chains in enumerate(self.traces_):
            for name, draws in zip(TRACES, np.moveaxis(chains, -1, 0), strict=True):
                half = draws.shape[1] // 2
                parts = draws if len(draws) > 1 else draws[:, -2 * half :].reshape(2, half)
                effective = r_hat = np.nan
                if np.ptp(draws) > 0 and half >= 4:
                    effective = array_stats.ess(draws, chain_axis=0, draw_axis=1, method="mean")
                    r_hat = array_stats.rhat(parts, chain_axis=0, draw_axis=1)
                spread = draws.std()
                rows.append(
                    (trait, name, draws.mean(), spread, spread / np.sqrt(effective), effective, r_hat)
                )
        return pd.DataFrame(rows, columns=["trait", "quantity", "mean", "sd", "error", "effective", "r_hat"])

    def _check_settings(self) -> None:
        if self.prior not in PRIORS:
            raise ValueError(f"prior is {self.prior!r}; allowed are {', '.join(PRIORS)}.")
        for name, least in (("n_iterations", 1), ("burn_in", 0), ("thin", 1), ("n_chains", 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} is {value!r}; it must be a whole number, at least {least}.")
        if not isinstance(self.n_jobs, Integral) or (self.n_jobs < 1 and self.n_jobs != -1):
            raise ValueError(f"n_jobs is {self.n_jobs!r}; it must be a whole number, at least 1, or -1.")
        if self.burn_in + self.thin > self.n_iterations:
            raise ValueError(
                f"With burn_in {self.burn_in} and thin {self.thin}, no draw is left of n_iterations "
                f"{self.n_iterations}."
            )

    def _chain(
        self, markers: "_Markers", labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        kind = PRIORS.index(self.prior)
        n_draws = (self.n_iterations - self.burn_in) // self.thin
        effects = np.zeros(len(markers.dosage))
        traces = np.empty((n_draws, len(TRACES)))
        _sample(
            kind, markers.dosage, markers.mean, markers.squares, markers.spread, labels, self.n_iterations,
            self.burn_in, self.thin, rng, effects, traces,
        )  # fmt: skip
        return effects / n_draws, traces


@dataclass(frozen=True)
class _Markers:
    """The dosages that a chain reads, with one row for each marker."""

    dosage: np.ndarray  # (marker, sample), int8 or float32
    mean: np.ndarray  # (marker,)
    squares: np.ndarray  # (marker,): of the centred dosages, summed
    spread: float  # summed variance of the dosages

    @classmethod
    def of(cls, X: np.ndarray) -> "_Markers":
        whole = X.dtype.kind in "biu" or np.equal(X, np.rint(X)).all()
        small = whole and X.min(initial=0) >= -128 and X.max(initial=0) <= 127
        dosage = np.ascontiguousarray(X.T, np.int8 if small else np.float32)
        mean = dosage.mean(axis=1, dtype=float)
        squares = np.array([((row - m) ** 2).sum() for row, m in zip(dosage, mean, strict=True)])
        return cls(dosage, mean, squares, squares.sum() / len(X) or 1.0)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(row, residual):
    total = 0.0
    for i in range(len(row)):
        total += row[i] * residual[i]
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _subtract(row, change, residual):
    for i in range(len(row)):
        residual[i] -= change * row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(
    kind,
    markers,
    mean,
    squares,
    spread,
    labels,
    n_iterations,
    burn_in,
    thin,
    rng,
    effect_sum,
    traces,
):
    """One chain: `effect_sum` gets the sum of the effects over the draws that are used, `traces` a row for each."""
    n_markers, n = markers.shape
    variance = ((labels - labels.mean()) ** 2).sum() / (n - 1)
    scale_0 = variance * _EXPLAINED / spread * (_DF + 2)
    if kind == 1:
        scale_0 /= _INCLUDED
    scale = scale_0
    lambda_squared_0 = 2 * (1 - _EXPLAINED) / _EXPLAINED * spread
    lambda_squared = lambda_squared_0
    noise_scale = variance * (1 - _EXPLAINED) * (_DF + 2)
    noise = variance * (1 - _EXPLAINED)

    effects = np.zeros(n_markers)
    included = np.ones(n_markers, np.bool_)
    share = _INCLUDED if kind == 1 else 1.0
    # Prior variance of each effect; of the Bayesian Lasso, in units of the residual variance.
    prior_variance = np.full(n_markers, scale_0 / (_DF + 2))
    if kind == 2:
        prior_variance[:] = variance * _EXPLAINED / spread / noise
    if kind == 1:
        for j in range(n_markers):
            included[j] = rng.random() < share

    # The residual is `part + offset`: the offset centres the dosages, so that bytes can stay bytes in memory.
    intercept = labels.mean()
    part = labels - intercept
    offset = 0.0
    sum_residual = part.sum()  # changes with the intercept only, for centred dosages sum to zero

    for iteration in range(n_iterations):
        new = intercept + sum_residual / n + np.sqrt(noise / n) * rng.standard_normal()
        offset += intercept - new
        sum_residual += n * (intercept - new)
        intercept = new

        log_odds_prior = np.log(share / (1 - share)) if kind == 1 else 0.0
        penalty = 0.0  # of the Bayesian Lasso, in units of the residual variance
        n_included = 0
        for j in range(n_markers):
            row, before = markers[j], effects[j]
            # Σ (x - mean)(part + offset); the offset drops out, and Σ part is known.
            product = _dot(row, part) - mean[j] * (sum_residual - n * offset)
            inside = before if included[j] else 0.0
            product += squares[j] * inside  # without this marker's own part
            if kind == 1:
                gain = (2 * before * product - before * before * squares[j]) / (2 * noise)
                included[j] = rng.random() < 1 / (1 + np.exp(-(log_odds_prior + gain)))
            unit = noise if kind == 2 else 1.0
            if included[j]:
                precision = squares[j] / noise + 1 / (prior_variance[j] * unit)
                after = product / noise / precision + rng.standard_normal() / np.sqrt(precision)
                n_included += 1
            else:
                after = np.sqrt(prior_variance[j]) * rng.standard_normal()
            effects[j] = after
            change = (after if included[j] else 0.0) - inside
            if change != 0:
                _subtract(row, change, part)
                offset += change * mean[j]
            if kind == 2:
                penalty += after * after / prior_variance[j]

        residual_squares = 0.0
        for i in range(n):
            residual_squares += (part[i] + offset) ** 2

        if kind == 2:
            rate = 0.0
            for j in range(n_markers):
                centre = np.sqrt(noise * lambda_squared) / max(abs(effects[j]), 1e-300)
                inverse = rng.wald(min(centre, 1e300), lambda_squared)
                if inverse > 0:
                    prior_variance[j] = min(1 / inverse, 1e300)
                rate += prior_variance[j]
            lambda_squared = rng.gamma(n_markers + _SHAPE, 1 / (rate / 2 + (_SHAPE - 1) / lambda_squared_0))
            noise = (residual_squares + penalty + noise_scale) / rng.chisquare(n + n_markers + _DF)
        else:
            rate = 0.0
            for j in range(n_markers):
                prior_variance[j] = (scale + effects[j] ** 2) / rng.chisquare(_DF + 1)
                rate += 1 / prior_variance[j]
            scale = rng.gamma(n_markers * _DF / 2 + _SHAPE, 1 / (rate / 2 + (_SHAPE - 1) / scale_0))
            noise = (residual_squares + noise_scale) / rng.chisquare(n + _DF)
            if kind == 1:
                share = rng.beta(
                    n_included + _INCLUDED * _COUNTS + 1,
                    n_markers - n_included + (1 - _INCLUDED) * _COUNTS + 1,
                )

        draw = iteration + 1 - burn_in
        if draw > 0 and draw % thin == 0:
            for j in range(n_markers):
                if included[j]:
                    effect_sum[j] += effects[j]
            genetic = 0.0  # variance of labels less intercept less residual
            centre = 0.0
            for i in range(n):
                centre += labels[i] - intercept - part[i] - offset
            for i in range(n):
                genetic += (labels[i] - intercept - part[i] - offset - centre / n) ** 2
            row_out = traces[draw // thin - 1]
            row_out[0], row_out[1], row_out[2] = intercept, noise, genetic / n
            row_out[3] = np.sqrt(lambda_squared) if kind == 2 else scale
            row_out[4] = share
