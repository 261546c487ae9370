"""AraPheno's collection of published traits: the source task of the ionome paper.

The archive is what AraPheno's own export writes: ``study_list.csv`` (``id``, ``name``, ...) and, for every study,
``<id>/study_<id>_values.csv`` with the columns ``accession_id``, ``replicate_id`` and one per trait, one row per
plant or mean. RNA-Seq studies are not in it.
"""

import io
import re
import zipfile
import zlib
from pathlib import Path

import pandas as pd

from gi_lib.cohorts.tables import numbers_of, read_table
from gi_lib.datasets.foreign import TooLarge, read_bounded
from gi_lib.datasets.registry import DataError

MOST_BYTES = 1 << 30  # of all tables together; those of the whole collection have a hundredth of that

_VALUES = re.compile(r"(?:^|/)study_(\d+)_values\.csv$")
_NOT_TRAITS = ("replicate_id", "obs_unit_id", "accession_name")
_ELEMENT = re.compile(
    r"(?:Li7|B1[01]|Na23|Mg2[456]|P31|S3[24]|K39|Ca4[034]|Mn55|Fe5[67]|Co59|Ni60|Cu6[35]|Zn6[4678]|As75|Se(?:77|78|82)"
    r"|Rb85|Sr88|Mo9[58]|Cd11[14])(?!\d)"
)
"""Begins the name of a trait that is the concentration of an element: symbol and mass number."""


def read_arapheno(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the traits of all studies but those of the ionome.

    A study is one of the ionome if its name says so, or if most of its traits are named like ``Na23``. Such a study
    measured what is to be predicted. The elements among the many traits of Atwell et al. 2010 stay.

    Parameters
    ----------
    path
        ``database.zip``.

    Returns
    -------
    traits : pandas.DataFrame
        Mean over the replicates, NaN where there is none; by ecotype number (str). A trait is named
        ``<name>_study<id>``, because studies share names; studies are in the order of their number.
    left_out : list of str
        Names of the ionome studies.

    Raises
    ------
    DataError
        If the archive cannot be read or is damaged, has no table of a study, or a table that is not as described.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            texts = _read_texts(archive)
    except TooLarge:
        raise DataError(f"{path.name} unpacks to more than {MOST_BYTES:,} bytes.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    # The last is a password, or a method of compression that Python lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(f"{path.name} is no archive, or damaged ({error}).") from None
    tables = {}
    for file, text in texts.items():
        if (found := _VALUES.search(file)) and text.strip():
            if (number := int(found[1])) in tables:
                raise DataError(f"{path.name} has the values of study {number} twice.")
            tables[number] = _read_study(text, f"{path.name}, {file}")
    if not tables:
        raise DataError(f"{path.name} has no table study_<number>_values.csv.")
    names = _study_names(texts, path.name)
    traits, left_out = [], []
    for number, table in sorted(tables.items()):
        name = names.get(number, f"study {number}")
        if _is_ionome(name, list(table.columns)):
            left_out.append(name)
        else:
            traits.append(table.rename(columns=lambda trait, n=number: f"{_plain(trait)}_study{n}"))
    if not traits:
        raise DataError(f"{path.name} has no study but those of the ionome.")
    table = pd.concat(traits, axis=1)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"{path.name}: two traits of one study are called {twice[0]!r}.")
    return table, left_out


def _read_texts(archive: zipfile.ZipFile) -> dict[str, str]:
    wanted = [
        name
        for name in archive.namelist()
        if _VALUES.search(name) or name.rsplit("/")[-1] == "study_list.csv"
    ]
    texts, room = {}, MOST_BYTES
    for name in wanted:
        content = read_bounded(archive.open(name), room)
        texts[name] = content.decode("utf-8-sig", "replace")
        room -= len(content)
    return texts


def _read_study(text: str, name: str) -> pd.DataFrame:
    """Means of one study by ecotype number."""
    table = read_table(io.StringIO(text, newline=""), name, "accession_id")
    table = table.drop(columns=[column for column in _NOT_TRAITS if column in table])
    return numbers_of(table, name).groupby(level=0, sort=False).mean()  # leaves NaN out


def _study_names(texts: dict[str, str], name: str) -> dict[int, str]:
    for file, text in texts.items():
        if file.endswith("study_list.csv"):
            table = read_table(io.StringIO(text, newline=""), f"{name}, {file}", "id")
            if "name" in table:
                return {
                    int(number): str(table.at[number, "name"]) for number in table.index if number.isdigit()
                }
    return {}


def _is_ionome(name: str, traits: list[str]) -> bool:
    elements = sum(bool(_ELEMENT.match(trait)) for trait in traits)
    return "ionom" in name.lower() or 2 * elements > len(traits)


def _plain(trait: str) -> str:
    return re.sub(r"\s+", "_", trait)
