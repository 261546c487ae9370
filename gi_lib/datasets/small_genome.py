"""A small simulated genome as files: sequence (FASTA), genes (GFF3) and variants (VCF), as a user would have them.

Made for learning and testing: every gene has a true reading frame, introns begin with GT and end with AG, and the
variants touch every kind of region. `gi_lib.datasets.simulate` simulates whole cohorts, without files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

FLAVOURS = ("tair10", "araport11", "ensembl")
BASES = np.frombuffer(b"ACGT", np.uint8)
STOPS = ("TAA", "TAG", "TGA")
CODONS = tuple(a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT" if a + b + c not in STOPS)
COMPLEMENT = np.zeros(256, np.uint8)
COMPLEMENT[BASES] = BASES[::-1]

EXONS = (1, 6)  # in a gene
EXON_LENGTH = (150, 480)  # base pairs
INTRON_LENGTH = (80, 320)
UTR_LENGTH = (30, 60)  # two of them leave room for a coding sequence in the shortest exon
GAP = (
    200,
    5_500,
)  # between genes: some are upstream of one and downstream of another, some have space between
NONCODING_SHARE = 0.12
OVERLAP_SHARE = 0.4  # of the non-coding genes begin inside the gene before them
OVERLAP = 25  # base pairs, in the untranslated end of that gene
SECOND_TRANSCRIPT_SHARE = 0.5  # of the genes that can skip an exon without breaking the frame
SNP_SHARE, INSERTION_SHARE = 0.8, 0.1
MULTI_ALLELIC_SHARE = 0.04
MAX_INDEL = 12  # base pairs
HET_SHARE, HALF_SHARE = 0.02, 0.003  # of the calls


@dataclass(frozen=True)
class SmallGenome:
    """Where the files are: paths."""

    fasta: Path
    gff3: Path
    vcf: Path


@dataclass
class _Transcript:
    exons: list[tuple[int, int]]  # from 0, the end excluded, ascending
    coding: tuple[int, int] | None  # genomic span of the coding sequence


@dataclass
class _Gene:
    name: str
    chromosome: int
    is_forward: bool
    transcripts: list[_Transcript]

    @property
    def start(self) -> int:
        return self.transcripts[0].exons[0][0]

    @property
    def end(self) -> int:
        return self.transcripts[0].exons[-1][1]


def simulate_small_genome(
    folder: str | Path,
    n_genes: int = 60,
    n_samples: int = 40,
    n_variants: int = 2_000,
    flavour: str = "tair10",
    missing: float = 0.02,
    seed: int = 1,
) -> SmallGenome:
    """Write a small genome: ``genome.fa`` with its index, ``genes.gff3`` and ``variants.vcf``.

    Parameters
    ----------
    folder
        Where the files go; made if it is not there.
    n_genes, n_samples, n_variants
        Genes on two chromosomes, inbred accessions, records of the VCF.
    flavour
        How the GFF3 is written: as TAIR10, Araport11 or Ensembl Plants do. The genes are the same.
    missing
        Share of missing calls.
    seed
        The same arguments give the same bytes.

    Raises
    ------
    ValueError
        If a number is too small, the flavour is unknown, or there are more variants than places for them.
    """
    if flavour not in FLAVOURS:
        raise ValueError(f"flavour is {flavour!r}; allowed are {', '.join(FLAVOURS)}.")
    for name, value in (("n_genes", n_genes), ("n_samples", n_samples), ("n_variants", n_variants)):
        if value < 2:
            raise ValueError(f"{name} is {value}; allowed is 2 or more.")
    if not 0 <= missing < 1:
        raise ValueError(f"missing is {missing}; allowed are values from 0 to below 1.")
    rng = np.random.default_rng(seed)
    genes, sequences = [], []
    for chromosome, n in enumerate((n_genes - n_genes // 2, n_genes // 2)):
        here, sequence = _chromosome(rng, chromosome, n)
        genes += here
        sequences.append(sequence)
    if n_variants > sum(map(len, sequences)) // 4:
        raise ValueError(f"n_variants is {n_variants}; allowed is a quarter of the genome's bases at most.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = SmallGenome(folder / "genome.fa", folder / "genes.gff3", folder / "variants.vcf")
    prefix = "" if flavour == "ensembl" else "Chr"
    files.fasta.write_text("".join(_fasta(prefix, sequences)))
    pysam.faidx(str(files.fasta))
    files.gff3.write_text("\n".join(_GFF3[flavour](genes, sequences)) + "\n")
    files.vcf.write_text("\n".join(_vcf(rng, prefix, sequences, n_samples, n_variants, missing)) + "\n")
    return files


# --- genes and their sequence --------------------------------------------------------------------------


def _chromosome(rng: np.random.Generator, number: int, n_genes: int) -> tuple[list[_Gene], np.ndarray]:
    genes: list[_Gene] = []
    at, wanted = int(rng.integers(*GAP)), []
    for i in range(n_genes):
        is_coding = i == 0 or rng.random() >= NONCODING_SHARE
        name = f"AT{number + 1}G{10 * (i + 1):05d}"
        overlaps = not is_coding and genes[-1].transcripts[0].coding and rng.random() < OVERLAP_SHARE
        start = genes[-1].end - OVERLAP if overlaps else at
        gene = _draw_gene(rng, name, number, start, is_coding)
        genes.append(gene)
        wanted.append(is_coding)
        at = max(at, gene.end) + int(np.exp(rng.uniform(*np.log(GAP))))
    sequence = rng.choice(BASES, at, p=[0.32, 0.18, 0.18, 0.32])
    for gene in genes:
        _write_gene(rng, gene, sequence)
    return genes, sequence


def _draw_gene(rng: np.random.Generator, name: str, number: int, start: int, is_coding: bool) -> _Gene:
    n_exons = int(rng.integers(EXONS[0], EXONS[1] + 1))
    lengths = rng.integers(*EXON_LENGTH, n_exons)
    skips = is_coding and n_exons >= 3 and rng.random() < SECOND_TRANSCRIPT_SHARE
    if skips:
        lengths -= lengths % 3  # exons then begin and end between codons
    introns = rng.integers(*INTRON_LENGTH, n_exons - 1)
    begins = start + np.cumsum([0, *(lengths[:-1] + introns)])
    exons = [(int(a), int(a + n)) for a, n in zip(begins, lengths, strict=True)]
    is_forward = bool(rng.random() < 0.5)
    if not is_coding:
        return _Gene(name, number, is_forward, [_Transcript(exons, None)])
    first, last = (int(n) for n in rng.integers(*UTR_LENGTH, 2))
    if skips:
        first, last = first - first % 3, last - last % 3
    else:
        last += (int(lengths.sum()) - first - last) % 3
    coding = (exons[0][0] + first, exons[-1][1] - last)
    transcripts = [_Transcript(exons, coding)]
    if skips:
        left_out = int(rng.integers(1, n_exons - 1))
        transcripts.append(_Transcript(exons[:left_out] + exons[left_out + 1 :], coding))
    return _Gene(name, number, is_forward, transcripts)


def _write_gene(rng: np.random.Generator, gene: _Gene, sequence: np.ndarray) -> None:
    """Put the reading frame and the splice sites of a gene into the sequence."""
    main = gene.transcripts[0]
    for (_, left), (right, _) in zip(main.exons[:-1], main.exons[1:], strict=True):
        ends = (b"GT", b"AG") if gene.is_forward else (b"CT", b"AC")
        sequence[left : left + 2] = np.frombuffer(ends[0], np.uint8)
        sequence[right - 2 : right] = np.frombuffer(ends[1], np.uint8)
    if main.coding is None:
        return
    places = np.concatenate([np.arange(*part) for part in coding_parts(main.exons, main.coding)])
    n = len(places) // 3 - 2
    frame = "ATG" + "".join(CODONS[i] for i in rng.integers(0, len(CODONS), n)) + STOPS[rng.integers(3)]
    letters = np.frombuffer(frame.encode(), np.uint8)
    sequence[places] = letters if gene.is_forward else COMPLEMENT[letters][::-1]


def coding_parts(exons: list[tuple[int, int]], coding: tuple[int, int]) -> list[tuple[int, int]]:
    """The parts of exons inside the coding span; the ends are excluded."""
    cut = ((max(a, coding[0]), min(b, coding[1])) for a, b in exons)
    return [(a, b) for a, b in cut if a < b]


# --- files -------------------------------------------------------------------------------------------


def _fasta(prefix: str, sequences: list[np.ndarray]) -> Iterator[str]:
    for number, sequence in enumerate(sequences, start=1):
        yield f">{prefix}{number}\n"
        text = sequence.tobytes().decode()
        yield "".join(f"{text[i : i + 60]}\n" for i in range(0, len(text), 60))


def _line(
    gene: _Gene, prefix: str, kind: str, part: tuple[int, int], attributes: str, phase: str = "."
) -> str:
    strand = "+" if gene.is_forward else "-"
    place = f"{prefix}{gene.chromosome + 1}\tsimulated\t{kind}\t{part[0] + 1}\t{part[1]}"
    return f"{place}\t.\t{strand}\t{phase}\t{attributes}"


def _parts(gene: _Gene, transcript: _Transcript) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Kind, place and phase of every part of a transcript, as a GFF3 lists them."""
    for exon in transcript.exons:
        yield "exon", exon, "."
    if transcript.coding is None:
        return
    parts = coding_parts(transcript.exons, transcript.coding)
    done = 0
    for part in parts if gene.is_forward else parts[::-1]:
        yield "CDS", part, str(-done % 3)
        done += part[1] - part[0]
    before = [(a, min(b, transcript.coding[0])) for a, b in transcript.exons if a < transcript.coding[0]]
    behind = [(max(a, transcript.coding[1]), b) for a, b in transcript.exons if b > transcript.coding[1]]
    kinds = ("five_prime_UTR", "three_prime_UTR")
    for kind, utrs in zip(kinds if gene.is_forward else kinds[::-1], (before, behind), strict=True):
        for utr in utrs:
            yield kind, utr, "."


def _tair10(genes: list[_Gene], sequences: list[np.ndarray]) -> Iterator[str]:
    for number, sequence in enumerate(sequences, start=1):
        name = f"Chr{number}"
        yield f"{name}\tsimulated\tchromosome\t1\t{len(sequence)}\t.\t.\t.\tID={name};Name={name}"
        for gene in (g for g in genes if g.chromosome == number - 1):
            is_coding = gene.transcripts[0].coding is not None
            note = "protein_coding_gene" if is_coding else "other_RNA"
            span = gene.start, gene.end
            yield _line(gene, "Chr", "gene", span, f"ID={gene.name};Note={note};Name={gene.name}")
            for i, transcript in enumerate(gene.transcripts, start=1):
                name = f"{gene.name}.{i}"
                kind = "mRNA" if is_coding else "ncRNA"
                yield _line(gene, "Chr", kind, span, f"ID={name};Parent={gene.name};Name={name};Index={i}")
                if transcript.coding is not None:
                    derived = f"ID={name}-Protein;Name={name};Derives_from={name}"
                    yield _line(gene, "Chr", "protein", transcript.coding, derived)
                for part, place, phase in _parts(gene, transcript):
                    parent = f"Parent={name},{name}-Protein;" if part == "CDS" else f"Parent={name}"
                    yield _line(gene, "Chr", part, place, parent, phase)


def _araport11(genes: list[_Gene], _: list[np.ndarray]) -> Iterator[str]:
    yield "##gff-version 3"
    for gene in genes:
        is_coding = gene.transcripts[0].coding is not None
        span, locus = (gene.start, gene.end), "protein_coding" if is_coding else "long_noncoding_rna"
        yield _line(gene, "Chr", "gene", span, f"ID={gene.name};Name={gene.name};locus_type={locus}")
        for i, transcript in enumerate(gene.transcripts, start=1):
            name = f"{gene.name}.{i}"
            kind = "mRNA" if is_coding else "lnc_RNA"
            yield _line(gene, "Chr", kind, span, f"ID={name};Parent={gene.name};Name={name}")
            for n, (part, place, phase) in enumerate(_parts(gene, transcript), start=1):
                yield _line(gene, "Chr", part, place, f"ID={name}:{part}:{n};Parent={name}", phase)


def _ensembl(genes: list[_Gene], sequences: list[np.ndarray]) -> Iterator[str]:
    yield "##gff-version 3"
    for number, sequence in enumerate(sequences, start=1):
        yield f"##sequence-region   {number} 1 {len(sequence)}"
    for gene in genes:
        is_coding = gene.transcripts[0].coding is not None
        span, biotype = (gene.start, gene.end), "protein_coding" if is_coding else "lncRNA"
        kind = "gene" if is_coding else "ncRNA_gene"
        yield _line(gene, "", kind, span, f"ID=gene:{gene.name};biotype={biotype};gene_id={gene.name}")
        for i, transcript in enumerate(gene.transcripts, start=1):
            name = f"{gene.name}.{i}"
            kind = "mRNA" if is_coding else "lnc_RNA"
            owner = f"Parent=gene:{gene.name};biotype={biotype};transcript_id={name}"
            yield _line(gene, "", kind, span, f"ID=transcript:{name};{owner}")
            for part, place, phase in _parts(gene, transcript):
                identity = f"ID=CDS:{name};" if part == "CDS" else ""
                yield _line(gene, "", part, place, f"{identity}Parent=transcript:{name}", phase)
        yield "###"


_GFF3 = {"tair10": _tair10, "araport11": _araport11, "ensembl": _ensembl}


def _vcf(
    rng: np.random.Generator,
    prefix: str,
    sequences: list[np.ndarray],
    n_samples: int,
    n_variants: int,
    missing: float,
) -> Iterator[str]:
    yield "##fileformat=VCFv4.2"
    yield '##FILTER=<ID=PASS,Description="All filters passed">'
    for key, text in (("GT", "Genotype"), ("GQ", "Genotype quality"), ("DP", "Read depth")):
        kind = "String" if key == "GT" else "Integer"
        yield f'##FORMAT=<ID={key},Number=1,Type={kind},Description="{text}">'
    for number, sequence in enumerate(sequences, start=1):
        yield f"##contig=<ID={prefix}{number},length={len(sequence)}>"
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    yield "\t".join([*columns, *(f"plant_{i + 1:02d}" for i in range(n_samples))])
    lengths = np.array([len(sequence) for sequence in sequences])
    edge = 2 * MAX_INDEL
    free = np.cumsum(lengths - 2 * edge)
    for place in np.sort(rng.choice(free[-1], n_variants, replace=False)).tolist():
        number = int(np.searchsorted(free, place, side="right"))
        at = place - (int(free[number - 1]) if number else 0) + edge
        ref, alts = _alleles(rng, sequences[number], at)
        site = [
            f"{prefix}{number + 1}",
            str(at + 1),
            ".",
            ref,
            ",".join(alts),
            str(rng.integers(30, 41)),
            "PASS",
            ".",
        ]
        yield "\t".join([*site, "GT:GQ:DP", *_calls(rng, len(alts), n_samples, missing)])


def _alleles(rng: np.random.Generator, sequence: np.ndarray, at: int) -> tuple[str, list[str]]:
    """REF and ALT of a variant at a place, from 0."""
    base = chr(sequence[at])
    other = [b for b in "ACGT" if b != base]
    rng.shuffle(other)
    draw = rng.random()
    if draw < SNP_SHARE:
        return base, other[: 2 if rng.random() < MULTI_ALLELIC_SHARE else 1]
    length = int(rng.integers(1, MAX_INDEL + 1))
    if draw < SNP_SHARE + INSERTION_SHARE:
        longer = base + rng.choice(BASES, length).tobytes().decode()
        return base, [longer, other[0]] if rng.random() < MULTI_ALLELIC_SHARE else [longer]
    return sequence[at : at + length + 1].tobytes().decode(), [base]


def _calls(rng: np.random.Generator, n_alts: int, n_samples: int, missing: float) -> list[str]:
    """Genotypes of inbred accessions: most variants are rare, few calls are heterozygous or incomplete."""
    copies = np.zeros((n_samples, 2), int)
    for number in range(1, n_alts + 1):
        n_carriers = int(np.exp(rng.uniform(0, np.log(max(2, 0.6 * n_samples)))))
        copies[rng.permutation(n_samples)[:n_carriers]] = number
    copies[rng.random(n_samples) < HET_SHARE, 1] = 0
    copies[rng.random(n_samples) < HALF_SHARE, 0] = -1
    copies[rng.random(n_samples) < missing] = -1
    quality, depth = rng.integers(28, 41, n_samples), rng.integers(3, 60, n_samples)
    return [
        "./.:.:." if a < 0 and b < 0 else f"{'.' if a < 0 else a}|{b}:{q}:{d}"
        for (a, b), q, d in zip(copies.tolist(), quality, depth, strict=True)
    ]
