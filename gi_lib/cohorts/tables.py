"""Tables of labels as others publish them, read strictly: a fault is one sentence, never a shifted column."""

import csv
import re
from collections import Counter
from typing import TextIO

import numpy as np
import pandas as pd

from gi_lib.datasets.registry import DataError

_MISSING = ("", "na", "nan", "n/a", "null", ".")


def read_table(text: TextIO, name: str, accession: str) -> pd.DataFrame:
    """Read a table with a column of ecotype numbers.

    Parameters
    ----------
    text
        CSV with one line of column names.
    name
        Of the file, for messages.
    accession
        The column of ecotype numbers.

    Returns
    -------
    pandas.DataFrame
        Cells as text without blanks around them, by ecotype number; a number may occur in several rows.

    Raises
    ------
    DataError
        If a column stands twice, the column of ecotype numbers is missing, a row has more or fewer cells
        than there are columns, or no ecotype number.
    """
    reader = csv.reader(text, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num:,}: {error}.") from None
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise DataError(f"{name} is empty.")
    (_, columns), *rows = rows
    _check_columns(columns, name, accession)
    for line, row in rows:
        if len(row) != len(columns):
            raise DataError(
                f"{name}, line {line:,}: {len(row)} cells; the first line names {len(columns)} columns."
            )
    table = pd.DataFrame([row for _, row in rows], columns=columns, dtype=object)
    # A spreadsheet may have made 6909.0 of 6909.
    numbers = [re.sub(r"\.0+$", "", number) for number in table.pop(accession)]
    if "" in numbers:
        raise DataError(f"{name}, line {rows[numbers.index('')][0]:,}: no {accession}.")
    return table.set_axis(pd.Index(numbers, dtype=object, name=accession))


def _check_columns(columns: list[str], name: str, accession: str) -> None:
    if accession not in columns:
        raise DataError(f"{name} has no column {accession!r}; it has {_some(columns)}.")
    column, times = Counter(columns).most_common(1)[0]
    if times > 1:
        raise DataError(f"{name} has {times} columns {column!r}; the names of columns must be unique.")


def _some(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def require_columns(table: pd.DataFrame, columns: list[str], name: str) -> None:
    """Raise a `DataError` where a table lacks columns."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise DataError(
            f"{name} has no column {' and none '.join(map(repr, missing))}; it has "
            f"{_some([str(table.index.name), *table.columns])}."
        )


def numbers_of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The cells of a table as numbers; an empty cell, ``NA``, ``NaN`` or the like is NaN.

    Raises
    ------
    DataError
        If a cell is something else, or infinite.
    """
    numbers = np.full(table.shape, np.nan)
    for i, column in enumerate(table):
        cells = table[column]
        missing = cells.str.lower().isin(_MISSING).to_numpy()
        numbers[:, i] = pd.to_numeric(cells.where(~missing, np.nan), errors="coerce")
        wrong = ~np.isfinite(numbers[:, i]) & ~missing
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{name}: {column} of accession {table.index[row]} is {cells.iloc[row]!r}; needed is a number, or an "
                "empty cell."
            )
    return pd.DataFrame(numbers, index=table.index, columns=table.columns)


def mean_of(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    n = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
