"""Leaks that are planted are found, and sound analyses pass."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gi_lib.datasets.simulate import simulate_shoot_branching
from gi_lib.encoding.scaling import CountScaler, Flatten
from gi_lib.models import CountryMean, ExpressionPrior, map_neighbours, ridge
from gi_lib.training import (
    BINNRegressor,
    FrozenGalianaRegressor,
    GalianaRegressor,
    GPSNNRegressor,
    Held,
    learns_together,
)
from gi_lib.validation import CountryFolds, Fold, Model, RandomFolds, RegionFolds, find_leaks

pytestmark = pytest.mark.usefixtures("one_thread")
SPLIT = RandomFolds(4)
QUICK = {"epochs": 2, "hidden": 6, "device": "cpu"}
TRANSFER = FrozenGalianaRegressor(**QUICK, source_epochs=2, head_hidden=5)


@pytest.fixture
def cohort() -> xr.Dataset:
    n, random = 48, np.random.default_rng(0)
    counts = random.poisson(0.8, (n, 6, 3)).astype(np.uint8)
    # Only every other accession has labels of the source task.
    source = np.where(np.arange(n)[:, None] % 2, random.normal(size=(n, 3)), np.nan)
    return xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), counts),
            "dosage": (("sample", "marker"), random.choice([0, 2], (n, 30)).astype(np.uint8)),
            "trait_value": (("sample", "trait"), random.normal(10, 2, (n, 2))),
            "source_trait_value": (("sample", "source_trait"), source),
        },
        coords={
            "country": ("sample", np.array(["SWE", "ESP", "USA", "ITA"])[np.arange(n) % 4]),
            "latitude": ("sample", random.uniform(30, 65, n)),
            "longitude": ("sample", random.uniform(-10, 40, n)),
            "sample": [f"s{i}" for i in range(n)],
        },
        attrs={"name": "tiny"},
    )


SOUND = [
    Model("country mean", CountryMean(), "country"),
    Model("map neighbours", map_neighbours(5), "place"),
    Model("ridge on SNPs", ridge(), "dosage"),
    Model("Galiana", GalianaRegressor(**QUICK), "counts"),
    Model("frozen", TRANSFER, "counts"),
    Model("GPSNN", GPSNNRegressor(epochs=2, device="cpu"), "place"),
]


@pytest.mark.parametrize("model", SOUND, ids=lambda model: model.name)
def test_a_sound_analysis_passes(cohort, model):
    assert find_leaks(cohort, lambda raw: (raw, model), SPLIT) == []


def test_a_scaler_fitted_on_all_accessions_is_found(cohort):
    model = Model("Galiana", GalianaRegressor(**QUICK, scaling="raw"), "counts")

    def scaled_over_all(raw: xr.Dataset):
        scaled = CountScaler().fit(raw["counts"].values).transform(raw["counts"].values)
        return raw.assign(counts=(raw["counts"].dims, scaled)), model

    assert find_leaks(cohort, scaled_over_all, SPLIT) == [
        "The predictions depend on the genomes of other accessions to be predicted."
    ]


def test_a_trait_mean_over_all_accessions_is_found(cohort):
    def centred_over_all(raw: xr.Dataset):
        return raw.assign(trait_value=raw["trait_value"] - raw["trait_value"].mean("sample")), SOUND[0]

    assert find_leaks(cohort, centred_over_all, SPLIT) == [
        "The predictions depend on the labels of the accessions to be predicted."
    ]


def test_test_accessions_in_the_source_task_are_found(cohort):
    class OneSourceForAllFolds(FrozenGalianaRegressor):
        """Its source task was learned once, on everybody, as if before the cross-validation."""

        def _trained_source(self, X, samples, source):
            return super()._trained_source(*everybody)

    def learned_before(raw: xr.Dataset):
        nonlocal everybody
        labels = raw["source_trait_value"].values
        everybody = Held(raw["counts"].values), np.arange(len(labels)), labels
        return raw, Model("leaky", OneSourceForAllFolds(**QUICK, source_epochs=2, head_hidden=5), "counts")

    everybody = None
    found = find_leaks(cohort, learned_before, SPLIT)
    assert "The predictions depend on the source labels of the accessions to be predicted." in found
    assert "The predictions depend on the genomes of other accessions to be predicted." in found
    assert "The predictions depend on the labels of the accessions to be predicted." not in found


def test_a_fit_of_ones_own_is_the_one_that_is_asked(cohort):
    """Networks train on all folds at once, but not past a ``fit`` that a class overrides."""

    class LearnsFromAll(FrozenGalianaRegressor):
        def fit(self, X, y, source=None, after_epoch=None):
            genomes, known = everybody
            return super().fit(
                np.concatenate([X, genomes]),
                np.concatenate([y, np.full((len(genomes), y.shape[1]), np.nan)]),
                np.concatenate([np.full((len(X), known.shape[1]), np.nan), known]),
            )

    def learned_before(raw: xr.Dataset):
        nonlocal everybody
        everybody = raw["counts"].values, raw["source_trait_value"].values
        return raw, Model("leaky", LearnsFromAll(**QUICK, source_epochs=2, head_hidden=5), "counts")

    everybody = None
    assert learns_together(TRANSFER) and not learns_together(LearnsFromAll())
    found = find_leaks(cohort, learned_before, SPLIT)
    assert "The predictions depend on the source labels of the accessions to be predicted." in found


def test_genes_selected_by_all_labels_are_found(cohort):
    """The classic: the genes that correlate best with the trait, chosen before the cross-validation."""
    model = Model("ridge", make_pipeline(Flatten(), StandardScaler(), ridge()), "counts")

    def best_genes(raw: xr.Dataset):
        trait, damage = raw["trait_value"].values[:, 0], raw["counts"].sum("variant_type").values
        r = [abs(np.corrcoef(trait, gene)[0, 1]) for gene in damage.T]
        return raw.isel(gene=np.argsort(r)[-2:]), model

    assert "The predictions depend on the labels of the accessions to be predicted." in find_leaks(
        cohort, best_genes, SPLIT
    )


@dataclasses.dataclass(frozen=True)
class Overlapping(RandomFolds):
    """The first test accession is left in the training part."""

    def folds(self, cohort):
        for fold in super().folds(cohort):
            yield Fold(fold.repeat, fold.fold, np.append(fold.train, fold.test[0]), fold.test)


def test_an_accession_on_both_sides_is_found(cohort):
    found = find_leaks(cohort, lambda raw: (raw, SOUND[0]), Overlapping(4, 2))
    assert found[0] == "1 accessions are both in the training and in the test part of fold 1 of repeat 1."
    assert sum("both in the training" in sentence for sentence in found) == 8


def test_a_country_on_both_sides_is_found(cohort):
    def analysis(raw: xr.Dataset):
        return raw, SOUND[2]

    country = cohort["country"].values
    assert find_leaks(cohort, analysis, CountryFolds(3, 2), group=country) == []
    found = find_leaks(cohort, analysis, RandomFolds(3), group=country)
    assert found[0] == "ESP is both in the training and in the test part of fold 1 of repeat 1."
    regions = RegionFolds(3, n_regions=6)
    assert find_leaks(cohort, analysis, regions, group=regions.regions(cohort)) == []
    assert find_leaks(cohort, analysis, regions, group=country)


# ------------------------------------------------------------------------------- priors of measured entities

LEARNED = ExpressionPrior(markers_per_entity=3, fewest=3)
QUICK_BINN = {"hidden": 4, "integrator": 4, "epochs": 3, "device": "cpu"}


@pytest.fixture
def plants() -> xr.Dataset:
    return simulate_shoot_branching(n_samples=60, seed=1)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_prior_learned_inside_the_training_part_passes(plants, weight):
    model = Model("BINN", BINNRegressor(LEARNED, weight, **QUICK_BINN), "calls")
    assert find_leaks(plants, lambda raw: (raw, model), SPLIT) == []


def test_a_prior_learned_from_all_accessions_is_found(plants):
    def prepare(raw):
        edges = LEARNED.edges(
            raw["dosage"].values.astype(float), raw["trait_value"].values, raw["entity_value"].values
        )
        return raw, Model("BINN", BINNRegressor(edges, **QUICK_BINN), "calls")

    found = find_leaks(plants, prepare, SPLIT)
    assert "The predictions depend on the labels of the accessions to be predicted." in found
    assert "The predictions depend on the measured entities of the accessions to be predicted." in found


def test_a_ridge_on_the_expression_of_those_to_be_predicted_is_found(plants):
    model = Model("ridge on expression", ridge(), "entities")
    assert find_leaks(plants, lambda raw: (raw, model), SPLIT) == [
        "The predictions depend on the measured entities of the accessions to be predicted."
    ]
