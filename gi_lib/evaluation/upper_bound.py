"""The highest correlation that a perfect model can expect, from replicated measurements.

A label is the true value of an accession plus the noise of its measurement. Even a model that predicts every true
value correlates with the labels by no more than √(1 - σ²/s²), with σ² the variance of the noise and s² the variance
of the labels over accessions; two experiments correlate with each other by 1 - σ²/s² (Benevenuta & Fariselli 2019,
doi 10.1177/1177932219871263). `upper_bounds` estimates both from replicates, over all accessions and, because labels
vary less there, within countries. `simulate_bounds` and `chance_to_exceed` show how far such an estimate can be off.

In the words of the analysis of variance: 1 - σ²/s² is the reliability of the labels. With F the mean square between
accessions over the mean square within them, the reliability of the mean of the replicates is estimated as 1 - 1/F.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from gi_lib.evaluation.correlation import (
    MEAN_OVER_TRAITS,
    POOLED,
    WITHIN,
    check_level,
    quantiles,
    resamples,
    weighted_pearson,
)

LABELS = ("mean", "single")
INTERVALS = ("adjusted F", "exact F", "bootstrap")
DISTRIBUTIONS = ("normal", "laplace", "uniform")
TRUTH, EXPERIMENT = "true value", "second experiment"
PEARSON, R2, MSE = "Pearson", "R2", "MSE"
GENETIC, GENETIC_AND_COUNTRY = "genetic value", "genetic value and country effect"
FEWEST_ACCESSIONS = 4  # below, neither a variance nor its degrees of freedom mean anything


# ------------------------------------------------------------------------------------------ from a cohort


def measurement_noise(cohort: xr.Dataset, min_accessions: int = 50) -> pd.DataFrame:
    """Variance of the noise, of the labels and of the true values of every trait.

    The noise of one measurement is the mean square within accessions: the variance between the replicates of an
    accession, averaged over accessions with weights in proportion to their degrees of freedom, so that an accession
    measured six times counts five times as much as one measured twice. This is the most precise average if all
    accessions have the same noise, and equals the plain mean over accessions if all have the same number of replicates.
    The noise of the mean of r replicates is 1/r of it, averaged over accessions each with its own r.

    Parameters
    ----------
    cohort
        With ``replicate_value (sample, trait, replicate)``.
    min_accessions
        A country counts for the rows ``within country`` if more than this many of its accessions were measured.

    Returns
    -------
    pandas.DataFrame
        Columns ``trait``, ``score`` (pooled, within country), ``noise_of_one`` and ``noise_of_mean`` measurement,
        ``label_variance`` of the means of the replicates over accessions, ``signal_variance`` of the true values
        (the difference of the last two, not below 0), all in squared units of the trait; ``accessions`` measured,
        ``replicates`` (harmonic mean over accessions), ``countries`` (0 for the pooled rows). Within countries
        variances and replicates are means over countries.

    Raises
    ------
    ValueError
        If the cohort has no replicates, or no accession was measured twice.
    """
    measured = _measurements(cohort)
    traits = cohort["trait"].values.tolist()
    names = ["noise_of_one", "noise_of_mean", "label_variance", "replicates"]
    tables = []
    for score, groups in _scores(cohort, measured, min_accessions):
        values = np.full((len(groups), len(names), len(traits)), np.nan)
        accessions = np.zeros(len(traits), int)
        for g, (members, counts) in enumerate(groups):
            found = _analysis(measured.of(members), np.ones((1, len(members))), counts)
            values[g] = np.vstack([found.noise, found.noise_of_mean, found.variance, found.replicates])
            accessions += np.where(counts, (measured.count[members] > 0).sum(axis=0), 0)
        table = pd.DataFrame(dict(zip(names, _mean_over_groups(values), strict=True)))
        table.insert(0, "trait", traits)
        table.insert(1, "score", score)
        signal = (table["label_variance"] - table["noise_of_mean"]).clip(lower=0)
        table.insert(5, "signal_variance", signal)
        table.insert(6, "accessions", accessions)
        tables.append(table.assign(countries=_countries(score, groups, len(traits))))
    return pd.concat(tables, ignore_index=True)


def upper_bounds(
    cohort: xr.Dataset,
    label: str = "mean",
    min_accessions: int = 50,
    correct_bias: bool = True,
    interval: str = "adjusted F",
    n_bootstrap: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Best scores that a perfect model, or a second experiment, can expect against the labels.

    With σ² the noise variance of the labels, τ² their variance over accessions less σ² (not below 0) and
    ρ = τ² / (τ² + σ²), the bounds are

    ================== ============== ======================
    measure            true value     second experiment
    ================== ============== ======================
    Pearson            √ρ             ρ
    R2                 ρ              2ρ - 1
    MSE                σ²             2σ²
    ================== ============== ======================

    Raimondi et al. 2024 say neither which of the two columns they drew nor whether σ² was divided by the number of
    replicates, which is the choice `label`.

    The *within-country* bound belongs to the within-country score: in a country labels vary less and their noise does
    not, so it is lower than the pooled one. It is computed from the mean of ρ over countries. That is never below
    the mean of their bounds (Jensen), close to it unless countries differ much, and free of the bias that the root
    of a noisy ρ has in every small country.

    Parameters
    ----------
    cohort
        With ``replicate_value (sample, trait, replicate)``. Its scale does not matter except for the MSE.
    label
        What models are scored against: the ``mean`` of an accession's replicates or a ``single`` one of them.
    min_accessions
        A country counts if more than this many of its accessions were measured; 50 in the paper.
    correct_bias
        Multiply σ²/s² by (n - 3)/(n - 1), with n the number of accessions, because the estimate of 1/s² is too large
        by the inverse on average (for normal values). Of no account for 1,000 accessions; for countries of 60
        to 240, the bound without it is too low by 0.01 to 0.04.
    interval
        ``exact F`` inverts the distribution of F. It is exact if true values and noise are normal and all accessions
        have equally many replicates, but far too narrow for heavy-tailed true values of high reliability.
        ``adjusted F`` takes the degrees of freedom from the observed fourth moments (Box 1953,
        doi 10.1093/biomet/40.3-4.318), so that it also holds for values that are not normal and accessions
        that differ in their noise. ``bootstrap`` is the percentile interval over accessions, drawn within their
        country with all their replicates; it covers less than its level in small countries (`bound_coverage`).
        Averages over countries and traits get F intervals from those of their parts by variance recovery
        (Zou & Donner 2008, doi 10.1002/sim.3095): countries are independent, and traits correlate as the
        accessions' contributions to their F do.
    n_bootstrap, seed
        Resamples and what decides them; for ``bootstrap`` only.
    level
        Coverage of the interval.

    Returns
    -------
    pandas.DataFrame
        Columns ``trait``, ``score`` (pooled, within country), ``against`` (true value, second experiment), ``measure``
        (Pearson, R2, MSE), ``bound``, ``low``, ``high``, ``countries`` (0 for pooled). If there are several traits,
        Pearson and R2 have rows for `MEAN_OVER_TRAITS`. A trait that was nowhere measured twice has NaN.

    Raises
    ------
    ValueError
        If the cohort has no replicates, no accession was measured twice, or an option is not allowed.
    """
    _check_choice("label", label, LABELS)
    _check_choice("interval", interval, INTERVALS)
    check_level(level)
    measured = _measurements(cohort)
    traits = cohort["trait"].values.tolist()
    weights = None
    if interval == "bootstrap":
        country = cohort["country"].values
        strata = [np.flatnonzero(country == name) for name in np.unique(country)]
        weights = resamples(strata, len(country), n_bootstrap, seed)
    rows = []
    for score, groups in _scores(cohort, measured, min_accessions):
        countries = _countries(score, groups, len(traits))
        if weights is None:
            found = _f_bounds(measured, groups, label, correct_bias, interval, level)
        else:
            found = _bootstrap_bounds(measured, groups, label, correct_bias, level, weights)
        for (against, measure), (of_traits, of_mean) in found.items():
            rows += [
                (trait, score, against, measure, *limits, n)
                for trait, limits, n in zip(traits, of_traits.T, countries, strict=True)
            ]
            if len(traits) > 1 and measure != MSE:  # squared units of different traits have no mean
                rows.append((MEAN_OVER_TRAITS, score, against, measure, *of_mean, countries.max()))
    return pd.DataFrame(
        rows, columns=["trait", "score", "against", "measure", "bound", "low", "high", "countries"]
    )


def percent_of_bound(
    scores: pd.DataFrame, bounds: pd.DataFrame, against: str = TRUTH, as_published: bool = False
) -> pd.DataFrame:
    """Correlations as percentages of their upper bounds.

    Parameters
    ----------
    scores
        As `gi_lib.evaluation.correlations` returns them.
    bounds
        As `upper_bounds` returns them.
    against
        Which bound: ``true value`` or ``second experiment``.
    as_published
        Compare every score with the pooled bound, as Raimondi et al. 2024 do. By default a within-country score
        is compared with the within-country bound.

    Returns
    -------
    pandas.DataFrame
        `scores` with further columns ``bound``, ``bound_low``, ``bound_high``; ``percent``, ``percent_low``,
        ``percent_high``, the score and its interval in percent of the estimated bound (NaN where that is 0);
        ``exceeds``, whether the score is above the bound, and ``exceeds_interval``, whether it is above even
        the upper end of the bound's interval.

    Raises
    ------
    ValueError
        If a trait and score have no bound, or the means are over other traits.
    """
    _check_choice("against", against, (TRUTH, EXPERIMENT))
    chosen = bounds[(bounds["against"] == against) & (bounds["measure"] == PEARSON)]
    chosen = chosen[["trait", "score", "bound", "low", "high"]].rename(
        columns={"low": "bound_low", "high": "bound_high"}
    )
    in_scores, in_bounds = ({*table["trait"]} - {MEAN_OVER_TRAITS} for table in (scores, bounds))
    if MEAN_OVER_TRAITS in set(scores["trait"]) and in_scores != in_bounds:
        raise ValueError(
            f"The mean is over {len(in_scores)} traits in the scores and over {len(in_bounds)} in the bounds; "
            "give bounds of the same traits."
        )
    keys = ["trait", "score"]
    if as_published:
        chosen, keys = chosen[chosen["score"] == POOLED].drop(columns="score"), ["trait"]
    table = scores.merge(chosen, on=keys, how="left", indicator="found")
    lacking = table[table.pop("found") != "both"]
    if len(lacking):
        trait, score = lacking.iloc[0][["trait", "score"]]
        raise ValueError(f"There is no upper bound of the {score} score of {trait}.")
    bound = table["bound"].where(table["bound"] > 0)
    return table.assign(
        percent=100 * table["estimate"] / bound,
        percent_low=100 * table["low"] / bound,
        percent_high=100 * table["high"] / bound,
        exceeds=table["estimate"] > table["bound"],
        exceeds_interval=table["estimate"] > table["bound_high"],
    )


def true_upper_bound(cohort: xr.Dataset, min_accessions: int = 50) -> pd.DataFrame:
    """Upper bounds of a simulated cohort, whose true values are known.

    What the perfect model predicts is a choice. A label is genetic value + country effect + noise. The bound that
    `upper_bounds` estimates belongs to a model that knows ``genetic value and country effect``: replicates share
    both. A model of the ``genetic value`` alone, which never learns a country's level, stays below it over all
    accessions. Within a country the effect is a constant and the two agree. (A genome reveals its country, so a
    trained model can know both.)

    Parameters
    ----------
    cohort
        With ``truth_genetic_value``, ``truth_country_effect``, ``truth_noise_variance``, ``replicate_value``.
    min_accessions
        A country counts if more than this many of its accessions have a label.

    Returns
    -------
    pandas.DataFrame
        Columns ``trait``, ``score`` (pooled, within country), ``knows``, ``expected``, ``realised``, ``countries``,
        with rows for `MEAN_OVER_TRAITS` if there are several traits. ``realised`` is the correlation of what the
        model knows with these very labels; ``expected`` is that over new measurements of the same accessions,
        cov(x, t) / √(var(x) (var(t) + σ²)), with x what the model knows, t the true value and σ² the known
        noise variance of the mean of the replicates. True values that do not vary correlate with nothing: 0.

    Raises
    ------
    ValueError
        If the cohort does not know the truth.
    """
    needed = ("truth_genetic_value", "truth_country_effect", "truth_noise_variance", "replicate_value")
    missing = [name for name in needed if name not in cohort]
    if missing:
        raise ValueError(
            f"The cohort '{cohort.attrs.get('name')}' has no '{missing[0]}'; it is not a simulated one."
        )
    traits, labels = cohort["trait"].values.tolist(), cohort["trait_value"].values
    count = np.isfinite(cohort["replicate_value"].values).sum(axis=2)
    labelled = ~np.isnan(labels) & (count > 0)
    genetic = cohort["truth_genetic_value"].values
    true = genetic + cohort["truth_country_effect"].values
    noise = cohort["truth_noise_variance"].values
    rows = []
    for score, groups in _groups(cohort["country"].values, labelled, min_accessions):
        for knows, x in ((GENETIC, genetic), (GENETIC_AND_COUNTRY, true)):
            found = np.full((2, len(groups), len(traits)), np.nan)
            for g, (members, counts) in enumerate(groups):
                of_members = (
                    x[members],
                    true[members],
                    labels[members],
                    labelled[members],
                    count[members],
                    noise,
                )
                found[:, g, counts] = _true_bound(*(v[..., counts] for v in of_members))
            expected, realised = _mean_over_groups(found.swapaxes(0, 1))
            countries = _countries(score, groups, len(traits))
            rows += [
                (trait, score, knows, *values)
                for trait, *values in zip(traits, expected, realised, countries, strict=True)
            ]
            if len(traits) > 1:
                means = [_nanmean(expected), _nanmean(realised)]
                rows.append((MEAN_OVER_TRAITS, score, knows, *means, countries.max()))
    return pd.DataFrame(rows, columns=["trait", "score", "knows", "expected", "realised", "countries"])


def _true_bound(
    x: np.ndarray,
    true: np.ndarray,
    labels: np.ndarray,
    labelled: np.ndarray,
    count: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Expected and realised correlation of x with the labels, shape (2, trait)."""
    n = labelled.sum(axis=0)
    x, true = (np.where(labelled, v - np.where(labelled, v, 0).sum(axis=0) / n, 0) for v in (x, true))
    variance_x, variance, covariance = (
        (a * b).sum(axis=0) / (n - 1) for a, b in ((x, x), (true, true), (x, true))
    )
    noise_of_label = noise * np.where(labelled, 1 / count.clip(min=1), 0).sum(axis=0) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = covariance / np.sqrt(variance_x * (variance + noise_of_label))
    expected = np.where(variance_x <= 1e-12 * np.square(true).max(axis=0, initial=0), 0.0, expected)
    ones = np.ones((1, len(x)))
    return np.stack([expected, weighted_pearson(np.where(labelled, x, np.nan), labels, ones)[0]])


# ------------------------------------------------------------------------------------------ by simulation


def simulate_bounds(
    n_accessions: int | Sequence[int],
    signal_variance: float,
    noise_variance: float,
    n_replicates: Sequence[int] = (2, 3, 4, 5, 6),
    label: str = "mean",
    correct_bias: bool = True,
    distribution: str = "normal",
    intervals: Sequence[str] = INTERVALS,
    n_simulations: int = 1000,
    n_bootstrap: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Estimated upper bounds of simulated experiments whose true bound is known.

    Parameters
    ----------
    n_accessions
        How many were measured; or the sizes of several countries, over which the bound is averaged.
    signal_variance, noise_variance
        Of the true values over accessions (within a country), and of one measurement.
    n_replicates
        Numbers of measurements per accession to try, each at least 2.
    label, correct_bias, level
        As for `upper_bounds`.
    distribution
        Of the true values: ``normal``, ``laplace`` (a few extreme accessions) or ``uniform``. The noise is normal.
    intervals
        Which of the intervals of `upper_bounds` to compute.
    n_simulations, n_bootstrap, seed
        How many experiments, resamples of each, and what decides them.

    Returns
    -------
    pandas.DataFrame
        Columns ``n_replicates``, ``simulation``, ``interval``, ``true``, ``estimate``, ``low``, ``high``: the Pearson
        bound of a perfect model.

    Raises
    ------
    ValueError
        If an option is not allowed.

    Examples
    --------
    >>> bounds = simulate_bounds(1000, signal_variance=1, noise_variance=6, n_replicates=[6], n_simulations=200)
    >>> coverage = bound_coverage(bounds).set_index("interval")
    >>> float(coverage.loc["adjusted F", "true"].round(3))
    0.707
    >>> bool(coverage.loc["adjusted F", "coverage"] > 0.9)
    True
    """
    sizes = _check_simulation(
        n_accessions, signal_variance, noise_variance, n_replicates, label, distribution
    )
    check_level(level)
    for interval in intervals:
        _check_choice("interval", interval, INTERVALS)
    groups = _blocks(sizes, n_simulations)
    random = np.random.default_rng(seed)
    weights = None
    if "bootstrap" in intervals:
        weights = resamples([members for members, _ in groups], sum(sizes), n_bootstrap, seed)
    tables = []
    for replicates in n_replicates:
        _, _, measured = _experiments(
            random, sum(sizes), signal_variance, noise_variance, replicates, distribution, n_simulations
        )
        for interval in intervals:
            if interval == "bootstrap":
                found = _bootstrap_bounds(measured, groups, label, correct_bias, level, weights)
            else:
                found = _f_bounds(measured, groups, label, correct_bias, interval, level, over_traits=False)
            estimate, low, high = found[TRUTH, PEARSON][0]
            tables.append(
                pd.DataFrame(
                    {
                        "n_replicates": replicates,
                        "simulation": np.arange(n_simulations),
                        "interval": interval,
                        "true": _population_bound(signal_variance, noise_variance, replicates, label),
                        "estimate": estimate,
                        "low": low,
                        "high": high,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def bound_coverage(simulated: pd.DataFrame) -> pd.DataFrame:
    """How well estimated bounds do: bias, scatter, and how often their intervals contain the true bound.

    Parameters
    ----------
    simulated
        As `simulate_bounds` returns them.

    Returns
    -------
    pandas.DataFrame
        One row per ``n_replicates`` and ``interval``: ``true``, ``mean``, ``bias`` and ``sd`` of the estimates,
        ``coverage``, the share of intervals that contain the true bound; ``too_low`` and ``too_high``, the shares
        wholly below and above it; ``width``, the mean width; ``simulations``.
    """
    table = simulated.assign(
        coverage=(simulated["low"] <= simulated["true"]) & (simulated["true"] <= simulated["high"]),
        too_low=simulated["high"] < simulated["true"],
        too_high=simulated["low"] > simulated["true"],
        width=simulated["high"] - simulated["low"],
    )
    result = table.groupby(["n_replicates", "interval"], sort=False, as_index=False).agg(
        true=("true", "first"),
        mean=("estimate", "mean"),
        sd=("estimate", "std"),
        coverage=("coverage", "mean"),
        too_low=("too_low", "mean"),
        too_high=("too_high", "mean"),
        width=("width", "mean"),
        simulations=("estimate", "size"),
    )
    result.insert(4, "bias", result["mean"] - result["true"])
    return result


def chance_to_exceed(
    n_accessions: int | Sequence[int],
    signal_variance: float,
    noise_variance: float,
    n_replicates: Sequence[int] = (2, 3, 4, 5, 6),
    shares: Sequence[float] = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0),
    label: str = "mean",
    correct_bias: bool = True,
    distribution: str = "normal",
    n_simulations: int = 1000,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """How often a model's score is above the estimated bound, though no model can be above the true one.

    The model's predictions correlate with the true values by the given share, so that its expected score is that
    share of the true bound. Score and estimated bound come from the same measurements.

    Parameters
    ----------
    n_accessions, signal_variance, noise_variance, n_replicates, label, correct_bias
        As for `simulate_bounds`; with several countries, scores and bounds are averaged over them.
    distribution, n_simulations, seed
        As for `simulate_bounds`.
    shares
        Of the true bound, from 0 to 1.
    level
        Of the interval of the bound (``adjusted F``).

    Returns
    -------
    pandas.DataFrame
        Columns ``n_replicates``, ``share``, ``true`` bound, mean ``score``, and the chances that the score
        ``exceeds`` the estimated bound, ``exceeds_interval``, the upper end of its interval, and ``exceeds_true``,
        the true bound.

    Raises
    ------
    ValueError
        If an option is not allowed.
    """
    sizes = _check_simulation(
        n_accessions, signal_variance, noise_variance, n_replicates, label, distribution
    )
    check_level(level)
    wrong = [share for share in shares if not 0 <= share <= 1]
    if wrong:
        raise ValueError(f"A share of the bound is {wrong[0]}; allowed are values from 0 to 1.")
    groups = _blocks(sizes, n_simulations)
    random = np.random.default_rng(seed)
    rows = []
    for replicates in n_replicates:
        true, first, measured = _experiments(
            random, sum(sizes), signal_variance, noise_variance, replicates, distribution, n_simulations
        )
        bounds = _f_bounds(measured, groups, label, correct_bias, "adjusted F", level, over_traits=False)
        bound, _, high = bounds[TRUTH, PEARSON][0]
        labels = measured.mean if label == "mean" else first
        best = _population_bound(signal_variance, noise_variance, replicates, label)
        error = random.normal(size=true.shape) * np.sqrt(signal_variance)
        for share in shares:
            predicted = share * true + np.sqrt(1 - share**2) * error
            score = np.mean(
                [
                    weighted_pearson(labels[members], predicted[members], np.ones((1, len(members))))[0]
                    for members, _ in groups
                ],
                axis=0,
            )
            above = [(score > limit).mean() for limit in (bound, high, best)]
            rows.append((replicates, share, best, score.mean(), *above))
    names = ["n_replicates", "share", "true", "score", "exceeds", "exceeds_interval", "exceeds_true"]
    return pd.DataFrame(rows, columns=names)


def _experiments(
    random: np.random.Generator,
    n_accessions: int,
    signal_variance: float,
    noise_variance: float,
    replicates: int,
    distribution: str,
    n_simulations: int,
) -> tuple[np.ndarray, np.ndarray, "_Measurements"]:
    """True values, first measurements and all measurements in sums, each (sample, simulation)."""
    shape = n_accessions, n_simulations
    standard = {
        "normal": lambda: random.normal(size=shape),
        "laplace": lambda: random.laplace(scale=np.sqrt(0.5), size=shape),
        "uniform": lambda: random.uniform(-np.sqrt(3), np.sqrt(3), shape),
    }
    true = standard[distribution]() * np.sqrt(signal_variance)
    first = random.normal(size=shape) * np.sqrt(noise_variance)
    total, squares = first.copy(), first**2
    for _ in range(replicates - 1):
        noise = random.normal(size=shape) * np.sqrt(noise_variance)
        total += noise
        squares += noise**2
    mean = total / replicates
    within = (squares - replicates * mean**2).clip(min=0)
    return true, true + first, _Measurements(true + mean, within, np.full(shape, replicates))


def _population_bound(signal_variance: float, noise_variance: float, replicates: int, label: str) -> float:
    noise = noise_variance / (replicates if label == "mean" else 1)
    return float(np.sqrt(signal_variance / (signal_variance + noise)))


def _blocks(sizes: list[int], n_columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Consecutive blocks of accessions as groups that count for every column."""
    parts = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    return [(part, np.ones(n_columns, bool)) for part in parts]


def _check_simulation(
    n_accessions: int | Sequence[int],
    signal_variance: float,
    noise_variance: float,
    n_replicates: Sequence[int],
    label: str,
    distribution: str,
) -> list[int]:
    _check_choice("label", label, LABELS)
    _check_choice("distribution", distribution, DISTRIBUTIONS)
    sizes = [int(n) for n in np.atleast_1d(n_accessions)]
    if not sizes or min(sizes) < FEWEST_ACCESSIONS:
        raise ValueError(
            f"n_accessions is {n_accessions}; allowed are numbers from {FEWEST_ACCESSIONS} upwards."
        )
    for name, value in (("signal_variance", signal_variance), ("noise_variance", noise_variance)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} is {value}; allowed are numbers above 0.")
    if not len(n_replicates) or min(n_replicates) < 2:
        raise ValueError(f"n_replicates is {list(n_replicates)}; allowed are whole numbers from 2 upwards.")
    return sizes


# --------------------------------------------------------------------------------------------- estimation


@dataclass(frozen=True)
class _Measurements:
    """Replicates of each accession and trait in sums, each array (sample, trait)."""

    mean: np.ndarray  # NaN where there is none
    squares: np.ndarray  # sum of squared deviations from the mean
    count: np.ndarray

    def of(self, members: np.ndarray) -> "_Measurements":
        return _Measurements(self.mean[members], self.squares[members], self.count[members])


@dataclass(frozen=True)
class _Analysis:
    """One-way analysis of variance of each trait under each row of weights, each array (draw, trait)."""

    accessions: np.ndarray
    variance: np.ndarray  # of the means of replicates over accessions
    noise: np.ndarray  # of one measurement
    replicates: np.ndarray  # harmonic mean over accessions

    @property
    def noise_of_mean(self) -> np.ndarray:
        return self.noise / self.replicates

    @property
    def noise_share(self) -> np.ndarray:
        """Noise over variance of the means: 1 / F."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.noise_of_mean / self.variance

    @property
    def bias(self) -> np.ndarray:
        """By how much `noise_share` is too large on average: E(1/F) = (n - 1) / (n - 3) of what it estimates."""
        return (self.accessions - 1) / (self.accessions - 3)


def _measurements(cohort: xr.Dataset) -> _Measurements:
    """Read the replicates of a cohort."""
    if "replicate_value" not in cohort:
        raise ValueError(
            f"The cohort '{cohort.attrs.get('name')}' has no replicates ('replicate_value'), so the noise of its "
            "measurements is unknown."
        )
    values = cohort["replicate_value"].values
    there = np.isfinite(values)
    count = there.sum(axis=2)
    if not (count > 1).any():
        raise ValueError("No accession was measured twice, so the noise of the measurements is unknown.")
    mean = np.where(there, values, 0).sum(axis=2) / count.clip(min=1)
    squares = np.where(there, values - mean[:, :, None], 0)
    return _Measurements(np.where(count > 0, mean, np.nan), np.square(squares).sum(axis=2), count)


def _scores(
    cohort: xr.Dataset, measured: _Measurements, min_accessions: int
) -> list[tuple[str, list[tuple[np.ndarray, np.ndarray]]]]:
    """Groups of accessions of both scores, with the traits whose noise can be told in them."""
    result = []
    for score, groups in _groups(cohort["country"].values, measured.count > 0, min_accessions):
        estimable = [
            (members, counts & ((measured.count[members] > 1).sum(axis=0) > 1)) for members, counts in groups
        ]
        result.append((score, [(members, counts) for members, counts in estimable if counts.any()]))
    return result


def _groups(
    country: np.ndarray, labelled: np.ndarray, min_accessions: int
) -> list[tuple[str, list[tuple[np.ndarray, np.ndarray]]]]:
    """For each score its groups: indices of accessions, and for which traits they have enough labels."""
    everybody = np.arange(len(country))
    large = []
    for name in np.unique(country[country != ""]):
        members = np.flatnonzero(country == name)
        enough = labelled[members].sum(axis=0) > max(min_accessions, FEWEST_ACCESSIONS - 1)
        if enough.any():
            large.append((members, enough))
    return [
        (POOLED, [(everybody, labelled.sum(axis=0) >= FEWEST_ACCESSIONS)]),
        (WITHIN, large),
    ]


def _countries(score: str, groups: list[tuple[np.ndarray, np.ndarray]], n_traits: int) -> np.ndarray:
    """How many countries enter the score of each trait; 0 for the pooled score."""
    counts = [counts for _, counts in groups if score == WITHIN]
    return np.sum(counts, axis=0, dtype=int) if counts else np.zeros(n_traits, int)


def _analysis(measured: _Measurements, weights: np.ndarray, counts: np.ndarray) -> _Analysis:
    """Variances of each trait under each row of weights (draw, sample); NaN for traits that do not count."""
    there = measured.count > 0
    mean = np.where(there, measured.mean, 0)
    mean = np.where(there, mean - mean.sum(axis=0) / there.sum(axis=0).clip(min=1), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = weights @ there
        replicates = n / (weights @ np.where(there, 1 / measured.count.clip(min=1), 0))
        noise = (weights @ measured.squares) / (weights @ (measured.count - 1).clip(min=0))
        variance = ((weights @ mean**2) - (weights @ mean) ** 2 / n).clip(min=0) / (n - 1)
    return _Analysis(*(np.where(counts, v, np.nan) for v in (n, variance, noise, replicates)))


def _reliability(noise_share: np.ndarray, replicates: np.ndarray, label: str) -> np.ndarray:
    """Share of the variance of the labels that is not noise, from the share of noise in means of replicates.

    Not clipped: below 0 if the labels vary less than their noise alone should make them, so that averages over
    countries are not biased upwards.
    """
    if label == "mean":
        return 1 - noise_share
    return (1 - noise_share) / (1 - noise_share + replicates * noise_share)


def _measures(reliability: np.ndarray, noise: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Benevenuta & Fariselli's bounds; all of them rise with reliability or noise."""
    reliability = np.maximum(reliability, 0)
    return {
        (TRUTH, PEARSON): np.sqrt(reliability),
        (TRUTH, R2): reliability,
        (TRUTH, MSE): noise,
        (EXPERIMENT, PEARSON): reliability,
        (EXPERIMENT, R2): 2 * reliability - 1,
        (EXPERIMENT, MSE): 2 * noise,
    }


def _f_bounds(
    measured: _Measurements,
    groups: list[tuple[np.ndarray, np.ndarray]],
    label: str,
    correct_bias: bool,
    interval: str,
    level: float,
    over_traits: bool = True,
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Per measure: bound, low and high of each trait (3, trait), and of the mean over traits (3,)."""
    tail = (1 - level) / 2
    shape = len(groups), 3, measured.mean.shape[1]
    reliability, noise = np.empty(shape), np.empty(shape)
    similar = []
    for g, (members, counts) in enumerate(groups):
        here = measured.of(members)
        found = _analysis(here, np.ones((1, len(members))), counts)
        between, within = _degrees_of_freedom(here, found, adjusted=interval == "adjusted F")
        correction = 1 / found.bias if correct_bias else np.ones((1, shape[2]))
        # F over its expectation under no differences follows an F distribution, the noise a chi-squared one.
        limits = (stats.f.ppf(q, between, within) for q in (1 - tail, tail))
        factor = np.vstack([correction, *limits])
        reliability[g] = _reliability(factor * found.noise_share, found.replicates, label)
        limits = (within / stats.chi2.ppf(q, within) for q in (1 - tail, tail))
        factor = np.vstack([np.ones(shape[2]), *limits])
        noise[g] = factor * (found.noise_of_mean if label == "mean" else found.noise)
        if over_traits:
            similar.append(_similarity(here, found))
    measures = _measures(_recover_limits(reliability), _recover_limits(noise))
    if not over_traits:
        return {key: (values, np.full(3, np.nan)) for key, values in measures.items()}
    alike = _similarity_of_averages(reliability, similar)
    return {key: (values, _limits_of_mean(values, alike)) for key, values in measures.items()}


def _recover_limits(values: np.ndarray) -> np.ndarray:
    """Average independent estimates and recover the limits of the average from theirs (Zou & Donner 2008).

    Parameters
    ----------
    values : shape (group, 3, trait)
        Estimate, low, high; NaN where a group does not count.

    Returns
    -------
    numpy.ndarray
        Shape (3, trait); NaN for a trait without a group.
    """
    n_groups = (~np.isnan(values[:, 0])).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = np.nansum(values[:, 0], axis=0) / n_groups
        low, high = np.sqrt(np.nansum(np.square(values[:, 1:] - values[:, :1]), axis=0)) / n_groups
    return np.stack([estimate, estimate - low, estimate + high])


def _similarity_of_averages(values: np.ndarray, similar: list[np.ndarray]) -> np.ndarray:
    """Correlation between the traits' averages over groups, below and above the estimate, (2, trait, trait)."""
    distance = np.nan_to_num(values[:, 1:] - values[:, :1])
    covariance = np.zeros((2, values.shape[2], values.shape[2]))
    for d, correlation in zip(distance, similar, strict=True):
        covariance += d[:, :, None] * correlation * d[:, None, :]
    norm = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    norm = np.where(norm > 0, norm, 1)
    return covariance / norm[:, :, None] / norm[:, None, :]


def _limits_of_mean(values: np.ndarray, similar: np.ndarray) -> np.ndarray:
    """Mean over traits of (3, trait) estimates and limits, recovered for estimates that correlate."""
    scored = ~np.isnan(values[0])
    if not scored.any():
        return np.full(3, np.nan)
    values, similar = values[:, scored], similar[:, scored][:, :, scored]
    mean = values[0].mean()
    low, high = (
        np.sqrt(max(0.0, d @ correlation @ d)) / len(d)
        for d, correlation in zip(values[1:] - values[0], similar, strict=True)
    )
    return np.array([mean, mean - low, mean + high])


def _degrees_of_freedom(
    measured: _Measurements, found: _Analysis, adjusted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Degrees of freedom of the variance between and within accessions, each (trait,).

    A variance estimate s² with d degrees of freedom has a relative variance of 2/d. For values that are not normal
    the relative variance is estimated from fourth moments, and d is what fits it (Box 1953).
    """
    there = measured.count > 0
    n, freedom = there.sum(axis=0), (measured.count - 1).clip(min=0)
    total = freedom.sum(axis=0)
    if not adjusted:
        return n - 1.0, total.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, measured.mean, 0)
        centred = np.where(there, mean - mean.sum(axis=0) / n, 0)
        second, fourth = (np.sum(centred**power, axis=0) / n for power in (2, 4))
        # Excess kurtosis, unbiased for normal values.
        excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (fourth / second**2 - 3) + 6)
        between = 2 / (excess.clip(min=-2) / n + 2 / (n - 1))
        deviation = np.where(freedom > 0, measured.squares - freedom * found.noise[0], 0)
        accessions = (freedom > 0).sum(axis=0)
        relative = (
            np.square(deviation).sum(axis=0) / (total * found.noise[0]) ** 2 * accessions / (accessions - 1)
        )
        within = 2 / relative
    # Without any noise, or any variance, there is no fourth moment to go by.
    between = np.where(np.isfinite(between), between, n - 1.0)
    return between, np.where(np.isfinite(within), within, total.astype(float))


def _similarity(measured: _Measurements, found: _Analysis) -> np.ndarray:
    """Correlation between the estimated F of traits over samples of accessions, shape (trait, trait).

    Each accession contributes to log F about y²/s² - (within its replicates)/(mean within), less its expectation;
    estimates correlate as these contributions do.
    """
    there, freedom = measured.count > 0, (measured.count - 1).clip(min=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, measured.mean, 0)
        centred = mean - mean.sum(axis=0) / there.sum(axis=0)
        per_accession = freedom.sum(axis=0) / there.sum(axis=0)
        noise = found.noise[0]
        part = (
            centred**2 / found.variance[0]
            - (measured.squares - freedom * noise) / (per_accession * noise)
            - 1
        )
    part = np.where(there & np.isfinite(part), part, 0)
    norm = np.sqrt(np.square(part).sum(axis=0))
    norm[norm == 0] = 1
    similar = (part / norm).T @ (part / norm)
    np.fill_diagonal(similar, 1)
    return similar


def _bootstrap_bounds(
    measured: _Measurements,
    groups: list[tuple[np.ndarray, np.ndarray]],
    label: str,
    correct_bias: bool,
    level: float,
    weights: np.ndarray,
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """As `_f_bounds`, by resampling accessions with all their replicates; the first row of weights is the data."""
    tail = (1 - level) / 2
    shape = len(groups), len(weights), measured.mean.shape[1]
    reliability, noise = np.empty(shape), np.empty(shape)
    for g, (members, counts) in enumerate(groups):
        found = _analysis(measured.of(members), weights[:, members], counts)
        # The same factor for all resamples: it depends on how many accessions there are, not on which.
        correction = 1 / found.bias[0] if correct_bias else 1
        reliability[g] = _reliability(correction * found.noise_share, found.replicates, label)
        noise[g] = found.noise_of_mean if label == "mean" else found.noise
    result = {}
    for key, draws in _measures(_mean_over_groups(reliability), _mean_over_groups(noise)).items():
        scored = ~np.isnan(draws[0])
        mean = draws[:, scored].mean(axis=1) if scored.any() else np.full(len(draws), np.nan)
        of_traits, of_mean = (
            np.vstack([values[:1], quantiles(values[1:], (tail, 1 - tail))])
            for values in (draws, mean[:, None])
        )
        result[key] = of_traits, of_mean[:, 0]
    return result


def _mean_over_groups(values: np.ndarray) -> np.ndarray:
    n_groups = (~np.isnan(values)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=0) / n_groups


def _nanmean(values: np.ndarray) -> float:
    there = ~np.isnan(values)
    return values[there].mean() if there.any() else np.nan


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(allowed)}.")
