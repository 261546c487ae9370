"""Placing positions: a genome worked out by hand, random genomes against a slow reference, and TAIR10."""

import tarfile
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.encoding import REGIONS, GeneModels, chromosome_names, read_gff3

NAMES = list(REGIONS)
RANKS = [
    {"exonic"},
    {"splicing"},
    {"ncRNA exonic"},
    {"ncRNA splicing"},
    {"ncRNA intronic"},
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


def place_slowly(genes: list[Gene], position: int) -> set[tuple[str, str]]:
    """(gene, region) of one position on the chromosome of these genes, sorted by start and end."""
    by_gene = [(gene.name, region) for gene in genes for region in regions_in_gene(gene, position)]
    for rank in RANKS:
        best = {pair for pair in by_gene if pair[1] in rank}
        if best:
            return best
    distances = [max(gene.start - position, position - gene.end) for gene in genes]
    return {(genes[int(np.argmin(distances))].name, "intergenic")}


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


def placed(models: GeneModels, chromosome: str, positions: list[int]) -> list[set[tuple[str, str]]]:
    placement = models.place(np.full(len(positions), chromosome), np.array(positions))
    found = [set() for _ in positions]
    names = models.genes["name"].to_numpy()
    for variant, gene, region in zip(*placement, strict=True):
        found[variant].add((str(names[gene]), NAMES[region]))
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
    2700: {("G1", "exonic")},  # a splice site of the second transcript
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


def test_chromosome_names_lose_a_prefix_only_in_front():
    assert chromosome_names(np.array(["Chr1", "chr2", "CHRC", "3", "scaffold_chr4"])).tolist() == [
        "1", "2", "C", "3", "scaffold_chr4",
    ]  # fmt: skip


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
    assert placed(models_of(genes), "1", positions) == [place_slowly(genes, p) for p in positions]


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
