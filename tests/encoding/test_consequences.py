"""Own annotation: a genome worked out by hand, and random genes against a plain translation."""

import gzip
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES
from gi_lib.encoding.consequences import NOT_DETERMINED, Change, OwnAnnotation, reduce
from gi_lib.encoding.gene_models import GeneModelError, read_gff3
from gi_lib.encoding.vocabulary import AnnotationError

TYPES = (*VARIANT_TYPES, EXONIC_UNKNOWN)


def reverse_complement(text: str) -> str:
    return text[::-1].translate(str.maketrans("ACGT", "TGCA"))


# ----------------------------------------------------------------------------------- the genome by hand

# A gene of two exons: 20 bases of 5' UTR, M A K W D F, an intron of 20, P E R Y G stop, 15 bases of 3' UTR.
UTR5, CODING1 = "CTCTTCACTTCCAGTTCACC", "ATGGCTAAATGGGATTTT"
INTRON, CODING2, UTR3 = "GTAAGTCCTACCGTTTGCAG", "CCTGAACGTTACGGGTGA", "CTTCAGTTGCCATAC"
GENE = UTR5 + CODING1 + INTRON + CODING2 + UTR3

# Two genes on one stretch: S reads M A H stop from 8001 on, T reads M G H A K stop backward from 8009 to 7992.
SHARED = "TCATTTAGC" + "ATGGCCCATTAA"


def chromosome() -> str:
    bases = list("GATTACCAGT" * 1_200)
    bases[2000:2091] = GENE
    bases[4000:4091] = reverse_complement(GENE)
    bases[7991:8012] = SHARED
    return "".join(bases)


GFF3 = """
gene 2001 2091 + ID=P
mRNA 2001 2091 + ID=P.1;Parent=P
exon 2001 2038 + Parent=P.1
CDS 2021 2038 + Parent=P.1
exon 2059 2091 + Parent=P.1
CDS 2059 2076 + Parent=P.1
gene 4001 4091 - ID=Q
mRNA 4001 4091 - ID=Q.1;Parent=Q
exon 4001 4033 - Parent=Q.1
CDS 4016 4033 - Parent=Q.1
exon 4054 4091 - Parent=Q.1
CDS 4054 4071 - Parent=Q.1
gene 6001 6150 + ID=N
ncRNA 6001 6150 + ID=N.1;Parent=N
exon 6001 6050 + Parent=N.1
exon 6101 6150 + Parent=N.1
gene 7992 8009 - ID=T
mRNA 7992 8009 - ID=T.1;Parent=T
exon 7992 8009 - Parent=T.1
CDS 7992 8009 - Parent=T.1
gene 8001 8012 + ID=S
mRNA 8001 8012 + ID=S.1;Parent=S
exon 8001 8012 + Parent=S.1
CDS 8001 8012 + Parent=S.1
"""


def write_gff3(path: Path, text: str, name: str = "Chr1") -> Path:
    lines = [line.split() for line in text.strip().splitlines()]
    path.write_text("".join(f"{name}\tx\t{k}\t{a}\t{b}\t.\t{s}\t.\t{rest}\n" for k, a, b, s, rest in lines))
    return path


def write_fasta(path: Path, sequence: str, name: str = "Chr1") -> Path:
    lines = [sequence[i : i + 70] for i in range(0, len(sequence), 70)]
    path.write_text(f">{name} a genome\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("genome")
    write_gff3(folder / "genes.gff3", GFF3)
    write_fasta(folder / "genome.fa", chromosome())
    return folder


@pytest.fixture(scope="module")
def own(folder) -> OwnAnnotation:
    return OwnAnnotation(read_gff3(folder / "genes.gff3"), folder / "genome.fa")


def annotated(own: OwnAnnotation, *alleles: tuple[int, str, str]) -> tuple[list[set], Counter]:
    """For every allele its pairs of gene and type, and what was left out."""
    position, ref, alt = (list(column) for column in zip(*alleles, strict=True))
    given = own.annotate("1", np.array(position), ref, alt)
    names = own.models.genes["name"].to_numpy()
    found = [set() for _ in alleles]
    for allele, gene, code in zip(given.allele, given.gene, given.variant_type, strict=True):
        assert (str(names[gene]), TYPES[code]) not in found[allele]
        found[allele].add((str(names[gene]), TYPES[code]))
    assert (np.diff(given.allele) >= 0).all()
    return found, given.left_out


BY_HAND = [
    # P, forward
    ((2025, "C", "A"), {("P", "nonsynonymous")}),  # GCT GAT, A to D
    ((2032, "G", "A"), {("P", "stopgain")}),  # TGG TGA
    ((2074, "T", "C"), {("P", "stoploss")}),  # TGA CGA
    ((2021, "A", "G"), {("P", "nonsynonymous")}),  # the start
    ((2024, "GC", "AT"), {("P", "nonsynonymous")}),  # GCT ATT, A to I
    ((2027, "A", "AC"), {("P", "frameshift insertion")}),
    ((2030, "TG", "T"), {("P", "frameshift deletion")}),
    ((2029, "A", "AGGC"), {("P", "nonframeshift insertion")}),  # a G between K and W
    ((2029, "A", "ATAG"), {("P", "stopgain")}),  # a stop between K and W
    ((2029, "ATGG", "A"), {("P", "nonframeshift deletion")}),  # without W
    ((2029, "ATGGG", "AG"), {("P", "nonframeshift deletion")}),  # the same, with bases that both share
    ((2021, "ATG", "A"), {("P", "frameshift deletion")}),  # in the start codon
    ((2039, "G", "A"), {("P", "splicing")}),
    ((2040, "T", "A"), {("P", "splicing")}),
    ((2041, "A", "C"), {("P", "intronic")}),
    ((2057, "A", "C"), {("P", "splicing")}),
    ((2037, "TTGTA", "T"), {("P", "splicing")}),  # one base of the exon, three of the intron
    ((2038, "T", "TC"), {("P", "splicing")}),  # between exon and intron
    ((2041, "A", "AC"), {("P", "intronic")}),
    ((2020, "C", "CA"), {("P", "UTR5")}),  # the base before the insertion counts
    ((2010, "T", "C"), {("P", "UTR5")}),
    ((2080, "C", "T"), {("P", "UTR3")}),
    ((2000, "T", "C"), {("P", "upstream")}),
    ((1001, "G", "C"), {("P", "upstream")}),
    ((1000, "T", "C"), {("P", "intergenic")}),
    ((2500, "T", "C"), {("P", "downstream")}),
    ((3050, "T", "C"), {("P", "downstream"), ("Q", "downstream")}),
    # Q, the same gene backward: base i of the gene, from 0, is base 4091 - i of the chromosome
    ((4067, "G", "T"), {("Q", "nonsynonymous")}),
    ((4060, "C", "T"), {("Q", "stopgain")}),
    ((4018, "A", "G"), {("Q", "stoploss")}),
    ((4071, "T", "C"), {("Q", "nonsynonymous")}),
    ((4060, "CC", "C"), {("Q", "frameshift deletion")}),
    ((4066, "A", "AT"), {("Q", "frameshift insertion")}),
    ((4062, "A", "AGCC"), {("Q", "nonframeshift insertion")}),
    ((4059, "CCCA", "C"), {("Q", "nonframeshift deletion")}),
    ((4053, "C", "T"), {("Q", "splicing")}),
    ((4051, "T", "C"), {("Q", "intronic")}),
    ((4080, "A", "C"), {("Q", "UTR5")}),
    ((4010, "A", "C"), {("Q", "UTR3")}),
    ((4500, "T", "C"), {("Q", "upstream")}),
    # N makes no protein
    ((6010, "T", "C"), {("N", "ncRNA exonic")}),
    ((6052, "A", "C"), {("N", "ncRNA splicing")}),
    ((6070, "T", "C"), {("N", "ncRNA intronic")}),
    # S and T share a stretch: GCC GCT is silent in S, and GGC AGC in T
    ((8006, "C", "T"), {("T", "nonsynonymous")}),
    ((8002, "T", "C"), {("S", "nonsynonymous"), ("T", "nonsynonymous")}),  # the start of S; CAT CGT in T
    ((7995, "T", "A"), {("T", "nonsynonymous")}),  # AAA to AAT, K to N
    ((10_000, "T", "C"), {("S", "intergenic")}),
]
SILENT = [
    ((2026, "T", "C"), "synonymous"),  # GCT GCC
    ((2075, "G", "A"), "stop_retained"),  # TGA TAA
    ((4066, "A", "G"), "synonymous"),
    ((2076, "A", "AC"), NOT_DETERMINED),  # behind the stop
]


def as_is(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("allele", "expected"), BY_HAND, ids=as_is)
def test_allele_counts_as_by_hand(own, allele, expected):
    assert annotated(own, allele) == ([expected], Counter())


@pytest.mark.parametrize(("allele", "reason"), SILENT, ids=as_is)
def test_what_has_no_counterpart_is_left_out_with_its_reason(own, allele, reason):
    assert annotated(own, allele) == ([set()], Counter({reason: 1}))


def test_many_alleles_at_once_give_what_each_gives_alone(own):
    cases = sorted(BY_HAND + [(allele, set()) for allele, _ in SILENT], key=lambda case: case[0][0])
    found, left_out = annotated(own, *[allele for allele, _ in cases])
    assert found == [expected for _, expected in cases]
    assert left_out == Counter({"synonymous": 2, "stop_retained": 1, NOT_DETERMINED: 1})


def test_without_precedence_every_gene_and_consequence_counts(folder):
    everything = OwnAnnotation(read_gff3(folder / "genes.gff3"), folder / "genome.fa", rule="all")
    found, left_out = annotated(everything, (2029, "A", "ATAG"), (2037, "TTGTA", "T"), (8006, "C", "T"))
    assert found[0] == {("P", "stopgain"), ("P", "nonframeshift insertion")}
    assert found[1] == {("P", "splicing"), ("P", "intronic")}
    assert found[2] == {("T", "nonsynonymous")}
    assert left_out == Counter({"synonymous": 1})


def test_without_a_genome_coding_changes_are_of_unknown_consequence(folder):
    own = OwnAnnotation(read_gff3(folder / "genes.gff3"))
    found, left_out = annotated(
        own, (2020, "C", "A"), (2026, "T", "C"), (2037, "TTGTA", "T"), (8006, "N", "T")
    )
    assert found == [
        {("P", "UTR5")},
        {("P", EXONIC_UNKNOWN)},
        {("P", EXONIC_UNKNOWN), ("P", "splicing")},
        {("S", EXONIC_UNKNOWN), ("T", EXONIC_UNKNOWN)},
    ]
    assert not left_out


def test_an_ambiguous_base_leaves_the_consequence_undetermined(own):
    assert annotated(own, (2025, "C", "N"), (2025, "C", "A"), (2026, "N", "C")) == (
        [set(), {("P", "nonsynonymous")}, set()],
        Counter({NOT_DETERMINED: 2}),
    )


def test_no_allele_gives_no_pair(own):
    given = own.annotate("1", np.array([], int), [], [])
    assert [len(column) for column in given] == [0, 0, 0, 0]


def test_alleles_are_reduced_to_what_they_change():
    assert reduce(10, "A", "G") == Change(10, "A", "G")
    assert reduce(10, "ACG", "ATG") == Change(11, "C", "T")
    assert reduce(10, "A", "ATT") == Change(11, "", "TT")
    assert reduce(10, "CAA", "CA") == Change(12, "A", "")
    assert reduce(10, "GCAT", "GTTAT") == Change(11, "C", "TT")
    assert Change(11, "", "TT").touches == (10, 10)
    assert Change(1, "", "TT").touches == (1, 1)
    assert Change(12, "AC", "").touches == (12, 13)


# ------------------------------------------------------------------------------------- what can go wrong


def test_a_wrong_reference_is_refused_with_both_bases(own):
    with pytest.raises(
        AnnotationError, match=r"position 2025: genome\.fa has CT where the VCF's reference allele is GT"
    ):
        annotated(own, (2024, "G", "A"), (2025, "GT", "A"))
    with pytest.raises(AnnotationError, match="is this the right reference"):
        annotated(own, (2025, "G", "A"))


def test_an_allele_that_is_its_reference_is_refused(own):
    with pytest.raises(AnnotationError, match="position 2025: REF and ALT are both C"):
        annotated(own, (2024, "G", "A"), (2025, "C", "C"))


def test_unknown_rule_and_chromosome_are_refused_with_the_known_ones(own, folder):
    with pytest.raises(ValueError, match="Unknown rule 'best'; allowed are precedence, all"):
        OwnAnnotation(own.models, rule="best")
    with pytest.raises(GeneModelError, match="No gene lies on chromosome '9'"):
        own.annotate("9", np.array([1]), ["A"], ["C"])


def test_a_genome_without_the_chromosome_is_refused(own, tmp_path):
    other = OwnAnnotation(own.models, write_fasta(tmp_path / "other.fa", chromosome(), "Chr2"))
    assert annotated(other, (2010, "T", "C"))[0] == [{("P", "UTR5")}]
    with pytest.raises(AnnotationError, match=r"other\.fa has no chromosome '1'; it has Chr2"):
        annotated(other, (2025, "C", "A"))


def test_unusable_genomes_are_refused_in_a_sentence(own, tmp_path):
    with pytest.raises(AnnotationError, match=r"There is no FASTA file .*none\.fa"):
        OwnAnnotation(own.models, tmp_path / "none.fa")
    with gzip.open(tmp_path / "plain.fa.gz", "wt") as file:
        file.write(">1\nACGT\n")
    with pytest.raises(AnnotationError, match=r"plain\.fa\.gz is compressed with gzip; use bgzip"):
        OwnAnnotation(own.models, tmp_path / "plain.fa.gz")
    write_fasta(tmp_path / "locked.fa", "ACGT")
    (tmp_path / "locked.fa.fai").mkdir()  # no index can be written, whoever runs the test
    with pytest.raises(AnnotationError, match=r"locked\.fa .*samtools faidx"):
        OwnAnnotation(own.models, tmp_path / "locked.fa")
    (tmp_path / "twice.fa").write_text(">1\nACGT\n>Chr1\nACGT\n")
    with pytest.raises(AnnotationError, match=r"twice\.fa has two sequences for chromosome '1'"):
        OwnAnnotation(own.models, tmp_path / "twice.fa")


@pytest.mark.parametrize("name", ["1", "chr1", "CHR1"])
def test_lower_case_compression_and_names_of_the_genome_do_not_matter(own, tmp_path, name):
    path = write_fasta(tmp_path / "soft.fa", chromosome()[:3000].lower() + chromosome()[3000:], name)
    pysam.tabix_compress(str(path), str(path) + ".gz")
    for genome in (path, path.with_suffix(".fa.gz")):
        found, _ = annotated(OwnAnnotation(own.models, genome), *[allele for allele, _ in BY_HAND])
        assert found == [expected for _, expected in BY_HAND]


def test_nothing_is_said_on_the_terminal(own, capfd):
    annotated(own, (2025, "C", "A"), (4067, "G", "T"))
    assert capfd.readouterr() == ("", "")


def test_a_transcript_that_begins_inside_a_codon_is_read_in_its_frame(tmp_path):
    # The first base is the last of a codon whose beginning is not known; then GCT TGG TGA.
    sequence = "T" * 100 + "CGCTTGGTGA" + "T" * 100
    text = "1\tx\tgene\t101\t110\t.\t+\t.\tID=G\n1\tx\tmRNA\t101\t110\t.\t+\t.\tID=G.1;Parent=G\n"
    (tmp_path / "g.gff3").write_text(text + "1\tx\tCDS\t101\t110\t.\t+\t1\tParent=G.1\n")
    own = OwnAnnotation(read_gff3(tmp_path / "g.gff3"), write_fasta(tmp_path / "g.fa", sequence, "1"))
    found, left_out = annotated(own, (104, "T", "A"), (106, "G", "A"), (108, "T", "C"))
    assert found == [set(), {("G", "stopgain")}, {("G", "stoploss")}]
    assert left_out == Counter({"synonymous": 1})


def test_a_deletion_that_ends_like_the_base_before_it_keeps_its_frame(tmp_path):
    # M L D V R stop; without GATGTA it is M L R stop. As it stands, bcftools csq finds a stop in it.
    sequence = "T" * 100 + "ATGTTAGATGTACGCTGA" + "T" * 100
    (tmp_path / "g.gff3").write_text(
        "1\tx\tgene\t101\t118\t.\t+\t.\tID=G\n1\tx\tmRNA\t101\t118\t.\t+\t.\tID=G.1;Parent=G\n"
        "1\tx\tCDS\t101\t118\t.\t+\t0\tParent=G.1\n"
    )
    own = OwnAnnotation(read_gff3(tmp_path / "g.gff3"), write_fasta(tmp_path / "g.fa", sequence, "1"))
    assert annotated(own, (106, "AGATGTA", "A"))[0] == [{("G", "nonframeshift deletion")}]


def test_calls_may_go_back_and_forth_along_the_chromosome(own):
    for _ in range(2):
        for allele, expected in (BY_HAND[0], BY_HAND[-2], BY_HAND[1]):
            assert annotated(own, allele)[0] == [expected]


def test_a_gene_of_many_transcripts_counts_once_with_its_gravest_consequence(tmp_path, folder):
    # All 40 transcripts read the stretch of P, but the last of them begins one base later and reads another frame.
    lines = ["gene 2021 2038 + ID=P"]
    for number in range(1, 41):
        start = 2021 if number < 40 else 2022
        lines += [f"mRNA {start} 2038 + ID=P.{number};Parent=P", f"CDS {start} 2038 + Parent=P.{number}"]
    models = read_gff3(write_gff3(tmp_path / "many.gff3", "\n".join(lines)))
    own = OwnAnnotation(models, folder / "genome.fa")
    # GCT GCC in the first frame, TGG CTA AAT to TGG CCA AAT in the other.
    assert annotated(own, (2026, "T", "C")) == ([{("P", "nonsynonymous")}], Counter())
    everything = OwnAnnotation(models, folder / "genome.fa", rule="all")
    assert annotated(everything, (2026, "T", "C")) == ([{("P", "nonsynonymous")}], Counter())


# --------------------------------------------------------------------------- many calls, many processes


def in_another_process(own: OwnAnnotation) -> list[set]:
    return annotated(own, *[allele for allele, _ in BY_HAND])[0]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_other_processes_find_the_same(own, method):
    # The method itself is what runs there: a spawned process cannot import this file, and an executor says so.
    position, ref, alt = (list(column) for column in zip(*[allele for allele, _ in BY_HAND], strict=True))
    call = ("1", np.array(position), ref, alt)
    here = own.annotate(*call)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        for job in [pool.submit(own.annotate, *call) for _ in range(4)]:
            there = job.result()
            for field in ("allele", "gene", "variant_type"):
                np.testing.assert_array_equal(getattr(there, field), getattr(here, field))
            assert there.left_out == here.left_out


def test_a_forked_process_does_not_disturb_the_file_of_its_parent(own):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(in_another_process(own)))
    child.start()
    assert queue.get(timeout=60) == in_another_process(own)
    child.join()


def test_calls_leave_no_open_file_and_no_folder_behind(own, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    annotated(own, (2025, "C", "A"))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(50):
        annotated(own, (2025, "C", "A"), (4067, "G", "T"))
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after == before
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------- a plain translation

CODE = {
    first + second + third: "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"[
        16 * i + 4 * j + k
    ]
    for i, first in enumerate("TCAG")
    for j, second in enumerate("TCAG")
    for k, third in enumerate("TCAG")
}
SENSE = [codon for codon, amino_acid in CODE.items() if amino_acid != "*"]


def translate(coding: str) -> str:
    return "".join(CODE[coding[i : i + 3]] for i in range(0, len(coding) - 2, 3))


@dataclass
class RandomGene:
    sequence: str
    exons: list[tuple[int, int]]
    strand: str

    def protein(self, position: int = 0, ref: str = "", alt: str = "") -> str:
        """Translation after a change that lies inside one exon; by default of the gene as it is."""
        end = position + len(ref) - 1
        changed = self.sequence[: position - 1] + alt + self.sequence[end:] if position else self.sequence
        grown = len(alt) - len(ref)
        exons = [
            (a + grown * (a > position), b + grown * (b >= end)) if position else (a, b)
            for a, b in self.exons
        ]
        coding = "".join(changed[a - 1 : b] for a, b in exons)
        return translate(coding if self.strand == "+" else reverse_complement(coding))

    def leftmost(self, position: int, ref: str, alt: str) -> int:
        """First base of an insertion or deletion where its place is ambiguous and it is moved to the left."""
        moved, start = (ref or alt)[1:] or alt[1:], position + 1
        while self.sequence[start - 2] == moved[-1]:
            start, moved = start - 1, moved[-1] + moved[:-1]
        return start

    def consequence(self, position: int, ref: str, alt: str) -> str | None:
        grown = len(alt) - len(ref)
        kind = "insertion" if grown > 0 else "deletion"
        if grown % 3:
            return f"frameshift {kind}"
        before, after = self.protein(), self.protein(position, ref, alt)
        if "*" in after[:-1]:
            return "stopgain"
        if not after.endswith("*"):
            return "stoploss"
        if grown:
            return f"nonframeshift {kind}"
        return None if before == after else "nonsynonymous"


@st.composite
def random_genes(draw) -> RandomGene:
    codons = draw(st.lists(st.sampled_from(SENSE), min_size=30, max_size=60))
    coding = "ATG" + "".join(codons) + draw(st.sampled_from(["TAA", "TAG", "TGA"]))
    strand = draw(st.sampled_from("+-"))
    coding = coding if strand == "+" else reverse_complement(coding)
    cuts = draw(st.lists(st.integers(25, len(coding) - 25), max_size=2, unique=True).map(sorted))
    bases = draw(st.lists(st.sampled_from("ACGT"), min_size=60, max_size=60))
    sequence, exons = "".join(bases), []
    for begin, end in zip([0, *cuts], [*cuts, len(coding)], strict=True):
        exons.append((len(sequence) + 1, len(sequence) + end - begin))
        sequence += coding[begin:end] + "GT" + "".join(draw(st.permutations(bases))) + "AG"
    return RandomGene(sequence, exons, strand)


@st.composite
def changes(draw, gene: RandomGene) -> tuple[int, str, str]:
    first, last = draw(st.sampled_from(gene.exons))
    kind = draw(st.sampled_from(["SNP", "SNP", "insertion", "deletion"]))
    position = draw(st.integers(first, last))
    base = gene.sequence[position - 1]
    if kind == "SNP":
        return position, base, draw(st.sampled_from([other for other in "ACGT" if other != base]))
    length = draw(st.integers(1, 7))
    if kind == "insertion":
        return (
            position,
            base,
            base + "".join(draw(st.lists(st.sampled_from("ACGT"), min_size=length, max_size=length))),
        )
    return position, gene.sequence[position - 1 : position + length], base


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_random_changes_inside_exons_agree_with_a_plain_translation(tmp_path_factory, data):
    gene = data.draw(random_genes())
    found = [data.draw(changes(gene)) for _ in range(data.draw(st.integers(5, 30)))]
    # Changes at the start, the stop and where exons meet have more than one name; they are told by hand above.
    alleles = [
        change
        for change in sorted(set(found))
        if len(change[1]) == len(change[2])
        or any(a + 4 <= gene.leftmost(*change) and change[0] + len(change[1]) + 4 <= b for a, b in gene.exons)
    ]
    if not alleles:
        return
    start, end = gene.exons[0][0], gene.exons[-1][1]
    text = f"gene {start} {end} {gene.strand} ID=G\nmRNA {start} {end} {gene.strand} ID=G.1;Parent=G\n"
    text += "".join(f"CDS {a} {b} {gene.strand} Parent=G.1\n" for a, b in gene.exons)
    folder = tmp_path_factory.mktemp("random")
    models = read_gff3(write_gff3(folder / "g.gff3", text))
    own = OwnAnnotation(models, write_fasta(folder / "g.fa", gene.sequence))
    expected = [gene.consequence(*change) for change in alleles]
    found, left_out = annotated(own, *alleles)
    assert found == [{("G", name)} if name else set() for name in expected]
    assert left_out.total() == expected.count(None)
