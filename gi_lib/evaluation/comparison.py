"""Is one model better than another, and than chance?

Three answers that differ in what they take for random. `correlation_differences` resamples accessions and holds the
trained models fixed. The *corrected resampled t-test* here takes the folds and repeats of cross-validation, each with
its own training, as the sample, and allows for training sets that overlap (Nadeau & Bengio 2003,
doi 10.1023/A:1024068626366). `element_test` counts traits and countries as if they were independent, as the paper on
the ionome seems to do. `against_null` compares with models trained on shuffled labels.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gi_lib.evaluation.correlation import (
    MEAN_OVER_TRAITS,
    NEEDED,
    POOLED,
    WITHIN,
    check_level,
    check_models,
    check_predictions,
    country_correlations,
    grouped_pearson,
    quantiles,
)

ALL_MODELS = "all together"
PAIRS = ("trait and country", "trait")


# ------------------------------------------------------------------------------------- folds and repeats


def fold_scores(predictions: pd.DataFrame, min_accessions: int = 50, min_in_fold: int = 5) -> pd.DataFrame:
    """Pooled and within-country correlation of every model and trait in every single fold.

    The mean over folds is not the correlation of all folds together: each fold has a model of its own, whose level and
    spread may differ, and a country has few accessions in one fold.

    Parameters
    ----------
    predictions
        A predictions table (`gi_lib.validation.COLUMNS`) of one split. A further column ``n_train`` says how many
        accessions a fold was learned from, where it was not all others; see `gi_lib.validation.training_sizes`.
    min_accessions
        A country counts if more than this many of its accessions have a label, over all folds,
    min_in_fold
        and at least this many of them are in the test part of the fold.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``score`` (pooled, within country), ``repeat``, ``fold``, ``estimate``,
        ``countries`` (how many entered; 0 for pooled), ``n_test`` and ``n_train``, accessions with a label in this
        fold and in the others of the repeat. If there are several traits, each fold has rows for
        `MEAN_OVER_TRAITS`: the mean of the traits that have a score in it.

    Raises
    ------
    ValueError
        If the table is empty, holds several splits or one prediction twice.
    """
    check_predictions(predictions, (*NEEDED, "fold"))
    table = _scores(predictions, ["repeat", "fold"], min_accessions, min_in_fold)
    if "n_train" in predictions:
        sizes = predictions.groupby(["repeat", "fold"])["n_train"].first()
        n_train = sizes.loc[pd.MultiIndex.from_frame(table[["repeat", "fold"]])].to_numpy()
    else:
        n_train = table.groupby(["model", "trait", "score", "repeat"])["n"].transform("sum") - table["n"]
    return table.assign(n_test=table["n"], n_train=n_train).drop(columns="n")


def by_repeat(predictions: pd.DataFrame, min_accessions: int = 50) -> pd.DataFrame:
    """The scores of `gi_lib.evaluation.correlations`, which averages repeats, for each repeat alone.

    Every repeat has other folds and other training seeds, so the spread over repeats shows what those two do to a
    score, with the accessions held fixed; the bootstrap shows the opposite.

    Parameters
    ----------
    predictions, min_accessions
        As for `fold_scores`.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``score``, ``repeat``, ``estimate``, ``countries``.

    Raises
    ------
    ValueError
        If the table is empty, holds several splits or one prediction twice.
    """
    check_predictions(predictions)
    return _scores(predictions, ["repeat"], min_accessions, 1).drop(columns="n")


def resampled_interval(scores: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Mean score over folds and repeats with the corrected interval of Nadeau & Bengio (2003).

    With J scores of variance s², the variance of their mean is taken as s² (1/J + n_test/n_train), because training
    sets overlap, and the interval as that of a t distribution with J - 1 degrees of freedom.

    Parameters
    ----------
    scores
        As `fold_scores` returns them.
    level
        Coverage of the interval.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``score``, ``estimate``, ``low``, ``high``, ``folds`` (J). The limits are NaN if
        fewer than two folds have a score.

    Raises
    ------
    ValueError
        If a repeat has fewer than two folds, or the level is not between 0 and 1.
    """
    table = _corrected(scores, ["model", "trait", "score"], level)
    return table.rename(columns={"mean": "estimate"})[
        ["model", "trait", "score", "estimate", "low", "high", "folds"]
    ]


def interval_over_repeats(
    table: pd.DataFrame, keys: list[str], value: str, level: float = 0.95, geometric: bool = False
) -> pd.DataFrame:
    """Mean over independent repeats, such as simulated worlds, with its interval from a t distribution.

    Parameters
    ----------
    table
        One row per repeat and combination of `keys`.
    value
        Column to average.
    geometric
        Geometric mean, by the logarithms: for ratios, and for positive numbers of which a few are far larger than all
        others.

    Returns
    -------
    pandas.DataFrame
        Columns `keys`, ``estimate``, ``low``, ``high``, ``repeats``. The limits are NaN with a single repeat.

    Raises
    ------
    ValueError
        If a geometric mean of numbers is asked for that are not all positive, or the level is not between 0 and 1.
    """
    check_level(level)
    if geometric:
        if not (table[value] > 0).all():
            raise ValueError(f"Some numbers of {value!r} are not positive; they have no geometric mean.")
        logs = table.assign(**{value: np.log(table[value])})
        found = interval_over_repeats(logs, keys, value, level)
        limits = ["estimate", "low", "high"]
        return found.assign(**{name: np.exp(found[name]) for name in limits})
    found = table.groupby(keys, sort=False)[value].agg(["mean", "std", "count"]).reset_index()
    reach = (
        stats.t.ppf((1 + level) / 2, (found["count"] - 1).clip(lower=1))
        * found["std"]
        / np.sqrt(found["count"])
    )
    return found.assign(
        estimate=found["mean"], low=found["mean"] - reach, high=found["mean"] + reach, repeats=found["count"]
    )[[*keys, "estimate", "low", "high", "repeats"]]


def resampled_test(
    predictions: pd.DataFrame,
    model: str,
    other: str,
    min_accessions: int = 50,
    min_in_fold: int = 5,
    level: float = 0.95,
) -> pd.DataFrame:
    """Corrected resampled t-test of one model against another (Nadeau & Bengio 2003; Bouckaert & Frank 2004).

    Both models were tested on the same folds, so their differences are paired: t = d̄ / √(s² (1/J + n_test/n_train))
    with J - 1 degrees of freedom, J the number of folds times repeats.

    Parameters
    ----------
    predictions, min_accessions, min_in_fold
        As for `fold_scores`.
    model, other
        Names in the column ``model``.
    level
        Coverage of the interval.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``other``, ``trait``, ``score``, ``difference``, ``low``, ``high``, ``t``, ``p`` (two-sided),
        ``folds`` (J). NaN if fewer than two folds have both scores.

    Raises
    ------
    ValueError
        If there is no such model, or a repeat has fewer than two folds.
    """
    check_predictions(predictions, (*NEEDED, "fold"))
    check_models(predictions, model, other)
    both = predictions[predictions["model"].isin([model, other])]
    return _paired(fold_scores(both, min_accessions, min_in_fold), model, other, level)


def compare_all(
    predictions: pd.DataFrame,
    reference: str,
    min_accessions: int = 50,
    min_in_fold: int = 5,
    level: float = 0.95,
) -> pd.DataFrame:
    """Corrected resampled t-test of every model against one, with Holm's correction for their number.

    Parameters
    ----------
    predictions, min_accessions, min_in_fold, level
        As for `resampled_test`.
    reference
        Name in the column ``model``.

    Returns
    -------
    pandas.DataFrame
        As `resampled_test`, differences being model less reference, and ``p_holm``. The families are, for each
        score: the mean over traits of all models; and all models times all traits.

    Raises
    ------
    ValueError
        If there is no such model, it is the only one, or a repeat has fewer than two folds.
    """
    check_predictions(predictions, (*NEEDED, "fold"))
    check_models(predictions, reference)
    models = [name for name in predictions["model"].unique() if name != reference]
    if not models:
        raise ValueError(
            f"There are predictions of {reference!r} only, so there is nothing to compare it with."
        )
    scores = fold_scores(predictions, min_accessions, min_in_fold)
    table = pd.concat([_paired(scores, name, reference, level) for name in models], ignore_index=True)
    family = [table["score"], table["trait"] == MEAN_OVER_TRAITS]
    return table.assign(p_holm=table.groupby(family)["p"].transform(_holm))


def _holm(p: pd.Series) -> pd.Series:
    known = p.notna().to_numpy()
    corrected = np.full(len(p), np.nan)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return pd.Series(corrected, p.index)


def _paired(scores: pd.DataFrame, model: str, other: str, level: float) -> pd.DataFrame:
    """Test of the differences between two models' scores, fold by fold."""
    keys = ["trait", "score", "repeat", "fold"]
    ours, theirs = (scores[scores["model"] == name] for name in (model, other))
    both = ours.merge(theirs[[*keys, "estimate"]], on=keys, suffixes=("", "_other"))
    both["estimate"] -= both["estimate_other"]
    table = _corrected(both, ["trait", "score"], level)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = table["mean"] / table["scale"]
    # Two models that never differ are no evidence of anything.
    t = t.where((table["mean"] != 0) | (table["scale"] != 0), 0.0)
    p = 2 * stats.t.sf(t.abs(), (table["folds"] - 1).clip(lower=1))
    table = table.rename(columns={"mean": "difference"}).assign(model=model, other=other, t=t, p=p)
    return table[["model", "other", "trait", "score", "difference", "low", "high", "t", "p", "folds"]]


def _corrected(scores: pd.DataFrame, keys: list[str], level: float) -> pd.DataFrame:
    """Mean over folds, the scale of its t distribution, and the interval."""
    check_level(level)
    if scores.groupby("repeat")["fold"].nunique().min() < 2:
        raise ValueError("A repeat has a single fold; the corrected variance needs at least two in each.")
    # A fold without a score counts neither as a fold nor by its size.
    scored = scores["estimate"].notna()
    sizes = {name: scores[name].where(scored) for name in ("n_test", "n_train")}
    table = (
        scores.assign(**sizes)
        .groupby(keys, sort=False, as_index=False)
        .agg(
            mean=("estimate", "mean"),
            variance=("estimate", "var"),
            folds=("estimate", "count"),
            n_test=("n_test", "sum"),
            n_train=("n_train", "sum"),
        )
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(table["variance"] * (1 / table["folds"] + table["n_test"] / table["n_train"]))
    reach = stats.t.ppf((1 + level) / 2, (table["folds"] - 1).clip(lower=1)) * scale
    return table.assign(scale=scale, low=table["mean"] - reach, high=table["mean"] + reach)


def _scores(
    predictions: pd.DataFrame, unit: list[str], min_accessions: int, min_in_unit: int
) -> pd.DataFrame:
    """Both scores of every model and trait in every unit (repeat, or repeat and fold)."""
    keys = ["model", "trait", *unit]
    pooled = grouped_pearson(predictions, keys)
    cells = grouped_pearson(predictions, [*keys, "country"])
    in_repeat = cells.groupby(["model", "trait", "repeat", "country"])["n"].transform("sum")
    large = (in_repeat > min_accessions) & (cells["n"] >= min_in_unit) & (cells["country"] != "")
    cells = cells[large]
    within = (
        cells.assign(undefined=cells["correlation"].isna())
        .groupby(keys, sort=False)
        .agg(correlation=("correlation", "mean"), countries=("n", "size"), undefined=("undefined", "any"))
    )
    # A country whose correlation is not defined makes the mean undefined, it is not left out.
    within["correlation"] = within["correlation"].mask(within.pop("undefined"))
    within = pooled.drop(columns="correlation").merge(within, how="left", left_on=keys, right_index=True)
    within["countries"] = within["countries"].fillna(0).astype(int)
    table = pd.concat([pooled.assign(score=POOLED, countries=0), within.assign(score=WITHIN)])
    table = table.rename(columns={"correlation": "estimate"})
    traits = list(predictions["trait"].drop_duplicates())
    if len(traits) > 1:
        means = table.groupby(["model", "score", *unit], sort=False, as_index=False).agg(
            estimate=("estimate", "mean"), countries=("countries", "max"), n=("n", "mean")
        )
        table = pd.concat([table, means.assign(trait=MEAN_OVER_TRAITS)])
    order = {
        "model": list(predictions["model"].drop_duplicates()),
        "score": [POOLED, WITHIN],
        "trait": [*traits, MEAN_OVER_TRAITS],
    }
    ranks = {name: pd.Index(values).get_indexer(table[name]) for name, values in order.items()}
    rank = np.lexsort([*(table[name] for name in reversed(unit)), *(ranks[name] for name in reversed(order))])
    names = ["model", "trait", "score", *unit, "estimate", "countries", "n"]
    return table.iloc[rank][names].reset_index(drop=True)


# ------------------------------------------------------------------------------- elements and countries


def element_test(
    predictions: pd.DataFrame,
    models: str | Sequence[str],
    other: str,
    min_accessions: int = 50,
    pairs: str = "trait and country",
) -> pd.DataFrame:
    """Wilcoxon's signed-rank test over traits and countries, the kind of test behind the paper's p of 1.6e-21.

    The paper states p = 1.6e-21 (seed) and 5.2e-17 (leaf) for "the genetic models" against its model of geography,
    within countries, but not the test. Eighteen elements alone cannot give such a p: even if all differences have one
    sign, this test needs 121 pairs for 1.6e-21 (18 pairs give 8e-6 at best). So many there are if elements are
    counted once for each country (18 × 7 = 126) or once for each genetic model (again 18 × 7).

    Those pairs are not independent, so the p is too small: correlations of different elements in one country come
    from the same accessions and from traits that correlate, all of them from predictions of the same few trainings,
    and different models are scored on the same labels. The p tells of these accessions and trainings; for new ones
    see `correlation_differences` and `resampled_test`.

    Parameters
    ----------
    predictions
        A predictions table (`gi_lib.validation.COLUMNS`) of one split. Repeats are averaged.
    models
        One or several names in the column ``model``.
    other
        The model that they are compared with.
    min_accessions
        A country counts if more than this many of its accessions have a label.
    pairs
        What is paired: the correlation of each ``trait and country``, or of each ``trait``, averaged over countries.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``other``, ``pairs`` (how many), ``median_difference``, ``share_ahead`` (of the pairs in
        which the model is better), ``statistic``, ``p`` (two-sided; equal pairs are left out, 1 if all are).
        With several models, the last row, `ALL_MODELS`, takes all their pairs together.

    Raises
    ------
    ValueError
        If there is no such model, or no country is large enough.
    """
    check_predictions(predictions)
    models = [models] if isinstance(models, str) else list(models)
    if pairs not in PAIRS:
        raise ValueError(f"pairs is {pairs!r}; allowed are {', '.join(PAIRS)}.")
    if not models or other in models:
        raise ValueError(f"The models are {models}; allowed are one or several, none of them {other!r}.")
    check_models(predictions, *models, other)
    cells = country_correlations(predictions[predictions["model"].isin([*models, other])], min_accessions)
    if cells.empty:
        raise ValueError(f"No country has more than {min_accessions} accessions with a label.")
    keys = ["trait", "country"] if pairs == "trait and country" else ["trait"]
    wide = cells.groupby([*keys, "model"])["correlation"].mean().unstack()
    differences = {name: (wide[name] - wide[other]).dropna().to_numpy() for name in models}
    if len(models) > 1:
        differences[ALL_MODELS] = np.concatenate([differences[name] for name in models])
    rows = [
        (name, other, len(d), np.median(d), (d > 0).mean(), *_signed_rank(d))
        for name, d in differences.items()
    ]
    names = ["model", "other", "pairs", "median_difference", "share_ahead", "statistic", "p"]
    return pd.DataFrame(rows, columns=names)


def _signed_rank(differences: np.ndarray) -> tuple[float, float]:
    differences = differences[differences != 0]
    if not len(differences):
        return 0.0, 1.0
    found = stats.wilcoxon(differences)
    return float(found.statistic), float(found.pvalue)


# ----------------------------------------------------------------------------------------------- chance


def permutation_p(observed: float, null: Sequence[float]) -> float:
    """Share of the null scores that reach the observed one, itself counted among them: (1 + #≥)/(1 + n).

    Parameters
    ----------
    observed
        A score; large is good.
    null
        Scores of as many runs on shuffled labels; NaN are left out.

    Raises
    ------
    ValueError
        If there is no null score.

    Examples
    --------
    >>> permutation_p(0.3, [0.1, -0.1, 0.0, 0.05])
    0.2
    """
    null = np.asarray(null, float)
    null = null[~np.isnan(null)]
    if not len(null):
        raise ValueError("There is no score on shuffled labels to compare with.")
    if np.isnan(observed):
        return np.nan
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


def against_null(
    scores: pd.DataFrame, null_scores: pd.DataFrame, levels: Sequence[float] = (0.05, 0.5, 0.95)
) -> pd.DataFrame:
    """Where scores stand among those of models trained on shuffled labels.

    Parameters
    ----------
    scores
        Columns ``model``, ``trait``, ``score``, ``estimate``, one row each, as `correlations` returns them.
    null_scores
        The same columns, as many rows for each as there were runs on shuffled labels.
    levels
        Of the quantiles of the null scores to show.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``trait``, ``score``, ``estimate``, ``runs``, ``null_mean``, a column like ``null_0.95`` for
        each level, and ``p`` as `permutation_p` defines it.

    Raises
    ------
    ValueError
        If a score has no null scores, or a level is not between 0 and 1.
    """
    wrong = [level for level in levels if not 0 <= level <= 1]
    if wrong:
        raise ValueError(f"A level is {wrong[0]}; allowed are values from 0 to 1.")
    keys = ["model", "trait", "score"]
    null = {key: part.dropna().to_numpy(float) for key, part in null_scores.groupby(keys)["estimate"]}
    rows = []
    for *key, estimate in scores[[*keys, "estimate"]].itertuples(index=False):
        of_null = null.get(tuple(key), np.zeros(0))
        if np.isnan(estimate) or not len(of_null):
            if not np.isnan(estimate):
                model, trait, score = key
                raise ValueError(f"The {score} score of {trait} by {model} has no score on shuffled labels.")
            rows.append((*key, estimate, len(of_null), np.nan, *np.full(len(levels), np.nan), np.nan))
            continue
        found = quantiles(of_null[:, None], tuple(levels))[:, 0]
        rows.append((*key, estimate, len(of_null), of_null.mean(), *found, permutation_p(estimate, of_null)))
    names = [*keys, "estimate", "runs", "null_mean", *(f"null_{level:g}" for level in levels), "p"]
    return pd.DataFrame(rows, columns=names)


# --------------------------------------------------------------------------- what makes a trait predictable


def trait_similarity(cohort: xr.Dataset) -> pd.Series:
    """Mean absolute correlation of each trait with the others, over the accessions that have both labels.

    Parameters
    ----------
    cohort
        With ``trait_value (sample, trait)``; select one organ's traits first to compare within it.

    Returns
    -------
    pandas.Series
        ``similarity`` by trait.

    Raises
    ------
    ValueError
        If there are fewer than two traits.
    """
    if cohort.sizes["trait"] < 2:
        raise ValueError(f"The cohort has {cohort.sizes['trait']} trait; similarity needs at least two.")
    values = pd.DataFrame(cohort["trait_value"].values, columns=cohort["trait"].values)
    correlation = values.corr(min_periods=3).abs().to_numpy(copy=True)
    np.fill_diagonal(correlation, np.nan)
    table = pd.DataFrame(correlation, columns=values.columns)
    return table.mean().rename("similarity").rename_axis("trait")


def property_and_performance(values: pd.Series, scores: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Correlation over traits between a property of a trait and how well it is predicted.

    The paper correlates scores with the similarity of traits (`trait_similarity`; r from 0.38 to 0.54) and with their
    heritability. The interval takes traits as independent, which elements of one plant are not.

    Parameters
    ----------
    values
        The property, by trait.
    scores
        As `correlations` returns them; the mean over traits is left out.
    level
        Coverage of the interval (Fisher's z).

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``score``, ``r``, ``low``, ``high``, ``p``, ``spearman``, ``traits`` (how many). NaN for a
        model with fewer than four scored traits, or whose scores are all equal.

    Raises
    ------
    ValueError
        If a scored trait has no value, or the values are all equal.
    """
    check_level(level)
    scores = scores[scores["trait"] != MEAN_OVER_TRAITS].dropna(subset="estimate")
    lacking = sorted(set(scores["trait"]) - set(values.dropna().index))
    if lacking:
        raise ValueError(f"There is no value of trait {lacking[0]}.")
    matched = scores.assign(value=scores["trait"].map(values))
    if matched["value"].nunique() < 2:
        raise ValueError("The property is the same for all scored traits; nothing can correlate with it.")
    rows = []
    for (model, score), part in matched.groupby(["model", "score"], sort=False):
        if len(part) < 4 or part["value"].nunique() < 2 or part["estimate"].nunique() < 2:
            rows.append((model, score, *np.full(5, np.nan), len(part)))
            continue
        found = stats.pearsonr(part["value"], part["estimate"])
        ranks = stats.spearmanr(part["value"], part["estimate"]).statistic
        limits = found.confidence_interval(level)
        rows.append((model, score, found.statistic, *limits, found.pvalue, ranks, len(part)))
    return pd.DataFrame(rows, columns=["model", "score", "r", "low", "high", "p", "spearman", "traits"])
