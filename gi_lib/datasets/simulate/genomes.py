"""Simulated genomes: accessions from a structured population, their variants counted per gene and type.

Countries are demes, nearer demes exchange more migrants, and every mutation gets a type from where it falls on an
annotated genome. Positions count from 0 inside this module and from 1, as in GFF3, in the datasets it returns.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import msprime
import numpy as np
import pandas as pd
import tskit
import xarray as xr

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES

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
    check_seed(seed)
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


def check_seed(seed: int) -> None:
    """Refuse what is no seed, in one sentence."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"The seed is {seed!r}; allowed are whole numbers from 0 upwards.")
