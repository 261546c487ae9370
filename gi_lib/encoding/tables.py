"""From genotypes to a cohort: a table of accessions and a table of traits, both optional."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gi_lib.datasets.cohort import DATA_KINDS, validate_cohort
from gi_lib.datasets.foreign import listed, one_line, shown
from gi_lib.encoding.plan import EncodingError


@dataclass(frozen=True)
class Tables:
    """What a cohort needs beside its counts or dosages.

    Parameters
    ----------
    accessions
        CSV (or TSV, by its ending) with the column ``sample`` and any of ``country``, ``latitude`` and ``longitude``
        (degrees). Unknown cells are empty.
    traits
        CSV or TSV with the column ``sample`` and one numeric column per trait. Unknown cells are empty.
    data_kind
        One of `gi_lib.datasets.cohort.DATA_KINDS`.
    name
        Name of the cohort.
    """

    accessions: str | None = None
    traits: str | None = None
    data_kind: str = "real"
    name: str = "encoded"

    def read(self, samples: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables in the order of the samples.

        Raises
        ------
        EncodingError
            If the kind of data is unknown, a table is missing, has not the columns it needs, a sample twice, none of
            the samples, or a cell that is no number.
        """
        if self.data_kind not in DATA_KINDS:
            raise EncodingError(f"data_kind is {self.data_kind!r}; allowed are {', '.join(DATA_KINDS)}.")
        accessions = _read(self.accessions, samples)
        unknown = set(accessions.columns) - {"country", "latitude", "longitude"}
        if unknown:
            raise EncodingError(
                f"{Path(self.accessions).name} has a column {shown(sorted(unknown)[0])}; allowed are sample, country, "
                "latitude and longitude (traits belong in a table of their own)."
            )
        for name in ("country", "latitude", "longitude"):
            if name not in accessions:
                accessions[name] = ""
        for name in ("latitude", "longitude"):
            accessions[name] = _numbers(accessions[name], self.accessions)
        traits = _read(self.traits, samples)
        return accessions, traits.apply(_numbers, path=self.traits)

    def cohort(self, genotypes: xr.Dataset, source: str) -> xr.Dataset:
        """The cohort of these counts or dosages; `source` is one sentence on where they come from.

        Raises
        ------
        EncodingError
            As `read`.
        CohortError
            If a place is not on the globe.
        """
        accessions, traits = self.read(genotypes["sample"].values.tolist())
        return validate_cohort(
            genotypes.assign(trait_value=(("sample", "trait"), traits.to_numpy(float).reshape(traits.shape)))
            .assign_coords(
                trait=traits.columns.to_numpy(str),
                country=("sample", accessions["country"].to_numpy(str)),
                latitude=("sample", accessions["latitude"].to_numpy(float)),
                longitude=("sample", accessions["longitude"].to_numpy(float)),
            )
            .assign_attrs(
                name=self.name,
                data_kind=self.data_kind,
                source=source,
            )
        )


def _read(path: str | None, samples: list[str]) -> pd.DataFrame:
    if path is None:
        return pd.DataFrame(index=samples)
    name, table = Path(path).name, read_table(path)
    if samples and not table.index.isin(samples).any():
        first = f"its first is {shown(table.index[0])}" if len(table) else "it has no row"
        raise EncodingError(
            f"{name} has none of the samples of the genotypes; {first}, theirs {shown(samples[0])}."
        )
    return table.reindex(samples, fill_value="")


def read_table(path: str | Path) -> pd.DataFrame:
    """Cells of a CSV, or of a TSV by its ending, as text; rows by the column ``sample``.

    Raises
    ------
    EncodingError
        If there is no such file, it is no table, rows differ in their number of cells, there is no column ``sample``,
        or a column or a sample stands twice.
    """
    path, separator = Path(path), "\t" if Path(path).suffix in (".tsv", ".txt") else ","
    name = path.name
    if not path.exists():
        raise EncodingError(f"There is no file {path}.")
    # Not by pandas, which renames a column that stands twice, shifts rows that are too long, and fills up short ones.
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, delimiter=separator)
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise EncodingError(f"{path} cannot be read: {error.strerror}.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise EncodingError(f"{name} cannot be read as a table: {one_line(error)}.") from None
    if not rows:
        raise EncodingError(f"{name} is empty.")
    (_, header), *rows = rows
    columns = pd.Index([column.strip() for column in header])
    if not columns.is_unique:
        twice = shown(columns[columns.duplicated()][0])
        raise EncodingError(f"{name} has the column {twice} twice; the names of columns must be unique.")
    for line, row in rows:
        if len(row) != len(columns):
            raise EncodingError(
                f"{name}, line {line:,}: {len(row)} cells; the first line names {len(columns)} columns."
            )
    table = pd.DataFrame([row for _, row in rows], columns=columns, dtype=object)
    if "sample" not in table:
        raise EncodingError(f"{name} has no column 'sample'; it begins with {listed(columns)}.")
    table = table.set_index(table.pop("sample").str.strip())
    if not len(table):
        raise EncodingError(f"{name} has no row of a sample.")
    if "" in table.index:
        raise EncodingError(f"{name} has a row without a sample.")
    if not table.index.is_unique:
        raise EncodingError(f"{name} has the sample {shown(table.index[table.index.duplicated()][0])} twice.")
    return table


def _numbers(column: pd.Series, path: str | None) -> pd.Series:
    missing = column.str.strip().isin(["", "NA", "NaN", "nan"])
    numbers = pd.to_numeric(column.where(~missing), errors="coerce")
    wrong = (numbers.isna() & ~missing) | np.isinf(numbers)
    if wrong.any():
        sample = column.index[wrong][0]
        raise EncodingError(
            f"{Path(path).name}: {listed([column.name])} of sample {shown(sample)} is {shown(column[sample])}; needed "
            "is a number, or an empty cell."
        )
    return numbers
