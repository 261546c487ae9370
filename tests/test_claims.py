"""What the book says about scores holds on simulated data, where the truth is known: nothing comes from nothing, and
more heritability gives more, up to the bound."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.special import gammaln

from gi_lib.datasets.simulate import simulate_genomes, simulate_traits
from gi_lib.evaluation import (
    MEAN_OVER_TRAITS,
    bound_coverage,
    correlations,
    country_correlations,
    fold_scores,
    simulate_bounds,
    true_upper_bound,
)
from gi_lib.lineup import baselines, pathway_layers, published_models
from gi_lib.models import GBLUP, ridge
from gi_lib.training import GalianaRegressor
from gi_lib.validation import Model, RandomFolds, cross_validate

# One group: on two workers, each would train the networks of the fixtures.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("claims")]

ENOUGH = 15
FOLDS = 5
EVERYBODY = (
    *("Galiana", "transf50", "transf30", "frozen200", "frozen500", "BMSNN100", "BMSNN50", "GPSNN"),
    *("country mean", "map neighbours", "ridge on counts", "GBLUP", "ridge on components", "GBLUP with GPS"),
)


@pytest.fixture(scope="module")
def genomes() -> xr.Dataset:
    """The simulated accessions of the book with a quarter of their genes and markers: networks train faster."""
    return simulate_genomes("demo", 1).isel(gene=slice(None, None, 4), marker=slice(None, None, 4))


@pytest.fixture(scope="module", autouse=True)
def complete_labels():
    """No label is missing: linear models fit traits that lack none together, not one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gi_lib.datasets.simulate.traits.MISSING_LABELS", 0)
        yield


# ----------------------------------------------------------------------------------- nothing comes from nothing


@pytest.fixture(scope="module")
def from_nothing(genomes, one_thread) -> pd.DataFrame:
    """Predictions of the whole line-up for 60 traits with country effects and without any genetics."""
    cohort = simulate_traits(genomes, 60, country_share=0.4, genetic_signal=False, n_pathways=8, seed=3)
    # A source task as empty as the task: the countries and noise of other traits.
    other = simulate_traits(genomes, 12, country_share=0.4, genetic_signal=False, n_pathways=8, seed=4)
    cohort["source_trait_value"] = ("sample", "source_trait"), other["trait_value"].values
    models = published_models(cohort, pathway_layers(cohort), epochs=6, source_epochs=4, device="cpu")
    models += baselines(cohort)
    assert tuple(model.name for model in models) == EVERYBODY
    return cross_validate(cohort, models, RandomFolds(FOLDS, 1, 3), seed=3)


def fold_by_fold(predictions: pd.DataFrame) -> pd.Series:
    """Correlation inside every country and fold, averaged, by model and trait.

    Its expectation is zero for whatever model if there is nothing to know within countries: given what a model has
    learned from, the held-out accessions of one country in one fold are exchangeable.
    """
    table = fold_scores(predictions, ENOUGH, min_in_fold=3)
    table = table[(table["score"] == "within country") & (table["trait"] != MEAN_OVER_TRAITS)]
    return table.groupby(["model", "trait"], sort=False)["estimate"].mean()


@pytest.fixture(scope="module")
def scores_from_nothing(from_nothing) -> pd.DataFrame:
    """One row per model and trait: pooled, within country, and the latter fold by fold."""
    table = correlations(from_nothing, ENOUGH, n_bootstrap=0)
    wide = table.pivot(index=["model", "trait"], columns="score", values="estimate")
    return wide.assign(**{"fold by fold": fold_by_fold(from_nothing)}).drop(MEAN_OVER_TRAITS, level="trait")


def interval_over_traits(values: pd.Series, level: float) -> tuple[float, float]:
    """Student's t interval of the mean; traits without genetics are independent given the accessions."""
    return stats.t.interval(level, len(values) - 1, values.mean(), stats.sem(values))


@pytest.mark.parametrize("model", [name for name in EVERYBODY if name != "country mean"])
def test_within_countries_nothing_is_found_where_nothing_is(scores_from_nothing, model):
    # 99.9 %: thirteen models are looked at.
    low, high = interval_over_traits(scores_from_nothing.loc[model, "fold by fold"], 0.999)
    assert low <= 0 <= high
    assert high - low < 0.1  # so that a score of 0.05 would show


def test_a_tenth_of_heritability_would_have_been_found(genomes):
    cohort = simulate_traits(genomes, 60, country_share=0.4, heritability=0.1, n_pathways=8, seed=3)
    predictions = cross_validate(cohort, [Model("GBLUP", GBLUP(), "dosage")], RandomFolds(FOLDS, 1, 3), 3)
    low, _ = interval_over_traits(fold_by_fold(predictions).loc["GBLUP"], 0.999)
    assert low > 0


@pytest.mark.parametrize("model", EVERYBODY)
def test_pooled_scores_come_from_countries_alone(scores_from_nothing, model):
    low, _ = interval_over_traits(scores_from_nothing.loc[model, "pooled"], 0.999)
    assert low > 0.03


@pytest.mark.parametrize("model", EVERYBODY)
def test_the_published_score_errs_to_the_safe_side(scores_from_nothing, model):
    # All folds of a country together: held-out accessions lie against those learned from, so the zero is below zero.
    low, _ = interval_over_traits(scores_from_nothing.loc[model, "within country"], 0.999)
    assert low < 0


def expected_from_means(n: np.ndarray, k: int = FOLDS) -> np.ndarray:
    """Mean correlation of noise with the means of the other folds: minus the root of a beta variable."""
    return -np.exp(gammaln(k / 2) + gammaln((n - 1) / 2) - gammaln((k - 1) / 2) - gammaln(n / 2))


def test_the_country_mean_is_as_far_below_zero_as_its_formula_says(from_nothing, scores_from_nothing):
    cells = country_correlations(from_nothing[from_nothing["model"] == "country mean"], ENOUGH)
    by_country = cells.groupby("country")["correlation"]
    # Per country: the folds are not of one size there, as the formula has them, which costs up to 0.03.
    expected = expected_from_means(cells.groupby("country")["n"].mean())
    assert (by_country.mean() - expected).abs().max() < 0.03 + 3.5 * by_country.sem().max()
    overall = scores_from_nothing.loc["country mean", "within country"].mean()
    assert overall == pytest.approx(expected.mean(), abs=0.03)
    # The simple form of the book, -√((k - 1)/(n - 1)), is a little too far from zero, in small countries most.
    simple = -np.sqrt((FOLDS - 1) / (cells["n"] - 1))
    assert np.all(simple < expected_from_means(cells["n"]))
    assert overall == pytest.approx(simple.mean(), abs=0.05)
    # Inside a fold it says the same about all.
    assert np.abs(scores_from_nothing.loc["country mean", "fold by fold"]).max() < 1e-12


# ------------------------------------------------------------------------------------------ more gives more

HERITABILITY = (0.1, 0.4, 0.8)
TRAITS_EACH = 8


@pytest.fixture(scope="module")
def of_three_heritabilities(genomes, one_thread) -> tuple[dict, dict]:
    """Within-country scores and true bounds of each heritability."""
    cohort = simulate_traits(
        genomes, 3 * TRAITS_EACH, heritability=np.repeat(HERITABILITY, TRAITS_EACH), n_pathways=8, seed=5
    )
    models = [
        Model("GBLUP", GBLUP(), "dosage"),
        Model("ridge", ridge(), "flat counts"),
        Model("Galiana", GalianaRegressor(epochs=12, learning_rate=1e-3, device="cpu"), "counts"),
    ]
    predictions = cross_validate(cohort, models, RandomFolds(FOLDS, 1, 5), seed=5)
    scores, bounds = {}, {}
    for i, value in enumerate(HERITABILITY):
        traits = cohort["trait"].values[i * TRAITS_EACH : (i + 1) * TRAITS_EACH]
        table = correlations(predictions[predictions["trait"].isin(traits)], ENOUGH, seed=5)
        table = table[(table["trait"] == MEAN_OVER_TRAITS) & (table["score"] == "within country")]
        scores[value] = table.set_index("model")
        bound = true_upper_bound(cohort.sel(trait=traits), ENOUGH)
        bound = bound[(bound["trait"] == MEAN_OVER_TRAITS) & (bound["score"] == "within country")]
        bounds[value] = bound.set_index("knows")["expected"]["genetic value"]
    return scores, bounds


@pytest.mark.parametrize("model", ["GBLUP", "ridge", "Galiana"])
def test_the_score_rises_with_heritability_and_stays_under_the_bound(of_three_heritabilities, model):
    scores, bounds = of_three_heritabilities
    some, more, most = (scores[value].loc[model] for value in HERITABILITY)
    assert some["high"] < more["low"] and more["high"] < most["low"]
    for value in HERITABILITY:
        row = scores[value].loc[model]
        assert row["low"] < bounds[value]
        assert row["estimate"] < bounds[value]  # a model that learned from 256 accessions is not near perfect
    assert most["low"] > 0.2


def test_the_true_bound_is_the_root_of_the_heritability_where_countries_do_not_matter(
    of_three_heritabilities,
):
    # Within countries the genetic variance is smaller than over all, so the bound lies a little below the root.
    _, bounds = of_three_heritabilities
    for value, bound in bounds.items():
        assert np.sqrt(value) - 0.12 < bound < np.sqrt(value) + 0.02


# ----------------------------------------------------------------------------------------- honest intervals


@pytest.mark.parametrize("sizes", [300, (243, 180, 123, 118, 73, 69, 60)], ids=["pooled", "seven countries"])
@pytest.mark.parametrize("interval", ["adjusted F", "exact F"])
@pytest.mark.parametrize("reliability", [0.2, 0.7])
def test_intervals_of_the_bound_cover_it_as_often_as_they_say(sizes, interval, reliability):
    # Labels are means of six replicates; normal values, for which both kinds of interval are made.
    noise = 6 * (1 - reliability) / reliability
    simulated = simulate_bounds(
        sizes, 1.0, noise, (6,), intervals=(interval,), n_simulations=400, n_bootstrap=2, seed=7
    )
    row = bound_coverage(simulated).iloc[0]
    assert row["true"] == pytest.approx(np.sqrt(reliability))
    # What 400 intervals of true coverage 95 % can show, at 99.9 %.
    low, high = stats.binom.interval(0.999, 400, 0.95)
    assert low <= 400 * row["coverage"] <= high
