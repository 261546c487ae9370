"""How well classes are told apart."""

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score, matthews_corrcoef


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
        If the arrays differ in length or are empty.
    """
    observed, predicted = np.asarray(observed), np.asarray(predicted)
    if observed.shape != predicted.shape or not observed.size:
        raise ValueError(
            f"observed has {observed.size} classes and predicted {predicted.size}; they must match."
        )
    scores = {
        "MCC": matthews_corrcoef,
        "F1 weighted": lambda y, p: f1_score(y, p, average="weighted"),
        "F1 macro": lambda y, p: f1_score(y, p, average="macro"),
    }
    # Integer codes: scikit-learn compares strings many times slower.
    code = np.unique(np.concatenate([observed, predicted]), return_inverse=True)[1]
    observed, predicted = np.split(code, 2)
    random = np.random.default_rng(seed)
    draws = [random.integers(len(observed), size=len(observed)) for _ in range(n_bootstrap)]
    rows = []
    for name, score in scores.items():
        values = [score(observed[draw], predicted[draw]) for draw in draws]
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        rows.append((name, score(observed, predicted), low, high))
    return pd.DataFrame(rows, columns=["score", "estimate", "low", "high"])


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
    """
    code = np.unique(np.concatenate([observed, predicted, other]), return_inverse=True)[1]
    observed, predicted, other = np.split(code, 3)

    def difference(draw: np.ndarray | slice) -> float:
        return matthews_corrcoef(observed[draw], predicted[draw]) - matthews_corrcoef(
            observed[draw], other[draw]
        )

    random = np.random.default_rng(seed)
    draws = [difference(random.integers(len(observed), size=len(observed))) for _ in range(n_bootstrap)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return difference(slice(None)), float(low), float(high)
