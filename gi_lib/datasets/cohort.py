"""The cohort: the labelled array that every reader ends in and every model starts from.

A cohort is an `xarray.Dataset`. Its variables are named as in the table, and nothing downstream
asks where they came from.

====================== ============================== ================================================
variable               dimensions                     content
====================== ============================== ================================================
``counts``             sample, gene, variant_type     number of variants carried, unsigned integer;
                                                      a panel of markers has none
``trait_value``        sample, trait                  label, float; NaN where it is missing
``replicate_value``    sample, trait, replicate       optional single measurements behind the label
``source_trait_value`` sample, source_trait           optional labels of a source task, from which
                                                      transfer learning starts, float; NaN if missing
``dosage``             sample, marker                 0/1/2 copies, 255 where missing; optional where
                                                      there are counts
``entity_value``       sample, entity                 optional measurements between genome and trait, such
                                                      as the expression of genes, float; NaN if missing.
                                                      Models may learn from those of training accessions
``truth_*``            any                            optional, what a simulation knows
====================== ============================== ================================================

Coordinates: ``sample``, ``gene``, ``variant_type``, ``trait``, ``source_trait`` where there is a source
task, and ``entity`` where there are measurements of them (names, unique); ``country``, ``latitude``,
``longitude`` along sample; ``gene_chromosome``, ``gene_start``, ``gene_end`` along gene (base pairs);
``chromosome``, ``position`` along marker. The conventions follow sgkit's.
"""

import hashlib
import math
from pathlib import Path

import numcodecs
import numpy as np
import xarray as xr

from gi_lib.datasets.foreign import one_line, refuse_code
from gi_lib.process import make_folder, written_whole

VARIANT_TYPES = (
    "nonsynonymous",
    "nonframeshift insertion",
    "nonframeshift deletion",
    "stoploss",
    "frameshift insertion",
    "frameshift deletion",
    "stopgain",
    "UTR3",
    "UTR5",
    "ncRNA exonic",
    "ncRNA intronic",
    "upstream",
    "downstream",
    "intergenic",
    "intronic",
    "splicing",
    "ncRNA splicing",
)
"""The 17 variant types of Raimondi et al. 2024, in Annovar's words."""

EXONIC_UNKNOWN = "exonic unknown"
"""Type of a coding variant whose alleles, and so whose consequence, are not known."""

DATA_KINDS = ("simulated", "real", "real genomes, simulated traits")
MISSING_DOSAGE = 255
CHUNK_BYTES = 8 << 20  # of counts, in one chunk of a stored cohort


class CohortError(ValueError):
    """A dataset is not a cohort; the message says which rule it breaks and where."""


def validate_cohort(cohort: xr.Dataset) -> xr.Dataset:
    """Check a dataset against the cohort schema and return it unchanged.

    Parameters
    ----------
    cohort
        Dataset with at least ``trait_value (sample, trait)``, and ``counts (sample, gene, variant_type)`` or
        ``dosage (sample, marker)``.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    CohortError
        If a variable or coordinate is missing or has other dimensions.
        If names along a dimension are repeated.
        If counts are not unsigned integers, or dosages are not 0, 1, 2 or 255.
        If a trait of either task or an entity is infinite, a variant type unknown, or a place not on the globe.
    """
    optional = {
        "counts": ("sample", "gene", "variant_type"),
        "replicate_value": ("sample", "trait", "replicate"),
        "source_trait_value": ("sample", "source_trait"),
        "dosage": ("sample", "marker"),
        "entity_value": ("sample", "entity"),
    }
    coordinates = {
        "country": ("sample",),
        "latitude": ("sample",),
        "longitude": ("sample",),
    }
    if "counts" not in cohort and "dosage" not in cohort:
        raise CohortError("The cohort has neither a variable 'counts' nor a variable 'dosage'; it needs one.")
    if "counts" in cohort:
        coordinates |= {"gene_chromosome": ("gene",), "gene_start": ("gene",), "gene_end": ("gene",)}
    if "dosage" in cohort:
        coordinates |= {"chromosome": ("marker",), "position": ("marker",)}

    for name, dims in {"trait_value": ("sample", "trait"), **optional}.items():
        if name not in cohort.data_vars:
            if name not in optional:
                raise CohortError(f"The cohort has no variable '{name}' with dimensions {dims}.")
        elif cohort[name].dims != dims:
            raise CohortError(f"'{name}' has dimensions {cohort[name].dims}; a cohort needs {dims}.")
    for name, dims in coordinates.items():
        if name not in cohort.coords:
            raise CohortError(f"The cohort has no coordinate '{name}' along {dims[0]}.")
        if cohort[name].dims != dims:
            raise CohortError(f"Coordinate '{name}' has dimensions {cohort[name].dims}, not {dims}.")
    named = ["sample", "trait"]
    if "counts" in cohort:
        named += ["gene", "variant_type"]
    named += [
        dim
        for name, dim in {"source_trait_value": "source_trait", "entity_value": "entity"}.items()
        if name in cohort
    ]
    for dim in named:
        if dim not in cohort.coords:
            raise CohortError(f"The dimension '{dim}' has no names: add a coordinate '{dim}'.")
        names = cohort.indexes[dim]
        if not names.is_unique:
            repeated = names[names.duplicated()][0]
            raise CohortError(f"'{repeated}' occurs more than once along '{dim}'; names must be unique.")

    if "counts" in cohort:
        if cohort["counts"].dtype.kind != "u":
            raise CohortError(f"'counts' has type {cohort['counts'].dtype}; allowed are unsigned integers.")
        unknown = set(cohort["variant_type"].values.tolist()) - {*VARIANT_TYPES, EXONIC_UNKNOWN}
        if unknown:
            raise CohortError(
                f"Unknown variant type {sorted(unknown)[0]!r}; allowed are {', '.join(VARIANT_TYPES)}."
            )
    for name in ("trait_value", "replicate_value", "source_trait_value", "entity_value"):
        if name in cohort:
            if cohort[name].dtype.kind != "f":
                raise CohortError(
                    f"'{name}' has type {cohort[name].dtype}; allowed is float, NaN for missing."
                )
            if np.isinf(cohort[name].values).any():
                raise CohortError(f"'{name}' holds an infinite value; use NaN for missing.")
    if "dosage" in cohort:
        dosage = cohort["dosage"].values
        if dosage.dtype != np.uint8 or not np.isin(np.unique(dosage), (0, 1, 2, MISSING_DOSAGE)).all():
            raise CohortError("'dosage' must be of type uint8 with values 0, 1, 2, or 255 for missing.")
    for name, limit in (("latitude", 90), ("longitude", 180)):
        if cohort[name].dtype.kind != "f":
            raise CohortError(f"'{name}' has type {cohort[name].dtype}; allowed is float, NaN for unknown.")
        outside = np.abs(cohort[name].values) > limit
        if outside.any():
            sample = cohort["sample"].values[outside][0]
            raise CohortError(f"{name.capitalize()} of sample {sample} is outside ±{limit} degrees.")
    if cohort.attrs.get("data_kind") not in DATA_KINDS:
        raise CohortError(
            f"The cohort's attribute data_kind is {cohort.attrs.get('data_kind')!r}; allowed are {DATA_KINDS}."
        )
    return cohort


def fingerprint(cohort: xr.Dataset) -> str:
    """SHA-256 over names, types, shapes and bytes of all variables and coordinates.

    Equal content gives an equal fingerprint, however the cohort was stored; attributes do not count.
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, cohort.variables)):
        values = cohort[name].values
        if values.dtype.kind in "OTU":
            values = np.char.encode(values.astype(str), "utf-8")
        digest.update(f"{name}{cohort[name].dims}{values.dtype}{values.shape}".encode())
        if values.size:  # without a copy: counts may fill half the memory
            digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def save_cohort(cohort: xr.Dataset, path: str | Path) -> Path:
    """Write a cohort as Zarr, whole or not at all.

    The store is written beside its final place and renamed, so that no reader meets half a cohort.

    Raises
    ------
    CohortError
        If the dataset breaks the schema.
    FileExistsError
        If something stands at `path` already.
    WriteError
        If the folder that `path` is in cannot be written.
    """
    path = Path(path)
    validate_cohort(cohort)
    if path.exists():
        raise FileExistsError(f"{path} exists already; remove it or choose another name.")
    stored = cohort.copy()
    stored.attrs["fingerprint"] = fingerprint(cohort)
    if "counts" in cohort:
        stored["counts"].encoding = _whole_accessions(cohort["counts"])
    make_folder(path.parent)
    with written_whole(path) as scratch:
        # Zarr format 2 has a settled encoding for strings; format 3 has none yet.
        stored.to_zarr(scratch, zarr_format=2, consolidated=True)
    return path


def _whole_accessions(counts: xr.DataArray) -> dict:
    """A few whole accessions per chunk: training reads accessions, never genes of all accessions."""
    n_samples, *rest = counts.shape
    per_sample = max(1, math.prod(rest) * counts.dtype.itemsize)
    chunk = min(max(1, n_samples), max(1, CHUNK_BYTES // per_sample))
    fast = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.NOSHUFFLE)  # read eight times as fast as zstd
    return {"chunks": (chunk, *(max(1, n) for n in rest)), "compressors": (fast,)}


def open_cohort(path: str | Path, needs: str | None = None) -> xr.Dataset:
    """Read a cohort from Zarr into memory and validate it.

    Parameters
    ----------
    needs
        A variable that it must have, ``counts`` or ``dosage``.

    Raises
    ------
    CohortError
        If there is no store at `path`, if it is damaged, breaks the schema, or lacks what is needed.
    """
    path = Path(path)
    if not path.is_dir():
        raise CohortError(f"There is no cohort at {path}.")
    try:
        refuse_code(path)
        cohort = xr.open_zarr(path, chunks=None).load()
    except Exception as error:
        raise CohortError(f"{path} cannot be read as a Zarr store: {one_line(error)}.") from error
    for name in cohort.variables:
        if cohort[name].dtype.kind in "OT":
            cohort[name] = cohort[name].astype(str)
        cohort[name].encoding = {}
    validate_cohort(cohort)
    if cohort.attrs.get("fingerprint") != fingerprint(cohort):
        raise CohortError(
            f"{path} does not have the content it was written with; delete it and make it anew."
        )
    if needs is not None and needs not in cohort:
        raise CohortError(f"{path} has no variable '{needs}', which is needed here.")
    return cohort
