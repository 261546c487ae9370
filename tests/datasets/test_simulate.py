"""The simulator: schema, determinism, population structure, counts against a slow reference, known truth."""

import itertools

import numpy as np
import pytest
import xarray as xr

from gi_lib.datasets import simulate
from gi_lib.datasets.cohort import VARIANT_TYPES, fingerprint, validate_cohort
from gi_lib.datasets.simulate import simulate_cohort, simulate_genomes, simulate_traits

TINY = simulate.Size(samples=40, genes=20, markers=50)


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    return simulate_cohort("demo", seed=1)


@pytest.fixture
def tiny(monkeypatch) -> xr.Dataset:
    monkeypatch.setitem(simulate.SCALES, "tiny", TINY)
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
        "sample": 320, "gene": 600, "variant_type": 17, "trait": 36, "replicate": 6,
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
    country, latitude, longitude = simulate._places(simulate.SCALES["paper"], seed=1)
    sizes = {"SWE": 243, "ESP": 180, "USA": 123, "GER": 118, "ITA": 73, "UK": 69, "RUS": 60}
    assert len(country) == 998
    assert {label: int((country == label).sum()) for label in sizes} == sizes
    assert np.abs(latitude).max() < 90 and np.abs(longitude).max() < 180


def test_genes_are_cut_into_pieces_as_they_should_be():
    annotation = simulate._draw_annotation(np.random.default_rng(1), 3_000)
    length = np.diff(annotation.end, prepend=0)
    assert (length >= 0).all() and (np.diff(annotation.gene) >= 0).all()
    assert 4_000 < annotation.end[-1] / 3_000 < 4_700
    code = {name: annotation.kind == number for name, number in simulate.TYPE.items()}
    assert set(length[code["splicing"] | code["ncRNA splicing"]]) == {2}
    assert length[code["upstream"] | code["downstream"]].max() == 1_000
    assert length[code["intronic"] | code["ncRNA intronic"]].min() > 50
    without_protein = np.unique(annotation.gene[code["ncRNA exonic"]])
    assert 0.035 < len(without_protein) / 3_000 < 0.065
    assert not np.isin(annotation.gene[code["coding"]], without_protein).any()
    for gene in range(50):
        here = np.flatnonzero(annotation.gene == gene)
        kinds = annotation.kind[here]
        outside = np.isin(kinds, [simulate.TYPE[k] for k in ("upstream", "downstream", "intergenic")])
        body = here[~outside]
        assert np.array_equal(body, np.arange(body[0], body[-1] + 1))  # one block, flanks outside it
        assert annotation.gene_start[gene] == annotation.end[body[0] - 1]
        assert annotation.gene_end[gene] == annotation.end[body[-1]] - 1
        up, down = (int(np.flatnonzero(kinds == simulate.TYPE[k])[0]) for k in ("upstream", "downstream"))
        if gene not in without_protein:
            utr5, utr3 = (int(np.flatnonzero(kinds == simulate.TYPE[k])[0]) for k in ("UTR5", "UTR3"))
            assert up < utr5 < utr3 < down or down < utr3 < utr5 < up


def test_counts_equal_a_loop_over_variants(tiny):
    expected = np.zeros(tiny["counts"].shape, dtype=int)
    n_variants, first = 0, 0
    for annotation, trees, draws in simulate._chromosomes(TINY, seed=3):
        for variant, draw in zip(trees.variants(), draws, strict=True):
            genotype = variant.genotypes
            gene, kind = simulate.annotate_sites(
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
    annotation, trees, draws = next(simulate._chromosomes(TINY, seed=3))
    genotypes = trees.genotype_matrix()
    differs = genotypes[:, 0] != genotypes[:, -1]
    twin = trees.delete_sites(np.flatnonzero(differs))
    counts = np.zeros((TINY.samples, len(annotation.gene_start), len(VARIANT_TYPES)), dtype=np.uint16)
    simulate._count_variants(twin, annotation, draws[~differs], counts, spacing=100)
    assert counts[0].sum() == 0
    assert counts[1:].sum() > 0


def test_blocks_of_sites_do_not_matter(tiny, monkeypatch):
    monkeypatch.setattr(simulate, "SITES_PER_BLOCK", 37)
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
    annotation = simulate.Annotation(
        np.array([10]), np.array([0]), np.array([simulate.CODING]), np.array([0]), np.array([9])
    )
    draws = np.random.default_rng(0).random((200_000, 3))
    position = np.zeros(len(draws), dtype=int)

    def kept(frequency: float, name: str) -> int:
        gene, kind = simulate.annotate_sites(annotation, position, np.full(len(draws), frequency), draws)
        assert set(gene) == {0}
        return int((kind == simulate.TYPE[name]).sum())

    assert kept(0.5, "stopgain") < 0.05 * kept(0.0, "stopgain")
    assert 0.2 * kept(0.0, "nonsynonymous") < kept(0.5, "nonsynonymous") < 0.3 * kept(0.0, "nonsynonymous")
    assert kept(0.5, "synonymous") == kept(0.0, "synonymous")
    expected = len(draws) * (1 - simulate.INDEL_SHARE) * simulate.SNP_CONSEQUENCES["synonymous"]
    assert kept(0.0, "synonymous") == pytest.approx(expected, rel=0.02)


# --- Traits -----------------------------------------------------------------------------------------


def test_genetic_value_follows_from_counts(cohort):
    counts, effect = cohort["counts"].values, cohort["truth_effect"].values
    causal = np.flatnonzero(effect.any(axis=1))
    load = np.zeros((counts.shape[0], len(causal)))
    for t, severity in enumerate(cohort["truth_severity"].values):
        load += severity * counts[:, causal, t]
    value = (1 - np.exp(-load)) @ effect[causal]
    np.testing.assert_allclose(cohort["truth_genetic_value"], value - value.mean(axis=0), atol=1e-9)


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
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(regional_genomes())
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
