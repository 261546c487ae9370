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
    accessions = _accessions()
    carried, chromosome, position = _snps(accessions.index)
    models = read_gff3(fetch("arabidopsis/TAIR10_GFF3_genes.tar.xz"))
    placement = models.place(chromosome, position)
    types, type_names = unknown_consequences(placement)
    rows, gene = np.unique(placement.gene, return_inverse=True)
    genes = models.genes.iloc[rows]
    counts = count_per_gene(carried, placement.variant, gene, types, len(genes), len(type_names))
    traits = _traits(accessions.index)
    return validate_cohort(
        xr.Dataset(
            {
                "counts": (("sample", "gene", "variant_type"), counts),
                "trait_value": (("sample", "trait"), traits.to_numpy(float)),
                "dosage": (("sample", "marker"), carried.astype(np.uint8) * 2),
            },
            coords={
                "sample": accessions.index.to_numpy(str),
                "gene": genes["name"].to_numpy(str),
                "variant_type": type_names,
                "trait": traits.columns.to_numpy(str),
                "country": ("sample", accessions["Country"].to_numpy(str)),
                "latitude": ("sample", accessions["Lat"].to_numpy(float)),
                "longitude": ("sample", accessions["Long"].to_numpy(float)),
                "gene_chromosome": ("gene", genes["chromosome"].to_numpy(str)),
                "gene_start": ("gene", genes["start"].to_numpy(int)),
                "gene_end": ("gene", genes["end"].to_numpy(int)),
                "chromosome": ("marker", chromosome),
                "position": ("marker", position),
            },
            attrs={
                "name": "arabidopsis",
                "data_kind": "real",
                "source": "1,135 accessions of the 1001 Genomes: 22,000 SNPs placed on TAIR10 genes by region; "
                "flowering time at 16 °C; 107 traits of Atwell et al. 2010.",
            },
        )
    )


def _accessions() -> pd.DataFrame:
    table = pd.read_csv(fetch("arabidopsis/accessions_1001g.csv"), dtype={"id": str, "Country": str})
    return table.set_index("id")


def _snps(samples: pd.Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each accession carries the non-reference allele, and where each SNP is, in genome order."""
    (matrix,) = rdata.read_rda(fetch("arabidopsis/X_Mix.rda")).values()
    # Columns are named like "1- 1283933".
    place = pd.Series(matrix.coords["dim_1"].values).str.extract(r"^(\d+)-\s*(\d+)$")
    chromosome, position = place[0].to_numpy(str), place[1].to_numpy(int)
    order = np.lexsort((position, chromosome))
    carried = matrix.sel(dim_0=samples.to_numpy(str)).values[:, order] == 1
    return carried, chromosome[order], position[order]


def _traits(samples: pd.Index) -> pd.DataFrame:
    flowering = pd.read_csv(fetch("arabidopsis/flowering_time_16.csv"), dtype={"ecotypeid": str})
    atwell = pd.read_csv(
        fetch("arabidopsis/phenotype_published_raw.tsv"),
        sep="\t",
        encoding="latin-1",
        dtype={"ecotype id": str},
    ).set_index("ecotype id")
    atwell = atwell.drop(columns="nativename").rename(columns=_plain_name)
    table = flowering.set_index("ecotypeid").rename(columns={"flowering_time_16": "flowering_time_16C"})
    return table.join(atwell, how="outer").reindex(samples)


def _plain_name(column: str) -> str:
    """``32_<i>avrPphB</i>`` to ``avrPphB``: no running number, no mark-up, no blanks."""
    name = re.sub(r"<[^>]+>", "", re.sub(r"^\d+_", "", column))
    return re.sub(r"\s+", "_", name.strip())
