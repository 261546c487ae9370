"""The tables of the annotators, and the rule that says which effects count, against a plain reference."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES
from gi_lib.encoding.vocabulary import (
    ANNOVAR_CONSEQUENCES,
    ANNOVAR_REGIONS,
    ANNOVAR_TYPES,
    BCSQ_TYPES,
    EXONIC_ORDER,
    FLANK,
    REGION_RANKS,
    SNPEFF_TYPES,
    VEP_TYPES,
    AnnotationError,
    ByLength,
    Effect,
    NoCounterpart,
    is_coding,
    select,
    variant_type,
)

TABLES = {"SnpEff": SNPEFF_TYPES, "VEP": VEP_TYPES, "bcftools csq": BCSQ_TYPES, "Annovar": ANNOVAR_TYPES}

# Everything that the Variant Effect Predictor documents.
VEP_TERMS = """
    transcript_ablation splice_acceptor_variant splice_donor_variant stop_gained frameshift_variant stop_lost start_lost
    transcript_amplification feature_elongation feature_truncation inframe_insertion inframe_deletion missense_variant
    protein_altering_variant splice_donor_5th_base_variant splice_region_variant splice_donor_region_variant
    splice_polypyrimidine_tract_variant incomplete_terminal_codon_variant start_retained_variant stop_retained_variant
    synonymous_variant coding_sequence_variant mature_miRNA_variant 5_prime_UTR_variant 3_prime_UTR_variant
    non_coding_transcript_exon_variant intron_variant NMD_transcript_variant non_coding_transcript_variant
    coding_transcript_variant upstream_gene_variant downstream_gene_variant TFBS_ablation TFBS_amplification
    TF_binding_site_variant regulatory_region_ablation regulatory_region_amplification regulatory_region_variant
    intergenic_variant sequence_variant
"""

# What SnpEff calls one thing in its two modes.
SNPEFF_MODES = [
    ("NON_SYNONYMOUS_CODING", "missense_variant"),
    ("NON_SYNONYMOUS_START", "initiator_codon_variant"),
    ("START_LOST", "start_lost"),
    ("STOP_GAINED", "stop_gained"),
    ("STOP_LOST", "stop_lost"),
    ("FRAME_SHIFT", "frameshift_variant"),
    ("CODON_INSERTION", "conservative_inframe_insertion"),
    ("CODON_CHANGE_PLUS_CODON_INSERTION", "disruptive_inframe_insertion"),
    ("CODON_DELETION", "conservative_inframe_deletion"),
    ("CODON_CHANGE_PLUS_CODON_DELETION", "disruptive_inframe_deletion"),
    ("CODON_CHANGE", "coding_sequence_variant"),
    ("SYNONYMOUS_CODING", "synonymous_variant"),
    ("SYNONYMOUS_STOP", "stop_retained_variant"),
    ("NON_SYNONYMOUS_STOP", "stop_retained_variant"),
    ("UTR_3_PRIME", "3_prime_UTR_variant"),
    ("UTR_5_PRIME", "5_prime_UTR_variant"),
    ("UTR_3_DELETED", "3_prime_UTR_truncation"),
    ("UTR_5_DELETED", "5_prime_UTR_truncation"),
    ("START_GAINED", "5_prime_UTR_premature_start_codon_gain_variant"),
    ("SPLICE_SITE_ACCEPTOR", "splice_acceptor_variant"),
    ("SPLICE_SITE_DONOR", "splice_donor_variant"),
    ("SPLICE_SITE_REGION", "splice_region_variant"),
    ("SPLICE_SITE_BRANCH", "splice_branch_variant"),
    ("INTRON", "intron_variant"),
    ("INTRON_CONSERVED", "conserved_intron_variant"),
    ("INTRAGENIC", "intragenic_variant"),
    ("EXON", "non_coding_exon_variant"),
    ("EXON_DELETED", "exon_loss_variant"),
    ("UPSTREAM", "upstream_gene_variant"),
    ("DOWNSTREAM", "downstream_gene_variant"),
    ("INTERGENIC", "intergenic_region"),
    ("INTERGENIC_CONSERVED", "conserved_intergenic_variant"),
    ("REGULATION", "regulatory_region_variant"),
    ("MOTIF", "TF_binding_site_variant"),
    ("MICRO_RNA", "miRNA"),
    ("NEXT_PROT", "sequence_feature"),
    ("CUSTOM", "custom"),
    ("GENE_FUSION", "gene_fusion"),
    ("RARE_AMINO_ACID", "rare_amino_acid_variant"),
]


# -------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("annotator", TABLES)
def test_every_term_means_a_variant_type_or_lies_in_a_region(annotator):
    allowed = {*VARIANT_TYPES}
    for term, meaning in TABLES[annotator].items():
        if isinstance(meaning, NoCounterpart):
            assert meaning.region in REGION_RANKS, term
        elif isinstance(meaning, ByLength):
            assert {*meaning} <= {*allowed, ""}, term
        else:
            assert meaning in allowed, term


def test_a_term_lies_in_the_same_region_whoever_uses_it():
    regions = {}
    for table in TABLES.values():
        for term, meaning in table.items():
            assert regions.setdefault(term, meaning) == meaning, term


def test_every_type_can_be_had_from_every_annotator_that_knows_of_it():
    def types(table):
        found = {m for m in table.values() if isinstance(m, str)}
        found |= {t for m in table.values() if isinstance(m, ByLength) for t in m}
        return found - {""}

    for_transcripts_without_protein = {"ncRNA intronic", "ncRNA splicing"}
    assert types(ANNOVAR_TYPES) == {*VARIANT_TYPES}
    assert types(SNPEFF_TYPES) == {*VARIANT_TYPES} - for_transcripts_without_protein
    assert types(VEP_TYPES) == {*VARIANT_TYPES} - for_transcripts_without_protein
    assert types(BCSQ_TYPES) == {*VARIANT_TYPES} - for_transcripts_without_protein - {
        "upstream",
        "downstream",
    }


def test_vep_terms_are_complete():
    assert not [term for term in VEP_TERMS.split() if term not in VEP_TYPES]


@pytest.mark.parametrize(("classic", "ontology"), SNPEFF_MODES)
def test_both_modes_of_snpeff_mean_the_same(classic, ontology):
    assert SNPEFF_TYPES[classic] == SNPEFF_TYPES[ontology]


@pytest.mark.parametrize(
    ("annotator", "term", "growth", "expected"),
    [
        ("SnpEff", "frameshift_variant", 1, "frameshift insertion"),
        ("SnpEff", "FRAME_SHIFT", -2, "frameshift deletion"),
        ("VEP", "frameshift_variant", -1, "frameshift deletion"),
        ("bcftools csq", "frameshift", 4, "frameshift insertion"),
        ("VEP", "protein_altering_variant", 3, "nonframeshift insertion"),
        ("VEP", "protein_altering_variant", -3, "nonframeshift deletion"),
        ("VEP", "protein_altering_variant", 0, ""),
        ("bcftools csq", "inframe_altering", 0, ""),
        ("Annovar", "nonframeshift substitution", 0, ""),
        ("Annovar", "nonframeshift block substitution", 3, "nonframeshift insertion"),
        ("Annovar", "frameshift substitution", -1, "frameshift deletion"),
        ("Annovar", "frameshift insertion", 0, "frameshift insertion"),
        ("SnpEff", "start_lost", 0, "nonsynonymous"),
        ("Annovar", "unknown", 0, ""),
        ("VEP", "coding_sequence_variant", 0, ""),
        ("VEP", "mature_miRNA_variant", 0, "ncRNA exonic"),
        ("bcftools csq", "non_coding", 0, "ncRNA exonic"),
        ("Annovar", "ncRNA_UTR5", 0, "ncRNA exonic"),
    ],
)
def test_meaning_by_hand(annotator, term, growth, expected):
    assert variant_type(term, TABLES[annotator], annotator, growth=growth) == expected


@pytest.mark.parametrize(
    ("term", "coding", "non_coding"),
    [
        ("intron_variant", "intronic", "ncRNA intronic"),
        ("splice_donor_variant", "splicing", "ncRNA splicing"),
        ("non_coding_transcript_exon_variant", "ncRNA exonic", "ncRNA exonic"),
        ("upstream_gene_variant", "upstream", "upstream"),
        ("splice_region_variant", "", ""),
    ],
)
def test_transcripts_without_protein_have_types_of_their_own(term, coding, non_coding):
    assert variant_type(term, SNPEFF_TYPES, "SnpEff", coding=True) == coding
    assert variant_type(term, SNPEFF_TYPES, "SnpEff", coding=False) == non_coding


@pytest.mark.parametrize(
    ("biotype", "expected"),
    [
        ("protein_coding", True),
        ("mRNA", True),
        ("Coding", True),
        ("nonsense_mediated_decay", True),
        ("TR_V_gene", True),
        ("", True),
        ("Noncoding", False),
        ("lncRNA", False),
        ("tRNA", False),
        ("TR_V_pseudogene", False),
        ("retained_intron", False),
        ("transposable_element_gene", False),
    ],
)
def test_biotypes(biotype, expected):
    assert is_coding(biotype) is expected


@pytest.mark.parametrize(
    ("annotator", "term", "sentence"),
    [
        (
            "VEP",
            "mis_sense_variant",
            "VEP term 'mis_sense_variant' is not known; closest are missense_variant",
        ),
        ("Annovar", "exonix", "Annovar term 'exonix' is not known; closest are exonic"),
        ("bcftools csq", "xyz", "bcftools csq term 'xyz' is not known; known are, among others, missense"),
    ],
)
def test_unknown_term_is_refused_with_the_closest(annotator, term, sentence):
    with pytest.raises(AnnotationError, match=re.escape(sentence)):
        variant_type(term, TABLES[annotator], annotator)


def test_annovar_tables_do_not_overlap():
    assert not set(ANNOVAR_REGIONS) & set(ANNOVAR_CONSEQUENCES)


# ---------------------------------------------------------------------------------------------- selecting


def effect(kind, gene="A", distance=0):
    """An effect of a type, or of a term without counterpart if there is no such type."""
    return Effect(gene, kind if kind in (*VARIANT_TYPES, EXONIC_UNKNOWN) else "", kind, distance)


def kinds(effects):
    return [(e.gene, e.variant_type or e.term) for e in effects]


PRECEDENCE = [
    (["intronic", "UTR5"], ["UTR5"]),
    (["UTR3", "UTR5", "intronic"], ["UTR3", "UTR5"]),
    (["upstream", "intronic"], ["intronic"]),
    (["upstream", "downstream", "intergenic"], ["upstream", "downstream"]),
    (["ncRNA exonic", "UTR3"], ["ncRNA exonic"]),
    (["ncRNA intronic", "ncRNA splicing", "UTR5", "ncRNA exonic"], ["ncRNA splicing", "ncRNA exonic"]),
    (["ncRNA intronic", "intronic"], ["ncRNA intronic"]),
    (["ncRNA exonic", "nonsynonymous"], ["nonsynonymous"]),
    (["splicing", "ncRNA exonic"], ["splicing"]),
    (["nonsynonymous", "splicing"], ["nonsynonymous", "splicing"]),
    (["nonsynonymous", "stopgain", "splicing"], ["stopgain", "splicing"]),
    (["stopgain", "frameshift deletion", "frameshift insertion"], ["frameshift insertion"]),
    (["stopgain", "frameshift deletion"], ["frameshift deletion"]),
    (["stoploss", "stopgain"], ["stopgain"]),
    (["nonframeshift insertion", "stoploss"], ["stoploss"]),
    (["nonframeshift deletion", "nonframeshift insertion"], ["nonframeshift insertion"]),
    (["nonsynonymous", "nonframeshift deletion"], ["nonframeshift deletion"]),
    ([EXONIC_UNKNOWN, "nonsynonymous"], ["nonsynonymous"]),
    (["synonymous_variant", EXONIC_UNKNOWN], [EXONIC_UNKNOWN]),
    (["synonymous_variant", "nonsynonymous"], ["nonsynonymous"]),
    (["synonymous_variant", "splicing"], ["synonymous_variant", "splicing"]),
    (["synonymous_variant", "UTR5", "ncRNA exonic"], ["synonymous_variant"]),
    (["splice_region_variant", "intronic"], ["splice_region_variant", "intronic"]),
    (["splice_region_variant", "UTR3"], ["UTR3"]),
    (["intragenic_variant", "upstream"], ["intragenic_variant"]),
    (["regulatory_region_variant", "upstream"], ["upstream"]),
    (["regulatory_region_variant", "intergenic"], ["regulatory_region_variant", "intergenic"]),
]  # fmt: skip


def test_introns_give_way_inside_one_gene_only():
    chosen = select(
        [effect("ncRNA intronic"), effect("ncRNA intronic")._replace(gene="B"), effect("ncRNA exonic")]
    )
    assert kinds(chosen) == [("B", "ncRNA intronic"), ("A", "ncRNA exonic")]


@pytest.mark.parametrize(("given_kinds", "expected"), PRECEDENCE, ids=lambda value: "+".join(value))
def test_only_effects_of_the_first_rank_count(given_kinds, expected):
    assert kinds(select([effect(kind) for kind in given_kinds])) == [("A", kind) for kind in expected]
    everything = select([effect(kind) for kind in given_kinds], "all")
    assert kinds(everything) == [("A", kind) for kind in given_kinds]


def test_ranks_hold_over_all_genes():
    both = [effect("nonsynonymous", "A"), effect("nonsynonymous", "B"), effect("intronic", "C")]
    assert kinds(select(both)) == [("A", "nonsynonymous"), ("B", "nonsynonymous")]
    one = [effect("nonsynonymous", "A"), effect("stopgain", "B")]
    assert kinds(select(one)) == [("B", "stopgain")]


def test_transcripts_of_a_gene_count_once():
    twice = [effect("UTR3"), effect("UTR3"), effect("UTR3", "B")]
    assert kinds(select(twice)) == kinds(select(twice, "all")) == [("A", "UTR3"), ("B", "UTR3")]


def test_terms_without_counterpart_are_reported_once_per_gene_and_term():
    several = [effect("synonymous_variant"), effect("synonymous_variant"), effect("stop_retained_variant")]
    assert kinds(select(several)) == [("A", "synonymous_variant"), ("A", "stop_retained_variant")]


@pytest.mark.parametrize("rule", ["precedence", "all"])
@pytest.mark.parametrize("kind", ["upstream", "downstream"])
def test_flanks_reach_1000_base_pairs(kind, rule):
    assert FLANK == 1000
    assert select([effect(kind, distance=1000)], rule) == [Effect("A", kind, kind, 1000)]
    assert select([effect(kind, distance=1001)], rule) == [Effect("A", "intergenic", kind, 1001)]


NEAREST = [
    ([("upstream", "A", 3000), ("downstream", "B", 1200)], [("B", "intergenic")]),
    ([("upstream", "A", 1200), ("downstream", "B", 1200)], [("A", "intergenic")]),
    ([("upstream", "A", 3000), ("downstream", "B", 800)], [("B", "downstream")]),
    ([("intergenic", "", 0), ("upstream", "A", 4000)], [("A", "intergenic")]),
    ([("intergenic", "", 10), ("intergenic", "A", 0)], [("A", "intergenic")]),
    ([("intergenic", "A", 0), ("intergenic", "B", 9000)], [("B", "intergenic")]),
    ([("intergenic", "", 0)], [("", "intergenic")]),
]


@pytest.mark.parametrize(("listed", "expected"), NEAREST)
def test_of_intergenic_effects_that_of_the_nearest_gene_remains(listed, expected):
    assert kinds(select([effect(kind, gene, distance) for kind, gene, distance in listed])) == expected


def test_by_the_rule_all_flanks_stay_beside_the_nearest_intergenic_gene():
    listed = [effect("upstream", "A", 200), effect("upstream", "B", 4000), effect("downstream", "C", 2000)]
    assert kinds(select(listed, "all")) == [("A", "upstream"), ("C", "intergenic")]


def test_a_term_that_no_table_has_is_taken_for_a_coding_one():
    assert kinds(select([effect("my own word"), effect("UTR3")])) == [("A", "my own word")]


def test_nothing_gives_nothing():
    assert select([]) == select([], "all") == []


def test_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="Unknown rule 'best'; allowed are precedence, all"):
        select([], "best")


# The same rule once more, written out as plain tests of one effect against all others.
RANK = {"UTR5": 2, "UTR3": 2, "intronic": 3, "splice_region_variant": 3, "intragenic_variant": 3, "upstream": 4,
        "downstream": 4, "intergenic": 5, "custom": 5, "ncRNA exonic": 1, "ncRNA intronic": 1,
        "ncRNA splicing": 1}  # fmt: skip
ORDER = ["frameshift insertion", "frameshift deletion", "stopgain", "stoploss", "nonframeshift insertion",
         "nonframeshift deletion", "nonsynonymous", "exonic unknown", "synonymous_variant"]  # fmt: skip
SOME = sorted([*RANK, *ORDER, "splicing"])


def select_slowly(effects, rule):
    far = ("upstream", "downstream")
    moved = [(g, "intergenic" if k in far and d > 1000 else k, t, d) for g, k, t, d in effects]
    moved = [(g, k or t, d) for g, k, t, d in moved]

    def is_nearer(one, other):
        if bool(one[0]) != bool(other[0]):
            return bool(one[0])
        return one[2] > 0 and (other[2] == 0 or one[2] < other[2])

    kept = []
    for i, this in enumerate(moved):
        rivals = [(j, other) for j, other in enumerate(moved) if j != i]
        if this[1] == "intergenic" and any(
            other[1] == "intergenic" and (is_nearer(other, this) or (j < i and not is_nearer(this, other)))
            for j, other in rivals
        ):
            continue
        kept.append(this)
    if rule == "precedence":
        lowest = min((RANK.get(k, 0) for _, k, _ in kept), default=0)
        kept = [e for e in kept if RANK.get(e[1], 0) == lowest]
        exonic = [ORDER.index(k) for _, k, _ in kept if k in ORDER]
        kept = [e for e in kept if e[1] not in ORDER or ORDER.index(e[1]) == min(exonic)]
        in_exon = [g for g, k, _ in kept if g and k in ("ncRNA exonic", "ncRNA splicing")]
        kept = [e for e in kept if e[1] != "ncRNA intronic" or e[0] not in in_exon]
    return {(g, k) for g, k, _ in kept}


distances = st.sampled_from([0, 5, 1000, 1001, 2000])
effect_lists = st.lists(
    st.builds(effect, st.sampled_from(SOME), st.sampled_from(["A", "B", ""]), distances), max_size=6
)


@given(effect_lists, st.sampled_from(["precedence", "all"]))
@settings(deadline=None, max_examples=400)
def test_selection_equals_a_plain_one(effects, rule):
    chosen = select(effects, rule)
    assert set(kinds(chosen)) == select_slowly(effects, rule)
    assert len({(e.gene, e.variant_type, e.term) for e in chosen}) == len(chosen)
    typed = [(e.gene, e.variant_type) for e in chosen if e.variant_type]
    assert len(set(typed)) == len(typed)


@given(effect_lists)
@settings(deadline=None)
def test_selecting_again_changes_nothing(effects):
    once = select(effects)
    assert select(once) == once


def test_orders_name_every_exonic_type():
    exonic = {t for t in VARIANT_TYPES if t not in REGION_RANKS}
    assert {*EXONIC_ORDER} == {*exonic, EXONIC_UNKNOWN, ""}
