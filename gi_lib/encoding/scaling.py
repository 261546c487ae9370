"""From integer counts to the numbers a network reads (Raimondi et al. 2024, *Methods* and Suppl. Fig. S13)."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

SCALINGS = ("standardise", "raw", "frequency")


class CountScaler(TransformerMixin, BaseEstimator):
    """Scale gene × variant-type counts.

    Parameters
    ----------
    scaling
        ``standardise``: subtract the mean of each variant type over all genes and accessions and divide by
        its standard deviation (the paper's default). ``raw``: the counts as they are. ``frequency``: divide
        the counts of a gene by their sum; a gene without variants stays zero.

    Attributes
    ----------
    mean_, scale_ : numpy.ndarray, shape (variant_type,)
        What is subtracted and divided by. A type that never varies is divided by one.

    Notes
    -----
    The paper fits the scaler on the whole data set. Here it sees what it is given, which inside a
    cross-validation are the training accessions only.
    """

    def __init__(self, scaling: str = "standardise"):
        self.scaling = scaling

    def fit(self, counts: np.ndarray, y=None) -> "CountScaler":
        """Learn mean and scale from counts of shape (sample, gene, variant_type).

        Raises
        ------
        ValueError
            If the scaling is unknown or the array has not three dimensions.
        """
        if self.scaling not in SCALINGS:
            raise ValueError(f"scaling is {self.scaling!r}; allowed are {', '.join(SCALINGS)}.")
        if counts.ndim != 3:
            raise ValueError(
                f"counts have {counts.ndim} dimensions; needed are (sample, gene, variant_type)."
            )
        n_types = counts.shape[-1]
        self.mean_, self.scale_ = np.zeros(n_types, np.float32), np.ones(n_types, np.float32)
        if self.scaling == "standardise":
            n = counts.shape[0] * counts.shape[1]
            total, squares = np.zeros(n_types), np.zeros(n_types)
            for (
                sample
            ) in counts:  # one accession at a time: squares of the whole array need not fit in memory
                sample = sample.astype(np.float64)
                total += sample.sum(axis=0)
                squares += np.square(sample).sum(axis=0)
            deviation = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
            self.mean_ = (total / n).astype(np.float32)
            self.scale_ = np.where(deviation > 0, deviation, 1).astype(np.float32)
        return self

    def transform(self, counts: np.ndarray) -> np.ndarray:
        """Scale counts of shape (..., variant_type); returns float32 of the same shape."""
        counts = np.asarray(counts, np.float32)
        if self.scaling == "frequency":
            total = counts.sum(axis=-1, keepdims=True)
            return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
        return (counts - self.mean_) / self.scale_


class Flatten(TransformerMixin, BaseEstimator):
    """(sample, gene, variant_type) to (sample, feature), for models that read one row of features.

    Features that are the same in all training accessions are left out: no model can learn from them.
    """

    def fit(self, X: np.ndarray, y=None) -> "Flatten":
        """Learn which features vary."""
        flat = X.reshape(len(X), -1)
        self.varies_ = (flat != flat[0]).any(axis=0)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Flatten all axes but the first and keep the features that vary."""
        return X.reshape(len(X), -1)[:, self.varies_]
