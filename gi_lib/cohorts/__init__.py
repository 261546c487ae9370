"""The cohorts of the book, each by one name.

``simulated``
    Genomes and traits from a simulation; all is known.
``arabidopsis``
    Real accessions of the 1001 Genomes, real genomes, real traits.
``arabidopsis-simulated-traits``
    The same real accessions and genomes with a simulated ionome on top: real structure, known truth.
``atwell``
    The accessions of Atwell et al. 2010, real genomes: the leaf ionome as the task, their other traits as the
    source task of transfer learning.
``ionome``
    The data of Raimondi et al. 2024: whole genomes, leaf and seed ionome, AraPheno's traits as the source task. For who
    has the files: ``gi data fetch ionome`` says which and where they belong.

Other data become a cohort with ``gi encode FILES --out NAME.zarr --accessions TABLE --traits TABLE``, and are loaded as
``NAME.zarr``.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from gi_lib.cohorts import arabidopsis as _arabidopsis
from gi_lib.cohorts import atwell as _atwell
from gi_lib.cohorts import ionome as _ionome
from gi_lib.cohorts.store import CODE, hash_recipe, is_own, keep_cohort
from gi_lib.datasets.cohort import CohortError, open_cohort, save_cohort
from gi_lib.datasets.registry import DataUnavailable, is_available, local_path
from gi_lib.datasets.simulate import SCALES as SIMULATED_SIZES
from gi_lib.datasets.simulate import simulate_cohort, simulate_source_traits, simulate_traits

COHORTS = {
    "simulated": "simulated",
    "arabidopsis": "real",
    "arabidopsis-simulated-traits": "real genomes, simulated traits",
    "atwell": "real",
    "ionome": "real",
}
"""Name and kind of data of every cohort."""

FILES = {
    "simulated": (),
    "arabidopsis": _arabidopsis.FILES,
    "arabidopsis-simulated-traits": _arabidopsis.FILES,
    "atwell": _atwell.FILES,
    "ionome": _ionome.FILES,
}
"""Data files of every cohort, as the registry names them."""

SCALES = ("demo", "paper")


def resolve_cohort(name: str = "auto", real: str = "arabidopsis") -> str:
    """The cohort that ``auto`` stands for: the real one if its files can be had, else the simulated one.

    Parameters
    ----------
    name
        ``auto``, one of `COHORTS`, or a folder ``NAME.zarr``.
    real
        The real cohort that ``auto`` prefers, one of `COHORTS`. Its files are fetched if need be, but for the 19 GB of
        whole genomes, which must be at hand.

    Raises
    ------
    ValueError
        If a name is unknown.
    DataError
        If a real file is at hand but is not the pinned one; damaged data is never replaced in silence.
    """
    if name != "auto":
        if name not in COHORTS and not is_own(name):
            raise ValueError(
                f"cohort is {name!r}; allowed are auto, {', '.join(COHORTS)}, or a folder NAME.zarr."
            )
        return name
    if real not in COHORTS:
        raise ValueError(f"real is {real!r}; allowed are {', '.join(COHORTS)}.")
    too_large = [file for file in FILES[real] if file == _ionome.GENOMES and local_path(file) is None]
    return real if not too_large and is_available(*FILES[real]) else "simulated"


def load_cohort(name: str = "simulated", scale: str = "demo", seed: int = 1) -> xr.Dataset:
    """Load a cohort, made at the first call and kept as Zarr in the cache.

    Parameters
    ----------
    name
        One of `COHORTS`, or a folder ``NAME.zarr`` that ``gi encode`` wrote; scale and seed have no effect on it.
    scale
        ``demo`` or ``paper``: the size of a simulation. A cohort of real genomes and traits has one size; with
        simulated traits, ``demo`` keeps the seven large countries of the paper, ``paper`` all.
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
    DataError
        If a file of a real cohort is not what it should be.
    CohortError
        If a folder is no cohort, or has no counts.
    """
    name = resolve_cohort(name)
    if is_own(name):
        return open_cohort(name, needs="counts")
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; allowed are {', '.join(SCALES)}.")
    if COHORTS[name] == "real":
        scale, seed = "paper", 0  # nothing about it is simulated
    return keep_cohort(
        f"{name}-{scale}-{seed}-{_recipe(name)[:12]}",
        lambda path: save_cohort(_make(name, scale, seed), path),
    )


def _make(name: str, scale: str, seed: int) -> xr.Dataset:
    if name == "simulated":
        return simulate_cohort(scale, seed)
    if name == "atwell":
        return _atwell.atwell()
    if name == "ionome":
        return _ionome.ionome()
    cohort = _arabidopsis.arabidopsis()
    if name == "arabidopsis":
        return cohort
    if scale == "demo":
        cohort = cohort.isel(sample=np.flatnonzero(cohort["country"].isin(LARGE_COUNTRIES).values))
    cohort = simulate_traits(cohort, seed=seed)
    cohort = simulate_source_traits(cohort, SIMULATED_SIZES[scale].source_traits, seed=seed)
    cohort.attrs.update(scale=scale, seed=seed)
    return cohort


LARGE_COUNTRIES = ("SWE", "ESP", "USA", "GER", "ITA", "UK", "RUS")
"""The seven countries with more than 50 accessions, whose correlations the paper averages."""

_READERS = {
    "simulated": (),
    "arabidopsis": ("arabidopsis",),
    "arabidopsis-simulated-traits": ("arabidopsis",),
    "atwell": ("arabidopsis", "atwell", "countries"),
    "ionome": ("arapheno", "countries", "ionome", "tables"),
}
"""Modules of this folder that a cohort is read with."""


def _recipe(name: str) -> str:
    """Hash of the code and the data that a cohort is made from."""
    sources = [CODE / "datasets/cohort.py", *(CODE / "datasets/simulate").glob("*.py")]
    if name != "simulated":
        sources += [
            *CODE.glob("encoding/*.py"),
            *(CODE / f"cohorts/{module}.py" for module in _READERS[name]),
        ]
    return hash_recipe(sources, FILES[name], Path(__file__).read_bytes())


__all__ = [
    "COHORTS",
    "FILES",
    "LARGE_COUNTRIES",
    "SCALES",
    "CohortError",
    "DataUnavailable",
    "is_own",
    "load_cohort",
    "resolve_cohort",
]
