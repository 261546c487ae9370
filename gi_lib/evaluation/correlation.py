"""Pearson correlations over all accessions and within countries, with bootstrap intervals.

The *pooled* correlation takes all accessions together, so a model that only knows the country means scores. The
*within-country* correlation is computed in each country that has enough accessions and averaged over them, the score
of Raimondi et al. 2024, Figure 2.
"""

from numbers import Integral, Real

import numpy as np
import pandas as pd

MEAN_OVER_TRAITS = "mean over traits"
POOLED, WITHIN = "pooled", "within country"
NEEDED = ("sample", "trait", "model", "split", "repeat", "observed", "predicted", "country")


def correlations(
    predictions: pd.DataFrame,
    min_accessions: int = 50,
    n_bootstrap: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Pooled and within-country correlation of every model and trait.

    Parameters
    ----------
    predictions
        A predictions table (`gi_lib.validation.COLUMNS`) of one split.
    min_accessions
        A country counts if more than this many of its accessions have a label; 50 in the paper.
    n_bootstrap
        Resamples behind each interval. Accessions are drawn with replacement within their country, the same
        draw for all models, so that differences between models are paired.
    level
        Coverage of the percentile interval.
    seed
        Decides the resamples.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``score`` (pooled, within country), ``estimate``, ``low``, ``high``,
        ``countries`` (how many entered; 0 for the pooled score). Repeats are averaged. If there are several
        traits, each model has rows for `MEAN_OVER_TRAITS`. A score without a single country is NaN, and its
        trait does not enter the mean.

    Raises
    ------
    ValueError
        If the table is refused by `check_predictions`, or a setting is out of its range.
    """
    check_bootstrap(n_bootstrap, level)
    draws, index = bootstrap_correlations(predictions, min_accessions, n_bootstrap, seed)
    tail = (1 - level) / 2
    with np.errstate(all="ignore"):
        low, high = quantiles(draws[1:], (tail, 1 - tail))
    return index.assign(estimate=draws[0], low=low, high=high)[
        ["model", "trait", "score", "estimate", "low", "high", "countries"]
    ]


def correlation_differences(
    predictions: pd.DataFrame,
    model: str,
    other: str,
    min_accessions: int = 50,
    n_bootstrap: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """By how much one model's correlations exceed another's, with paired bootstrap intervals.

    Both models are scored on the same resamples of accessions, so what they have in common cancels. The interval
    holds the trained models fixed: it does not include the variation between trainings.

    Parameters
    ----------
    predictions, min_accessions, n_bootstrap, level, seed
        As for `correlations`.
    model, other
        Names in the column ``model``.

    Returns
    -------
    pandas.DataFrame
        Columns ``trait``, ``score``, ``difference``, ``low``, ``high``.

    Raises
    ------
    ValueError
        If there is no such model, the table is refused by `check_predictions`, or a setting is out of its range.
    """
    check_bootstrap(n_bootstrap, level)
    check_models(predictions, model, other)
    both = predictions[predictions["model"].isin([model, other])]
    draws, index = bootstrap_correlations(both, min_accessions, n_bootstrap, seed)
    ours, theirs = (index.index[index["model"] == name].to_numpy() for name in (model, other))
    difference = draws[:, ours] - draws[:, theirs]
    tail = (1 - level) / 2
    low, high = quantiles(difference[1:], (tail, 1 - tail))
    table = index.loc[ours, ["trait", "score"]].reset_index(drop=True)
    return table.assign(difference=difference[0], low=low, high=high)


def as_ranks(predictions: pd.DataFrame) -> pd.DataFrame:
    """Labels and predictions as their ranks in each fold, so that correlations in a fold are Spearman's.

    Ties get the mean of their ranks.
    """
    check_predictions(predictions, (*NEEDED, "fold"))
    ranked = predictions.groupby(["model", "trait", "repeat", "fold"])[["observed", "predicted"]].rank()
    return predictions.assign(observed=ranked["observed"], predicted=ranked["predicted"])


def within_folds(predictions: pd.DataFrame) -> pd.DataFrame:
    """Labels and predictions as deviations from their means over the accessions of one country in one fold.

    What a fold's model has in common for all accessions of a country, such as the level it predicts them at, then
    neither helps nor harms a correlation. The models of different folds differ in level, a country mean that leaves
    out the accessions to be predicted most of all.

    Parameters
    ----------
    predictions
        A predictions table (`gi_lib.validation.COLUMNS`).

    Returns
    -------
    pandas.DataFrame
        The table with ``observed`` and ``predicted`` replaced.

    Raises
    ------
    ValueError
        If the table is refused by `check_predictions`.
    """
    check_predictions(predictions, (*NEEDED, "fold"))
    unit = ["model", "trait", "split", "repeat", "fold", "country"]
    means = predictions.groupby(unit)[["observed", "predicted"]].transform("mean")
    return predictions.assign(
        observed=predictions["observed"] - means["observed"],
        predicted=predictions["predicted"] - means["predicted"],
    )


def quantiles(draws: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles of each column over the draws in which it is defined; NaN where it never is.

    Parameters
    ----------
    draws : shape (draw, column)
    levels
        Between 0 and 1.

    Returns
    -------
    numpy.ndarray
        Shape (level, column).
    """
    result = np.full((len(levels), draws.shape[1]), np.nan)
    defined = ~np.isnan(draws).all(axis=0) if len(draws) else np.zeros(draws.shape[1], bool)
    if defined.any():
        result[:, defined] = np.nanquantile(draws[:, defined], levels, axis=0)
    return result


def bootstrap_correlations(
    predictions: pd.DataFrame, min_accessions: int = 50, n_bootstrap: int = 500, seed: int = 1
) -> tuple[np.ndarray, pd.DataFrame]:
    """The draws behind `correlations`.

    Returns
    -------
    draws : shape (1 + n_bootstrap, row)
        The estimate first, then one value per resample.
    index : pandas.DataFrame
        One row per column of `draws`: ``model``, ``trait``, ``score``, ``countries``.
    """
    check_predictions(predictions)
    samples = predictions.drop_duplicates("sample").set_index("sample")["country"].sort_index()
    countries = {name: np.flatnonzero(samples == name) for name in sorted(samples.unique())}
    weights = resamples(list(countries.values()), len(samples), n_bootstrap, seed)

    traits = list(predictions["trait"].drop_duplicates())
    draws, index = [], []
    for model, of_model in predictions.groupby("model", sort=False):
        by_repeat = [
            _correlate(of_repeat, samples, countries, traits, weights, min_accessions)
            for _, of_repeat in of_model.groupby("repeat")
        ]
        pooled = np.mean([pooled for pooled, _, _ in by_repeat], axis=0)
        within = np.mean([within for _, within, _ in by_repeat], axis=0)
        n_countries = by_repeat[0][2]
        for score, values in ((POOLED, pooled), (WITHIN, within)):
            counted = n_countries if score == WITHIN else np.zeros(len(traits), int)
            draws += list(values.T)
            index += [(model, trait, score, n) for trait, n in zip(traits, counted, strict=True)]
            if len(traits) > 1:
                # A trait without a single large country has no score and does not enter the mean.
                scored = ~np.isnan(values[0])
                mean = np.nanmean(values[:, scored], axis=1) if scored.any() else np.full(len(values), np.nan)
                draws.append(mean)
                index.append((model, MEAN_OVER_TRAITS, score, int(counted.max())))
    return np.array(draws).T, pd.DataFrame(index, columns=["model", "trait", "score", "countries"])


def check_predictions(predictions: pd.DataFrame, needed: tuple[str, ...] = NEEDED) -> None:
    """Refuse a table that is empty, lacks a column, holds several splits, one prediction twice or what is no number.

    Raises
    ------
    ValueError
        With a sentence that says which.
    """
    if predictions.empty:
        raise ValueError("The predictions table is empty.")
    missing = [name for name in needed if name not in predictions]
    if missing:
        raise ValueError(
            f"The predictions table has no column {missing[0]!r}; needed are {', '.join(needed)}."
        )
    if predictions["split"].nunique() > 1:
        raise ValueError(
            f"The table holds several splits ({', '.join(predictions['split'].unique())}); give one."
        )
    for name in ("observed", "predicted"):
        values = predictions[name]
        if values.dtype.kind not in "iuf":
            raise ValueError(f"The column {name!r} is of type {values.dtype}; needed are numbers.")
        if np.isinf(values).any():
            row = predictions[np.isinf(values).to_numpy()].iloc[0]
            raise ValueError(
                f"The column {name!r} holds an infinite value, of {row['trait']} of accession {row['sample']}."
            )
    if predictions["country"].isna().any():
        row = predictions[predictions["country"].isna()].iloc[0]
        raise ValueError(
            f"The country of accession {row['sample']} is missing; write an empty text where it is unknown."
        )
    twice = predictions.duplicated(["sample", "trait", "model", "repeat"])
    if twice.any():
        sample, trait, model, repeat = predictions.loc[
            twice.to_numpy(), ["sample", "trait", "model", "repeat"]
        ].iloc[0]
        raise ValueError(
            f"Accession {sample} has more than one prediction of {trait} by {model} in repeat {repeat}; "
            "allowed is one."
        )


def check_bootstrap(n_bootstrap: int, level: float, least: int = 0) -> None:
    """Refuse a number of resamples or a coverage that is none.

    Raises
    ------
    ValueError
        With what is allowed.
    """
    if isinstance(n_bootstrap, bool) or not isinstance(n_bootstrap, Integral) or n_bootstrap < least:
        raise ValueError(f"n_bootstrap is {n_bootstrap!r}; allowed are whole numbers from {least}.")
    check_level(level)


def check_level(level: float) -> None:
    """Refuse a coverage that is none.

    Raises
    ------
    ValueError
        With what is allowed.
    """
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(f"level is {level!r}; allowed are values between 0 and 1.")


def check_models(predictions: pd.DataFrame, *names: str) -> None:
    """Refuse names that are not in the column ``model``.

    Raises
    ------
    ValueError
        With the allowed names.
    """
    known = list(predictions["model"].unique())
    for name in names:
        if name not in known:
            raise ValueError(f"There are no predictions of {name!r}; allowed are {', '.join(known)}.")


def resamples(groups: list[np.ndarray], n_samples: int, n_bootstrap: int, seed: int) -> np.ndarray:
    """How often each accession occurs in each resample, drawn with replacement within groups.

    Parameters
    ----------
    groups
        Indices of the accessions of each country; an accession in none of them counts once in every resample.
    n_samples, n_bootstrap, seed
        How many accessions and resamples, and what decides the draws.

    Returns
    -------
    numpy.ndarray
        Shape (1 + n_bootstrap, n_samples); the first row, all ones, is the data itself.
    """
    random = np.random.default_rng(seed)
    weights = np.ones((1 + n_bootstrap, n_samples), np.float64)
    for members in groups:
        weights[1:, members] = random.multinomial(
            len(members), np.full(len(members), 1 / len(members)), n_bootstrap
        )
    return weights


def _correlate(
    table: pd.DataFrame,
    samples: pd.Series,
    countries: dict[str, np.ndarray],
    traits: list[str],
    weights: np.ndarray,
    min_accessions: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pooled and within-country draws of one model and repeat, each (draw, trait), and the countries per trait."""
    observed, predicted = observed_and_predicted(table, samples.index, traits)
    pooled = weighted_pearson(observed, predicted, weights)
    total, counted = np.zeros_like(pooled), np.zeros(len(traits), int)
    for name, members in countries.items():
        enough = (~np.isnan(observed[members])).sum(axis=0) > min_accessions
        if name and enough.any():
            r = weighted_pearson(
                observed[members][:, enough], predicted[members][:, enough], weights[:, members]
            )
            total[:, enough] += r
            counted += enough
    with np.errstate(invalid="ignore"):
        return pooled, total / counted, counted


def observed_and_predicted(
    table: pd.DataFrame, samples: pd.Index, traits: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of one model and repeat, each (sample, trait) in the given order, NaN if absent."""
    wide = table.pivot(index="sample", columns="trait", values=["observed", "predicted"]).reindex(samples)
    return tuple(wide[name].reindex(columns=traits).to_numpy() for name in ("observed", "predicted"))


def weighted_pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson correlation of each column of x with that of y, under each row of weights.

    Parameters
    ----------
    x, y : shape (sample, trait)
        Pairs with a NaN are left out.
    weights : shape (draw, sample)

    Returns
    -------
    numpy.ndarray
        Shape (draw, trait). A constant column correlates with nothing: 0, the score of a model that cannot
        tell accessions apart.
    """
    both = ~np.isnan(x) & ~np.isnan(y)
    n, n_pairs = weights @ both, both.sum(axis=0).clip(min=1)
    # Centred first, so that the differences of large sums below keep their precision.
    x, y = (np.where(both, v - np.where(both, v, 0).sum(axis=0) / n_pairs, 0) for v in (x, y))
    # A resample may hold no pair at all: its correlation is NaN.
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = (weights @ x) / n, (weights @ y) / n
        covariance = (weights @ (x * y)) / n - mean_x * mean_y
        variances = [(weights @ v**2) / n - mean**2 for v, mean in ((x, mean_x), (y, mean_y))]
        r = covariance / np.sqrt(variances[0] * variances[1])
    tiny = [
        variance <= 1e-12 * np.square(v).max(initial=0) for variance, v in zip(variances, (x, y), strict=True)
    ]
    return np.where(tiny[0] | tiny[1], 0.0, r)


def country_correlations(predictions: pd.DataFrame, min_accessions: int = 50) -> pd.DataFrame:
    """Correlation in each country that has enough accessions.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``country``, ``n``, ``correlation``; repeats averaged.

    Raises
    ------
    ValueError
        If the table is refused by `check_predictions`.
    """
    check_predictions(predictions)
    table = grouped_pearson(predictions, ["model", "trait", "country", "repeat"])
    table = table[(table["n"] > min_accessions) & (table["country"] != "")]
    return table.groupby(["model", "trait", "country"], sort=False, as_index=False).agg(
        n=("n", "first"), correlation=("correlation", "mean")
    )


def grouped_pearson(predictions: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Pearson correlation of observed and predicted in every group of rows, all groups at once.

    Parameters
    ----------
    predictions
        With the columns ``observed``, ``predicted`` and those of `keys`. Pairs with a NaN are left out.
    keys
        Rows that agree in these columns form a group.

    Returns
    -------
    pandas.DataFrame
        The columns of `keys`, ``n``, the number of rows with a label, and ``correlation``, by the conventions
        of `weighted_pearson`. Groups are in the order of their first row.
    """
    group = predictions.groupby(keys, sort=False).ngroup().to_numpy()
    first = np.unique(group, return_index=True)[1]
    observed = predictions["observed"].to_numpy(float)
    both = ~np.isnan(observed) & ~np.isnan(predictions["predicted"].to_numpy(float))
    pairs = predictions.loc[both, ["observed", "predicted"]].to_numpy(float)
    of_pair = group[both]
    n_pairs = np.bincount(of_pair, minlength=len(first))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(of_pair, values, len(first)) / n_pairs.clip(min=1)

    # Centred first, so that the differences of large sums below keep their precision.
    x, y = (values - mean(values)[of_pair] for values in pairs.T)
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x**2) - mean_x**2, mean(y**2) - mean_y**2
    tiny = np.zeros(len(first), bool)
    for values, variance in ((x, variances[0]), (y, variances[1])):
        largest = np.zeros(len(first))
        np.maximum.at(largest, of_pair, values**2)
        tiny |= variance <= 1e-12 * largest
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (mean(x * y) - mean_x * mean_y) / np.sqrt(variances[0] * variances[1])
    return (
        predictions.iloc[first][keys]
        .reset_index(drop=True)
        .assign(
            n=np.bincount(group, ~np.isnan(observed), len(first)).astype(int),
            correlation=np.where(n_pairs == 0, np.nan, np.where(tiny, 0.0, r)),
        )
    )
