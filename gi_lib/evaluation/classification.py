"""How well classes are told apart."""

import numpy as np
import pandas as pd

from gi_lib.evaluation.correlation import check_bootstrap


def classification_scores(
    observed: np.ndarray, predicted: np.ndarray, n_bootstrap: int = 500, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Matthews correlation coefficient and F1 with bootstrap intervals over accessions.

    Parameters
    ----------
    observed, predicted : shape (sample,)
        Class names.

    Returns
    -------
    pandas.DataFrame
        Rows ``MCC``, ``F1 weighted`` and ``F1 macro``; columns ``score``, ``estimate``, ``low``, ``high``.
        The paper does not say how it averaged F1 over classes, so both usual ways are given.

    Raises
    ------
    ValueError
        If the arrays differ in length or are empty, or a setting is out of its range.
    """
    check_bootstrap(n_bootstrap, level, least=1)
    observed, predicted = np.asarray(observed), np.asarray(predicted)
    if observed.shape != predicted.shape or not observed.size:
        raise ValueError(
            f"observed has {observed.size} classes and predicted {predicted.size}; they must match."
        )
    pairs, n_classes = _pairs(observed, predicted)
    random = np.random.default_rng(seed)
    draws = [random.integers(len(pairs), size=len(pairs)) for _ in range(n_bootstrap)]
    tables = [_scores(pairs[draw], n_classes) for draw in (slice(None), *draws)]
    low, high = np.quantile(tables[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame({"score": SCORES, "estimate": tables[0], "low": low, "high": high})


SCORES = ("MCC", "F1 weighted", "F1 macro")


def _pairs(observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, int]:
    """One code for each pair of observed and predicted class, and the number of classes."""
    names, code = np.unique(np.concatenate([observed, predicted]), return_inverse=True)
    observed, predicted = np.split(code, 2)
    return observed * len(names) + predicted, len(names)


def _scores(pairs: np.ndarray, n_classes: int) -> tuple[float, float, float]:
    """`SCORES` from the confusion matrix: scikit-learn takes forty times as long, too long for a bootstrap."""
    confusion = np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
    observed, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    n = len(pairs)
    spread = np.sqrt(float(n * n - observed @ observed) * float(n * n - predicted @ predicted))
    mcc = (n * right.sum() - observed @ predicted) / spread if spread else 0.0
    occurs = observed + predicted > 0
    f1 = 2 * right[occurs] / (observed + predicted)[occurs]
    return float(mcc), float(f1 @ observed[occurs] / n), float(f1.mean())


def mcc_difference(
    observed: np.ndarray,
    predicted: np.ndarray,
    other: np.ndarray,
    n_bootstrap: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> tuple[float, float, float]:
    """By how much one classifier's MCC exceeds another's, with a paired bootstrap interval.

    Parameters
    ----------
    observed, predicted, other : shape (sample,)
        True classes, and those predicted by the two classifiers for the same accessions.

    Returns
    -------
    difference, low, high : float

    Raises
    ------
    ValueError
        If the arrays differ in length or are empty, or a setting is out of its range.
    """
    check_bootstrap(n_bootstrap, level, least=1)
    sizes = {np.size(classes) for classes in (observed, predicted, other)}
    if len(sizes) > 1 or not np.size(observed):
        raise ValueError(f"observed, predicted and other have {sorted(sizes)} classes; they must match.")
    ours, n_classes = _pairs(observed, predicted)
    theirs, n_others = _pairs(observed, other)

    def difference(draw: np.ndarray | slice) -> float:
        return _scores(ours[draw], n_classes)[0] - _scores(theirs[draw], n_others)[0]

    random = np.random.default_rng(seed)
    draws = [difference(random.integers(len(ours), size=len(ours))) for _ in range(n_bootstrap)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return difference(slice(None)), float(low), float(high)
