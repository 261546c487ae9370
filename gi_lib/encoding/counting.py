"""Presence of variants × their place = counts per gene and type."""

import json
import zlib

import numpy as np

from gi_lib.datasets.cohort import EXONIC_UNKNOWN
from gi_lib.encoding import kernels
from gi_lib.encoding import report as reasons
from gi_lib.encoding.assign import TYPES, Alleles, Assigner, Genes, Pairs
from gi_lib.encoding.gene_models import REGIONS, Placement
from gi_lib.encoding.plan import Settings
from gi_lib.encoding.report import Report
from gi_lib.encoding.sources import Block


def count_per_gene(
    carried: np.ndarray,
    variant: np.ndarray,
    gene: np.ndarray,
    variant_type: np.ndarray,
    n_genes: int,
    n_types: int,
) -> np.ndarray:
    """Count, for every accession, the variants of each type in each gene.

    Parameters
    ----------
    carried : shape (sample, variant), bool
        Whether the accession carries the variant. A missing call is not carried.
    variant, gene, variant_type : shape (pair,), int
        Parallel arrays: this variant is of this type in this gene. A pair listed twice counts twice.
    n_genes, n_types
        Size of the result.

    Returns
    -------
    numpy.ndarray
        Shape (sample, gene, variant_type); the smallest unsigned type that holds the largest count.

    Notes
    -----
    The gene-centric encoding of Raimondi et al. 2024, *Transforming AT WGS data*.
    """
    n_samples = carried.shape[0]
    cell = gene.astype(np.int64) * n_types + variant_type
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    largest = np.diff(np.append(first, len(cell))).max(initial=0)
    dtype = np.min_scalar_type(int(largest))
    counts = np.zeros((n_samples, n_genes * n_types), dtype)
    if len(cells):
        columns = variant[order]
        for row in range(n_samples):  # row by row: the pairs of all samples at once would not fit in memory
            counts[row, cells] = np.add.reduceat(carried[row, columns], first, dtype=dtype)
    return counts.reshape(n_samples, n_genes, n_types)


def unknown_consequences(placement: Placement) -> tuple[np.ndarray, list[str]]:
    """Variant types of placed positions whose alleles are not known.

    Every region is a variant type of its own but the coding exon, which without alleles can be
    resolved no further than `EXONIC_UNKNOWN`.

    Returns
    -------
    codes : shape (pair,), int
        Index into `names` for each entry of the placement.
    names : list of str
        Types that occur, in the order of `REGIONS`.
    """
    present, codes = np.unique(placement.region, return_inverse=True)
    regions = list(REGIONS)
    return codes, [EXONIC_UNKNOWN if regions[i] == "exonic" else regions[i] for i in present]


class StretchCounter:
    """Counts one stretch: rows of (gene, type) over the samples of one file."""

    def __init__(self, n_samples: int, genes: Genes, settings: Settings):
        self.genes, self.settings, self.report = genes, settings, Report()
        self.row: dict[int, int] = {}  # gene and type as one number -> row
        self.rows = np.zeros((64, n_samples), np.uint32)
        self.extent: dict[int, tuple[str, int, int]] = {}  # of genes, where no gene models tell it
        self.keys: list[np.ndarray] = []  # of alleles, to find duplicates that stand apart
        self.contigs: list[str] = []

    def count(self, block: Block, assigner: Assigner) -> None:
        """Add a block."""
        _, pairs, copies = self.assign(block, assigner)
        rows = self._rows_of(pairs)
        kernels.add_to_rows(copies, pairs.allele, rows, self.rows, self.settings.counting == "dosage")

    def assign(self, block: Block, assigner: Assigner) -> tuple[Alleles, Pairs, np.ndarray]:
        """Alleles of a block that pass all filters, what they count for, and the copies (allele, sample) of each."""
        self.contigs = block.contigs
        alleles, places = self._alleles(block, self._filter(block))
        copies, carried, called = kernels.count_copies(block.genotypes, *places)
        is_carried = carried > 0
        minor = np.minimum(carried, called - carried) / np.maximum(called, 1)
        is_frequent = (minor > self.settings.min_maf) | (self.settings.min_maf == 0)
        self.report.alleles_left_out[reasons.NOT_CARRIED] += int((~is_carried).sum())
        self.report.alleles_left_out[reasons.RARE] += int((is_carried & ~is_frequent).sum())
        which = np.flatnonzero(is_carried & is_frequent)
        chosen = alleles.choose(which)
        pairs = assigner.assign(block, chosen)
        self._note(block, chosen, pairs)
        return chosen, pairs, copies[which]

    def _filter(self, block: Block) -> np.ndarray:
        """Records to look at."""
        keep = np.ones(len(block.position), bool)
        left_out = self.report.records_left_out
        self.report.records += len(keep)
        if self.settings.pass_only:
            left_out[reasons.FILTERED] += int((~block.passed).sum())
            keep &= block.passed
        if self.settings.min_quality is not None:
            enough = block.quality >= self.settings.min_quality  # false where QUAL is missing
            left_out[reasons.LOW_QUALITY] += int((keep & ~enough).sum())
            keep &= enough
        without = np.array([not alts for alts in block.alts], bool)
        left_out[reasons.NO_ALTERNATIVE] += int((keep & without).sum())
        keep &= ~without
        missing, half = kernels.count_calls(block.genotypes)
        self.report.calls += int(keep.sum()) * block.genotypes.shape[2]
        self.report.missing_calls += int(missing[keep].sum())
        self.report.half_calls += int(half[keep].sum())
        return np.flatnonzero(keep)

    def _alleles(self, block: Block, kept: np.ndarray) -> tuple[Alleles, tuple[np.ndarray, ...]]:
        """Alleles to count, and all places at which each stands: duplicates are one allele in several places."""
        position, contig = block.position[kept], block.contig[kept]
        tied = np.zeros(len(kept), bool)
        same = (position[1:] == position[:-1]) & (contig[1:] == contig[:-1])
        tied[1:] |= same
        tied[:-1] |= same
        record, number, refs, alts = [], [], [], []
        known: dict[tuple, int] = {}
        extra: list[tuple[int, int, int]] = []  # (allele, record, number) of further places
        left_out = self.report.alleles_left_out
        for i, is_tied in zip(kept.tolist(), tied.tolist(), strict=True):
            ref, of_record = block.ref[i], block.alts[i]
            self.report.alleles += len(of_record)
            may_repeat = is_tied or len(of_record) > 1
            for n, alt in enumerate(of_record, start=1):
                if not alt.isalpha():
                    left_out[reasons.STAR if alt == "*" else reasons.SYMBOLIC] += 1
                    continue
                if may_repeat:
                    key = (block.contig[i], block.position[i], ref, alt)
                    if key in known:
                        extra.append((known[key], i, n))
                        left_out[reasons.DUPLICATE] += 1
                        continue
                    known[key] = len(record)
                record.append(i)
                number.append(n)
                refs.append(ref)
                alts.append(alt)
        alleles = Alleles(np.array(record, np.int64), np.array(number, np.int64), refs, alts)
        self._remember(block, alleles)
        owner = np.concatenate([np.arange(len(record)), np.array([e[0] for e in extra], np.int64)])
        order = np.argsort(owner, kind="stable")
        places = np.concatenate([alleles.record, np.array([e[1] for e in extra], np.int64)])[order]
        numbers = np.concatenate([alleles.number, np.array([e[2] for e in extra], np.int64)])[order]
        first = np.searchsorted(owner[order], np.arange(len(record) + 1))
        return alleles, (places, numbers, first)

    def _remember(self, block: Block, alleles: Alleles) -> None:
        text = zip(alleles.ref, alleles.alt, strict=True)
        crc = np.array([zlib.crc32(f"{ref}>{alt}".encode()) for ref, alt in text], np.uint64)
        place = block.position[alleles.record].astype(np.uint64) << np.uint64(24)
        self.keys.append(
            np.stack([block.contig[alleles.record].astype(np.uint64), place | (crc & np.uint64(0xFFFFFF))])
        )

    def _note(self, block: Block, alleles: Alleles, pairs: Pairs) -> None:
        """Report what became of the alleles, and how far each gene reaches."""
        used = np.unique(pairs.allele)
        self.report.used += len(used)
        for reason in pairs.left_out.values():
            self.report.alleles_left_out[reason] += 1
        self.report.without_counterpart += pairs.without_counterpart
        for code, n in enumerate(np.bincount(pairs.variant_type, minlength=len(TYPES)).tolist()):
            if n:
                self.report.per_type[TYPES[code]] += n
        contig = block.contig[alleles.record]
        for code, n in enumerate(np.bincount(contig[used]).tolist() if len(used) else []):
            if n:
                self.report.per_chromosome[block.contigs[code]] += n
        if self.genes.models is None:
            position = block.position[alleles.record]
            for allele, gene in zip(pairs.allele.tolist(), pairs.gene.tolist(), strict=True):
                at, name = int(position[allele]), block.contigs[contig[allele]]
                known = self.extent.get(gene)
                if known is None:
                    self.extent[gene] = (name, at, at)
                elif known[0] == name:
                    self.extent[gene] = (name, min(known[1], at), max(known[2], at))

    def _rows_of(self, pairs: Pairs) -> np.ndarray:
        row = self.row
        cells = (pairs.gene * len(TYPES) + pairs.variant_type).tolist()
        rows = np.array([row.setdefault(cell, len(row)) for cell in cells], np.int64)
        if len(row) > len(self.rows):
            grown = np.zeros((max(len(row), 2 * len(self.rows)), self.rows.shape[1]), np.uint32)
            grown[: len(self.rows)] = self.rows
            self.rows = grown
        return rows

    def result(self) -> dict[str, np.ndarray]:
        """The stretch's counts and what the merge needs to know, as arrays."""
        rows = self.rows[: len(self.row)]
        cells = np.array(list(self.row), np.int64)
        numbers, gene = np.unique(cells // len(TYPES), return_inverse=True)
        extent = [self.extent.get(number, ("", 0, 0)) for number in numbers.tolist()]
        keys = np.concatenate(self.keys, axis=1) if self.keys else np.zeros((2, 0), np.uint64)
        return {
            "gene": np.array([self.genes.names[number] for number in numbers.tolist()], str),
            "gene_chromosome": np.array([e[0] for e in extent], str),
            "gene_extent": np.array([e[1:] for e in extent], np.int64).reshape(-1, 2),
            "cell_gene": gene,
            "cell_type": cells % len(TYPES),
            "counts": rows.astype(np.min_scalar_type(int(rows.max(initial=0)))),
            "contigs": np.array(self.contigs, str),
            "keys": keys,
            "report": np.array(json.dumps(self.report.to_dict())),
        }
