"""From the predictions table to numbers."""

from gi_lib.evaluation.classification import classification_scores
from gi_lib.evaluation.correlation import MEAN_OVER_TRAITS, correlations, country_correlations
from gi_lib.evaluation.structure import variance_between_countries

__all__ = [
    "MEAN_OVER_TRAITS",
    "classification_scores",
    "correlations",
    "country_correlations",
    "variance_between_countries",
]
