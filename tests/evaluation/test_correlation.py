"""Correlations against scipy and pandas, the intervals against simulation, and the paradox by construction."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from gi_lib.evaluation import (
    MEAN_OVER_TRAITS,
    as_ranks,
    correlation_differences,
    correlations,
    country_correlations,
    within_folds,
)
from gi_lib.evaluation.correlation import POOLED, WITHIN, bootstrap_correlations, weighted_pearson


def table_of(observed, predicted, country, model="m", repeat=0, trait=None, split="random") -> pd.DataFrame:
    """Predictions table from arrays of shape (sample,) or (sample, trait)."""
    observed, predicted = (np.asarray(v, float).reshape(len(country), -1) for v in (observed, predicted))
    n_traits = observed.shape[1]
    names = trait or [f"t{i}" for i in range(n_traits)]
    table = pd.DataFrame(
        {
            "sample": np.repeat([f"s{i:04d}" for i in range(len(country))], n_traits),
            "trait": np.tile(names, len(country)),
            "model": model,
            "split": split,
            "fold": 0,
            "repeat": repeat,
            "seed": 1,
            "observed": observed.ravel(),
            "predicted": predicted.ravel(),
            "country": np.repeat(country, n_traits),
        }
    )
    return table[table["observed"].notna()]


def example(n_traits=3, seed=0, missing=0.2, **options) -> pd.DataFrame:
    """Countries of 70, 60, 51 and 50 accessions and 20 of unknown origin."""
    random = np.random.default_rng(seed)
    country = np.repeat(["SWE", "ESP", "UK", "RUS", ""], [90, 80, 70, 50, 60])
    level = {"SWE": 0.0, "ESP": 2.0, "UK": -1.0, "RUS": 1.0, "": 3.0}
    observed = random.normal(size=(len(country), n_traits)) + np.array([[level[c]] for c in country])
    predicted = 0.5 * observed + random.normal(size=observed.shape)
    observed[random.random(observed.shape) < missing] = np.nan
    return table_of(observed, predicted, country, **options)


def pick(scores, score, trait="t0", model="m"):
    chosen = scores[(scores["score"] == score) & (scores["trait"] == trait) & (scores["model"] == model)]
    assert len(chosen) == 1
    return chosen.iloc[0]


# -------------------------------------------------------------------------------------- weighted pearson


def test_equals_scipy_column_by_column_without_missing_pairs():
    random = np.random.default_rng(0)
    x = random.normal(1e4, 3, (50, 4))
    y = x + random.normal(0, 3, x.shape)
    x[random.random(x.shape) < 0.2] = np.nan
    y[random.random(y.shape) < 0.2] = np.nan
    (r,) = weighted_pearson(x, y, np.ones((1, 50)))
    for trait in range(4):
        both = ~np.isnan(x[:, trait]) & ~np.isnan(y[:, trait])
        assert r[trait] == pytest.approx(pearsonr(x[both, trait], y[both, trait]).statistic, rel=1e-9)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_whole_weights_count_an_accession_so_many_times(seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, 25, 2))
    weights = random.integers(0, 4, (3, 25)).astype(float)
    weights[:, :3] = 1  # at least three different accessions
    r = weighted_pearson(x, y, weights)
    for draw, weight in enumerate(weights.astype(int)):
        for trait in range(2):
            expected = pearsonr(np.repeat(x[:, trait], weight), np.repeat(y[:, trait], weight)).statistic
            assert r[draw, trait] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_constant_column_correlates_with_nothing(constant):
    x = np.random.default_rng(0).normal(size=(30, 1))
    y = np.full((30, 1), constant)
    assert weighted_pearson(x, y, np.ones((1, 30))).item() == 0
    assert weighted_pearson(y, x, np.ones((1, 30))).item() == 0


def test_a_column_that_a_resample_makes_constant_gives_zero():
    x, y = np.arange(4.0)[:, None], np.array([[1.0], [1], [5], [1]])
    r = weighted_pearson(x, y, np.array([[1.0, 1, 1, 1], [2, 1, 0, 1]]))
    assert r[0].item() != 0
    assert r[1].item() == 0


def test_without_any_pair_there_is_no_correlation():
    x, none = np.arange(4.0)[:, None], np.full((4, 1), np.nan)
    with np.errstate(invalid="warn"):
        assert np.isnan(weighted_pearson(x, none, np.ones((1, 4)))).all()
        few = np.array([[1.0], [2], [np.nan], [4]])
        r = weighted_pearson(x, few, np.array([[1.0, 1, 1, 1], [0, 0, 4, 0]]))
    assert np.isnan(r).ravel().tolist() == [False, True]


# ------------------------------------------------------------------------------------------------ scores


def test_estimates_equal_a_plain_pandas_computation():
    table = example()
    scores = correlations(table, n_bootstrap=10)
    for trait, part in table.groupby("trait"):
        pooled = part["observed"].corr(part["predicted"])
        within = [
            of_country["observed"].corr(of_country["predicted"])
            for name, of_country in part.groupby("country")
            if name and len(of_country) > 50
        ]
        assert pick(scores, POOLED, trait)["estimate"] == pytest.approx(pooled, rel=1e-9)
        assert pick(scores, WITHIN, trait)["estimate"] == pytest.approx(np.mean(within), rel=1e-9)
        assert pick(scores, WITHIN, trait)["countries"] == len(within)
        assert pick(scores, POOLED, trait)["countries"] == 0
    assert {pick(scores, WITHIN, f"t{i}")["countries"] for i in range(3)} <= {2, 3}


def test_mean_over_traits_is_their_mean_and_only_there_with_several():
    scores = correlations(example(), n_bootstrap=10)
    for score in (POOLED, WITHIN):
        traits = [pick(scores, score, f"t{i}")["estimate"] for i in range(3)]
        assert pick(scores, score, MEAN_OVER_TRAITS)["estimate"] == pytest.approx(np.mean(traits), rel=1e-12)
    assert MEAN_OVER_TRAITS not in set(correlations(example(1), n_bootstrap=10)["trait"])


@pytest.mark.parametrize(("n", "counts"), [(50, False), (51, True)])
def test_a_country_counts_with_strictly_more_than_the_minimum(n, counts):
    random = np.random.default_rng(0)
    country = np.repeat(["SWE", "ESP"], [80, n])
    table = table_of(*random.normal(size=(2, len(country))), country)
    assert pick(correlations(table, 50, n_bootstrap=5), WITHIN)["countries"] == 1 + counts
    assert ("ESP" in set(country_correlations(table, 50)["country"])) == counts


def test_only_accessions_with_a_label_count_towards_the_minimum():
    table = example(1, missing=0.0)
    table = table[~((table["country"] == "SWE") & (table.groupby("country").cumcount() >= 50))]
    assert "SWE" not in set(country_correlations(table)["country"])
    assert pick(correlations(table, n_bootstrap=5), WITHIN)["countries"] == 2


def test_accessions_of_unknown_country_count_in_the_pooled_score_only():
    table = example(1, missing=0.0)
    known = table[table["country"] != ""]
    both = [correlations(part, n_bootstrap=5) for part in (table, known)]
    assert pick(both[0], WITHIN)["estimate"] == pytest.approx(pick(both[1], WITHIN)["estimate"], rel=1e-12)
    assert pick(both[0], POOLED)["estimate"] != pytest.approx(pick(both[1], POOLED)["estimate"], rel=1e-3)
    assert "" not in set(country_correlations(table)["country"])


def test_without_a_country_that_is_large_enough_there_is_no_within_score():
    scores = correlations(example(1), min_accessions=1000, n_bootstrap=5)
    within = pick(scores, WITHIN)
    assert within["countries"] == 0
    assert np.isnan([within["estimate"], within["low"], within["high"]]).all()
    assert np.isfinite(pick(scores, POOLED)["estimate"])


def test_a_model_that_knows_only_country_means_scores_pooled_but_not_within():
    random = np.random.default_rng(0)
    country = np.repeat(["SWE", "ESP", "ITA"], 100)
    level = np.repeat([0.0, 5.0, 10.0], 100)
    scores = correlations(table_of(level + random.normal(size=300), level, country), n_bootstrap=50)
    assert pick(scores, POOLED)["estimate"] > 0.9
    assert tuple(pick(scores, WITHIN)[["estimate", "low", "high"]]) == (0, 0, 0)


def test_simpsons_paradox_pooled_and_within_can_have_opposite_signs():
    level, step = np.repeat([0.0, 10.0], 60), np.tile(np.linspace(-1, 1, 60), 2)
    scores = correlations(table_of(level + step, level - step, np.repeat(["SWE", "ESP"], 60)), n_bootstrap=5)
    assert pick(scores, POOLED)["estimate"] > 0.9
    assert pick(scores, WITHIN)["estimate"] == pytest.approx(-1)


def test_repeats_are_averaged():
    one, two = example(1, seed=0, missing=0), example(1, seed=1, missing=0, repeat=1)
    two["observed"] = one["observed"].to_numpy()  # the same labels, other predictions
    both = correlations(pd.concat([one, two]), n_bootstrap=20)
    alone = [correlations(part, n_bootstrap=20) for part in (one, two)]
    for score in (POOLED, WITHIN):
        expected = np.mean([pick(scores, score)["estimate"] for scores in alone])
        assert pick(both, score)["estimate"] == pytest.approx(expected, rel=1e-12)
    by_country = country_correlations(pd.concat([one, two]))
    expected = pd.concat(map(country_correlations, (one, two))).groupby("country")["correlation"].mean()
    np.testing.assert_allclose(
        by_country.set_index("country")["correlation"], expected[by_country["country"]]
    )


def test_country_correlations_equal_scipy():
    table = example(2)
    scores = country_correlations(table)
    assert set(scores["country"]) <= {"SWE", "ESP", "UK"}
    assert len(scores) >= 4
    for row in scores.itertuples():
        part = table[(table["country"] == row.country) & (table["trait"] == row.trait)]
        assert row.n == len(part) > 50
        assert row.correlation == pytest.approx(
            pearsonr(part["observed"], part["predicted"]).statistic, rel=1e-9
        )


def test_rows_in_another_order_give_the_same_scores():
    table = example()
    shuffled = table.sample(frac=1, random_state=0)
    keys = ["model", "trait", "score"]
    one, other = (correlations(t, n_bootstrap=20).set_index(keys).sort_index() for t in (table, shuffled))
    pd.testing.assert_frame_equal(one, other)


def test_several_splits_and_empty_tables_are_refused():
    both = pd.concat([example(1), example(1, split="by country")])
    with pytest.raises(ValueError, match=r"The table holds several splits \(random, by country\); give one"):
        correlations(both)
    with pytest.raises(ValueError, match="The predictions table is empty"):
        correlations(example(1).head(0))


# --------------------------------------------------------------------------------------------- intervals


def test_intervals_cover_the_true_correlation_about_as_often_as_stated():
    random = np.random.default_rng(0)
    n_traits, rho = 400, 0.5
    country = np.repeat(["SWE", "ESP"], 100)
    x, noise = random.normal(size=(2, 200, n_traits))
    table = table_of(x, rho * x + np.sqrt(1 - rho**2) * noise, country)
    scores = correlations(table, n_bootstrap=300, level=0.9)
    scores = scores[scores["trait"] != MEAN_OVER_TRAITS]
    for score in (POOLED, WITHIN):
        part = scores[scores["score"] == score]
        covered = ((part["low"] <= rho) & (rho <= part["high"])).mean()
        # 400 traits: a standard error of 0.015 around 0.90; percentile intervals run slightly narrow.
        assert 0.84 < covered < 0.95, score


def test_intervals_hold_the_estimate_and_widen_with_the_level():
    narrow = correlations(example(1), n_bootstrap=300, level=0.5)
    wide = correlations(example(1), n_bootstrap=300, level=0.99)
    for score in (POOLED, WITHIN):
        a, b = pick(narrow, score), pick(wide, score)
        assert b["low"] < a["low"] < a["estimate"] < a["high"] < b["high"]


def test_seed_decides_the_resamples_and_not_the_estimate():
    one, again, other = (correlations(example(1), n_bootstrap=50, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert (one["estimate"] == other["estimate"]).all()
    assert (one["low"] != other["low"]).all()


def test_all_models_share_one_draw_so_that_differences_are_paired():
    table = pd.concat([example(1), example(1, model="copy")])
    draws, index = bootstrap_correlations(table, n_bootstrap=40)
    assert draws.shape == (41, len(index))
    pooled = draws[:, (index["score"] == POOLED).to_numpy()]
    np.testing.assert_array_equal(pooled[:, 0], pooled[:, 1])
    assert pooled[1:, 0].std() > 0


def test_resamples_keep_the_size_of_each_country():
    table = example(1, missing=0)
    table["predicted"] = table["observed"] = table["country"].map(
        {"SWE": 1.0, "ESP": 2, "UK": 4, "RUS": 8, "": 16}
    )
    table["predicted"] += table["country"].eq("UK")
    # With one value per country the pooled score depends on nothing but how many each country has.
    draws, index = bootstrap_correlations(table, n_bootstrap=30)
    np.testing.assert_allclose(
        draws[:, (index["score"] == POOLED).to_numpy()].ravel(), draws[0, 0], rtol=1e-9
    )


def test_a_trait_with_few_labels_gets_scores_without_a_warning():
    table = example(2, missing=0)
    few = table[(table["trait"] == "t0") | (table.groupby("trait").cumcount() < 3)]
    with np.errstate(invalid="warn"):  # cyvcf2, once imported, has NumPy ignore invalid values everywhere
        scores = correlations(few, n_bootstrap=200)
    assert np.isfinite(pick(scores, POOLED, "t1")["estimate"])
    assert pick(scores, WITHIN, "t1")["countries"] == 0


def test_without_resamples_there_is_an_estimate_and_no_interval():
    pooled = pick(correlations(example(1), n_bootstrap=0), POOLED)
    assert np.isfinite(pooled["estimate"])
    assert np.isnan([pooled["low"], pooled["high"]]).all()


def test_paired_differences_equal_the_difference_of_the_scores_and_are_narrower():
    rng = np.random.default_rng(5)
    observed = rng.normal(size=300)
    shared = observed + rng.normal(size=300)
    frames = [
        pd.DataFrame(
            {
                "sample": [f"s{i}" for i in range(300)],
                "trait": "t",
                "model": name,
                "split": "random",
                "fold": 0,
                "repeat": 0,
                "seed": 1,
                "observed": observed,
                "predicted": predicted,
                "country": np.repeat(["SWE", "ESP", "GER"], 100),
            }
        )
        for name, predicted in {"a": shared, "b": shared + rng.normal(0, 0.3, 300)}.items()
    ]
    table = pd.concat(frames, ignore_index=True)
    scores = correlations(table, 50).set_index(["model", "score"])
    paired = correlation_differences(table, "a", "b", 50).set_index("score")
    for score in ("pooled", "within country"):
        a, b = scores.loc[("a", score)], scores.loc[("b", score)]
        assert paired.loc[score, "difference"] == pytest.approx(a["estimate"] - b["estimate"])
        # What the two predictions share cancels in the paired interval.
        assert paired.loc[score, "high"] - paired.loc[score, "low"] < 0.7 * (a["high"] - a["low"])
    with pytest.raises(ValueError, match="no predictions of 'c'; allowed are a, b"):
        correlation_differences(table, "a", "c", 50)


def test_a_trait_without_a_large_country_does_not_enter_the_mean():
    rng = np.random.default_rng(6)
    observed = np.stack(
        [rng.normal(size=120), np.where(np.arange(120) < 40, rng.normal(size=120), np.nan)], 1
    )
    rows = [
        (f"s{i}", trait, "m", "random", 0, 0, 1, observed[i, t], rng.normal(), "SWE")
        for i in range(120)
        for t, trait in enumerate(["well known", "hardly known"])
        if not np.isnan(observed[i, t])
    ]
    columns = [
        "sample",
        "trait",
        "model",
        "split",
        "fold",
        "repeat",
        "seed",
        "observed",
        "predicted",
        "country",
    ]
    scores = correlations(pd.DataFrame(rows, columns=columns), 50)
    within = scores[scores["score"] == "within country"].set_index("trait")
    assert np.isnan(within.loc["hardly known", "estimate"])
    assert within.loc["mean over traits", "estimate"] == within.loc["well known", "estimate"]
    assert np.isfinite(within.loc["mean over traits", ["low", "high"]].astype(float)).all()


# ------------------------------------------------------------------------------------------ within folds


def test_levels_of_folds_and_countries_neither_help_nor_harm():
    table = example(missing=0.1)
    table["fold"] = table["sample"].str[1:].astype(int) % 4
    unit = ["trait", "fold", "country"]
    level = table.groupby(unit).ngroup()
    moved = table.assign(
        predicted=table["predicted"] + 10.0 * level, observed=table["observed"] - 3.0 * level
    )
    pd.testing.assert_frame_equal(within_folds(moved), within_folds(table))
    assert within_folds(table).groupby(unit)[["observed", "predicted"]].mean().abs().to_numpy().max() < 1e-12


def test_a_country_in_one_fold_keeps_its_correlation():
    table = example()
    before = country_correlations(table, 20)
    pd.testing.assert_frame_equal(country_correlations(within_folds(table), 20), before)


def test_correlations_of_ranks_in_a_fold_are_those_of_spearman():
    random = np.random.default_rng(3)
    observed = random.normal(size=(60, 2)).round(1)  # with ties
    table = table_of(observed, np.exp(observed) + random.normal(size=(60, 2)), [""] * 60)
    table["fold"] = np.repeat(np.arange(3), 40)
    ranked = as_ranks(table)
    for (trait, fold), part in ranked.groupby(["trait", "fold"]):
        mine = table[(table["trait"] == trait) & (table["fold"] == fold)]
        expected = spearmanr(mine["observed"], mine["predicted"]).statistic
        assert part["observed"].corr(part["predicted"]) == pytest.approx(expected)
