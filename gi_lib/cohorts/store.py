"""Cohorts kept on disk, under a hash of what they are made from."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import xarray as xr
from threadpoolctl import threadpool_limits

from gi_lib.datasets.cohort import CohortError, open_cohort
from gi_lib.datasets.registry import (
    cache_dir,
    cache_or_elsewhere,
    fetch,
    find,
    local_path,
    recorded_sha256,
    sha256_of,
)
from gi_lib.process import locked, make_folder

CODE = Path(__file__).parent.parent
"""Folder of the package."""


def is_own(name: str) -> bool:
    """Whether a name stands for a cohort of one's own: a Zarr folder, such as ``gi encode`` writes."""
    return name.endswith(".zarr")


def keep_cohort(name: str, write: Callable[[Path], object]) -> xr.Dataset:
    """Read a cohort from the cache; where it is not there, or damaged, let `write` make it first.

    It is made on one thread of the numerical libraries, so that it is the same to the bit wherever it was made.

    Parameters
    ----------
    name
        Of the folder in the cache, without its ending. Two processes never make the same one at once.
    write
        Writes a cohort to the path that it is given.

    Raises
    ------
    DataError
        If the cache cannot be written.
    """
    path = cache_dir() / "cohorts" / f"{name}.zarr"
    with cache_or_elsewhere(), locked(make_folder(path.parent) / f"{name}.lock"):
        if path.exists():
            try:
                return open_cohort(path)
            except CohortError:  # damaged on disk: make it again
                shutil.rmtree(path)
        with threadpool_limits(1):  # sums of BLAS depend on the number of threads in their last digits
            write(path)
        return open_cohort(path)


def hash_recipe(sources: Iterable[Path], files: Iterable[str], first: bytes = b"") -> str:
    """Hash of the code and the data that a cohort is made from.

    Parameters
    ----------
    sources
        Python files, in any order.
    files
        Data files as the registry names them. One without a pinned sha256 is fetched, unless it was fetched before
        and is gone: what was made from it can still be read.
    first
        Hashed before the rest.

    Raises
    ------
    DataUnavailable
        If a file without a pinned sha256 cannot be had.
    """
    digest = hashlib.sha256(first + Path(__file__).read_bytes())
    for source in sorted(sources):
        digest.update(source.read_bytes())
    for file in files:
        digest.update(_sha256(file).encode())
    return digest.hexdigest()


def _sha256(file: str) -> str:
    if find(file).sha256 is None:
        recorded = recorded_sha256(file)
        if recorded is not None and local_path(file) is None:
            return recorded
        fetch(file)
    return sha256_of(file)
