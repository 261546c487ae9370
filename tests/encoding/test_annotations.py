"""Annotation in the INFO column: entries of every annotator by hand, and the quick reading against the plain one."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.encoding import annotations
from gi_lib.encoding.annotations import annovar_effects, detect, parser
from gi_lib.encoding.vocabulary import AnnotationError, Effect, reduce_alleles, select

CSQ = "Allele|Consequence|IMPACT|SYMBOL|Gene|Feature_type|Feature|BIOTYPE|EXON|DISTANCE|STRAND"
HEADER = f"""##fileformat=VCFv4.2
##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">
##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: {CSQ}">
##INFO=<ID=Func.refGene,Number=.,Type=String,Description="Func.refGene annotation provided by ANNOVAR">
#CHROM	POS
"""


def ann(alt, term, gene="G1", *, biotype="protein_coding", distance="", name="name", errors=""):
    feature = f"transcript|{gene}.1|{biotype}|1/2|c.1A>T|p.M1L|1/9|1/9|1/3"
    return f"{alt}|{term}|LOW|{name}|{gene}|{feature}|{distance}|{errors}"


def eff(term, gene="G1", allele="1", *, change="", biotype="protein_coding", coding="CODING", more=""):
    transcript = f"{gene}.1" if gene else ""
    return f"{term}(LOW||{change}|x|594|name|{biotype}|{coding}|{transcript}|1|{allele}{more})"


def csq(alt, term, gene="G1", *, biotype="protein_coding", distance="", symbol="SYM"):
    return f"{alt}|{term}|LOW|{symbol}|{gene}|Transcript|{gene}.1|{biotype}|1/2|{distance}|1"


def bcsq(term, gene="G1", biotype="protein_coding", dna=""):
    return f"{term}|{gene}|{gene}.1|{biotype}" + (f"|+|5A>5V|{dna}" if dna else "")


def annovar(func, gene="G1", *, detail=".", exonic=".", change=".", more=""):
    values = (
        ("Func", func),
        ("Gene", gene),
        ("GeneDetail", detail),
        ("ExonicFunc", exonic),
        ("AAChange", change),
    )
    keys = ";".join(
        f"{k}.refGene={v.replace(';', chr(92) + 'x3b').replace('=', chr(92) + 'x3d')}" for k, v in values
    )
    return f"ANNOVAR_DATE=2020-06-07;{keys}{more};ALLELE_END"


def read(kind, text, ref="A", alts=("T",), genes="id"):
    """(gene, type or [term], distance) per allele."""
    found = parser(kind, HEADER, genes=genes).parse(text, ref, alts)
    return [[(e.gene, e.variant_type or [e.term], e.distance) for e in effects] for effects in found]


# ---------------------------------------------------------------------------------------- what all have in common

FRAMESHIFTS = [
    ("A", ["AT"], ["frameshift insertion"]),
    ("ATC", ["A"], ["frameshift deletion"]),
    ("AT", ["A", "ATTT"], ["frameshift deletion", "frameshift insertion"]),
]


@pytest.mark.parametrize(("ref", "alts", "expected"), FRAMESHIFTS)
def test_alleles_tell_a_frameshift_insertion_from_a_deletion(ref, alts, expected):
    texts = {
        "ANN": ",".join(ann(alt, "frameshift_variant&splice_region_variant") for alt in alts),
        "EFF": ",".join(eff("FRAME_SHIFT", allele=str(i)) for i in range(1, len(alts) + 1)),
        "CSQ": ",".join(csq(alt[1:] or "-", "frameshift_variant") for alt in alts),
        "BCSQ": ",".join(bcsq("frameshift", dna=f"7{ref}>{alt}") for alt in alts),
        "ANNOVAR": ";".join(annovar("exonic", exonic="frameshift_substitution") for _ in alts),
    }
    for kind, text in texts.items():
        found = parser(kind, HEADER).parse(text, ref, alts)
        assert [[e.variant_type for e in effects] for effects in found] == [[name] for name in expected], kind


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ANN", ann("C", "stop_gained", "G2") + "," + ann("T", "intron_variant")),
        ("EFF", eff("stop_gained", "G2", "2") + "," + eff("intron_variant")),
        ("CSQ", csq("C", "stop_gained", "G2") + "," + csq("T", "intron_variant")),
        ("BCSQ", bcsq("stop_gained", "G2", dna="7A>C") + "," + bcsq("missense", dna="7A>T+9C>G")),
        ("ANNOVAR", annovar("intronic") + ";" + annovar("exonic", "G2", exonic="stopgain") + ";DP=3"),
    ],
)
def test_every_allele_has_its_own_effects(kind, text):
    first, second = read(kind, text, "A", ["T", "C"])
    assert first == [("G1", "nonsynonymous" if kind == "BCSQ" else "intronic", 0)]
    assert second == [("G2", "stopgain", 0)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ANN", ann("T", "intron_variant", biotype="lncRNA") + "," + ann("T", "splice_donor_variant", biotype="tRNA")),
        ("EFF", eff("INTRON", biotype="lncRNA") + "," + eff("splice_donor_variant", biotype="", coding="NON_CODING")),
        ("CSQ", csq("T", "intron_variant&non_coding_transcript_variant", biotype="") + ","
         + csq("T", "splice_donor_variant", biotype="lncRNA")),
        ("BCSQ", bcsq("intron", biotype="lncRNA") + "," + bcsq("splice_donor", biotype="lncRNA")),
        ("ANNOVAR", annovar("ncRNA_intronic;splicing", "G1;G1")),
    ],
)  # fmt: skip
def test_introns_of_transcripts_without_protein(kind, text):
    assert read(kind, text) == [[("G1", "ncRNA intronic", 0), ("G1", "ncRNA splicing", 0)]]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ANN", ann("T", "upstream_gene_variant", distance=12)),
        ("EFF", eff("UPSTREAM", change="12")),
        ("CSQ", csq("T", "upstream_gene_variant", distance=12)),
        ("ANNOVAR", annovar("upstream", detail="dist=12")),
        ("ANNOVAR", annovar("upstream", "G1(dist=12)")),
    ],
)
def test_distance_of_flanks(kind, text):
    assert read(kind, text) == [[("G1", "upstream", 12)]]


@pytest.mark.parametrize(
    ("kind", "write"),
    [("ANN", lambda term: ann("T", term)), ("EFF", eff), ("CSQ", lambda term: csq("T", term))],
)
@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("missense_variant&splice_region_variant", ["nonsynonymous"]),
        ("splice_region_variant&intron_variant", ["intronic"]),
        ("splice_region_variant&synonymous_variant", [["synonymous_variant"]]),
        ("splice_region_variant", [["splice_region_variant"]]),
        ("stop_gained&missense_variant", ["stopgain", "nonsynonymous"]),
        ("splice_donor_variant&intron_variant", ["splicing", "intronic"]),
    ],
)
def test_joined_terms(kind, write, terms, expected):
    assert read(kind, write(terms)) == [[("G1", name, 0) for name in expected]]


@pytest.mark.parametrize(
    ("kind", "text", "annotator"),
    [
        ("ANN", ann("T", "missense_variant&exotic_variant"), "SnpEff"),
        ("EFF", eff("exotic_variant"), "SnpEff"),
        ("CSQ", csq("T", "exotic_variant"), "VEP"),
        ("BCSQ", bcsq("exotic_variant"), "bcftools csq"),
        ("ANNOVAR", annovar("exotic_variant"), "Annovar"),
        ("ANNOVAR", annovar("exonic", exonic="exotic_variant"), "Annovar"),
    ],
)
def test_unknown_term_is_refused_in_every_way_of_reading(kind, text, annotator):
    sentence = f"{annotator} term 'exotic_variant' is not known"
    with pytest.raises(AnnotationError, match=sentence):
        read(kind, text)
    with pytest.raises(AnnotationError, match=sentence):
        parser(kind, HEADER).selected(text, "A", ("T",), "precedence")


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("ANN", "T|missense_variant|LOW", "SnpEff entry 'T|missense_variant|LOW' is malformed: expected 16 fields"),
        ("ANN", "", "SnpEff entry '' is malformed"),
        ("ANN", ann("T", "stop_gained") + "|", "is malformed: expected 16 fields"),
        ("ANN", ann("T", "stop_gained") + "," + ann("T", "stop_gained")[:-1], "is malformed: expected 16 fields"),
        ("ANN", ann("C", "stop_gained"), "entry for allele 'C' belongs to no ALT of the record, and ALT 'T' has no"),
        ("ANN", ann("T", "UPSTREAM", distance="far"), "The distance 'far' is not a whole number"),
        ("EFF", "missense_variant", "SnpEff entry 'missense_variant' is malformed"),
        ("EFF", "missense_variant(a|b)", "SnpEff entry 'missense_variant(a|b' is malformed"),
        ("EFF", eff("missense_variant")[:-1], "malformed: expected a closing bracket"),
        ("EFF", eff("missense_variant", allele="x"), "names allele 'x'"),
        ("EFF", eff("missense_variant", allele="0"), "names allele '0'"),
        ("EFF", eff("missense_variant", allele="2"), "none of the record's 1 to 1; was the file split"),
        ("EFF", eff("DOWNSTREAM", change="c.12"), "The distance 'c.12' is not a whole number"),
        ("CSQ", "T|missense_variant", "VEP entry 'T|missense_variant' is malformed: expected 11 fields"),
        ("CSQ", csq("G", "missense_variant"), "VEP entry for allele 'G' belongs to no ALT"),
        ("BCSQ", "missense|G1", "bcftools csq entry 'missense|G1' is malformed"),
        ("BCSQ", "@12x", "bcftools csq entry '@12x' is malformed"),
        ("BCSQ", bcsq("missense", dna="7A-T"), "entry '7A-T' is malformed: expected DNA changes"),
        ("ANNOVAR", annovar("exonic"), "exonic without telling what it does"),
        ("ANNOVAR", annovar("intronic") + ";" + annovar("intronic"), "2 blocks of Annovar's keys, but 1 alternative"),
        ("ANNOVAR", "DP=3;Gene.refGene=G1;ALLELE_END", "lacks Func.refGene"),
        ("ANNOVAR", annovar("upstream", "G1(dist=far)"), "The distance 'far' is not a whole number"),
    ],
)  # fmt: skip
def test_malformed_annotation_is_refused_in_every_way_of_reading(kind, text, sentence):
    with pytest.raises(AnnotationError, match=re.escape(sentence)):
        read(kind, text)
    with pytest.raises(AnnotationError, match=re.escape(sentence)):
        parser(kind, HEADER).selected(text, "A", ("T",), "all")


# ------------------------------------------------------------------------------------------------ SnpEff, ANN


def test_ann_names_genes_by_id_or_name():
    text = ann("T", "stop_gained", "AT1G1", name="ABC")
    assert read("ANN", text)[0][0][0] == "AT1G1"
    assert read("ANN", text, genes="name")[0][0][0] == "ABC"
    assert read("ANN", ann("T", "stop_gained", "", name="ABC"))[0][0][0] == "ABC"
    assert read("ANN", ann("T", "stop_gained", "gene:AT1G1"))[0][0][0] == "AT1G1"


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("G1-G2", ""),
        ("G1", "G1"),
        ("CHR_START-G1", "G1"),
        ("G2-CHR_END", "G2"),
        ("gene:G1-gene:G2", ""),
    ],
)
def test_ann_intergenic_between_two_genes_names_none(name, gene):
    assert read("ANN", ann("T", "intergenic_region", name, distance=40)) == [[(gene, "intergenic", 40)]]


def test_ann_entries_with_warnings_and_of_a_tumour():
    text = ",".join(
        [
            ann("T", "stop_gained", errors="WARNING_TRANSCRIPT_NO_START_CODON"),
            ann("T-A", "missense_variant", "G2"),
        ]
    )
    assert read("ANN", text) == [[("G1", "stopgain", 0), ("G2", "nonsynonymous", 0)]]


def test_ann_distance_of_other_effects_is_none_to_a_gene():
    assert read("ANN", ann("T", "intron_variant", distance="-7")) == [[("G1", "intronic", 0)]]


def test_ann_entries_of_other_alleles_stay_behind_when_a_record_is_split():
    text = ann("T", "stop_gained") + "," + ann("C", "missense_variant")
    assert read("ANN", text, alts=("C",)) == [[("G1", "nonsynonymous", 0)]]
    reader = parser("ANN", HEADER)
    for alt, kind in (("T", "stopgain"), ("C", "nonsynonymous")):
        assert [e.variant_type for e in reader.selected(text, "A", (alt,), "precedence")[0]] == [kind]


@pytest.mark.parametrize("other", ["<DEL>", "*", "<NON_REF>", "A[2:300["])
def test_ann_symbolic_alleles_need_no_entry(other):
    assert read("ANN", ann("T", "stop_gained"), alts=("T", other)) == [[("G1", "stopgain", 0)], []]


# ------------------------------------------------------------------------------------------------ SnpEff, EFF


def test_eff_names_genes_by_transcript_or_name():
    assert read("EFF", eff("STOP_GAINED", "AT3G62980"))[0][0][0] == "AT3G62980"
    assert read("EFF", eff("STOP_GAINED", "AT3G62980"), genes="name")[0][0][0] == "name"
    unversioned = eff("STOP_GAINED").replace("G1.1", "Zm.abc")
    assert read("EFF", unversioned)[0][0][0] == "Zm.abc"


def test_eff_as_in_the_thousand_and_one_genomes():
    text = (
        "downstream_gene_variant(MODIFIER||17||594|TIR1|protein_coding|CODING|AT3G62980.1||1),"
        "upstream_gene_variant(MODIFIER||1760||287|AT3G62970|protein_coding|CODING|AT3G62970.1||1),"
        "intergenic_region(MODIFIER||||||||||1)"
    )
    expected = [("AT3G62980", "downstream", 17), ("AT3G62970", "upstream", 1760), ("", "intergenic", 0)]
    assert read("EFF", text) == [expected]


@pytest.mark.parametrize("more", ["|ERROR_X", "|ERROR_X|WARNING_Y", "|WARNING_Y"])
def test_eff_errors_and_warnings_are_passed_over(more):
    text = ",".join([eff("missense_variant+splice_region_variant", more=more), eff("INTRON", "G2")])
    assert read("EFF", text) == [[("G1", "nonsynonymous", 0), ("G2", "intronic", 0)]]


def test_eff_without_genotype_number_is_of_the_only_allele():
    old = "STOP_GAINED(HIGH|NONSENSE|tgG/tgA|W5*|594|TIR1|protein_coding|CODING|G1.1|1)"
    assert read("EFF", old) == [[("G1", "stopgain", 0)]]
    with pytest.raises(AnnotationError, match="malformed"):
        read("EFF", old, alts=("T", "C"))


def test_eff_of_a_tumour():
    assert read("EFF", eff("STOP_GAINED", allele="2-1"), alts=("T", "C")) == [[], [("G1", "stopgain", 0)]]


# -------------------------------------------------------------------------------------------------------- VEP


@pytest.mark.parametrize(
    ("ref", "alts", "written"),
    [
        ("A", ["T"], ["T"]),
        ("A", ["T", "G"], ["T", "G"]),
        ("A", ["ATG"], ["TG"]),
        ("ATG", ["A"], ["-"]),
        ("ATG", ["A", "AT"], ["-", "T"]),
        ("ATG", ["A", "*"], ["-", "*"]),
        ("ATG", ["CTG", "A"], ["CTG", "A"]),  # the first base differs
        ("AT", ["GC"], ["GC"]),
        ("AT", ["AC"], ["AC"]),  # no indel: nothing is left out
        ("A", ["G", "AT"], ["G", "AT"]),
        ("ATG", ["AT"], ["T"]),
        ("ATG", ["AT"], ["-"]),  # brought to the least
    ],
)
def test_vep_alleles(ref, alts, written):
    text = ",".join(csq(allele, "intron_variant", f"G{i}") for i, allele in enumerate(written))
    assert read("CSQ", text, ref, alts) == [[(f"G{i}", "intronic", 0)] for i in range(len(alts))]


def test_vep_fields_stand_where_the_header_says():
    header = HEADER.replace(CSQ, "Consequence|DISTANCE|SYMBOL|ALLELE_NUM|Gene")
    reader = parser("CSQ", header)
    text = "upstream_gene_variant|9|S||X,intron_variant||S|1|G1".replace("||X", "|2|X")
    assert reader.parse(text, "A", ["T", "C"]) == [
        [Effect("G1", "intronic", "intron_variant")],
        [Effect("X", "upstream", "upstream_gene_variant", 9)],
    ]
    assert parser("CSQ", header, genes="name").parse(text, "A", ["T", "C"])[0][0].gene == "S"
    with pytest.raises(AnnotationError, match="ALLELE_NUM '2', but the record has 1 alternative"):
        reader.parse(text, "A", ["T"])


def test_vep_without_gene_is_named_by_symbol_and_else_by_nothing():
    assert read("CSQ", csq("T", "stop_gained", "", symbol="ABC"))[0][0][0] == "ABC"
    assert read("CSQ", csq("T", "intergenic_variant", "", symbol="", biotype="")) == [[("", "intergenic", 0)]]


def test_vep_nmd_transcripts_are_coding():
    text = csq("T", "missense_variant&NMD_transcript_variant", biotype="nonsense_mediated_decay")
    assert read("CSQ", text) == [[("G1", "nonsynonymous", 0)]]


@pytest.mark.parametrize(
    ("description", "lacking"),
    [("effects", "Consequence"), ("Format: Allele|Gene", "Consequence"), ("Format: Consequence|Gene", "ALLELE_NUM"),
     ("Format: Allele|Consequence", "Gene or SYMBOL")],
)  # fmt: skip
def test_vep_header_without_the_fields_is_refused(description, lacking):
    header = f'##INFO=<ID=CSQ,Number=.,Type=String,Description="{description}">'
    with pytest.raises(AnnotationError, match=f"without the field .*{lacking}.*; needed is"):
        parser("CSQ", header)


# ----------------------------------------------------------------------------------------------- bcftools csq


def test_bcsq_without_change_is_of_all_alleles():
    text = bcsq("3_prime_utr") + "," + bcsq("missense", "G2", dna="7A>C")
    first, second = read("BCSQ", text, alts=("T", "C"))
    assert first == [("G1", "UTR3", 0)]
    assert second == [("G1", "UTR3", 0), ("G2", "nonsynonymous", 0)]


def test_bcsq_reference_to_another_record_counts_nothing():
    assert read("BCSQ", "@1234," + bcsq("intron", "G2")) == [[("", ["@"], 0), ("G2", "intronic", 0)]]
    (chosen,) = parser("BCSQ", HEADER).selected("@1234," + bcsq("intron", "G2"), "A", ("T",), "precedence")
    assert chosen == [Effect("", "", "@")]


def test_bcsq_asterisk_makes_no_difference():
    assert read("BCSQ", bcsq("*missense&inframe_altering", dna="7A>T")) == [
        [("G1", "nonsynonymous", 0), ("G1", ["inframe_altering"], 0)]
    ]


@pytest.mark.parametrize("change", ["7A>T", "5C>G+7A>T", "7CA>CT", "7A>T+9A>C"])
def test_bcsq_change_finds_its_allele(change):
    assert read("BCSQ", bcsq("missense", dna=change)) == [[("G1", "nonsynonymous", 0)]]


def test_bcsq_change_of_another_allele_counts_for_none():
    assert read("BCSQ", bcsq("missense", dna="7A>G")) == [[]]


# ---------------------------------------------------------------------------------------------------- Annovar

ANNOVAR_LINES = [
    (("exonic", "A", "", "nonsynonymous SNV", ""), [("A", "nonsynonymous", 0)]),
    (("exonic", "A,B", "", "stopgain", ""), [("A", "stopgain", 0), ("B", "stopgain", 0)]),
    (("exonic", "A,B", "", "stopgain", "A:A.1:exon1:c.1A>T:p.M1L,A:A.2:exon2:c.3A>T:p.K9X,"), [("A", "stopgain", 0)]),
    (("exonic", "A", "", "unknown", "UNKNOWN"), [("A", ["unknown"], 0)]),
    (("exonic", "A", "", "synonymous_SNV", ""), [("A", ["synonymous SNV"], 0)]),
    (("exonic;splicing", "A;B", "", "frameshift insertion", ""),
     [("A", "frameshift insertion", 0), ("B", "splicing", 0)]),
    (("exonic;splicing", "A", "", "stoploss", ""), [("A", "stoploss", 0), ("A", "splicing", 0)]),
    (("splicing", "A(A.1:exon2:c.10+1G>A,A.2:exon3:c.12+1G>A),B(B.1:exon1:c.2-1G>A)", "", "", ""),
     [("A", "splicing", 0), ("B", "splicing", 0)]),
    (("UTR5;UTR3", "A;B,C", "", "", ""), [("A", "UTR5", 0), ("B", "UTR3", 0), ("C", "UTR3", 0)]),
    (("UTR3", "A(A.1:c.*10A>T)", "", "", ""), [("A", "UTR3", 0)]),
    (("ncRNA_exonic;splicing", "A;B", "", "", ""), [("A", "ncRNA exonic", 0), ("B", "ncRNA splicing", 0)]),
    (("ncRNA_UTR5", "A", "", "", ""), [("A", "ncRNA exonic", 0)]),
    (("upstream;downstream", "A;B", "dist=10;dist=200", "", ""), [("A", "upstream", 10), ("B", "downstream", 200)]),
    (("upstream;downstream", "A(dist=10),B(dist=30);C(dist=200)", "", "", ""),
     [("A", "upstream", 10), ("B", "upstream", 30), ("C", "downstream", 200)]),
    (("intergenic", "A;B", "dist=1500;dist=20", "", ""), [("A", "intergenic", 1500), ("B", "intergenic", 20)]),
    (("intergenic", "A(dist=1500),B(dist=20)", "", "", ""), [("A", "intergenic", 1500), ("B", "intergenic", 20)]),
    (("intergenic", "NONE;B", "dist=NONE;dist=20", "", ""), [("B", "intergenic", 20)]),
    (("upstream", "gene:A", "dist=7", "", ""), [("A", "upstream", 7)]),
    (("exonic", "gene:A,gene:B", "", "stopgain", "gene:B:B.1:exon1:c.1A>T:p.K1X"), [("B", "stopgain", 0)]),
    (("intergenic", "NONE(dist=NONE),NONE(dist=NONE)", "", "", ""), [("", "intergenic", 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), ANNOVAR_LINES, ids=lambda value: str(value[0]))
def test_annovar_line_by_hand(line, expected):
    found = annovar_effects(*line, 0)
    assert [(e.gene, e.variant_type or [e.term], e.distance) for e in found] == expected


def test_annovar_in_a_vcf_is_found_among_other_keys():
    info = f"AC=1;Func.other=x;{annovar('UTR5;UTR3', 'A;B', more=';gnomAD=.')};DP=3"
    assert read("ANNOVAR", info) == [[("A", "UTR5", 0), ("B", "UTR3", 0)]]
    assert parser("ANNOVAR", HEADER).is_annotated(info)
    assert not parser("ANNOVAR", HEADER).is_annotated("AC=1;DP=3")


def test_annovar_may_skip_alleles_that_are_no_bases():
    assert read("ANNOVAR", annovar("intronic"), alts=("*", "T")) == [[], [("G1", "intronic", 0)]]


# --------------------------------------------------------------------------------------- the quick way of reading


def test_headers_declare_their_annotation():
    assert detect(HEADER) == ["CSQ", "ANNOVAR"]
    lines = "\n".join(
        f"##INFO=<ID={name},Number=.>" for name in ("BCSQ", "ANN", "EFF", "ANNOVAR_DATE", "LOF")
    )
    assert detect(lines) == ["ANN", "EFF", "BCSQ"]
    assert detect("##FORMAT=<ID=ANN,Number=.>\n##INFO=<ID=ANNX>") == []


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("CSQ", "The header does not describe CSQ"), ("ANNOVAR", "The header does not declare Func.TABLE")],
)
def test_header_that_does_not_tell_enough_is_refused(kind, sentence):
    with pytest.raises(AnnotationError, match=sentence):
        parser(kind, "##fileformat=VCFv4.2")


def test_unknown_arguments_are_refused_with_the_allowed_ones():
    with pytest.raises(
        ValueError, match="Unknown annotation 'LOF'; allowed are ANN, EFF, CSQ, BCSQ, ANNOVAR"
    ):
        parser("LOF", HEADER)
    with pytest.raises(ValueError, match="genes is 'symbol'; allowed are id, name"):
        parser("ANN", HEADER, genes="symbol")
    with pytest.raises(ValueError, match="Unknown rule 'best'"):
        parser("ANN", HEADER).selected(ann("T", "stop_gained"), "A", ("T",), "best")


WORDS = {
    "ANN": ["missense_variant", "synonymous_variant", "frameshift_variant", "intron_variant", "upstream_gene_variant",
            "downstream_gene_variant", "intergenic_region", "splice_region_variant&intron_variant", "custom"],
    "EFF": ["NON_SYNONYMOUS_CODING", "FRAME_SHIFT", "INTRON", "UPSTREAM", "downstream_gene_variant", "INTERGENIC",
            "SPLICE_SITE_REGION+SYNONYMOUS_CODING", "INTRAGENIC"],
    "CSQ": ["missense_variant", "frameshift_variant", "intron_variant", "upstream_gene_variant", "intergenic_variant",
            "downstream_gene_variant", "regulatory_region_variant"],
    "BCSQ": ["missense", "frameshift", "intron", "*synonymous", "3_prime_utr", "splice_region&intron"],
    "ANNOVAR": ["intronic", "upstream", "upstream;downstream", "intergenic", "UTR5;UTR3", "splicing"],
}  # fmt: skip
MEASURED = ("upstream", "downstream", "UPSTREAM", "INTERGENIC", "intergenic")


@st.composite
def records(draw, kind):
    """(text, ref, alts) of a record with one to three alternative alleles."""
    ref, alts = draw(
        st.sampled_from(
            [("A", ("T",)), ("A", ("C",)), ("A", ("AT",)), ("ATC", ("A",)), ("A", ("T", "AGG", "C"))]
        )
    )
    entries = []
    shape = draw(st.lists(st.integers(0, len(alts) - 1), max_size=4)) + list(range(len(alts)))
    if kind == "ANNOVAR":
        shape = list(range(len(alts)))
    for allele in shape:
        term, gene = draw(st.sampled_from(WORDS[kind])), draw(st.sampled_from(["G1", "G2", "G3"]))
        near = (
            str(draw(st.sampled_from([1, 999, 1000, 1001, 2000, 3000]))) if term.startswith(MEASURED) else ""
        )
        biotype = draw(st.sampled_from(["protein_coding", "lncRNA"]))
        alt = alts[allele]
        if kind == "ANN":
            gene = draw(st.sampled_from(["G1-G2", "G1"])) if term == "intergenic_region" else gene
            errors = draw(st.sampled_from(["", "", "INFO_X"]))
            entries.append(ann(alt, term, gene, biotype=biotype, distance=near, errors=errors))
        elif kind == "EFF":
            gene = "" if term == "INTERGENIC" else gene
            more = draw(st.sampled_from(["", "", "|WARNING_X"]))
            entries.append(eff(term, gene, str(allele + 1), change=near, biotype=biotype, more=more))
        elif kind == "CSQ":
            written = alt[1:] or "-" if len(alts) == 1 and len(alt) != len(ref) else alt
            entries.append(csq(written, term, gene, biotype=biotype, distance=near))
        elif kind == "BCSQ":
            entries.append(bcsq(term, gene, biotype, draw(st.sampled_from(["", f"7{ref}>{alt}"]))))
        else:
            genes = f"{gene}(dist={near})" if near else gene
            entries.append(annovar(term, f"{genes};G9(dist=1500)" if ";" in term and near else genes))
    return (";" if kind == "ANNOVAR" else ",").join(entries), ref, alts


@pytest.mark.parametrize("kind", WORDS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_what_is_selected_equals_the_selection_of_what_is_parsed(kind, data):
    reader = parser(kind, HEADER)
    for text, ref, alts in data.draw(st.lists(records(kind), min_size=1, max_size=8)):
        for rule in ("precedence", "all"):
            plain = [select(effects, rule) for effects in reader.parse(text, ref, alts)]
            expected = [[e._replace(distance=0) for e in effects] for effects in plain]
            assert reader.selected(text, ref, alts, rule) == expected


@pytest.mark.parametrize("kind", ["ANN", "ANNOVAR"])
def test_no_more_is_remembered_than_the_limit(kind, monkeypatch):
    monkeypatch.setattr(annotations, "REMEMBERED", 5)
    reader = parser(kind, HEADER)
    for i in range(40):
        text = ann("T", "intron_variant", biotype=f"b{i}") if kind == "ANN" else annovar("intronic", f"G{i}")
        expected = (
            Effect("G1", "ncRNA intronic", "intron_variant")
            if kind == "ANN"
            else Effect(f"G{i}", *["intronic"] * 2)
        )
        assert reader.selected(text, "A", ("T",), "all") == [[expected]]
        assert len(reader._plans if kind == "ANN" else reader._selected) <= 5


# ---------------------------------------------------------------------------------------------------- alleles


@pytest.mark.parametrize(
    ("given_alleles", "expected"),
    [
        ((100, "A", "T"), (100, "A", "T")),
        ((100, "ATC", "A"), (101, "TC", "")),
        ((100, "A", "AT"), (101, "", "T")),
        ((100, "CAA", "CA"), (102, "A", "")),
        ((100, "GAT", "CAT"), (100, "G", "C")),
        ((100, "GATTC", "GCTTC"), (101, "A", "C")),
        ((100, "", "T"), (100, "", "T")),
        ((100, "A", "A"), (101, "", "")),
    ],
)
def test_reduced_alleles_by_hand(given_alleles, expected):
    assert reduce_alleles(*given_alleles) == expected


@given(
    st.text("AC", max_size=6), st.text("AC", max_size=4), st.text("AC", max_size=4), st.text("AC", max_size=6)
)
def test_reduced_alleles_make_the_same_sequence(before, ref, alt, after):
    position, r, a = reduce_alleles(1, before + ref + after, before + alt + after)
    sequence = before + ref + after
    assert sequence[position - 1 : position - 1 + len(r)] == r
    assert sequence[: position - 1] + a + sequence[position - 1 + len(r) :] == before + alt + after
    assert not (r and a and (r[0] == a[0] or r[-1] == a[-1]))
    assert reduce_alleles(position, r, a) == (position, r, a)
