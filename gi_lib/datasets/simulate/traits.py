"""Simulated traits on any genomes: an ionome with known genes, effects of countries, and replicates."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from gi_lib.datasets.cohort import validate_cohort
from gi_lib.datasets.simulate.genomes import PROPERTIES, check_seed

ELEMENTS = tuple(
    "Se82 Mo98 Mn55 Cd114 Sr88 Mg25 K39 Rb85 Cu65 Ca43 P31 S34 Li7 As75 Na23 Fe57 Zn66 Co59".split()  # noqa: SIM905
)
"""The elements of the ionome in the order of Raimondi et al. 2024, each measured in leaf and seed."""

ANNOTATED_SHARE = 0.72  # of the genes are in at least one pathway, as in MapMan
GENES_PER_PATHWAY = 27_655 / 1_272  # all genes over all pathways but the dummy one, as in the paper
SECOND_PATHWAY_SHARE = 0.15  # of the annotated genes are in two pathways
CAUSAL_PATHWAYS = 3  # per trait; leaf and seed of an element share all but one
CAUSAL_GENE_SHARE = 0.5  # of a pathway's genes whose damage varies
CAUSAL_PATHWAY_SIZES = (3, 100)  # such genes in a pathway that may be causal
MISSING_REPLICATES = 0.03
MISSING_LABELS = 0.02


Activity = tuple[np.ndarray, np.ndarray]
"""Genes of a pathway and what the damage of each counts."""


def simulate_traits(
    genomes: xr.Dataset,
    n_traits: int = 36,
    *,
    heritability: ArrayLike | None = None,
    country_share: ArrayLike = 0.2,
    n_replicates: int = 6,
    n_pathways: int | None = None,
    edges: ArrayLike | None = None,
    genetic_signal: bool = True,
    seed: int = 1,
) -> xr.Dataset:
    """Add traits with known genetics to simulated or real genomes.

    Each trait has a few causal pathways. A pathway's activity is a weighted sum of the damage of some of
    its genes (see `gene_damage`), with the same weights for every trait; the genetic value is a weighted
    sum of activities. Traits that share a pathway therefore share genes, as transfer learning needs it.
    A replicate is genetic value + country effect + noise, and the trait is the mean of the replicates.

    With h² the heritability and c the country share of a trait, the variances over accessions are h² for
    the genetic value, c / (1 - c) for the country effect and 1 - h² for the noise of the mean of all
    replicates. They are exact except for the covariance between the parts. So more replicates are noisier
    ones, and the label is as good as before; to keep the noise of a single replicate and average fewer of
    them, see `keep_replicates`.

    Parameters
    ----------
    genomes
        Dataset with ``counts (sample, gene, variant_type)`` and the coordinate ``country``, of which ``""``
        is unknown and has no effect. Traits it already holds are replaced, and a source task goes with them.
    n_traits
        The first 36 are `ELEMENTS` in leaf and seed; further ones are called ``phenotype_001`` and so on.
    heritability
        One value or one per trait in [0, 1], country effects aside; by default 0.1 to 0.8 in random order.
    country_share
        One value or one per trait in [0, 1): share of the label variance from effects of the country that
        do not depend on the genome.
    n_replicates
        Measurements per accession and trait; a few are missing.
    n_pathways
        Number of pathways to draw; by default one for every 22 genes, as in the paper. Not with `edges`.
    edges
        Shape (n_edges, 2): gene and pathway names to use instead. Genes not in `genomes` are ignored.
    genetic_signal
        False gives traits with countries and noise but no genetic value, for null controls.
    seed
        The same seed gives the same arrays.

    Returns
    -------
    xarray.Dataset
        A cohort with ``truth_genetic_value``, ``truth_country_effect (sample, trait)``,
        ``truth_effect (gene, trait)`` per unit of damage, ``truth_heritability``, ``truth_country_share``
        and ``truth_noise_variance`` of one replicate ``(trait)``, ``truth_genetic_country_share (trait)``: the
        share of the genetic value's variance between the known countries, ``truth_severity (variant_type)``,
        ``truth_edge_gene``, ``truth_edge_pathway`` and ``truth_pathway_weight (pathway_edge)``: what a gene's
        damage counts in the activity, of variance 1, of its pathway; and ``truth_causal_pathway (pathway, trait)``.

    Raises
    ------
    ValueError
        If an option is out of its range, if there is no country to have an effect, or if no pathway has
        enough genes whose damage varies.
    """
    check_seed(seed)
    for name, value in (("n_traits", n_traits), ("n_replicates", n_replicates), ("n_pathways", n_pathways)):
        if value is not None:
            check_number(name, value)
    if edges is not None and n_pathways is not None:
        raise ValueError("Both 'edges' and 'n_pathways' are given; give one of them.")
    missing = {"counts", "country"} - set(genomes.variables)
    if missing:
        raise ValueError(
            f"The genomes have no '{missing.pop()}'; traits are simulated from counts and country."
        )
    rng = np.random.default_rng([seed, 100])
    heritability, country_share = shares_of_variance(rng, heritability, country_share, n_traits)
    if not genetic_signal:
        heritability = np.zeros(n_traits)

    genes, traits = genomes["gene"].values.astype(str), trait_names(n_traits)
    if edges is None:
        edge_gene, edge_pathway = _draw_edges(rng, genes, n_pathways)
    else:
        edge_gene, edge_pathway = _known_edges(edges, genes)
    pathways, pathway_code = np.unique(edge_pathway, return_inverse=True)
    severity = np.array([PROPERTIES[name][2] for name in genomes["variant_type"].values.tolist()])
    if genetic_signal:
        damage = gene_damage(genomes["counts"].values, severity)
        gene_code = pd.Index(genes).get_indexer(edge_gene)
        effect, causal, weight = _draw_effects(rng, damage, gene_code, pathway_code, traits)
        genetic = (damage - damage.mean(axis=0)) @ effect
        scale = np.sqrt(heritability) / genetic.std(axis=0)
        effect, genetic, causal = effect * scale, genetic * scale, causal & (scale > 0)
    else:
        effect, causal = np.zeros((len(genes), n_traits)), np.zeros((len(pathways), n_traits), dtype=bool)
        weight = np.zeros(len(edge_gene))
        genetic = np.zeros((genomes.sizes["sample"], n_traits))

    country = genomes["country"].values.astype(str)
    by_country = country_effect(rng, country, country_share)
    noise_variance = n_replicates * (1 - heritability)
    noise = rng.normal(size=(*genetic.shape, n_replicates)) * np.sqrt(noise_variance)[:, None]
    replicates = (genetic + by_country)[:, :, None] + noise
    replicates[rng.random(replicates.shape) < MISSING_REPLICATES] = np.nan
    replicates[rng.random(genetic.shape) < MISSING_LABELS] = np.nan
    label = _mean_of_measured(replicates)

    replaced = ("trait", "replicate", "pathway", "pathway_edge", "source_trait")
    cohort = genomes.drop_dims(replaced, errors="ignore")
    cohort = cohort.assign_coords(trait=np.array(traits), pathway=pathways).assign(
        trait_value=(("sample", "trait"), label),
        replicate_value=(("sample", "trait", "replicate"), replicates),
        truth_genetic_value=(("sample", "trait"), genetic),
        truth_country_effect=(("sample", "trait"), by_country),
        truth_effect=(("gene", "trait"), effect),
        truth_heritability=("trait", heritability),
        truth_country_share=("trait", country_share),
        truth_noise_variance=("trait", noise_variance),
        truth_genetic_country_share=("trait", _share_between(genetic, country)),
        truth_severity=("variant_type", severity),
        truth_edge_gene=("pathway_edge", edge_gene),
        truth_edge_pathway=("pathway_edge", edge_pathway),
        truth_pathway_weight=("pathway_edge", weight),
        truth_causal_pathway=(("pathway", "trait"), causal),
    )
    cohort.attrs.pop("fingerprint", None)
    cohort.attrs["trait_seed"] = int(seed)
    if genomes.attrs.get("data_kind") == "real":
        cohort.attrs["data_kind"] = "real genomes, simulated traits"
        cohort.attrs["name"] = f"{genomes.attrs.get('name', 'real')}-simulated-traits"
    return validate_cohort(cohort)


def scatter_countries(genomes: xr.Dataset, share: float = 1.0, seed: int = 1) -> xr.Dataset:
    """Hand out countries and places at random, so that genomes differ between countries by chance only.

    Countries keep their sizes, accessions their genomes, names and labels. Scatter before traits are
    simulated: their country effects then follow the new countries.

    Parameters
    ----------
    genomes
        Dataset with ``country``, ``latitude`` and ``longitude`` along sample.
    share
        In [0, 1]: so many of the accessions, chosen at random, exchange their country and place with one another.
        1 leaves no structure, 0 all of it.
    seed
        The same seed gives the same permutation.

    Raises
    ------
    ValueError
        If an option is out of its range or if labels already hold effects of the countries.
    """
    check_seed(seed)
    if isinstance(share, bool) or not isinstance(share, int | float | np.number) or not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}; allowed are values from 0 to 1.")
    for name in ("truth_country_effect", "truth_source_country_effect"):
        if name in genomes and genomes[name].values.any():
            raise ValueError(
                "The labels already hold effects of the countries; scatter the countries of the genomes, "
                "then simulate the traits."
            )
    rng = np.random.default_rng([seed, 300])
    order = np.arange(genomes.sizes["sample"])
    moved = rng.choice(len(order), round(share * len(order)), replace=False)
    order[moved] = rng.permutation(moved)
    scattered = genomes.assign_coords(
        {name: ("sample", genomes[name].values[order]) for name in ("country", "latitude", "longitude")}
    )
    if "truth_genetic_country_share" in scattered:
        genetic, country = scattered["truth_genetic_value"].values, scattered["country"].values.astype(str)
        scattered["truth_genetic_country_share"] = ("trait", _share_between(genetic, country))
    scattered.attrs.pop("fingerprint", None)
    return scattered


def keep_replicates(cohort: xr.Dataset, n_replicates: int) -> xr.Dataset:
    """Keep the first replicates only and average them anew: fewer measurements, noisier labels.

    The noise variance of a single replicate stays, so that of a label grows as 1 / n_replicates. (The option
    ``n_replicates`` of `simulate_traits` does the opposite: it keeps the noise of the label.)

    Parameters
    ----------
    cohort
        With ``replicate_value (sample, trait, replicate)``, simulated or measured.
    n_replicates
        How many to keep, from 1 to all. A label is missing where none of them was measured.

    Returns
    -------
    xarray.Dataset
        The cohort with ``trait_value`` the mean of the kept replicates. Where known, ``truth_heritability`` and
        ``truth_country_share`` are those of the new labels.

    Raises
    ------
    ValueError
        If the cohort has no replicates or not so many.
    """
    if "replicate_value" not in cohort:
        raise ValueError("The cohort has no 'replicate_value'; there are no replicates to keep.")
    check_number("n_replicates", n_replicates)
    if n_replicates > cohort.sizes["replicate"]:
        raise ValueError(f"n_replicates is {n_replicates}; the cohort has {cohort.sizes['replicate']}.")
    kept = cohort.isel(replicate=slice(0, n_replicates))
    label = _mean_of_measured(kept["replicate_value"].values)
    kept = kept.assign(trait_value=(("sample", "trait"), label))
    if "truth_noise_variance" in kept:
        noise = kept["truth_noise_variance"].values / n_replicates
        genetic = kept["truth_genetic_value"].values.var(axis=0)
        country = kept["truth_country_effect"].values.var(axis=0)
        kept = kept.assign(
            truth_heritability=("trait", genetic / (genetic + noise)),
            truth_country_share=("trait", country / (genetic + noise + country)),
        )
    kept.attrs.pop("fingerprint", None)
    return validate_cohort(kept)


def gene_damage(counts: np.ndarray, severity: np.ndarray) -> np.ndarray:
    """Damage of each gene between 0 and 1: 1 - exp(-sum over types of severity * count).

    Mild variants add up; a gene that is broken already cannot be broken again.

    Parameters
    ----------
    counts
        Shape (sample, gene, variant_type).
    severity
        Shape (variant_type,).

    Returns
    -------
    numpy.ndarray
        Shape (sample, gene), float64.
    """
    damage = np.empty(counts.shape[:2])
    for row, accession in zip(damage, counts, strict=True):  # one at a time: floats need 8 times the memory
        row[:] = -np.expm1(-(accession @ severity))
    return damage


def trait_names(n_traits: int) -> list[str]:
    """Names of simulated traits: 36 of the ionome, leaf and seed of each element in turn, then phenotypes.

    >>> trait_names(3)
    ['Se82_leaf', 'Se82_seed', 'Mo98_leaf']
    """
    ionome = [f"{element}_{organ}" for element in ELEMENTS for organ in ("leaf", "seed")]
    return [*ionome, *(f"phenotype_{i:03d}" for i in range(1, n_traits - len(ionome) + 1))][:n_traits]


def _draw_edges(
    rng: np.random.Generator, genes: np.ndarray, n_pathways: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pathways of about 5 to 40 genes: the first five are dealt out, the others go to the popular."""
    n_pathways = n_pathways or max(1, round(len(genes) / GENES_PER_PATHWAY))
    annotated = rng.permutation(len(genes))[: round(ANNOTATED_SHARE * len(genes))]
    second = annotated[rng.random(len(annotated)) < SECOND_PATHWAY_SHARE]
    popularity = rng.uniform(0, 1, n_pathways)
    gene = np.concatenate([annotated, second])
    pathway = rng.choice(n_pathways, len(gene), p=popularity / popularity.sum())
    dealt = min(5 * n_pathways, len(annotated))
    pathway[:dealt] = np.arange(dealt) % n_pathways
    gene, pathway = np.unique([gene, pathway], axis=1)
    return genes[gene], np.array([f"pathway_{code:04d}" for code in pathway + 1])


def _known_edges(edges: ArrayLike, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check given edges and keep those whose gene is in the cohort."""
    edges = np.asarray(edges).astype(str)
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(f"'edges' has shape {edges.shape}; needed are two columns, gene and pathway.")
    edges = np.unique(edges[np.isin(edges[:, 0], genes)], axis=0)
    if not len(edges):
        raise ValueError("None of the genes in 'edges' is a gene of the cohort; compare the names.")
    return edges[:, 0], edges[:, 1]


def _draw_effects(
    rng: np.random.Generator, damage: np.ndarray, gene: np.ndarray, pathway: np.ndarray, traits: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw effects (gene, trait), still without scale, causal pathways (pathway, trait) and weights (edge)."""
    by_pathway = np.argsort(pathway, kind="stable")
    members = np.split(by_pathway, np.cumsum(np.bincount(pathway))[:-1])
    does_vary = varies(damage)
    smallest, largest = CAUSAL_PATHWAY_SIZES
    activity: dict[int, Activity] = {}
    edge_weight = np.zeros(len(gene))
    for code, edges in enumerate(members):
        edges = edges[does_vary[gene[edges]]]
        if smallest <= len(edges) <= largest:
            edges = rng.choice(edges, round(CAUSAL_GENE_SHARE * len(edges)), replace=False)
            activity[code] = draw_activity(rng, damage, gene[edges])
            edge_weight[edges] = activity[code][1]
    if not activity:
        raise ValueError(
            f"No pathway has {smallest} to {largest} genes whose damage varies; give other edges."
        )

    effect = np.zeros((damage.shape[1], len(traits)))
    causal = np.zeros((len(members), len(traits)), dtype=bool)
    plans: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for t, trait in enumerate(traits):
        plan = trait.removesuffix("_leaf").removesuffix("_seed")
        if plan not in plans:
            codes = rng.permutation([*activity])[: CAUSAL_PATHWAYS + 1]
            plans[plan] = codes, rng.choice([-1, 1], len(codes)) * rng.uniform(0.5, 1.5, len(codes))
        left_out = CAUSAL_PATHWAYS - 1 if trait.endswith("_seed") else CAUSAL_PATHWAYS
        for i, (code, load) in enumerate(zip(*plans[plan], strict=True)):
            if i != left_out:
                genes, weight = activity[code]
                effect[genes, t] += load * weight
                causal[code, t] = True
    return effect, causal, edge_weight


def draw_activity(rng: np.random.Generator, damage: np.ndarray, genes: np.ndarray) -> Activity:
    """Draw weights of some genes so that their weighted damage has variance 1."""
    weight = rng.laplace(size=len(genes))  # few large effects, many small ones
    return genes, weight / (damage[:, genes] @ weight).std()


def varies(damage: np.ndarray) -> np.ndarray:
    """Which genes (gene,) have a damage that differs between accessions."""
    return damage.std(axis=0) > 1e-9


def country_effect(rng: np.random.Generator, country: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Effects (sample, trait) with variance share / (1 - share); unknown countries have none."""
    known = country != ""
    labels, code = np.unique(country[known], return_inverse=True)
    effect = np.zeros((len(country), len(share)))
    if share.any():
        if len(labels) < 2:
            raise ValueError("The accessions come from fewer than two countries, so country_share must be 0.")
        effect[known] = rng.normal(size=(len(labels), len(share)))[code]
        effect[known] -= effect[known].mean(axis=0)
        effect *= np.sqrt(share / (1 - share)) / effect.std(axis=0)
    return effect


def _share_between(values: np.ndarray, country: np.ndarray) -> np.ndarray:
    """Share of the variance (sample, trait) -> (trait,) between known countries; NaN where nothing varies."""
    known = country != ""
    values, (labels, code) = values[known], np.unique(country[known], return_inverse=True)
    if not len(labels):
        return np.full(values.shape[1], np.nan)
    sums = np.zeros((len(labels), values.shape[1]))
    np.add.at(sums, code, values)
    means = sums / np.bincount(code)[:, None]
    between, total = means[code].var(axis=0), values.var(axis=0)
    return np.divide(between, total, out=np.full(len(total), np.nan), where=total > 0)


def _mean_of_measured(replicates: np.ndarray) -> np.ndarray:
    """Mean over the last axis without NaN; NaN where nothing was measured."""
    n_measured = np.isfinite(replicates).sum(axis=-1)
    return np.where(n_measured > 0, np.nansum(replicates, axis=-1) / np.maximum(n_measured, 1), np.nan)


def check_number(name: str, value: int) -> None:
    """Refuse what is no whole number from 1 upwards, in one sentence."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {value!r}; allowed are whole numbers from 1 upwards.")


def shares_of_variance(
    rng: np.random.Generator, heritability: ArrayLike | None, country_share: ArrayLike, n_traits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Heritability and country share (trait,) each; default heritabilities are 0.1 to 0.8 in random order."""
    if heritability is None:
        heritability = rng.permutation(np.linspace(0.1, 0.8, n_traits))
    heritability = per_trait("heritability", heritability, n_traits)
    country_share = per_trait("country_share", country_share, n_traits)
    if (country_share == 1).any():
        raise ValueError("country_share is 1 for some trait; allowed are values from 0 to below 1.")
    return heritability, country_share


def per_trait(name: str, value: ArrayLike, n_traits: int) -> np.ndarray:
    """One value for each trait, all in [0, 1], from one for all or one for each."""
    value = np.asarray(value, dtype=float)
    if value.shape not in ((), (n_traits,)):
        raise ValueError(
            f"{name} has shape {value.shape}; allowed are one number or {n_traits}, one per trait."
        )
    if not ((value >= 0) & (value <= 1)).all():
        raise ValueError(f"{name} is {value}; allowed are values from 0 to 1.")
    return np.broadcast_to(value, n_traits).copy()
