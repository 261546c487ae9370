r"""The shoot-branching benchmark: a plant whose trait is a non-linear function of four signals that genes add up to.

Auxin (A) and strigolactones (SL) keep a bud from growing out, cytokinins (CK) and sucrose (S) let it grow. The network
is that of Bertheloot et al. 2020 (doi 10.1111/nph.16201), which Powell et al. 2022 (doi
10.1093/insilicoplants/diac006) and arXiv 2510.14970 put between genome and trait:

.. math::

    CK &= \Big( \frac{a_{CK}}{1 + 0.96 A} + \frac{0.25 S^2}{0.19 + S^2} \Big) / 0.99 \\
    SL &= \Big( a_{SL} + \frac{24.89 A^2}{294.58 + A^2} \Big) / 0.86 \\
    I &= \Big( 0.33 + \frac{5.64 SL^2}{1 + (u_1 + 7.10 S^2) SL^2} + \frac{287.53}{1 + 1000 CK^2} \Big) / 0.99 \\
    T &= 3.5 I - 2.2

A, S, a_CK and a_SL are additive: sums over loci of effect times dosage. Three misprints of the paper's appendix (the
square of CK, :math:`u_1`, the 0.99 below I) are set right; the largest CK and SL and the least I that genomes can reach
tell which form is meant, see `extremes`.
"""

import numpy as np
import xarray as xr

from gi_lib.datasets.cohort import validate_cohort
from gi_lib.datasets.pathways import Edges
from gi_lib.datasets.simulate.genomes import check_seed
from gi_lib.datasets.simulate.traits import check_number

SIGNALS = ("auxin", "cytokinins", "sucrose", "strigolactones")
"""A, CK, S and SL: the entities of the benchmark."""

SUM_OF_EFFECTS = {"auxin": 1.25, "cytokinins": 0.55, "sucrose": 1.25, "strigolactones": 0.5}
"""Of one copy at each of a signal's loci; homozygotes have twice as much."""

EARLY = {"cytokinins", "sucrose"}
"""Signals that let a bud grow out: the early parent of an F2 has all their alleles, and none of the others'."""

POPULATIONS = ("F2", "F2 of mixed parents", "diversity")
N_CHROMOSOMES = 4
LOCI_PER_SIGNAL = 10
OUTGROWTH = 3.0
"""A bud grows out if I is below."""

FOUNDERS, GENERATIONS = 20, 10  # of the diversity population


def signal_levels(a: np.ndarray) -> np.ndarray:
    """Levels of the four signals, shape (sample, signal), from their additive values of the same shape.

    Columns are in the order of `SIGNALS`. Auxin and sucrose are what genes make them; cytokinins and strigolactones
    also depend on those two.
    """
    auxin, cytokinins, sucrose, strigolactones = np.asarray(a, float).T
    ck = (cytokinins / (1 + 0.96 * auxin) + 0.25 * sucrose**2 / (0.19 + sucrose**2)) / 0.99
    sl = (strigolactones + 24.89 * auxin**2 / (294.58 + auxin**2)) / 0.86
    return np.stack([auxin, ck, sucrose, sl], axis=1)


def integrated_signal(levels: np.ndarray) -> np.ndarray:
    """I, shape (sample,), from the levels of the signals, shape (sample, signal)."""
    _, ck, sucrose, sl = np.asarray(levels, float).T
    held_back = 5.64 * sl**2 / (1 + (4.8e-13 + 7.10 * sucrose**2) * sl**2)
    return (0.33 + held_back + 287.53 / (1 + 1000 * ck**2)) / 0.99


def time_to_outgrowth(levels: np.ndarray) -> np.ndarray:
    """T in days, shape (sample,), from the levels of the signals, shape (sample, signal)."""
    return 3.5 * integrated_signal(levels) - 2.2


def extremes() -> dict[str, float]:
    """The largest CK and SL and the least I of any genome: 1.356, 1.764 and 0.491 (arXiv 2510.14970)."""
    high = {name: 2 * total for name, total in SUM_OF_EFFECTS.items()}
    additive = np.array([[high[name] * (name in EARLY) for name in SIGNALS],
                         [high[name] * (name not in EARLY) for name in SIGNALS]])  # fmt: skip
    early, late = signal_levels(additive)
    return {"CK": early[1], "SL": late[3], "I": float(integrated_signal(early[None])[0])}


def simulate_shoot_branching(
    population: str = "F2",
    n_samples: int = 1000,
    *,
    n_neutral: int = 0,
    entity_noise: float = 0.05,
    trait_noise: float = 0.1,
    seed: int = 1,
) -> xr.Dataset:
    """Plants of a population, their signals as measured, and the time until a bud grows out.

    Four chromosomes of one Morgan have ten loci each, uniformly placed; ten loci, drawn at random, belong to each
    signal, with effects drawn from a gamma distribution of shape 2 and scaled to `SUM_OF_EFFECTS`. Crossovers
    fall without interference.

    Parameters
    ----------
    population
        ``F2``: grandchildren of an early and a late inbred parent that differ at every locus (see `EARLY`). ``F2 of
        mixed parents``: the same, but which parent has which allele is drawn for every locus. ``diversity``: after
        10 generations of random mating among the descendants of 20 inbred founders, whose alleles have frequencies
        uniform between 0.1 and 0.9.
    n_samples
        Plants.
    n_neutral
        Further markers without effect, uniformly placed.
    entity_noise, trait_noise
        Standard deviation of the noise of a measurement, as a share of that of what is measured. The trait follows
        the true signals, not the measured ones.
    seed
        The same seed gives the same arrays; loci and effects depend on it too.

    Returns
    -------
    xarray.Dataset
        A cohort with ``dosage``; ``trait_value``: ``outgrowth``, in days; ``entity_value (sample, entity)``: the
        signals as measured; ``truth_level``, the signals without noise, ``truth_additive``, what genes alone add up
        to, ``truth_trait (sample)`` and ``truth_marker_effect (marker, entity)``, zero but for a signal's own loci.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """
    check_seed(seed)
    if population not in POPULATIONS:
        raise ValueError(f"population is {population!r}; allowed are {', '.join(POPULATIONS)}.")
    check_number("n_samples", n_samples)
    if isinstance(n_neutral, bool) or not isinstance(n_neutral, int | np.integer) or n_neutral < 0:
        raise ValueError(f"n_neutral is {n_neutral!r}; allowed are whole numbers from 0 upwards.")
    for name, value in (("entity_noise", entity_noise), ("trait_noise", trait_noise)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} is {value}; it must be at least 0 and finite.")
    rng = np.random.default_rng([seed, 400])
    n_loci = LOCI_PER_SIGNAL * len(SIGNALS)
    effects = _draw_effects(rng, n_loci)
    chromosome = np.repeat(np.arange(N_CHROMOSOMES), n_loci // N_CHROMOSOMES)
    chromosome = np.concatenate([chromosome, rng.integers(N_CHROMOSOMES, size=n_neutral)])
    effects = np.concatenate([effects, np.zeros((n_neutral, len(SIGNALS)))])
    morgan = rng.random(len(chromosome))
    order = np.lexsort((morgan, chromosome))
    chromosome, morgan, effects = chromosome[order], morgan[order], effects[order]

    recombination = _recombination(chromosome, morgan)
    if population == "diversity":
        haplotypes = _diversity(rng, n_samples, len(effects), recombination)
    else:
        is_early = np.array([name in EARLY for name in SIGNALS])
        of_first = (effects[:, is_early] > 0).any(axis=1)
        drawn = rng.random(len(effects)) < 0.5
        is_mixed = population != "F2" or (effects == 0).all(axis=1)
        haplotypes = _f2(rng, n_samples, np.where(is_mixed, drawn, of_first), recombination)
    dosage = haplotypes.sum(axis=1)
    additive = dosage @ effects
    levels = signal_levels(additive)
    trait = time_to_outgrowth(levels)
    measured = levels + entity_noise * levels.std(axis=0) * rng.normal(size=levels.shape)
    observed = trait + trait_noise * trait.std() * rng.normal(size=n_samples)

    width = len(str(n_samples))
    return validate_cohort(
        xr.Dataset(
            {
                "dosage": (("sample", "marker"), dosage.astype(np.uint8)),
                "trait_value": (("sample", "trait"), observed[:, None]),
                "entity_value": (("sample", "entity"), measured),
                "truth_level": (("sample", "entity"), levels),
                "truth_additive": (("sample", "entity"), additive),
                "truth_trait": ("sample", trait),
                "truth_marker_effect": (("marker", "entity"), effects),
            },
            coords={
                "sample": np.array([f"plant_{i + 1:0{width}d}" for i in range(n_samples)]),
                "trait": np.array(["outgrowth"]),
                "entity": np.array(SIGNALS),
                "chromosome": ("marker", (chromosome + 1).astype(str)),
                "position": ("marker", np.round(1e8 * morgan).astype(np.int64)),
                "country": ("sample", np.full(n_samples, "")),
                "population": ("sample", np.full(n_samples, "")),
                "latitude": ("sample", np.full(n_samples, np.nan)),
                "longitude": ("sample", np.full(n_samples, np.nan)),
            },
            attrs={
                "name": "shoot-branching",
                "data_kind": "simulated",
                "source": f"{n_samples:,} plants of a simulated {population} population, shoot-branching network.",
            },
        )
    )


def signal_edges(panel: xr.Dataset) -> Edges:
    """From all markers to the four signals: which loci truly belong to which.

    Markers are named by chromosome and place in their order, such as ``"2:17"``.
    """
    signal, locus = np.nonzero(panel["truth_marker_effect"].values.T > 0)
    names = [f"{name}:{i}" for i, name in enumerate(panel["chromosome"].values)]
    return Edges(locus, signal, names, panel["entity"].values)


def _draw_effects(rng: np.random.Generator, n_loci: int) -> np.ndarray:
    """Effects (locus, signal): every locus has one on one signal."""
    signal = rng.permutation(np.repeat(np.arange(len(SIGNALS)), LOCI_PER_SIGNAL))
    effects = np.zeros((n_loci, len(SIGNALS)))
    effects[np.arange(n_loci), signal] = rng.gamma(2.0, size=n_loci)
    return effects * np.array([SUM_OF_EFFECTS[name] for name in SIGNALS]) / effects.sum(axis=0)


def _recombination(chromosome: np.ndarray, morgan: np.ndarray) -> np.ndarray:
    """Chance of an odd number of crossovers between each locus and the one before (Haldane 1919)."""
    chance = 0.5 * (1 - np.exp(-2 * np.abs(np.diff(morgan))))
    chance[chromosome[1:] != chromosome[:-1]] = 0.5
    return np.concatenate([[0.5], chance])


def _gametes(rng: np.random.Generator, parents: np.ndarray, recombination: np.ndarray) -> np.ndarray:
    """One gamete (parent, locus) of each parent (parent, haplotype, locus)."""
    switch = rng.random((len(parents), len(recombination))) < recombination
    which = np.cumsum(switch, axis=1) % 2
    return np.where(which == 1, parents[:, 1], parents[:, 0])


def _f2(rng: np.random.Generator, n: int, of_first: np.ndarray, recombination: np.ndarray) -> np.ndarray:
    """Haplotypes (plant, 2, locus): both gametes of each plant are from the same F1.

    `of_first` says for each locus whether the first parent has the allele that counts, or the second.
    """
    f1 = np.broadcast_to(np.stack([of_first, ~of_first]).astype(np.int64), (n, 2, len(of_first)))
    return np.stack([_gametes(rng, f1, recombination) for _ in range(2)], axis=1)


def _diversity(rng: np.random.Generator, n: int, n_loci: int, recombination: np.ndarray) -> np.ndarray:
    """Haplotypes (plant, 2, locus) after random mating, without selfing."""
    frequency = rng.uniform(0.1, 0.9, n_loci)
    founders = (rng.random((FOUNDERS, n_loci)) < frequency).astype(np.int64)
    plants = np.repeat(founders[:, None], 2, axis=1)
    for _ in range(GENERATIONS):
        mother = rng.integers(len(plants), size=n)
        father = (mother + rng.integers(1, len(plants), size=n)) % len(plants)
        plants = np.stack(
            [_gametes(rng, plants[parent], recombination) for parent in (mother, father)], axis=1
        )
    return plants
