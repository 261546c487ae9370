"""The 1,135 accessions of the 1001 Genomes: real genomes, places and traits.

Genomes are the 22,000 random SNPs of the panel, placed on TAIR10 genes by region. Their alleles are not known, so a
SNP in a coding exon has no consequence; the variant types are regions.
"""

import re

import numpy as np
import pandas as pd
import rdata
import xarray as xr

from gi_lib.datasets.cohort import validate_cohort
from gi_lib.datasets.registry import fetch
from gi_lib.encoding import count_per_gene, read_gff3, unknown_consequences

FILES = tuple(
    f"arabidopsis/{name}"
    for name in (
        "accessions_1001g.csv",
        "X_Mix.rda",
        "TAIR10_GFF3_genes.tar.xz",
        "flowering_time_16.csv",
        "phenotype_published_raw.tsv",
    )
)


def arabidopsis() -> xr.Dataset:
    """Build the cohort of real accessions, genomes and traits.

    Returns
    -------
    xarray.Dataset
        1,135 accessions; genes that carry at least one of the SNPs; region types; flowering time at 16 °C
        (``flowering_time_16C``, days) and the 107 traits of Atwell et al. 2010, mostly missing; ``dosage`` 0 or 2 of
        every SNP, since accessions are inbred.

    Raises
    ------
    DataError
        If a file cannot be had or is not the pinned one.
    """
    accessions = read_accessions()
    genomes = encode_snps(accessions.index)
    traits = read_flowering_time().join(read_atwell(), how="outer").reindex(accessions.index)
    return validate_cohort(
        genomes.assign(trait_value=(("sample", "trait"), traits.to_numpy(float)))
        .assign_coords(
            trait=traits.columns.to_numpy(str),
            country=("sample", accessions["Country"].to_numpy(str)),
            latitude=("sample", accessions["Lat"].to_numpy(float)),
            longitude=("sample", accessions["Long"].to_numpy(float)),
        )
        .assign_attrs(
            name="arabidopsis",
            data_kind="real",
            source="1,135 accessions of the 1001 Genomes: 22,000 SNPs placed on TAIR10 genes by region; "
            "flowering time at 16 °C; 107 traits of Atwell et al. 2010.",
        )
    )


def encode_snps(accessions: pd.Index) -> xr.Dataset:
    """Encode the 22,000 SNPs of those accessions that are in the panel of 2,029.

    Parameters
    ----------
    accessions
        Ecotype numbers, as strings.

    Returns
    -------
    xarray.Dataset
        ``counts`` (uint8) and ``dosage`` (0 or 2), with all coordinates of genes and markers. The genes are those near
        at least one of the SNPs, whoever carries it, so that they are the same for all accessions.
    """
    accessions, carried, chromosome, position = _read_snps(accessions)
    models = read_gff3(fetch("arabidopsis/TAIR10_GFF3_genes.tar.xz"))
    placement = models.place(chromosome, position)
    types, type_names = unknown_consequences(placement)
    rows, gene = np.unique(placement.gene, return_inverse=True)
    genes = models.genes.iloc[rows]
    counts = count_per_gene(carried, placement.variant, gene, types, len(genes), len(type_names))
    return xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), counts),
            "dosage": (("sample", "marker"), carried.astype(np.uint8) * 2),
        },
        coords={
            "sample": accessions.to_numpy(str),
            "gene": genes["name"].to_numpy(str),
            "variant_type": type_names,
            "gene_chromosome": ("gene", genes["chromosome"].to_numpy(str)),
            "gene_start": ("gene", genes["start"].to_numpy(int)),
            "gene_end": ("gene", genes["end"].to_numpy(int)),
            "chromosome": ("marker", chromosome),
            "position": ("marker", position),
        },
    )


def _read_snps(accessions: pd.Index) -> tuple[pd.Index, np.ndarray, np.ndarray, np.ndarray]:
    """Accessions of the panel, whether each carries the non-reference allele, and where: the SNPs in genome order."""
    (matrix,) = rdata.read_rda(fetch("arabidopsis/X_Mix.rda")).values()
    accessions = accessions[accessions.isin(matrix.coords["dim_0"].values.astype(str))]
    # Columns are named like "1- 1283933".
    place = pd.Series(matrix.coords["dim_1"].values).str.extract(r"^(\d+)-\s*(\d+)$")
    chromosome, position = place[0].to_numpy(str), place[1].to_numpy(int)
    order = np.lexsort((position, chromosome))
    carried = matrix.sel(dim_0=accessions.to_numpy(str)).values[:, order] == 1
    return accessions, carried, chromosome[order], position[order]


def read_accessions() -> pd.DataFrame:
    """The 1,135 accessions by ecotype number: columns ``Country``, ``Lat``, ``Long`` and others, as published."""
    table = pd.read_csv(fetch("arabidopsis/accessions_1001g.csv"), dtype={"id": str, "Country": str})
    return table.set_index("id")


def read_flowering_time() -> pd.DataFrame:
    """Flowering time at 16 °C in days by ecotype number, one column: ``flowering_time_16C``."""
    table = pd.read_csv(fetch("arabidopsis/flowering_time_16.csv"), dtype={"ecotypeid": str})
    return table.set_index("ecotypeid").rename(columns={"flowering_time_16": "flowering_time_16C"})


def read_atwell() -> pd.DataFrame:
    """The 107 traits of Atwell et al. 2010 by ecotype number, in the order published, NaN where missing."""
    table = pd.read_csv(
        fetch("arabidopsis/phenotype_published_raw.tsv"),
        sep="\t",
        encoding="latin-1",
        dtype={"ecotype id": str},
    ).set_index("ecotype id")
    return table.drop(columns="nativename").rename(columns=_plain_name)


def _plain_name(column: str) -> str:
    """``32_<i>avrPphB</i>`` to ``avrPphB``: no running number, no mark-up, no blanks."""
    name = re.sub(r"<[^>]+>", "", re.sub(r"^\d+_", "", column))
    return re.sub(r"\s+", "_", name.strip())
