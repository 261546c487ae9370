"""Which gene and type each allele counts for: by the file's own annotation, by Annovar's tables, or by gene models."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gi_lib.encoding import report as reasons
from gi_lib.encoding.annotations import Parser
from gi_lib.encoding.annovar import AnnovarTable
from gi_lib.encoding.consequences import TYPES, OwnAnnotation
from gi_lib.encoding.gene_models import GeneModels
from gi_lib.encoding.sources import Block
from gi_lib.encoding.vocabulary import AnnotationError, Effect, select

_TYPE_CODE = {name: code for code, name in enumerate(TYPES)}


class Alleles(NamedTuple):
    """The alternative alleles of a block that are to be counted, each once."""

    record: np.ndarray  # (allele,) first record of the block in which it stands, ascending
    number: np.ndarray  # (allele,) its number in that record, 1 for the first
    ref: list[str]  # (allele,)
    alt: list[str]  # (allele,)

    def choose(self, which: np.ndarray) -> "Alleles":
        """Some of the alleles."""
        at = which.tolist()
        return Alleles(
            self.record[which], self.number[which], [self.ref[i] for i in at], [self.alt[i] for i in at]
        )


class Pairs(NamedTuple):
    """Which allele counts for which gene and type, and why the others do not."""

    allele: np.ndarray  # (pair,) index into Alleles
    gene: np.ndarray  # (pair,) number of the gene, see `Genes`
    variant_type: np.ndarray  # (pair,) index into TYPES
    left_out: dict[int, str]  # reason, for every allele without a pair
    without_counterpart: Counter[str]


class Genes:
    """Gene names and their numbers; fixed where there are gene models, growing where there are none."""

    def __init__(self, models: GeneModels | None = None):
        self.models = models
        self.names: list[str] = models.genes["name"].tolist() if models else []
        self._number = {name: number for number, name in enumerate(self.names)}

    def number(self, name: str) -> int | None:
        """Number of a gene; None if the gene models do not have it."""
        found = self._number.get(name)
        if found is None and self.models is None:
            found = self._number[name] = len(self.names)
            self.names.append(name)
        return found


class Assigner(Protocol):
    """Decides what alleles count for."""

    def assign(self, block: Block, alleles: Alleles) -> Pairs:
        """Pairs of the alleles of a block."""
        ...


class _Collector:
    """Gathers selected effects of alleles into `Pairs`."""

    def __init__(self, genes: Genes):
        self.genes = genes
        self.allele: list[int] = []
        self.gene: list[int] = []
        self.variant_type: list[int] = []
        self.left_out: dict[int, str] = {}
        self.without_counterpart: Counter[str] = Counter()
        self.to_place: list[int] = []  # alleles that the annotator gives to no gene

    def add(self, allele: int, effects: Sequence[Effect]) -> None:
        """Take what counts of one allele."""
        counted, reason = False, reasons.NO_COUNTERPART
        for effect in effects:
            if not effect.variant_type:
                self.without_counterpart[effect.term] += 1
            elif not effect.gene:
                reason = reasons.NO_GENE
            else:
                number = self.genes.number(effect.gene)
                if number is None:
                    reason = reasons.NOT_IN_GFF3
                    continue
                counted = True
                self.allele.append(allele)
                self.gene.append(number)
                self.variant_type.append(_TYPE_CODE[effect.variant_type])
        if not counted:
            if reason == reasons.NO_GENE and self.genes.models is not None:
                self.to_place.append(allele)
            else:
                self.left_out[allele] = reason

    def pairs(self, block: Block, alleles: Alleles, regions: "OwnAssigner | None") -> Pairs:
        """What was gathered, and by their place those that the annotator gives to no gene."""
        own = Pairs(
            np.array(self.allele, np.int64),
            np.array(self.gene, np.int64),
            np.array(self.variant_type, np.int64),
            self.left_out,
            self.without_counterpart,
        )
        if not self.to_place or regions is None:
            return own
        placed = regions.assign(block, alleles.choose(np.array(self.to_place)))
        back = np.array(self.to_place)
        return Pairs(
            np.concatenate([own.allele, back[placed.allele]]),
            np.concatenate([own.gene, placed.gene]),
            np.concatenate([own.variant_type, placed.variant_type]),
            own.left_out | {int(back[a]): reason for a, reason in placed.left_out.items()},
            own.without_counterpart + placed.without_counterpart,
        )


class InfoAssigner:
    """By the annotation in the INFO column: SnpEff, VEP, bcftools csq or Annovar.

    Where it names no gene, gene models place the allele, if there are any.
    """

    def __init__(self, parser: Parser, genes: Genes, rule: str):
        self.parser, self.genes, self.rule = parser, genes, rule
        self.regions = OwnAssigner(OwnAnnotation(genes.models, None, rule)) if genes.models else None
        self._start = f"{parser.key}="
        self._inside = f";{parser.key}="

    def assign(self, block: Block, alleles: Alleles) -> Pairs:
        """Pairs of the alleles of a block; see `Assigner`."""
        found, at, effects = _Collector(self.genes), -1, None
        selected, rule, info = self.parser.selected, self.rule, block.info
        for allele, (record, number) in enumerate(
            zip(alleles.record.tolist(), alleles.number.tolist(), strict=True)
        ):
            if record != at:
                at = record
                text = self._text(info[record])
                if text is None:
                    effects = self._unannotated(block, record)
                else:
                    try:
                        effects = selected(text, block.ref[record], block.alts[record], rule)
                    except AnnotationError as error:
                        raise AnnotationError(f"{block.where(record)}: {error}") from None
            if effects is None:
                if self.regions is None:
                    found.left_out[allele] = reasons.NOT_ANNOTATED
                else:
                    found.to_place.append(allele)
            else:
                found.add(allele, effects[number - 1])
        return found.pairs(block, alleles, self.regions)

    def _text(self, info: str) -> str | None:
        """The annotation's value; the whole column for Annovar, which has several keys."""
        if self.parser.kind == "ANNOVAR":
            return info if self._start in info else None
        if info.startswith(self._start):
            begin = len(self._start)
        else:
            begin = info.find(self._inside)
            if begin < 0:
                return None
            begin += len(self._inside)
        end = info.find(";", begin)
        return info[begin:] if end < 0 else info[begin:end]

    def _unannotated(self, block: Block, record: int) -> None:
        # bcftools csq annotates no intergenic record; the other annotators leave out none.
        if self.parser.kind != "BCSQ":
            raise AnnotationError(f"{block.where(record)}: the record has no {self.parser.name} annotation.")


class TableAssigner:
    """By Annovar's tables, which stand beside the file of genotypes."""

    def __init__(self, table: AnnovarTable, genes: Genes, rule: str):
        self.table, self.genes, self.rule = table, genes, rule
        self.regions = OwnAssigner(OwnAnnotation(genes.models, None, rule)) if genes.models else None

    def assign(self, block: Block, alleles: Alleles) -> Pairs:
        """Pairs of the alleles of a block; see `Assigner`."""
        found = _Collector(self.genes)
        chromosome = np.array(block.contigs, str)[block.contig[alleles.record]]
        effects = self.table.lookup(chromosome, block.position[alleles.record], alleles.ref, alleles.alt)
        for allele, of_allele in enumerate(effects):
            if of_allele is None:
                found.left_out[allele] = reasons.NOT_ANNOTATED
            else:
                found.add(allele, select(of_allele, self.rule))
        return found.pairs(block, alleles, self.regions)


class OwnAssigner:
    """By gene models, and by the genome's sequence where there is one."""

    def __init__(self, own: OwnAnnotation, skip_unknown_contigs: bool = False):
        self.own, self.skip = own, skip_unknown_contigs
        self._known = set(own.models.genes["chromosome"])

    def assign(self, block: Block, alleles: Alleles) -> Pairs:
        """Pairs of the alleles of a block; see `Assigner`."""
        parts, left_out, terms = [], {}, Counter()
        for name, which in _by_contig(block, alleles):
            if name not in self._known:
                if not self.skip:
                    known = ", ".join(sorted(self._known))
                    raise AnnotationError(
                        f"{block.where(alleles.record[which[0]])}: chromosome {name!r} is not in the GFF3, which has "
                        f"{known}; correct the names, or leave such records out with --skip-unknown-contigs."
                    )
                left_out |= dict.fromkeys(which.tolist(), reasons.UNKNOWN_CONTIG)
                continue
            chosen = alleles.choose(which)
            given = self.own.annotate(name, block.position[chosen.record], chosen.ref, chosen.alt)
            parts.append((which[given.allele], given.gene, given.variant_type))
            terms += given.left_out
            without = np.setdiff1d(np.arange(len(which)), given.allele)
            left_out |= dict.fromkeys(which[without].tolist(), reasons.NO_COUNTERPART)
        columns = (np.concatenate(c) for c in zip(*parts, strict=True)) if parts else ([], [], [])
        allele, gene, variant_type = (np.asarray(column, np.int64) for column in columns)
        return Pairs(allele, gene, variant_type, left_out, terms)


def _by_contig(block: Block, alleles: Alleles) -> Iterator[tuple[str, np.ndarray]]:
    """Chromosomes of a block, and the alleles on each in the order of their position."""
    contig, position = block.contig[alleles.record], block.position[alleles.record]
    for code in np.unique(contig):
        here = np.flatnonzero(contig == code)
        yield block.contigs[code], here[np.argsort(position[here], kind="stable")]
