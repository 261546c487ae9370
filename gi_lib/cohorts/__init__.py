"""The cohorts of the book, each by one name.

``simulated``
    Genomes and traits from a simulation; all is known.
``arabidopsis``
    Real accessions of the 1001 Genomes, real genomes, real traits.
``arabidopsis-simulated-traits``
    The same real accessions and genomes with a simulated ionome on top: real structure, known truth.
"""

import hashlib
import shutil
from pathlib import Path

import filelock
import numpy as np
import xarray as xr

from gi_lib.cohorts import arabidopsis as _arabidopsis
from gi_lib.datasets.cohort import CohortError, open_cohort, save_cohort
from gi_lib.datasets.registry import DataUnavailable, cache_dir, is_available, sha256_of
from gi_lib.datasets.simulate import simulate_cohort, simulate_traits

COHORTS = {
    "simulated": "simulated",
    "arabidopsis": "real",
    "arabidopsis-simulated-traits": "real genomes, simulated traits",
}
"""Name and kind of data of every cohort."""

SCALES = ("demo", "paper")


def is_own(name: str) -> bool:
    """Whether a name stands for a cohort of one's own: a Zarr folder that ``gi encode`` wrote."""
    return name.endswith(".zarr")


def resolve_cohort(name: str = "auto", real: str = "arabidopsis") -> str:
    """The cohort that ``auto`` stands for: the real one if its files can be had, else the simulated one.

    Raises
    ------
    ValueError
        If the name is unknown.
    DataError
        If a real file is at hand but is not the pinned one; damaged data is never replaced in silence.
    """
    if name != "auto":
        if name not in COHORTS and not is_own(name):
            raise ValueError(
                f"cohort is {name!r}; allowed are auto, {', '.join(COHORTS)}, or a folder NAME.zarr."
            )
        return name
    return real if is_available(*_arabidopsis.FILES) else "simulated"


def load_cohort(name: str = "simulated", scale: str = "demo", seed: int = 1) -> xr.Dataset:
    """Load a cohort, made at the first call and kept as Zarr in the cache.

    Parameters
    ----------
    name
        One of `COHORTS`, or a folder ``NAME.zarr`` that ``gi encode`` wrote; scale and seed have no effect on it.
    scale
        ``demo`` or ``paper``: the size of a simulation. The real accessions have one size; with simulated
        traits, ``demo`` keeps the seven large countries of the paper, ``paper`` all.
    seed
        Of what is simulated; without effect on real data.

    Returns
    -------
    xarray.Dataset
        See `gi_lib.datasets.cohort`; the attribute ``data_kind`` tells real from simulated.

    Raises
    ------
    ValueError
        If name or scale is unknown.
    DataUnavailable
        If the files of a real cohort cannot be had.
    CohortError
        If a folder is no cohort.
    """
    name = resolve_cohort(name)
    if is_own(name):
        return open_cohort(name)
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; allowed are {', '.join(SCALES)}.")
    if name == "arabidopsis":
        scale, seed = "paper", 0  # nothing about it is simulated
    path = cache_dir() / "cohorts" / f"{name}-{scale}-{seed}-{_recipe(name)[:12]}.zarr"
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return open_cohort(path)
            except CohortError:  # damaged on disk: make it again
                shutil.rmtree(path)
        save_cohort(_make(name, scale, seed), path)
        return open_cohort(path)


def _make(name: str, scale: str, seed: int) -> xr.Dataset:
    if name == "simulated":
        return simulate_cohort(scale, seed)
    cohort = _arabidopsis.arabidopsis()
    if name == "arabidopsis":
        return cohort
    if scale == "demo":
        cohort = cohort.isel(sample=np.flatnonzero(cohort["country"].isin(LARGE_COUNTRIES).values))
    cohort = simulate_traits(cohort, seed=seed)
    cohort.attrs.update(scale=scale, seed=seed)
    return cohort


LARGE_COUNTRIES = ("SWE", "ESP", "USA", "GER", "ITA", "UK", "RUS")
"""The seven countries with more than 50 accessions, whose correlations the paper averages."""


def _recipe(name: str) -> str:
    """Hash of the code and the data that a cohort is made from."""
    root = Path(__file__).parent.parent
    sources = [root / "datasets/cohort.py", root / "datasets/simulate.py"]
    files = ()
    if name != "simulated":
        sources += [*root.glob("encoding/*.py"), root / "cohorts/arabidopsis.py"]
        files = _arabidopsis.FILES
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in sorted(sources):
        digest.update(source.read_bytes())
    for file in files:
        digest.update(sha256_of(file).encode())
    return digest.hexdigest()


__all__ = [
    "COHORTS",
    "LARGE_COUNTRIES",
    "SCALES",
    "CohortError",
    "DataUnavailable",
    "is_own",
    "load_cohort",
    "resolve_cohort",
]
