"""What an allele does to a gene, from gene models and the genome's sequence: for files without annotation.

Gene models place the allele. Where it changes a coding exon, ``bcftools csq`` (Danecek & McCarthy 2017) translates
the transcripts; its answer is put into Annovar's words.
"""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam
import pysam.bcftools

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES
from gi_lib.encoding.gene_models import REGIONS, GeneModels, chromosome_names
from gi_lib.encoding.vocabulary import (
    BCSQ_TYPES,
    EXONIC_ORDER,
    RULES,
    AnnotationError,
    reduce_alleles,
    variant_type,
)

TYPES = (*VARIANT_TYPES, EXONIC_UNKNOWN)
"""Variant types while counting; the last is left out of the result where nothing has it."""

NOT_DETERMINED = "coding, consequence not determined"

_KNOWN = EXONIC_ORDER[: EXONIC_ORDER.index(EXONIC_UNKNOWN)]
_SILENT = {"synonymous", "stop_retained", "start_retained", "inframe_altering"}
_EXONIC = list(REGIONS).index("exonic")
_TYPE_OF_REGION = np.array([TYPES.index(EXONIC_UNKNOWN if name == "exonic" else name) for name in REGIONS])
_BASES = re.compile("[ACGT]+")
_WINDOW = 1 << 18  # bases read from the FASTA at a time
_CACHED_GENES = 4_000  # genes whose lines are kept
_BEFORE = 1_000  # of them, bases before the one asked for: alleles are moved to the left


class Assignment(NamedTuple):
    """Which allele counts for which gene and type: parallel arrays, one entry per pair, and what is left out."""

    allele: np.ndarray  # (pair,) index into the alleles asked for, ascending
    gene: np.ndarray  # (pair,) row of GeneModels.genes
    variant_type: np.ndarray  # (pair,) index into (*VARIANT_TYPES, EXONIC_UNKNOWN)
    left_out: Counter[str]  # pairs of allele and gene without counterpart among the types, by reason


class Change(NamedTuple):
    """An allele without the bases that it shares with the reference; see `reduce_alleles`."""

    start: int  # first base replaced; for an insertion the base behind it
    ref: str
    alt: str

    @property
    def touches(self) -> tuple[int, int]:
        """First and last base touched; of an insertion the base before it, as in Annovar."""
        if not self.ref:
            before = max(self.start - 1, 1)
            return before, before
        return self.start, self.start + len(self.ref) - 1


def reduce(position: int, ref: str, alt: str) -> Change:
    """Trim the bases that both alleles share, first in front, then behind.

    Examples
    --------
    >>> reduce(100, "CAG", "CG")
    Change(start=101, ref='A', alt='')
    """
    return Change(*reduce_alleles(position, ref, alt))


class OwnAnnotation:
    """Genes and variant types of alleles, from gene models and, for coding exons, the genome's sequence.

    An object may be handed to other processes, forked or spawned.

    Parameters
    ----------
    models
        Gene models.
    fasta
        Genome, plain or compressed with bgzip; its index is made beside it if there is none. Without it every
        change of a coding exon is `EXONIC_UNKNOWN`.
    rule
        ``precedence`` as Annovar's: only the regions of the lowest rank count and, of exonic consequences, only
        the first of Annovar's order (`EXONIC_ORDER`), over all genes. ``all``: every region and consequence of
        every transcript counts, each gene and type once.

    Raises
    ------
    AnnotationError
        If the FASTA cannot be used: absent, compressed with plain gzip, without index in a folder
        that cannot be written to, or with two chromosomes of one name.
    ValueError
        If the rule is unknown.
    """

    def __init__(self, models: GeneModels, fasta: Path | None = None, rule: str = "precedence"):
        if rule not in RULES:
            raise ValueError(f"Unknown rule {rule!r}; allowed are {', '.join(RULES)}.")
        self.models, self.rule = models, rule
        self.genome = None if fasta is None else _Genome(Path(fasta))
        self._lines = None if fasta is None else _GeneLines(models)

    def annotate(
        self, chromosome: str, position: np.ndarray, ref: Sequence[str], alt: Sequence[str]
    ) -> Assignment:
        """Assign alleles of one chromosome to genes and types.

        Parameters
        ----------
        chromosome
            Name in any spelling that `chromosome_names` unifies.
        position : shape (allele,), int
            1-based, ascending.
        ref, alt : length allele
            As in a VCF, one alternative allele each, upper case.

        Returns
        -------
        Assignment
            An allele that is in no pair is told of in ``left_out``.

        Raises
        ------
        AnnotationError
            If a coding allele's reference bases are not those of the FASTA.
            If the FASTA lacks the chromosome.
            If an allele is its reference.
        GeneModelError
            If the gene models lack the chromosome.
        """
        position = np.asarray(position, np.int64)
        same = next((i for i, (one, other) in enumerate(zip(ref, alt, strict=True)) if one == other), None)
        if same is not None:
            where = f"Chromosome {chromosome}, position {position[same]}"
            raise AnnotationError(
                f"{where}: REF and ALT are both {ref[same]}; an allele differs from the reference."
            )
        start, end = _touched(position, ref, alt)
        placement = self.models.place(np.full(len(position), chromosome), start, end, self.rule)
        types = _TYPE_OF_REGION[placement.region]
        exonic = placement.region == _EXONIC
        if self.genome is None or not exonic.any():
            return Assignment(placement.variant, placement.gene, types, Counter())
        coding = sorted(zip(placement.variant[exonic].tolist(), placement.gene[exonic].tolist(), strict=True))
        found = self._consequences(chromosome, coding, position, ref, alt)
        for allele, gene in coding:
            terms = found.setdefault((allele, gene), set())
            if len(ref[allele]) > len(alt[allele]) and not terms & {*_KNOWN, *_SILENT}:
                terms |= self._by_length(gene, reduce(int(position[allele]), ref[allele], alt[allele]))
        pairs, left_out = _choose(coding, found, self.rule)
        triples = [(allele, gene, TYPES.index(name)) for allele, gene, name in pairs]
        columns = np.array(triples, np.int64).reshape(-1, 3).T
        rest = (placement.variant[~exonic], placement.gene[~exonic], types[~exonic])
        # The code of splicing may stand twice: a pair called exonic may turn out to change the splice site only.
        merged = np.unique(np.concatenate([np.stack(rest), columns], axis=1), axis=1)
        return Assignment(*merged, left_out)

    def _consequences(
        self,
        chromosome: str,
        coding: list[tuple[int, int]],
        position: np.ndarray,
        ref: Sequence[str],
        alt: Sequence[str],
    ) -> dict[tuple[int, int], set[str]]:
        """What bcftools csq says of every pair of allele and gene: types, and terms that are none."""
        name = self.genome.name_of(chromosome)
        records = []
        for allele in dict.fromkeys(allele for allele, _ in coding):
            at = int(position[allele])
            record = self.genome.record(name, at, ref[allele], alt[allele])
            if record is not None:
                records.append((record, allele))
        if not records:
            return {}
        text = self._lines.gff3(name, sorted({gene for _, gene in coding}))
        found: dict[tuple[int, int], set[str]] = {}
        for allele, gene, term in _run_csq(self.genome.path, name, text, records):
            growth = len(alt[allele]) - len(ref[allele])
            found.setdefault((allele, gene), set()).add(_in_annovars_words(term, growth))
        return found

    def _by_length(self, gene: int, change: Change) -> set[str]:
        """What a deletion over a border of the coding sequence does: bcftools csq names the border only.

        The frame is kept where the coding bases that are lost, less those put in their place, make whole codons.
        """
        first, last = change.touches
        inside = self._coding_intervals.get(gene, np.zeros((0, 2), np.int64))
        bases = np.arange(first, last + 1)[:, None]
        lost = int(((inside[:, 0] <= bases) & (bases <= inside[:, 1])).any(axis=1).sum()) - len(change.alt)
        if lost <= 0:
            return set()
        return {"frameshift deletion" if lost % 3 else "nonframeshift deletion"}

    @cached_property
    def _coding_intervals(self) -> dict[int, np.ndarray]:
        coding = self.models.regions[self.models.regions["region"] == "exonic"]
        return {gene: table[["start", "end"]].to_numpy(np.int64) for gene, table in coding.groupby("gene")}


def _touched(position: np.ndarray, ref: Sequence[str], alt: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    lengths = (np.fromiter(map(len, alleles), np.int64, len(position)) for alleles in (ref, alt))
    start, end = position.copy(), position.copy()
    for allele in np.flatnonzero(np.maximum(*lengths) > 1).tolist():
        start[allele], end[allele] = reduce(int(position[allele]), ref[allele], alt[allele]).touches
    return start, end


def _in_annovars_words(term: str, growth: int) -> str:
    """The type of a term; the term itself where it has none."""
    if growth and term in ("start_lost", "start_retained"):
        # bcftools csq says no more than that, and Annovar knows no start: the length tells it.
        frame = "frameshift" if growth % 3 else "nonframeshift"
        return f"{frame} {'insertion' if growth > 0 else 'deletion'}"
    return (term in BCSQ_TYPES and variant_type(term, BCSQ_TYPES, "bcftools csq", growth=growth)) or term


def _choose(
    coding: list[tuple[int, int]], found: dict[tuple[int, int], set[str]], rule: str
) -> tuple[list[tuple[int, int, str]], Counter[str]]:
    """Triples of allele, gene and type that count, and the reasons of the pairs that have none."""
    pairs: list[tuple[int, int, str]] = []
    left_out: Counter[str] = Counter()
    genes_of: dict[int, list[int]] = {}
    for allele, gene in coding:
        genes_of.setdefault(allele, []).append(gene)
    for allele, genes in genes_of.items():
        terms = {gene: found.get((allele, gene), set()) for gene in genes}
        over_all_genes = set().union(*terms.values())
        present = [name for name in _KNOWN if name in over_all_genes]
        counting = set(present[:1] if rule == "precedence" else present)
        for gene, of_gene in terms.items():
            counted = counting & of_gene
            pairs += [(allele, gene, name) for name in counted]
            if of_gene.intersection(_KNOWN):
                continue
            if "splicing" in of_gene:
                pairs.append((allele, gene, "splicing"))
            elif rule == "all" or not counting:
                left_out[min(of_gene & _SILENT, default=NOT_DETERMINED)] += 1
    return pairs, left_out


class _Genome:
    """A FASTA file and its index."""

    def __init__(self, path: Path):
        self.path = path.absolute()
        self._open: tuple[int, pysam.FastaFile] | None = None
        self._window = ("", 0, "")
        _check_compression(path)
        names = self._file.references
        plain = chromosome_names(np.array(names, str)).tolist()
        self._name = dict(zip(plain, names, strict=True))
        if len(self._name) < len(names):
            double = Counter(plain).most_common(1)[0][0]
            raise AnnotationError(f"{path.name} has two sequences for chromosome {double!r}; one is allowed.")

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_open": None, "_window": ("", 0, "")}

    @property
    def _file(self) -> pysam.FastaFile:
        # A forked process shares the place in its parent's open file, so each opens its own.
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), _open_fasta(self.path))
        return self._open[1]

    def name_of(self, chromosome: str) -> str:
        """The chromosome's name in the FASTA."""
        plain = str(chromosome_names(np.array([chromosome]))[0])
        if plain not in self._name:
            known = ", ".join(self._name.values())
            raise AnnotationError(f"{self.path.name} has no chromosome {chromosome!r}; it has {known}.")
        return self._name[plain]

    def bases(self, name: str, start: int, end: int) -> str:
        """Bases `start` to `end`, both included, upper case; fewer beyond the chromosome's end."""
        of, first, window = self._window
        if of != name or start < first or end >= first + len(window):
            first = max(start - _BEFORE, 1)
            window = self._file.fetch(name, first - 1, max(end, first + _WINDOW)).upper()
            self._window = (name, first, window)
        return window[start - first : end - first + 1]

    def record(self, name: str, position: int, ref: str, alt: str) -> tuple[int, str, str] | None:
        """Position, REF and ALT for bcftools csq; None where a base is ambiguous.

        Raises
        ------
        AnnotationError
            If the genome has other bases there.
        """
        bases = self.bases(name, position, position + len(ref) - 1)
        if len(bases) < len(ref) or any(
            a != b and a in "ACGT" and b in "ACGT" for a, b in zip(bases, ref, strict=True)
        ):
            raise AnnotationError(
                f"Chromosome {name}, position {position}: {self.path.name} has {bases or 'no base'} where the VCF's "
                f"reference allele is {ref}: is this the right reference?"
            )
        if bases != ref or not _BASES.fullmatch(ref) or not _BASES.fullmatch(alt):
            return None
        change = reduce(position, ref, alt) if len(ref) + len(alt) > 2 else Change(position, ref, alt)
        if change.ref and change.alt:
            return tuple(change)
        # Where the base before a deletion equals its last base, bcftools csq misreads the codon, so such an
        # allele is moved to the left as far as it means the same.
        start, bases = change.start, change.ref or change.alt
        while start > 1 and (before := self.bases(name, start - 1, start - 1)) == bases[-1]:
            start, bases = start - 1, before + bases[:-1]
        if start == 1:
            return None
        return start - 1, before + (bases if change.ref else ""), before + (bases if change.alt else "")


def _check_compression(path: Path) -> None:
    if not path.is_file():
        raise AnnotationError(f"There is no FASTA file {path}.")
    with path.open("rb") as handle:
        head = handle.read(18)
    if head.startswith(b"\x1f\x8b") and head[12:14] != b"BC":
        raise AnnotationError(f"{path.name} is compressed with gzip; use bgzip, or leave it uncompressed.")


def _open_fasta(path: Path) -> pysam.FastaFile:
    verbosity = pysam.set_verbosity(0)
    try:
        return pysam.FastaFile(str(path))
    except (OSError, ValueError) as error:
        raise AnnotationError(
            f"{path.name} cannot be read as an indexed FASTA file; if it is one, its folder has no index and cannot be "
            f"written to, so make the index with 'samtools faidx {path.name}' where it can."
        ) from error
    finally:
        pysam.set_verbosity(verbosity)


class _GeneLines:
    """Genes as bcftools csq reads them: GFF3 in Ensembl's flavour, named by their row."""

    def __init__(self, models: GeneModels):
        genes, transcripts, parts = models.genes, models.transcripts, models.parts
        self._genes = [genes[column].to_numpy() for column in ("start", "end", "strand")]
        self._coding = transcripts["coding"].to_numpy()
        self._transcripts = np.searchsorted(transcripts["gene"].to_numpy(), np.arange(len(genes) + 1))
        self._offset = np.searchsorted(parts["transcript"].to_numpy(), np.arange(len(transcripts) + 1))
        is_coding = (parts["kind"] == "CDS").to_numpy()
        self._parts = [is_coding, *(parts[column].to_numpy() for column in ("start", "end", "phase"))]
        self._cached: dict[int, str] = {}

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_cached": {}}

    def gff3(self, name: str, genes: Iterable[int]) -> str:
        """The genes' lines; `name` is the chromosome's."""
        if len(self._cached) > _CACHED_GENES:
            self._cached.clear()
        for gene in genes:
            if gene not in self._cached:
                self._cached[gene] = self._lines(gene)
        text = "".join(self._cached[gene] for gene in genes)
        return "##gff-version 3\n" + text.replace("\0", name)

    def _lines(self, gene: int) -> str:
        start, end, strand = (column[gene] for column in self._genes)
        strand = "-" if strand == "-" else "+"
        lines = [_line("gene", start, end, strand, ".", f"ID=gene:{gene};biotype=protein_coding")]
        for transcript in range(self._transcripts[gene], self._transcripts[gene + 1]):
            if not self._coding[transcript]:
                continue
            here = slice(self._offset[transcript], self._offset[transcript + 1])
            columns = [column[here].tolist() for column in self._parts]
            own = f"ID=transcript:{transcript};Parent=gene:{gene};biotype=protein_coding"
            lines.append(_line("mRNA", min(columns[1]), max(columns[2]), strand, ".", own))
            parent = f"Parent=transcript:{transcript}"
            for is_coding, first, last, phase in zip(*columns, strict=True):
                kind, phase = ("CDS", phase) if is_coding else ("exon", ".")
                lines.append(_line(kind, first, last, strand, phase, parent))
        return "".join(lines)


def _line(kind: str, start: int, end: int, strand: str, phase: int | str, attributes: str) -> str:
    return f"\0\t.\t{kind}\t{start}\t{end}\t.\t{strand}\t{phase}\t{attributes}\n"


def _run_csq(
    fasta: Path, name: str, gff3: str, records: list[tuple[tuple[int, str, str], int]]
) -> Iterator[tuple[int, int, str]]:
    """Allele, gene and term of everything that bcftools csq says, the alleles each on their own."""
    # bcftools csq remembers the last position from one call to the next, and wants it to ascend unless the
    # chromosome changes. So each call begins with a record on another one, where there are no genes.
    other = f"{name}_"
    header = f"##fileformat=VCFv4.2\n##contig=<ID={other}>\n##contig=<ID={name}>\n"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    lines = [f"{name}\t{p}\t{allele}\t{r}\t{a}\t.\t.\t.\n" for (p, r, a), allele in sorted(records)]
    lines.insert(0, f"{other}\t1\t.\tA\tC\t.\t.\t.\n")
    with tempfile.TemporaryDirectory(prefix="csq-") as folder:
        genes, alleles, out = (Path(folder, file) for file in ("genes.gff3", "alleles.vcf", "out.vcf"))
        genes.write_text(gff3)
        alleles.write_text(header + columns + "".join(lines))
        arguments = ["--local-csq", "--force", "--verbose", "0", "--no-version", "--ncsq", "1000"]
        files = ["--fasta-ref", str(fasta), "--gff-annot", str(genes), "--output", str(out), str(alleles)]
        verbosity = pysam.set_verbosity(0)
        try:
            pysam.bcftools.csq(*arguments, *files, catch_stdout=False)
        except pysam.SamtoolsError as error:
            said = str(error).replace("\\n", " ").strip()
            raise AnnotationError(f"bcftools csq failed on chromosome {name}: {said}") from error
        finally:
            pysam.set_verbosity(verbosity)
        text = out.read_text()
    for line in text.splitlines():
        if not line.startswith("#"):
            fields = line.split("\t")
            for gene, term in _terms(fields[7]):
                yield int(fields[2]), gene, term


@lru_cache(maxsize=4096)
def _split(terms: str) -> tuple[str, ...]:
    return tuple(term.lstrip("*") for term in terms.split("&"))


def _terms(info: str) -> Iterator[tuple[int, str]]:
    if not info.startswith("BCSQ="):
        return
    for entry in info[5:].split(","):
        fields = entry.split("|")
        if len(fields) > 1 and fields[1].isdigit():
            for term in _split(fields[0]):
                yield int(fields[1]), term
