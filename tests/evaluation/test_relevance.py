"""Attributions against captum and straight lines, tests against statsmodels, rankings against plain counting."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from torch import nn

from gi_lib.datasets.cohort import VARIANT_TYPES
from gi_lib.datasets.pathways import Edges, connect, rewire, simulated_pathways
from gi_lib.datasets.simulate import simulate_traits
from gi_lib.evaluation import relevance as rel
from gi_lib.models import ridge, ridge_on_components
from gi_lib.training import (
    BMSNNRegressor,
    FineTunedGalianaRegressor,
    FrozenGalianaRegressor,
    GalianaClassifier,
    GalianaRegressor,
    GPSNNRegressor,
)

pytestmark = pytest.mark.usefixtures("one_thread")
N, GENES, TYPES, TRAITS = 40, 12, 4, 3
LOWER = Edges(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4],
    [f"gene{i}" for i in range(GENES)],
    list("abcde"),
)
UPPER = Edges([0, 1, 2, 2, 3, 4, 0, 4], [0, 0, 0, 1, 1, 2, 3, 3], list("abcde"), list("wxyz"))
SMALL = {"epochs": 4, "device": "cpu", "learning_rate": 3e-3, "weight_decay": 1e-6}


@pytest.fixture(scope="module")
def data():
    """Counts, labels with gaps, and labels of a source task."""
    random = np.random.default_rng(0)
    counts = random.poisson(1.0, (N, GENES, TYPES)).astype(np.uint8)
    counts[:, 0] = 0  # a gene without variants
    labels = 5 + counts[:, 1:4].sum(axis=2) * [1.0, 2.0, -1.0] + random.normal(size=(N, TRAITS))
    labels[::9, 1] = np.nan
    return counts, labels, random.normal(size=(N, 4))


def fitted(kind, data, **settings):
    counts, labels, source = data
    estimators = {
        "Galiana": (GalianaRegressor, {}),
        "BMSNN": (BMSNNRegressor, {"layers": (LOWER,), "hidden": 6}),
        "BMSNN of two layers": (BMSNNRegressor, {"layers": (LOWER, UPPER), "hidden": 6}),
        "frozen": (FrozenGalianaRegressor, {"head_hidden": 8, "source_epochs": 2}),
        "fine-tuned": (FineTunedGalianaRegressor, {"source_epochs": 2}),
    }
    build, own = estimators[kind]
    estimator = build(**own, **SMALL, **settings)
    return (
        estimator.fit(counts, labels, source=source)
        if "source_epochs" in own
        else estimator.fit(counts, labels)
    )


KINDS = ["Galiana", "BMSNN", "BMSNN of two layers", "frozen", "fine-tuned"]


def scaled(estimator, counts):
    return torch.as_tensor(np.asarray(estimator.scaler_.transform(counts), np.float32))


# ---------------------------------------------------------------------------------------- genes of a network


@pytest.mark.parametrize("kind", KINDS)
def test_attributions_equal_those_of_captum_on_the_whole_network(kind, data):
    counts = data[0]
    estimator = fitted(kind, data)
    found = rel.gene_attributions(estimator, counts[:6], counts.mean(axis=0), n_steps=7)
    method = IntegratedGradients(estimator.network_.eval())
    x, start = scaled(estimator, counts[:6]), scaled(estimator, counts.mean(axis=0))[None]
    for trait in range(TRAITS):
        whole = method.attribute(x, start, target=trait, n_steps=7, method="gausslegendre")
        expected = whole.sum(dim=-1).detach().numpy() * estimator.label_scale_[trait]
        np.testing.assert_allclose(found[:, :, trait], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("scaling", ["standardise", "raw", "frequency"])
@pytest.mark.parametrize("kind", ["Galiana", "BMSNN"])
def test_attributions_sum_to_the_difference_of_predictions(kind, scaling, data):
    counts = data[0]
    estimator = fitted(kind, data, scaling=scaling)
    baseline = counts[7].astype(float)  # an accession, so that predict can be asked
    found = rel.gene_attributions(estimator, counts, baseline, n_steps=200)
    expected = estimator.predict(counts) - estimator.predict(counts[7:8])
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(found.sum(axis=1), expected, atol=1e-3)
    assert (found[7] == 0).all()
    assert (found[:, 0] == 0).all()  # a gene as in the baseline has nothing to explain


def test_attributions_of_a_linear_network_are_weight_times_difference(data):
    counts, labels, _ = data
    estimator = GalianaRegressor(**SMALL).fit(counts, labels)
    network = estimator.network_
    for sequence in (network.encoder.layers, network.gene_activation, network.dense):
        for i, module in enumerate(sequence):
            if not isinstance(module, nn.Linear):
                sequence[i] = nn.Identity()
    of_type = (network.encoder.layers[3].weight @ network.encoder.layers[0].weight)[0]  # (type,)
    of_gene = network.head.weight @ network.dense[3].weight @ network.dense[0].weight  # (trait, gene)
    weight = torch.einsum("kg,t->gtk", of_gene, of_type).detach().numpy() * estimator.label_scale_
    baseline = counts.mean(axis=0)
    difference = (counts - baseline) / estimator.scaler_.scale_
    expected = np.einsum("ngt,gtk->ngk", difference, weight)
    found = rel.gene_attributions(estimator, counts, n_steps=1)  # the mean genome is the default
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["Galiana", "BMSNN"])
def test_relevance_is_the_mean_size_of_attributions_whatever_the_batches(kind, data, monkeypatch):
    counts = data[0]
    estimator = fitted(kind, data)
    attributions = rel.gene_attributions(estimator, counts, n_steps=5)
    for name, value in (("BATCH_VALUES", 7 * GENES * TRAITS), ("ROWS_AT_ONCE", 10)):
        monkeypatch.setattr(rel, name, value)
    explained = rel.gene_relevance(estimator, counts, n_steps=5)
    np.testing.assert_allclose(explained.relevance, np.abs(attributions).mean(axis=0), rtol=1e-4, atol=1e-6)
    fine = rel.gene_relevance(estimator, counts, n_steps=60)
    assert fine.incompleteness < 2e-3 < explained.incompleteness


def test_incompleteness_is_what_the_sum_misses(data):
    counts = data[0]
    estimator = fitted("Galiana", data)
    start = counts[3].astype(float)
    difference = estimator.predict(counts) - estimator.predict(counts[3:4])
    sums = rel.gene_attributions(estimator, counts, start, n_steps=2).sum(axis=1)
    expected = np.abs(sums - difference).mean() / np.abs(difference).mean()
    assert rel.gene_relevance(estimator, counts, start, 2).incompleteness == pytest.approx(expected, rel=1e-3)


def test_the_reference_genome_is_a_worse_baseline_for_galiana_than_the_mean_one(data):
    counts = data[0]
    estimator = fitted("Galiana", data)
    mean, reference = (
        rel.gene_relevance(estimator, counts, start, n_steps=12).incompleteness
        for start in (None, np.zeros((GENES, TYPES)))
    )
    assert reference > 5 * mean


def test_a_network_finds_the_gene_that_matters():
    random = np.random.default_rng(3)
    counts = random.poisson(0.5, (150, 30, TYPES)).astype(np.uint8)
    labels = counts[:, 17, 2] + 0.1 * random.normal(size=150)
    estimator = GalianaRegressor(epochs=15, learning_rate=3e-3, device="cpu").fit(counts, labels)
    explained = rel.gene_relevance(estimator, counts)
    assert explained.relevance.shape == (30, 1)
    assert explained.relevance[:, 0].argmax() == 17
    assert explained.relevance[17, 0] > 3 * np.sort(explained.relevance[:, 0])[-2]


def test_what_cannot_be_explained_is_refused(data):
    counts, labels, _ = data
    classifier = GalianaClassifier(**SMALL).fit(counts, np.repeat(["a", "b"], N // 2))
    place = GPSNNRegressor(**SMALL).fit(np.zeros((N, 2)), labels)
    for other in (classifier, place, GalianaRegressor()):
        with pytest.raises(ValueError, match=r"cannot be explained; needed is a fitted regressor"):
            rel.gene_attributions(other, counts)
    galiana, sparse = fitted("Galiana", data), fitted("BMSNN", data)
    for estimator in (galiana, sparse, fitted("frozen", data)):
        with pytest.raises(ValueError, match="with 12 genes and 4 types, as in training"):
            rel.gene_attributions(estimator, counts[:, :5])
    with pytest.raises(ValueError, match=r"The baseline has shape \(40, 12, 4\)"):
        rel.gene_attributions(galiana, counts, counts)
    for steps in (0, 2.5, True):
        with pytest.raises(ValueError, match=r"n_steps is .* allowed are whole numbers from 1"):
            rel.gene_relevance(galiana, counts, n_steps=steps)
    with pytest.raises(ValueError, match="GalianaRegressor has no pathways"):
        rel.pathway_relevance(galiana, counts)


# ------------------------------------------------------------------------------------- pathways of a network


@pytest.mark.parametrize("kind", ["BMSNN", "BMSNN of two layers"])
def test_pathway_attributions_equal_those_of_captum_at_the_layer(kind, data):
    counts = data[0]
    estimator = fitted(kind, data)
    found = rel.pathway_attributions(estimator, counts[:5], counts.mean(axis=0), n_steps=9)
    network = estimator.network_
    method = LayerIntegratedGradients(network, network.sparse[-1])
    x = scaled(estimator, counts[:5])
    start = scaled(estimator, counts.mean(axis=0))[None].expand_as(x)
    for trait in range(TRAITS):
        expected = method.attribute(x, start, target=trait, n_steps=9).detach().numpy()
        expected = expected * estimator.label_scale_[trait]
        np.testing.assert_allclose(found[:, :, trait], expected, atol=1e-5 * np.abs(expected).max())


def test_pathway_attributions_sum_to_the_difference_of_predictions(data):
    counts = data[0]
    estimator = fitted("BMSNN", data)
    found = rel.pathway_attributions(estimator, counts, counts[7].astype(float), n_steps=100)
    expected = estimator.predict(counts) - estimator.predict(counts[7:8])
    np.testing.assert_allclose(found.sum(axis=1), expected, atol=2e-3)
    explained = rel.pathway_relevance(estimator, counts, counts[7].astype(float), n_steps=100)
    np.testing.assert_allclose(explained.relevance, np.abs(found).mean(axis=0), rtol=1e-5)
    assert explained.incompleteness < 1e-3


def test_activations_are_the_units_of_the_topmost_sparse_layer(data):
    counts = data[0]
    estimator = fitted("BMSNN of two layers", data)
    with torch.no_grad():
        expected = estimator.network_.pathways(scaled(estimator, counts)).numpy()
    found = rel.pathway_activations(estimator, counts)
    assert found.shape == (N, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_networks_are_fitted_on_all_labelled_accessions_once_per_seed(data):
    counts, labels, source = data
    labels = labels.copy()
    labels[5] = np.nan
    cohort = xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), counts),
            "trait_value": (("sample", "trait"), labels),
        }
    )
    one, other = rel.fit_on_all(GalianaRegressor(**SMALL), cohort, [4, 5])
    keep = np.arange(N) != 5
    alone = GalianaRegressor(**SMALL, seed=4).fit(counts[keep], labels[keep])
    np.testing.assert_array_equal(one.predict(counts), alone.predict(counts))
    assert np.abs(one.predict(counts) - other.predict(counts)).max() > 1e-3

    transfer = FrozenGalianaRegressor(8, source_epochs=2, **SMALL)
    with pytest.raises(ValueError, match="FrozenGalianaRegressor first learns a source task"):
        rel.fit_on_all(transfer, cohort, [1])
    cohort = cohort.assign(source_trait_value=(("sample", "source_trait"), source))
    (found,) = rel.fit_on_all(transfer, cohort, [1])
    alone = FrozenGalianaRegressor(8, source_epochs=2, **SMALL, seed=1).fit(counts, labels, source=source)
    np.testing.assert_array_equal(found.predict(counts), alone.predict(counts))


# --------------------------------------------------------------------------------------------- straight lines


@pytest.mark.parametrize("model", [ridge(), ridge(standardise=False), ridge_on_components(5)])
def test_weights_of_ridge_predict_as_ridge_does(model, data):
    counts, labels, _ = data
    X = counts.reshape(N, -1).astype(float)
    predicted = model.fit(X, labels).predict(X)
    weight, centre = rel.ridge_weights(model)
    ours = (X - centre) @ weight
    np.testing.assert_allclose(ours - ours.mean(axis=0), predicted - predicted.mean(axis=0), atol=1e-8)


def test_relevance_to_ridge_is_weight_times_difference(data):
    counts, labels, _ = data
    shown = np.array([3, 4, 17])
    found = rel.ridge_relevance(ridge(), counts, labels, shown)
    X = counts.reshape(N, -1).astype(float)
    # A straight line: the attribution of a gene is what the prediction changes if it alone goes to its mean.
    model = ridge().fit(X, labels)
    expected = np.empty((GENES, TRAITS))
    for gene in range(GENES):
        without = counts[shown].astype(float)
        without[:, gene] = counts[:, gene].mean(axis=0)
        change = model.predict(X[shown]) - model.predict(without.reshape(len(shown), -1))
        expected[gene] = np.abs(change).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found[0] == 0).all()


def test_weights_of_another_pipeline_are_refused():
    with pytest.raises(ValueError, match=r"known of a fitted gi_lib\.models\.ridge only"):
        rel.ridge_weights(GalianaRegressor())


# ------------------------------------------------------------------------------------------ simulated truth


@pytest.fixture(scope="module")
def simulated():
    random = np.random.default_rng(4)
    n, n_genes = 80, 90
    genomes = xr.Dataset(
        {
            "counts": (
                ("sample", "gene", "variant_type"),
                random.poisson(0.4, (n, n_genes, 17)).astype(np.uint8),
            ),
            "dosage": (("sample", "marker"), 2 * random.integers(0, 2, (n, 50)).astype(np.uint8)),
        },
        coords={
            "sample": np.arange(n).astype(str),
            "gene": [f"g{i:02d}" for i in range(n_genes)],
            "variant_type": list(VARIANT_TYPES),
            "country": ("sample", np.repeat(["SWE", "ESP", ""], [40, 30, 10])),
            "latitude": ("sample", np.zeros(n)),
            "longitude": ("sample", np.zeros(n)),
            "gene_chromosome": ("gene", np.repeat(["1", "2", "3"], [50, 38, 2])),
            "gene_start": ("gene", random.permutation(n_genes) * 100 + 1),
            "gene_end": ("gene", np.full(n_genes, 20_000)),
            "chromosome": ("marker", np.full(50, "1")),
            "position": ("marker", np.arange(50) + 1),
        },
        attrs={"data_kind": "simulated"},
    )
    return simulate_traits(genomes, n_traits=6, n_pathways=8, seed=2)


def test_burdens_count_what_they_say(simulated):
    counts = simulated["counts"].values
    kinds = {name: i for i, name in enumerate(VARIANT_TYPES)}
    np.testing.assert_array_equal(rel.gene_burden(simulated), counts.sum(axis=2))
    changing = [
        "nonsynonymous", "nonframeshift insertion", "nonframeshift deletion", "stoploss", "frameshift insertion",
        "frameshift deletion", "stopgain", "splicing",
    ]  # fmt: skip
    expected = sum(counts[:, :, kinds[name]].astype(int) for name in changing)
    np.testing.assert_array_equal(rel.gene_burden(simulated, "protein-changing"), expected)
    damage = rel.gene_burden(simulated, "true damage")
    genetic = damage @ simulated["truth_effect"].values
    np.testing.assert_allclose(
        genetic - genetic.mean(axis=0), simulated["truth_genetic_value"].values, atol=1e-8
    )
    with pytest.raises(ValueError, match="kind is 'damage'; allowed are all variants, protein-changing"):
        rel.gene_burden(simulated, "damage")
    with pytest.raises(ValueError, match="known of simulated traits only"):
        rel.gene_burden(simulated.drop_vars("truth_severity"), "true damage")


def test_covariates_are_countries_and_principal_components(simulated):
    assert rel.structure_covariates(simulated, "none").shape == (80, 1)
    country = rel.structure_covariates(simulated, "country")
    assert country.shape == (80, 4)
    assert (country[:, 1:].sum(axis=1) == 1).all()
    found = rel.structure_covariates(simulated, "components", 3)
    dosage = simulated["dosage"].values.astype(float)
    varies = dosage.std(axis=0) > 0
    scores = PCA(3).fit_transform(dosage[:, varies] / dosage[:, varies].std(axis=0))
    for ours, theirs in zip(found[:, 1:].T, scores.T, strict=True):
        assert abs(np.corrcoef(ours, theirs)[0, 1]) == pytest.approx(1, abs=1e-8)
    assert rel.structure_covariates(simulated, "country and components", 3).shape == (80, 7)
    gaps = simulated.copy(deep=True)
    gaps["dosage"][0, 0] = 255
    burden = rel.structure_covariates(gaps, "components", 2)  # from counts
    assert not np.allclose(np.abs(burden), np.abs(found[:, :3]))
    with pytest.raises(ValueError, match="correction is 'PCA'; allowed are none, country"):
        rel.structure_covariates(simulated, "PCA")
    with pytest.raises(ValueError, match="n_components is 80; allowed are 1 to 79"):
        rel.structure_covariates(simulated, "components", 80)


def test_truth_of_genes(simulated):
    causal, importance = rel.causal_genes(simulated), rel.gene_importance(simulated)
    damage = rel.gene_burden(simulated, "true damage")
    effect = simulated["truth_effect"].values
    for gene in range(0, 90, 7):
        for trait in range(6):
            assert causal[gene, trait] == (effect[gene, trait] != 0)
            expected = np.std(damage[:, gene] * effect[gene, trait])
            assert importance[gene, trait] == pytest.approx(expected, abs=1e-12)


def test_truth_of_pathways_goes_by_name(simulated):
    edges = connect(simulated["gene"].values, simulated_pathways(simulated))
    turned = Edges(
        *np.array(sorted(zip(edges.n_targets - 1 - edges.target, edges.source, strict=True))).T[::-1],
        edges.source_names,
        edges.target_names[::-1],
    )
    causal = rel.causal_pathways(simulated, edges)
    assert (causal[edges.target_names == "unannotated"] == 0).all()
    assert causal.sum() == simulated["truth_causal_pathway"].values.sum()
    np.testing.assert_array_equal(rel.causal_pathways(simulated, turned), causal[::-1])
    np.testing.assert_array_equal(rel.causal_pathways(simulated, rewire(edges)), causal)

    # The genetic value of a trait is a weighted sum of the activities of its pathways.
    activity = rel.pathway_activity(simulated, edges)
    for trait in range(6):
        own = activity[:, causal[:, trait]]
        genetic = simulated["truth_genetic_value"].values[:, trait]
        design = np.column_stack([np.ones(len(own)), own])
        residual = genetic - design @ np.linalg.lstsq(design, genetic)[0]
        assert np.abs(residual).max() < 1e-8
    np.testing.assert_allclose(rel.pathway_activity(simulated, turned), activity[:, ::-1])
    assert np.isnan(activity[:, edges.target_names == "unannotated"]).all()


def test_folding_to_pathways_averages_the_genes(simulated):
    edges = connect(simulated["gene"].values, simulated_pathways(simulated))
    values = np.random.default_rng(0).normal(size=(90, 2))
    values[5] = np.nan
    found = rel.fold_to_pathways(values, edges)
    for pathway in range(edges.n_targets):
        members = edges.source[edges.target == pathway]
        np.testing.assert_allclose(found[pathway], np.nanmean(values[members], axis=0))
    alone = Edges([5], [1], ["a", "b", "c", "d", "e", "f"], ["x", "y"])
    assert np.isnan(rel.fold_to_pathways(values[:6], alone)).all()


def test_distance_to_the_next_cause_counts_genes_along_the_chromosome(simulated):
    causal = rel.causal_genes(simulated).copy()
    causal[88:] = False  # none on chromosome 3
    found = rel.genes_to_cause(simulated, causal)
    order = np.lexsort([simulated["gene_start"].values, simulated["gene_chromosome"].values])
    chromosome = simulated["gene_chromosome"].values
    for trait in (0, 3):
        for gene in range(90):
            along = [g for g in order if chromosome[g] == chromosome[gene]]
            steps = [abs(along.index(gene) - along.index(g)) for g in along if causal[g, trait]]
            assert found[gene, trait] == (min(steps) if steps else np.inf)


# --------------------------------------------------------------------------------------------------- rankings


def test_scores_of_a_ranking_equal_plain_counting():
    random = np.random.default_rng(5)
    relevance, causal = random.normal(size=(40, 3)), random.random((40, 3)) < 0.2
    causal[:, 1] = False  # nothing to find
    table = rel.ranking_scores(relevance, causal, 7, ["a", "b", "c"])
    assert list(table["trait"]) == ["a", "c"]
    for row, trait in zip(table.to_dict("records"), (0, 2), strict=True):
        order = np.argsort(-relevance[:, trait])
        hits = causal[order, trait]
        assert row["precision"] == pytest.approx(hits[:7].mean())
        assert row["average precision"] == pytest.approx(
            np.mean([hits[: i + 1].mean() for i in np.flatnonzero(hits)])
        )
        assert row["share causal"] == pytest.approx(hits.mean())


def test_ties_count_as_the_mean_over_their_orders_and_nan_comes_last():
    random = np.random.default_rng(6)
    relevance = np.array([3, 1, 1, 1, np.nan, 0, 0, np.nan])
    causal = np.array([False, True, False, True, True, False, False, True])
    found = rel.ranking_scores(relevance[:, None], causal[:, None], 3, ["t"])["precision"][0]
    broken = np.nan_to_num(relevance, nan=-1) + random.uniform(0, 1e-3, (4000, 8))
    mean = causal[np.argsort(-broken, axis=1)[:, :3]].mean()
    assert found == pytest.approx(mean, abs=0.01)  # standard error 0.003
    last = rel.ranking_scores(relevance[:, None], np.isnan(relevance)[:, None], 6, ["t"])
    assert last["precision"][0] == 0


def test_chance_is_the_mean_over_random_orders():
    random = np.random.default_rng(7)
    causal = np.arange(30) < 4
    place = np.sort(random.permuted(np.tile(np.arange(1, 31), (2000, 1)), axis=1)[:, :4], axis=1)
    drawn = (np.arange(1, 5) / place).mean(axis=1)  # precision at each causal one
    error = np.std(drawn) / np.sqrt(2000)
    assert rel.expected_average_precision(30, 4) == pytest.approx(np.mean(drawn), abs=4 * error)
    assert rel.expected_average_precision(5, 5) == 1
    table = rel.ranking_scores(random.random((30, 1)), causal[:, None], 5, ["t"])
    assert table["chance"][0] == rel.expected_average_precision(30, 4)


def test_rankings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Relevance has shape"):
        rel.ranking_scores(np.zeros((4, 2)), np.zeros((5, 2)), 1, ["a", "b"])
    with pytest.raises(ValueError, match="k is 9; with 4 units allowed are 1 to 4"):
        rel.ranking_scores(np.zeros((4, 1)), np.zeros((4, 1)), 9, ["a"])
    with pytest.raises(ValueError, match="There is 1 network; agreement needs at least two"):
        rel.agreement(np.zeros((1, 4, 2)))


def test_agreement_and_importance_are_rank_correlations():
    random = np.random.default_rng(8)
    networks = random.normal(size=(3, 25, 2)).round(1)  # with ties
    expected = [
        np.mean(
            [stats.spearmanr(networks[i, :, t], networks[j, :, t])[0] for i, j in ((0, 1), (0, 2), (1, 2))]
        )
        for t in range(2)
    ]
    np.testing.assert_allclose(rel.agreement(networks), expected, atol=1e-10)

    importance = np.where(random.random((25, 3)) < 0.4, random.random((25, 3)), 0)
    importance[2:, 2] = 0
    found = rel.importance_correlation(networks[0, :, [0, 1, 1]].T, importance)
    for trait in range(2):
        causal = importance[:, trait] > 0
        expected = stats.spearmanr(networks[0, causal, trait], importance[causal, trait]).statistic
        assert found[trait] == pytest.approx(expected)
    assert np.isnan(found[2])


def test_intervals_draw_the_tissues_of_an_element_together():
    random = np.random.default_rng(9)
    of_element = random.normal(size=12)
    names = [f"E{i}_{tissue}" for i in range(12) for tissue in ("leaf", "seed")]
    table = pd.DataFrame({"one": np.repeat(of_element, 2), "gap": np.repeat(of_element, 2)}, index=names)
    table.loc[names[:2], "gap"] = np.nan
    found = rel.mean_over_traits(table, n_bootstrap=4000)
    assert found.loc["one", "estimate"] == pytest.approx(of_element.mean())
    assert found.loc["gap", "estimate"] == pytest.approx(of_element[1:].mean())
    assert list(found["traits"]) == [24, 22]
    drawn = of_element[random.integers(0, 12, (4000, 12))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    # The quantiles of 4,000 draws are known to about 4 % of the standard error, 0.3.
    assert found.loc["one", "low"] == pytest.approx(low, abs=0.06)
    assert found.loc["one", "high"] == pytest.approx(high, abs=0.06)
    single = rel.mean_over_traits(pd.DataFrame({"x": [0.3]}, index=["flowering_time"]))
    assert single.loc["x", ["estimate", "low", "high"]].tolist() == [0.3] * 3
    empty = rel.mean_over_traits(pd.DataFrame({"x": [np.nan]}, index=["flowering_time"]))
    assert empty[["estimate", "low", "high"]].isna().all(axis=None)


# ------------------------------------------------------------------------------------------------ known genes


def test_enrichment_is_the_area_under_the_curve():
    random = np.random.default_rng(10)
    relevance = random.normal(size=200).round(1)
    known = random.random(200) < 0.1
    relevance[known] += 0.5
    relevance[3] = np.nan
    found = rel.enrichment(relevance, known)
    usable = ~np.isnan(relevance)
    assert found.auc == pytest.approx(roc_auc_score(known[usable], relevance[usable]))
    assert found.low < found.auc < found.high
    assert found.n_known == (known & usable).sum()
    assert 0 < found.p < 1
    few = rel.enrichment(relevance, np.arange(200) == 8)
    assert np.isnan(few.auc)
    assert few.n_known == 1
    with pytest.raises(ValueError, match="needed is one of each per gene"):
        rel.enrichment(relevance, known[:5])


def test_interval_of_the_enrichment_covers_as_it_says():
    random = np.random.default_rng(11)
    true = stats.norm.cdf(0.6 / np.sqrt(2))
    known = np.arange(150) < 12
    covered = 0
    for _ in range(300):
        found = rel.enrichment(random.normal(size=150) + 0.6 * known, known)
        covered += found.low <= true <= found.high
    assert covered / 300 == pytest.approx(0.95, abs=0.04)  # standard error 0.013
