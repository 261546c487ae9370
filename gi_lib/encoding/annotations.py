"""Annotation in the INFO column of a VCF: SnpEff (``ANN``, ``EFF``), VEP (``CSQ``), bcftools (``BCSQ``), Annovar.

Every reader gives, for each alternative allele of a record, all effects that the annotation tells (`Parser.parse`), or
those that count (`Parser.selected`). The latter is made for millions of records: which entries of a record count
depends on little (terms, biotypes, which gene is nearest), recurs, and is worked out once.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from gi_lib.datasets.foreign import shown, whole_number
from gi_lib.encoding.vocabulary import (
    ANNOVAR_CONSEQUENCES,
    ANNOVAR_REGIONS,
    BCSQ_TYPES,
    FLANK,
    REGION_RANKS,
    SNPEFF_TYPES,
    UNSTATED,
    VEP_TYPES,
    AnnotationError,
    Effect,
    Meaning,
    NoCounterpart,
    introns_give_way,
    is_coding,
    rank,
    reduce_alleles,
    select,
    unique,
    unknown_term,
    variant_type,
)

KINDS = ("ANN", "EFF", "CSQ", "BCSQ", "ANNOVAR")
GENES = ("id", "name")
REMEMBERED = 1 << 14  # interpretations kept; more than the neighbourhood of any variant needs

_MEASURED = ("upstream", "downstream", "intergenic")
_WITHOUT_GENE = 1 << 60  # farther than any gene
_SAME_LENGTH = (0,)  # of the only allele, as in most records
_PREFIXES = ("gene:", "transcript:", "gene-", "rna-")


class Parser(ABC):
    """Reads one kind of annotation.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    key : str
        The INFO key whose value is read; for Annovar, which has several, the first of them.
    name : str
        The annotator, for messages.
    """

    kind: str
    key: str
    name: str

    def is_annotated(self, info: str) -> bool:
        """Whether an INFO column holds the annotation."""
        return info.startswith(f"{self.key}=") or f";{self.key}=" in info

    @abstractmethod
    def parse(self, text: str, ref: str, alts: Sequence[str]) -> list[list[Effect]]:
        """All effects of every alternative allele.

        Parameters
        ----------
        text
            The value of the INFO key; the whole column for Annovar.
        ref, alts
            The record's alleles.

        Returns
        -------
        list of list of Effect
            One list per alternative allele, in the order of the text; empty where it tells nothing.

        Raises
        ------
        AnnotationError
            If an entry is malformed, names a term that the annotator does not have, or belongs to no allele.
        """

    @abstractmethod
    def selected(self, text: str, ref: str, alts: Sequence[str], rule: str) -> list[list[Effect]]:
        """The effects of every alternative allele that count, see `gi_lib.encoding.vocabulary.select`.

        Same as to select from what `parse` returns, but quick, and without distances (all are 0). The lists are
        shared between calls and must not be changed.
        """


class _Entry(NamedTuple):
    """One entry of an annotation, but for its gene and its distance."""

    allele: int | None  # index of the alternative allele; None: all of them
    terms: str
    coding: bool
    column: int  # where its gene and its distance stand


class _Pick(NamedTuple):
    """An effect whose gene and distance stand in a column."""

    column: int
    variant_type: str
    term: str


class _EntryParser(Parser):
    """A parser of annotations that consist of entries, each with terms, a gene, a biotype and a distance."""

    table: dict[str, Meaning]

    def __init__(self, genes: str = "id"):
        if genes not in GENES:
            raise ValueError(f"genes is {genes!r}; allowed are {', '.join(GENES)}.")
        self.genes = genes
        self._plans: dict[Hashable, list[_Plan]] = {}

    @abstractmethod
    def _read(
        self, text: str, ref: str, alts: Sequence[str]
    ) -> tuple[Hashable, Sequence[str], Sequence[str]]:
        """What decides the effects beside the lengths of the alleles; and the gene and the distance of each entry."""

    @abstractmethod
    def _entries(self, heads: Hashable, n_alleles: int) -> list[_Entry]:
        """Entries that belong to the record's alleles."""

    def _name(self, gene: str) -> str:
        """Name of a gene as it is counted."""
        return _bare(gene)

    def parse(self, text: str, ref: str, alts: Sequence[str]) -> list[list[Effect]]:
        """All effects of every alternative allele; see `Parser`."""
        heads, genes, distances = self._read(text, ref, alts)
        return [
            [
                Effect(
                    self._name(genes[column]),
                    found,
                    term,
                    _number(distances[column]) if found in _MEASURED else 0,
                )
                for column, found, term in picks
            ]
            for picks in self._picks(heads, _growths(ref, alts))
        ]

    def selected(self, text: str, ref: str, alts: Sequence[str], rule: str) -> list[list[Effect]]:
        """The effects of every alternative allele that count; see `Parser`."""
        heads, genes, distances = self._read(text, ref, alts)
        is_plain = len(alts) == 1 and len(alts[0]) == len(ref)
        growths = _SAME_LENGTH if is_plain else _growths(ref, alts)
        try:
            plans = self._plans[rule, growths, heads]
        except KeyError:
            plans = self._remember((rule, growths, heads))
        found = []
        for plan in plans:
            picks = plan.fixed
            if picks is None:
                picks = plan.choose(genes, distances)
            effects = [Effect(self._name(genes[column]), kind, term) for column, kind, term in picks]
            if len(effects) > 1:
                effects = unique(introns_give_way(effects) if rule == "precedence" else effects)
            found.append(effects)
        return found

    def _remember(self, key: tuple[str, tuple[int, ...], Hashable]) -> list["_Plan"]:
        rule, growths, heads = key
        plans = [_Plan(picks, rule) for picks in self._picks(heads, growths)]
        if len(self._plans) >= REMEMBERED:
            self._plans.clear()
        self._plans[key] = plans
        return plans

    def _picks(self, heads: Hashable, growths: Sequence[int]) -> list[list[_Pick]]:
        """Effects of every allele."""
        found: list[list[_Pick]] = [[] for _ in growths]
        for entry in self._entries(heads, len(growths)):
            for allele in range(len(growths)) if entry.allele is None else (entry.allele,):
                found[allele] += self._of_entry(entry, growths[allele])
        return found

    def _of_entry(self, entry: _Entry, growth: int) -> list[_Pick]:
        terms = entry.terms.replace("+", "&").split("&")
        meanings = [self._meaning(term) for term in terms]
        is_companion = [isinstance(m, NoCounterpart) and m.companion for m in meanings]
        if not all(is_companion):
            terms = [term for term, companion in zip(terms, is_companion, strict=True) if not companion]
        return [
            _Pick(
                entry.column,
                variant_type(term, self.table, self.name, growth=growth, coding=entry.coding),
                term,
            )
            for term in terms
        ]

    def _meaning(self, term: str) -> Meaning:
        meaning = self.table.get(term)
        if meaning is None:
            raise unknown_term(term, self.table, self.name)
        return meaning

    def _malformed(self, entry: str, expected: str) -> AnnotationError:
        return AnnotationError(f"{self.name} entry {shown(entry, 80)} is malformed: expected {expected}.")


class _Plan:
    """Which effects of an allele count, as far as distances do not matter.

    Distances decide no more than which flanking genes are in reach and which intergenic effect has the nearest gene;
    each such outcome is selected from once.
    """

    __slots__ = ("fixed", "known", "open", "picks", "rule")

    def __init__(self, picks: list[_Pick], rule: str):
        self.picks, self.rule = picks, rule
        self.known: dict[tuple[int, ...], list[_Pick]] = {}
        self.open = [
            (pick.column, -1 if pick.variant_type == "intergenic" else FLANK)
            for pick in picks
            if pick.variant_type in _MEASURED
        ]
        self.fixed = self._select(-1, ()) if self._is_settled() else None

    def _is_settled(self) -> bool:
        """Whether distances can change nothing."""
        best = min((rank(Effect("", kind, term)) for _, kind, term in self.picks), default=0)
        return not self.open or (self.rule == "precedence" and best < REGION_RANKS["upstream"])

    def choose(self, genes: Sequence[str], distances: Sequence[str]) -> list[_Pick]:
        """Select with the genes and distances of one record."""
        in_reach, nearest, least = [], -1, 2 * _WITHOUT_GENE
        try:
            for column, reach in self.open:
                text = distances[column]
                distance = abs(int(text)) if text else 0
                if distance <= reach:
                    in_reach.append(column)
                else:
                    order = (distance or UNSTATED) + (0 if genes[column] else _WITHOUT_GENE)
                    if order < least:
                        nearest, least = column, order
        except ValueError:
            raise _no_number(text) from None
        if in_reach and self.rule == "precedence":
            nearest = -1  # hidden
        key = (nearest, *in_reach)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._select(nearest, in_reach)
        return found

    def _select(self, nearest: int, in_reach: Sequence[int]) -> list[_Pick]:
        """Select, whatever the genes: columns stand in their place, and distances that have the same outcome."""
        effects = [
            Effect(
                str(column),
                kind,
                term,
                0 if column in in_reach or kind not in _MEASURED else FLANK + (1 if column == nearest else 2),
            )
            for column, kind, term in self.picks
        ]
        return [_Pick(int(e.gene), e.variant_type, e.term) for e in select(effects, self.rule)]


def _growths(ref: str, alts: Sequence[str]) -> tuple[int, ...]:
    """Whether alleles are longer (1), shorter (-1) or as long as REF (0)."""
    return tuple([(len(alt) > len(ref)) - (len(alt) < len(ref)) for alt in alts])


def _number(text: str) -> int:
    if not text:
        return 0
    try:
        return abs(int(text))
    except ValueError:
        raise _no_number(text) from None


def _no_number(text: str) -> AnnotationError:
    return AnnotationError(f"The distance {shown(text)} is not a whole number of base pairs.")


def _bare(gene: str) -> str:
    """Name of a gene without what GFF3 files put in front of it."""
    if gene.startswith(_PREFIXES):
        for prefix in _PREFIXES:
            gene = gene.removeprefix(prefix)
    return gene


def _one_gene(name: str) -> str:
    """The gene of an intergenic entry, which may name both neighbours ("A-B")."""
    name = name.removeprefix("CHR_START-").removesuffix("-CHR_END")
    return "" if "-" in name.removeprefix("gene-") or "..." in name else name


def _is_symbolic(alt: str) -> bool:
    """Whether an allele is none that an annotator would name by its bases."""
    return alt in ("*", ".") or alt.startswith("<") or "[" in alt or "]" in alt


def _version_off(transcript: str) -> str:
    """Name of the gene in a transcript's: without ``.1``."""
    gene, dot, version = transcript.rpartition(".")
    return gene if dot and version.isdigit() else transcript


# --------------------------------------------------------------------------------- tables of fields: ANN, CSQ


class _FieldParser(_EntryParser):
    """Entries of the same number of fields each, separated by commas; fields by bars.

    Parameters
    ----------
    fields
        Their names.
    genes
        See `parser`.
    """

    # Fields that are read; of genes the first, and the second where it is empty.
    allele_field: str
    term_field: str
    biotype_field: str
    distance_field: str
    gene_fields: tuple[str, str]

    def __init__(self, fields: Sequence[str], genes: str):
        super().__init__(genes)
        self._step = len(fields) - 1
        self._at = {field: i for i, field in enumerate(fields)}
        self._allele_column = self._at[self.allele_field]
        self._read_fields = (self.term_field, self.gene_fields[0], self.biotype_field, self.distance_field)
        # The first and the last field need more care; where none of the four is one of them, these slices do.
        inner = all(0 < self._at.get(field, 0) < self._step for field in self._read_fields)
        self._inner = [slice(self._at[f], None, self._step) for f in self._read_fields] if inner else None

    def _expected_alleles(self, ref: str, alts: Sequence[str]) -> dict[str, int]:
        """What the allele field holds → index of the alternative allele."""
        return {alt: i for i, alt in reversed(list(enumerate(alts)))}

    def _expected_allele(self, ref: str, alt: str) -> str:
        """The same for the only alternative allele."""
        return alt

    def _read(
        self, text: str, ref: str, alts: Sequence[str]
    ) -> tuple[Hashable, Sequence[str], Sequence[str]]:
        fields, step = text.split("|"), self._step
        # All entries at once: the last field of one and the first of the next stay together, joined by a comma.
        joints = fields[step:-1:step]
        n = len(joints) + 1
        if len(fields) != step * n + 1:
            raise self._broken(text)
        if self._inner is None:
            columns = (self._column(fields, joints, self._at.get(field)) for field in self._read_fields)
            terms, genes, biotypes, distances = columns
        else:
            term, gene, biotype, distance = self._inner
            terms, genes, biotypes, distances = fields[term], fields[gene], fields[biotype], fields[distance]
        if "" in genes:
            other = self._column(fields, joints, self._at.get(self.gene_fields[1]))
            genes = [gene or name for gene, name in zip(genes, other, strict=True)]
        if "intergenic" in text:
            genes = [
                _one_gene(gene) if "intergenic" in term else gene
                for gene, term in zip(genes, terms, strict=True)
            ]
        alleles = self._alleles(fields, joints, ref, alts)
        if biotypes.count("protein_coding") == n:
            biotypes = ()  # the usual case has a shorter key
        return (alleles, n, *terms, *biotypes), genes, distances

    def _alleles(
        self, fields: list[str], joints: list[str], ref: str, alts: Sequence[str]
    ) -> tuple[int | None, ...] | None:
        """Index of the allele of every entry, see `_match`; None where all are for the only one there is."""
        index = self._allele_column
        only = self._expected_allele(ref, alts[0]) if len(alts) == 1 else None
        if index == 0 and fields[0] == only and joints.count(f",{only}") == len(joints):
            return None
        return tuple(self._match(self._column(fields, joints, index), ref, alts))

    def _column(self, fields: list[str], joints: list[str], index: int | None) -> list[str]:
        """One field of every entry; empty where the format does not have it."""
        if index is None:
            return [""] * (len(joints) + 1)
        if 0 < index < self._step:
            return fields[index :: self._step]
        halves = [joint.partition(",") for joint in joints]
        if any(not comma or "," in rest for _, comma, rest in halves):
            raise self._broken("|".join(fields))
        if index == 0:
            return [fields[0], *(half[2] for half in halves)]
        return [*(half[0] for half in halves), fields[-1]]

    def _broken(self, text: str) -> AnnotationError:
        entries = text.split(",")
        wrong = next((e for e in entries if e.count("|") != self._step), entries[0])
        return self._malformed(wrong, f"{self._step + 1} fields between bars")

    def _entries(self, heads: Hashable, n_alleles: int) -> list[_Entry]:
        alleles, n, *rest = heads
        terms, biotypes = rest[:n], rest[n:] or ["protein_coding"] * n
        index = [0] * n if alleles is None else alleles
        return [
            _Entry(index[column], terms[column], self._is_coding(*entry), column)
            for column, entry in enumerate(zip(biotypes, terms, strict=True))
            if index[column] is not None
        ]

    def _is_coding(self, biotype: str, terms: str) -> bool:
        """Whether the transcript makes a protein; some files tell it by a term only."""
        return is_coding(biotype) and not {"non_coding_transcript_variant", "nc_transcript_variant"} & set(
            terms.split("&")
        )

    def _match(self, alleles: Sequence[str], ref: str, alts: Sequence[str]) -> list[int | None]:
        """Index of the alternative allele of every entry; None where it belongs to none of the record.

        Entries for other alleles stay behind when a record is split; they are an error only where one of the
        record's alleles lacks its own.
        """
        expected = self._expected_alleles(ref, alts)
        found = [expected.get(allele, expected.get(allele.partition("-")[0] or allele)) for allele in alleles]
        lacking = [alt for i, alt in enumerate(alts) if i not in found and not _is_symbolic(alt)]
        if None in found and lacking:
            raise AnnotationError(
                f"{self.name} entry for allele {shown(alleles[found.index(None)])} belongs to no ALT of the record, "
                f"and ALT {shown(lacking[0])} has no entry; annotate the file as it is now."
            )
        return found


_ANN_FIELDS = (
    "Allele", "Annotation", "Impact", "Gene_Name", "Gene_ID", "Feature_Type", "Feature_ID", "Transcript_BioType",
    "Rank", "HGVS.c", "HGVS.p", "cDNA", "CDS", "AA", "Distance", "Errors",
)  # fmt: skip


class SnpEffAnn(_FieldParser):
    """SnpEff's ``ANN``.

    Examples
    --------
    >>> entry = "T|missense_variant|MODERATE|TIR1|AT3G62980|transcript|AT3G62980.1|protein_coding|1/3|c.14C>T|" \\
    ...         "p.Ala5Val|14/2304|14/1785|5/594||"
    >>> SnpEffAnn().parse(entry, "C", ["T"])
    [[Effect(gene='AT3G62980', variant_type='nonsynonymous', term='missense_variant', distance=0)]]
    """

    kind = key = "ANN"
    name = "SnpEff"
    table = SNPEFF_TYPES
    allele_field, term_field = "Allele", "Annotation"
    biotype_field, distance_field = "Transcript_BioType", "Distance"

    def __init__(self, genes: str = "id"):
        self.gene_fields = ("Gene_ID", "Gene_Name") if genes == "id" else ("Gene_Name", "Gene_ID")
        super().__init__(_ANN_FIELDS, genes)


class Vep(_FieldParser):
    """VEP's ``CSQ``.

    Parameters
    ----------
    description
        Description in the header, which lists the fields: ``Format: Allele|Consequence|…``.
    genes
        ``id``: genes are named by ``Gene``; ``name``: by ``SYMBOL``. Where it is empty, by the other one.

    Raises
    ------
    AnnotationError
        If the description lists no fields, or not those that are needed.
    """

    kind = key = "CSQ"
    name = "VEP"
    table = VEP_TYPES
    term_field, biotype_field, distance_field = "Consequence", "BIOTYPE", "DISTANCE"

    def __init__(self, description: str, genes: str = "id"):
        listed = description.partition("Format:")[2].strip().strip('"').strip()
        fields = [field.strip() for field in listed.split("|")] if listed else []
        for needed in (("Consequence",), ("Allele", "ALLELE_NUM"), ("Gene", "SYMBOL")):
            if not set(needed) & set(fields):
                raise AnnotationError(
                    f"The header describes CSQ as {shown(description, 300)}, without the field {' or '.join(needed)}; "
                    "needed is a list such as Format: Allele|Consequence|Gene."
                )
        self.allele_field = "ALLELE_NUM" if "ALLELE_NUM" in fields else "Allele"
        self.gene_fields = ("Gene", "SYMBOL") if genes == "id" else ("SYMBOL", "Gene")
        super().__init__(fields, genes)

    def _expected_allele(self, ref: str, alt: str) -> str:
        if self.allele_field == "ALLELE_NUM":
            return "1"
        if len(alt) == len(ref) or alt[0] != ref[0]:
            return alt
        return alt[1:] or "-"

    def _expected_alleles(self, ref: str, alts: Sequence[str]) -> dict[str, int]:
        if self.allele_field == "ALLELE_NUM":
            return {str(i): i - 1 for i in range(1, len(alts) + 1)}
        expected: dict[str, int] = {}
        shared = any(len(alt) != len(ref) for alt in alts) and all(
            _is_symbolic(alt) or alt[0] == ref[0] for alt in alts
        )
        if shared:  # VEP leaves out the first base of an indel where all alleles have it
            for i, alt in enumerate(alts):
                expected.setdefault(alt if _is_symbolic(alt) else alt[1:] or "-", i)
        for i, alt in enumerate(alts):
            expected.setdefault(alt, i)
        for i, alt in enumerate(alts):
            expected.setdefault(reduce_alleles(0, ref, alt)[2] or "-", i)
        return expected

    def _match(self, alleles: Sequence[str], ref: str, alts: Sequence[str]) -> list[int | None]:
        found = super()._match(alleles, ref, alts)
        if self.allele_field == "ALLELE_NUM" and None in found:
            raise AnnotationError(
                f"VEP entry has ALLELE_NUM {shown(alleles[found.index(None)])}, but the record has {len(alts)} "
                "alternative alleles; was the file split after it was annotated?"
            )
        return found


# ------------------------------------------------------------------------------------------------------- EFF

_EFF_BARS = 10  # in an entry with a genotype number, without errors and warnings


class SnpEffEff(_EntryParser):
    """SnpEff's ``EFF``, with terms of the Sequence Ontology or in the classic capitals.

    Genes are named by the transcript without its version (``genes="id"``), or by the gene's name.

    Examples
    --------
    >>> entry = "missense_variant(MODERATE|MISSENSE|gCt/gTt|A5V|594|TIR1|protein_coding|CODING|AT3G62980.1|1|1)"
    >>> SnpEffEff().parse(entry, "C", ["T"])
    [[Effect(gene='AT3G62980', variant_type='nonsynonymous', term='missense_variant', distance=0)]]
    """

    kind = key = "EFF"
    name = "SnpEff"
    table = SNPEFF_TYPES

    def _read(
        self, text: str, ref: str, alts: Sequence[str]
    ) -> tuple[Hashable, Sequence[str], Sequence[str]]:
        fields = text.split("|")
        # All entries at once: "1),intron_variant(MODIFIER" is the end of one and the beginning of the next.
        joints = fields[_EFF_BARS:-1:_EFF_BARS]
        n = len(joints)
        if len(fields) != _EFF_BARS * (n + 1) + 1 or text.count("),") != n or not text.endswith(")"):
            return self._read_each(text, alts)
        heads = fields[0], *joints, fields[-1], *fields[6::_EFF_BARS], *fields[7::_EFF_BARS]
        return heads, self._genes(fields[5::_EFF_BARS], fields[8::_EFF_BARS]), fields[2::_EFF_BARS]

    def _read_each(self, text: str, alts: Sequence[str]) -> tuple[Hashable, Sequence[str], Sequence[str]]:
        """The same entry by entry, for those with errors and warnings or without a genotype number."""
        parts = [self._split_entry(entry, alts) for entry in text.removesuffix(")").split("),")]
        if not text.endswith(")"):
            raise self._malformed(text.rsplit("),", 1)[-1], "a closing bracket")
        ends = [f"{fields[10]})" for _, fields in parts]
        begins = [f"{term}({fields[0]}" for term, fields in parts]
        joints = [f"{end},{begin}" for end, begin in zip(ends[:-1], begins[1:], strict=True)]
        distances, names, biotypes, codings, transcripts = (
            [fields[i] for _, fields in parts] for i in (2, 5, 6, 7, 8)
        )
        heads = begins[0], *joints, ends[-1], *biotypes, *codings
        return heads, self._genes(names, transcripts), distances

    def _genes(self, names: list[str], transcripts: list[str]) -> list[str]:
        """Transcripts, or names of genes and transcripts where there are none."""
        if self.genes == "id":
            return transcripts
        return [name or _version_off(t) for name, t in zip(names, transcripts, strict=True)]

    def _name(self, gene: str) -> str:
        return _bare(_version_off(gene) if self.genes == "id" else gene)

    def _split_entry(self, entry: str, alts: Sequence[str]) -> tuple[str, list[str]]:
        term, bracket, inner = entry.partition("(")
        fields = inner.split("|")
        if len(fields) == _EFF_BARS and len(alts) == 1:
            fields.append("1")  # versions that write no genotype number
        if not bracket or len(fields) <= _EFF_BARS:
            raise self._malformed(entry, "term(10 or more fields, allele)")
        return term, fields

    def _entries(self, heads: Hashable, n_alleles: int) -> list[_Entry]:
        n = (len(heads) - 1) // 3
        ends = [joint.partition("),") for joint in heads[1:n]]
        if not all(end[1] for end in ends):
            raise self._malformed(
                next(end[0] for end in ends if not end[1]), "term(10 or more fields, allele)"
            )
        begins = [heads[0], *(end[2] for end in ends)]
        numbers = [*(end[0] for end in ends), heads[n][:-1]]
        biotypes, codings = heads[n + 1 : 2 * n + 1], heads[2 * n + 1 :]
        entries = []
        for i in range(n):
            term, bracket, _ = begins[i].partition("(")
            if not bracket:
                raise self._malformed(begins[i], "term(10 or more fields, allele)")
            coding = is_coding(biotypes[i]) and codings[i] != "NON_CODING"
            entries.append(_Entry(self._allele(numbers[i], n_alleles), term, coding, i))
        return entries

    def _allele(self, number: str, n_alleles: int) -> int:
        plain = number.partition("-")[0]  # "2-1" compares a tumour with its own normal tissue
        allele = whole_number(plain)
        if allele is None or not 1 <= allele <= n_alleles:
            raise AnnotationError(
                f"SnpEff entry names allele {shown(number)}, which is malformed or none of the record's 1 to "
                f"{n_alleles}; was the file split after it was annotated?"
            )
        return allele - 1


# ------------------------------------------------------------------------------------------------------ BCSQ


class BcftoolsCsq(_EntryParser):
    """The ``BCSQ`` of bcftools csq.

    An asterisk, which marks what lies behind a stop codon of the same haplotype, makes no difference, because a
    variant counts for itself. A reference to another record (``@123``) counts nothing and is reported as ``@``.

    Examples
    --------
    >>> BcftoolsCsq().parse("missense|TIR1|AT3G62980.1|protein_coding|+|5A>5V|100C>T", "C", ["T"])
    [[Effect(gene='TIR1', variant_type='nonsynonymous', term='missense', distance=0)]]
    """

    kind = key = "BCSQ"
    name = "bcftools csq"
    table = BCSQ_TYPES

    def _read(
        self, text: str, ref: str, alts: Sequence[str]
    ) -> tuple[Hashable, Sequence[str], Sequence[str]]:
        heads, genes = [], []
        for entry in text.split(","):
            fields = entry.split("|")
            if len(fields) >= 4:
                change = self._change(fields[6], ref, alts) if len(fields) > 6 else None
                heads.append((fields[0], fields[3], change))
                genes.append(fields[1])
            elif entry[:1] == "@" and entry[1:].isdigit():
                heads.append(("@", "", None))
                genes.append("")
            else:
                raise self._malformed(entry, "consequence|gene|transcript|biotype, or @position")
        return tuple(heads), genes, ("",) * len(genes)

    def _change(self, changes: str, ref: str, alts: Sequence[str]) -> tuple[int, ...] | None:
        """Indices of the alleles that a change such as 100C>T+105A>G is about; None for all."""
        if not changes:
            return None
        plain = [change.lstrip("0123456789").partition(">") for change in changes.split("+")]
        if not all(arrow and before.isalpha() for before, arrow, _ in plain):
            raise self._malformed(changes, "DNA changes such as 100C>T, joined by +")
        if (ref, ">", alts[0]) in plain and len(alts) == 1:
            return (0,)
        least = {reduce_alleles(0, before, after)[1:] for before, _, after in plain}
        return tuple(i for i, alt in enumerate(alts) if reduce_alleles(0, ref, alt)[1:] in least)

    def _entries(self, heads: Hashable, n_alleles: int) -> list[_Entry]:
        return [
            _Entry(allele, terms.replace("*", ""), is_coding(biotype), column)
            for column, (terms, biotype, change) in enumerate(heads)
            for allele in ((None,) if change is None else change)
        ]


# --------------------------------------------------------------------------------------------------- Annovar


class AnnovarInfo(Parser):
    """Annovar's keys in a VCF, as ``table_annovar.pl -vcfinput`` writes them, one block per alternative allele.

    Parameters
    ----------
    database
        The gene table that was used: ``refGene`` in ``Func.refGene``.
    """

    kind = "ANNOVAR"
    name = "Annovar"

    def __init__(self, database: str):
        self.key = f"Func.{database}"
        self._keys = tuple(f"{column}.{database}=" for column in ANNOVAR_COLUMNS)
        self._selected: dict[Hashable, list[Effect]] = {}

    def parse(self, text: str, ref: str, alts: Sequence[str]) -> list[list[Effect]]:
        """All effects of every alternative allele; see `Parser`."""
        return [
            annovar_effects(*block, growth) if block else []
            for block, growth in self._blocks(text, ref, alts)
        ]

    def selected(self, text: str, ref: str, alts: Sequence[str], rule: str) -> list[list[Effect]]:
        """The effects of every alternative allele that count; see `Parser`."""
        return [self._choose(block, growth, rule) for block, growth in self._blocks(text, ref, alts)]

    def _choose(self, block: tuple[str, ...] | None, growth: int, rule: str) -> list[Effect]:
        if block is None:
            return []
        key = (block, growth and (1 if growth > 0 else -1), rule)
        found = self._selected.get(key)
        if found is None:
            if len(self._selected) >= REMEMBERED:
                self._selected.clear()
            effects = select(annovar_effects(*block, growth), rule)
            found = self._selected[key] = [effect._replace(distance=0) for effect in effects]
        return found

    def _blocks(self, text: str, ref: str, alts: Sequence[str]) -> list[tuple[tuple[str, ...] | None, int]]:
        """Values of Annovar's keys and the growth of every allele; None where Annovar skips the allele."""
        text = f";{text}"
        blocks = text.split(";ALLELE_END")
        if len(blocks) > 1:
            blocks.pop()  # what follows the last allele
        named = [i for i, alt in enumerate(alts) if len(blocks) == len(alts) or not _is_symbolic(alt)]
        if len(blocks) != len(named):
            raise AnnotationError(
                f"The record has {len(blocks)} blocks of Annovar's keys, but {len(alts)} alternative alleles; was the "
                "file split after it was annotated?"
            )
        found: list[tuple[tuple[str, ...] | None, int]] = [(None, 0)] * len(alts)
        for block, i in zip(blocks, named, strict=True):
            found[i] = tuple(self._value(block, key) for key in self._keys), len(alts[i]) - len(ref)
        return found

    def _value(self, block: str, key: str) -> str:
        begin = block.find(f";{key}")
        if begin < 0:
            if key in self._keys[:2]:
                raise AnnotationError(f"Annovar's block for an allele lacks {key[:-1]}.")
            return ""
        begin += len(key) + 1
        end = block.find(";", begin)
        value = block[begin:] if end < 0 else block[begin:end]
        value = value.replace(r"\x3b", ";").replace(r"\x3d", "=") if "\\" in value else value
        return "" if value == "." else value


ANNOVAR_COLUMNS = ("Func", "Gene", "GeneDetail", "ExonicFunc", "AAChange")
"""Annovar's columns that are read; the last may be lacking."""

_BRACKETS = re.compile(r"\([^()]*\)")
_DISTANCE = re.compile(r"dist=([^;,()]*)")


def annovar_effects(func: str, gene: str, detail: str, exonic: str, change: str, growth: int) -> list[Effect]:
    """Effects that a line of Annovar's tells.

    Parameters
    ----------
    func
        Where the variant lies; several regions are joined by ``;``, and so are then their genes.
    gene
        Genes, joined by ``,`` or ``;``; brackets behind them hold distances or changes of transcripts.
    detail
        Distances (``dist=10;dist=200``), where they do not stand in `gene`.
    exonic
        What it does to the protein.
    change
        Changes of transcripts (``GENE:TX:exon1:c.1A>T:p.M1L,…``); they tell to which of the genes `exonic` applies.
    growth
        Length of ALT less that of REF, base pairs.

    Raises
    ------
    AnnotationError
        If Annovar has no such term, or a distance is no number.

    Examples
    --------
    >>> annovar_effects("upstream", "A(dist=12)", "", "", "", 0)
    [Effect(gene='A', variant_type='upstream', term='upstream', distance=12)]
    """
    regions = func.split(";")
    for region in regions:
        if region not in ANNOVAR_REGIONS:
            raise unknown_term(region, ANNOVAR_REGIONS, "Annovar")
    plain = _BRACKETS.sub("", gene) if "(" in gene else gene
    groups, names = plain.split(";"), plain.replace(";", ",").split(",")
    distances = _distances(names, f"{gene};{detail}") if "dist=" in gene or "dist=" in detail else {}
    paired = len(groups) == len(regions)
    non_coding = any(region.startswith("ncRNA") for region in regions)
    effects = []
    for i, region in enumerate(regions):
        genes = groups[i].split(",") if paired else names
        genes = [name for name in genes if name not in ("", "NONE")] or [""]
        if region == "exonic":
            effects += _consequences(exonic, change, genes, growth)
            continue
        # Where a coding splice site were hit, Annovar would not mention the lesser ncRNA beside it.
        found = variant_type(region, ANNOVAR_REGIONS, "Annovar", coding=not non_coding)
        effects += [Effect(_bare(name), found, region, distances.get(name, 0)) for name in genes]
    return effects


def _distances(names: Sequence[str], text: str) -> dict[str, int]:
    """Distances of genes, which are stated in their order; none where some are lacking."""
    stated = _DISTANCE.findall(text)
    if len(stated) != len(names):
        return {}
    return {
        name: 0 if distance in ("NONE", ".") else _number(distance)
        for name, distance in zip(names, stated, strict=True)
    }


def _consequences(exonic: str, change: str, genes: list[str], growth: int) -> list[Effect]:
    if not exonic:
        raise AnnotationError(
            "Annovar calls a variant exonic without telling what it does (ExonicFunc is empty)."
        )
    term = exonic.replace("_", " ")
    meaning = ANNOVAR_CONSEQUENCES.get(term)
    if meaning is None:
        raise unknown_term(exonic, ANNOVAR_CONSEQUENCES, "Annovar")
    if change and change != "." and not change.startswith("UNKNOWN"):
        genes = list(dict.fromkeys(_gene_of(part) for part in change.split(",") if part))
    found = variant_type(term, ANNOVAR_CONSEQUENCES, "Annovar", growth=growth)
    return [Effect(_bare(name), found, term) for name in genes]


def _gene_of(change: str) -> str:
    """The gene in GENE:TX:exon1:c.1A>T:p.M1L, also where it is called gene:GENE."""
    gene, _, rest = change.partition(":")
    return rest.partition(":")[0] if gene in ("gene", "transcript") else gene


# -------------------------------------------------------------------------------------------------- choosing

_INFO_ID = re.compile(r"^##INFO=<ID=([^,>]+)", re.MULTILINE)


def detect(header_text: str) -> list[str]:
    """Kinds of annotation that the header of a VCF declares, in the order of `KINDS`.

    Examples
    --------
    >>> detect('##INFO=<ID=ANN,Number=.,Type=String,Description="effects">')
    ['ANN']
    """
    declared = set(_INFO_ID.findall(header_text))
    if any(name.startswith("Func.") for name in declared):
        declared.add("ANNOVAR")
    return [kind for kind in KINDS if kind in declared]


def parser(kind: str, header_text: str, *, genes: str = "id") -> Parser:
    """The reader of one kind of annotation.

    Parameters
    ----------
    kind
        One of `KINDS`.
    header_text
        The header of the VCF, which tells the fields of ``CSQ`` and the gene table of Annovar. Of several gene
        tables the first counts.
    genes
        Whether genes are named by ``id`` or ``name``, for annotators that tell both.

    Raises
    ------
    AnnotationError
        If the header lacks what is needed.
    ValueError
        If the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"Unknown annotation {kind!r}; allowed are {', '.join(KINDS)}.")
    if kind == "CSQ":
        found = re.search(r'^##INFO=<ID=CSQ,.*?Description="([^"]*)"', header_text, re.MULTILINE)
        if found is None:
            raise AnnotationError(
                "The header does not describe CSQ, so the order of its fields is not known."
            )
        return Vep(found.group(1), genes)
    if kind == "ANNOVAR":
        tables = [name[5:] for name in _INFO_ID.findall(header_text) if name.startswith("Func.")]
        if not tables:
            raise AnnotationError(
                "The header does not declare Func.TABLE, so Annovar's gene table is not known."
            )
        return AnnovarInfo(tables[0])
    return {"ANN": SnpEffAnn, "EFF": SnpEffEff, "BCSQ": BcftoolsCsq}[kind](genes)
