"""Placing positions: a genome worked out by hand, random genomes against a slow reference, and TAIR10."""

import gzip
import itertools
import lzma
import tarfile
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.encoding.gene_models import REGIONS, GeneModelError, GeneModels, chromosome_names, read_gff3

NAMES = list(REGIONS)
RANKS = [
    {"exonic", "splicing"},
    {"ncRNA exonic", "ncRNA splicing", "ncRNA intronic"},
    {"UTR5", "UTR3"},
    {"intronic"},
    {"upstream", "downstream"},
]


# ------------------------------------------------------------------------------------- a slow reference


@dataclass
class Transcript:
    exons: list[tuple[int, int]]
    coding: tuple[int, int] | None  # first and last coding base; None for a non-coding RNA


@dataclass
class Gene:
    name: str
    strand: str
    transcripts: list[Transcript]

    @property
    def start(self) -> int:
        return min(exon[0] for transcript in self.transcripts for exon in transcript.exons)

    @property
    def end(self) -> int:
        return max(exon[1] for transcript in self.transcripts for exon in transcript.exons)


def regions_in_gene(gene: Gene, position: int) -> set[str]:
    """Every region of the gene that holds the position, transcript by transcript."""
    found = set()
    if gene.start - 1000 <= position < gene.start:
        found.add("upstream" if gene.strand == "+" else "downstream")
    if gene.end < position <= gene.end + 1000:
        found.add("downstream" if gene.strand == "+" else "upstream")
    for transcript in gene.transcripts:
        exons = sorted(transcript.exons)
        prefix = "" if transcript.coding else "ncRNA "
        if not exons[0][0] <= position <= exons[-1][1]:
            continue
        if any(start <= position <= end for start, end in exons):
            if not transcript.coding:
                found.add("ncRNA exonic")
            elif position < transcript.coding[0]:
                found.add("UTR5" if gene.strand == "+" else "UTR3")
            elif position > transcript.coding[1]:
                found.add("UTR3" if gene.strand == "+" else "UTR5")
            else:
                found.add("exonic")
            continue
        before = max(end for _, end in exons if end < position)
        after = min(start for start, _ in exons if start > position)
        near_an_exon = position - before <= 2 or after - position <= 2
        found.add(prefix + ("splicing" if near_an_exon else "intronic"))
    if not found and gene.start <= position <= gene.end:  # between two transcripts
        found.add("intronic" if gene.transcripts[0].coding else "ncRNA intronic")
    return found


def all_places_slowly(genes: list[Gene], first: int, last: int) -> set[tuple[str, str]]:
    """Every (gene, region) that a span touches, base by base, on the chromosome of these genes in their order."""
    bases = range(first, last + 1)
    found = {
        (gene.name, region) for gene in genes for base in bases for region in regions_in_gene(gene, base)
    }
    if found:
        return found
    distances = [max(gene.start - last, first - gene.end) for gene in genes]
    return {(genes[int(np.argmin(distances))].name, "intergenic")}


def place_slowly(genes: list[Gene], first: int, last: int | None = None) -> set[tuple[str, str]]:
    """(gene, region) of one position or span by Annovar's precedence."""
    by_gene = all_places_slowly(genes, first, first if last is None else last)
    for rank in RANKS:
        best = {pair for pair in by_gene if pair[1] in rank}
        if best:
            nearer = {gene for gene, region in best if region in ("ncRNA exonic", "ncRNA splicing")}
            return {
                (gene, region) for gene, region in best if region != "ncRNA intronic" or gene not in nearer
            }
    return by_gene


def write_gff3(genes: list[Gene], chromosome: str = "Chr1") -> str:
    lines = ["##gff-version 3"]

    def line(kind: str, start: int, end: int, strand: str, attributes: str) -> None:
        lines.append(f"{chromosome}\ttest\t{kind}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}")

    for gene in genes:
        line("gene", gene.start, gene.end, gene.strand, f"ID={gene.name};Note=x")
        for number, transcript in enumerate(gene.transcripts, start=1):
            name = f"{gene.name}.{number}"
            kind = "mRNA" if transcript.coding else "ncRNA"
            start, end = transcript.exons[0][0], transcript.exons[-1][1]
            line(kind, start, end, gene.strand, f"ID={name};Parent={gene.name}")
            for first, last in transcript.exons:
                line("exon", first, last, gene.strand, f"Parent={name}")
                if not transcript.coding:
                    continue
                sides = ("five_prime_UTR", "three_prime_UTR")
                left, right = sides if gene.strand == "+" else sides[::-1]
                pieces = [
                    (left, first, min(last, transcript.coding[0] - 1)),
                    ("CDS", max(first, transcript.coding[0]), min(last, transcript.coding[1])),
                    (right, max(first, transcript.coding[1] + 1), last),
                ]
                for piece, a, b in pieces:
                    if a <= b:
                        line(piece, a, b, gene.strand, f"Parent={name}")
    return "\n".join(lines) + "\n"


def placed(
    models: GeneModels,
    chromosome: str,
    positions: list[int],
    ends: list[int] | None = None,
    rule: str = "precedence",
) -> list[set[tuple[str, str]]]:
    ends = None if ends is None else np.array(ends)
    placement = models.place(np.full(len(positions), chromosome), np.array(positions), ends, rule)
    found = [set() for _ in positions]
    names = models.genes["name"].to_numpy()
    for variant, gene, region in zip(*placement, strict=True):
        pair = (str(names[gene]), NAMES[region])
        assert pair not in found[variant]
        found[variant].add(pair)
    return found


# ----------------------------------------------------------------------------------- the genome by hand

HAND_MADE = [
    # G1 runs forward and has two transcripts; the second skips 2501-2700 and ends at 3000.
    Gene(
        "G1",
        "+",
        [
            Transcript([(2001, 2300), (2501, 3000), (3501, 4000)], (2101, 3800)),
            Transcript([(2001, 2300), (2701, 3000)], (2101, 2900)),
        ],
    ),
    # G2 runs backward and overlaps the end of G1.
    Gene("G2", "-", [Transcript([(3901, 4200), (4401, 5000)], (4101, 4900))]),
    Gene("M", "+", [Transcript([(6501, 6600)], (6501, 6600))]),
    Gene("N", "+", [Transcript([(8001, 8100), (8301, 8500)], None)]),
    Gene("K", "+", [Transcript([(12_000, 12_100)], (12_000, 12_100))]),
]

BY_HAND = {
    1: {("G1", "intergenic")},
    1000: {("G1", "intergenic")},
    1001: {("G1", "upstream")},
    2000: {("G1", "upstream")},
    2001: {("G1", "UTR5")},
    2100: {("G1", "UTR5")},
    2101: {("G1", "exonic")},
    2300: {("G1", "exonic")},
    2301: {("G1", "splicing")},
    2302: {("G1", "splicing")},
    2303: {("G1", "intronic")},
    2498: {("G1", "intronic")},
    2499: {("G1", "splicing")},
    2500: {("G1", "splicing")},
    2501: {("G1", "exonic")},  # an intron of the second transcript
    2700: {("G1", "exonic"), ("G1", "splicing")},  # a splice site of the second transcript
    2950: {("G1", "exonic")},  # a 3' UTR of the second transcript
    3001: {("G1", "splicing")},
    3002: {("G1", "splicing")},
    3003: {("G1", "intronic")},  # also downstream of G2
    3498: {("G1", "intronic")},
    3499: {("G1", "splicing")},
    3501: {("G1", "exonic")},
    3800: {("G1", "exonic")},
    3801: {("G1", "UTR3")},
    3900: {("G1", "UTR3")},
    3901: {("G1", "UTR3"), ("G2", "UTR3")},
    4000: {("G1", "UTR3"), ("G2", "UTR3")},
    4001: {("G2", "UTR3")},  # also downstream of G1
    4100: {("G2", "UTR3")},
    4101: {("G2", "exonic")},
    4200: {("G2", "exonic")},
    4201: {("G2", "splicing")},
    4202: {("G2", "splicing")},
    4203: {("G2", "intronic")},
    4398: {("G2", "intronic")},
    4399: {("G2", "splicing")},
    4401: {("G2", "exonic")},
    4900: {("G2", "exonic")},
    4901: {("G2", "UTR5")},
    5000: {("G2", "UTR5")},
    5001: {("G2", "upstream")},  # G1 reaches downstream to 5000
    5500: {("G2", "upstream")},
    5501: {("G2", "upstream"), ("M", "upstream")},
    6000: {("G2", "upstream"), ("M", "upstream")},
    6001: {("M", "upstream")},
    6501: {("M", "exonic")},
    6600: {("M", "exonic")},
    6601: {("M", "downstream")},
    7000: {("M", "downstream")},
    7001: {("M", "downstream"), ("N", "upstream")},
    7600: {("M", "downstream"), ("N", "upstream")},
    7601: {("N", "upstream")},
    8001: {("N", "ncRNA exonic")},
    8100: {("N", "ncRNA exonic")},
    8101: {("N", "ncRNA splicing")},
    8102: {("N", "ncRNA splicing")},
    8103: {("N", "ncRNA intronic")},
    8298: {("N", "ncRNA intronic")},
    8299: {("N", "ncRNA splicing")},
    8301: {("N", "ncRNA exonic")},
    8500: {("N", "ncRNA exonic")},
    8501: {("N", "downstream")},
    9500: {("N", "downstream")},
    9501: {("N", "intergenic")},
    10_249: {("N", "intergenic")},
    10_250: {("N", "intergenic")},  # 1,750 bp from N and from K: the earlier one
    10_251: {("K", "intergenic")},
    10_999: {("K", "intergenic")},
    11_000: {("K", "upstream")},
    13_100: {("K", "downstream")},
    13_101: {("K", "intergenic")},
    99_999: {("K", "intergenic")},
}


@pytest.fixture(scope="module")
def hand_made(tmp_path_factory) -> GeneModels:
    path = tmp_path_factory.mktemp("gff") / "genes.gff3"
    ignored = [
        "Chr1\ttest\tpseudogene\t9700\t9800\t.\t+\t.\tID=P",
        "Chr1\ttest\tpseudogenic_transcript\t9700\t9800\t.\t+\t.\tID=P.1;Parent=P",
        "Chr1\ttest\tgene\t9850\t9900\t.\t+\t.\tID=EMPTY",  # a gene without a transcript
        "Chr1\ttest\tprotein\t6501\t6600\t.\t+\t.\tID=M.1-Protein;Derives_from=M.1",
    ]
    path.write_text(write_gff3(HAND_MADE) + "\n".join(ignored) + "\n")
    return read_gff3(path)


@pytest.mark.parametrize("position", BY_HAND, ids=str)
def test_position_is_placed_as_by_hand(hand_made, position):
    assert placed(hand_made, "1", [position]) == [BY_HAND[position]]


def test_the_slow_reference_agrees_with_the_table_by_hand():
    assert {p: place_slowly(HAND_MADE, p) for p in BY_HAND} == BY_HAND


def test_genes_are_listed_once_with_their_place_and_sorted(hand_made):
    expected = [(gene.name, "1", gene.start, gene.end, gene.strand) for gene in HAND_MADE]
    columns = ["name", "chromosome", "start", "end", "strand"]
    assert list(hand_made.genes[columns].itertuples(index=False, name=None)) == expected


def test_many_positions_at_once_give_what_each_gives_alone_in_ascending_order(hand_made):
    positions = list(BY_HAND)[::-1]
    assert placed(hand_made, "1", positions) == [BY_HAND[p] for p in positions]
    variant = hand_made.place(np.full(len(positions), "1"), np.array(positions)).variant
    assert (np.diff(variant) >= 0).all()


def test_chromosomes_are_placed_apart_and_their_prefix_does_not_matter(tmp_path):
    first = [Gene("A", "+", [Transcript([(5000, 5100)], (5000, 5100))])]
    second = [Gene("B", "-", [Transcript([(5000, 5100)], (5000, 5100))])]
    path = tmp_path / "two.gff3"
    path.write_text(write_gff3(second, "chr2") + write_gff3(first, "Chr1"))
    models = read_gff3(path)
    placement = models.place(np.array(["2", "Chr1", "CHR2"]), np.array([4999, 4999, 5050]))
    names = models.genes["name"].to_numpy()[placement.gene]
    assert list(zip(names, (NAMES[i] for i in placement.region), strict=True)) == [
        ("B", "downstream"),
        ("A", "upstream"),
        ("B", "exonic"),
    ]


SPANS_BY_HAND = {
    (1990, 2000): {("G1", "upstream")},
    (1990, 2001): {("G1", "UTR5")},
    (2100, 2101): {("G1", "exonic")},
    (2299, 2301): {("G1", "exonic"), ("G1", "splicing")},
    (2303, 2310): {("G1", "intronic")},
    (2302, 2310): {("G1", "splicing")},
    (2001, 4200): {("G1", "exonic"), ("G1", "splicing"), ("G2", "exonic")},
    (3802, 3901): {("G1", "UTR3"), ("G2", "UTR3")},
    (6000, 6001): {("G2", "upstream"), ("M", "upstream")},
    (8050, 8200): {("N", "ncRNA exonic"), ("N", "ncRNA splicing")},  # and an intron, which gives way
    (8102, 8200): {("N", "ncRNA splicing")},
    (8104, 8200): {("N", "ncRNA intronic")},
    (9400, 9600): {("N", "downstream")},  # half in nobody's reach
    (10_240, 10_250): {("N", "intergenic")},  # 1,740 bp from N, 1,750 from K
    (10_250, 10_260): {("K", "intergenic")},  # the other way round
}


@pytest.mark.parametrize("span", SPANS_BY_HAND, ids=str)
def test_span_is_placed_as_by_hand(hand_made, span):
    assert placed(hand_made, "1", [span[0]], [span[1]]) == [SPANS_BY_HAND[span]]
    assert place_slowly(HAND_MADE, *span) == SPANS_BY_HAND[span]


def test_without_precedence_every_region_of_every_transcript_counts(hand_made):
    by_hand = {
        2499: {("G1", "splicing"), ("G1", "intronic")},
        2600: {("G1", "exonic"), ("G1", "intronic")},
        2700: {("G1", "exonic"), ("G1", "splicing")},
        2950: {("G1", "exonic"), ("G1", "UTR3"), ("G2", "downstream")},
        3950: {("G1", "UTR3"), ("G2", "UTR3")},
        4050: {("G1", "downstream"), ("G2", "UTR3")},
        10_250: {("N", "intergenic")},
    }
    assert placed(hand_made, "1", list(by_hand), rule="all") == list(by_hand.values())


def test_unknown_rule_and_reversed_span_are_refused(hand_made):
    with pytest.raises(ValueError, match="Unknown rule 'best'; allowed are precedence, all"):
        hand_made.place(np.array(["1"]), np.array([1]), rule="best")
    with pytest.raises(ValueError, match="A variant on chromosome 1 ends at 8, before its start 9"):
        hand_made.place(np.array(["1", "1"]), np.array([7, 9]), np.array([7, 8]))


def test_chromosome_names_lose_a_prefix_only_in_front():
    names = ["Chr1", "chr2", "CHRC", "3", "scaffold_chr4", "chr"]
    assert chromosome_names(np.array(names)).tolist() == ["1", "2", "C", "3", "scaffold_chr4", "chr"]


@pytest.mark.parametrize("name", ["Mt", "MT", "M", "ChrM", "chrMT", "mitochondria", "Mitochondrion"])
def test_the_mitochondrion_has_one_name(name):
    assert chromosome_names(np.array([name])).tolist() == ["M"]


@pytest.mark.parametrize("name", ["Pt", "PT", "C", "ChrC", "chrPt", "Pltd", "chloroplast", "Chloroplast"])
def test_the_chloroplast_has_one_name(name):
    assert chromosome_names(np.array([name])).tolist() == ["C"]


def test_unknown_chromosome_is_refused_with_the_known_ones(hand_made):
    with pytest.raises(ValueError, match=r"No gene lies on chromosome '7'; the annotation has 1\."):
        hand_made.place(np.array(["1", "Chr7"]), np.array([1, 1]))


def test_file_without_genes_is_refused(tmp_path):
    path = tmp_path / "empty.gff3"
    path.write_text("##gff-version 3\nChr1\tx\tchromosome\t1\t100\t.\t.\t.\tID=Chr1\n")
    with pytest.raises(ValueError, match=r"empty\.gff3 holds no gene"):
        read_gff3(path)


def test_no_position_gives_no_pair(hand_made):
    assert [len(column) for column in hand_made.place(np.array([], str), np.array([], int))] == [0, 0, 0]


def test_nearest_gene_is_the_one_that_ends_last_even_if_it_starts_first():
    genes = [
        Gene("long", "+", [Transcript([(2000, 9000)], None)]),
        Gene("short", "+", [Transcript([(3000, 3100)], None)]),
    ]
    assert place_slowly(genes, 15_000) == {("long", "intergenic")}
    assert placed(models_of(genes), "1", [15_000]) == [{("long", "intergenic")}]


def test_of_two_genes_that_end_together_the_earlier_is_nearest():
    genes = [
        Gene("first", "+", [Transcript([(2000, 3000)], None)]),
        Gene("second", "+", [Transcript([(2500, 3000)], None)]),
    ]
    assert placed(models_of(genes), "1", [8000]) == [{("first", "intergenic")}]


# --------------------------------------------------------------------------------- flavours and mistakes

TAIR10 = """\
##gff-version 3
Chr1\tTAIR10\tchromosome\t1\t9000\t.\t.\t.\tID=Chr1;Name=Chr1
Chr1\tTAIR10\tgene\t2001\t2600\t.\t-\t.\tID=AT1G01010;Note=protein_coding_gene;Name=AT1G01010
Chr1\tTAIR10\tmRNA\t2001\t2600\t.\t-\t.\tID=AT1G01010.1;Parent=AT1G01010;Name=AT1G01010.1;Index=1
Chr1\tTAIR10\tprotein\t2101\t2500\t.\t-\t.\tID=AT1G01010.1-Protein;Derives_from=AT1G01010.1
Chr1\tTAIR10\tfive_prime_UTR\t2501\t2600\t.\t-\t.\tParent=AT1G01010.1
Chr1\tTAIR10\tCDS\t2401\t2500\t.\t-\t0\tParent=AT1G01010.1,AT1G01010.1-Protein;
Chr1\tTAIR10\texon\t2401\t2600\t.\t-\t.\tParent=AT1G01010.1
Chr1\tTAIR10\tthree_prime_UTR\t2001\t2100\t.\t-\t.\tParent=AT1G01010.1
Chr1\tTAIR10\tCDS\t2101\t2300\t.\t-\t2\tParent=AT1G01010.1,AT1G01010.1-Protein;
Chr1\tTAIR10\texon\t2001\t2300\t.\t-\t.\tParent=AT1G01010.1
Chr1\tTAIR10\tgene\t5001\t5080\t.\t+\t.\tID=AT1G01020;Note=tRNA;Name=AT1G01020
Chr1\tTAIR10\ttRNA\t5001\t5080\t.\t+\t.\tID=AT1G01020.1;Parent=AT1G01020;Name=AT1G01020.1;Index=1
Chr1\tTAIR10\texon\t5001\t5080\t.\t+\t.\tParent=AT1G01020.1
ChrM\tTAIR10\tgene\t101\t199\t.\t+\t.\tID=ATMG00010;Note=protein_coding_gene;Name=ATMG00010
ChrM\tTAIR10\tmRNA\t101\t199\t.\t+\t.\tID=ATMG00010.1;Parent=ATMG00010;Name=ATMG00010.1;Index=1
ChrM\tTAIR10\texon\t101\t199\t.\t+\t.\tParent=ATMG00010.1
ChrM\tTAIR10\tCDS\t101\t199\t.\t+\t0\tParent=ATMG00010.1,ATMG00010.1-Protein;
"""

ARAPORT11 = """\
##gff-version 3
# a comment; the gene's note holds a # and a quotation mark
Chr1\tAraport11\tgene\t2001\t2600\t.\t-\t.\tID=AT1G01010;Name=AT1G01010;Note=no %3B #1 "x;locus_type=protein_coding
Chr1\tAraport11\tmRNA\t2001\t2600\t.\t-\t.\tID=AT1G01010.1;Parent=AT1G01010;Name=AT1G01010.1
Chr1\tAraport11\tfive_prime_UTR\t2501\t2600\t.\t-\t.\tID=AT1G01010:five_prime_UTR:1;Parent=AT1G01010.1
Chr1\tAraport11\texon\t2401\t2600\t.\t-\t.\tID=AT1G01010:exon:1;Parent=AT1G01010.1
Chr1\tAraport11\texon\t2001\t2300\t.\t-\t.\tID=AT1G01010:exon:2;Parent=AT1G01010.1
Chr1\tAraport11\tCDS\t2401\t2500\t.\t-\t0\tID=AT1G01010:CDS:1;Parent=AT1G01010.1
Chr1\tAraport11\tCDS\t2101\t2300\t.\t-\t2\tID=AT1G01010:CDS:2;Parent=AT1G01010.1

Chr1\tAraport11\tgene\t5001\t5080\t.\t+\t.\tID=AT1G01020;Name=AT1G01020;locus_type=mirna
Chr1\tAraport11\tmiRNA_primary_transcript\t5001\t5080\t.\t+\t.\tID=AT1G01020.1;Parent=AT1G01020
Chr1\tAraport11\tmiRNA\t5010\t5030\t.\t+\t.\tID=ath-miR1;Parent=AT1G01020.1
Chr1\tAraport11\texon\t5001\t5080\t.\t+\t.\tID=AT1G01020:exon:1;Parent=AT1G01020.1
Chr1\tAraport11\tpseudogene\t7001\t7080\t.\t+\t.\tID=AT1G01030;locus_type=pseudogene
Chr1\tAraport11\tpseudogenic_tRNA\t7001\t7080\t.\t+\t.\tID=AT1G01030.1;Parent=AT1G01030
ChrM\tAraport11\tgene\t101\t199\t.\t+\t.\tID=ATMG00010;locus_type=protein_coding
ChrM\tAraport11\tmRNA\t101\t199\t.\t+\t.\tID=ATMG00010.1;Parent=ATMG00010
ChrM\tAraport11\tCDS\t101\t199\t.\t+\t0\tID=ATMG00010:CDS:1;Parent=ATMG00010.1
"""

ENSEMBL = """\
##gff-version 3
##sequence-region   1 1 9000
1\tTAIR10\tchromosome\t1\t9000\t.\t.\t.\tID=chromosome:1;Alias=CP002684.1
###
1\taraport11\tgene\t2001\t2600\t.\t-\t.\tID=gene:AT1G01010;biotype=protein_coding;gene_id=AT1G01010
1\taraport11\tmRNA\t2001\t2600\t.\t-\t.\tID=transcript:AT1G01010.1;Parent=gene:AT1G01010;biotype=protein_coding
1\taraport11\tthree_prime_UTR\t2001\t2100\t.\t-\t.\tParent=transcript:AT1G01010.1
1\taraport11\texon\t2001\t2300\t.\t-\t.\tParent=transcript:AT1G01010.1;Name=AT1G01010.1.exon2
1\taraport11\tCDS\t2101\t2300\t.\t-\t2\tID=CDS:AT1G01010.1;Parent=transcript:AT1G01010.1;protein_id=AT1G01010.1
1\taraport11\texon\t2401\t2600\t.\t-\t.\tParent=transcript:AT1G01010.1;Name=AT1G01010.1.exon1
1\taraport11\tCDS\t2401\t2500\t.\t-\t0\tID=CDS:AT1G01010.1;Parent=transcript:AT1G01010.1;protein_id=AT1G01010.1
###
1\taraport11\tncRNA_gene\t5001\t5080\t.\t+\t.\tID=gene:AT1G01020;biotype=lncRNA;gene_id=AT1G01020
1\taraport11\tlnc_RNA\t5001\t5080\t.\t+\t.\tID=transcript:AT1G01020.1;Parent=gene:AT1G01020;biotype=lncRNA
1\taraport11\texon\t5001\t5080\t.\t+\t.\tParent=transcript:AT1G01020.1
###
1\taraport11\tgene\t7001\t7080\t.\t+\t.\tID=gene:AT1G01030;biotype=transposable_element
1\taraport11\ttranscript\t7001\t7080\t.\t+\t.\tID=transcript:AT1G01030.1;Parent=gene:AT1G01030
###
Mt\taraport11\tgene\t101\t199\t.\t+\t.\tID=gene:ATMG00010;biotype=protein_coding
Mt\taraport11\tmRNA\t101\t199\t.\t+\t.\tID=transcript:ATMG00010.1;Parent=gene:ATMG00010;biotype=protein_coding
Mt\taraport11\texon\t101\t199\t.\t+\t.\tParent=transcript:ATMG00010.1
Mt\taraport11\tCDS\t101\t199\t.\t+\t0\tID=CDS:ATMG00010.1;Parent=transcript:ATMG00010.1
##FASTA
>1
ACGT
"""

NCBI = ENSEMBL.replace("gene:", "gene-").replace("transcript:", "rna-").replace("\tMt\t", "\tMT\t")
FLAVOURS = {"TAIR10": TAIR10, "Araport11": ARAPORT11, "Ensembl": ENSEMBL, "NCBI": NCBI}


def read_text(folder, text: str, name: str = "genes.gff3") -> GeneModels:
    path = folder / name
    path.write_bytes(text.encode())
    return read_gff3(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_flavours_describe_the_same_genes(tmp_path, flavour, line_end):
    models = read_text(tmp_path, FLAVOURS[flavour].replace("\n", line_end))
    columns = ["name", "chromosome", "start", "end", "strand", "coding"]
    assert list(models.genes[columns].itertuples(index=False, name=None)) == [
        ("AT1G01010", "1", 2001, 2600, "-", True),
        ("AT1G01020", "1", 5001, 5080, "+", False),
        ("ATMG00010", "M", 101, 199, "+", True),
    ]
    assert list(models.transcripts.itertuples(index=False, name=None)) == [
        ("AT1G01010.1", 0, True),
        ("AT1G01020.1", 1, False),
        ("ATMG00010.1", 2, True),
    ]
    assert list(models.parts.itertuples(index=False, name=None)) == [
        (0, "CDS", 2101, 2300, 2),
        (0, "CDS", 2401, 2500, 0),
        (0, "exon", 2001, 2300, 0),
        (0, "exon", 2401, 2600, 0),
        (1, "exon", 5001, 5080, 0),
        (2, "CDS", 101, 199, 0),
        (2, "exon", 101, 199, 0),
    ]
    by_hand = {
        2050: "UTR3", 2100: "UTR3", 2101: "exonic", 2300: "exonic", 2301: "splicing", 2350: "intronic",
        2399: "splicing", 2450: "exonic", 2501: "UTR5", 2601: "upstream", 2000: "downstream",
    }  # fmt: skip
    found = placed(models, "1", list(by_hand))
    assert found == [{("AT1G01010", region)} for region in by_hand.values()]
    assert placed(models, "1", [5010]) == [{("AT1G01020", "ncRNA exonic")}]
    assert placed(models, "MT", [150]) == [{("ATMG00010", "exonic")}]


@pytest.mark.parametrize(
    "kind",
    ["ncRNA", "lnc_RNA", "antisense_lncRNA", "antisense_RNA", "tRNA", "rRNA", "snRNA", "snoRNA", "miRNA", "pre_miRNA",
     "miRNA_primary_transcript", "transcript", "SRP_RNA", "RNase_MRP_RNA", "transcript_region"],
)  # fmt: skip
def test_transcripts_of_every_noncoding_type_are_read(tmp_path, kind):
    models = read_text(tmp_path, TAIR10.replace("\ttRNA\t", f"\t{kind}\t"))
    assert placed(models, "1", [5010]) == [{("AT1G01020", "ncRNA exonic")}]


def test_transcripts_without_exon_lines_consist_of_what_they_have(tmp_path):
    lines = [line for line in TAIR10.splitlines(keepends=True) if "\texon\t" not in line]
    assert read_text(tmp_path, "".join(lines)).regions.equals(read_text(tmp_path, TAIR10).regions)
    lines = [line for line in lines if "_UTR\t" not in line]
    models = read_text(tmp_path, "".join(lines))
    expected = [
        "intronic",
        "exonic",
        "splicing",
        "intronic",
    ]  # only the gene's line tells of the first and last
    assert placed(models, "1", [2050, 2101, 2301, 2550]) == [{("AT1G01010", region)} for region in expected]


def test_a_gene_with_a_protein_is_described_by_its_coding_transcripts(tmp_path):
    noncoding = (
        "Chr1\tx\tlnc_RNA\t2001\t2900\t.\t-\t.\tID=AT1G01010.2;Parent=AT1G01010\n"
        "Chr1\tx\texon\t2301\t2350\t.\t-\t.\tParent=AT1G01010.2\n"
    )
    models = read_text(tmp_path, TAIR10 + noncoding)
    assert placed(models, "1", [2301, 2340]) == [{("AT1G01010", "splicing")}, {("AT1G01010", "intronic")}]
    assert models.transcripts["coding"].tolist() == [True, False, False, True]


def test_phases_are_computed_and_only_that_of_the_first_codon_is_the_files(tmp_path):
    def phases(text: str) -> list[int]:
        parts = read_text(tmp_path, text).parts
        return parts.loc[(parts["transcript"] == 0) & (parts["kind"] == "CDS"), "phase"].tolist()

    # Backward: the part that ends at 2500 comes first, 100 bases; (0 - 100) % 3 = 2.
    assert phases(TAIR10.replace("\t-\t2\t", "\t-\t0\t")) == [2, 0]
    # If it begins with one base of a broken codon: (1 - 100) % 3 = 0.
    assert phases(TAIR10.replace("2500\t.\t-\t0\t", "2500\t.\t-\t1\t")) == [0, 1]


@pytest.mark.parametrize("ending", [".gff3.gz", ".gff3.xz", ".tar.gz", ".tar.xz", ".gff3"])
def test_compressed_files_are_read(tmp_path, ending):
    path = tmp_path / f"genes{ending}"
    if ".tar" in ending:
        (tmp_path / "inner.gff3").write_text(TAIR10)
        with tarfile.open(path, f"w:{ending[-2:]}") as archive:
            archive.add(tmp_path / "inner.gff3", "inner.gff3")
    else:
        opener = gzip.open if ending.endswith("gz") else lzma.open if ending.endswith("xz") else open
        with opener(path, "wt") as file:
            file.write(TAIR10)
    assert read_gff3(path).genes["name"].tolist() == ["AT1G01010", "AT1G01020", "ATMG00010"]


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "genes.gff3.gz"
    path.write_bytes(gzip.compress(TAIR10.encode())[:-40])
    with pytest.raises(GeneModelError, match=r"genes\.gff3\.gz is damaged or cut short"):
        read_gff3(path)
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.gff3"):
        read_gff3(tmp_path / "none.gff3")


MISTAKES = {
    "too few columns": (
        "Chr1\tTAIR10\tprotein\t2101",
        "Chr1 TAIR10\tprotein\t2101",
        r"genes\.gff3, line 5: 8 columns; GFF3 has 9",
    ),
    "start behind end": ("gene\t5001\t5080", "gene\t5081\t5080", r"line 12: start '5081' and end '5080'"),
    "no number": ("gene\t5001\t5080", "gene\t5001\tx", r"line 12: start '5001' and end 'x' are no interval"),
    "zero": ("gene\t5001\t5080", "gene\t0\t5080", r"line 12: start '0' and end '5080'"),
    "transcript elsewhere": (
        "Chr1\tTAIR10\ttRNA",
        "Chr2\tTAIR10\ttRNA",
        r"line 13: tRNA on chromosome 2, but AT1G01020, to which it belongs, lies on 1",
    ),
    "exon elsewhere": (
        "ChrM\tTAIR10\texon",
        "ChrC\tTAIR10\texon",
        r"line 17: exon on chromosome C, but ATMG00010\.1, to which it belongs, lies on M",
    ),
    "two of one name": ("ID=AT1G01020;", "ID=AT1G01010;", r"line 12: a second gene with the ID AT1G01010"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_with_their_line(tmp_path, mistake):
    right, wrong, message = MISTAKES[mistake]
    assert TAIR10.count(right) == 1
    with pytest.raises(GeneModelError, match=message):
        read_text(tmp_path, TAIR10.replace(right, wrong))


# ---------------------------------------------------------------------------------------- random genomes


def models_of(genes: list[Gene]) -> GeneModels:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".gff3") as file:
        file.write(write_gff3(genes))
        file.flush()
        return read_gff3(file.name)


@st.composite
def gene(draw, number: int) -> Gene:
    start = draw(st.integers(1, 6000))
    coding_gene = draw(st.booleans())
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=7).filter(lambda x: len(x) % 2 == 1))
    edges = np.cumsum([start, *lengths]).tolist()  # exon, intron, exon, ... each at least one base long
    exons = [(edges[i], edges[i + 1] - 1) for i in range(0, len(edges) - 1, 2)]
    transcripts = []
    for _ in range(draw(st.integers(1, 3))):
        # Further transcripts leave exons out and shorten those that stay, as alternative splicing does.
        kept = exons
        if transcripts:
            kept = [e for e in exons if draw(st.booleans())] or exons[:1]
            kept = [(a + draw(st.integers(0, b - a)), b) for a, b in kept]
        coding = None
        if coding_gene:
            bases = [base for a, b in kept for base in range(a, b + 1)]
            coding = tuple(sorted(draw(st.lists(st.sampled_from(bases), min_size=2, max_size=2))))
        transcripts.append(Transcript(kept, coding))
    return Gene(f"gene{number}", draw(st.sampled_from("+-")), transcripts)


@st.composite
def genomes(draw) -> list[Gene]:
    genes = [draw(gene(number)) for number in range(draw(st.integers(1, 5)))]
    places = {(g.start, g.end): g for g in genes}  # equal places have no order to break ties by
    return [places[key] for key in sorted(places)]


@given(genomes())
@settings(max_examples=40, deadline=None)
def test_random_genomes_agree_with_the_slow_reference(genes):
    borders = {g.start - 1000 for g in genes} | {g.end + 1000 for g in genes}
    borders |= {base for g in genes for t in g.transcripts for exon in t.exons for base in exon}
    borders |= {base for g in genes for t in g.transcripts if t.coding for base in t.coding}
    middles = {(a.end + b.start) // 2 for a in genes for b in genes if a.end < b.start}
    positions = {base + shift for base in borders | middles for shift in range(-3, 4)} | {1, 3333, 20_000}
    positions = sorted(p for p in positions if p >= 1)
    models = models_of(genes)
    assert placed(models, "1", positions) == [place_slowly(genes, p) for p in positions]
    spans = [(a, b) for a, b in itertools.pairwise(positions) if b - a < 50]
    spans += [(a, a + length) for a, length in zip(positions[::5], range(1, 120), strict=False)]
    assert placed(models, "1", *zip(*spans, strict=True)) == [place_slowly(genes, *span) for span in spans]
    everything = placed(models, "1", *zip(*spans, strict=True), rule="all")
    assert everything == [all_places_slowly(genes, *span) for span in spans]


# ------------------------------------------------------------------------------------------------ TAIR10


def parse_by_hand(path) -> tuple[dict[str, list[Gene]], int]:
    """Genes per chromosome from the text of the file, and how many genes code for a protein."""
    with tarfile.open(path) as archive:
        member = next(entry for entry in archive if entry.isfile())
        text = archive.extractfile(member).read().decode()
    genes, transcripts = {}, {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) < 9:
            continue
        chromosome, _, kind, start, end, _, strand, _, attributes = fields
        values = dict(item.split("=", 1) for item in attributes.split(";") if "=" in item)
        parent = values.get("Parent", "").split(",")[0]
        if kind == "gene":
            genes[values["ID"]] = (chromosome.removeprefix("Chr"), strand, [])
        elif kind in ("mRNA", "ncRNA", "tRNA", "rRNA", "snRNA", "snoRNA", "miRNA") and parent in genes:
            transcripts[values["ID"]] = parent, ([], [])
        elif kind in ("exon", "CDS") and parent in transcripts:
            transcripts[parent][1][kind == "CDS"].append((int(start), int(end)))
    for parent, (exons, coding) in transcripts.values():
        exons, coding = sorted(exons), sorted(coding)
        genes[parent][2].append(Transcript(exons, (coding[0][0], coding[-1][1]) if coding else None))
    by_chromosome: dict[str, list[Gene]] = {}
    for name, (chromosome, strand, of_gene) in genes.items():
        if of_gene:
            by_chromosome.setdefault(chromosome, []).append(Gene(name, strand, of_gene))
    for of_chromosome in by_chromosome.values():
        of_chromosome.sort(key=lambda g: (g.start, g.end))
    n_coding = sum(any(t.coding for t in g.transcripts) for gs in by_chromosome.values() for g in gs)
    return by_chromosome, n_coding


def test_tair10_agrees_with_a_plain_reading_of_the_file(use_mirror):
    name = "arabidopsis/TAIR10_GFF3_genes.tar.xz"
    with use_mirror(name) as mirror:
        models = read_gff3(mirror / name)
        genes, n_coding = parse_by_hand(mirror / name)
    assert len(models.genes) == 28_775
    assert n_coding == 27_416
    assert set(models.genes["chromosome"]) == {"1", "2", "3", "4", "5", "C", "M"}
    random = np.random.default_rng(1)
    for chromosome in ("1", "4", "C"):
        here = genes[chromosome]
        start, end = np.array([g.start for g in here]), np.array([g.end for g in here])
        # Half anywhere, half next to where an exon begins or ends.
        edges = [base for g in here for t in g.transcripts for exon in t.exons for base in exon]
        anywhere = random.integers(1, end.max(), 300)
        at_edges = random.choice(edges, 300) + random.integers(-4, 5, 300)
        positions = np.maximum(np.concatenate([anywhere, at_edges]), 1).tolist()
        expected = []
        for position in positions:
            near = np.flatnonzero((start - 1000 <= position) & (position <= end + 1000))
            expected.append(place_slowly([here[i] for i in near] if len(near) else here, position))
        assert placed(models, chromosome, positions) == expected


def test_an_exon_of_two_transcripts_borders_the_introns_of_both(tmp_path):
    lines = [
        ("gene", 100, 900, "ID=G"),
        ("mRNA", 100, 400, "ID=G.1;Parent=G"),
        ("exon", 100, 200, "Parent=G.1,G.2"),
        ("CDS", 100, 200, "Parent=G.1,G.2"),
        ("exon", 350, 400, "Parent=G.1"),
        ("mRNA", 100, 300, "ID=G.2;Parent=G"),
        ("exon", 250, 300, "Parent=G.2"),
        ("mRNA", 800, 900, "ID=G.3;Parent=G"),
        ("exon", 800, 900, "Parent=G.3"),
    ]
    text = "".join(f"1\tx\t{kind}\t{start}\t{end}\t.\t+\t.\t{rest}\n" for kind, start, end, rest in lines)
    path = tmp_path / "shared.gff3"
    path.write_text(text)
    expected = {
        150: "exonic",
        201: "splicing",
        249: "splicing",
        349: "splicing",
        330: "intronic",
        600: "intronic",
    }
    found = placed(read_gff3(path), "1", list(expected))
    assert found == [{("G", region)} for region in expected.values()]
