"""The simulator: schema, determinism, population structure, counts against a slow reference, known truth."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import xarray as xr

from gi_lib.datasets.cohort import VARIANT_TYPES, fingerprint, open_cohort, save_cohort, validate_cohort
from gi_lib.datasets.simulate import genomes as simulation
from gi_lib.datasets.simulate import (
    keep_replicates,
    scatter_countries,
    simulate_cohort,
    simulate_genomes,
    simulate_source_traits,
    simulate_traits,
)

TINY = simulation.Size(samples=40, genes=20, markers=50, source_traits=0)


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    return simulate_cohort("demo", seed=1)


@pytest.fixture
def tiny(monkeypatch) -> xr.Dataset:
    monkeypatch.setitem(simulation.SCALES, "tiny", TINY)
    return simulate_genomes("tiny", seed=3)


def regional_genomes(n_samples: int = 60, n_genes: int = 80) -> xr.Dataset:
    """Genomes as a reader of region-only real data gives them: few types, some countries unknown."""
    rng = np.random.default_rng(0)
    genes = [f"AT1G{i:05d}" for i in range(n_genes)]
    return xr.Dataset(
        {
            "counts": (
                ("sample", "gene", "variant_type"),
                rng.binomial(3, 0.2, (n_samples, n_genes, 3)).astype("uint8"),
            ),
            "trait_value": (("sample", "trait"), rng.normal(size=(n_samples, 1))),
        },
        coords={
            "sample": [str(i) for i in range(n_samples)],
            "gene": genes,
            "variant_type": ["exonic unknown", "upstream", "intergenic"],
            "trait": ["flowering"],
            "country": ("sample", np.array(["", "SWE", "ESP"])[np.arange(n_samples) % 3]),
            "latitude": ("sample", np.full(n_samples, np.nan)),
            "longitude": ("sample", np.full(n_samples, np.nan)),
            "gene_chromosome": ("gene", ["1"] * n_genes),
            "gene_start": ("gene", np.arange(n_genes) * 4_000),
            "gene_end": ("gene", np.arange(n_genes) * 4_000 + 2_000),
        },
        attrs={"name": "regional", "data_kind": "real"},
    )


# --- Genomes ----------------------------------------------------------------------------------------


def test_demo_cohort_follows_the_schema(cohort):
    validate_cohort(cohort)
    assert dict(cohort.sizes) | {"marker": 0, "pathway": 0, "pathway_edge": 0} == {
        "sample": 320, "gene": 600, "variant_type": 17, "trait": 36, "replicate": 6, "source_trait": 72,
        "marker": 0, "pathway": 0, "pathway_edge": 0,
    }  # fmt: skip
    assert 3_500 < cohort.sizes["marker"] <= 4_010
    assert cohort["counts"].dtype == np.uint8
    assert set(np.unique(cohort["dosage"])) == {0, 2}
    frequency = cohort["dosage"].values.mean(axis=0) / 2
    assert np.minimum(frequency, 1 - frequency).min() >= 0.05
    assert (cohort["gene_start"] < cohort["gene_end"]).all()
    assert cohort.attrs["data_kind"] == "simulated"
    assert cohort.attrs["n_synonymous_dropped"] > 1_000


def test_same_seed_same_arrays(cohort, tiny):
    assert fingerprint(simulate_cohort("demo", seed=1)) == fingerprint(cohort)
    again, other = simulate_genomes("tiny", seed=3), simulate_genomes("tiny", seed=4)
    xr.testing.assert_identical(again, tiny)
    assert not np.array_equal(other["counts"], tiny["counts"])


def test_countries_at_paper_scale_have_the_sizes_of_the_paper():
    country, latitude, longitude = simulation._places(simulation.SCALES["paper"], seed=1)
    sizes = {"SWE": 243, "ESP": 180, "USA": 123, "GER": 118, "ITA": 73, "UK": 69, "RUS": 60}
    assert len(country) == 998
    assert {label: int((country == label).sum()) for label in sizes} == sizes
    assert np.abs(latitude).max() < 90 and np.abs(longitude).max() < 180


def test_genes_are_cut_into_pieces_as_they_should_be():
    annotation = simulation._draw_annotation(np.random.default_rng(1), 3_000)
    length = np.diff(annotation.end, prepend=0)
    assert (length >= 0).all() and (np.diff(annotation.gene) >= 0).all()
    assert 4_000 < annotation.end[-1] / 3_000 < 4_700
    code = {name: annotation.kind == number for name, number in simulation.TYPE.items()}
    assert set(length[code["splicing"] | code["ncRNA splicing"]]) == {2}
    assert length[code["upstream"] | code["downstream"]].max() == 1_000
    assert length[code["intronic"] | code["ncRNA intronic"]].min() > 50
    without_protein = np.unique(annotation.gene[code["ncRNA exonic"]])
    assert 0.035 < len(without_protein) / 3_000 < 0.065
    assert not np.isin(annotation.gene[code["coding"]], without_protein).any()
    for gene in range(50):
        here = np.flatnonzero(annotation.gene == gene)
        kinds = annotation.kind[here]
        outside = np.isin(kinds, [simulation.TYPE[k] for k in ("upstream", "downstream", "intergenic")])
        body = here[~outside]
        assert np.array_equal(body, np.arange(body[0], body[-1] + 1))  # one block, flanks outside it
        assert annotation.gene_start[gene] == annotation.end[body[0] - 1]
        assert annotation.gene_end[gene] == annotation.end[body[-1]] - 1
        up, down = (int(np.flatnonzero(kinds == simulation.TYPE[k])[0]) for k in ("upstream", "downstream"))
        if gene not in without_protein:
            utr5, utr3 = (int(np.flatnonzero(kinds == simulation.TYPE[k])[0]) for k in ("UTR5", "UTR3"))
            assert up < utr5 < utr3 < down or down < utr3 < utr5 < up


def test_counts_equal_a_loop_over_variants(tiny):
    expected = np.zeros(tiny["counts"].shape, dtype=int)
    n_variants, first = 0, 0
    for annotation, trees, draws in simulation._chromosomes(TINY, seed=3):
        for variant, draw in zip(trees.variants(), draws, strict=True):
            genotype = variant.genotypes
            gene, kind = simulation.annotate_sites(
                annotation,
                np.array([int(variant.site.position)]),
                np.array([np.mean(genotype)]),
                draw[None],
            )
            if 0 <= kind[0] < len(VARIANT_TYPES):
                differs = genotype[:-1] != genotype[-1]
                expected[differs, first + gene[0], kind[0]] += 1
                n_variants += differs.any()
        first += len(annotation.gene_start)
    assert expected.sum() > 1_000
    np.testing.assert_array_equal(tiny["counts"], expected)
    assert tiny.attrs["n_variants"] == n_variants


def test_reference_has_no_variants_against_itself():
    """A twin of the reference, made by deleting the sites where they differ, counts zero."""
    annotation, trees, draws = next(simulation._chromosomes(TINY, seed=3))
    genotypes = trees.genotype_matrix()
    differs = genotypes[:, 0] != genotypes[:, -1]
    twin = trees.delete_sites(np.flatnonzero(differs))
    counts = np.zeros((TINY.samples, len(annotation.gene_start), len(VARIANT_TYPES)), dtype=np.uint16)
    simulation._count_variants(twin, annotation, draws[~differs], counts, spacing=100)
    assert counts[0].sum() == 0
    assert counts[1:].sum() > 0


def test_blocks_of_sites_do_not_matter(tiny, monkeypatch):
    monkeypatch.setattr(simulation, "SITES_PER_BLOCK", 37)
    xr.testing.assert_identical(simulate_genomes("tiny", seed=3), tiny)


def hudson_fst(dosage: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Ratio of averages, Bhatia et al. 2013, for haploid samples."""
    p, q = dosage[one].mean(axis=0) / 2, dosage[other].mean(axis=0) / 2
    within = p * (1 - p) / (one.sum() - 1) + q * (1 - q) / (other.sum() - 1)
    return float(((p - q) ** 2 - within).sum() / (p * (1 - q) + q * (1 - p)).sum())


def test_population_structure_is_realistic(cohort):
    country, dosage = cohort["country"].values, cohort["dosage"].values.astype(float)
    place = np.radians(np.column_stack([cohort["latitude"], cohort["longitude"]]))
    fst, distance = [], []
    labels = [label for label in np.unique(country) if (country == label).sum() >= 5]
    for a, b in itertools.combinations(labels, 2):
        fst.append(hudson_fst(dosage, country == a, country == b))
        (lat1, lon1), (lat2, lon2) = place[country == a].mean(axis=0), place[country == b].mean(axis=0)
        cosine = np.sin(lat1) * np.sin(lat2) + np.cos(lat1) * np.cos(lat2) * np.cos(lon1 - lon2)
        distance.append(
            np.nan if "USA" in (a, b) else 6371 * np.arccos(cosine)
        )  # the USA were settled of late
    assert 0.05 < np.mean(fst) < 0.2
    in_the_old_world = np.isfinite(distance)
    assert np.corrcoef(np.array(fst)[in_the_old_world], np.array(distance)[in_the_old_world])[0, 1] > 0.3
    from_usa = {
        label: hudson_fst(dosage, country == "USA", country == label) for label in ("UK", "GER", "RUS")
    }
    assert max(from_usa["UK"], from_usa["GER"]) < from_usa["RUS"]


def test_relatives_live_in_the_same_country(cohort):
    standard = cohort["dosage"].values.astype(float)
    standard = (standard - standard.mean(axis=0)) / standard.std(axis=0)
    kinship = standard @ standard.T / standard.shape[1]
    country = cohort["country"].values
    same = country[:, None] == country
    np.fill_diagonal(kinship, np.nan)
    assert np.nanmean(kinship[same]) > np.nanmean(kinship[~same]) + 0.03
    assert np.nanmax(kinship[same]) > 0.3


def test_disruptive_types_are_rare(cohort):
    total = cohort["counts"].sum(("sample", "gene")).to_series()
    assert total["nonsynonymous"] > 20 * total["stopgain"] > 0
    assert total["nonsynonymous"] > 20 * (total["frameshift insertion"] + total["frameshift deletion"])
    assert total["stopgain"] > total["stoploss"]
    assert total["intronic"] > 100 * total["splicing"]
    assert total["intergenic"] > total["nonsynonymous"]
    assert total["UTR3"] > total["UTR5"] > total["ncRNA exonic"] > 0


def test_selection_thins_common_disruptive_variants():
    annotation = simulation.Annotation(
        np.array([10]), np.array([0]), np.array([simulation.CODING]), np.array([0]), np.array([9])
    )
    draws = np.random.default_rng(0).random((200_000, 3))
    position = np.zeros(len(draws), dtype=int)

    def kept(frequency: float, name: str) -> int:
        gene, kind = simulation.annotate_sites(annotation, position, np.full(len(draws), frequency), draws)
        assert set(gene) == {0}
        return int((kind == simulation.TYPE[name]).sum())

    assert kept(0.5, "stopgain") < 0.05 * kept(0.0, "stopgain")
    assert 0.2 * kept(0.0, "nonsynonymous") < kept(0.5, "nonsynonymous") < 0.3 * kept(0.0, "nonsynonymous")
    assert kept(0.5, "synonymous") == kept(0.0, "synonymous")
    expected = len(draws) * (1 - simulation.INDEL_SHARE) * simulation.SNP_CONSEQUENCES["synonymous"]
    assert kept(0.0, "synonymous") == pytest.approx(expected, rel=0.02)


# --- Traits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["", "source_"])
def test_genetic_value_follows_from_counts(cohort, task):
    counts, effect = cohort["counts"].values, cohort[f"truth_{task}effect"].values
    causal = np.flatnonzero(effect.any(axis=1))
    load = np.zeros((counts.shape[0], len(causal)))
    for t, severity in enumerate(cohort["truth_severity"].values):
        load += severity * counts[:, causal, t]
    value = (1 - np.exp(-load)) @ effect[causal]
    np.testing.assert_allclose(cohort[f"truth_{task}genetic_value"], value - value.mean(axis=0), atol=1e-9)


def test_shares_of_variance_are_those_requested(cohort):
    genetic = cohort["truth_genetic_value"].var("sample")
    country = cohort["truth_country_effect"].var("sample")
    noise = cohort["truth_noise_variance"] / cohort.sizes["replicate"]
    np.testing.assert_allclose(genetic / (genetic + noise), cohort["truth_heritability"], atol=1e-6)
    np.testing.assert_allclose(country / (genetic + noise + country), 0.2, atol=1e-6)
    assert float(cohort["truth_heritability"].min()) == pytest.approx(0.1)
    assert float(cohort["truth_heritability"].max()) == pytest.approx(0.8)
    one_per_country = cohort["truth_country_effect"].groupby(cohort["country"]).std()
    assert float(one_per_country.max()) < 1e-12


@pytest.mark.parametrize("country_share", [0, 0.5, 0.8])
def test_country_share_dials_structure_up_to_strong(cohort, country_share):
    """The genetic values differ between countries as well, so the share between them is at least that set."""
    dialled = simulate_traits(cohort, 200, country_share=country_share, seed=3)
    parts = [dialled[f"truth_{name}"].var("sample") for name in ("genetic_value", "country_effect")]
    noise = dialled["truth_noise_variance"] / 6
    np.testing.assert_allclose(parts[1] / (parts[0] + parts[1] + noise), country_share, atol=1e-6)
    labels = dialled["trait_value"].to_pandas()
    between = labels.groupby(cohort["country"].values).transform("mean").var() / labels.var()
    # the rest divides by chance, but for 15 % of the genetic variance, which is about half of it
    assert between.mean() == pytest.approx(country_share + (1 - country_share) * 0.10, abs=0.03)


def test_genetic_variance_between_countries_is_that_of_an_analysis_of_variance(cohort):
    for trait in cohort["trait"].values[[0, 10, 35]]:
        known = cohort["truth_genetic_value"].sel(trait=trait).to_series().rename("value").reset_index()
        fit = smf.ols("value ~ C(country)", known.assign(country=cohort["country"].values)).fit()
        share = float(cohort["truth_genetic_country_share"].sel(trait=trait))
        assert share == pytest.approx(fit.rsquared, rel=1e-9)
    chance = (len(np.unique(cohort["country"])) - 1) / (cohort.sizes["sample"] - 1)
    assert chance + 0.05 < float(cohort["truth_genetic_country_share"].mean()) < 0.25
    regional = simulate_traits(regional_genomes(), 2, heritability=[0, 1], n_pathways=4)
    assert np.isnan(regional["truth_genetic_country_share"][0])
    value, country = regional["truth_genetic_value"].values[:, 1], regional["country"].values
    known = value[country != ""]
    means = np.where(country == "SWE", value[country == "SWE"].mean(), value[country == "ESP"].mean())
    expected = means[country != ""].var() / known.var()
    assert float(regional["truth_genetic_country_share"][1]) == pytest.approx(expected)


def test_pathway_weights_make_the_effects(cohort):
    """Effects of a trait are a mix of its causal pathways, in which the weights do not depend on the trait."""
    matrix, damage = pathway_matrix(cohort), damage_of(cohort)
    causal, effect = cohort["truth_causal_pathway"].values, cohort["truth_effect"].values
    np.testing.assert_allclose((damage @ matrix).std(axis=0)[causal.any(axis=1)], 1, rtol=1e-9)
    for t in range(36):
        loads = np.linalg.lstsq(matrix[:, causal[:, t]], effect[:, t], rcond=None)[0]
        np.testing.assert_allclose(matrix[:, causal[:, t]] @ loads, effect[:, t], atol=1e-12)
        assert np.abs(loads).min() > 0.01


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_more_replicates_are_noisier_ones_and_the_label_is_as_good(cohort, n):
    many = simulate_traits(cohort, 100, n_replicates=n, heritability=0.4, seed=4)
    np.testing.assert_allclose(many["truth_noise_variance"], n * 0.6)
    complete = many["replicate_value"].notnull().all("replicate")
    noise = many["trait_value"] - many["truth_genetic_value"] - many["truth_country_effect"]
    assert float(noise.where(complete).var()) == pytest.approx(0.6, rel=0.03)  # of some 30,000 labels


def test_heritability_shows_in_the_labels(cohort):
    """Freed of the country, labels correlate with genetic values as the square root of the heritability."""
    many = simulate_traits(cohort, 200, heritability=0.4, country_share=0.1, seed=5)
    free = (many["trait_value"] - many["truth_country_effect"]).values
    genetic = many["truth_genetic_value"].values
    r2 = []
    for t in range(200):
        known = np.isfinite(free[:, t])
        r2.append(np.corrcoef(free[known, t], genetic[known, t])[0, 1] ** 2)
    assert np.mean(r2) == pytest.approx(0.4, abs=0.02)
    assert many["trait"].values[36] == "phenotype_001"


def test_replicates_scatter_as_told_and_average_to_the_trait(cohort):
    replicates, label = cohort["replicate_value"].values, cohort["trait_value"].values
    measured = np.isfinite(replicates)
    known = measured.any(axis=2)
    assert np.array_equal(known, np.isfinite(label))
    mean = np.where(measured, replicates, 0).sum(axis=2)[known] / measured.sum(axis=2)[known]
    np.testing.assert_allclose(label[known], mean, atol=1e-12)
    within = cohort["replicate_value"].var("replicate", ddof=1).mean("sample")
    ratio = within / cohort["truth_noise_variance"]
    np.testing.assert_allclose(ratio, 1, atol=0.2)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)
    assert 0.005 < 1 - known.mean() < 0.04
    assert 0.01 < 1 - measured[known].mean() < 0.05


def test_causal_genes_lie_in_few_causal_pathways(cohort):
    gene = cohort["truth_edge_gene"].values
    pathway = cohort["truth_edge_pathway"].values
    causal = cohort["truth_causal_pathway"]
    assert (causal.sum("pathway") == 3).all()
    assert set(pathway) == set(cohort["pathway"].values)
    assert 0.70 < len(np.unique(gene)) / cohort.sizes["gene"] < 0.74
    assert len(gene) > len(np.unique(gene))  # some genes are in two pathways
    sizes = np.unique(pathway, return_counts=True)[1]
    assert sizes.min() >= 4 and sizes.max() <= 50 and 10 < np.median(sizes) < 30
    for trait in cohort["trait"].values:
        effect = cohort["truth_effect"].sel(trait=trait).values
        members = set(gene[np.isin(pathway, cohort["pathway"].values[causal.sel(trait=trait).values])])
        assert set(cohort["gene"].values[effect != 0]) <= members
    shared = causal.sel(trait="Se82_leaf") & causal.sel(trait="Se82_seed")
    assert int(shared.sum()) == 2
    both = (cohort["truth_effect"].sel(trait=["Zn66_leaf", "Zn66_seed"]) != 0).all("trait")
    assert int(both.sum()) > 0


def test_null_control_has_structure_but_no_genetics(cohort):
    null = simulate_traits(cohort, genetic_signal=False, seed=2)
    assert float(abs(null["truth_genetic_value"]).max()) == 0
    assert float(abs(null["truth_effect"]).max()) == 0
    assert float(null["truth_heritability"].max()) == 0
    assert not null["truth_causal_pathway"].any()
    country = null["truth_country_effect"].var("sample")
    np.testing.assert_allclose(country / (country + null["truth_noise_variance"] / 6), 0.2, atol=1e-6)


def damage_of(cohort: xr.Dataset) -> np.ndarray:
    """Damage (sample, gene) by a loop over variant types."""
    load = np.zeros(cohort["counts"].shape[:2])
    for t, severity in enumerate(cohort["truth_severity"].values):
        load += severity * cohort["counts"].values[:, :, t]
    return 1 - np.exp(-load)


def pathway_matrix(cohort: xr.Dataset) -> np.ndarray:
    """Weights (gene, pathway) by a loop over edges."""
    genes, pathways = cohort["gene"].values.tolist(), cohort["pathway"].values.tolist()
    matrix = np.zeros((len(genes), len(pathways)))
    for gene, pathway, weight in zip(
        cohort["truth_edge_gene"].values.tolist(),
        cohort["truth_edge_pathway"].values.tolist(),
        cohort["truth_pathway_weight"].values,
        strict=True,
    ):
        matrix[genes.index(gene), pathways.index(pathway)] = weight
    return matrix


def test_traits_on_real_genomes_with_region_types_only():
    genomes = regional_genomes()
    genes = genomes["gene"].values
    edges = [(gene, f"bin {i % 6}") for i, gene in enumerate(genes)] + [("AT9G99999", "bin 0")]
    cohort = simulate_traits(genomes, 4, edges=edges, heritability=[0.2, 0.4, 0.0, 1.0], seed=7)
    assert cohort.attrs["data_kind"] == "real genomes, simulated traits"
    assert genomes.attrs == {"name": "regional", "data_kind": "real"}
    assert cohort["trait"].values.tolist() == ["Se82_leaf", "Se82_seed", "Mo98_leaf", "Mo98_seed"]
    assert len(cohort["truth_edge_gene"]) == len(genes)
    np.testing.assert_allclose(cohort["truth_genetic_value"].var("sample"), [0.2, 0.4, 0, 1], atol=1e-9)
    assert (cohort["truth_country_effect"].values[cohort["country"].values == ""] == 0).all()
    without = simulate_traits(genomes.assign_coords(country=("sample", [""] * 60)), 2, country_share=0)
    assert float(abs(without["truth_country_effect"]).max()) == 0


# --- Source task ------------------------------------------------------------------------------------


def test_the_traits_do_not_depend_on_the_source_task(cohort, tmp_path):
    alone = simulate_traits(simulate_genomes("demo", seed=1), seed=1)
    assert "source_trait" not in alone.dims
    other = simulate_source_traits(cohort, 5, relatedness=1, seed=9)
    for name in alone.variables:
        for whole in (cohort, other):
            assert whole[name].dtype == alone[name].dtype
            assert whole[name].values.tobytes() == alone[name].values.tobytes(), name
    found = open_cohort(save_cohort(cohort, tmp_path / "c.zarr"))
    assert found.attrs["fingerprint"] == fingerprint(cohort) != fingerprint(other)


def test_same_seed_same_source_task(cohort):
    one, again, other = (simulate_source_traits(cohort, 4, seed=seed) for seed in (5, 5, 6))
    xr.testing.assert_identical(one, again)
    assert not np.allclose(one["truth_source_effect"], other["truth_source_effect"])
    assert one["source_trait"].values.tolist() == ["source_001", "source_002", "source_003", "source_004"]
    assert one.attrs["source_trait_seed"] == 5


def test_what_is_given_stays_as_it_is(cohort):
    before = cohort.copy(deep=True)
    before.attrs["fingerprint"] = cohort.attrs["fingerprint"] = "of the cohort as it was"
    try:
        for changed in (
            simulate_source_traits(cohort, 2),
            keep_replicates(cohort, 2),
            simulate_traits(cohort, 2),
        ):
            assert "fingerprint" not in changed.attrs
        xr.testing.assert_identical(cohort, before)
    finally:
        del cohort.attrs["fingerprint"]


@pytest.mark.parametrize("relatedness", [0, 0.25, 0.5, 1])
def test_the_share_of_causal_genes_in_common_is_that_requested(cohort, relatedness):
    made = simulate_source_traits(cohort, 40, relatedness=relatedness, seed=2)
    genes = made["gene"].values
    of_traits = set(genes[(made["truth_effect"].values != 0).any(axis=1)])
    for t in range(40):
        of_source = set(genes[made["truth_source_effect"].values[:, t] != 0])
        share = len(of_source & of_traits) / len(of_source)
        assert abs(share - relatedness) <= 0.5 / len(of_source) + 1e-12
        assert float(made["truth_source_relatedness"][t]) == pytest.approx(share, abs=1e-12)
        assert 10 < len(of_source) < 60
    if relatedness in (0, 1):
        assert set(made["truth_source_relatedness"].values) == {relatedness}


def test_relatedness_can_differ_between_source_traits(cohort):
    made = simulate_source_traits(cohort, 3, relatedness=[0, 1, 0.5])
    np.testing.assert_allclose(made["truth_source_relatedness"], [0, 1, 0.5], atol=0.05)


def test_a_shared_gene_counts_as_much_as_in_the_traits(cohort):
    matrix, target = pathway_matrix(cohort), cohort["truth_effect"].values
    causal = cohort["truth_causal_pathway"].values.any(axis=1)
    whole = simulate_source_traits(cohort, 72, relatedness=1)["truth_source_effect"].values
    loads = np.linalg.lstsq(matrix[:, causal], whole, rcond=None)[0]
    np.testing.assert_allclose(matrix[:, causal] @ loads, whole, atol=1e-10)
    assert set((np.abs(loads) > 1e-9).sum(axis=0)) == {3}  # pathways of each source trait
    mixture = np.linalg.lstsq(whole, target, rcond=None)[0]
    np.testing.assert_allclose(whole @ mixture, target, atol=1e-8)  # all of T2 can be learnt from T1

    half = simulate_source_traits(cohort, 72, relatedness=0.5)["truth_source_effect"].values
    alone = (matrix != 0).sum(axis=1) == 1  # genes of a single pathway tell that pathway's load
    n_compared = 0
    for effect in half.T:
        for weight in matrix[:, causal].T:
            both = alone & (effect != 0) & (weight != 0)
            n_compared += both.sum() > 1
            if both.any():
                ratio = effect[both] / weight[both]
                np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert n_compared > 72


def test_genetic_variance_divides_as_the_genes_do(cohort):
    made, damage = simulate_source_traits(cohort, 30, relatedness=0.3), damage_of(cohort)
    shared = (cohort["truth_effect"].values != 0).any(axis=1)
    effect = made["truth_source_effect"].values
    one, other = ((damage[:, where] @ effect[where]).var(axis=0) for where in (shared, ~shared))
    np.testing.assert_allclose(one / (one + other), made["truth_source_relatedness"], rtol=1e-9)


def test_unrelated_source_traits_share_genes_with_one_another(cohort):
    unrelated = simulate_source_traits(cohort, 72, relatedness=0)["truth_source_effect"].values
    n_traits = (unrelated != 0).sum(axis=1)
    n_traits = n_traits[n_traits > 0]
    assert n_traits.mean() > 4
    # whole pathways are shared: where a gene is, most of its pathway is too
    together = (unrelated != 0).astype(int) @ (unrelated != 0).T.astype(int)
    used = np.diag(together).copy()
    np.fill_diagonal(together, 0)
    often = used >= 5
    assert (np.sort(together[often], axis=1)[:, -5:] / used[often, None]).mean() > 0.6
    assert (cohort["truth_effect"].values.any(axis=1) & unrelated.any(axis=1)).sum() == 0


def test_source_labels_have_the_variances_requested(cohort):
    made = simulate_source_traits(cohort, 200, heritability=0.4, country_share=0.1, missing=0, seed=5)
    np.testing.assert_allclose(made["truth_source_genetic_value"].var("sample"), 0.4, rtol=1e-9)
    np.testing.assert_allclose(made["truth_source_country_effect"].var("sample"), 0.1 / 0.9, rtol=1e-9)
    np.testing.assert_allclose(made["truth_source_noise_variance"], 0.6)
    one_per_country = made["truth_source_country_effect"].groupby(cohort["country"]).std()
    assert float(one_per_country.max()) < 1e-12
    free = (made["source_trait_value"] - made["truth_source_country_effect"]).values
    noise = free - made["truth_source_genetic_value"].values
    assert noise.var() == pytest.approx(0.6, rel=0.02)  # of 64,000 draws
    r = [
        np.corrcoef(free[:, t], made["truth_source_genetic_value"].values[:, t])[0, 1] ** 2
        for t in range(200)
    ]
    assert np.mean(r) == pytest.approx(0.4, abs=0.02)
    by_default = cohort["truth_source_heritability"]
    np.testing.assert_allclose(np.sort(by_default), np.linspace(0.1, 0.8, 72))


def test_missing_source_labels_are_as_many_as_told(cohort):
    assert (cohort["source_trait_value"].isnull().sum("sample") == 96).all()  # 0.3 * 320
    made = simulate_source_traits(cohort, 200, missing=[0, 0.9] * 100)
    n_missing = made["source_trait_value"].isnull().sum("sample").values
    assert set(n_missing[::2]) == {0} and set(n_missing[1::2]) == {288}
    each = made["source_trait_value"].isnull().sum("source_trait").values  # binomial: 100 traits, 0.9
    assert each.mean() == pytest.approx(90) and 2 < each.std() < 4


def test_a_source_task_without_signal_and_one_beside_traits_without_signal(cohort):
    silent = simulate_source_traits(cohort, 3, heritability=[0, 0.5, 0])
    assert np.isnan(silent["truth_source_relatedness"].values).tolist() == [True, False, True]
    assert float(abs(silent["truth_source_genetic_value"][:, [0, 2]]).max()) == 0
    null = simulate_traits(cohort, genetic_signal=False)
    assert "source_trait" not in null.dims
    beside = simulate_source_traits(null, 3, relatedness=0, heritability=0.5)
    np.testing.assert_allclose(beside["truth_source_genetic_value"].var("sample"), 0.5)
    assert set(beside["truth_source_relatedness"].values) == {0}
    with pytest.raises(
        ValueError, match="No gene has an effect on the cohort's traits, so relatedness must be 0"
    ):
        simulate_source_traits(null, 3)


def test_a_source_task_on_part_of_a_cohort(cohort):
    part = cohort.isel(sample=slice(100, 300), gene=slice(200), trait=[3, 4])
    made = simulate_source_traits(part, 6, relatedness=0.5)
    assert made["sample"].values.tolist() == part["sample"].values.tolist()
    of_traits = (part["truth_effect"].values != 0).any(axis=1)
    causal = made["truth_source_effect"].values != 0
    shared = (causal & of_traits[:, None]).sum(axis=0) / causal.sum(axis=0)
    np.testing.assert_allclose(made["truth_source_relatedness"], shared)
    np.testing.assert_allclose(shared, 0.5, atol=0.1)


# --- Structure and replicates -----------------------------------------------------------------------


def test_scattered_countries_keep_sizes_places_and_genomes(cohort):
    genomes = cohort.drop_vars([name for name in cohort.data_vars if "country_effect" in str(name)])
    scattered = scatter_countries(genomes, seed=2)

    def where(data: xr.Dataset) -> list:
        return list(
            zip(data["country"].values, data["latitude"].values, data["longitude"].values, strict=True)
        )

    assert sorted(where(scattered)) == sorted(where(cohort))
    stayed = np.mean([one == other for one, other in zip(where(scattered), where(cohort), strict=True)])
    assert stayed < 0.03
    for name in set(genomes.variables) - {"country", "latitude", "longitude", "truth_genetic_country_share"}:
        assert scattered[name].values.tobytes() == genomes[name].values.tobytes(), name
    xr.testing.assert_identical(scattered, scatter_countries(genomes, seed=2))
    assert where(scattered) != where(scatter_countries(genomes, seed=3))
    xr.testing.assert_identical(scatter_countries(genomes, 0), genomes)
    in_part = where(scatter_countries(genomes, 0.5))
    half = np.mean([one == other for one, other in zip(in_part, where(cohort), strict=True)])
    assert 0.5 <= half < 0.52


def test_scattering_takes_structure_away(cohort):
    """Between scattered countries lies what (groups - 1) / (accessions - 1) allows by chance."""
    genomes = cohort.drop_dims(["trait", "replicate", "source_trait"])
    chance = (len(np.unique(cohort["country"])) - 1) / (cohort.sizes["sample"] - 1)

    def between(share: float) -> float:
        damage = pd.DataFrame(damage_of(cohort))
        country = scatter_countries(genomes, share, seed=1)["country"].values
        return float((damage.groupby(country).transform("mean").var() / damage.var()).mean())

    shares = [between(share) for share in (0, 0.3, 0.6, 1)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > chance + 0.08
    assert shares[-1] == pytest.approx(chance, abs=0.01)
    flat = simulate_traits(scatter_countries(genomes), 200, country_share=0, seed=2)
    assert float(flat["truth_genetic_country_share"].mean()) == pytest.approx(chance, abs=0.015)
    labels = flat["trait_value"].to_pandas()
    share = (labels.groupby(flat["country"].values).transform("mean").var() / labels.var()).mean()
    assert share == pytest.approx(chance, abs=0.01)
    again = scatter_countries(flat, seed=5)
    value = again["truth_genetic_value"].to_pandas()
    expected = value.groupby(again["country"].values).transform("mean").var() / value.var()
    np.testing.assert_allclose(again["truth_genetic_country_share"], expected)


def test_unknown_countries_are_scattered_with_their_missing_places():
    genomes = regional_genomes()
    genomes["latitude"][genomes["country"].values != ""] = 50.0
    scattered = scatter_countries(genomes)
    unknown = scattered["country"].values == ""
    assert unknown.sum() == 20
    assert np.array_equal(np.isnan(scattered["latitude"].values), unknown)
    assert not np.array_equal(unknown, genomes["country"].values == "")


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fewer_replicates_make_noisier_labels(cohort, n):
    fewer = keep_replicates(cohort, n)
    validate_cohort(fewer)
    assert fewer.sizes["replicate"] == n
    for sample in range(0, 320, 7):
        for trait in range(36):
            values = cohort["replicate_value"].values[sample, trait, :n]
            values = [value for value in values if not np.isnan(value)]
            label = float(fewer["trait_value"][sample, trait])
            assert label == pytest.approx(sum(values) / len(values)) if values else np.isnan(label)
    complete = fewer["replicate_value"].notnull().all("replicate")
    noise = fewer["trait_value"] - fewer["truth_genetic_value"] - fewer["truth_country_effect"]
    ratio = noise.where(complete).var("sample") / (cohort["truth_noise_variance"] / n)
    assert float(ratio.mean()) == pytest.approx(
        1, abs=0.05
    )  # 36 traits of 320 accessions: 1.3 % standard error
    np.testing.assert_array_equal(fewer["truth_noise_variance"], cohort["truth_noise_variance"])
    h2 = cohort["truth_heritability"].values  # of the mean of six
    h2 = h2 / (h2 + (1 - h2) * 6 / n)
    np.testing.assert_allclose(fewer["truth_heritability"], h2, atol=1e-9)
    genetic, country = (fewer[f"truth_{name}"].var("sample") for name in ("genetic_value", "country_effect"))
    total = genetic / h2 + country
    np.testing.assert_allclose(fewer["truth_country_share"], country / total, atol=1e-9)


def test_all_replicates_kept_change_nothing(cohort):
    xr.testing.assert_allclose(keep_replicates(cohort, 6), cohort, rtol=1e-12)
    twice = keep_replicates(keep_replicates(cohort, 4), 2)
    xr.testing.assert_allclose(twice, keep_replicates(cohort, 2), rtol=1e-12)


def test_replicates_of_measured_traits_need_no_truth(cohort):
    known = [name for name in cohort.data_vars if str(name).startswith("truth_")]
    measured = cohort.drop_vars(known).assign_attrs(data_kind="real")
    fewer = keep_replicates(measured, 2)
    np.testing.assert_array_equal(fewer["trait_value"], keep_replicates(cohort, 2)["trait_value"])


# --- Refusals ---------------------------------------------------------------------------------------


def small(genomes: xr.Dataset) -> xr.Dataset:
    """The regional genomes with simulated traits."""
    edges = [(gene, f"bin {i % 6}") for i, gene in enumerate(genomes["gene"].values)]
    return simulate_traits(genomes, 2, edges=edges)


def causal_genes_of(cohort: xr.Dataset) -> xr.Dataset:
    return cohort.isel(gene=np.flatnonzero(cohort["truth_effect"].values.any(axis=1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: simulate_genomes("huge"), "Unknown scale 'huge'; allowed are demo, paper"),
        (lambda g: simulate_genomes(seed=-1), "seed is -1"),
        (lambda g: simulate_cohort(seed=1.5), r"seed is 1\.5"),
        (lambda g: simulate_traits(g, 0), "n_traits is 0"),
        (lambda g: simulate_traits(g, n_replicates=2.5), r"n_replicates is 2\.5"),
        (lambda g: simulate_traits(g, n_pathways=0), "n_pathways is 0"),
        (lambda g: simulate_traits(g, heritability=1.2), "heritability is 1.2"),
        (lambda g: simulate_traits(g, heritability=[0.1, 0.2]), "heritability has shape"),
        (lambda g: simulate_traits(g, heritability=np.nan), "heritability is nan"),
        (lambda g: simulate_traits(g, country_share=1), "country_share is 1"),
        (lambda g: simulate_traits(g, edges=[("AT1G00001", "p")], n_pathways=3), "give one of them"),
        (lambda g: simulate_traits(g, edges=[("x", "p")]), "None of the genes in 'edges'"),
        (lambda g: simulate_traits(g, edges=["x"]), "needed are two columns"),
        (lambda g: simulate_traits(g, edges=[("AT1G00001", "p")]), "No pathway has 3 to 100 genes"),
        (lambda g: simulate_traits(g.isel(sample=g["country"] == "SWE")), "fewer than two countries"),
        (lambda g: simulate_traits(g.drop_vars("country")), "no 'country'"),
        (lambda g: simulate_traits(g, True), "n_traits is True"),
        (
            lambda g: simulate_source_traits(g),
            "no 'truth_severity'; source traits need traits from simulate_traits",
        ),
        (lambda g: simulate_source_traits(small(g), 0), "n_traits is 0"),
        (lambda g: simulate_source_traits(small(g), seed="x"), "seed is 'x'"),
        (lambda g: simulate_source_traits(small(g), relatedness=-0.1), r"relatedness is -0\.1"),
        (lambda g: simulate_source_traits(small(g), 3, relatedness=[0, 1]), r"relatedness has shape \(2,\)"),
        (lambda g: simulate_source_traits(small(g), heritability=2), r"heritability is 2\.0"),
        (lambda g: simulate_source_traits(small(g), country_share=1), "country_share is 1"),
        (lambda g: simulate_source_traits(small(g), missing=1.5), r"missing is 1\.5"),
        (lambda g: simulate_source_traits(small(g), missing=0.99), "fewer than two of 60 accessions"),
        (
            lambda g: simulate_source_traits(causal_genes_of(small(g))),
            "Only 0 genes vary and have no effect on the cohort's traits, but a source trait of relatedness 0.5",
        ),
        (lambda g: scatter_countries(g, 1.1), r"share is 1\.1; allowed are values from 0 to 1"),
        (lambda g: scatter_countries(g, True), "share is True"),
        (lambda g: scatter_countries(g, seed=-1), "seed is -1"),
        (lambda g: scatter_countries(small(g)), "labels already hold effects of the countries"),
        (lambda g: keep_replicates(g, 2), "no 'replicate_value'"),
        (lambda g: keep_replicates(small(g), 0), "n_replicates is 0"),
        (lambda g: keep_replicates(small(g), 2.0), r"n_replicates is 2\.0"),
        (lambda g: keep_replicates(small(g), 7), "n_replicates is 7; the cohort has 6"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(regional_genomes())
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
