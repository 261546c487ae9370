"""The data of Raimondi et al. 2024: whole genomes, leaf and seed ionome, and AraPheno's traits.

The ionome of Campos et al. 2021 cannot be fetched by a program, so this cohort is for who has downloaded it; the
genomes are 19 GB. Each file that is missing is named by one sentence that says where it is to be had.
"""

import gzip
import os
import re
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import xarray as xr

from gi_lib.cohorts.arapheno import read_arapheno
from gi_lib.cohorts.countries import UNKNOWN, country_code
from gi_lib.cohorts.store import CODE, hash_recipe, keep_cohort
from gi_lib.cohorts.tables import mean_of, numbers_of, read_table, require_columns
from gi_lib.datasets.cohort import validate_cohort
from gi_lib.datasets.foreign import one_line
from gi_lib.datasets.registry import DataError, cache_dir, fetch, sha256_of
from gi_lib.encoding import EncodingError, Settings, encode
from gi_lib.encoding.sources import SourceError, open_source
from gi_lib.process import make_folder, written_whole

TISSUES = ("leaf", "seed")
ARAPHENO = "arapheno/database.zip"
GFF3 = "arabidopsis/TAIR10_GFF3_genes.tar.xz"
FASTA = "genomes-1001/Arabidopsis_thaliana.TAIR10.dna.toplevel.fa.gz"
GENOMES = "genomes-1001/1001genomes_snp-short-indel_only_ACGTN.vcf.gz"
FILES = (*(f"ionome/{tissue}_ionome.csv" for tissue in TISSUES), ARAPHENO, GFF3, FASTA, GENOMES)
"""The largest is last, so that it is not fetched before a smaller one is found to be missing."""


def ionome() -> xr.Dataset:
    """Build the cohort of the ionome paper.

    Returns
    -------
    xarray.Dataset
        The accessions that have a genome and a label in leaf or seed (998 in the paper), in the order of the VCF; all
        genes of TAIR10 and the 17 variant types, or those that the file's own annotation names. ``trait_value``:
        ``Li7_leaf`` and so on, every element of the tables, NaN where an accession or a tissue is missing. Several
        rows of one accession are replicates: the label is their mean, and ``replicate_value`` holds them.
        ``source_trait_value``: AraPheno's traits (288 when the paper was written) but those of ionome studies.

    Raises
    ------
    DataUnavailable
        If a file is not at hand; the message says what to download and where to put it.
    DataError
        If a file is not what it should be.

    Notes
    -----
    The genomes of all accessions of the VCF are encoded once, on all cores, and kept; a run that is killed goes on
    where it was. The paper does not say whether its 998 accessions are those of both tissues or of either.
    """
    tissues = [read_tissue(fetch(f"ionome/{tissue}_ionome.csv"), tissue) for tissue in TISSUES]
    source, left_out = read_arapheno(fetch(ARAPHENO))
    labelled = pd.Index(np.concatenate([tissue.labelled() for tissue in tissues])).unique()
    # What is wrong with the tables must show now, not after hours of encoding.
    source, places = _known_of(source, labelled), _merge_places(tissues)
    genomes = _genomes_of(labelled)
    samples = genomes["sample"].values
    source, places = _known_of(source, samples), places.reindex(samples)
    studies = f" but {', '.join(left_out)}" if left_out else ""
    return validate_cohort(
        genomes.assign(
            _labels(tissues, samples)
            | {"source_trait_value": (("sample", "source_trait"), source.to_numpy(float))}
        )
        .assign_coords(
            trait=np.array([trait for tissue in tissues for trait in tissue.values]),
            source_trait=source.columns.to_numpy(str),
            country=("sample", places["country"].to_numpy(str)),
            latitude=("sample", places["latitude"].to_numpy(float)),
            longitude=("sample", places["longitude"].to_numpy(float)),
        )
        .assign_attrs(
            name="ionome",
            data_kind="real",
            source=f"{len(samples):,} accessions of the 1001 Genomes with a leaf or seed ionome (Campos et al. 2021; "
            f"{len(labelled) - len(samples)} more have no genome); as source task {source.shape[1]} traits of "
            f"AraPheno, all studies{studies}.",
        )
    )


def _known_of(source: pd.DataFrame, accessions: Sequence[str]) -> pd.DataFrame:
    """The traits of the source task that are known of any of these accessions, in their order."""
    known = source.reindex(accessions).dropna(axis=1, how="all")
    if known.empty:
        raise DataError(f"{ARAPHENO} has no trait of the accessions of the ionome.")
    return known


# --------------------------------------------------------------------------------------- tables of the ionome


@dataclass
class Tissue:
    """The ionome of one tissue.

    Attributes
    ----------
    name : str
        File it was read from, for messages.
    values : pandas.DataFrame
        One row per measurement, by ecotype number (repeated where there are replicates); columns such as
        ``Li7_leaf``, NaN where missing.
    places : pandas.DataFrame
        ``country`` (as `country_code` writes it), ``latitude`` and ``longitude`` (degrees, NaN where unknown), in the
        same rows.
    """

    name: str
    values: pd.DataFrame
    places: pd.DataFrame

    def labelled(self) -> np.ndarray:
        """Ecotype numbers with at least one value."""
        return self.values.index[self.values.notna().any(axis=1)].unique().to_numpy()


def read_tissue(path: str | Path, tissue: str) -> Tissue:
    """Read the published table of one tissue.

    Parameters
    ----------
    path
        CSV with the columns ``Ecotype_ID``, ``Country``, ``Latitude``, ``Longitude`` and one per element, such as
        ``Li7_leaf_ionome``; others are not looked at.
    tissue
        ``leaf`` or ``seed``.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing or stands twice, or a cell is not what it should be.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            table = read_table(text, path.name, "Ecotype_ID")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    require_columns(table, ["Country", "Latitude", "Longitude"], path.name)
    ending = f"_{tissue}_ionome"
    elements = [column for column in table if re.fullmatch(rf"[A-Z][a-z]?\d+{ending}", column)]
    if not elements:
        raise DataError(
            f"{path.name} has no column of an element, such as Li7{ending}; its last column is {table.columns[-1]!r}."
        )
    values = numbers_of(table[elements], path.name)
    values.columns = [column.removesuffix("_ionome") for column in elements]
    places = numbers_of(table[["Latitude", "Longitude"]], path.name)
    places.columns = ["latitude", "longitude"]
    return Tissue(path.name, values, places.assign(country=_countries(table["Country"], path.name)))


def _countries(labels: pd.Series, name: str) -> list[str]:
    codes = []
    for accession, label in labels.items():
        try:
            codes.append(country_code(label))
        except ValueError as error:
            raise DataError(f"{name}, accession {accession}: {error}") from None
    return codes


def _merge_places(tissues: Sequence[Tissue]) -> pd.DataFrame:
    """One place per accession: the first that is known, first of the leaf's table."""
    rows = pd.concat([tissue.places for tissue in tissues])
    rows["country"] = rows["country"].where(rows["country"] != UNKNOWN)
    by_accession = rows.groupby(level=0)
    differ = by_accession["country"].nunique() > 1
    if differ.any():
        accession = differ.index[differ][0]
        found = rows["country"].loc[accession].dropna().unique()
        raise DataError(
            f"{' and '.join(tissue.name for tissue in tissues)} say that accession {accession} comes from "
            f"{' and from '.join(found)}; an accession has one country."
        )
    return by_accession.first().fillna({"country": UNKNOWN})


def _labels(tissues: Sequence[Tissue], samples: np.ndarray) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Labels of the samples and, where an accession has several rows, the replicates behind them."""
    tables = [tissue.values[tissue.values.index.isin(samples)].dropna(how="all") for tissue in tissues]
    numbers = [table.groupby(level=0).cumcount().to_numpy() for table in tables]
    n_replicates = 1 + max(int(number.max(initial=0)) for number in numbers)
    measured = []
    for table, number in zip(tables, numbers, strict=True):
        values = np.full((len(samples), table.shape[1], n_replicates), np.nan)
        values[pd.Index(samples).get_indexer(table.index), :, number] = table.to_numpy()
        measured.append(values)
    replicates = np.concatenate(measured, axis=1)
    labels = {"trait_value": (("sample", "trait"), mean_of(replicates))}
    if n_replicates > 1:
        labels["replicate_value"] = (("sample", "trait", "replicate"), replicates)
    return labels


# ---------------------------------------------------------------------------------------------------- genomes


def _genomes_of(labelled: pd.Index) -> xr.Dataset:
    """Counts of the labelled accessions of the VCF, without traits.

    The encoding of all accessions is kept apart from the labels, so that a new table does not mean a new encoding.
    """
    genomes = keep_cohort(f"genomes-1001-{_genomes_recipe()[:12]}", lambda path: _encode(path, labelled))
    is_labelled = genomes["sample"].isin(labelled.to_numpy(str)).values
    _refuse_strangers(genomes["sample"].values, labelled)
    genomes = genomes.drop_vars(["trait_value", "trait"])
    genomes.attrs = {"report": genomes.attrs["report"]}
    return genomes if is_labelled.all() else genomes.isel(sample=np.flatnonzero(is_labelled))


def _refuse_strangers(samples: Sequence[str], labelled: pd.Index) -> None:
    if not labelled.isin(samples).any():
        raise DataError(
            f"{GENOMES} has none of the accessions of the ionome; its first is {str(samples[0])!r}, that of the ionome "
            f"{labelled[0]!r}."
        )


def _encode(path: Path, labelled: pd.Index) -> None:
    """Encode the VCF into a cohort without traits; by its own annotation if it has one, else by the reference."""
    gff3, fasta, vcf = (fetch(file) for file in (GFF3, FASTA, GENOMES))
    try:
        _refuse_strangers(open_source(vcf).samples, labelled)
        settings = Settings(gff3=str(gff3), fasta=str(_indexed(fasta)))
        encode(vcf, path, settings, progress="GI_BOOK_BUILD" not in os.environ)
    except (EncodingError, SourceError) as error:
        raise DataError(str(error)) from None


def _genomes_recipe() -> str:
    sources = [CODE / "datasets/cohort.py", *CODE.glob("encoding/*.py")]
    return hash_recipe(sources, (GFF3, FASTA, GENOMES))


def _indexed(fasta: Path) -> Path:
    """The reference genome in the cache, uncompressed, with an index beside it.

    The file as published is compressed in a way that cannot be read from the middle, and a mirror may be read-only.
    """
    path = cache_dir() / "cohorts" / f"TAIR10-{sha256_of(FASTA)[:12]}.fa"
    if path.exists():
        return path
    make_folder(path.parent)
    with fasta.open("rb") as handle:
        is_compressed = handle.read(2) == b"\x1f\x8b"
    with written_whole(path) as scratch, written_whole(Path(f"{path}.fai")) as index:
        try:
            with (
                gzip.open(fasta) if is_compressed else fasta.open("rb") as source,
                scratch.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
            pysam.faidx(str(scratch), "--fai-idx", str(index))
        except (EOFError, zlib.error, gzip.BadGzipFile, pysam.SamtoolsError) as error:
            raise DataError(f"{fasta.name} is no FASTA file, or damaged ({one_line(error)}).") from None
    return path  # it is there last: where it is, so is its index
