"""From the predictions table to numbers."""

from gi_lib.evaluation.classification import classification_scores, mcc_difference
from gi_lib.evaluation.correlation import (
    MEAN_OVER_TRAITS,
    correlation_differences,
    correlations,
    country_correlations,
)
from gi_lib.evaluation.structure import variance_between_countries

__all__ = [
    "MEAN_OVER_TRAITS",
    "classification_scores",
    "correlation_differences",
    "correlations",
    "country_correlations",
    "mcc_difference",
    "variance_between_countries",
]
