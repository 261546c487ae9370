"""Annovar's tables, written by hand in both forms, and looking variants up in them against a plain dictionary."""

import gzip
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.encoding import annovar
from gi_lib.encoding.annotations import annovar_effects
from gi_lib.encoding.annovar import AnnovarTable
from gi_lib.encoding.vocabulary import AnnotationError

MULTIANNO_HEADER = "Chr Start End Ref Alt " + " ".join(
    f"{column}.refGene" for column in ("Func", "Gene", "GeneDetail", "ExonicFunc", "AAChange")
)
MULTIANNO = [
    "Chr2 500 500 A G intronic GB . . . het",
    "Chr1 100 100 A T exonic GA . nonsynonymous_SNV GA:GA.1:exon1:c.A10T:p.K4X het",
    "Chr1 201 202 TC - exonic GA . frameshift_deletion GA:GA.1:exon1:c.1_2del:p.K4fs het",
    "Chr1 300 300 - AGG exonic;splicing GA;GB GB.1:exon2:c.5-1->AGG nonframeshift_insertion GA:GA.1:exon1 het",
    "Chr1 400 400 C T upstream;downstream GA;GB dist=10;dist=200 . . het",
    "Chr1 400 400 C G intergenic NONE;GB dist=NONE;dist=2500 . . het",
    "Chr1 600 601 AC GT UTR3 GA GA.1:c.*10A>T . . het",
]
# What a VCF writes for them → what they are.
EXPECTED = {
    ("1", 100, "A", "T"): [("GA", "nonsynonymous", 0)],
    ("1", 200, "GTC", "G"): [("GA", "frameshift deletion", 0)],
    ("1", 300, "C", "CAGG"): [("GA", "nonframeshift insertion", 0), ("GB", "splicing", 0)],
    ("1", 400, "C", "T"): [("GA", "upstream", 10), ("GB", "downstream", 200)],
    ("1", 400, "C", "G"): [("GB", "intergenic", 2500)],
    ("1", 600, "AC", "GT"): [("GA", "UTR3", 0)],
    ("1", 599, "TAC", "TGT"): [("GA", "UTR3", 0)],
    ("chr1", 199, "AGTCA", "AGA"): [("GA", "frameshift deletion", 0)],
    ("2", 500, "a", "g"): [("GB", "intronic", 0)],
    ("2", 501, "A", "G"): None,
    ("2", 500, "A", "T"): None,
    ("3", 500, "A", "G"): None,
    ("1", 400, "C", "*"): None,
}
FUNCTION = [
    "intronic GB Chr2 500 500 A G het 30",
    "exonic GA Chr1 100 100 A T het 30",
    "exonic GA Chr1 201 202 TC - het 30",
    "exonic;splicing GA;GB(GB.1:exon2:c.5-1->AGG,GB.2:exon2:c.5-1->AGG) Chr1 300 300 - AGG het 30",
    "upstream;downstream GA(dist=10);GB(dist=200) Chr1 400 400 C T het 30",
    "intergenic NONE(dist=NONE),GB(dist=2500) Chr1 400 400 C G het 30",
    "UTR3 GA(GA.1:c.*10A>T) Chr1 600 601 AC GT het 30",
]
EXONIC = [
    "line4 nonframeshift_insertion GA:GA.1:exon1:c.9_10insAGG:p.K3delinsKR, Chr1 300 300 - AGG het 30",
    "line2 nonsynonymous_SNV GA:GA.1:exon1:c.A10T:p.K4N, Chr1 100 100 A T het 30",
    "line3 frameshift_deletion GA:GA.1:exon1:c.1_2del:p.K1fs, Chr1 201 202 TC - het 30",
]


def write(path, lines, pack=False):
    """Lines with their blanks as tabs; underscores stand for the blanks of a consequence."""
    text = "".join(
        "\t".join(word.replace("_SNV", " SNV") for word in line.split(" ")) + "\n" for line in lines
    )
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if pack else text.encode())
    return path


def multianno(folder, lines=MULTIANNO, header=MULTIANNO_HEADER, name="x.multianno.txt", pack=False):
    return [write(folder / name, [header, *lines], pack)]


def pair(folder, function=FUNCTION, exonic=EXONIC, pack=False):
    end = ".gz" if pack else ""
    return [
        write(folder / f"x.exonic_variant_function{end}", exonic, pack),
        write(folder / f"x.variant_function{end}", function, pack),
    ]


def look_up(table, variants):
    chromosome, position, ref, alt = zip(*variants, strict=True)
    found = table.lookup(np.array(chromosome), np.array(position), list(ref), list(alt))
    return [
        None if effects is None else [(e.gene, e.variant_type or [e.term], e.distance) for e in effects]
        for effects in found
    ]


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("form", [multianno, pair])
def test_variants_by_hand(tmp_path, form, pack):
    paths = form(tmp_path, pack=pack)
    built = AnnovarTable.build(paths, tmp_path / "table")
    opened = AnnovarTable.open(tmp_path / "table")
    for table in (built, opened):
        assert look_up(table, list(EXPECTED)) == list(EXPECTED.values())
        assert look_up(table, list(EXPECTED)[::-1]) == list(EXPECTED.values())[::-1]


def test_several_tables_are_one(tmp_path):
    paths = multianno(tmp_path, MULTIANNO[:3], name="a_multianno.txt") + multianno(
        tmp_path, MULTIANNO[3:], name="b_multianno.txt.gz", pack=True
    )
    assert look_up(AnnovarTable.build(paths, tmp_path / "table"), list(EXPECTED)) == list(EXPECTED.values())


def test_pairs_of_several_chromosomes_are_one(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    second = pair(tmp_path / "2", FUNCTION[:1], [])
    paths = pair(tmp_path / "1", FUNCTION[1:], EXONIC) + second
    assert look_up(AnnovarTable.build(paths, tmp_path / "table"), list(EXPECTED)) == list(EXPECTED.values())


def test_a_pair_may_have_no_exonic_variant(tmp_path):
    table = AnnovarTable.build(pair(tmp_path, FUNCTION[:1], []), tmp_path / "table")
    assert look_up(table, [("2", 500, "A", "G")]) == [[("GB", "intronic", 0)]]


def test_genes_of_a_consequence_are_those_that_it_names(tmp_path):
    lines = ["exonic GA,GB Chr1 100 100 A T", "exonic GA Chr1 101 101 A T"]
    exonic = [
        "line1 stopgain GB:GB.1:exon1:c.A1T:p.K1X, Chr1 100 100 A T",
        "line2 unknown UNKNOWN Chr1 101 101 A T",
    ]
    table = AnnovarTable.build(pair(tmp_path, lines, exonic), tmp_path / "table")
    assert look_up(table, [("1", 100, "A", "T"), ("1", 101, "A", "T")]) == [
        [("GB", "stopgain", 0)],
        [("GA", ["unknown"], 0)],
    ]


def test_old_tables_without_details_and_changes(tmp_path):
    header = "Chr Start End Ref Alt Func.ensGene Gene.ensGene ExonicFunc.ensGene"
    lines = ["1 5 5 A T upstream GA(dist=12) .", "1 6 6 A T exonic GA synonymous_SNV"]
    table = AnnovarTable.build(multianno(tmp_path, lines, header), tmp_path / "table")
    assert look_up(table, [("1", 5, "A", "T"), ("1", 6, "A", "T")]) == [
        [("GA", "upstream", 12)],
        [("GA", ["synonymous SNV"], 0)],
    ]


def test_windows_line_ends_and_empty_lines(tmp_path):
    (path,) = multianno(tmp_path, [*MULTIANNO, ""])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert look_up(AnnovarTable.build([path], tmp_path / "table"), list(EXPECTED)) == list(EXPECTED.values())


def test_nothing_is_looked_up_in_no_variants(tmp_path):
    table = AnnovarTable.build(multianno(tmp_path), tmp_path / "table")
    assert table.lookup(np.array([], str), np.array([], int), [], []) == []


# ---------------------------------------------------------------------------------- against a plain dictionary


@st.composite
def tables(draw):
    """Lines of a table as (chromosome, start, ref, alt, func, gene) in Annovar's convention, each variant once."""
    alleles = st.sampled_from([("A", "T"), ("A", "G"), ("AC", "-"), ("-", "T"), ("-", "TT"), ("CA", "G")])
    place = st.tuples(st.sampled_from(["Chr1", "Chr2", "ChrC"]), st.integers(1, 30), alleles)
    places = draw(st.lists(place, min_size=1, max_size=40, unique=True))
    func = st.sampled_from(["intronic", "UTR5", "ncRNA_exonic", "splicing"])
    return [(c, start, ref, alt, draw(func), f"G{i}") for i, (c, start, (ref, alt)) in enumerate(places)]


@given(tables(), st.integers(1, 7))
@settings(deadline=None, max_examples=40)
def test_lookup_equals_a_dictionary(tmp_path_factory, lines, chunk):
    folder = tmp_path_factory.mktemp("table")
    rows = [
        f"{c} {start} {start} {ref} {alt} {func} {gene} . . . x" for c, start, ref, alt, func, gene in lines
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annovar, "CHUNK", chunk)
        table = AnnovarTable.build(multianno(folder, rows), folder / "table")
    assert (np.diff(table.key) >= 0).all()
    known = {line[:4]: annovar_effects(line[4], line[5], "", "", "", 0) for line in lines}
    asked = [(c, start, *alleles) for c in ("Chr1", "Chr2", "ChrC", "Chr3") for start in range(31)
             for alleles in (("A", "T"), ("AC", "-"), ("-", "T"), ("-", "TT"), ("CA", "G"))]  # fmt: skip
    # A VCF writes an indel with the base before it, which for an insertion is Annovar's start.
    vcf = {"-": lambda start, ref, alt: (start - (ref != "-"), "G" + ref.strip("-"), "G" + alt.strip("-"))}
    written = [
        (c.replace("ChrC", "Pt"), *(vcf["-"](start, ref, alt) if "-" in ref + alt else (start, ref, alt)))
        for c, start, ref, alt in asked
    ]
    chromosome, position, ref, alt = zip(*written, strict=True)
    found = table.lookup(np.array(chromosome), np.array(position), ref, alt)
    assert found == [known.get(key) for key in asked]


# -------------------------------------------------------------------------------------------- on disk, whole


def test_a_table_is_built_once(tmp_path):
    paths = multianno(tmp_path)
    AnnovarTable.build(paths, tmp_path / "table")
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "table").iterdir()}
    AnnovarTable.build(paths, tmp_path / "table")
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "table").iterdir()} == before
    assert set(before) == {"key.npy", "length.npy", "start.npy", "text.npy", "table.json"}


def test_other_files_replace_what_was_built(tmp_path):
    folder = tmp_path / "table"
    AnnovarTable.build(multianno(tmp_path, MULTIANNO[:1]), folder)
    table = AnnovarTable.build(multianno(tmp_path, MULTIANNO), folder)
    assert look_up(table, list(EXPECTED)) == list(EXPECTED.values())


@pytest.mark.parametrize("form", [multianno, pair])
def test_a_build_that_was_killed_is_begun_anew(tmp_path, form, monkeypatch):
    folder, paths = tmp_path / "table", form(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(annovar, "_write_note", stop)
        with pytest.raises(KeyboardInterrupt):
            AnnovarTable.build(paths, folder)
    with pytest.raises(AnnotationError, match="holds no whole table of Annovar's; build it anew"):
        AnnovarTable.open(folder)
    assert look_up(AnnovarTable.build(paths, folder), list(EXPECTED)) == list(EXPECTED.values())


def test_folder_of_another_format_is_not_opened(tmp_path):
    AnnovarTable.build(multianno(tmp_path), tmp_path / "table")
    note = tmp_path / "table" / "table.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"format": 0}))
    with pytest.raises(AnnotationError, match="holds no whole table"):
        AnnovarTable.open(tmp_path / "table")


# -------------------------------------------------------------------------------------------------- refusals

BROKEN_TABLES = [
    ("Chr1 100", "x.multianno.txt, line 2: there are 2 columns; needed are 10."),
    ("Chr1 1e5 100 A T intronic GA . . .", "x.multianno.txt, line 2: the start '1e5' is not a whole number."),
    ("Chr1 100 100 A T intrinic GA . . .",
     "x.multianno.txt, line 2: Annovar term 'intrinic' is not known; closest are intronic"),
    ("Chr1 100 100 A T exonic GA . silent .", "x.multianno.txt, line 2: Annovar term 'silent' is not known"),
    ("Chr1 100 100 A T exonic GA . . .", "x.multianno.txt, line 2: Annovar calls a variant exonic without telling"),
    ("Chr1 100 100 A T upstream GA dist=x . .", "x.multianno.txt, line 2: The distance 'x' is not a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "sentence"), BROKEN_TABLES)
def test_broken_line_is_named(tmp_path, line, sentence):
    with pytest.raises(AnnotationError, match=re.escape(sentence)):
        AnnovarTable.build(multianno(tmp_path, [line]), tmp_path / "table")


def test_line_number_counts_from_the_top_of_the_file(tmp_path):
    with pytest.raises(AnnotationError, match=r"multianno\.txt, line 10: there are 1 columns"):
        AnnovarTable.build(multianno(tmp_path, [*MULTIANNO, "", "Chr1"]), tmp_path / "table")


@pytest.mark.parametrize(
    ("function", "exonic", "sentence"),
    [
        (FUNCTION, EXONIC[1:], "x.variant_function, line 4: the variant is exonic but not in x.exonic_variant_f"),
        (FUNCTION[:3], EXONIC, "x.exonic_variant_function, line 1: the variant is not called exonic in x.variant_f"),
        (FUNCTION, [*EXONIC, "line1 stopgain GB:GB.1: Chr2 500 500 A G"],
         "x.exonic_variant_function, line 4: the variant is not called exonic in"),
        (["intronic GA Chr1 5"], [], "x.variant_function, line 1: there are 4 columns; needed are 7."),
        (FUNCTION, ["line1 stopgain GA"], "x.exonic_variant_function, line 1: there are 3 columns; needed are 8."),
        (FUNCTION, ["line1 stopgain GA Chr1 x x A T"], "x.exonic_variant_function, line 1: the start 'x'"),
        (["exonic GA Chr1 5 5 A T"], ["line1 silent GA:GA.1: Chr1 5 5 A T"],
         "x.variant_function, line 1: Annovar term 'silent' is not known"),
    ],
)  # fmt: skip
def test_broken_pair_is_named(tmp_path, function, exonic, sentence):
    with pytest.raises(AnnotationError, match=re.escape(sentence)):
        AnnovarTable.build(pair(tmp_path, function, exonic), tmp_path / "table")


@pytest.mark.parametrize("which", [0, 1])
def test_half_a_pair_is_refused(tmp_path, which):
    path = pair(tmp_path)[which]
    with pytest.raises(AnnotationError, match=f"{re.escape(path.name)} is one of a pair; needed are"):
        AnnovarTable.build([path], tmp_path / "table")


@pytest.mark.parametrize("lines", [["hello"], [], ["Chr,Start,End,Ref,Alt,Func.refGene"]])
def test_other_files_are_refused(tmp_path, lines):
    path = write(tmp_path / "notes.csv", lines)
    with pytest.raises(
        AnnotationError, match=r"notes\.csv is none of Annovar's tables; allowed are \*_multianno"
    ):
        AnnovarTable.build([path], tmp_path / "table")


def test_table_without_gene_annotation_is_refused(tmp_path):
    paths = multianno(tmp_path, [], "Chr Start End Ref Alt cytoBand")
    with pytest.raises(AnnotationError, match=r"line 1: there is no column Func\.TABLE"):
        AnnovarTable.build(paths, tmp_path / "table")


def test_table_without_variants_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match=r"x\.multianno\.txt: there is no variant in Annovar's table"):
        AnnovarTable.build(multianno(tmp_path, []), tmp_path / "table")


def test_file_cut_short_is_refused(tmp_path):
    lines = [line.replace("Chr1 100", f"Chr1 {i}") for i, line in enumerate(MULTIANNO[1:2] * 5000, start=1)]
    (path,) = multianno(tmp_path, lines, name="x_multianno.txt.gz", pack=True)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(AnnotationError, match=r"x_multianno\.txt\.gz is cut short or damaged"):
        AnnovarTable.build([path], tmp_path / "table")
