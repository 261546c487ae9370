"""From genotypes to counts, and from counts to what a network reads (Raimondi et al. 2024, *Methods*, Suppl. Fig. S13).

Everything here is a scikit-learn transformer, so that inside a cross-validation it learns from the training accessions
only. Counts stay integers until a scaling needs fractions.
"""

import numpy as np
from numba import njit
from sklearn.base import BaseEstimator, TransformerMixin

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.encoding.counting import count_per_gene

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
        if counts.ndim != 3:
            raise ValueError(
                f"counts have {counts.ndim} dimensions; needed are (sample, gene, variant_type)."
            )
        return self.fit_moments(*moments(counts), counts.shape[1])

    def fit_moments(self, totals: np.ndarray, squares: np.ndarray, n_genes: int) -> "CountScaler":
        """Learn from the `moments` of some samples, each of shape (sample, variant_type).

        Raises
        ------
        ValueError
            If the scaling is unknown.
        """
        if self.scaling not in SCALINGS:
            raise ValueError(f"scaling is {self.scaling!r}; allowed are {', '.join(SCALINGS)}.")
        n_types = totals.shape[1]
        self.mean_, self.scale_ = np.zeros(n_types, np.float32), np.ones(n_types, np.float32)
        if self.scaling == "standardise":
            n = len(totals) * n_genes
            mean = totals.sum(axis=0) / n
            deviation = np.sqrt(np.maximum(squares.sum(axis=0) / n - mean**2, 0))
            self.mean_ = mean.astype(np.float32)
            self.scale_ = np.where(deviation > 0, deviation, 1).astype(np.float32)
        return self

    def transform(self, counts: np.ndarray) -> np.ndarray:
        """Scale counts of shape (..., variant_type); float32 of the same shape, or the integers if ``raw``."""
        if self.scaling == "raw":
            return np.asarray(counts)
        counts = np.asarray(counts, np.float32)
        if self.scaling == "frequency":
            total = counts.sum(axis=-1, keepdims=True)
            return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
        return (counts - self.mean_) / self.scale_


@njit(cache=True)
def moments(counts):
    """Sums over genes of counts (sample, gene, variant_type) and of their squares, each (sample, variant_type)."""
    n_samples, n_genes, n_types = counts.shape
    totals, squares = np.zeros((n_samples, n_types)), np.zeros((n_samples, n_types))
    for sample in range(n_samples):
        for gene in range(n_genes):
            for kind in range(n_types):
                count = np.float64(counts[sample, gene, kind])
                totals[sample, kind] += count
                squares[sample, kind] += count * count
    return totals, squares


class GeneCounts(TransformerMixin, BaseEstimator):
    """Count the variants of each type in each gene, leaving out those that are rare among the training accessions.

    Parameters
    ----------
    variant, gene, variant_type : shape (pair,), int
        Parallel arrays: this marker is of this type in this gene; see `count_per_gene`.
    n_genes, n_types
        Size of the result.
    min_maf
        Markers whose minor allele frequency is not above this are left out; 0 keeps all, also those that
        do not vary in training.

    Attributes
    ----------
    frequency_ : numpy.ndarray, shape (marker,)
        Of the alternative allele among the training accessions with a call.
    kept_ : numpy.ndarray, shape (marker,), bool

    Notes
    -----
    The paper removes variants with a frequency of at most 5 % or 10 % before it counts; here the frequency is that
    among the training accessions. `gi_lib.encoding.encode` applies the same rule to a whole file.
    """

    def __init__(self, variant, gene, variant_type, n_genes: int, n_types: int, min_maf: float = 0.0):
        self.variant = variant
        self.gene = gene
        self.variant_type = variant_type
        self.n_genes = n_genes
        self.n_types = n_types
        self.min_maf = min_maf

    def fit(self, dosage: np.ndarray, y=None) -> "GeneCounts":
        """Learn which markers are frequent, from dosages of shape (sample, marker): 0, 1, 2, or 255 for missing.

        Raises
        ------
        ValueError
            If `min_maf` is not from 0 to below 0.5.
        """
        if not 0 <= self.min_maf < 0.5:
            raise ValueError(f"min_maf is {self.min_maf}; allowed are values from 0 to below 0.5.")
        called = dosage != MISSING_DOSAGE
        copies = np.where(called, dosage, 0).sum(axis=0, dtype=np.int64)
        self.frequency_ = copies / np.maximum(2 * called.sum(axis=0), 1)
        minor = np.minimum(self.frequency_, 1 - self.frequency_)
        self.kept_ = (minor > self.min_maf) | (self.min_maf == 0)
        return self

    def transform(self, dosage: np.ndarray) -> np.ndarray:
        """Counts of shape (sample, gene, variant_type), unsigned integers; a missing call counts nothing."""
        carried = (dosage > 0) & (dosage != MISSING_DOSAGE)
        keep = self.kept_[np.asarray(self.variant)]
        pairs = (np.asarray(column)[keep] for column in (self.variant, self.gene, self.variant_type))
        return count_per_gene(carried, *pairs, self.n_genes, self.n_types)


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
