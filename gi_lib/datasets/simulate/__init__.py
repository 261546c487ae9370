"""Simulated genomes and traits in which everything is known.

`simulate_genomes` grows accessions with msprime: countries are demes, nearer demes exchange more
migrants, and every mutation gets a type from where it falls on an annotated genome. `simulate_traits`
adds an ionome with known causal genes to any genomes, simulated or real, and `simulate_source_traits` adds
the labels of a source task from which transfer learning can start. `simulate_cohort` does all three.

How strongly countries structure the traits can be set from nothing to almost everything. Genomes bring a share
of their own: some 15 % of the variance of genetic values lies between countries, in simulated and in real
genomes alike, of which 2 to 6 % are chance (see ``truth_genetic_country_share``). `scatter_countries`, applied
to the genomes before traits are added, takes that away, in part or wholly. The option ``country_share`` of
`simulate_traits` adds effects of the country that no gene causes: 0 is none, 0.8 very strong.

`simulate_shoot_branching` is another world: plants with four hormones, for networks that know about them.
"""

import xarray as xr

from gi_lib.datasets.simulate.genomes import SCALES, Size, simulate_genomes
from gi_lib.datasets.simulate.shoot_branching import simulate_shoot_branching
from gi_lib.datasets.simulate.source_task import simulate_source_traits
from gi_lib.datasets.simulate.traits import (
    ELEMENTS,
    gene_damage,
    keep_replicates,
    scatter_countries,
    simulate_traits,
    trait_names,
)


def simulate_cohort(scale: str = "demo", seed: int = 1) -> xr.Dataset:
    """Simulate genomes, an ionome of 36 traits on them, and a source task, with the default settings.

    The source task has 72 traits at demo scale and 288, as in the paper, at paper scale. See `simulate_genomes`
    for the parameters, and `simulate_traits` and `simulate_source_traits` for what the cohort knows.

    Raises
    ------
    ValueError
        If the scale is unknown or the seed is not a non-negative integer.
    """
    cohort = simulate_traits(simulate_genomes(scale, seed), seed=seed)
    return simulate_source_traits(cohort, SCALES[scale].source_traits, seed=seed)


__all__ = [
    "ELEMENTS",
    "SCALES",
    "Size",
    "gene_damage",
    "keep_replicates",
    "scatter_countries",
    "simulate_cohort",
    "simulate_genomes",
    "simulate_shoot_branching",
    "simulate_source_traits",
    "simulate_traits",
    "trait_names",
]
