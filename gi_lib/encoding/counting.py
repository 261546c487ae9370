"""Presence of variants × their place = counts per gene and type."""

import numpy as np

from gi_lib.datasets.cohort import EXONIC_UNKNOWN
from gi_lib.encoding.gene_models import REGIONS, Placement


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
