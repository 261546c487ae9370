"""Upper bounds against the analysis of variance in scipy, plain loops, and simulation with known truth."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gi_lib.evaluation import (
    MEAN_OVER_TRAITS,
    bound_coverage,
    chance_to_exceed,
    correlations,
    measurement_noise,
    percent_of_bound,
    simulate_bounds,
    true_upper_bound,
    upper_bounds,
)
from gi_lib.evaluation.correlation import POOLED, WITHIN, resamples
from gi_lib.evaluation.upper_bound import EXPERIMENT, GENETIC, GENETIC_AND_COUNTRY, MSE, PEARSON, R2, TRUTH

SIZES = {"SWE": 90, "ESP": 70, "UK": 51, "RUS": 50, "": 60}
COUNTRY = np.repeat(list(SIZES), list(SIZES.values()))


def cohort_of(values, country=None, **more) -> xr.Dataset:
    """Just what the functions read: replicates (sample, trait, replicate), and their mean as the label."""
    values = np.asarray(values, float)
    there = np.isfinite(values)
    count = there.sum(axis=2)
    mean = np.where(count > 0, np.where(there, values, 0).sum(axis=2) / np.maximum(count, 1), np.nan)
    country = np.full(len(values), "SWE") if country is None else country
    return xr.Dataset(
        {
            "replicate_value": (("sample", "trait", "replicate"), values),
            "trait_value": (("sample", "trait"), mean),
            **more,
        },
        coords={"trait": [f"t{i}" for i in range(values.shape[1])], "country": ("sample", country)},
        attrs={"name": "toy"},
    )


def measurements(n_traits=3, n_replicates=4, signal=1.0, noise=2.0, missing=0.0, country=COUNTRY, seed=0):
    """Replicates with a country effect, some of them missing."""
    random = np.random.default_rng(seed)
    names, code = np.unique(country, return_inverse=True)
    true = (
        random.normal(0, np.sqrt(signal), (len(country), n_traits))
        + random.normal(size=(len(names), n_traits))[code]
    )
    values = true[:, :, None] + random.normal(0, np.sqrt(noise), (*true.shape, n_replicates))
    values[random.random(values.shape) < missing] = np.nan
    return values


def pick(bounds, score=POOLED, against=TRUTH, measure=PEARSON, trait="t0"):
    keys = {"score": score, "against": against, "measure": measure, "trait": trait}
    chosen = bounds[np.logical_and.reduce([bounds[name] == value for name, value in keys.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def plain_variances(values):
    """(noise of one, noise of the mean, variance of the means) of one trait, by loops over accessions."""
    squares = freedom = 0
    inverse, means = [], []
    for accession in values:
        measured = [v for v in accession if not np.isnan(v)]
        if measured:
            mean = sum(measured) / len(measured)
            squares += sum((v - mean) ** 2 for v in measured)
            freedom += len(measured) - 1
            inverse.append(1 / len(measured))
            means.append(mean)
    one = squares / freedom
    return one, np.mean([one * i for i in inverse]), np.var(means, ddof=1)


# ---------------------------------------------------------------------------------------------- noise


def test_variances_equal_plain_loops_with_unequal_numbers_of_replicates():
    values = measurements(missing=0.4)
    noise = measurement_noise(cohort_of(values, COUNTRY)).set_index(["score", "trait"])
    for t in range(3):
        one, mean, label = plain_variances(values[:, t])
        row = noise.loc[(POOLED, f"t{t}")]
        assert row["noise_of_one"] == pytest.approx(one, rel=1e-12)
        assert row["noise_of_mean"] == pytest.approx(mean, rel=1e-12)
        assert row["label_variance"] == pytest.approx(label, rel=1e-12)
        assert row["signal_variance"] == pytest.approx(label - mean, rel=1e-12)
        measured = np.isfinite(values[:, t]).sum(axis=1)
        assert row["accessions"] == (measured > 0).sum() < len(values)
        assert row["replicates"] == pytest.approx(stats.hmean(measured[measured > 0]))
        assert row["countries"] == 0


def test_variances_within_countries_are_means_over_the_large_ones():
    values = measurements(missing=0.05, n_replicates=2)
    noise = measurement_noise(cohort_of(values, COUNTRY)).set_index(["score", "trait"])
    for t in range(3):
        large = [
            name for name in SIZES if name and np.isfinite(values[name == COUNTRY, t]).any(axis=1).sum() > 50
        ]
        expected = np.mean([plain_variances(values[name == COUNTRY, t]) for name in large], axis=0)
        row = noise.loc[(WITHIN, f"t{t}")]
        np.testing.assert_allclose(
            row[["noise_of_one", "noise_of_mean", "label_variance"]].astype(float), expected, rtol=1e-12
        )
        assert row["countries"] == len(large) >= 2


def test_labels_that_vary_less_than_their_noise_have_no_signal():
    values = np.random.default_rng(0).normal(size=(30, 1, 3))
    values -= values.mean(axis=2, keepdims=True)
    noise = measurement_noise(cohort_of(values))
    assert noise["signal_variance"].iloc[0] == 0
    assert noise["noise_of_one"].iloc[0] > 0


# --------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize("correct_bias", [False, True])
def test_bounds_of_balanced_data_equal_the_intraclass_correlations_of_scipys_anova(correct_bias):
    """Shrout & Fleiss 1979: ICC(1,k) = 1 - 1/F is the reliability of the mean, ICC(1,1) = (F-1)/(F-1+k) of one."""
    values = measurements(2, 4)
    n, _, k = values.shape
    cohort = cohort_of(values, COUNTRY)
    for label in ("mean", "single"):
        bounds = upper_bounds(cohort, label, correct_bias=correct_bias, interval="exact F", level=0.9)
        for t in range(2):
            f = stats.f_oneway(*values[:, t]).statistic
            limits = [f / stats.f.ppf(q, n - 1, n * (k - 1)) for q in (0.95, 0.05)]
            expected = []
            for value in (f * (n - 1) / (n - 3) if correct_bias else f, *limits):
                expected.append(1 - 1 / value if label == "mean" else (value - 1) / (value - 1 + k))
            row = pick(bounds, trait=f"t{t}", measure=R2)
            np.testing.assert_allclose(row[["bound", "low", "high"]].astype(float), expected, rtol=1e-9)


@pytest.mark.parametrize("label", ["mean", "single"])
def test_bounds_follow_the_papers_formulas(label):
    values = measurements(missing=0.3)
    bounds = upper_bounds(cohort_of(values, COUNTRY), label, correct_bias=False)
    for t in range(3):
        one, mean, variance = plain_variances(values[:, t])
        signal = variance - mean
        noise = mean if label == "mean" else one
        expected = {
            (TRUTH, PEARSON): np.sqrt(signal / (signal + noise)),
            (EXPERIMENT, PEARSON): signal / (signal + noise),
            (TRUTH, MSE): noise,
            (EXPERIMENT, MSE): 2 * noise,
            (TRUTH, R2): signal / (signal + noise),
            (EXPERIMENT, R2): (signal - noise) / (signal + noise),
        }
        for (against, measure), value in expected.items():
            row = pick(bounds, against=against, measure=measure, trait=f"t{t}")
            assert row["bound"] == pytest.approx(value, rel=1e-9), (against, measure)
            assert row["low"] < row["bound"] < row["high"]


@pytest.mark.parametrize("label", ["mean", "single"])
def test_a_perfect_model_reaches_the_bounds_and_a_second_experiment_its_own(label):
    random = np.random.default_rng(1)
    n, k, noise = 100_000, 3, 2.0
    true = random.normal(size=n)
    values, again = (true[:, None] + random.normal(0, np.sqrt(noise), (n, k)) for _ in range(2))
    bounds = upper_bounds(cohort_of(values[:, None, :]), label)
    labels, others = (v.mean(axis=1) if label == "mean" else v[:, 0] for v in (values, again))
    for against, predicted in ((TRUTH, true), (EXPERIMENT, others)):
        error = np.mean((labels - predicted) ** 2)
        reached = {PEARSON: np.corrcoef(labels, predicted)[0, 1], R2: 1 - error / labels.var(), MSE: error}
        for measure, value in reached.items():
            # Standard errors are below 0.005 (correlations) and 0.02 (R2 of two noisy labels, MSE).
            tolerance = 0.012 if measure == PEARSON else 0.05
            assert pick(bounds, against=against, measure=measure)["bound"] == pytest.approx(
                value, abs=tolerance
            )


def test_the_bound_within_countries_comes_from_the_mean_reliability_of_the_large_ones():
    values = measurements(missing=0.1)
    bounds = upper_bounds(cohort_of(values, COUNTRY), correct_bias=False)
    for t in range(3):
        reliability = []
        for name in SIZES:
            part = values[name == COUNTRY, t]
            if name and np.isfinite(part).any(axis=1).sum() > 50:
                _, noise, variance = plain_variances(part)
                reliability.append(1 - noise / variance)
        row = pick(bounds, WITHIN, trait=f"t{t}")
        assert row["countries"] == len(reliability)
        assert row["bound"] == pytest.approx(np.sqrt(np.mean(reliability)), rel=1e-9)
        assert row["bound"] >= np.mean(np.sqrt(reliability))
        assert pick(bounds, trait=f"t{t}")["countries"] == 0


def test_the_bound_within_countries_is_lower_if_countries_differ():
    values = measurements(1)
    values += 3 * np.unique(COUNTRY, return_inverse=True)[1][:, None, None]
    bounds = upper_bounds(cohort_of(values, COUNTRY))
    assert pick(bounds)["bound"] > 0.95
    assert pick(bounds, WITHIN)["high"] < 0.9


@pytest.mark.parametrize(("n", "countries"), [(50, 1), (51, 2)])
def test_a_country_counts_with_strictly_more_measured_accessions_than_the_minimum(n, countries):
    country = np.repeat(["SWE", "ESP"], [80, n + 3])
    values = measurements(1, country=country)
    values[-3:] = np.nan
    assert pick(upper_bounds(cohort_of(values, country)), WITHIN)["countries"] == countries


@given(st.integers(0, 10_000), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=20)
def test_correlations_have_no_unit_and_squared_errors_have_its_square(seed, shift, scale):
    values = measurements(1, seed=seed, missing=0.1)
    one, other = (upper_bounds(cohort_of(v, COUNTRY)) for v in (values, shift + scale * values))
    factor = np.where(one["measure"] == MSE, scale**2, 1.0)
    for name in ("bound", "low", "high"):
        np.testing.assert_allclose(other[name], one[name] * factor, rtol=1e-5, atol=1e-5)


def test_without_noise_the_bound_is_one_and_without_signal_zero():
    values = np.repeat(np.arange(60.0)[:, None, None], 3, axis=2)
    for interval in ("adjusted F", "exact F", "bootstrap"):
        row = pick(upper_bounds(cohort_of(values), interval=interval, n_bootstrap=20))
        np.testing.assert_allclose(row[["bound", "low", "high"]].astype(float), 1)
    random = np.random.default_rng(0)
    noise = random.normal(size=(60, 1, 3))
    noise -= noise.mean(axis=2, keepdims=True)  # the labels vary not at all
    for interval in ("adjusted F", "exact F", "bootstrap"):
        bounds = upper_bounds(cohort_of(noise), interval=interval, n_bootstrap=20)
        np.testing.assert_allclose(pick(bounds)[["bound", "low", "high"]].astype(float), 0)
        assert pick(bounds, against=EXPERIMENT, measure=R2)["bound"] == -1


def test_a_trait_without_noise_or_signal_or_replicates_has_no_bound_and_spoils_no_mean():
    values = measurements(4, country=COUNTRY)
    values[:, 1] = 5.0
    values[:, 2, 1:] = np.nan
    values[:, 3] = np.nan
    for interval in ("adjusted F", "bootstrap"):
        bounds = upper_bounds(cohort_of(values, COUNTRY), interval=interval, n_bootstrap=20)
        for trait in ("t1", "t2", "t3"):
            assert np.isnan(pick(bounds, trait=trait)[["bound", "low", "high"]].astype(float)).all()
        for name in ("bound", "low", "high"):
            assert pick(bounds, trait=MEAN_OVER_TRAITS)[name] == pytest.approx(pick(bounds)[name])
    assert measurement_noise(cohort_of(values, COUNTRY))["noise_of_one"].isna().sum() == 4  # t2, t3; twice


def test_countries_that_are_all_small_leave_the_bound_within_countries_undefined():
    values = measurements(2)
    for interval in ("adjusted F", "bootstrap"):
        bounds = upper_bounds(
            cohort_of(values, COUNTRY), min_accessions=1000, interval=interval, n_bootstrap=9
        )
        within = bounds[bounds["score"] == WITHIN]
        assert len(within) == 2 * 6 + 4
        assert within[["bound", "low", "high"]].isna().all(axis=None)
        assert (within["countries"] == 0).all()
        assert np.isfinite(pick(bounds)["bound"])
    assert (measurement_noise(cohort_of(values), 1000).query("score == @WITHIN")["accessions"] == 0).all()


def test_the_mean_over_traits_is_that_of_pearson_and_r2_only():
    bounds = upper_bounds(cohort_of(measurements(3), COUNTRY))
    for score in (POOLED, WITHIN):
        for measure in (PEARSON, R2):
            each = [pick(bounds, score, measure=measure, trait=f"t{i}")["bound"] for i in range(3)]
            assert pick(bounds, score, measure=measure, trait=MEAN_OVER_TRAITS)["bound"] == pytest.approx(
                np.mean(each)
            )
    assert set(bounds[bounds["trait"] == MEAN_OVER_TRAITS]["measure"]) == {PEARSON, R2}
    assert MEAN_OVER_TRAITS not in set(upper_bounds(cohort_of(measurements(1), COUNTRY))["trait"])


# ------------------------------------------------------------------------------------------ intervals


def test_the_interval_within_countries_recovers_variances_by_the_plain_formula():
    values = measurements(1)
    bounds = upper_bounds(cohort_of(values, COUNTRY), interval="exact F", correct_bias=False)
    parts = []
    for name in ("SWE", "ESP", "UK"):
        alone = cohort_of(values[name == COUNTRY], np.full(SIZES[name], name))
        parts.append(
            pick(upper_bounds(alone, interval="exact F", correct_bias=False), measure=R2)[
                ["bound", "low", "high"]
            ]
        )
    r, low, high = np.array(parts, float).T
    row = pick(bounds, WITHIN, measure=R2)
    assert row["low"] == pytest.approx(r.mean() - np.sqrt(np.sum((r - low) ** 2)) / 3, rel=1e-9)
    assert row["high"] == pytest.approx(r.mean() + np.sqrt(np.sum((high - r) ** 2)) / 3, rel=1e-9)
    root = pick(bounds, WITHIN)
    np.testing.assert_allclose(root[["low", "high"]].astype(float) ** 2, row[["low", "high"]].astype(float))


def test_the_interval_of_the_mean_over_traits_knows_whether_they_are_alike():
    one = measurements(1, seed=1)
    same = upper_bounds(cohort_of(np.repeat(one, 9, axis=1), COUNTRY))
    other = upper_bounds(cohort_of(measurements(9, seed=2), COUNTRY))
    for score in (POOLED, WITHIN):
        alone, mean = pick(same, score), pick(same, score, trait=MEAN_OVER_TRAITS)
        np.testing.assert_allclose(
            mean[["bound", "low", "high"]].astype(float),
            alone[["bound", "low", "high"]].astype(float),
            rtol=1e-9,
        )
        width = other[(other["score"] == score) & (other["against"] == TRUTH) & (other["measure"] == PEARSON)]
        width = (width["high"] - width["low"]).to_numpy()
        # Nine traits with different measurements: a third of the width, but for chance similarity.
        assert width[-1] == pytest.approx(width[:-1].mean() / 3, rel=0.35)


def test_bootstrap_equals_plain_resampling_of_accessions_with_their_replicates():
    values = measurements(2, missing=0.2)
    bounds = upper_bounds(
        cohort_of(values, COUNTRY), interval="bootstrap", n_bootstrap=40, seed=3, correct_bias=False
    )
    strata = [np.flatnonzero(name == COUNTRY) for name in sorted(SIZES)]
    weights = resamples(strata, len(COUNTRY), 40, 3)[1:].astype(int)
    for t in range(2):
        pooled, within = [], []
        for weight in weights:
            _, noise, variance = plain_variances(np.repeat(values[:, t], weight, axis=0))
            pooled.append(np.sqrt(max(0, 1 - noise / variance)))
            large = [
                name for name in SIZES if name and np.isfinite(values[name == COUNTRY, t]).any(1).sum() > 50
            ]
            parts = [
                plain_variances(np.repeat(values[name == COUNTRY, t], weight[name == COUNTRY], axis=0))
                for name in large
            ]
            within.append(np.sqrt(max(0, np.mean([1 - noise / variance for _, noise, variance in parts]))))
        for score, draws in ((POOLED, pooled), (WITHIN, within)):
            expected = np.quantile(draws, [0.025, 0.975])
            row = pick(bounds, score, trait=f"t{t}")
            np.testing.assert_allclose(row[["low", "high"]].astype(float), expected, rtol=1e-9)


def test_intervals_widen_with_the_level_and_the_seed_decides_only_the_bootstrap():
    cohort = cohort_of(measurements(1), COUNTRY)
    for interval in ("adjusted F", "exact F", "bootstrap"):
        narrow, wide = (pick(upper_bounds(cohort, interval=interval, level=v), WITHIN) for v in (0.5, 0.99))
        assert wide["low"] < narrow["low"] < narrow["bound"] < narrow["high"] < wide["high"]
    one, again, other = (
        upper_bounds(cohort, interval="bootstrap", n_bootstrap=50, seed=s) for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, again)
    assert (one["bound"] == other["bound"]).all()
    assert (one["low"] != other["low"]).any()


def test_adjusted_and_exact_intervals_agree_for_normal_values():
    cohort = cohort_of(measurements(1, country=np.full(3000, "SWE")), np.full(3000, "SWE"))
    exact, adjusted = (pick(upper_bounds(cohort, interval=f"{name} F")) for name in ("exact", "adjusted"))
    assert adjusted["bound"] == exact["bound"]
    width = exact["high"] - exact["low"]
    np.testing.assert_allclose(
        adjusted[["low", "high"]].astype(float), exact[["low", "high"]].astype(float), atol=0.1 * width
    )


def coverage_of(**options):
    simulated = simulate_bounds(**{"n_simulations": 500, "n_bootstrap": 200} | options)
    return bound_coverage(simulated).set_index("interval")


def test_exact_intervals_cover_the_true_bound_as_often_as_stated_and_the_bootstrap_less():
    # Standard error of a share near 0.95 in 500 simulations: 0.01.
    coverage = coverage_of(n_accessions=60, signal_variance=1, noise_variance=6, n_replicates=[6])
    assert coverage.loc["exact F", "coverage"] == pytest.approx(0.95, abs=0.03)
    assert coverage.loc["adjusted F", "coverage"] == pytest.approx(0.95, abs=0.03)
    assert coverage.loc["bootstrap", "coverage"] < coverage.loc["exact F", "coverage"]


def test_adjusted_intervals_also_cover_for_heavy_tailed_true_values_and_exact_ones_do_not():
    coverage = coverage_of(
        n_accessions=300, signal_variance=9, noise_variance=6, n_replicates=[6], distribution="laplace"
    )
    assert coverage.loc["adjusted F", "coverage"] > 0.91
    assert coverage.loc["exact F", "coverage"] < 0.89


def test_intervals_of_averages_over_countries_cover_and_bias_is_corrected():
    options = {
        "n_accessions": (150, 90, 60, 60),
        "signal_variance": 1,
        "noise_variance": 12,
        "n_replicates": [3],
    }
    intervals = ["adjusted F", "exact F"]
    corrected, plain = (coverage_of(**options, intervals=intervals, correct_bias=b) for b in (True, False))
    for interval in intervals:
        assert 0.91 < corrected.loc[interval, "coverage"] < 0.98
    assert plain["bias"].iloc[0] < corrected["bias"].iloc[0] - 0.01
    assert abs(corrected["bias"].iloc[0]) < 0.04  # what clipping at zero leaves


def test_intervals_cover_with_missing_replicates_and_accessions_of_different_noise():
    random = np.random.default_rng(5)
    n, n_traits, k = 150, 300, 5
    true = random.normal(size=(n, n_traits))
    spread = random.gamma(2, 1, (n, n_traits, 1))  # noise variance of each accession, 2 on average
    values = true[:, :, None] + random.normal(size=(n, n_traits, k)) * np.sqrt(spread)
    values[random.random(values.shape) < 0.3] = np.nan
    measured = np.isfinite(values).sum(axis=2)
    inverse = np.mean(1 / measured[measured > 0])
    best = np.sqrt(1 / (1 + 2 * inverse))
    found = upper_bounds(cohort_of(values))
    found = found[(found["against"] == TRUTH) & (found["measure"] == PEARSON) & (found["score"] == POOLED)][
        :-1
    ]
    assert found["bound"].mean() == pytest.approx(best, abs=0.015)
    covered = ((found["low"] <= best) & (best <= found["high"])).mean()
    assert 0.91 < covered < 0.995  # standard error 0.013


@pytest.mark.slow
def test_intervals_of_the_mean_over_traits_cover():
    random = np.random.default_rng(0)
    sizes, n_traits, k = (243, 180, 123, 118, 73, 69, 60), 18, 6
    country = np.repeat([f"c{i}" for i in range(7)], sizes)
    reliability = np.linspace(0.1, 0.8, n_traits)
    noise = k * (1 - reliability) / reliability
    covered = {POOLED: [], WITHIN: []}
    for _ in range(150):
        shared = random.normal(size=(len(country), 3)) @ random.normal(size=(3, n_traits)) / np.sqrt(3)
        true = np.sqrt(0.5) * shared / shared.std(axis=0) + np.sqrt(0.5) * random.normal(size=shared.shape)
        values = true[:, :, None] + random.normal(size=(*true.shape, k)) * np.sqrt(noise)[:, None]
        bounds = upper_bounds(cohort_of(values, country))
        for score, hits in covered.items():
            row = pick(bounds, score, trait=MEAN_OVER_TRAITS)
            hits.append(row["low"] <= np.sqrt(reliability).mean() <= row["high"])
    for score, hits in covered.items():
        assert np.mean(hits) > 0.88, score  # standard error 0.02


# ---------------------------------------------------------------------------------- percent of the bound


def scores_of(estimates, score=POOLED):
    return pd.DataFrame(
        [("m", trait, score, value, value - 0.1, value + 0.1, 0) for trait, value in estimates.items()],
        columns=["model", "trait", "score", "estimate", "low", "high", "countries"],
    )


def test_percent_of_bound_divides_like_by_like():
    bounds = upper_bounds(cohort_of(measurements(2), COUNTRY))
    scores = pd.concat([scores_of({"t0": 0.3, "t1": 0.99}, score) for score in (POOLED, WITHIN)])
    for against in (TRUTH, EXPERIMENT):
        table = percent_of_bound(scores, bounds, against)
        assert table["estimate"].tolist() == scores["estimate"].tolist()
        for row in table.itertuples():
            bound = pick(bounds, row.score, against, trait=row.trait)
            assert row.bound == bound["bound"]
            assert row.percent == pytest.approx(100 * row.estimate / bound["bound"])
            assert row.percent_low == pytest.approx(100 * (row.estimate - 0.1) / bound["bound"])
            assert row.exceeds == (row.estimate > bound["bound"])
            assert row.exceeds_interval == (row.estimate > bound["high"])
    assert set(table[table["trait"] == "t1"]["exceeds_interval"]) == {True}


def test_as_published_all_scores_are_compared_with_the_pooled_bound():
    bounds = upper_bounds(cohort_of(measurements(2), COUNTRY))
    table = percent_of_bound(scores_of({"t0": 0.3}, WITHIN), bounds, as_published=True)
    assert table["bound"].item() == pick(bounds, POOLED)["bound"]
    assert table["score"].item() == WITHIN


def test_a_bound_of_zero_gives_no_percentage():
    noise = np.random.default_rng(0).normal(size=(60, 1, 3))
    noise -= noise.mean(axis=2, keepdims=True)
    table = percent_of_bound(scores_of({"t0": 0.1}), upper_bounds(cohort_of(noise)))
    assert np.isnan(table["percent"].item())
    assert table["exceeds"].item()


def test_scores_without_a_bound_are_refused():
    bounds = upper_bounds(cohort_of(measurements(2), COUNTRY))
    with pytest.raises(ValueError, match="There is no upper bound of the pooled score of t7"):
        percent_of_bound(scores_of({"t7": 0.3}), bounds)
    with pytest.raises(ValueError, match="over 1 traits in the scores and over 2 in the bounds"):
        percent_of_bound(scores_of({"t0": 0.3, MEAN_OVER_TRAITS: 0.3}), bounds)
    with pytest.raises(ValueError, match="against is 'noise'; allowed are true value, second experiment"):
        percent_of_bound(scores_of({"t0": 0.3}), bounds, "noise")


# ------------------------------------------------------------------------------------------- known truth


def simulated(n_replicates=4, missing=0.1, seed=0, genetic=1.0, effect=1.0):
    random = np.random.default_rng(seed)
    names, code = np.unique(COUNTRY, return_inverse=True)
    noise = np.array([1.0, 8.0])
    value = genetic * random.normal(size=(len(COUNTRY), 2))
    by_country = effect * random.normal(size=(len(names), 2))[code]
    values = (value + by_country)[:, :, None] + random.normal(size=(*value.shape, n_replicates)) * np.sqrt(
        noise
    )[:, None]
    values[random.random(values.shape) < missing] = np.nan
    return cohort_of(
        values,
        COUNTRY,
        truth_genetic_value=(("sample", "trait"), value),
        truth_country_effect=(("sample", "trait"), by_country),
        truth_noise_variance=("trait", noise),
    )


def test_true_bounds_equal_plain_correlations_and_variances():
    cohort = simulated()
    table = true_upper_bound(cohort).set_index(["score", "knows", "trait"])
    genetic, labels = cohort["truth_genetic_value"].values, cohort["trait_value"].values
    true = genetic + cohort["truth_country_effect"].values
    count = np.isfinite(cohort["replicate_value"].values).sum(axis=2)
    for t, noise in enumerate((1.0, 8.0)):
        for knows, x in ((GENETIC, genetic), (GENETIC_AND_COUNTRY, true)):
            parts = {
                POOLED: [np.ones(len(COUNTRY), bool)],
                WITHIN: [name == COUNTRY for name in ("SWE", "ESP", "UK")],
            }
            for score, groups in parts.items():
                realised, expected = [], []
                for group in groups:
                    keep = group & ~np.isnan(labels[:, t])
                    if score == WITHIN and keep.sum() <= 50:
                        continue
                    realised.append(np.corrcoef(x[keep, t], labels[keep, t])[0, 1])
                    of_label = np.mean([noise / r for r in count[keep, t]])
                    c = np.cov(x[keep, t], true[keep, t])
                    expected.append(c[0, 1] / np.sqrt(c[0, 0] * (c[1, 1] + of_label)))
                row = table.loc[(score, knows, f"t{t}")]
                assert row["realised"] == pytest.approx(np.mean(realised), rel=1e-9)
                assert row["expected"] == pytest.approx(np.mean(expected), rel=1e-9)
    for (score, knows), part in table.drop(MEAN_OVER_TRAITS, level=2).groupby(level=[0, 1]):
        row = table.loc[(score, knows, MEAN_OVER_TRAITS)]
        np.testing.assert_allclose(
            row[["expected", "realised"]].astype(float), part[["expected", "realised"]].mean()
        )


def test_a_model_without_countries_stays_below_over_all_accessions_and_not_within_them():
    table = true_upper_bound(simulated(effect=2.0)).set_index(["score", "knows", "trait"])["expected"]
    for trait in ("t0", "t1"):
        assert table[POOLED, GENETIC, trait] < 0.9 * table[POOLED, GENETIC_AND_COUNTRY, trait]
        assert table[WITHIN, GENETIC, trait] == pytest.approx(
            table[WITHIN, GENETIC_AND_COUNTRY, trait], rel=1e-9
        )


def test_expected_bounds_are_the_mean_of_those_realised_by_new_measurements():
    first = simulated(n_replicates=3, missing=0)
    true = (first["truth_genetic_value"] + first["truth_country_effect"]).values
    random = np.random.default_rng(9)
    realised = []
    for _ in range(100):
        again = first.copy(deep=True)
        noise = random.normal(size=(*true.shape, 3)) * np.sqrt([1.0, 8.0])[:, None]
        again["replicate_value"].values[:] = true[:, :, None] + noise
        again["trait_value"].values[:] = again["replicate_value"].mean("replicate").values
        realised.append(true_upper_bound(again)["realised"])
    # Standard errors are below 0.004; a mean of correlations lies a little below that of ratios of means.
    np.testing.assert_allclose(np.mean(realised, axis=0), true_upper_bound(first)["expected"], atol=0.012)


def test_estimated_bounds_scatter_around_the_true_ones():
    estimates, truth = [], []
    for seed in range(12):
        cohort = simulated(seed=seed, n_replicates=6)
        bounds, true = upper_bounds(cohort), true_upper_bound(cohort).set_index(["score", "knows", "trait"])
        for score in (POOLED, WITHIN):
            for trait in ("t0", "t1"):
                estimates.append(pick(bounds, score, trait=trait)["bound"])
                truth.append(true.loc[(score, GENETIC_AND_COUNTRY, trait), "expected"])
    assert np.mean(estimates) == pytest.approx(np.mean(truth), abs=0.015)
    assert np.corrcoef(estimates, truth)[0, 1] > 0.8


def test_true_values_that_do_not_vary_correlate_with_nothing():
    table = true_upper_bound(simulated(genetic=0.0))
    zero = table[(table["knows"] == GENETIC) | (table["score"] == WITHIN)]
    np.testing.assert_allclose(zero[["expected", "realised"]], 0, atol=1e-12)
    pooled = table[(table["knows"] == GENETIC_AND_COUNTRY) & (table["score"] == POOLED)]
    assert (pooled["expected"] > 0.2).all()


# -------------------------------------------------------------------------------------------- simulation


def test_simulated_estimates_equal_those_of_a_cohort_with_the_same_statistics():
    simulation = simulate_bounds((90, 70), 1, 4, [3, 5], intervals=["exact F"], n_simulations=400, seed=2)
    table = bound_coverage(simulation).set_index("n_replicates")
    for k in (3, 5):
        assert table.loc[k, "true"] == pytest.approx(np.sqrt(1 / (1 + 4 / k)))
        assert table.loc[k, "mean"] == pytest.approx(table.loc[k, "true"], abs=0.01)
        part = simulation[simulation["n_replicates"] == k]
        assert table.loc[k, "sd"] == pytest.approx(part["estimate"].std())
        assert table.loc[k, "coverage"] + table.loc[k, "too_low"] + table.loc[k, "too_high"] == pytest.approx(
            1
        )
    # The same model written as a cohort: its bounds have the same mean and spread.
    country = np.repeat(["SWE", "ESP"], [90, 70])
    random = np.random.default_rng(7)
    true = random.normal(size=(160, 400))
    values = true[:, :, None] + random.normal(0, 2, (160, 400, 3))
    bounds = upper_bounds(cohort_of(values, country))
    found = bounds[
        (bounds["score"] == WITHIN) & (bounds["against"] == TRUTH) & (bounds["measure"] == PEARSON)
    ][:-1]
    assert found["bound"].mean() == pytest.approx(table.loc[3, "mean"], abs=0.012)
    assert found["bound"].std() == pytest.approx(table.loc[3, "sd"], rel=0.2)


def test_single_labels_have_the_bound_of_one_measurement():
    table = bound_coverage(
        simulate_bounds(400, 1, 4, [2, 6], label="single", intervals=["exact F"], n_simulations=200)
    )
    np.testing.assert_allclose(table["true"], np.sqrt(1 / 5))
    np.testing.assert_allclose(table["mean"], np.sqrt(1 / 5), atol=0.015)
    assert table["sd"].is_monotonic_decreasing


@pytest.mark.parametrize("label", ["mean", "single"])
def test_chance_to_exceed_the_true_bound_follows_from_fishers_z(label):
    n, shares = 150, [0.8, 1.0]
    table = chance_to_exceed(n, 1, 3, [3], shares, label=label, n_simulations=2000)
    best = np.sqrt(1 / (1 + (3 / 3 if label == "mean" else 3)))
    for row in table.itertuples():
        r = row.share * best
        # Var z = 1/(n - 3) and bias r / (2 (n - 1)).
        z = (np.arctanh(best) - np.arctanh(r) - r / (2 * (n - 1))) * np.sqrt(n - 3)
        assert row.true == pytest.approx(best)
        assert row.score == pytest.approx(r, abs=0.01)
        assert row.exceeds_true == pytest.approx(stats.norm.sf(z), abs=0.03)  # standard error 0.011


def test_a_perfect_model_exceeds_the_estimated_bound_about_every_second_time():
    table = chance_to_exceed((120, 80, 60), 1, 6, [2, 6], [0.5, 0.9, 1.0], n_simulations=500).set_index(
        ["n_replicates", "share"]
    )
    for k in (2, 6):
        assert table.loc[(k, 1.0), "exceeds"] == pytest.approx(0.5, abs=0.1)
        assert table.loc[k]["exceeds"].is_monotonic_increasing
        assert (table.loc[k]["exceeds_interval"] < table.loc[k]["exceeds"] + 1e-12).all()
    # Few replicates make a poor estimate, which a half-good model exceeds more often.
    assert table.loc[(2, 0.5), "exceeds"] > table.loc[(6, 0.5), "exceeds"]


def test_seed_decides_the_simulation():
    options = {"signal_variance": 1, "noise_variance": 3, "n_replicates": [3], "n_simulations": 20}
    for function, more in ((simulate_bounds, {"n_bootstrap": 20}), (chance_to_exceed, {})):
        one, again, other = (function(40, **options, **more, seed=s) for s in (1, 1, 2))
        pd.testing.assert_frame_equal(one, again)
        assert not one.equals(other)


# --------------------------------------------------------------------------------------------- bad input


def test_cohorts_without_what_is_needed_are_refused():
    cohort = cohort_of(measurements(1), COUNTRY)
    for function in (upper_bounds, measurement_noise):
        with pytest.raises(ValueError, match="The cohort 'toy' has no replicates"):
            function(cohort.drop_vars("replicate_value"))
        with pytest.raises(ValueError, match="No accession was measured twice"):
            function(cohort.isel(replicate=[0]))
        with pytest.raises(ValueError, match="No accession was measured twice"):
            function(cohort.isel(sample=[]))
    with pytest.raises(ValueError, match="has no 'truth_genetic_value'; it is not a simulated one"):
        true_upper_bound(cohort)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "median"}, "label is 'median'; allowed are mean, single"),
        ({"interval": "F"}, "interval is 'F'; allowed are adjusted F, exact F, bootstrap"),
        ({"level": 95}, "level is 95; allowed are values between 0 and 1"),
    ],
)
def test_wrong_options_of_bounds_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        upper_bounds(cohort_of(measurements(1), COUNTRY), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_accessions": 3}, "n_accessions is 3; allowed are numbers from 4 upwards"),
        ({"n_accessions": ()}, "n_accessions is"),
        ({"noise_variance": 0}, "noise_variance is 0; allowed are numbers above 0"),
        ({"signal_variance": -1}, "signal_variance is -1; allowed are numbers above 0"),
        ({"n_replicates": [1]}, r"n_replicates is \[1\]; allowed are whole numbers from 2 upwards"),
        ({"distribution": "cauchy"}, "distribution is 'cauchy'; allowed are normal, laplace, uniform"),
        ({"label": "both"}, "label is 'both'; allowed are mean, single"),
        ({"level": 2}, "level is 2"),
    ],
)
def test_wrong_options_of_simulations_are_refused(options, message):
    good = {"n_accessions": 20, "signal_variance": 1, "noise_variance": 1}
    for function in (simulate_bounds, chance_to_exceed):
        with pytest.raises(ValueError, match=message):
            function(**good | options)


def test_shares_and_intervals_of_simulations_are_checked():
    with pytest.raises(ValueError, match=r"A share of the bound is 1\.5; allowed are values from 0 to 1"):
        chance_to_exceed(20, 1, 1, shares=[0.5, 1.5])
    with pytest.raises(ValueError, match="interval is 'F'; allowed"):
        simulate_bounds(20, 1, 1, intervals=["F"])


def test_scores_of_predictions_and_bounds_of_their_cohort_go_together():
    cohort = simulated()
    labels = cohort["trait_value"].to_pandas().to_numpy()
    true = (cohort["truth_genetic_value"] + cohort["truth_country_effect"]).values
    table = pd.DataFrame(
        {
            "sample": np.repeat([f"s{i:03d}" for i in range(len(COUNTRY))], 2),
            "trait": np.tile(["t0", "t1"], len(COUNTRY)),
            "model": "perfect",
            "split": "random",
            "repeat": 0,
            "observed": labels.ravel(),
            "predicted": true.ravel(),
            "country": np.repeat(COUNTRY, 2),
        }
    ).dropna(subset="observed")
    scores = correlations(table, n_bootstrap=0)
    percent = percent_of_bound(scores, upper_bounds(cohort))
    assert len(percent) == len(scores) == 6
    # A perfect model is at its bound: within 10 % here, on either side.
    np.testing.assert_allclose(percent["percent"], 100, atol=10)
    realised = (
        true_upper_bound(cohort)
        .query("knows == @GENETIC_AND_COUNTRY")
        .set_index(["trait", "score"])["realised"]
    )
    for row in scores.itertuples():
        assert row.estimate == pytest.approx(realised[row.trait, row.score], rel=1e-9)
