"""Markers of a panel: which are kept, and what stands where a call is missing."""

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from gi_lib.datasets.cohort import MISSING_DOSAGE

FILLS = ("mean", "most frequent")


def filter_markers(
    panel: xr.Dataset, min_maf: float = 0.05, max_missing: float = 0.2, duplicates: bool = True
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Leave out markers that say little, or nothing new.

    No trait is looked at, so this may be done before a cross-validation.

    Parameters
    ----------
    panel
        With ``dosage (sample, marker)``.
    min_maf
        Markers whose rarer allele has a lower frequency among the calls are left out; those without a call too.
    max_missing
        Markers with a larger share of missing calls are left out.
    duplicates
        Keep markers that are equal to an earlier one in all calls. Between neighbours in full linkage no model can
        tell, but leaving some out changes how much weight their stretch of the genome has.

    Returns
    -------
    panel
        With the markers that are kept, in their order.
    steps
        One row for each step, with columns ``step`` and ``markers``, the number that is left.

    Raises
    ------
    ValueError
        If a limit is not a share, the panel has no dosages, or no marker is left.
    """
    for name, value, highest in (("min_maf", min_maf, 0.5), ("max_missing", max_missing, 1)):
        if not 0 <= value <= highest:
            raise ValueError(f"{name} is {value}; it must lie between 0 and {highest}.")
    if "dosage" not in panel:
        raise ValueError(f"The cohort '{panel.attrs.get('name')}' has no dosages.")
    dosage = panel["dosage"].values
    called = dosage != MISSING_DOSAGE
    n_alleles = 2 * called.sum(axis=0)
    n_counted = np.where(called, dosage, 0).sum(axis=0, dtype=np.int64)
    maf = np.minimum(n_counted, n_alleles - n_counted) / np.maximum(n_alleles, 1)
    steps = [("as read", dosage.shape[1])]

    kept = (~called).mean(axis=0) <= max_missing
    steps.append((f"missing in at most {max_missing:.0%}", int(kept.sum())))
    kept &= (maf >= min_maf) & (n_alleles > 0)
    steps.append((f"minor allele in at least {min_maf:.0%}", int(kept.sum())))
    if not duplicates:
        number = np.flatnonzero(kept)
        _, first = np.unique(dosage[:, number], axis=1, return_index=True)
        kept[:] = False
        kept[number[first]] = True
        steps.append(("equal to no earlier one", int(kept.sum())))
    if not kept.any():
        raise ValueError(
            f"No marker of '{panel.attrs.get('name')}' is left with min_maf {min_maf} and max_missing {max_missing}."
        )
    return panel.isel(marker=np.flatnonzero(kept)), pd.DataFrame(steps, columns=["step", "markers"])


class DosageImputer(TransformerMixin, BaseEstimator):
    """Fill missing dosages with what the training accessions have at that marker.

    Parameters
    ----------
    fill
        ``mean``: their mean dosage, a fraction. ``most frequent``: their most frequent dosage, the lowest of several.

    Attributes
    ----------
    fill_ : numpy.ndarray, shape (marker,)
        What missing dosages become. A marker that no training accession has a call of becomes 0.
    """

    def __init__(self, fill: str = "mean"):
        self.fill = fill

    def fit(self, X: np.ndarray, y=None) -> "DosageImputer":
        """Learn from dosages of shape (sample, marker), missing ones NaN or 255.

        Raises
        ------
        ValueError
            If `fill` is unknown or X has another shape.
        """
        if self.fill not in FILLS:
            raise ValueError(f"fill is {self.fill!r}; allowed are {', '.join(FILLS)}.")
        missing = missing_dosages(X)
        if self.fill == "mean":
            total = np.where(missing, 0, X).sum(axis=0, dtype=float)
            self.fill_ = (total / np.maximum((~missing).sum(axis=0), 1)).astype(np.float32)
        else:
            numbers = np.stack([(dosage == X).sum(axis=0) for dosage in (0, 1, 2)])
            self.fill_ = numbers.argmax(axis=0).astype(np.float32)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Dosages without gaps, float32."""
        check_is_fitted(self, "fill_")
        missing = missing_dosages(X)
        if X.shape[1] != len(self.fill_):
            raise ValueError(f"X has {X.shape[1]} markers; the imputer was fitted on {len(self.fill_)}.")
        return np.where(missing, self.fill_, X).astype(np.float32)


_ROUNDING = 1e-6  # of dosages that are fractions


def missing_dosages(X: np.ndarray) -> np.ndarray:
    """Where dosages of shape (sample, marker) are missing: 255, or NaN among floats.

    Raises
    ------
    ValueError
        If X has another number of dimensions, is not of numbers, or one is not between 0 and 2.
    """
    if X.ndim != 2 or not X.shape[1] or X.dtype.kind not in "biuf":
        raise ValueError(f"X is {X.dtype} of shape {X.shape}; dosages are numbers of shape (sample, marker).")
    missing = X == MISSING_DOSAGE
    if X.dtype.kind == "f":
        missing |= np.isnan(X)
    wrong = ~missing & ~((X >= -_ROUNDING) & (X <= 2 + _ROUNDING))
    if wrong.any():
        sample, marker = np.argwhere(wrong)[0]
        raise ValueError(
            f"The dosage of marker number {marker} in accession number {sample} is {X[sample, marker]}; dosages lie "
            f"between 0 and 2, {MISSING_DOSAGE} or NaN where one is missing."
        )
    return missing
