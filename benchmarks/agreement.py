"""How far our own annotation agrees with SnpEff and with bcftools csq, allele by allele.

    python benchmarks/agreement.py --genes 300 --variants 20000 --seeds 1 2 3

Small genomes are simulated. Each alternative allele is given to genes and types three times: by gene models and
sequence (annotation "own"), by SnpEff, and by ``bcftools csq`` as a user would run it on the whole file; the two
latter are read by the readers that `gi encode` has for them. Annovar's precedence decides everywhere. What is
compared are the types of each pair of allele and gene; every disagreement is given the first cause that code finds
in the variant and the gene model. ``--record`` writes ``results/benchmarks/agreement.csv`` and
``results/benchmarks/disagreements.csv``.

Of csq only coding consequences and splice sites are compared, because it annotates no neighbourhoods of genes. Our
annotation asks csq as well, allele by allele, so that comparison tests how csq is asked; SnpEff is the independent one.
A cause is a test of where the allele lies; that it holds does not prove that it is the reason.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pysam

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES
from gi_lib.datasets.small_genome import SmallGenome, simulate_small_genome
from gi_lib.encoding import GeneModels, chromosome_names, read_gff3
from gi_lib.encoding.annotations import parser
from gi_lib.encoding.consequences import OwnAnnotation
from gi_lib.encoding.vocabulary import reduce_alleles

REPOSITORY = Path(__file__).parents[1]
TYPES = (*VARIANT_TYPES, EXONIC_UNKNOWN)
SILENT, NOTHING = "no counterpart", "nothing"
CODING = frozenset((*(name for name in TYPES if name.startswith(("frameshift", "nonframeshift", "stop"))),
                    "nonsynonymous", EXONIC_UNKNOWN, SILENT))  # fmt: skip
UNEXPLAINED = "unexplained"
ANNOTATORS = ("SnpEff", "bcftools csq")

Types = dict[str, set[str]]  # gene → types of one allele


class Allele(NamedTuple):
    """One alternative allele, as the VCF writes it."""

    chromosome: str
    position: int
    ref: str
    alt: str

    @property
    def change(self) -> tuple[int, str, str]:
        """First base replaced (of an insertion the base behind it), and the bases that differ."""
        return reduce_alleles(self.position, self.ref, self.alt)

    @property
    def touched(self) -> tuple[int, int]:
        """First and last base touched; of an insertion the base before it, as in Annovar."""
        start, ref, _ = self.change
        return (start, start + len(ref) - 1) if ref else (start - 1, start - 1)


class Row(NamedTuple):
    """What the two annotators say of one allele and gene."""

    allele: int
    gene: str
    ours: str
    theirs: str


# ------------------------------------------------------------------------------------------- annotating


def read_alleles(vcf: Path) -> list[Allele]:
    """The alternative alleles of a VCF, in its order."""
    return [
        Allele(chrom, position, ref, alt) for chrom, position, ref, alts, _ in _lines(vcf) for alt in alts
    ]


def _lines(vcf: Path) -> Iterator[tuple[str, int, str, list[str], str]]:
    with vcf.open() as lines:
        for line in lines:
            if not line.startswith("#"):
                chrom, position, _, ref, alts, _, _, info, *_ = line.rstrip("\n").split("\t")
                yield str(chromosome_names(np.array(chrom))), int(position), ref, alts.split(","), info


def annotate_ourselves(models: GeneModels, fasta: Path, alleles: list[Allele]) -> list[Types]:
    """Genes and types of every allele by gene models and sequence."""
    own, found = OwnAnnotation(models, fasta), [{} for _ in alleles]
    names = models.genes["name"].tolist()
    for chromosome in dict.fromkeys(allele.chromosome for allele in alleles):
        here = [i for i, allele in enumerate(alleles) if allele.chromosome == chromosome]
        position = np.array([alleles[i].position for i in here])
        given = own.annotate(
            chromosome, position, [alleles[i].ref for i in here], [alleles[i].alt for i in here]
        )
        for at, gene, code in zip(given.allele, given.gene, given.variant_type, strict=True):
            found[here[at]].setdefault(names[gene], set()).add(TYPES[code])
        touched = np.array([alleles[i].touched for i in here])
        placed = models.place(np.full(len(here), chromosome), touched[:, 0], touched[:, 1])
        for at, gene in zip(*(column[placed.region == 0] for column in placed[:2]), strict=True):
            # An exonic gene without a type is silent, unless the consequence for another gene hides it.
            types = found[here[at]]
            if not any(types.values()) or set().union(*types.values()) <= {"splicing", SILENT}:
                types.setdefault(names[gene], {SILENT})
    return found


def read_annotation(vcf: Path, kind: str) -> list[Types]:
    """Genes and types of every allele by the annotation in a VCF; gene "" where it names none."""
    reader = parser(kind, "".join(line for line in vcf.open() if line.startswith("##")))
    found: list[Types] = []
    for _, _, ref, alts, info in _lines(vcf):
        text = next(
            (field.partition("=")[2] for field in info.split(";") if field.startswith(f"{kind}=")), None
        )
        for effects in reader.selected(text, ref, alts, "precedence") if text else [[] for _ in alts]:
            types: Types = {}
            for effect in effects:
                types.setdefault(effect.gene, set()).add(effect.variant_type or SILENT)
            found.append(types)
    return found


def run_snpeff(genome: SmallGenome, folder: Path) -> Path:
    """Build a SnpEff database and annotate the variants with it; neighbourhoods reach 5 kb, SnpEff's default."""
    data = folder / "data" / "small"
    data.mkdir(parents=True)
    shutil.copy(genome.fasta, data / "sequences.fa")
    # SnpEff 5.1 makes genes of its own from transcripts of the type lnc_RNA.
    (data / "genes.gff").write_text(genome.gff3.read_text().replace("\tlnc_RNA\t", "\tncRNA\t"))
    config = folder / "snpEff.config"
    config.write_text("small.genome : small\n")
    common = ["-c", str(config), "-dataDir", str(folder / "data"), "-noLog", "-nodownload"]
    _run(["snpEff", "-Xmx2g", "build", "-gff3", *common, "-noCheckCds", "-noCheckProtein", "small"], folder)
    text = _run(["snpEff", "-Xmx2g", "ann", *common, "-noStats", "small", str(genome.vcf)], folder)
    target = folder / "snpeff.vcf"
    target.write_text(text[text.index("##fileformat") :])  # Debian's wrapper prints its arguments before
    return target


def run_csq(genome: SmallGenome, folder: Path) -> Path:
    """Annotate the variants with ``bcftools csq --local-csq``."""
    target = folder / "csq.vcf"
    arguments = ["-l", "-f", genome.fasta, "-g", genome.gff3, "-o", target, genome.vcf]
    # In a process of its own: bcftools csq remembers positions from one call to the next.
    code = "import sys, pysam.bcftools as b; b.csq(*sys.argv[1:], catch_stdout=False)"
    _run([sys.executable, "-c", code, *map(str, arguments)], folder)
    return target


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HOME": str(folder)})
    if done.returncode:
        raise SystemExit(f"{command[0]} failed with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


# ------------------------------------------------------------------------------------------- comparing


def compare(ours: list[Types], theirs: list[Types]) -> list[Row]:
    """One row per type that both name, and per pair of types in which they differ; silence beside a type is none.

    Where the other annotator calls an allele intergenic without a gene, our gene is taken.
    """
    rows = []
    for allele, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        ours_far = next((gene for gene, types in own.items() if "intergenic" in types), "")
        other = {gene or ours_far: types for gene, types in other.items()}
        for gene in sorted({*own, *other}):
            mine, its = _loud(own.get(gene, set())), _loud(other.get(gene, set()))
            rows += [Row(allele, gene, name, name) for name in sorted(mine & its)]
            left, right = sorted(mine - its), sorted(its - mine)
            for i in range(max(len(left), len(right))):
                rows.append(Row(allele, gene, _at(left, i), _at(right, i)))
    return rows


def _loud(types: set[str]) -> set[str]:
    return types - {SILENT} or types


def _at(names: list[str], i: int) -> str:
    return names[i] if i < len(names) else NOTHING


def concerns_csq(row: Row) -> bool:
    """Whether a row is about proteins or splice sites."""
    return bool({row.ours, row.theirs} & (CODING | {"splicing"}))


def confusion(rows: Iterable[Row]) -> pd.DataFrame:
    """Pairs by type: rows ours, columns theirs."""
    names = [*TYPES, SILENT, NOTHING]
    counted = Counter((row.ours, row.theirs) for row in rows)
    table = pd.DataFrame([[counted[a, b] for b in names] for a in names], names, names)
    used = table.index[(table.sum(axis=0) + table.sum(axis=1)) > 0]
    return table.loc[used, used]


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Per type: pairs of either, and how much of the other's (recall) and of ours (precision) is common, in percent."""
    both = pd.Series(np.diag(table), table.index)
    ours, theirs = table.sum(axis=1), table.sum(axis=0)
    columns = {"ours": ours, "theirs": theirs, "both": both, "recall": 100 * both / theirs}
    return pd.DataFrame(columns | {"precision": 100 * both / ours}).drop(index=NOTHING, errors="ignore")


# ------------------------------------------------------------------------------------------- causes


@dataclass
class Case:
    """One allele and one gene that the annotators do not agree on."""

    annotator: str
    allele: Allele
    gene: int  # row of GeneModels.genes
    rows: list[Row]  # of this allele and gene
    models: GeneModels
    sequence: str  # of the chromosome

    @cached_property
    def span(self) -> tuple[int, int]:
        """First and last base replaced; of an insertion the two bases around it."""
        start, ref, _ = self.allele.change
        return (start, start + len(ref) - 1) if ref else (start - 1, start)

    @property
    def growth(self) -> int:
        """Length of ALT less that of REF."""
        return len(self.allele.alt) - len(self.allele.ref)

    @cached_property
    def shifts(self) -> tuple[int, int]:
        """By how many bases the same indel can be written further left and further right."""
        start, ref, alt = self.allele.change
        bases = ref or alt
        if ref and alt:
            return 0, 0
        left = right = 0
        while self.base(start - 1 - left) == bases[-1 - left % len(bases)]:
            left += 1
        while self.base(start + len(ref) + right) == bases[right % len(bases)]:
            right += 1
        return left, right

    def base(self, position: int) -> str:
        """Base of the genome."""
        return self.sequence[position - 1 : position]

    def regions(self, first: int, last: int) -> list[frozenset[str]]:
        """Regions of the gene at each base of a span."""
        table = self.models.regions
        table = table[(table["gene"] == self.gene) & (table["start"] <= last) & (table["end"] >= first)]
        parts = list(zip(table["start"], table["end"], table["region"], strict=True))
        return [frozenset(name for a, b, name in parts if a <= at <= b) for at in range(first, last + 1)]

    def touching(self) -> set[str]:
        """Regions of the gene that the change replaces or, of an insertion, stands between."""
        return set().union(*self.regions(*self.span))

    def crosses(self, left: int = 0, right: int = 0) -> bool:
        """Whether the change, or the bases it can be shifted over, lies on both sides of a border of regions."""
        first, last = self.span
        return len(set(self.regions(first - left, last + right))) > 1

    def codon(self, end: int) -> set[int]:
        """Bases of the first (0) or last (-1) codon of every coding transcript."""
        genes, transcripts, parts = self.models.genes, self.models.transcripts, self.models.parts
        found: set[int] = set()
        for transcript in transcripts.index[(transcripts["gene"] == self.gene) & transcripts["coding"]]:
            own = parts[(parts["transcript"] == transcript) & (parts["kind"] == "CDS")]
            bases = [at for a, b in zip(own["start"], own["end"], strict=True) for at in range(a, b + 1)]
            at_left = (genes["strand"][self.gene] != "-") == (end == 0)
            found.update(bases[:3] if at_left else bases[-3:])
        return found

    def meets(self, codon: set[int]) -> bool:
        """Whether an indel replaces bases of a codon or stands inside or directly at it."""
        first, last = self.span
        return self.growth != 0 and bool(codon & set(range(first, last + 1)))

    def says(self, ours: Iterable[str], theirs: Iterable[str]) -> bool:
        """Whether a row has one of these types of ours beside one of these of theirs."""
        return any(row.ours in ours and row.theirs in theirs for row in self.rows)


class Cause(NamedTuple):
    """Why annotators differ: what it is called, what was found in the examples, and the test for it."""

    name: str
    explanation: str
    holds: Callable[[Case], bool]
    annotators: tuple[str, ...] = ANNOTATORS


_EXONS = {"exonic", "ncRNA exonic", "UTR5", "UTR3"}
_SPLICES = {"splicing", "ncRNA splicing"}
_FLANKS = {"upstream", "downstream"}
_AT_CODON = 3  # bases around a codon in which SnpEff calls an indel start_retained or stop_retained
_AS_NEAR = 2  # base pairs: an insertion lies between two bases, and its distances are counted from either


def _is_silent_here(case: Case) -> bool:
    return case.growth != 0 and case.says({SILENT}, CODING | {"UTR5", "UTR3"}) and case.crosses(*case.shifts)


def _is_codon_kept(case: Case) -> bool:
    (first, last), (left, right) = case.span, case.shifts
    around = set(range(first - left - _AT_CODON, last + right + _AT_CODON + 1))
    ends = case.codon(0) | case.codon(-1)
    return case.growth != 0 and case.says({"UTR5", "UTR3"}, {SILENT}) and bool(around & ends)


def _is_in_two_genes(case: Case) -> bool:
    genes, (first, last) = case.models.genes, case.span
    here = (
        (genes["chromosome"] == case.allele.chromosome) & (genes["start"] <= last) & (genes["end"] >= first)
    )
    return case.growth < 0 and here.sum() > 1


def _is_exon_and_splice_site(case: Case) -> bool:
    return case.growth < 0 and bool(_EXONS & case.touching()) and bool(_SPLICES & case.touching())


def _is_over_end(case: Case) -> bool:
    return case.growth < 0 and bool(_FLANKS & case.touching()) and bool(case.touching() - _FLANKS)


def _is_over_reach(case: Case) -> bool:
    return case.growth < 0 and bool(_FLANKS & case.touching()) and frozenset() in case.regions(*case.span)


def _is_misread_codon(case: Case) -> bool:
    return case.growth < 0 and case.shifts[0] > 0 and "exonic" in case.touching()


def _is_as_near(case: Case) -> bool:
    genes, (first, last) = case.models.genes, case.span
    genes = genes[genes["chromosome"] == case.allele.chromosome]
    distance = np.sort(np.maximum(genes["start"] - last, first - genes["end"]))
    return case.says({NOTHING}, {"intergenic"}) and distance[1] - distance[0] <= _AS_NEAR + last - first


CAUSES = (
    Cause(
        "splice site of a non-coding gene",
        "SnpEff calls it an intron as well (splice_donor_variant&intron_variant), and both count.",
        lambda case: case.says({NOTHING}, {"ncRNA intronic"}) and bool(_SPLICES & case.touching()),
        ("SnpEff",),
    ),
    Cause(
        "splice region",
        "csq says splice_region and no more of an intron's bases 3 to 8, which are intronic to us.",
        lambda case: case.says({"intronic"}, {SILENT}) and "exonic" not in case.touching(),
        ("bcftools csq",),
    ),
    Cause(
        "indel over the border of the coding sequence",
        "csq, which our annotation asks, names no consequence (coding_sequence), so we count nothing.",
        _is_silent_here,
    ),
    Cause(
        "first or last codon kept",
        "An indel just outside: SnpEff says start_retained_variant or stop_retained_variant, which hides the UTR.",
        _is_codon_kept,
        ("SnpEff",),
    ),
    Cause(
        "deletion in two genes",
        "SnpEff calls it a gene_fusion of both, which has no counterpart and hides the rest.",
        _is_in_two_genes,
        ("SnpEff",),
    ),
    Cause(
        "start codon",
        "The indel touches the first codon; csq says start_lost without the frame, SnpEff tells both.",
        lambda case: case.meets(case.codon(0)),
    ),
    Cause(
        "stop codon",
        "The indel touches the last codon: it is called stoploss, a change of the frame, or both.",
        lambda case: case.meets(case.codon(-1)),
    ),
    Cause(
        "deletion of a splice site with bases of the exon",
        "We count the frame by the coding bases that are lost; the other by the whole deletion, or not at all.",
        _is_exon_and_splice_site,
    ),
    Cause(
        "deletion over an end of the gene",
        "SnpEff adds non_coding_transcript_variant, whose rank is above that of the UTR, which it hides.",
        _is_over_end,
    ),
    Cause(
        "insertion at a border",
        "It stands between two regions; we take the base before it, as Annovar does.",
        lambda case: case.growth > 0 and case.crosses(),
    ),
    Cause(
        "repeat over a border",
        "The same indel can be written on either side of a border of regions, and each takes another place.",
        lambda case: case.crosses(*case.shifts),
    ),
    Cause(
        "deletion over the end of the reach",
        "We count a gene within 1,000 bp of any deleted base, SnpEff within 1,000 bp of the first one.",
        _is_over_reach,
        ("SnpEff",),
    ),
    Cause(
        "deletion not written at its leftmost place",
        "csq misreads the codon where the base before a deletion equals its last; we move it to the left first.",
        _is_misread_codon,
        ("bcftools csq",),
    ),
    Cause(
        "two genes as near",
        "We measure from the nearer end and take the earlier of two; SnpEff measures from the first base.",
        _is_as_near,
        ("SnpEff",),
    ),
)
"""In the order in which they are tried."""


def find_causes(
    annotator: str, rows: list[Row], alleles: list[Allele], models: GeneModels, fasta: Path
) -> list[tuple[Row, str]]:
    """The cause of every row in which the annotators differ.

    A cause that holds for one gene explains the allele's other genes too, because precedence is over all genes.
    """
    row_of = {name: row for row, name in enumerate(models.genes["name"])}
    with pysam.FastaFile(str(fasta)) as file:
        plain = chromosome_names(np.array(file.references)).tolist()
        sequences = {name: file.fetch(full) for name, full in zip(plain, file.references, strict=True)}
    of_allele: dict[int, dict[str, list[Row]]] = {}
    for row in rows:
        if row.ours != row.theirs:
            of_allele.setdefault(row.allele, {}).setdefault(row.gene, []).append(row)
    found = []
    for number, genes in of_allele.items():
        allele = alleles[number]
        cases = [
            Case(annotator, allele, row_of[gene], of_gene, models, sequences[allele.chromosome])
            for gene, of_gene in genes.items()
            if gene in row_of
        ]
        cause = next(
            (c.name for c in CAUSES if annotator in c.annotators and any(map(c.holds, cases))), UNEXPLAINED
        )
        found += [(row, cause) for of_gene in genes.values() for row in of_gene]
    return found


# ------------------------------------------------------------------------------------------- the whole


@dataclass
class Findings:
    """What was found for one annotator, over all genomes."""

    rows: list[tuple[Row, bool]]  # with whether the allele is a substitution of one base
    causes: Counter[str]
    unexplained: list[str]


def one_genome(folder: Path, n_genes: int, n_variants: int, seed: int, found: dict[str, Findings]) -> None:
    """Simulate a genome, annotate it in every way, and add what is found."""
    # SnpEff takes the identifiers of Araport11 as they are; csq needs Ensembl's flavour. The genes are the same.
    genome, ensembl = (
        simulate_small_genome(folder / flavour, n_genes, 2, n_variants, flavour, seed=seed)
        for flavour in ("araport11", "ensembl")
    )
    models, alleles = read_gff3(genome.gff3), read_alleles(genome.vcf)
    ours = annotate_ourselves(models, genome.fasta, alleles)
    for annotator, findings in found.items():
        if annotator == "SnpEff":
            theirs = read_annotation(run_snpeff(genome, folder), "ANN")
        else:
            theirs = read_annotation(run_csq(ensembl, folder), "BCSQ")
        rows = [row for row in compare(ours, theirs) if annotator == "SnpEff" or concerns_csq(row)]
        findings.rows += [(row, len(alleles[row.allele].ref + alleles[row.allele].alt) == 2) for row in rows]
        for row, cause in find_causes(annotator, rows, alleles, models, genome.fasta):
            findings.causes[cause] += 1
            if cause == UNEXPLAINED:
                where = " ".join(map(str, alleles[row.allele]))
                findings.unexplained.append(f"seed {seed}, {where}, {row.gene}: {row.ours} / {row.theirs}")


def show(annotator: str, found: Findings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Print what was found for one annotator; returns the two tables that are recorded."""
    rows = [row for row, _ in found.rows]
    table = confusion(rows)
    print(
        f"\n{annotator}\n{'=' * len(annotator)}\n\nPairs of allele and gene, rows ours, columns {annotator}:\n"
    )
    numbers = {name: str(i) for i, name in enumerate(table.index, start=1)}
    print(table.rename(columns=numbers, index=lambda name: f"{numbers[name]} {name}").to_string())
    scored = scores(table)
    if annotator != "SnpEff":
        scored = scored[scored.index.isin(CODING | {"splicing"})]
    print(f"\nPercent by type:\n\n{scored.to_string(float_format='{:.2f}'.format, na_rep='')}\n")
    for name, wanted in (
        ("all alleles", (True, False)),
        ("one base for another", (True,)),
        ("indels", (False,)),
    ):
        same = [row.ours == row.theirs for row, is_snv in found.rows if is_snv in wanted]
        if same:
            print(f"Agreement, {name}: {100 * np.mean(same):.2f} % of {len(same):,} pairs")
    explanation = {cause.name: cause.explanation for cause in CAUSES}
    explanation[UNEXPLAINED] = "No cause holds."
    order = [cause for cause in explanation if found.causes[cause]]
    causes = pd.DataFrame(
        [(annotator, cause, explanation[cause], found.causes[cause]) for cause in order],
        columns=["annotator", "cause", "explanation", "pairs"],
    )
    print("\nDisagreements by cause:\n")
    for _, cause, why, n in causes.itertuples(index=False):
        print(f"{n:6,}  {cause}: {why}")
    print("".join(f"        {line}\n" for line in found.unexplained[:20]), end="")
    pairs = Counter((row.ours, row.theirs) for row in rows)
    order = [(a, b) for a in table.index for b in table.columns if pairs[a, b]]
    agreement = pd.DataFrame(
        [(annotator, a, b, pairs[a, b]) for a, b in order], columns=["annotator", "ours", "theirs", "pairs"]
    )
    return agreement, causes


def main() -> None:
    """Run everything and print the tables."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--genes", type=int, default=300)
    options.add_argument("--variants", type=int, default=20_000)
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="one genome each")
    options.add_argument("--record", action="store_true", help="write the tables to results/benchmarks")
    chosen = options.parse_args()
    annotators = list(ANNOTATORS)
    if shutil.which("snpEff") is None:
        annotators.remove("SnpEff")
        print(
            "SnpEff is not installed (Debian and Ubuntu: apt install snpeff), so only bcftools csq is compared."
        )
    found = {annotator: Findings([], Counter(), []) for annotator in annotators}
    for seed in chosen.seeds:
        with tempfile.TemporaryDirectory() as folder:
            one_genome(Path(folder), chosen.genes, chosen.variants, seed, found)
    tables = [show(annotator, findings) for annotator, findings in found.items()]
    if chosen.record:
        target = REPOSITORY / "results" / "benchmarks"
        target.mkdir(parents=True, exist_ok=True)
        for name, parts in zip(
            ("agreement.csv", "disagreements.csv"), zip(*tables, strict=True), strict=True
        ):
            pd.concat(parts).to_csv(target / name, index=False, lineterminator="\n")
            print(f"Written to {(target / name).relative_to(REPOSITORY)}.")


if __name__ == "__main__":
    main()
