"""Comparisons against plain loops, scipy, and baycomp, and their p values under no difference."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from gi_lib.evaluation import (
    MEAN_OVER_TRAITS,
    against_null,
    by_repeat,
    compare_all,
    correlations,
    country_correlations,
    element_test,
    fold_scores,
    interval_over_repeats,
    permutation_p,
    property_and_performance,
    resampled_interval,
    resampled_test,
    trait_similarity,
)
from gi_lib.evaluation.comparison import ALL_MODELS
from gi_lib.evaluation.correlation import POOLED, WITHIN

SIZES = {"SWE": 80, "ESP": 60, "UK": 51, "RUS": 50, "": 60}
COUNTRY = np.repeat(list(SIZES), list(SIZES.values()))
SKILL = {"good": 0.8, "fair": 0.5, "poor": 0.0}


def example(models=SKILL, n_traits=3, n_folds=5, n_repeats=2, seed=0, missing=0.1) -> pd.DataFrame:
    """Models of different skill on the same random folds; labels partly missing."""
    random = np.random.default_rng(seed)
    n = len(COUNTRY)
    observed = random.normal(size=(n, n_traits)) + np.unique(COUNTRY, return_inverse=True)[1][:, None]
    observed[random.random(observed.shape) < missing] = np.nan
    tables = []
    for repeat in range(n_repeats):
        fold = random.permutation(n) % n_folds
        for model, skill in models.items():
            predicted = skill * np.nan_to_num(observed) + random.normal(size=observed.shape)
            tables.append(
                pd.DataFrame(
                    {
                        "sample": np.repeat([f"s{i:03d}" for i in range(n)], n_traits),
                        "trait": np.tile([f"t{i}" for i in range(n_traits)], n),
                        "model": model,
                        "split": "random",
                        "fold": np.repeat(fold, n_traits),
                        "repeat": repeat,
                        "seed": 1,
                        "observed": observed.ravel(),
                        "predicted": predicted.ravel(),
                        "country": np.repeat(COUNTRY, n_traits),
                    }
                )
            )
    table = pd.concat(tables, ignore_index=True)
    return table[table["observed"].notna()]


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return example()


@pytest.fixture(scope="module")
def scores(predictions) -> pd.DataFrame:
    return fold_scores(predictions)


def without_most_of_t2(predictions) -> pd.DataFrame:
    """A table in which no country is large enough for the last trait."""
    return predictions[(predictions["trait"] != "t2") | (predictions["sample"] < "s040")]


def pearson(part) -> float:
    return stats.pearsonr(part["observed"], part["predicted"]).statistic


def plain_within(of_trait, part, min_accessions=50, min_here=5) -> tuple[float, int]:
    """Mean over the countries that are large in `of_trait` of the correlation in `part`."""
    found = [
        pearson(part[part["country"] == name])
        for name, size in of_trait["country"].value_counts().items()
        if name and size > min_accessions and (part["country"] == name).sum() >= min_here
    ]
    return (np.mean(found) if found else np.nan), len(found)


# -------------------------------------------------------------------------------------- folds and repeats


def test_fold_scores_equal_plain_loops(predictions):
    scores = fold_scores(predictions, min_in_fold=8)
    keys = ["model", "trait", "score", "repeat", "fold"]
    found = scores.set_index(keys)
    assert not found.index.duplicated().any()
    assert len(scores) == 3 * (3 + 1) * 2 * 2 * 5
    for (model, trait, repeat), of_trait in predictions.groupby(["model", "trait", "repeat"]):
        for fold, part in of_trait.groupby("fold"):
            pooled = found.loc[(model, trait, POOLED, repeat, fold)]
            assert pooled["estimate"] == pytest.approx(pearson(part), rel=1e-9)
            assert pooled["countries"] == 0
            within = found.loc[(model, trait, WITHIN, repeat, fold)]
            expected, n_countries = plain_within(of_trait, part, min_here=8)
            assert within["estimate"] == pytest.approx(expected, rel=1e-9)
            assert within["countries"] == n_countries
            for row in (pooled, within):
                assert (row["n_test"], row["n_train"]) == (len(part), len(of_trait) - len(part))
    assert scores["countries"].max() >= 2


def test_the_mean_over_traits_of_a_fold_is_over_those_with_a_score(predictions):
    rare = without_most_of_t2(predictions)
    scores = fold_scores(rare)
    for keys, part in scores.groupby(["model", "score", "repeat", "fold"]):
        mean = part[part["trait"] == MEAN_OVER_TRAITS]["estimate"].item()
        each = part[part["trait"] != MEAN_OVER_TRAITS]["estimate"]
        assert mean == pytest.approx(np.nanmean(each), rel=1e-12), keys
    within = scores[(scores["score"] == WITHIN) & (scores["trait"] == "t2")]
    assert within["estimate"].isna().all()
    assert (within["countries"] == 0).all()
    assert MEAN_OVER_TRAITS not in set(fold_scores(example(n_traits=1))["trait"])


@pytest.mark.parametrize(("least", "counts"), [(10, True), (11, False)])
def test_a_country_counts_in_a_fold_with_at_least_the_minimum_there(least, counts):
    table = example({"m": 0.5}, 1, missing=0)
    table = table[table["country"] == "ESP"]
    order = np.argsort(np.argsort(table["sample"].to_numpy(), kind="stable"), kind="stable")
    table = table.assign(fold=order // 2 % 6)  # 60 accessions, ten in each of six folds, in both repeats
    scores = fold_scores(table, min_in_fold=least)
    within = scores[scores["score"] == WITHIN]
    assert within["estimate"].notna().all() == counts
    assert within["countries"].eq(counts).all()


def test_by_repeat_gives_what_the_scores_average(predictions):
    each = by_repeat(predictions)
    assert list(each.columns) == ["model", "trait", "score", "repeat", "estimate", "countries"]
    mean = each.groupby(["model", "trait", "score"]).agg(
        estimate=("estimate", "mean"), countries=("countries", "first")
    )
    scores = correlations(predictions, n_bootstrap=0).set_index(["model", "trait", "score"])
    np.testing.assert_allclose(mean["estimate"], scores["estimate"].reindex(mean.index), rtol=1e-9)
    assert mean["countries"].equals(scores["countries"].reindex(mean.index))
    assert each.groupby(["model", "trait", "score"])["estimate"].nunique().eq(2).all()
    # Rows come in the order of `correlations`.
    first = each[each["repeat"] == 0]
    assert list(zip(first["model"], first["trait"], first["score"], strict=True)) == list(scores.index)


def test_constant_predictions_score_zero_and_missing_ones_nothing():
    table = example({"m": 0.5}, 2)
    constant = fold_scores(table.assign(predicted=0.1))
    assert (constant["estimate"] == 0).all()
    none = by_repeat(table.assign(predicted=np.nan))
    assert none["estimate"].isna().all()
    holes = table.copy()
    holes.loc[holes.index[::3], "predicted"] = np.nan
    scores = by_repeat(holes).set_index(["trait", "score", "repeat"])["estimate"]
    part = holes[(holes["trait"] == "t0") & (holes["repeat"] == 1)]
    assert scores["t0", POOLED, 1] == pytest.approx(pearson(part.dropna()), rel=1e-9)
    assert scores["t0", WITHIN, 1] == pytest.approx(
        plain_within(part, part.dropna(), min_here=1)[0], rel=1e-9
    )


def test_a_large_country_without_any_prediction_leaves_the_score_undefined_as_in_correlations():
    table = example({"m": 0.5}, 2, missing=0)
    table.loc[(table["country"] == "ESP") & (table["trait"] == "t0"), "predicted"] = np.nan
    ours = (
        by_repeat(table).groupby(["trait", "score"])["estimate"].agg(lambda values: values.mean(skipna=False))
    )
    theirs = correlations(table, n_bootstrap=0).set_index(["trait", "score"])["estimate"]
    assert np.isnan(ours["t0", WITHIN])
    assert np.isfinite(ours["t1", WITHIN])
    np.testing.assert_allclose(ours, theirs.reindex(ours.index), rtol=1e-9)


def test_folds_by_country_leave_folds_without_a_large_country_out():
    table = example({"a": 0.5, "b": 0.4}, 1, n_repeats=1, missing=0)
    table = table.assign(fold=pd.factorize(table["country"])[0], split="by country")
    scores = fold_scores(table)
    within = scores[(scores["score"] == WITHIN) & (scores["model"] == "a")].set_index("fold")["estimate"]
    assert within.notna().tolist() == [True, True, True, False, False]
    test = resampled_test(table, "a", "b").set_index("score")
    assert test.loc[WITHIN, "folds"] == 3
    assert test.loc[POOLED, "folds"] == 5
    difference = [
        pearson(table[(table["country"] == name) & (table["model"] == "a")])
        - pearson(table[(table["country"] == name) & (table["model"] == "b")])
        for name in ("SWE", "ESP", "UK")
    ]
    sizes = np.array([80, 60, 51])
    scale = np.sqrt(np.var(difference, ddof=1) * (1 / 3 + sizes.sum() / (len(COUNTRY) - sizes).sum()))
    assert test.loc[WITHIN, "t"] == pytest.approx(np.mean(difference) / scale, rel=1e-9)


# ------------------------------------------------------------------------------- corrected resampled test


def plain_test(ours, theirs, ratio, level=0.95):
    """Nadeau & Bengio's formula, number by number."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    j = len(differences)
    mean = sum(differences) / j
    variance = sum((d - mean) ** 2 for d in differences) / (j - 1)
    scale = (variance * (1 / j + ratio)) ** 0.5
    reach = stats.t(j - 1).ppf((1 + level) / 2) * scale
    return mean, mean - reach, mean + reach, mean / scale, 2 * stats.t(j - 1).sf(abs(mean / scale))


def by_fold(scores, model, trait, score):
    chosen = scores[(scores["model"] == model) & (scores["trait"] == trait) & (scores["score"] == score)]
    return chosen.sort_values(["repeat", "fold"])["estimate"].to_numpy()


def test_the_corrected_test_equals_the_plain_formula(predictions, scores):
    test = resampled_test(predictions, "good", "fair", level=0.9).set_index(["trait", "score"])
    assert len(test) == 2 * 4
    for (trait, score), row in test.iterrows():
        ours, theirs = (by_fold(scores, name, trait, score) for name in ("good", "fair"))
        # All labelled accessions are tested once per repeat, so test to training is 1 to 4 over all folds.
        expected = plain_test(ours, theirs, 1 / 4, 0.9)
        np.testing.assert_allclose(
            row[["difference", "low", "high", "t", "p"]].astype(float), expected, rtol=1e-8
        )
        assert row["folds"] == 10


def test_the_corrected_test_agrees_with_baycomp(predictions, scores):
    """Its posterior of the difference is the t distribution whose tail is half our p (Corani & Benavoli 2015)."""
    import baycomp

    test = resampled_test(predictions, "good", "fair").set_index(["trait", "score"])
    for (trait, score), row in test.iterrows():
        ours, theirs = (by_fold(scores, name, trait, score) for name in ("good", "fair"))
        posterior = baycomp.CorrelatedTTest(theirs, ours, runs=2)
        assert row["difference"] == pytest.approx(posterior.mean, rel=1e-9)
        assert (row["high"] - row["low"]) / 2 == pytest.approx(
            stats.t.ppf(0.975, posterior.df) * np.sqrt(posterior.var), rel=1e-9
        )
        # baycomp takes 1 - cdf, good to about 1e-16.
        assert row["p"] / 2 == pytest.approx(
            min(baycomp.two_on_single(theirs, ours, runs=2)), rel=1e-6, abs=1e-14
        )


def test_the_interval_of_one_model_is_the_test_against_zero(scores):
    table = resampled_interval(scores, level=0.9).set_index(["model", "trait", "score"])
    for (model, trait, score), row in table.iterrows():
        values = by_fold(scores, model, trait, score)
        expected = plain_test(values, np.zeros(10), 1 / 4, 0.9)[:3]
        np.testing.assert_allclose(row[["estimate", "low", "high"]].astype(float), expected, rtol=1e-8)
        assert row["folds"] == 10


def test_the_corrected_interval_is_wider_than_the_naive_one(scores):
    values = by_fold(scores, "good", "t0", POOLED)
    row = resampled_interval(scores).query("model == 'good' and trait == 't0' and score == 'pooled'")
    naive = stats.t.ppf(0.975, 9) * values.std(ddof=1) / np.sqrt(10)
    assert (row["high"] - row["low"]).item() / 2 == pytest.approx(naive * np.sqrt(1 + 10 / 4), rel=1e-9)


def test_swapping_the_models_turns_the_sign(predictions):
    one, other = resampled_test(predictions, "good", "poor"), resampled_test(predictions, "poor", "good")
    for name, turned in (("difference", "difference"), ("low", "high"), ("t", "t")):
        np.testing.assert_allclose(one[name], -other[turned], rtol=1e-12)
    np.testing.assert_allclose(one["p"], other["p"], rtol=1e-12)


def test_models_that_never_differ_are_no_evidence():
    table = example({"m": 0.5}, 2)
    test = resampled_test(pd.concat([table, table.assign(model="copy")]), "m", "copy")
    assert (test["difference"] == 0).all()
    assert (test["t"] == 0).all()
    assert (test["p"] == 1).all()


def test_between_equal_models_the_test_rarely_finds_a_difference():
    """Predictions that do not depend on training at all: the correction errs on the safe side."""
    table = example({"a": 0.3, "b": 0.3}, n_traits=150, n_repeats=1, missing=0)
    test = resampled_test(table, "a", "b")
    test = test[test["trait"] != MEAN_OVER_TRAITS]
    assert (test["p"] < 0.05).mean() < 0.05
    assert (test["p"] < 0.5).mean() > 0.15


def test_holms_correction_equals_the_step_down_by_hand(predictions):
    table = compare_all(predictions, "poor")
    assert list(table["model"].unique()) == ["good", "fair"]
    assert set(table["other"]) == {"poor"}
    for score in (POOLED, WITHIN):
        for mean in (True, False):
            family = table[(table["score"] == score) & ((table["trait"] == MEAN_OVER_TRAITS) == mean)]
            assert len(family) == (2 if mean else 6)
            running, expected = 0.0, {}
            for i, (row, p) in enumerate(family["p"].sort_values().items()):
                running = max(running, (len(family) - i) * p)
                expected[row] = min(1.0, running)
            np.testing.assert_allclose(family["p_holm"], [expected[row] for row in family.index], rtol=1e-12)
    single = resampled_test(predictions, "fair", "poor")
    ours = table[table["model"] == "fair"].drop(columns="p_holm").reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, single)


def test_holm_leaves_undefined_tests_out():
    table = compare_all(without_most_of_t2(example()), "poor")
    within = table[table["score"] == WITHIN]
    assert 0 < within["p"].isna().sum() < len(within)
    assert within["p_holm"].isna().equals(within["p"].isna())


def test_bad_input_of_the_tests_over_folds_is_refused(predictions):
    with pytest.raises(ValueError, match="The predictions table is empty"):
        fold_scores(predictions.head(0))
    with pytest.raises(ValueError, match="The predictions table has no column 'fold'"):
        fold_scores(predictions.drop(columns="fold"))
    with pytest.raises(ValueError, match="holds several splits"):
        by_repeat(pd.concat([predictions, predictions.assign(split="by country")]))
    with pytest.raises(ValueError, match="has more than one prediction of t0 by good in repeat 0"):
        by_repeat(pd.concat([predictions, predictions[predictions["trait"] == "t0"].head(1)]))
    with pytest.raises(ValueError, match="no predictions of 'best'; allowed are good, fair, poor"):
        resampled_test(predictions, "good", "best")
    with pytest.raises(ValueError, match="no predictions of 'best'; allowed are good, fair, poor"):
        compare_all(predictions, "best")
    with pytest.raises(ValueError, match="predictions of 'good' only"):
        compare_all(predictions[predictions["model"] == "good"], "good")
    with pytest.raises(ValueError, match="A repeat has a single fold"):
        resampled_test(predictions[predictions["fold"] == 0], "good", "fair")
    with pytest.raises(ValueError, match="level is 95; allowed are values between 0 and 1"):
        resampled_interval(fold_scores(predictions), level=95)


# ----------------------------------------------------------------------------------- elements and countries


@pytest.mark.parametrize("pairs", ["trait and country", "trait"])
def test_the_signed_rank_test_equals_scipy_on_paired_cells(predictions, pairs):
    table = element_test(predictions, ["good", "fair"], "poor", pairs=pairs).set_index("model")
    cells = country_correlations(predictions).set_index(["model", "trait", "country"])["correlation"]
    together = []
    for name in ("good", "fair"):
        ours, theirs = cells[name], cells["poor"]
        if pairs == "trait":
            ours, theirs = (values.groupby("trait").mean() for values in (ours, theirs))
        difference = (ours - theirs.reindex(ours.index)).to_numpy()
        together.append(difference)
        expected = stats.wilcoxon(difference)
        row = table.loc[name]
        assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)
        assert row["statistic"] == expected.statistic
        assert row["median_difference"] == pytest.approx(np.median(difference))
        assert row["share_ahead"] == np.mean(difference > 0)
        assert row["pairs"] == len(difference)
    assert table.loc[ALL_MODELS, "pairs"] == sum(map(len, together))
    assert table.loc[ALL_MODELS, "p"] == pytest.approx(
        stats.wilcoxon(np.concatenate(together)).pvalue, rel=1e-9
    )
    assert list(element_test(predictions, "good", "poor")["model"]) == ["good"]


def test_models_that_are_equal_in_every_cell_have_a_p_of_one():
    table = example({"m": 0.5}, 2)
    row = element_test(pd.concat([table, table.assign(model="copy")]), "m", "copy").iloc[0]
    assert (row["p"], row["median_difference"], row["share_ahead"]) == (1, 0, 0)


def test_the_papers_p_needs_as_many_pairs_as_the_docstring_says():
    def smallest(n):
        return stats.wilcoxon(np.arange(1.0, n + 1)).pvalue

    assert smallest(18) == pytest.approx(8e-6, rel=0.05)
    assert smallest(120) > 1.6e-21 > smallest(121)


def test_the_p_over_cells_is_too_small_if_traits_copy_each_other():
    """Twelve copies of one trait with a little noise: p falls though there is no more to know."""
    table = example({"a": 0.3, "b": 0.2}, n_traits=1, n_repeats=1, missing=0, seed=3)
    copies = pd.concat([table.assign(trait=f"t{i}") for i in range(12)])
    one, many = (element_test(part, "a", "b")["p"].item() for part in (table, copies))
    assert many < one / 100 or one == many == 1


def test_bad_input_of_the_test_over_elements_is_refused(predictions):
    with pytest.raises(ValueError, match="no predictions of 'best'"):
        element_test(predictions, "best", "poor")
    with pytest.raises(
        ValueError, match=r"The models are \['good', 'poor'\]; allowed are .* none of them 'poor'"
    ):
        element_test(predictions, ["good", "poor"], "poor")
    with pytest.raises(ValueError, match="pairs is 'country'; allowed are trait and country, trait"):
        element_test(predictions, "good", "poor", pairs="country")
    with pytest.raises(ValueError, match="No country has more than 500 accessions"):
        element_test(predictions, "good", "poor", min_accessions=500)
    with pytest.raises(ValueError, match="The predictions table is empty"):
        element_test(predictions.head(0), "good", "poor")


# ------------------------------------------------------------------------------------------------ chance


def test_permutation_p_counts_ties_and_the_observed_score_itself():
    assert permutation_p(0.3, [0.1, 0.2, 0.3, 0.4]) == pytest.approx(3 / 5)
    assert permutation_p(1.0, np.zeros(99)) == pytest.approx(1 / 100)
    assert permutation_p(0.3, [0.1, np.nan]) == pytest.approx(1 / 2)
    assert np.isnan(permutation_p(np.nan, [0.1]))
    with pytest.raises(ValueError, match="no score on shuffled labels"):
        permutation_p(0.3, [np.nan])


def test_permutation_p_is_uniform_under_chance():
    random = np.random.default_rng(0)
    p = [permutation_p(draw[0], draw[1:]) for draw in random.normal(size=(2000, 20))]
    counts = np.bincount(np.rint(np.array(p) * 20).astype(int), minlength=21)[1:]
    assert stats.chisquare(counts).pvalue > 0.001


def test_scores_stand_among_those_of_shuffled_labels():
    random = np.random.default_rng(0)
    keys = [(m, t, s) for m in ("a", "b") for t in ("t0", "t1") for s in (POOLED, WITHIN)]
    names = ["model", "trait", "score"]
    scores = pd.DataFrame(keys, columns=names).assign(estimate=random.normal(0.2, 0.1, len(keys)))
    null = pd.concat(
        [pd.DataFrame(keys, columns=names).assign(estimate=random.normal(0, 0.1, 8)) for _ in range(50)]
    )
    table = against_null(scores, null.sample(frac=1, random_state=0), levels=(0.5, 0.95))
    assert list(table.columns) == [*names, "estimate", "runs", "null_mean", "null_0.5", "null_0.95", "p"]
    for row in table.itertuples(index=False):
        of_null = null[
            (null["model"] == row.model) & (null["trait"] == row.trait) & (null["score"] == row.score)
        ]
        values = of_null["estimate"].to_numpy()
        assert row.runs == 50
        assert row.null_mean == pytest.approx(values.mean())
        assert row[6:8] == pytest.approx(np.quantile(values, (0.5, 0.95)))
        assert row.p == pytest.approx((1 + (values >= row.estimate).sum()) / 51)
    scores.loc[0, "estimate"] = np.nan
    assert np.isnan(against_null(scores, null)["p"].iloc[0])
    with pytest.raises(ValueError, match="The pooled score of t1 by b has no score on shuffled labels"):
        against_null(scores, null[(null["model"] == "a") | (null["trait"] == "t0")])
    with pytest.raises(ValueError, match="A level is 95; allowed are values from 0 to 1"):
        against_null(scores, null, levels=(95,))


# ------------------------------------------------------------------------- what makes a trait predictable


def test_similarity_is_the_mean_absolute_correlation_with_the_other_traits():
    random = np.random.default_rng(0)
    values = random.normal(size=(50, 4)) @ random.normal(size=(4, 4))
    values[random.random(values.shape) < 0.2] = np.nan
    cohort = xr.Dataset({"trait_value": (("sample", "trait"), values)}, coords={"trait": list("abcd")})
    similarity = trait_similarity(cohort)
    for i, trait in enumerate("abcd"):
        each = []
        for j in set(range(4)) - {i}:
            both = ~np.isnan(values[:, [i, j]]).any(axis=1)
            each.append(abs(stats.pearsonr(values[both, i], values[both, j]).statistic))
        assert similarity[trait] == pytest.approx(np.mean(each), rel=1e-9)
    assert (similarity.name, similarity.index.name) == ("similarity", "trait")
    with pytest.raises(ValueError, match="The cohort has 1 trait; similarity needs at least two"):
        trait_similarity(cohort.isel(trait=[0]))


def test_a_trait_that_does_not_vary_is_similar_to_nothing_and_left_out_of_the_others():
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[:, 2] = 1.0
    similarity = trait_similarity(
        xr.Dataset({"trait_value": (("sample", "trait"), values)}, {"trait": list("abc")})
    )
    assert np.isnan(similarity["c"])
    assert similarity["a"] == similarity["b"] == pytest.approx(abs(np.corrcoef(values[:, :2].T)[0, 1]))


def test_property_and_performance_equals_scipy_and_fishers_z():
    random = np.random.default_rng(0)
    traits = [f"t{i}" for i in range(18)]
    values = pd.Series(random.uniform(size=18), traits)
    rows = [
        (model, trait, score, values[trait] * slope + random.normal(0, 0.2))
        for model, slope in (("a", 1.0), ("b", 0.0))
        for score in (POOLED, WITHIN)
        for trait in traits
    ]
    scores = pd.DataFrame(rows, columns=["model", "trait", "score", "estimate"])
    scores.loc[3, "estimate"] = np.nan
    mean = pd.DataFrame([("a", MEAN_OVER_TRAITS, POOLED, 99.0)], columns=scores.columns)
    table = property_and_performance(values, pd.concat([scores, mean]), level=0.9).set_index(
        ["model", "score"]
    )
    for (model, score), row in table.iterrows():
        part = scores[(scores["model"] == model) & (scores["score"] == score)].dropna()
        x = values[part["trait"]].to_numpy()
        r, p = stats.pearsonr(x, part["estimate"])
        z = np.arctanh(r) + np.array([-1, 1]) * stats.norm.ppf(0.95) / np.sqrt(len(part) - 3)
        np.testing.assert_allclose(
            row[["r", "p", "low", "high"]].astype(float), [r, p, *np.tanh(z)], rtol=1e-9
        )
        assert row["spearman"] == pytest.approx(stats.spearmanr(x, part["estimate"]).statistic)
        assert row["traits"] == len(part) == (17 if (model, score) == ("a", POOLED) else 18)


def test_properties_that_cannot_be_correlated():
    scores = pd.DataFrame(
        [("m", f"t{i}", POOLED, 0.1 * i) for i in range(5)], columns=["model", "trait", "score", "estimate"]
    )
    values = pd.Series(np.arange(5.0), [f"t{i}" for i in range(5)])
    assert property_and_performance(values, scores)["r"].item() == pytest.approx(1)
    assert np.isnan(property_and_performance(values, scores.head(3))["r"].item())
    assert np.isnan(property_and_performance(values, scores.assign(estimate=0.1))["r"].item())
    with pytest.raises(ValueError, match="There is no value of trait t4"):
        property_and_performance(values.head(4), scores)
    with pytest.raises(ValueError, match="The property is the same for all scored traits"):
        property_and_performance(values * 0, scores)
    with pytest.raises(ValueError, match="level is 95"):
        property_and_performance(values, scores, level=95)


def test_intervals_over_repeats_are_those_of_scipy():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"model": ["a", "b"] * 6, "value": random.normal(size=12)})
    found = interval_over_repeats(table, ["model"], "value", level=0.9).set_index("model")
    for name in "ab":
        values = table.loc[table["model"] == name, "value"]
        low, high = stats.t.interval(0.9, 5, values.mean(), stats.sem(values))
        np.testing.assert_allclose(
            found.loc[name, ["estimate", "low", "high"]].astype(float), [values.mean(), low, high]
        )
        assert found.loc[name, "repeats"] == 6
    alone = interval_over_repeats(table.head(2), ["model"], "value")
    assert alone["low"].isna().all()


def test_a_geometric_mean_is_that_of_the_logarithms():
    table = pd.DataFrame({"model": ["a"] * 4, "ratio": [0.5, 1.0, 2.0, 16.0]})
    found = interval_over_repeats(table, ["model"], "ratio", geometric=True).iloc[0]
    logs = interval_over_repeats(table.assign(ratio=np.log(table["ratio"])), ["model"], "ratio").iloc[0]
    assert found["estimate"] == pytest.approx(2.0)
    assert np.log(found["low"]) == pytest.approx(logs["low"])
    assert np.log(found["high"]) == pytest.approx(logs["high"])
    with pytest.raises(ValueError, match="Some numbers of 'ratio' are not positive"):
        interval_over_repeats(table.assign(ratio=0.0), ["model"], "ratio", geometric=True)
