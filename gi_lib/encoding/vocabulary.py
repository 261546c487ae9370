"""What annotators call the effects of variants, in the 17 types, and which of several effects count.

Every annotator has one table: its term → what it counts as. Most terms are one of the 17 types; others depend on
the alleles (`ByLength`) or are none of the 17 (`NoCounterpart`). The rule by which effects of one allele are
weighed against each other is Annovar's (`select`), whoever found them.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES
from gi_lib.datasets.foreign import shown

UNSTATED = 1 << 40  # base pairs: farther than any distance that is stated
FLANK = 1_000  # Annovar's reach of "upstream" and "downstream", base pairs
RULES = ("precedence", "all")


class AnnotationError(ValueError):
    """An annotation cannot be used; the message says what is wrong and what is allowed."""


class Effect(NamedTuple):
    """What one allele does to one gene."""

    gene: str  # "" where the annotator names none
    variant_type: (
        str  # one of VARIANT_TYPES or EXONIC_UNKNOWN; "" where the term has no counterpart among them
    )
    term: str  # the annotator's own word
    distance: int = 0  # base pairs to the gene for upstream, downstream and intergenic; 0 where not stated


class NoCounterpart(NamedTuple):
    """A term that is none of the 17 types but lies in a region, whose rank it has."""

    region: str
    # Says more about the term it is joined to (a&b), and so has the region of that one; `region` if it stands alone.
    companion: bool = False
    alone: str = ""  # the type that a companion counts as where it stands alone


class ByLength(NamedTuple):
    """A term whose type depends on whether ALT is longer than REF, shorter, or as long."""

    longer: str
    shorter: str
    equal: str


Meaning = str | NoCounterpart | ByLength

_FRAMESHIFT = ByLength("frameshift insertion", "frameshift deletion", "frameshift deletion")
_BLOCK = ByLength("nonframeshift insertion", "nonframeshift deletion", "")
_CODING = NoCounterpart("exonic")
_NOWHERE = NoCounterpart("intergenic")  # in no part of a gene, or in any: hides nothing
_SPLICE_REGION = NoCounterpart("intronic", companion=True)  # wider than Annovar's two bases
_REMARK = NoCounterpart("intronic", companion=True)
_REMARK_NOWHERE = NoCounterpart("intergenic", companion=True)

_ONTOLOGY: dict[str, Meaning] = {
    "missense_variant": "nonsynonymous",
    "start_lost": "nonsynonymous",
    "initiator_codon_variant": "nonsynonymous",
    "inframe_insertion": "nonframeshift insertion",
    "inframe_deletion": "nonframeshift deletion",
    "protein_altering_variant": _BLOCK,
    "stop_lost": "stoploss",
    "frameshift_variant": _FRAMESHIFT,
    "stop_gained": "stopgain",
    "synonymous_variant": _CODING,
    "stop_retained_variant": _CODING,
    "start_retained_variant": _CODING,
    "incomplete_terminal_codon_variant": _CODING,
    "coding_sequence_variant": _CODING,
    "transcript_ablation": _CODING,
    "3_prime_UTR_variant": "UTR3",
    "5_prime_UTR_variant": "UTR5",
    "non_coding_exon_variant": "ncRNA exonic",
    "non_coding_transcript_exon_variant": "ncRNA exonic",
    "non_coding_transcript_variant": _REMARK_NOWHERE,
    "nc_transcript_variant": _REMARK_NOWHERE,
    "upstream_gene_variant": "upstream",
    "downstream_gene_variant": "downstream",
    "intron_variant": "intronic",
    "splice_acceptor_variant": "splicing",
    "splice_donor_variant": "splicing",
    "splice_region_variant": _SPLICE_REGION,
    "feature_elongation": _REMARK,
    "feature_truncation": _REMARK,
    "TF_binding_site_variant": _NOWHERE,
    "TFBS_ablation": _NOWHERE,
    "regulatory_region_variant": _NOWHERE,
}
"""Terms of the Sequence Ontology that SnpEff and VEP share."""

SNPEFF_TYPES: dict[str, Meaning] = {
    **_ONTOLOGY,
    "conservative_inframe_insertion": "nonframeshift insertion",
    "disruptive_inframe_insertion": "nonframeshift insertion",
    "conservative_inframe_deletion": "nonframeshift deletion",
    "disruptive_inframe_deletion": "nonframeshift deletion",
    "start_retained": _CODING,
    "non_canonical_start_codon": _CODING,
    "rare_amino_acid_variant": _CODING,
    "structural_interaction_variant": _CODING,
    "protein_protein_contact": _CODING,
    "exon_loss_variant": NoCounterpart("exonic", companion=True),
    "exon_variant": "ncRNA exonic",
    "exon_region": "ncRNA exonic",
    "miRNA": "ncRNA exonic",
    "5_prime_UTR_premature_start_codon_gain_variant": "UTR5",
    "5_prime_UTR_truncation": "UTR5",
    "3_prime_UTR_truncation": "UTR3",
    "conserved_intron_variant": "intronic",
    "splice_branch_variant": _SPLICE_REGION,
    "intragenic_variant": NoCounterpart("intronic"),
    "gene_variant": NoCounterpart("intronic"),
    "transcript_variant": NoCounterpart("intronic"),
    "transcript": NoCounterpart("intronic"),
    "intergenic_region": "intergenic",
    "intergenic_variant": "intergenic",
    "conserved_intergenic_variant": "intergenic",
    "feature_ablation": _CODING,
    "gene_fusion": _NOWHERE,  # of two genes at once; what it does to each stands beside it
    "bidirectional_gene_fusion": _NOWHERE,
    "feature_fusion": _NOWHERE,
    "rearranged_at_DNA_level": _CODING,
    "duplication": _CODING,
    "inversion": _CODING,
    "chromosome_number_variation": _NOWHERE,
    "chromosome": _NOWHERE,
    "sequence_feature": _NOWHERE,
    "custom": _NOWHERE,
    "": _NOWHERE,
    # The names of SnpEff's classic mode.
    "NON_SYNONYMOUS_CODING": "nonsynonymous",
    "NON_SYNONYMOUS_START": "nonsynonymous",
    "START_LOST": "nonsynonymous",
    "CODON_INSERTION": "nonframeshift insertion",
    "CODON_CHANGE_PLUS_CODON_INSERTION": "nonframeshift insertion",
    "CODON_DELETION": "nonframeshift deletion",
    "CODON_CHANGE_PLUS_CODON_DELETION": "nonframeshift deletion",
    "STOP_LOST": "stoploss",
    "FRAME_SHIFT": _FRAMESHIFT,
    "STOP_GAINED": "stopgain",
    "SYNONYMOUS_CODING": _CODING,
    "SYNONYMOUS_START": _CODING,
    "SYNONYMOUS_STOP": _CODING,
    "NON_SYNONYMOUS_STOP": _CODING,
    "FRAME_SHIFT_BEFORE_CDS_START": _CODING,
    "FRAME_SHIFT_AFTER_CDS_END": _CODING,
    "CODON_CHANGE": _CODING,
    "CDS": _CODING,
    "RARE_AMINO_ACID": _CODING,
    "PROTEIN_PROTEIN_INTERACTION_LOCUS": _CODING,
    "PROTEIN_STRUCTURAL_INTERACTION_LOCUS": _CODING,
    "EXON": "ncRNA exonic",
    "MICRO_RNA": "ncRNA exonic",
    "EXON_DELETED": NoCounterpart("exonic", companion=True),
    "EXON_DELETED_PARTIAL": NoCounterpart("exonic", companion=True),
    "EXON_DUPLICATION": _CODING,
    "EXON_DUPLICATION_PARTIAL": _CODING,
    "EXON_INVERSION": _CODING,
    "EXON_INVERSION_PARTIAL": _CODING,
    "UTR_3_PRIME": "UTR3",
    "UTR_3_DELETED": "UTR3",
    "UTR_5_PRIME": "UTR5",
    "UTR_5_DELETED": "UTR5",
    "START_GAINED": "UTR5",
    "INTRON": "intronic",
    "INTRON_CONSERVED": "intronic",
    "SPLICE_SITE_ACCEPTOR": "splicing",
    "SPLICE_SITE_DONOR": "splicing",
    "SPLICE_SITE_REGION": _SPLICE_REGION,
    "SPLICE_SITE_BRANCH": _SPLICE_REGION,
    "SPLICE_SITE_BRANCH_U12": _SPLICE_REGION,
    "INTRAGENIC": NoCounterpart("intronic"),
    "GENE": NoCounterpart("intronic"),
    "TRANSCRIPT": NoCounterpart("intronic"),
    "UPSTREAM": "upstream",
    "DOWNSTREAM": "downstream",
    "INTERGENIC": "intergenic",
    "INTERGENIC_CONSERVED": "intergenic",
    "GENE_DELETED": _CODING,
    "GENE_DUPLICATION": _CODING,
    "GENE_INVERSION": _CODING,
    "GENE_FUSION": _NOWHERE,
    "GENE_FUSION_REVERESE": _NOWHERE,  # SnpEff's own spelling
    "GENE_FUSION_REVERSE": _NOWHERE,
    "GENE_FUSION_HALF": _NOWHERE,
    "GENE_REARRANGEMENT": _CODING,
    "TRANSCRIPT_DELETED": _CODING,
    "TRANSCRIPT_DUPLICATION": _CODING,
    "TRANSCRIPT_INVERSION": _CODING,
    "FEATURE_FUSION": _NOWHERE,
    "CHROMOSOME": _NOWHERE,
    "CHROMOSOME_ELONGATION": _NOWHERE,
    "CHROMOSOME_LARGE_DELETION": _NOWHERE,
    "CHROMOSOME_LARGE_DUPLICATION": _NOWHERE,
    "CHROMOSOME_LARGE_INVERSION": _NOWHERE,
    "MOTIF": _NOWHERE,
    "MOTIF_DELETED": _NOWHERE,
    "REGULATION": _NOWHERE,
    "NEXT_PROT": _NOWHERE,
    "SEQUENCE": _NOWHERE,
    "GENOME": _NOWHERE,
    "CUSTOM": _NOWHERE,
    "NONE": _NOWHERE,
}
"""SnpEff's terms: those of ``ANN``, and of ``EFF`` in both modes."""

VEP_TYPES: dict[str, Meaning] = {
    **_ONTOLOGY,
    "mature_miRNA_variant": "ncRNA exonic",
    "splice_donor_5th_base_variant": _SPLICE_REGION,
    "splice_donor_region_variant": _SPLICE_REGION,
    "splice_polypyrimidine_tract_variant": _SPLICE_REGION,
    "extended_intronic_splice_region_variant": _SPLICE_REGION,
    "NMD_transcript_variant": _REMARK,
    "coding_transcript_variant": _REMARK,
    "transcript_amplification": _CODING,
    "intergenic_variant": "intergenic",
    "TFBS_amplification": _NOWHERE,
    "regulatory_region_ablation": _NOWHERE,
    "regulatory_region_amplification": _NOWHERE,
    "sequence_variant": _NOWHERE,
}
"""Terms of Ensembl's Variant Effect Predictor."""

BCSQ_TYPES: dict[str, Meaning] = {
    "missense": "nonsynonymous",
    "start_lost": "nonsynonymous",
    "inframe_insertion": "nonframeshift insertion",
    "inframe_deletion": "nonframeshift deletion",
    "inframe_altering": _BLOCK,
    "stop_lost": "stoploss",
    "frameshift": _FRAMESHIFT,
    "stop_gained": "stopgain",
    "synonymous": _CODING,
    "stop_retained": _CODING,
    "start_retained": _CODING,
    "coding_sequence": _CODING,
    "3_prime_utr": "UTR3",
    "5_prime_utr": "UTR5",
    "non_coding": "ncRNA exonic",  # bcftools does not tell exons of such transcripts from introns
    "intron": "intronic",
    "splice_acceptor": "splicing",
    "splice_donor": "splicing",
    "splice_region": NoCounterpart("intronic", companion=True, alone="intronic"),  # no `intron` beside it
    "NMD_transcript": _REMARK,
    "feature_elongation": _REMARK,
    "feature_truncation": _REMARK,
    "intergenic": "intergenic",
    "@": _CODING,  # the consequence is told at another record, together with that one's
}
"""Terms of bcftools csq."""

ANNOVAR_REGIONS: dict[str, Meaning] = {
    "exonic": _CODING,  # what it does is told by ANNOVAR_CONSEQUENCES
    "splicing": "splicing",
    "UTR5": "UTR5",
    "UTR3": "UTR3",
    "intronic": "intronic",
    "upstream": "upstream",
    "downstream": "downstream",
    "intergenic": "intergenic",
    "ncRNA": "ncRNA exonic",
    "ncRNA_exonic": "ncRNA exonic",
    "ncRNA_UTR5": "ncRNA exonic",
    "ncRNA_UTR3": "ncRNA exonic",
    "ncRNA_intronic": "ncRNA intronic",
    "ncRNA_splicing": "ncRNA splicing",
}
"""Annovar's ``Func``: where a variant lies."""

ANNOVAR_CONSEQUENCES: dict[str, Meaning] = {
    "nonsynonymous SNV": "nonsynonymous",
    "startloss": "nonsynonymous",
    "nonframeshift insertion": "nonframeshift insertion",
    "nonframeshift deletion": "nonframeshift deletion",
    "nonframeshift substitution": _BLOCK,
    "nonframeshift block substitution": _BLOCK,
    "stoploss": "stoploss",
    "stoploss SNV": "stoploss",
    "frameshift insertion": "frameshift insertion",
    "frameshift deletion": "frameshift deletion",
    "frameshift substitution": _FRAMESHIFT,
    "frameshift block substitution": _FRAMESHIFT,
    "stopgain": "stopgain",
    "stopgain SNV": "stopgain",
    "synonymous SNV": _CODING,
    "unknown": _CODING,
}
"""Annovar's ``ExonicFunc``: what a variant does to the protein. In a VCF, blanks are underscores."""

ANNOVAR_TYPES: dict[str, Meaning] = {**ANNOVAR_REGIONS, **ANNOVAR_CONSEQUENCES}

_NON_CODING = {
    "intronic": "ncRNA intronic",
    "splicing": "ncRNA splicing",
    "UTR3": "ncRNA exonic",
    "UTR5": "ncRNA exonic",
}

_CODING_BIOTYPES = frozenset(
    ("", "protein_coding", "coding", "mrna", "nonsense_mediated_decay", "nmd", "non_stop_decay",
     "polymorphic_pseudogene", "protein_coding_lof")
)  # fmt: skip


def is_coding(biotype: str) -> bool:
    """Whether transcripts of a biotype make a protein; one that is not stated is taken to.

    Examples
    --------
    >>> is_coding("protein_coding"), is_coding("lncRNA"), is_coding("IG_V_gene"), is_coding("")
    (True, False, True, True)
    """
    name = biotype.lower()
    return name in _CODING_BIOTYPES or (name.startswith(("ig_", "tr_")) and name.endswith("_gene"))


def variant_type(
    term: str, table: Mapping[str, Meaning], annotator: str, *, growth: int = 0, coding: bool = True
) -> str:
    """What a term counts as.

    Parameters
    ----------
    term
        The annotator's word.
    table
        The annotator's table.
    annotator
        Its name, for the message.
    growth
        Length of ALT less that of REF, base pairs.
    coding
        Whether the transcript makes a protein.

    Returns
    -------
    str
        One of the 17 types, or "" where the term has no counterpart among them.

    Raises
    ------
    AnnotationError
        If the annotator has no such term.

    Examples
    --------
    >>> variant_type("frameshift_variant", VEP_TYPES, "VEP", growth=-1)
    'frameshift deletion'
    >>> variant_type("intron_variant", VEP_TYPES, "VEP", coding=False)
    'ncRNA intronic'
    """
    meaning = table.get(term)
    if meaning is None:
        raise unknown_term(term, table, annotator)
    if isinstance(meaning, NoCounterpart):
        meaning = meaning.alone
    if isinstance(meaning, ByLength):
        meaning = meaning.longer if growth > 0 else meaning.shorter if growth < 0 else meaning.equal
    return meaning if coding else _NON_CODING.get(meaning, meaning)


def unknown_term(term: str, table: Iterable[str], annotator: str) -> AnnotationError:
    """The error for a term that an annotator does not have."""
    near = get_close_matches(term[:60], list(table), n=3)
    known = (
        f"closest are {', '.join(near)}" if near else f"known are, among others, {', '.join([*table][:3])}"
    )
    return AnnotationError(f"{annotator} term {shown(term)} is not known; {known}.")


def reduce_alleles(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The least that two alleles differ in: without a common beginning, then without a common end.

    Parameters
    ----------
    position
        Of the first base of `ref`, 1-based.
    ref, alt
        Alleles; one of them may be empty.

    Returns
    -------
    position : int
        Of the first base that is left of `ref`; of an insertion, of the base behind it.
    ref, alt : str

    Examples
    --------
    >>> reduce_alleles(100, "ATC", "A")
    (101, 'TC', '')
    >>> reduce_alleles(100, "CA", "CTA")
    (101, '', 'T')
    """
    least, begin = min(len(ref), len(alt)), 0
    while begin < least and ref[begin] == alt[begin]:
        begin += 1
    end = 0
    while end < least - begin and ref[-1 - end] == alt[-1 - end]:
        end += 1
    return position + begin, ref[begin : len(ref) - end], alt[begin : len(alt) - end]


# ------------------------------------------------------------------------------------------------ selecting

REGION_RANKS = {
    "exonic": 0,
    "splicing": 0,
    "ncRNA exonic": 1,
    "ncRNA splicing": 1,
    "ncRNA intronic": 1,
    "UTR5": 2,
    "UTR3": 2,
    "intronic": 3,
    "upstream": 4,
    "downstream": 4,
    "intergenic": 5,
}
"""Annovar's precedence of regions: of several, those of the lowest rank count."""

EXONIC_ORDER = (
    "frameshift insertion",
    "frameshift deletion",
    "stopgain",
    "stoploss",
    "nonframeshift insertion",
    "nonframeshift deletion",
    "nonsynonymous",
    EXONIC_UNKNOWN,
    "",
)
"""Annovar's order of what a variant does to proteins; the last is what has no counterpart."""

_TYPE_RANK = {name: REGION_RANKS.get(name, 0) for name in (*VARIANT_TYPES, EXONIC_UNKNOWN)}
_TERM_RANK = {
    term: REGION_RANKS[meaning.region if isinstance(meaning, NoCounterpart) else "exonic"]
    for table in (SNPEFF_TYPES, VEP_TYPES, BCSQ_TYPES, ANNOVAR_TYPES)
    for term, meaning in table.items()
    if not isinstance(meaning, str)
}
_EXONIC_RANK = {name: rank for rank, name in enumerate(EXONIC_ORDER)}


def rank(effect: Effect) -> int:
    """Rank of the region in which an effect lies, see `REGION_RANKS`.

    A term without counterpart that no table has is taken for a coding one.
    """
    if effect.variant_type:
        return _TYPE_RANK[effect.variant_type]
    return _TERM_RANK.get(effect.term, 0)


def introns_give_way(effects: list[Effect]) -> list[Effect]:
    """Without the introns of a non-coding gene of which an exon or a splice site is hit too, by `precedence`.

    All three have one rank in Annovar, but a base of an exon is never called intronic.
    """
    hit = {effect.gene for effect in effects if effect.variant_type in ("ncRNA exonic", "ncRNA splicing")} - {
        ""
    }
    return [effect for effect in effects if effect.variant_type != "ncRNA intronic" or effect.gene not in hit]


def select(effects: list[Effect], rule: str = "precedence") -> list[Effect]:
    """Choose the effects of one allele that count.

    Upstream and downstream effects more than `FLANK` away become intergenic, and of the intergenic effects only
    the one with the nearest gene remains. Of several transcripts each gene and type remains once.

    Parameters
    ----------
    effects
        All effects of one allele.
    rule
        ``precedence``: of several effects only those of the first region that occurs, over all genes, in the order
        of `REGION_RANKS`; of the exonic ones only the first kind that occurs, in the order of `EXONIC_ORDER`.
        ``all``: every effect.

    Returns
    -------
    list of Effect
        In the order given, each gene and type once; those without counterpart too, so that they can be reported.

    Raises
    ------
    ValueError
        If the rule is unknown.

    Examples
    --------
    >>> select([Effect("A", "upstream", "upstream", 200), Effect("B", "intronic", "intronic")])
    [Effect(gene='B', variant_type='intronic', term='intronic', distance=0)]
    >>> select([Effect("A", "upstream", "upstream", 3000), Effect("B", "downstream", "downstream", 1200)])
    [Effect(gene='B', variant_type='intergenic', term='downstream', distance=1200)]
    """
    if rule not in RULES:
        raise ValueError(f"Unknown rule {rule!r}; allowed are {', '.join(RULES)}.")
    placed = _only_nearest([_out_of_reach(effect) for effect in effects])
    if rule == "precedence" and placed:
        ranks = [rank(effect) for effect in placed]
        best = min(ranks)
        placed = [effect for effect, r in zip(placed, ranks, strict=True) if r == best]
        if best == 0:
            placed = _first_consequence(placed)
        placed = introns_give_way(placed)
    return unique(placed)


def unique(effects: Iterable[Effect]) -> list[Effect]:
    """Effects, each gene and type once; without counterpart, each gene and term once."""
    found: dict[tuple[str, str, str], Effect] = {}
    for effect in effects:
        found.setdefault(
            (effect.gene, effect.variant_type, "" if effect.variant_type else effect.term), effect
        )
    return list(found.values())


def _out_of_reach(effect: Effect) -> Effect:
    if effect.distance > FLANK and effect.variant_type in ("upstream", "downstream"):
        return effect._replace(variant_type="intergenic")
    return effect


def _only_nearest(effects: list[Effect]) -> list[Effect]:
    far = [effect for effect in effects if effect.variant_type == "intergenic"]
    if len(far) < 2:
        return effects
    nearest = min(far, key=lambda effect: (not effect.gene, effect.distance or UNSTATED))
    return [effect for effect in effects if effect.variant_type != "intergenic" or effect is nearest]


def _first_consequence(effects: list[Effect]) -> list[Effect]:
    found = [_EXONIC_RANK[effect.variant_type] for effect in effects if effect.variant_type != "splicing"]
    first = EXONIC_ORDER[min(found)] if found else ""
    return [effect for effect in effects if effect.variant_type in (first, "splicing")]
