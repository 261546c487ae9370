"""The models for panels: one harness, nothing learned from test lines, and the published correlations of GBLUP."""

import numpy as np
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

from gi_lib.cohorts import load_cohort
from gi_lib.cohorts.panels import FILES, TABLE_1, load_panel, one_gene_per_marker, one_trait
from gi_lib.datasets.cohort import MISSING_DOSAGE, validate_cohort
from gi_lib.datasets.simulate.shoot_branching import signal_edges, simulate_shoot_branching
from gi_lib.encoding.markers import DosageImputer, filter_markers
from gi_lib.evaluation import fold_scores
from gi_lib.lineup import binn_models, panel_models, suitable_models
from gi_lib.models import BINN, DenseNetwork, ElasticNet, count_parameters
from gi_lib.validation import Model, RandomFolds, cross_validate
from gi_lib.validation.cross_validation import seeded
from gi_lib.validation.splits import Fold

pytestmark = pytest.mark.usefixtures("one_thread")


def made_panel(n: int = 60, p: int = 40, seed: int = 0) -> xr.Dataset:
    random = np.random.default_rng(seed)
    dosage = random.integers(0, 3, (n, p)).astype(np.uint8)
    trait = dosage[:, :4].sum(axis=1) + random.normal(0, 1, n)
    dosage[random.random((n, p)) < 0.05] = MISSING_DOSAGE
    return validate_cohort(
        xr.Dataset(
            {"dosage": (("sample", "marker"), dosage), "trait_value": (("sample", "trait"), trait[:, None])},
            coords={
                "sample": [f"s{i}" for i in range(n)],
                "trait": ["height"],
                "country": ("sample", [""] * n),
                "latitude": ("sample", np.full(n, np.nan)),
                "longitude": ("sample", np.full(n, np.nan)),
                "chromosome": ("marker", ["1"] * p),
                "position": ("marker", np.arange(p)),
            },
            attrs={"name": "made", "data_kind": "simulated"},
        )
    )


MODELS = panel_models(n_iterations=60, burn_in=20, inner_folds=2, device="cpu")
EVERY = [model for kind in MODELS.values() for model in kind]


class OneFold:
    """The first fifty lines for training, the rest for testing."""

    name = "one fold"

    def folds(self, cohort):
        lines = np.arange(cohort.sizes["sample"])
        yield Fold(0, 0, lines[:50], lines[50:])


@pytest.mark.parametrize("model", EVERY, ids=[model.name for model in EVERY])
def test_what_a_test_line_is_predicted_does_not_depend_on_the_others(model):
    """Neither through imputation nor through anything else."""
    panel = made_panel()
    changed = panel.copy(deep=True)
    changed["dosage"][51:, :] = 2  # all test lines but the first
    changed["trait_value"][50:, :] = 99.0
    first, second = (
        cross_validate(one, [model], OneFold(), cached=False).set_index("sample")["predicted"]
        for one in (panel, changed)
    )
    assert first["s50"] == pytest.approx(second["s50"], rel=1e-5)
    assert first.std() > 0


def test_names_are_unique_and_quick_ones_come_first():
    names = [model.name for model in EVERY]
    assert len(set(names)) == len(names) == 10
    assert names[:3] == ["NeuralLasso", "NeuralLasso as coded", "GBLUP"]


def test_every_model_that_suits_a_cohort_can_read_it():
    plants = one_gene_per_marker(simulate_shoot_branching(n_samples=60, seed=1))
    edges = signal_edges(plants)
    assert plants["gene"].values.tolist() == edges.source_names.tolist()
    assert np.array_equal(plants["counts"].values[:, :, 0], plants["dosage"].values)
    quick = {"epochs": 1, "n_iterations": 30, "burn_in": 5, "inner_folds": 2, "hidden": 4, "device": "cpu"}
    suitable = suitable_models(plants, (edges,), edges, **quick)
    names = [model.name for models in suitable.values() for model in models]
    assert len(set(names)) == len(names)
    assert {
        "Galiana",
        "BMSNN50",
        "NeuralLasso",
        "GBLUP",
        "BayesB",
        "BINN-soft",
        "dense network",
        "RKHS",
    } <= set(names)
    everybody = [model for models in suitable.values() for model in models if "NeuralLasso" not in model.name]
    table = cross_validate(plants, everybody, OneFold(), cached=False)  # NeuralLasso is tested above
    assert table.groupby("model")["predicted"].count().tolist() == [10] * len(everybody)
    assert table["predicted"].notna().all()


def test_models_are_left_out_where_a_cohort_lacks_what_they_read():
    suitable = suitable_models(made_panel())
    assert set(suitable) == {"Mathew et al. 2022", "left out by the papers"}
    names = {model.name for models in suitable.values() for model in models}
    assert {"GBLUP", "gradient boosting"} <= names
    assert not {"Galiana", "BMSNN50", "BINN-MSE", "ridge on counts"} & names


@pytest.mark.parametrize(("hidden", "n_markers"), [(16, 40), (128, 500)])
def test_the_dense_network_is_about_as_large_as_binn(hidden, n_markers):
    plants = simulate_shoot_branching(n_samples=40, n_neutral=n_markers - 40, seed=1)
    edges = signal_edges(plants)
    models = {model.name: model.estimator for model in binn_models(edges, n_markers, hidden=hidden)}
    ours = count_parameters(BINN(edges, hidden=hidden, integrator=hidden))
    dense = count_parameters(DenseNetwork(n_markers, hidden=models["dense network"].hidden))
    next_one = count_parameters(DenseNetwork(n_markers, hidden=models["dense network"].hidden + 1))
    assert dense <= ours < next_one
    assert models["BINN-MSE"].integrator == hidden


def test_parts_of_a_pipeline_get_the_seed_of_the_fold():
    pipeline = make_pipeline(DosageImputer(), ElasticNet())
    folds = [Fold(0, fold, np.arange(3), np.arange(3)) for fold in (0, 1)]
    seeds = [seeded(pipeline, 7, fold)["elasticnet"].seed for fold in folds]
    assert len({0, *seeds}) == 3
    assert seeds[0] == seeded(pipeline, 7, folds[0])["elasticnet"].seed


def test_calls_are_read_with_their_gaps_and_dosages_are_not():
    panel = made_panel()
    model = Model("imputed", make_pipeline(DosageImputer(), ElasticNet(n_penalties=3)), "calls")
    assert cross_validate(panel, [model], OneFold(), cached=False)["predicted"].notna().all()
    with pytest.raises(ValueError, match="impute them inside each training fold"):
        cross_validate(panel, [Model("bare", ElasticNet(), "dosage")], OneFold(), cached=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "column, published, repeats",
    [("ARK", 0.664, 5), ("ABR", 0.568, 10), ("FAD", 0.473, 5), ("AMY", 0.447, 5), ("weight", 0.512, 1)],
)
def test_gblup_reaches_the_published_correlations(column, published, repeats, use_mirror):
    """Of Mathew et al. 2022, Table 1; AMY is protein content, for amylose content would be near 0.8."""
    name, trait = TABLE_1[column]
    with use_mirror(*FILES[name]):
        panel = one_trait(filter_markers(load_panel(name))[0], trait)
    (gblup,) = (model for model in MODELS["quick"] if model.name == "GBLUP")
    predictions = cross_validate(panel, [gblup], RandomFolds(5, repeats, 1), cached=False)
    scores = fold_scores(predictions)
    mean = scores.loc[scores["score"] == "pooled", "estimate"].mean()
    assert mean == pytest.approx(published, abs=0.02)
    if column == "AMY":
        amylose = one_trait(filter_markers(load_panel(name))[0], TABLE_1["amylose"][1])
        found = fold_scores(cross_validate(amylose, [gblup], RandomFolds(5, 1, 1), cached=False))
        assert found.loc[found["score"] == "pooled", "estimate"].mean() > published + 0.25


def test_one_trait_keeps_the_labelled_lines():
    panel = made_panel()
    panel["trait_value"][:7, 0] = np.nan
    alone = one_trait(panel, "height")
    assert alone.sizes["sample"] == 53
    with pytest.raises(ValueError, match=r"'made' has no trait 'width'; it has height\."):
        one_trait(panel, "width")


def test_they_also_read_a_cohort_with_genes():
    cohort = load_cohort("simulated").isel(trait=slice(2), marker=slice(None, None, 40))
    models = [
        model for model in MODELS["quick"] if model.name in ("NeuralLasso", "GBLUP", "elastic net", "RKHS")
    ]
    predictions = cross_validate(cohort, models, RandomFolds(3), cached=False)
    scores = fold_scores(predictions)
    pooled = scores[scores["score"] == "pooled"].groupby(["model", "trait"])["estimate"].mean()
    assert len(pooled) == 4 * 3  # two traits and their mean
    assert (pooled > 0.1).all()
