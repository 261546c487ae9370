"""What every estimator on markers asks of its input, each refusal one sentence."""

import numpy as np
from numpy.typing import ArrayLike


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
        If y has another length or an infinite label.
    """
    labels = np.asarray(y, float)
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
