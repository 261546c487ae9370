"""The small simulated genome, parsed back from its files without the code that wrote them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gi_lib.datasets.small_genome import FLAVOURS, SmallGenome, simulate_small_genome
from gi_lib.encoding import REGIONS, read_gff3

STOPS = ("TAA", "TAG", "TGA")


@dataclass
class Transcript:
    """A transcript as the GFF3 lists it: places are first and last base, from 1."""

    gene: str
    chromosome: str
    strand: str
    parts: list[tuple[str, int, int, str]] = field(default_factory=list)  # kind, first, last, phase

    def places(self, *kinds: str) -> list[tuple[int, int]]:
        return sorted((first, last) for kind, first, last, _ in self.parts if kind in kinds)


def read_fasta(path: Path) -> dict[str, str]:
    pieces = path.read_text().split(">")[1:]
    return {piece.split("\n", 1)[0]: piece.split("\n", 1)[1].replace("\n", "") for piece in pieces}


def read_transcripts(path: Path) -> dict[str, Transcript]:
    """Transcripts with their parts, whatever the flavour; parents come before their parts."""
    found: dict[str, Transcript] = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        chromosome, _, kind, first, last, _, strand, phase, text = line.split("\t")
        attributes = dict(item.split("=") for item in text.split(";") if item)
        if kind == "mRNA" or (kind.endswith("RNA") and kind != "gene"):
            gene = attributes["Parent"].removeprefix("gene:")
            found[attributes["ID"]] = Transcript(gene, chromosome, strand)
        elif kind not in ("gene", "ncRNA_gene", "chromosome", "protein"):
            for parent in attributes["Parent"].split(","):
                if parent in found:
                    found[parent].parts.append((kind, int(first), int(last), phase))
    return found


def read_records(path: Path) -> Iterator[tuple[str, int, str, list[str], list[str]]]:
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            chromosome, position, _, ref, alts, *_, form = line.split("\t")[:9]
            assert form == "GT:GQ:DP"
            yield chromosome, int(position), ref, alts.split(","), line.split("\t")[9:]


def oriented(bases: str, strand: str) -> str:
    return bases if strand == "+" else bases[::-1].translate(str.maketrans("ACGT", "TGCA"))


def cut(sequence: str, places: list[tuple[int, int]]) -> str:
    return "".join(sequence[first - 1 : last] for first, last in places)


def assert_is_a_gene(transcript: Transcript, sequence: str) -> None:
    """Check splice sites and, where it codes, the reading frame, its phases and the untranslated ends."""
    exons = transcript.places("exon")
    for (_, before), (behind, _) in pairwise(exons):
        intron = oriented(sequence[before : behind - 1], transcript.strand)
        assert intron[:2] == "GT"
        assert intron[-2:] == "AG"
    coding = transcript.places("CDS")
    if not coding:
        assert transcript.places("five_prime_UTR", "three_prime_UTR") == []
        return
    frame = oriented(cut(sequence, coding), transcript.strand)
    codons = [frame[i : i + 3] for i in range(0, len(frame), 3)]
    assert len(frame) % 3 == 0
    assert codons[0] == "ATG"
    assert codons[-1] in STOPS
    assert not set(STOPS) & set(codons[:-1])
    done = 0
    phases = {(first, last): phase for kind, first, last, phase in transcript.parts if kind == "CDS"}
    for first, last in coding if transcript.strand == "+" else coding[::-1]:
        # So many bases of the part still belong to a codon that began before it.
        assert phases[first, last] == str(-done % 3)
        done += last - first + 1
    first_end, second_end = transcript.places("five_prime_UTR"), transcript.places("three_prime_UTR")
    if transcript.strand == "-":
        first_end, second_end = second_end, first_end
    assert first_end and second_end
    assert first_end[-1][1] + 1 == coding[0][0]
    assert coding[-1][1] + 1 == second_end[0][0]
    covered = [at for first, last in first_end + coding + second_end for at in range(first, last + 1)]
    assert covered == [at for first, last in exons for at in range(first, last + 1)]


@pytest.fixture(scope="module")
def flavours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SmallGenome]:
    folder = tmp_path_factory.mktemp("genome")
    return {name: simulate_small_genome(folder / name, 40, 5, 300, name, seed=1) for name in FLAVOURS}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> SmallGenome:
    return simulate_small_genome(tmp_path_factory.mktemp("wide"), 60, 3, 20_000, seed=1)


# ---------------------------------------------------------------------------------------------- genes


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_reading_frames_and_splice_sites_hold_after_splicing(flavours, flavour):
    genome = flavours[flavour]
    sequences, transcripts = read_fasta(genome.fasta), read_transcripts(genome.gff3)
    for transcript in transcripts.values():
        assert_is_a_gene(transcript, sequences[transcript.chromosome])
    genes = [transcript.gene for transcript in transcripts.values()]
    assert len(set(genes)) == 40
    coding = {bool(transcript.places("CDS")) for transcript in transcripts.values()}
    assert coding == {True, False}
    assert {transcript.strand for transcript in transcripts.values()} == {"+", "-"}
    assert any(genes.count(gene) == 2 for gene in genes), "no second transcript was checked"


@pytest.mark.parametrize("seed", range(30))
def test_every_seed_gives_valid_genes(tmp_path, seed):
    genome = simulate_small_genome(tmp_path, 12, 2, 2, "araport11", seed=seed)
    sequences, transcripts = read_fasta(genome.fasta), read_transcripts(genome.gff3)
    assert len({transcript.gene for transcript in transcripts.values()}) == 12
    for transcript in transcripts.values():
        assert_is_a_gene(transcript, sequences[transcript.chromosome])


def test_second_transcripts_lack_one_inner_exon(flavours):
    by_gene: dict[str, list[Transcript]] = {}
    for transcript in read_transcripts(flavours["tair10"].gff3).values():
        by_gene.setdefault(transcript.gene, []).append(transcript)
    pairs = [found for found in by_gene.values() if len(found) == 2]
    assert pairs
    for main, second in pairs:
        exons = main.places("exon")
        left_out = set(exons) - set(second.places("exon"))
        assert len(left_out) == 1
        assert left_out <= set(exons[1:-1])
        assert set(second.places("exon")) < set(exons)


def test_flavours_describe_the_same_genes(flavours):
    models = {name: read_gff3(genome.gff3) for name, genome in flavours.items()}
    for other in ("araport11", "ensembl"):
        for table in ("genes", "regions", "transcripts", "parts"):
            pd.testing.assert_frame_equal(getattr(models[other], table), getattr(models["tair10"], table))
    assert models["tair10"].genes["chromosome"].unique().tolist() == ["1", "2"]


def test_flavours_name_chromosomes_in_their_way_and_share_the_sequence(flavours):
    sequences = {name: read_fasta(genome.fasta) for name, genome in flavours.items()}
    assert [list(sequences[name]) for name in FLAVOURS] == [["Chr1", "Chr2"], ["Chr1", "Chr2"], ["1", "2"]]
    assert len({tuple(by_name.values()) for by_name in sequences.values()}) == 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_files_of_a_flavour_use_one_name_per_chromosome(flavours, flavour):
    genome = flavours[flavour]
    names = list(read_fasta(genome.fasta))
    assert {transcript.chromosome for transcript in read_transcripts(genome.gff3).values()} == set(names)
    assert {chromosome for chromosome, *_ in read_records(genome.vcf)} == set(names)
    assert re.findall(r"##contig=<ID=(\w+),", genome.vcf.read_text()) == names


# ---------------------------------------------------------------------------------------------- variants


def test_reference_alleles_are_those_of_the_sequence(wide):
    sequences = read_fasta(wide.fasta)
    for chromosome, position, ref, alts, _ in read_records(wide.vcf):
        assert sequences[chromosome][position - 1 : position - 1 + len(ref)] == ref
        assert len({ref, *alts}) == len(alts) + 1
        assert all(alt[0] == ref[0] for alt in alts if len(alt) != len(ref))


def test_records_are_sorted_and_each_place_has_one(wide):
    places = [(chromosome, position) for chromosome, position, *_ in read_records(wide.vcf)]
    assert places == sorted(set(places))


def test_substitutions_indels_and_several_alleles_occur(wide):
    records = [(ref, alts) for _, _, ref, alts, _ in read_records(wide.vcf)]
    growths = [len(alts[0]) - len(ref) for ref, alts in records]
    assert set(growths) == set(range(-12, 13))
    assert np.mean(np.equal(growths, 0)) == pytest.approx(0.8, abs=0.02)
    assert {len(alts) for _, alts in records} == {1, 2}


def test_every_region_occurs(wide):
    records = list(read_records(wide.vcf))
    chromosome, position = np.array([r[0] for r in records]), np.array([r[1] for r in records])
    placed = read_gff3(wide.gff3).place(chromosome, position)
    assert {list(REGIONS)[code] for code in np.unique(placed.region)} == set(REGIONS)


def test_samples_and_records_are_as_many_as_asked(tmp_path):
    genome = simulate_small_genome(tmp_path, n_genes=4, n_samples=13, n_variants=57)
    header = next(line for line in genome.vcf.read_text().splitlines() if line.startswith("#CHROM"))
    names = header.split("\t")[9:]
    records = list(read_records(genome.vcf))
    assert len(set(names)) == len(names) == 13
    assert len(records) == 57
    assert all(len(calls) == 13 for *_, calls in records)
    assert len({transcript.gene for transcript in read_transcripts(genome.gff3).values()}) == 4


def test_calls_name_alleles_of_their_record(tmp_path):
    genome = simulate_small_genome(tmp_path, n_genes=6, n_samples=30, n_variants=400)
    seen = set()
    for *_, alts, calls in read_records(genome.vcf):
        numbers = [re.fullmatch(r"([.\d])[|/]([.\d]):([.\d]+):([.\d]+)", call).groups() for call in calls]
        alleles = {allele for one, other, *_ in numbers for allele in (one, other)}
        assert alleles <= {".", *map(str, range(len(alts) + 1))}
        seen |= {(one == other, one == "." or other == ".") for one, other, *_ in numbers}
    # Homozygous, heterozygous, missing and half missing calls.
    assert seen == {(True, False), (False, False), (True, True), (False, True)}


@pytest.mark.parametrize("missing", [0.0, 0.02, 0.3])
def test_missing_calls_are_about_as_many_as_asked(tmp_path, missing):
    genome = simulate_small_genome(tmp_path, n_genes=4, n_samples=50, n_variants=600, missing=missing)
    calls = [call.split(":")[0] for *_, calls in read_records(genome.vcf) for call in calls]
    share = np.mean([call == "./." for call in calls])
    assert len(calls) == 30_000
    assert share == pytest.approx(missing, abs=0.01)
    assert (share == 0) == (missing == 0)


# ---------------------------------------------------------------------------------------------- files


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path, flavour):
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        simulate_small_genome(tmp_path / name, 6, 3, 40, flavour, seed=seed)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert set(one) == {"genome.fa", "genome.fa.fai", "genes.gff3", "variants.vcf"}
    assert one == same
    assert all(one[name] != other[name] for name in one)


def test_folder_is_made_and_the_index_belongs_to_the_sequence(tmp_path):
    genome = simulate_small_genome(tmp_path / "a" / "b", 4, 2, 10)
    lengths = {name: len(sequence) for name, sequence in read_fasta(genome.fasta).items()}
    index = genome.fasta.with_name("genome.fa.fai").read_text().splitlines()
    assert {line.split("\t")[0]: int(line.split("\t")[1]) for line in index} == lengths
    listed = re.findall(r"##contig=<ID=(\w+),length=(\d+)>", genome.vcf.read_text())
    assert {name: int(length) for name, length in listed} == lengths


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"flavour": "refseq"}, "flavour is 'refseq'; allowed are tair10, araport11, ensembl."),
        ({"n_genes": 1}, "n_genes is 1; allowed is 2 or more."),
        ({"n_samples": 0}, "n_samples is 0; allowed is 2 or more."),
        ({"n_variants": -3}, "n_variants is -3; allowed is 2 or more."),
        ({"missing": 1.0}, "missing is 1.0; allowed are values from 0 to below 1."),
        ({"missing": -0.1}, "missing is -0.1; allowed are values from 0 to below 1."),
        (
            {"n_genes": 2, "n_variants": 1_000_000},
            "n_variants is 1000000; allowed is a quarter of the genome's bases at most.",
        ),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, arguments, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        simulate_small_genome(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
