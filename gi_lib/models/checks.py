"""What every estimator on markers asks of its input, each refusal one sentence."""

import numpy as np
from numpy.typing import ArrayLike

from gi_lib.datasets.cohort import MISSING_DOSAGE


def labels_of(y: ArrayLike, n_samples: int) -> np.ndarray:
    """Labels as (sample, trait), float64, NaN where one is missing.

    Parameters
    ----------
    y : shape (sample,) or (sample, trait)
    n_samples
        How many samples there are.

    Raises
    ------
    ValueError
        If there are no accessions, or y has another length, a label that is no number, or an infinite one.
    """
    if not n_samples:
        raise ValueError("There is no accession with a label to learn from.")
    try:
        labels = np.asarray(y, float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Labels must be numbers, NaN where one is missing: {error}.") from None
    if labels.ndim not in (1, 2) or len(labels) != n_samples or labels.size == 0:
        raise ValueError(
            f"y has shape {labels.shape}; for {n_samples} accessions it must be ({n_samples},) or ({n_samples}, trait)."
        )
    labels = labels.reshape(n_samples, -1)
    if np.isinf(labels).any():
        sample, trait = np.argwhere(np.isinf(labels))[0]
        raise ValueError(f"The label of trait number {trait} in accession number {sample} is infinite.")
    return labels


def enough_labels(y: ArrayLike, n_samples: int, n_fixed: int = 1) -> np.ndarray:
    """`labels_of`, with more labels for every trait than there are fixed effects, the intercept included.

    Raises
    ------
    ValueError
        As `labels_of`, or if a trait has too few labels.
    """
    labels = labels_of(y, n_samples)
    n_labels = (~np.isnan(labels)).sum(axis=0)
    if (n_labels <= n_fixed).any():
        trait = int(np.argmax(n_labels <= n_fixed))
        raise ValueError(
            f"Trait number {trait} has {n_labels[trait]} labels among {n_samples} accessions; {n_fixed} fixed effects "
            f"(intercept and covariates) need at least {n_fixed + 1}."
        )
    return labels


def different_labels(y: ArrayLike, n_samples: int) -> np.ndarray:
    """`labels_of`, with two different ones for every trait, so that there is something to learn.

    Raises
    ------
    ValueError
        As `labels_of`, or if a trait has no two different labels.
    """
    labels = labels_of(y, n_samples)
    for trait, column in enumerate(labels.T):
        if np.unique(column[~np.isnan(column)]).size < 2:
            raise ValueError(f"Trait number {trait} has no two different labels to learn from.")
    return labels


def complete_markers(X: ArrayLike) -> np.ndarray:
    """X as an array of numbers of shape (sample, marker), without gaps.

    Raises
    ------
    ValueError
        If it is something else, a number is not finite, or a byte 255 stands for a missing dosage.
    """
    X = np.asarray(X)
    if X.ndim != 2 or not X.shape[1] or X.dtype.kind not in "biuf":
        raise ValueError(f"X must be numbers of shape (sample, marker); it is {X.dtype} of shape {X.shape}.")
    missing = X == MISSING_DOSAGE if X.dtype == np.uint8 else ~np.isfinite(X)
    if missing.any():
        sample, marker = np.argwhere(missing)[0]
        raise ValueError(
            f"X is {X[sample, marker]} for marker number {marker} of accession number {sample}; needed are finite "
            "numbers, so fill the gaps first."
        )
    return X


def places_of(X: ArrayLike) -> np.ndarray:
    """Latitude and longitude in degrees, shape (sample, 2), NaN where a place is unknown.

    Raises
    ------
    ValueError
        If X is something else, or a place is not on the globe.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != 2 or X.dtype.kind not in "biuf":
        raise ValueError(
            f"X must be latitude and longitude, shape (sample, 2); it is {X.dtype} of shape {X.shape}."
        )
    degrees = X.astype(float)
    outside = np.abs(degrees) > (90, 180)
    if outside.any():
        sample, which = np.argwhere(outside)[0]
        raise ValueError(
            f"The {('latitude', 'longitude')[which]} of accession number {sample} is {degrees[sample, which]:g}; it "
            f"must lie within ±{(90, 180)[which]} degrees, NaN if unknown."
        )
    return degrees


def enough_to_divide(labels: np.ndarray, n_folds: int) -> None:
    """Refuse traits with fewer labels than there are inner folds.

    Parameters
    ----------
    labels : shape (sample, trait)

    Raises
    ------
    ValueError
        With the trait and its number of labels.
    """
    n_labels = (~np.isnan(labels)).sum(axis=0)
    if (n_labels < n_folds).any():
        trait = int(np.argmax(n_labels < n_folds))
        raise ValueError(
            f"inner_folds is {n_folds}, but trait number {trait} has {n_labels[trait]} labels; there must be one for "
            "each fold."
        )


def same_markers(X: ArrayLike, n_markers: int) -> np.ndarray:
    """X as an array, of shape (sample, marker).

    Raises
    ------
    ValueError
        If it has another number of markers than the model was fitted on.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != n_markers:
        raise ValueError(f"X has the shape {X.shape}; the model was fitted on {n_markers} markers.")
    return X
