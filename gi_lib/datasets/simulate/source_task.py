"""A simulated source task, from which transfer learning starts: traits that share a set share of causal genes."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from gi_lib.datasets.cohort import validate_cohort
from gi_lib.datasets.simulate.genomes import check_seed
from gi_lib.datasets.simulate.traits import (
    CAUSAL_PATHWAYS,
    Activity,
    check_number,
    country_effect,
    draw_activity,
    gene_damage,
    per_trait,
    shares_of_variance,
    varies,
)

SOURCE_ONLY_PATHWAYS = 72  # cause traits of a source task alone; 18 elements have so many at most
SOURCE_ONLY_SIZE = 11  # genes in each, about as many as the causal ones in a pathway of the ionome


def simulate_source_traits(
    cohort: xr.Dataset,
    n_traits: int = 288,
    *,
    relatedness: ArrayLike = 0.5,
    heritability: ArrayLike | None = None,
    country_share: ArrayLike = 0.2,
    missing: ArrayLike = 0.3,
    seed: int = 1,
) -> xr.Dataset:
    """Add a source task T1, from which transfer learning starts, to a cohort with simulated traits, T2.

    It stands for the 288 AraPheno phenotypes of Raimondi et al. 2024. A source trait takes the share
    `relatedness` of its causal genes from pathways that cause the traits of T2, with the weights that they
    have in those pathways but with signs and loads of its own, as another trait of T2 would have them. Its other
    causal genes have no effect on any trait of T2; they lie in pathways known to the source task alone,
    which its traits share with one another. The variance of the genetic value divides in the same proportion,
    covariance aside. With relatedness 0 the tasks have no causal gene in common; their genetic values
    correlate all the same, because relatives share genes of both kinds and neighbouring genes are linked.

    A label is genetic value + country effect + noise, measured once, with variances as for `simulate_traits`.
    Whatever the cohort holds stays as it is, byte by byte.

    Parameters
    ----------
    cohort
        As `simulate_traits` returns it. A source task that it already holds is replaced.
    n_traits
        Number of source traits; they are called ``source_001`` and so on.
    relatedness
        One value or one per source trait in [0, 1], met as nearly as whole genes allow.
    heritability
        One value or one per source trait in [0, 1], country effects aside; by default 0.1 to 0.8 in random order.
    country_share
        One value or one per source trait in [0, 1): as for `simulate_traits`, by effects of their own.
    missing
        One value or one per source trait: share of the accessions, taken at random, that have no label.
    seed
        The same seed gives the same arrays; the traits of T2 do not depend on it.

    Returns
    -------
    xarray.Dataset
        The cohort with ``source_trait_value (sample, source_trait)``, ``truth_source_genetic_value``,
        ``truth_source_country_effect (sample, source_trait)``, ``truth_source_effect (gene, source_trait)`` per
        unit of damage, and ``truth_source_heritability``, ``truth_source_country_share``,
        ``truth_source_noise_variance`` and ``truth_source_relatedness (source_trait)``: the share of its causal
        genes that cause a trait of T2 too, NaN where there is none because the heritability is 0.

    Raises
    ------
    ValueError
        If the cohort's traits are not simulated, if an option is out of its range, or if there are too few genes
        with, or without, an effect on T2.
    """
    check_seed(seed)
    check_number("n_traits", n_traits)
    truth = ("truth_severity", "truth_effect", "truth_causal_pathway", "truth_pathway_weight")
    for name in ("counts", "country", *truth):
        if name not in cohort.variables:
            raise ValueError(f"The cohort has no '{name}'; source traits need traits from simulate_traits.")
    rng = np.random.default_rng([seed, 200])
    heritability, country_share = shares_of_variance(rng, heritability, country_share, n_traits)
    relatedness = per_trait("relatedness", relatedness, n_traits)
    n_samples = cohort.sizes["sample"]
    n_missing = np.round(per_trait("missing", missing, n_traits) * n_samples).astype(int)
    if n_samples - n_missing.max() < 2:
        raise ValueError(
            f"missing is {np.max(missing)}, which leaves fewer than two of {n_samples} accessions with a label."
        )

    damage = gene_damage(cohort["counts"].values, cohort["truth_severity"].values)
    is_target = (cohort["truth_effect"].values != 0).any(axis=1)
    shared, own = _target_pathways(cohort, damage), _source_only_pathways(rng, damage, is_target)
    effect = _draw_source_effects(rng, damage, shared, own, relatedness)
    genetic = (damage - damage.mean(axis=0)) @ effect
    scale = np.sqrt(heritability) / genetic.std(axis=0)
    effect, genetic = effect * scale, genetic * scale
    n_causal, n_common = (effect != 0).sum(axis=0), (effect[is_target] != 0).sum(axis=0)
    realised = np.where(n_causal > 0, n_common / np.maximum(n_causal, 1), np.nan)

    by_country = country_effect(rng, cohort["country"].values.astype(str), country_share)
    label = genetic + by_country + rng.normal(size=genetic.shape) * np.sqrt(1 - heritability)
    for column, n in zip(label.T, n_missing, strict=True):
        column[rng.choice(n_samples, n, replace=False)] = np.nan

    cohort = cohort.drop_dims("source_trait", errors="ignore")
    cohort = cohort.assign_coords(source_trait=[f"source_{i:03d}" for i in range(1, n_traits + 1)]).assign(
        source_trait_value=(("sample", "source_trait"), label),
        truth_source_genetic_value=(("sample", "source_trait"), genetic),
        truth_source_country_effect=(("sample", "source_trait"), by_country),
        truth_source_effect=(("gene", "source_trait"), effect),
        truth_source_heritability=("source_trait", heritability),
        truth_source_country_share=("source_trait", country_share),
        truth_source_noise_variance=("source_trait", 1 - heritability),
        truth_source_relatedness=("source_trait", realised),
    )
    cohort.attrs.pop("fingerprint", None)
    cohort.attrs["source_trait_seed"] = int(seed)
    return validate_cohort(cohort)


def _target_pathways(cohort: xr.Dataset, damage: np.ndarray) -> list[Activity]:
    """Pathways that cause a trait of the cohort, each with its weights."""
    gene = cohort.indexes["gene"].get_indexer(cohort["truth_edge_gene"].values)
    weight = cohort["truth_pathway_weight"].values
    counts = (weight != 0) & (gene >= 0)
    counts[counts] = varies(damage)[gene[counts]]  # in the accessions that are left
    causal = cohort["truth_causal_pathway"].any("trait")
    found = []
    for name in causal["pathway"].values[causal.values]:
        edges = np.flatnonzero(counts & (cohort["truth_edge_pathway"].values == name))
        if len(edges):
            found.append((gene[edges], weight[edges]))
    return found


def _source_only_pathways(
    rng: np.random.Generator, damage: np.ndarray, is_target: np.ndarray
) -> list[Activity]:
    """Draw pathways, without a gene in common, from genes that have no effect on any trait of the cohort."""
    genes = rng.permutation(np.flatnonzero(varies(damage) & ~is_target))
    genes = genes[: SOURCE_ONLY_PATHWAYS * SOURCE_ONLY_SIZE]
    if not len(genes):
        return []
    parts = np.array_split(genes, max(1, len(genes) // SOURCE_ONLY_SIZE))
    return [draw_activity(rng, damage, part) for part in parts]


def _draw_source_effects(
    rng: np.random.Generator,
    damage: np.ndarray,
    shared: list[Activity],
    own: list[Activity],
    relatedness: np.ndarray,
) -> np.ndarray:
    """Draw effects (gene, trait) of source traits, still without scale.

    A trait has as many causal genes as a few of the shared pathways. They are taken pathway by pathway, so that
    pathways are whole but for the last one, from shared pathways first and then from those of its own.
    """
    if not shared and relatedness.any():
        raise ValueError("No gene has an effect on the cohort's traits, so relatedness must be 0.")
    effect = np.zeros((damage.shape[1], len(relatedness)))
    for column, share in zip(effect.T, relatedness, strict=True):
        plans = _mix(rng, shared, CAUSAL_PATHWAYS), _mix(rng, own, len(own))
        n_genes = len(plans[0][0]) if shared else CAUSAL_PATHWAYS * SOURCE_ONLY_SIZE
        n_shared = round(share * n_genes)
        n_own = n_genes - n_shared
        if n_own > len(plans[1][0]):
            raise ValueError(
                f"Only {len(plans[1][0])} genes vary and have no effect on the cohort's traits, but a source trait of "
                f"relatedness {share:g} needs {n_own}; raise the relatedness or simulate fewer traits."
            )
        for (genes, weight), n in zip(plans, (n_shared, n_own), strict=True):
            if n:
                value = damage[:, genes[:n]] @ weight[:n]
                column[genes[:n]] = weight[:n] * np.sqrt(n / n_genes) / value.std()
    return effect


def _mix(rng: np.random.Generator, pathways: list[Activity], n_pathways: int) -> Activity:
    """Draw some pathways in random order with random loads; their genes in that order, and their weights."""
    codes = rng.permutation(len(pathways))[:n_pathways]
    loads = rng.choice([-1, 1], len(codes)) * rng.uniform(0.5, 1.5, len(codes))
    total: dict[int, float] = {}  # a gene may be in two pathways
    for code, load in zip(codes, loads, strict=True):
        for i in rng.permutation(len(pathways[code][0])):
            gene, weight = pathways[code][0][i], pathways[code][1][i]
            total[gene] = total.get(gene, 0) + load * weight
    return np.array([*total], dtype=int), np.array([*total.values()])
