"""Simpson's paradox taken apart: how much of a pooled correlation comes from differences between countries.

The covariance of observed and predicted values over all accessions is exactly the sum of a part between countries
(of their means) and a part within countries (of deviations from them), and so are both variances. With η² the share
of a variance that lies between countries, the pooled correlation is

    r = √(η²_observed η²_predicted) · r_between + √((1 - η²_observed)(1 - η²_predicted)) · r_within .

A model that only knows countries has η²_predicted = 1, so the second term vanishes, whatever the first may be.
"""

import numpy as np
import pandas as pd

from gi_lib.evaluation.correlation import (
    MEAN_OVER_TRAITS,
    POOLED,
    check_bootstrap,
    check_predictions,
    observed_and_predicted,
    quantiles,
    resamples,
)

BETWEEN, INSIDE, GAP = "r between countries", "r within countries", "gap"
FROM_BETWEEN, FROM_INSIDE = "contribution between countries", "contribution within countries"
ETA2_OBSERVED, ETA2_PREDICTED = "eta2 observed", "eta2 predicted"
QUANTITIES = (POOLED, FROM_BETWEEN, FROM_INSIDE, BETWEEN, INSIDE, ETA2_OBSERVED, ETA2_PREDICTED, GAP)
REVERSAL, VANISHES, SHRINKS, HOLDS, UNDECIDED = "reversal", "vanishes", "shrinks", "holds", "undecided"
UNKNOWN = ("leave out", "own group")
# Quantities whose intervals are shifted, and where they end.
_SHIFTED = {
    FROM_BETWEEN: (-1, 1),
    FROM_INSIDE: (-1, 1),
    BETWEEN: (-1, 1),
    ETA2_OBSERVED: (0, 1),
    ETA2_PREDICTED: (0, 1),
}


def decompose_correlations(
    predictions: pd.DataFrame,
    unknown: str = "leave out",
    n_bootstrap: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Split every pooled correlation into what comes from between and from within countries.

    Parameters
    ----------
    predictions
        A predictions table (`gi_lib.validation.COLUMNS`) of one split.
    unknown
        Accessions of unknown country (an empty name) are left out by default: they share no place, so differences
        between their places would count as differences within a country. With ``own group`` they are one more
        country, and the pooled correlation is that of `gi_lib.evaluation.correlations`.
    n_bootstrap, level, seed
        Resamples of accessions within their country, the same for all models; coverage of the percentile
        interval; and what decides the resamples. Resampling moves variance from within small countries to between
        them, so the intervals of η², contributions and the correlation between countries are shifted back by
        the mean of the resamples less the estimate.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``quantity``, ``estimate``, ``low``, ``high``, ``countries``. The quantities:

        - ``pooled``: the correlation over all accessions, the sum of the two contributions;
        - ``contribution between countries``, ``contribution within countries``;
        - ``r between countries``: correlation of the country means, weighted by accessions; NaN for one country;
        - ``r within countries``: correlation of the deviations from the country means, of all countries together
          (the score of `correlations` is the mean of the large countries' own correlations instead);
        - ``eta2 observed``, ``eta2 predicted``: share of the variance between countries. Of values that have
          nothing to do with the country it is on average (countries - 1)/(accessions - 1). NaN for predictions
          that are all equal;
        - ``gap``: pooled less within.

        Values that do not vary correlate with nothing: 0. Repeats are averaged; sums stay exact, products do not.
        If there are several traits, each model has rows for `MEAN_OVER_TRAITS`.

    Raises
    ------
    ValueError
        If the table is empty, holds several splits or one prediction twice, or no country is known.
    """
    check_predictions(predictions)
    if unknown not in UNKNOWN:
        raise ValueError(f"unknown is {unknown!r}; allowed are {', '.join(UNKNOWN)}.")
    check_bootstrap(n_bootstrap, level)
    if unknown == "leave out":
        predictions = predictions[predictions["country"] != ""]
        if predictions.empty:
            raise ValueError(
                "No accession in the predictions table has a country; unknown='own group' keeps them."
            )
    samples = predictions.drop_duplicates("sample").set_index("sample")["country"].sort_index()
    countries = [np.flatnonzero(samples == name) for name in sorted(samples.unique())]
    weights = resamples(countries, len(samples), n_bootstrap, seed)
    traits = list(predictions["trait"].drop_duplicates())
    tail = (1 - level) / 2
    tables = []
    for model, of_model in predictions.groupby("model", sort=False):
        by_repeat = [
            _decompose(*observed_and_predicted(of_repeat, samples.index, traits), countries, weights)
            for _, of_repeat in of_model.groupby("repeat")
        ]
        draws = np.mean([draws for draws, _ in by_repeat], axis=0)  # (quantity, draw, trait)
        names, n_countries = list(traits), by_repeat[0][1]
        if len(traits) > 1:
            draws = np.concatenate([draws, _mean_over_traits(draws)], axis=2)
            names, n_countries = [*names, MEAN_OVER_TRAITS], np.append(n_countries, n_countries.max())
        for quantity, values in zip(QUANTITIES, draws, strict=True):
            low, high = quantiles(values[1:], (tail, 1 - tail))
            if quantity in _SHIFTED:
                shift = values[0] - _mean_of_draws(values[1:])
                low, high = ((limit + shift).clip(*_SHIFTED[quantity]) for limit in (low, high))
            tables.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "trait": names,
                        "quantity": quantity,
                        "estimate": values[0],
                        "low": low,
                        "high": high,
                        "countries": n_countries,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def classify_paradox(decomposition: pd.DataFrame, near_zero: float = 0.1) -> pd.DataFrame:
    """Say of every model and trait what becomes of the pooled correlation within countries.

    Decided by intervals, not by estimates. With all correlations taken within countries together:

    - ``reversal``: pooled and within differ in sign, both surely: Simpson's paradox in the strict sense;
    - ``vanishes``: pooled is surely not zero, and within surely closer to zero than `near_zero`: the paradox in
      the wider sense of Raimondi et al. 2024, a deceptively good pooled correlation;
    - ``shrinks``: both surely have the same sign, and the pooled one is surely the larger;
    - ``holds``: both surely have the same sign, and the pooled one is not surely the larger;
    - ``undecided``: the intervals are too wide to tell, or there is no pooled correlation to begin with.

    A correlation within countries that is both surely not zero and closer to it than `near_zero` counts as
    vanished, unless it is reversed.

    Parameters
    ----------
    decomposition
        As `decompose_correlations` returns it.
    near_zero
        Which correlations within countries are too small to matter.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``pooled``, ``within``, ``gap`` (the estimates) and ``paradox``.

    Raises
    ------
    ValueError
        If `near_zero` is not between 0 and 1.
    """
    if not 0 <= near_zero < 1:
        raise ValueError(f"near_zero is {near_zero}; allowed are values from 0 to below 1.")
    wide = decomposition.pivot(
        index=["model", "trait"], columns="quantity", values=["estimate", "low", "high"]
    ).reindex(pd.MultiIndex.from_frame(decomposition[["model", "trait"]].drop_duplicates()))
    # Mirrored where the pooled correlation is negative, so that one set of rules does.
    down = wide["estimate", POOLED] < 0

    def limits(quantity: str) -> tuple[pd.Series, pd.Series]:
        low, high = wide["low", quantity], wide["high", quantity]
        return low.where(~down, -high), high.where(~down, -low)

    (pooled, _), (within, within_high), (gap, _) = (limits(quantity) for quantity in (POOLED, INSIDE, GAP))
    there = pooled > 0
    paradox = np.select(
        [
            there & (within_high < 0),
            there & (within > -near_zero) & (within_high < near_zero),
            there & (within > 0) & (gap > 0),
            there & (within > 0),
        ],
        [REVERSAL, VANISHES, SHRINKS, HOLDS],
        UNDECIDED,
    )
    names = {"pooled": POOLED, "within": INSIDE, "gap": GAP}
    estimates = pd.DataFrame({name: wide["estimate", quantity] for name, quantity in names.items()})
    return estimates.assign(paradox=paradox).reset_index()


def vertical_lines(decomposition: pd.DataFrame) -> pd.DataFrame:
    """How much of the variance of labels and predictions lies within countries: 1 - η².

    The number behind the paper's remark that its model of geography "predicts vertical series of dots (the same
    concentration for all geographically close AT samples)": near 0 for such a model, while the labels keep theirs.

    Parameters
    ----------
    decomposition
        As `decompose_correlations` returns it.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``variable`` (observed, predicted), ``estimate``, ``low``, ``high``.
    """
    variable = decomposition["quantity"].map({ETA2_OBSERVED: "observed", ETA2_PREDICTED: "predicted"})
    table = decomposition.assign(variable=variable)[variable.notna()]
    return pd.DataFrame(
        {
            **{name: table[name] for name in ("model", "trait", "variable")},
            "estimate": 1 - table["estimate"],
            "low": 1 - table["high"],
            "high": 1 - table["low"],
        }
    ).reset_index(drop=True)


def _decompose(
    observed: np.ndarray, predicted: np.ndarray, countries: list[np.ndarray], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All quantities of one model and repeat, (quantity, draw, trait), and the countries per trait."""
    both = ~np.isnan(observed) & ~np.isnan(predicted)
    n_pairs = both.sum(axis=0).clip(min=1)
    # Centred first, so that the differences of large sums below keep their precision.
    y, p = (np.where(both, v - np.where(both, v, 0).sum(axis=0) / n_pairs, 0) for v in (observed, predicted))
    shape = len(weights), observed.shape[1]
    within, between = np.zeros((2, 3, *shape))  # sums of squares of y and p, and of products
    total, n, n_countries = np.zeros((2, *shape)), np.zeros(shape), np.zeros(shape[1], int)
    moments = ((0, 0), (1, 1), (0, 1))
    for members in countries:
        here, w = both[members], weights[:, members]
        n_here = w @ here
        counted = here.sum(axis=0).clip(min=1)
        level = [v[members].sum(axis=0) / counted for v in (y, p)]
        deviation = [np.where(here, v[members] - mean, 0) for v, mean in zip((y, p), level, strict=True)]
        sums = [w @ d for d in deviation]
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = [np.where(n_here > 0, s / n_here, 0) for s in sums]
        means = [mean + s for mean, s in zip(level, shift, strict=True)]
        for moment, (i, j) in enumerate(moments):
            within[moment] += w @ (deviation[i] * deviation[j]) - sums[i] * shift[j]
            between[moment] += n_here * means[i] * means[j]
        for i in (0, 1):
            total[i] += n_here * means[i]
        n += n_here
        n_countries += here.any(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        for moment, (i, j) in enumerate(moments):
            between[moment] -= total[i] * total[j] / n
    tiny = [1e-12 * n * np.square(v).max(axis=0, initial=0) for v in (y, p)]
    return _quantities(within, between, n, n_countries, tiny), n_countries


def _quantities(
    within: np.ndarray, between: np.ndarray, n: np.ndarray, n_countries: np.ndarray, tiny: list[np.ndarray]
) -> np.ndarray:
    """From sums of squares and products, each (moment, draw, trait), to `QUANTITIES`."""
    total = within + between
    # A resample may hold no pair at all: everything is NaN then.
    empty = n == 0

    def correlation(moments: np.ndarray, numerator: np.ndarray) -> np.ndarray:
        constant = (moments[0] <= tiny[0]) | (moments[1] <= tiny[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            r = numerator / np.sqrt(moments[0] * moments[1])
        return np.where(empty, np.nan, np.where(constant, 0.0, r))

    def share(moment: int) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            eta2 = between[moment] / total[moment]
        return np.where(total[moment] <= tiny[moment], np.nan, eta2)

    pooled = correlation(total, total[2])
    inside = correlation(within, within[2])
    return np.stack(
        [
            pooled,
            correlation(total, between[2]),
            correlation(total, within[2]),
            np.where(n_countries < 2, np.nan, correlation(between, between[2])),
            inside,
            share(0),
            share(1),
            pooled - inside,
        ]
    )


def _mean_of_draws(draws: np.ndarray) -> np.ndarray:
    """Mean of each column over the draws in which it is defined."""
    defined = ~np.isnan(draws)
    with np.errstate(invalid="ignore"):
        return np.where(defined, draws, 0).sum(axis=0) / defined.sum(axis=0)


def _mean_over_traits(draws: np.ndarray) -> np.ndarray:
    """Mean over the traits in which the quantity is defined, (quantity, draw, 1)."""
    scored = ~np.isnan(draws[:, :1])
    with np.errstate(invalid="ignore"):
        return np.where(scored, draws, 0).sum(axis=2, keepdims=True) / scored.sum(axis=2, keepdims=True)
