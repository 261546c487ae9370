"""Files of genotypes as a panel: the dosage of every marker with two alleles, and no genes."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.datasets.foreign import listed, shown
from gi_lib.encoding import kernels
from gi_lib.encoding.plan import EncodingError
from gi_lib.encoding.sources import Block, SourceError, open_source
from gi_lib.encoding.tables import Tables, read_table

TABLE_ENDINGS = (".csv", ".tsv")
_PLACE = re.compile(r"(?:chr)?(\w+?)[:_]([0-9]{1,12})", re.IGNORECASE)
_DOSAGES = {f"{value}{end}": value for value in (0, 1, 2) for end in ("", ".0")}
_DOSAGES |= dict.fromkeys(("", "NA", "NaN", "nan", "."), MISSING_DOSAGE)
_NONE = 254  # a cell that is no dosage


def read_panel(
    inputs: Sequence[str | Path], tables: Tables | None = None, pass_only: bool = True
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Read dosages.

    Parameters
    ----------
    inputs
        VCF, BCF, VCF Zarr or PLINK ``.bed``; or CSV or TSV with the column ``sample``, a column for each marker and the
        dosages 0, 1 and 2, an empty cell where one is missing. The names of such columns give the place of a marker
        where they are of the form ``1:12345`` or ``chr1_12345``. Files of the same samples in the same order add up,
        such as one for each chromosome.
    tables
        Accessions and traits.
    pass_only
        Leave out records whose FILTER is not PASS.

    Returns
    -------
    panel : xarray.Dataset
        See `gi_lib.datasets.cohort`.
    steps : pandas.DataFrame
        Columns ``step`` and ``markers``: how many records were read, and left after each step.

    Raises
    ------
    EncodingError
        If no marker is left, files differ in their samples, a dosage is none, or a table is not as it should be.
    SourceError
        If a file cannot be read as genotypes.
    """
    if not inputs:
        raise EncodingError("There is no file to read.")
    parts, samples = [], None
    counted = {"records": 0, "FILTER is PASS": 0, "two alleles": 0}
    for path in map(Path, inputs):
        names, part = (
            _read_table(path) if path.suffix in TABLE_ENDINGS else _read_source(path, pass_only, counted)
        )
        if path.suffix in TABLE_ENDINGS:
            for step in counted:
                counted[step] += part.sizes["marker"]
        if samples is not None and names != samples:
            raise EncodingError(
                f"{path.name} has other samples than {Path(inputs[0]).name}, or in another order."
            )
        samples = names
        parts.append(part)
    panel = xr.concat(parts, "marker").assign_coords(sample=np.array(samples, str))
    if not panel.sizes["marker"]:
        raise EncodingError("No record has two alleles and passes the filter, so there is no marker.")
    if not pass_only:
        del counted["FILTER is PASS"]
    steps = pd.DataFrame(counted.items(), columns=["step", "markers"])
    source = f"{panel.sizes['marker']:,} markers with two alleles."
    return (tables or Tables(name="panel")).cohort(panel, source), steps


def _read_source(path: Path, pass_only: bool, counted: dict[str, int]) -> tuple[list[str], xr.Dataset]:
    source = open_source(path)
    blocks = []
    for stretch in source.stretches():
        for block in source.blocks(stretch):
            counted["records"] += len(block.ref)
            kept = block.passed if pass_only else np.ones(len(block.ref), bool)
            counted["FILTER is PASS"] += int(kept.sum())
            kept = kept & np.array([len(alts) == 1 for alts in block.alts], bool)
            counted["two alleles"] += int(kept.sum())
            blocks.append(_dosages(block, kept, path.name))
    dosage, chromosome, position = (
        zip(*blocks, strict=True) if blocks else ([np.empty((0, len(source.samples)), np.uint8)], [[]], [[]])
    )
    return source.samples, _markers(
        np.concatenate(dosage).T, np.concatenate(chromosome), np.concatenate(position)
    )


def _dosages(block: Block, kept: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copies of the alternative allele (marker, sample), and the places."""
    genotypes = block.genotypes[kept]
    copies = (genotypes == 1).sum(axis=1)
    absent = (genotypes == kernels.ABSENT).sum(axis=1)
    missing = (genotypes == kernels.MISSING).any(axis=1)
    ploidy = genotypes.shape[1] - absent
    if (ploidy > 2).any():
        record = int(np.flatnonzero(kept)[np.argmax((ploidy > 2).any(axis=1))])
        raise SourceError(
            f"{name}: a sample has more than two copies at {block.where(record)}; dosages go up to 2."
        )
    # One copy, of a haploid call, counts as two alike.
    dosage = np.where(ploidy == 1, 2 * copies, copies).astype(np.uint8)
    dosage[missing | (ploidy == 0)] = MISSING_DOSAGE
    chromosome = np.array(block.contigs)[block.contig[kept]]
    return dosage, chromosome, block.position[kept]


def _read_table(path: Path) -> tuple[list[str], xr.Dataset]:
    table = read_table(path)
    if not len(table):
        raise EncodingError(f"{path.name} has no row of a sample.")
    # Each text that occurs once: an array of text would be as wide everywhere as the longest cell.
    codes, texts = pd.factorize(table.to_numpy(object).reshape(-1))
    dosage = np.array([_DOSAGES.get(text, _NONE) for text in texts], np.uint8)[codes].reshape(table.shape)
    if (dosage == _NONE).any():
        row, column = np.argwhere(dosage == _NONE)[0]
        raise EncodingError(
            f"{path.name}: {listed([table.columns[column]])} of sample {shown(table.index[row])} is "
            f"{shown(table.iat[row, column])}; allowed are 0, 1, 2, or an empty cell."
        )
    places = [_PLACE.fullmatch(name) for name in table.columns]
    chromosome = np.array([place[1] if place else "" for place in places], str)
    position = np.array([int(place[2]) if place else 0 for place in places], np.int64)
    return table.index.tolist(), _markers(dosage, chromosome, position)


def _markers(dosage: np.ndarray, chromosome: np.ndarray, position: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {"dosage": (("sample", "marker"), dosage)},
        coords={
            "chromosome": ("marker", np.asarray(chromosome, str)),
            "position": ("marker", np.asarray(position, np.int64)),
        },
    )
