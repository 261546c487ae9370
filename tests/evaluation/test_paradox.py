"""The decomposition against plain sums and pandas, its identity by hypothesis, and the paradox by construction."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from gi_lib.evaluation import (
    MEAN_OVER_TRAITS,
    classify_paradox,
    correlations,
    decompose_correlations,
    variance_between_countries,
    vertical_lines,
)
from gi_lib.evaluation.correlation import POOLED
from gi_lib.evaluation.paradox import (
    BETWEEN,
    ETA2_OBSERVED,
    ETA2_PREDICTED,
    FROM_BETWEEN,
    FROM_INSIDE,
    GAP,
    INSIDE,
    QUANTITIES,
)


def table_of(observed, predicted, country, model="m", repeat=0) -> pd.DataFrame:
    """Predictions table from arrays of shape (sample,) or (sample, trait)."""
    observed, predicted = (np.asarray(v, float).reshape(len(country), -1) for v in (observed, predicted))
    n_traits = observed.shape[1]
    table = pd.DataFrame(
        {
            "sample": np.repeat([f"s{i:04d}" for i in range(len(country))], n_traits),
            "trait": np.tile([f"t{i}" for i in range(n_traits)], len(country)),
            "model": model,
            "split": "random",
            "fold": 0,
            "repeat": repeat,
            "seed": 1,
            "observed": observed.ravel(),
            "predicted": predicted.ravel(),
            "country": np.repeat(country, n_traits),
        }
    )
    return table[table["observed"].notna()]


def example(n_traits=2, seed=0, missing=0.1, sizes=(60, 40, 25, 5, 1, 30), **options) -> pd.DataFrame:
    """Countries of all sizes, the last one unknown."""
    random = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(sizes)), sizes)
    country = np.array(["SWE", "ESP", "UK", "RUS", "NED", ""])[code]
    level = random.normal(size=(2, len(sizes), n_traits))
    observed = level[0][code] + random.normal(size=(len(code), n_traits))
    predicted = 0.3 * observed + (0.5 * level[0] + 0.5 * level[1])[code] + random.normal(size=observed.shape)
    observed[random.random(observed.shape) < missing] = np.nan
    return table_of(observed, predicted, country, **options)


def estimates(decomposition, trait="t0", model="m") -> pd.Series:
    chosen = decomposition[(decomposition["trait"] == trait) & (decomposition["model"] == model)]
    assert list(chosen["quantity"]) == list(QUANTITIES)
    return chosen.set_index("quantity")["estimate"]


def plain(part) -> dict[str, float]:
    """All quantities of one trait's rows, by pandas."""
    means = part.groupby("country")[["observed", "predicted"]].transform("mean")
    deviations = part[["observed", "predicted"]] - means
    variances = [part[name].var(ddof=0) for name in ("observed", "predicted")]
    scale = np.sqrt(variances[0] * variances[1])
    pooled = pearsonr(part["observed"], part["predicted"]).statistic
    inside = pearsonr(deviations["observed"], deviations["predicted"]).statistic
    return {
        POOLED: pooled,
        FROM_BETWEEN: np.cov(means.T, ddof=0)[0, 1] / scale,
        FROM_INSIDE: np.cov(deviations.T, ddof=0)[0, 1] / scale,
        BETWEEN: pearsonr(means["observed"], means["predicted"]).statistic,
        INSIDE: inside,
        ETA2_OBSERVED: means["observed"].var(ddof=0) / variances[0],
        ETA2_PREDICTED: means["predicted"].var(ddof=0) / variances[1],
        GAP: pooled - inside,
    }


# ------------------------------------------------------------------------------------------ decomposition


@pytest.mark.parametrize("unknown", ["leave out", "own group"])
def test_all_quantities_equal_plain_computations(unknown):
    table = example(3)
    decomposition = decompose_correlations(table, unknown, n_bootstrap=5)
    for trait, part in table.groupby("trait"):
        part = part[part["country"] != ""] if unknown == "leave out" else part
        found = estimates(decomposition, trait)
        for quantity, value in plain(part).items():
            assert found[quantity] == pytest.approx(value, rel=1e-9), quantity


@given(
    st.integers(0, 100_000),
    st.lists(st.integers(1, 20), min_size=2, max_size=6),
    st.floats(-1e4, 1e4),
    st.floats(1e-3, 1e3),
)
@settings(deadline=None, max_examples=25)
def test_contributions_sum_to_the_pooled_correlation_and_are_products_of_their_parts(
    seed, sizes, shift, scale
):
    table = example(1, seed, 0.0, (*sizes, 3)[:6])
    table["observed"] = shift + scale * table["observed"]
    found = estimates(decompose_correlations(table, "own group", n_bootstrap=0))
    assert found[FROM_BETWEEN] + found[FROM_INSIDE] == pytest.approx(found[POOLED], abs=1e-9)
    y, p = found[ETA2_OBSERVED], found[ETA2_PREDICTED]
    assert found[FROM_BETWEEN] == pytest.approx(np.sqrt(y * p) * found[BETWEEN], abs=1e-8)
    assert found[FROM_INSIDE] == pytest.approx(np.sqrt((1 - y) * (1 - p)) * found[INSIDE], abs=1e-8)
    assert 0 <= y <= 1
    assert 0 <= p <= 1
    assert found[GAP] == pytest.approx(found[POOLED] - found[INSIDE], abs=1e-12)


def test_every_resample_keeps_the_identity_with_whole_weights():
    """The estimate on a table in which accessions are repeated, as in a resample, is the decomposition of it."""
    from gi_lib.evaluation.paradox import _decompose

    random = np.random.default_rng(0)
    y, p = random.normal(size=(2, 40, 2))
    y[::7, 0] = np.nan
    countries = [np.arange(25), np.arange(25, 37), np.arange(37, 40)]
    weights = random.integers(0, 4, (3, 40)).astype(float)
    draws, n_countries = _decompose(y, p, countries, weights)
    assert n_countries.tolist() == [3, 3]
    country = np.repeat(["a", "b", "c"], [25, 12, 3])
    for draw, weight in enumerate(weights.astype(int)):
        for t in range(2):
            part = pd.DataFrame(
                {name: np.repeat(v, weight) for name, v in (("observed", y[:, t]), ("predicted", p[:, t]))}
            )
            part["country"] = np.repeat(country, weight)
            expected = plain(part.dropna())
            np.testing.assert_allclose(draws[:, draw, t], [expected[q] for q in QUANTITIES], rtol=1e-8)


def test_the_share_of_the_labels_is_that_of_the_analysis_of_variance():
    table = example(1)
    found = estimates(decompose_correlations(table, n_bootstrap=0))
    expected = variance_between_countries(table["observed"], table["country"], 0)["r2"]
    assert found[ETA2_OBSERVED] == pytest.approx(expected, rel=1e-9)


def test_with_unknown_countries_as_a_group_the_pooled_row_is_the_pooled_score():
    table = pd.concat([example(2), example(2, seed=3, model="other")])
    ours = decompose_correlations(table, "own group", n_bootstrap=30)
    ours = ours[ours["quantity"] == POOLED].set_index(["model", "trait"])
    theirs = correlations(table, n_bootstrap=30)
    theirs = theirs[theirs["score"] == POOLED].set_index(["model", "trait"])
    for name in ("estimate", "low", "high"):
        np.testing.assert_allclose(ours[name], theirs[name].reindex(ours.index), rtol=1e-9)


def test_left_out_accessions_change_nothing():
    table = example(1, missing=0)
    known = decompose_correlations(table[table["country"] != ""], n_bootstrap=20)
    pd.testing.assert_frame_equal(decompose_correlations(table, n_bootstrap=20), known)
    assert known["countries"].tolist() == [5] * len(QUANTITIES)


def test_repeats_and_traits_are_averaged_and_sums_stay_exact():
    one, two = example(2, missing=0), example(2, seed=1, missing=0, repeat=1)
    two["observed"] = one["observed"].to_numpy()
    both = decompose_correlations(pd.concat([one, two]), n_bootstrap=9)
    alone = [decompose_correlations(part, n_bootstrap=9) for part in (one, two)]
    for trait in ("t0", "t1"):
        expected = sum(estimates(part, trait) for part in alone) / 2
        np.testing.assert_allclose(estimates(both, trait), expected, rtol=1e-9)
    mean = estimates(both, MEAN_OVER_TRAITS)
    np.testing.assert_allclose(mean, (estimates(both, "t0") + estimates(both, "t1")) / 2, rtol=1e-9)
    assert mean[FROM_BETWEEN] + mean[FROM_INSIDE] == pytest.approx(mean[POOLED], abs=1e-12)
    assert MEAN_OVER_TRAITS not in set(decompose_correlations(example(1), n_bootstrap=0)["trait"])


def test_predictions_that_are_missing_leave_their_accession_out():
    table = example(1, missing=0)
    table.loc[table.index[::9], "predicted"] = np.nan
    found = estimates(decompose_correlations(table, n_bootstrap=5))
    for quantity, value in plain(table[table["country"] != ""].dropna()).items():
        assert found[quantity] == pytest.approx(value, rel=1e-9)


# ------------------------------------------------------------------------------------------ special cases


def test_a_model_of_country_means_has_all_its_correlation_between_countries():
    random = np.random.default_rng(0)
    level = np.repeat([0.1, 5.3, 10.7], [80, 60, 40])
    country = np.repeat(["SWE", "ESP", "ITA"], [80, 60, 40])
    table = table_of(level + random.normal(size=180), level, country)
    decomposition = decompose_correlations(table, n_bootstrap=100)
    found = estimates(decomposition)
    assert found[POOLED] == pytest.approx(found[FROM_BETWEEN], rel=1e-9)
    assert found[POOLED] > 0.9
    assert found[[FROM_INSIDE, INSIDE]].abs().max() < 1e-9
    assert found[ETA2_PREDICTED] == pytest.approx(1, abs=1e-12)
    lines = vertical_lines(decomposition).set_index("variable")
    np.testing.assert_allclose(
        lines.loc["predicted", ["estimate", "low", "high"]].astype(float), 0, atol=1e-9
    )
    assert 0 < lines.loc["observed", "low"] < 1 - found[ETA2_OBSERVED] < lines.loc["observed", "high"] < 1
    assert classify_paradox(decomposition)["paradox"].item() == "vanishes"


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_predictions_that_are_all_equal_correlate_with_nothing_and_have_no_share(value):
    table = example(1)
    decomposition = decompose_correlations(table.assign(predicted=value), n_bootstrap=20)
    found = estimates(decomposition)
    zero = [POOLED, FROM_BETWEEN, FROM_INSIDE, BETWEEN, INSIDE, GAP]
    assert (found[zero] == 0).all()
    assert np.isnan(found[ETA2_PREDICTED])
    assert np.isfinite(found[ETA2_OBSERVED])
    assert classify_paradox(decomposition)["paradox"].item() == "undecided"


def test_in_a_single_country_everything_is_within():
    table = example(1)
    decomposition = decompose_correlations(table[table["country"] == "SWE"], n_bootstrap=20)
    found = estimates(decomposition)
    assert found[POOLED] == pytest.approx(found[INSIDE], rel=1e-9)
    assert found[FROM_INSIDE] == pytest.approx(found[POOLED], rel=1e-9)
    np.testing.assert_allclose(found[[FROM_BETWEEN, ETA2_OBSERVED, ETA2_PREDICTED, GAP]], 0, atol=1e-9)
    assert np.isnan(found[BETWEEN])


def test_countries_of_one_accession_each_leave_nothing_within():
    random = np.random.default_rng(0)
    table = table_of(*random.normal(size=(2, 12)), [f"c{i}" for i in range(12)])
    found = estimates(decompose_correlations(table, n_bootstrap=3))
    assert found[FROM_BETWEEN] == pytest.approx(found[POOLED], rel=1e-9)
    assert found[INSIDE] == 0
    assert found[ETA2_OBSERVED] == pytest.approx(1)


def test_a_trait_with_few_labels_gets_numbers_without_a_warning():
    table = example(2, missing=0)
    few = table[(table["trait"] == "t0") | (table.groupby("trait").cumcount() < 3)]
    with np.errstate(invalid="warn"):
        decomposition = decompose_correlations(few, n_bootstrap=100)
    assert np.isfinite(estimates(decomposition, "t0")).all()
    assert decomposition[decomposition["trait"] == "t1"]["countries"].eq(1).all()


# ---------------------------------------------------------------------------------------------- intervals


def test_intervals_hold_their_estimate_and_cover_also_with_many_small_countries():
    random = np.random.default_rng(0)
    sizes = random.integers(1, 40, 40)
    code, n_traits = np.repeat(np.arange(40), sizes), 150
    a = random.normal(size=40)
    b = 0.8 * a + 0.6 * random.normal(size=40)
    observed = 0.7 * a[code][:, None] + random.normal(size=(len(code), n_traits))
    predicted = 0.7 * b[code][:, None] + 0.3 * observed + random.normal(size=observed.shape)
    table = table_of(observed, predicted, [f"c{i}" for i in code])
    decomposition = decompose_correlations(table, n_bootstrap=200)
    decomposition = decomposition[decomposition["trait"] != MEAN_OVER_TRAITS]
    # The traits are repetitions of one experiment: their mean is the expectation. Standard error 0.018.
    for quantity, part in decomposition.groupby("quantity"):
        assert ((part["low"] <= part["estimate"]) & (part["estimate"] <= part["high"])).all(), quantity
        covered = (
            (part["low"] <= part["estimate"].mean()) & (part["estimate"].mean() <= part["high"])
        ).mean()
        assert covered > 0.88, quantity


def test_seed_decides_the_resamples_and_not_the_estimate():
    one, again, other = (decompose_correlations(example(1), n_bootstrap=30, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    pd.testing.assert_series_equal(one["estimate"], other["estimate"])
    assert not one["low"].equals(other["low"])


def test_without_resamples_there_are_estimates_and_no_intervals():
    decomposition = decompose_correlations(example(1), n_bootstrap=0)
    assert decomposition["estimate"].notna().all()
    assert decomposition[["low", "high"]].isna().all(axis=None)
    assert classify_paradox(decomposition)["paradox"].item() == "undecided"


# --------------------------------------------------------------------------------------------- the paradox


def decomposition_of(pooled, within, gap) -> pd.DataFrame:
    rows = [
        ("m", "t0", quantity, (low + high) / 2, low, high, 5)
        for quantity, (low, high) in ((POOLED, pooled), (INSIDE, within), (GAP, gap))
    ]
    return pd.DataFrame(rows, columns=["model", "trait", "quantity", "estimate", "low", "high", "countries"])


@pytest.mark.parametrize(
    ("pooled", "within", "gap", "paradox"),
    [
        ((0.3, 0.5), (-0.4, -0.2), (0.5, 0.9), "reversal"),
        ((0.3, 0.5), (-0.09, -0.01), (0.3, 0.6), "reversal"),  # small, but surely of the other sign
        ((0.3, 0.5), (-0.05, 0.05), (0.3, 0.5), "vanishes"),
        ((0.3, 0.5), (0.01, 0.09), (0.3, 0.5), "vanishes"),
        ((0.3, 0.5), (0.1, 0.25), (0.1, 0.3), "shrinks"),
        ((0.3, 0.5), (0.25, 0.5), (-0.05, 0.1), "holds"),
        ((0.3, 0.5), (-0.05, 0.15), (0.2, 0.5), "undecided"),  # too wide to call it zero
        ((-0.1, 0.1), (-0.05, 0.05), (-0.1, 0.1), "undecided"),  # nothing to explain
        ((-0.1, 0.3), (0.2, 0.4), (-0.3, -0.1), "undecided"),
    ],
)
def test_classes_are_decided_by_intervals_and_alike_for_both_signs(pooled, within, gap, paradox):
    assert classify_paradox(decomposition_of(pooled, within, gap))["paradox"].item() == paradox
    mirrored = decomposition_of(*((-high, -low) for low, high in (pooled, within, gap)))
    assert classify_paradox(mirrored)["paradox"].item() == paradox


def test_what_counts_as_zero_is_a_choice():
    decomposition = decomposition_of((0.5, 0.7), (0.05, 0.15), (0.4, 0.6))
    assert classify_paradox(decomposition, 0.1)["paradox"].item() == "shrinks"
    assert classify_paradox(decomposition, 0.2)["paradox"].item() == "vanishes"


def test_simpsons_paradox_is_recognised_from_predictions():
    random = np.random.default_rng(0)
    country = np.repeat(["SWE", "ESP", "ITA"], 100)
    level, step = np.repeat([0.0, 4.0, 8.0], 100), random.normal(size=300)
    noise = random.normal(size=(4, 300))
    models = {
        "reversed": level - step + 0.5 * noise[0],
        "places": level + 0.5 * noise[1],
        "genes": step + 0.5 * noise[2],
        "both": 0.5 * level + step + 0.5 * noise[3],
    }
    table = pd.concat([table_of(level + step, p, country, model=name) for name, p in models.items()])
    decomposition = decompose_correlations(table, n_bootstrap=300)
    classes = classify_paradox(decomposition, near_zero=0.2).set_index("model")
    assert list(classes.index) == list(models)
    assert classes.loc["reversed", "paradox"] == "reversal"
    assert classes.loc["places", "paradox"] == "vanishes"
    # A model of genes alone is better within countries than over all: no reason for a warning.
    assert classes.loc["genes", "paradox"] == "holds"
    assert classes.loc["genes", "gap"] < 0
    lines = vertical_lines(decomposition).set_index(["model", "variable"])["estimate"]
    assert lines["places", "predicted"] < 0.1 < 0.9 < lines["genes", "predicted"]
    assert lines["places", "observed"] == pytest.approx(lines["genes", "observed"])


def test_vertical_lines_turn_shares_and_intervals_around():
    decomposition = decompose_correlations(example(2), n_bootstrap=50)
    lines = vertical_lines(decomposition)
    assert len(lines) == 2 * 3
    for row in lines.itertuples():
        quantity = {"observed": ETA2_OBSERVED, "predicted": ETA2_PREDICTED}[row.variable]
        chosen = decomposition[
            (decomposition["trait"] == row.trait) & (decomposition["quantity"] == quantity)
        ].iloc[0]
        assert (row.estimate, row.low, row.high) == pytest.approx(
            (1 - chosen["estimate"], 1 - chosen["high"], 1 - chosen["low"])
        )


# ---------------------------------------------------------------------------------------------- bad input


def test_bad_tables_and_options_are_refused():
    table = example(1)
    with pytest.raises(ValueError, match="The predictions table is empty"):
        decompose_correlations(table.head(0))
    with pytest.raises(ValueError, match=r"several splits \(random, by country\); give one"):
        decompose_correlations(pd.concat([table, table.assign(split="by country")]))
    with pytest.raises(ValueError, match="The predictions table has no column 'country'"):
        decompose_correlations(table.drop(columns="country"))
    with pytest.raises(ValueError, match="has more than one prediction of t0 by m in repeat 0"):
        decompose_correlations(pd.concat([table, table.head(1)]))
    with pytest.raises(ValueError, match="No accession in the predictions table has a country"):
        decompose_correlations(table.assign(country=""))
    with pytest.raises(ValueError, match="unknown is 'drop'; allowed are leave out, own group"):
        decompose_correlations(table, "drop")
    with pytest.raises(ValueError, match="level is 95; allowed are values between 0 and 1"):
        decompose_correlations(table, level=95)
    with pytest.raises(ValueError, match="near_zero is 2; allowed are values from 0 to below 1"):
        classify_paradox(decompose_correlations(table, n_bootstrap=3), near_zero=2)
