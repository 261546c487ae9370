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

Positions count from 0 inside this module and from 1, as in GFF3, in the datasets it returns.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import msprime
import numpy as np
import pandas as pd
import tskit
import xarray as xr
from numpy.typing import ArrayLike

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES, validate_cohort

# --- The species ------------------------------------------------------------------------------------

MUTATION_RATE = 7e-9
"""Per base and generation (Ossowski et al. 2010, doi 10.1126/science.1180677, as in stdpopsim's AraTha)."""

RECOMBINATION_RATE = 200 / 1e6 / (2 * 124_000)
"""Effective rate per base and generation: 200 per Mb at an effective size of 124,000 (Huber et al. 2014,
doi 10.1093/molbev/msu247, as in the first releases of stdpopsim). It is far below the rate of crossing over,
because in a selfing plant most crossovers join two copies of the same haplotype."""

CHROMOSOME_LENGTHS = (30_427_671, 19_698_289, 23_459_830, 18_585_056, 26_975_502)
"""TAIR10, base pairs; here they only share out the genes among the chromosomes."""

ANCESTRAL_SIZE = 300_000  # haploid; two random lines then differ at about 2 * 7e-9 * 300,000 = 0.4 % of sites
EXPANSION_TIME = 40_000  # years (= generations) since the last glaciation drove the demes apart
DEME_SIZE = 10_000  # haploid, from then to the recent past
RECENT_SIZE = 1_500  # haploid, during the last RECENT_TIME generations: neighbours are relatives
RECENT_TIME = 100
USA_SIZE = 1_500  # haploid, since the founding: a bottleneck
USA_TIME = 200  # years since settlers brought the species from Britain and Germany
MIGRATION = 1e-3  # per lineage and generation between two demes at distance 0 ...
MIGRATION_SCALE = 120.0  # ... halved at so many kilometres, then falling with the square of the distance
TRAVELLED = 0.06  # share of the accessions that grow in another deme than their parents did
SCATTER = 1.0  # degrees: spread of the accessions around the centre of their deme

DEMES = (
    # name, latitude, longitude, accessions at paper scale. The name begins with the country's label in the
    # 1001 Genomes list. The seven large countries have the sizes that Raimondi et al. 2024 state; 13 small
    # ones stand for the other 39.
    ("SWE_south", 56.0, 14.0, 163),
    ("SWE_north", 62.9, 18.0, 80),
    ("ESP_north", 42.4, -3.0, 95),
    ("ESP_south", 38.6, -4.5, 85),
    ("USA_west", 41.8, -86.5, 80),
    ("USA_east", 41.0, -73.5, 43),
    ("GER_south", 48.6, 9.1, 80),
    ("GER_north", 51.8, 10.5, 38),
    ("ITA_north", 46.4, 11.4, 33),
    ("ITA_south", 40.3, 16.0, 40),
    ("UK_south", 51.3, -0.8, 40),
    ("UK_north", 55.6, -3.5, 29),
    ("RUS_west", 55.5, 38.0, 20),
    ("RUS_east", 53.5, 58.0, 40),
    ("FRA", 47.6, 2.7, 28),
    ("CZE", 49.3, 16.2, 24),
    ("BUL", 41.8, 24.3, 17),
    ("AUT", 47.9, 13.9, 11),
    ("NED", 52.0, 5.3, 9),
    ("POR", 39.5, -7.8, 9),
    ("ROU", 45.7, 24.3, 8),
    ("SRB", 44.4, 21.4, 6),
    ("POL", 52.0, 18.9, 5),
    ("SUI", 47.2, 7.8, 5),
    ("FIN", 60.1, 23.9, 4),
    ("NOR", 60.5, 8.5, 3),
    ("DEN", 55.7, 12.0, 3),
)
FOUNDERS_OF_USA = ("UK_south", "GER_south")
REFERENCE_DEME = "GER_north"


@dataclass(frozen=True)
class Size:
    """How large a simulation is: accessions, genes, (about) common markers, and traits of the source task."""

    samples: int
    genes: int
    markers: int
    source_traits: int


SITES_PER_BLOCK = 20_000  # genotypes are read in blocks of so many sites
SCALES = {"demo": Size(320, 600, 4_000, 72), "paper": Size(998, 27_655, 20_000, 288)}

# --- Variant types ----------------------------------------------------------------------------------

TYPE = {name: code for code, name in enumerate(VARIANT_TYPES)}
SYNONYMOUS = TYPE["synonymous"] = len(VARIANT_TYPES)
CODING = TYPE["coding"] = SYNONYMOUS + 1
"""A piece of coding sequence; `annotate_sites` draws the consequence of each variant there."""
PURGED = -1
"""A variant that selection has removed."""

INDEL_SHARE = 0.13
SNP_CONSEQUENCES = {"nonsynonymous": 0.690, "synonymous": 0.263, "stopgain": 0.045, "stoploss": 0.002}
INDEL_CONSEQUENCES = {
    "frameshift deletion": 0.47,
    "frameshift insertion": 0.31,
    "nonframeshift deletion": 0.13,
    "nonframeshift insertion": 0.09,
}
"""Consequences of random mutations in coding sequence, before selection has seen them."""

PROPERTIES = {
    # survival of a new variant; exponent k: of variants at frequency f a share survival * (1 - f)**k remains;
    # severity s: one such variant leaves exp(-s) of what its gene could do before
    "stopgain": (0.12, 6, 1.0),  # these end or garble the protein
    "frameshift insertion": (0.10, 6, 0.9),
    "frameshift deletion": (0.10, 6, 0.9),
    "splicing": (0.10, 6, 0.8),
    "stoploss": (0.30, 4, 0.5),  # these change it
    "nonframeshift insertion": (0.35, 3, 0.3),
    "nonframeshift deletion": (0.35, 3, 0.3),
    "nonsynonymous": (0.45, 2, 0.15),
    EXONIC_UNKNOWN: (1.0, 0, 0.1),
    "ncRNA splicing": (0.50, 2, 0.2),  # these may change when and how much of it is made
    "ncRNA exonic": (0.80, 1, 0.1),
    "UTR5": (0.75, 1, 0.04),
    "UTR3": (0.85, 1, 0.03),
    "upstream": (1.0, 0, 0.02),
    "downstream": (1.0, 0, 0.01),
    "ncRNA intronic": (1.0, 0, 0.005),  # these mostly do nothing
    "intronic": (1.0, 0, 0.005),
    "intergenic": (1.0, 0, 0.002),
    "synonymous": (1.0, 0, 0.0),
}
"""Purifying selection by thinning, and damage: disruptive variants are rare, and rarest at high frequency."""

# --- Genomes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Annotation:
    """One chromosome cut into pieces without gaps, each of one kind and attributed to the nearest gene.

    Attributes
    ----------
    end : (piece,) first position after each piece, ascending.
    gene : (piece,) gene of the piece, counted along this chromosome.
    kind : (piece,) code of a variant type, or `CODING`.
    gene_start, gene_end : (gene,) first and last transcribed position.
    """

    end: np.ndarray
    gene: np.ndarray
    kind: np.ndarray
    gene_start: np.ndarray
    gene_end: np.ndarray


def simulate_genomes(scale: str = "demo", seed: int = 1) -> xr.Dataset:
    """Simulate accessions from a structured population and count their variants per gene and type.

    An accession is an inbred line, so one haploid genome stands for it. A variant is a difference to the
    reference line Col-0, one further sample from Germany, which is not part of the result. Synonymous
    variants are dropped and counted in the attributes.

    Parameters
    ----------
    scale
        ``"demo"`` (320 accessions, 600 genes) or ``"paper"`` (998 accessions, 27,655 genes).
    seed
        The same seed gives the same arrays.

    Returns
    -------
    xarray.Dataset
        ``counts (sample, gene, variant_type)`` and ``dosage (sample, marker)`` of a thinned set of
        variants with a minor allele frequency of at least 5 %, with the coordinates of a cohort. It
        becomes a cohort when `simulate_traits` adds traits.

    Raises
    ------
    ValueError
        If the scale is unknown or the seed is not a non-negative integer.
    """
    if scale not in SCALES:
        raise ValueError(f"Unknown scale {scale!r}; allowed are {', '.join(SCALES)}.")
    _check_seed(seed)
    size = SCALES[scale]
    counts = np.zeros((size.samples, size.genes, len(VARIANT_TYPES)), dtype=np.uint16)
    tally = np.zeros(SYNONYMOUS + 1, dtype=np.int64)
    dosage, genes, markers = [], [], []
    for number, (annotation, trees, draws) in enumerate(_chromosomes(size, seed), start=1):
        first, n_genes = sum(map(len, genes)), len(annotation.gene_start)
        spacing = annotation.end[-1] / n_genes * size.genes / size.markers
        here = counts[:, first : first + n_genes]
        added, position, chosen = _count_variants(trees, annotation, draws, here, spacing)
        tally += added
        dosage.append(chosen)
        markers.append(pd.DataFrame({"chromosome": str(number), "position": position + 1}))
        table = pd.DataFrame({"start": annotation.gene_start + 1, "end": annotation.gene_end + 1})
        table["name"] = [f"SIM{number}G{i:05d}" for i in range(1, n_genes + 1)]
        genes.append(table.assign(chromosome=str(number)))
    if counts.max() <= np.iinfo(np.uint8).max:
        counts = counts.astype(np.uint8)

    gene, marker = pd.concat(genes), pd.concat(markers)
    country, latitude, longitude = _places(size, seed)
    in_country = pd.Series(country).groupby(country).cumcount() + 1
    return xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), counts),
            "dosage": (("sample", "marker"), np.concatenate(dosage, axis=1)),
        },
        coords={
            "sample": [f"{label}-{i:03d}" for label, i in zip(country, in_country, strict=True)],
            "gene": gene["name"].to_numpy(str),
            "variant_type": list(VARIANT_TYPES),
            "country": ("sample", country),
            "latitude": ("sample", latitude),
            "longitude": ("sample", longitude),
            "gene_chromosome": ("gene", gene["chromosome"].to_numpy(str)),
            "gene_start": ("gene", gene["start"].to_numpy()),
            "gene_end": ("gene", gene["end"].to_numpy()),
            "chromosome": ("marker", marker["chromosome"].to_numpy(str)),
            "position": ("marker", marker["position"].to_numpy()),
        },
        attrs={
            "name": "simulated",
            "data_kind": "simulated",
            "scale": scale,
            "seed": int(seed),
            "source": f"Coalescent simulation with msprime {msprime.__version__} and published rates.",
            "reference": "Col-0, a simulated line from Germany that is not in the cohort",
            "n_variants": int(tally[:SYNONYMOUS].sum()),
            "n_synonymous_dropped": int(tally[SYNONYMOUS]),
        },
    )


def annotate_sites(
    annotation: Annotation, position: np.ndarray, frequency: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give each variable site its gene and its variant type.

    Parameters
    ----------
    annotation
        The chromosome's pieces.
    position, frequency
        Shape (n,): position in base pairs from 0, and frequency of the derived allele.
    draws
        Shape (n, 3), uniform in [0, 1): is it an indel, which consequence, does selection spare it.

    Returns
    -------
    gene, kind
        Shape (n,): gene along this chromosome, and index into `VARIANT_TYPES`, or `SYNONYMOUS`, or `PURGED`.
    """
    piece = np.searchsorted(annotation.end, position, side="right")
    kind = annotation.kind[piece].copy()
    is_coding, is_indel = kind == CODING, draws[:, 0] < INDEL_SHARE
    for shares, where in ((SNP_CONSEQUENCES, ~is_indel), (INDEL_CONSEQUENCES, is_indel)):
        codes, inner_edges = np.array([TYPE[name] for name in shares]), np.cumsum([*shares.values()])[:-1]
        where = where & is_coding
        kind[where] = codes[np.searchsorted(inner_edges, draws[where, 1], side="right")]
    survival, exponent, _ = np.array([PROPERTIES[name] for name in (*VARIANT_TYPES, "synonymous")]).T
    kind[draws[:, 2] >= survival[kind] * (1 - frequency) ** exponent[kind]] = PURGED
    return annotation.gene[piece], kind


def _chromosomes(size: Size, seed: int) -> Iterator[tuple[Annotation, tskit.TreeSequence, np.ndarray]]:
    """Yield annotation, mutated trees and draws (site, 3) of each chromosome; the last sample is Col-0."""
    demography = _demography()
    samples = [
        msprime.SampleSet(n, population=name, ploidy=1)
        for (name, *_), n in zip(DEMES, _deme_samples(size), strict=True)
        if n
    ]
    samples.append(msprime.SampleSet(1, population=REFERENCE_DEME, ploidy=1))
    for number, n_genes in enumerate(_share_out(size.genes, CHROMOSOME_LENGTHS)):
        rng = np.random.default_rng([seed, number])
        annotation = _draw_annotation(rng, n_genes)
        ancestry_seed, mutation_seed = rng.integers(1, 2**31, 2)
        trees = msprime.sim_ancestry(
            samples,
            demography=demography,
            ploidy=1,
            sequence_length=int(annotation.end[-1]),
            recombination_rate=RECOMBINATION_RATE,
            random_seed=ancestry_seed,
        )
        trees = msprime.sim_mutations(
            trees, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=mutation_seed
        )
        yield annotation, trees, rng.random((trees.num_sites, 3))


def _demography() -> msprime.Demography:
    """Demes with isolation by distance since the last glaciation, one ancestral population before it."""
    kilometres = _distances()
    demography = msprime.Demography()
    names = [name for name, *_ in DEMES]
    american = [name for name in names if name.startswith("USA")]
    for name in names:
        demography.add_population(name=name, initial_size=USA_SIZE if name in american else RECENT_SIZE)
    demography.add_population(name="ancestral", initial_size=ANCESTRAL_SIZE)
    for i, j in itertools.combinations(range(len(names)), 2):
        if (names[i] in american) == (names[j] in american):  # nothing crosses the ocean but the founders
            rate = MIGRATION / (1 + (kilometres[i, j] / MIGRATION_SCALE) ** 2)
            demography.set_symmetric_migration_rate([names[i], names[j]], rate)
    settled = [name for name in names if name not in american]
    for name in settled:
        demography.add_population_parameters_change(RECENT_TIME, initial_size=DEME_SIZE, population=name)
    for name in american:
        demography.add_admixture(USA_TIME, derived=name, ancestral=FOUNDERS_OF_USA, proportions=(0.5, 0.5))
    demography.add_population_split(EXPANSION_TIME, derived=settled, ancestral="ancestral")
    demography.sort_events()
    return demography


def _draw_annotation(rng: np.random.Generator, n_genes: int) -> Annotation:
    """Draw genes as dense as in A. thaliana (one in 4.3 kb) and cut the chromosome into pieces."""
    half_gap = ((100 + rng.exponential(1_970, n_genes + 1)) / 2).astype(int)
    is_reverse = rng.random(n_genes) < 0.5
    kinds, lengths, genes, start, end = [], [], [], [], []
    position = 0
    for gene in range(n_genes):
        body = _draw_gene(rng)
        ends = [("upstream", half_gap[gene]), ("downstream", half_gap[gene + 1])]
        if is_reverse[gene]:
            body.reverse()
            ends = [("downstream", half_gap[gene]), ("upstream", half_gap[gene + 1])]
        # a flank reaches 1 kb or half-way to the neighbour; what is left between two flanks is intergenic
        (left, before), (right, after) = ends
        near_left, near_right = min(before, 1_000), min(after, 1_000)
        pieces = [("intergenic", before - near_left), (left, near_left), *body]
        pieces += [(right, near_right), ("intergenic", after - near_right)]
        kinds += [TYPE[kind] for kind, _ in pieces]
        lengths += [length for _, length in pieces]
        genes += [gene] * len(pieces)
        start.append(position + before)
        position += sum(length for _, length in pieces)
        end.append(position - after - 1)
    return Annotation(np.cumsum(lengths), np.array(genes), np.array(kinds), np.array(start), np.array(end))


def _draw_gene(rng: np.random.Generator) -> list[tuple[str, int]]:
    """Draw the pieces of one gene, 5' to 3': kind and length; 5 % of the genes do not code for a protein."""
    is_coding = rng.random() >= 0.05
    exon, prefix = ("coding", "") if is_coding else ("ncRNA exonic", "ncRNA ")
    n_exons = 1 + rng.poisson(4.2 if is_coding else 1.5)
    pieces = []
    for length, intron in np.array([60, 70]) + rng.exponential((180, 95), (n_exons, 2)):
        # Annovar calls the two intronic bases beside an exon "splicing"
        splice = (f"{prefix}splicing", 2)
        pieces += [(exon, int(length)), splice, (f"{prefix}intronic", int(intron) - 4), splice]
    pieces = pieces[:-3]
    if is_coding:
        utr5, utr3 = 20 + rng.exponential((130, 210))
        pieces = [("UTR5", int(utr5)), *pieces, ("UTR3", int(utr3))]
    return pieces


def _count_variants(
    trees: tskit.TreeSequence, annotation: Annotation, draws: np.ndarray, counts: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add one chromosome's variants to `counts`, in blocks of sites so that memory stays small.

    Returns the number of variants per type (synonymous last), and position and dosage of the markers:
    the first common variant in each stretch of `spacing` base pairs.
    """
    n_types = len(VARIANT_TYPES)
    tally = np.zeros(n_types + 1, dtype=np.int64)
    positions, dosages = [], []
    last_window = -1
    sites = trees.variants(copy=False)
    for start in range(0, trees.num_sites, SITES_PER_BLOCK):
        block = np.empty((min(SITES_PER_BLOCK, trees.num_sites - start), trees.num_samples), dtype=np.uint8)
        for row in block:
            row[:] = next(sites).genotypes
        here = slice(start, start + len(block))
        position = trees.sites_position[here].astype(np.int64)
        gene, kind = annotate_sites(annotation, position, block.mean(axis=1), draws[here])
        carried = block[:, :-1] ^ block[:, -1:]
        n_carriers = carried.sum(axis=1, dtype=np.int64)
        seen = (kind != PURGED) & (n_carriers > 0)
        tally += np.bincount(kind[seen], minlength=n_types + 1)
        seen &= kind != SYNONYMOUS

        frequency = n_carriers / carried.shape[1]
        common = np.flatnonzero(seen & (np.minimum(frequency, 1 - frequency) >= 0.05))
        window, at = np.unique((position[common] // spacing).astype(int), return_index=True)
        chosen = common[at[window > last_window]]
        last_window = window[-1] if len(window) else last_window
        positions.append(position[chosen])
        dosages.append(2 * carried[chosen].T)

        if not seen.any():
            continue
        key = gene[seen] * n_types + kind[seen]
        order = np.argsort(key, kind="stable")
        keys, begin = np.unique(key[order], return_index=True)
        low, high = keys[0] // n_types, keys[-1] // n_types + 1
        added = np.zeros(((high - low) * n_types, carried.shape[1]), dtype=counts.dtype)
        added[keys - low * n_types] = np.add.reduceat(carried[seen][order], begin, axis=0, dtype=counts.dtype)
        counts[:, low:high] += added.T.reshape(-1, high - low, n_types)
    return tally, np.concatenate(positions), np.concatenate(dosages, axis=1)


def _places(size: Size, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Country, latitude and longitude of each accession, scattered around the centre of its deme."""
    rng = np.random.default_rng([seed, len(CHROMOSOME_LENGTHS)])
    origin = np.repeat(np.arange(len(DEMES)), _deme_samples(size))
    deme, closeness = origin.copy(), 1 / (1 + (_distances() / MIGRATION_SCALE) ** 2)
    for i in rng.choice(len(deme), round(TRAVELLED / 2 * len(deme)), replace=False):
        # seeds travel: two lines change places, rather near ones than far ones
        weight = closeness[origin[i], origin] * (origin != origin[i])
        j = rng.choice(len(deme), p=weight / weight.sum())
        deme[[i, j]] = deme[[j, i]]
    centre = np.array([row[1:3] for row in DEMES])[deme]
    scatter = rng.normal(0, SCATTER, centre.shape)
    scatter[:, 1] /= np.cos(np.radians(centre[:, 0]))
    country = np.array([name.partition("_")[0] for name, *_ in DEMES])[deme]
    return country, *(centre + scatter).T


def _distances() -> np.ndarray:
    """Great-circle distances between the demes, km."""
    latitude, longitude = np.radians(np.array([deme[1:3] for deme in DEMES])).T
    half_chord = (
        np.sin((latitude[:, None] - latitude) / 2) ** 2
        + np.cos(latitude[:, None]) * np.cos(latitude) * np.sin((longitude[:, None] - longitude) / 2) ** 2
    )
    return 2 * 6371 * np.arcsin(np.sqrt(half_chord))


def _deme_samples(size: Size) -> np.ndarray:
    """Accessions of each deme."""
    return _share_out(size.samples, [row[3] for row in DEMES])


def _share_out(total: int, weights: np.ndarray) -> np.ndarray:
    """Split `total` into whole numbers in proportion to `weights`: largest remainders round up."""
    exact = total * np.asarray(weights) / np.sum(weights)
    whole = np.floor(exact).astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: total - whole.sum()]] += 1
    return whole


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"The seed is {seed!r}; allowed are whole numbers from 0 upwards.")


# --- Traits -----------------------------------------------------------------------------------------

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
SOURCE_ONLY_PATHWAYS = 72  # cause traits of a source task alone; 18 elements have so many at most
SOURCE_ONLY_SIZE = 11  # genes in each, about as many as the causal ones in a pathway of the ionome


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
    _check_seed(seed)
    for name, value in (("n_traits", n_traits), ("n_replicates", n_replicates), ("n_pathways", n_pathways)):
        if value is not None:
            _check_number(name, value)
    if edges is not None and n_pathways is not None:
        raise ValueError("Both 'edges' and 'n_pathways' are given; give one of them.")
    missing = {"counts", "country"} - set(genomes.variables)
    if missing:
        raise ValueError(
            f"The genomes have no '{missing.pop()}'; traits are simulated from counts and country."
        )
    rng = np.random.default_rng([seed, 100])
    heritability, country_share = _shares_of_variance(rng, heritability, country_share, n_traits)
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
    by_country = _country_effect(rng, country, country_share)
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
    _check_seed(seed)
    _check_number("n_traits", n_traits)
    truth = ("truth_severity", "truth_effect", "truth_causal_pathway", "truth_pathway_weight")
    for name in ("counts", "country", *truth):
        if name not in cohort.variables:
            raise ValueError(f"The cohort has no '{name}'; source traits need traits from simulate_traits.")
    rng = np.random.default_rng([seed, 200])
    heritability, country_share = _shares_of_variance(rng, heritability, country_share, n_traits)
    relatedness = _per_trait("relatedness", relatedness, n_traits)
    n_samples = cohort.sizes["sample"]
    n_missing = np.round(_per_trait("missing", missing, n_traits) * n_samples).astype(int)
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

    by_country = _country_effect(rng, cohort["country"].values.astype(str), country_share)
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
    _check_seed(seed)
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
    _check_number("n_replicates", n_replicates)
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
    varies = _varies(damage)
    smallest, largest = CAUSAL_PATHWAY_SIZES
    activity: dict[int, Activity] = {}
    edge_weight = np.zeros(len(gene))
    for code, edges in enumerate(members):
        edges = edges[varies[gene[edges]]]
        if smallest <= len(edges) <= largest:
            edges = rng.choice(edges, round(CAUSAL_GENE_SHARE * len(edges)), replace=False)
            activity[code] = _draw_activity(rng, damage, gene[edges])
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


def _draw_activity(rng: np.random.Generator, damage: np.ndarray, genes: np.ndarray) -> Activity:
    """Draw weights of some genes so that their weighted damage has variance 1."""
    weight = rng.laplace(size=len(genes))  # few large effects, many small ones
    return genes, weight / (damage[:, genes] @ weight).std()


def _varies(damage: np.ndarray) -> np.ndarray:
    """Which genes (gene,) have a damage that differs between accessions."""
    return damage.std(axis=0) > 1e-9


def _target_pathways(cohort: xr.Dataset, damage: np.ndarray) -> list[Activity]:
    """Pathways that cause a trait of the cohort, each with its weights."""
    gene = cohort.indexes["gene"].get_indexer(cohort["truth_edge_gene"].values)
    weight = cohort["truth_pathway_weight"].values
    counts = (weight != 0) & (gene >= 0)
    counts[counts] = _varies(damage)[gene[counts]]  # in the accessions that are left
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
    genes = rng.permutation(np.flatnonzero(_varies(damage) & ~is_target))
    genes = genes[: SOURCE_ONLY_PATHWAYS * SOURCE_ONLY_SIZE]
    if not len(genes):
        return []
    parts = np.array_split(genes, max(1, len(genes) // SOURCE_ONLY_SIZE))
    return [_draw_activity(rng, damage, part) for part in parts]


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


def _country_effect(rng: np.random.Generator, country: np.ndarray, share: np.ndarray) -> np.ndarray:
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


def _check_number(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {value!r}; allowed are whole numbers from 1 upwards.")


def _shares_of_variance(
    rng: np.random.Generator, heritability: ArrayLike | None, country_share: ArrayLike, n_traits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Heritability and country share (trait,) each; default heritabilities are 0.1 to 0.8 in random order."""
    if heritability is None:
        heritability = rng.permutation(np.linspace(0.1, 0.8, n_traits))
    heritability = _per_trait("heritability", heritability, n_traits)
    country_share = _per_trait("country_share", country_share, n_traits)
    if (country_share == 1).any():
        raise ValueError("country_share is 1 for some trait; allowed are values from 0 to below 1.")
    return heritability, country_share


def _per_trait(name: str, value: ArrayLike, n_traits: int) -> np.ndarray:
    value = np.asarray(value, dtype=float)
    if value.shape not in ((), (n_traits,)):
        raise ValueError(
            f"{name} has shape {value.shape}; allowed are one number or {n_traits}, one per trait."
        )
    if not ((value >= 0) & (value <= 1)).all():
        raise ValueError(f"{name} is {value}; allowed are values from 0 to 1.")
    return np.broadcast_to(value, n_traits).copy()
