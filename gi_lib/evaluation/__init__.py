"""From the predictions table to numbers."""

from gi_lib.evaluation.claims import VERDICTS, Claim, Finding, alike, higher, verdict
from gi_lib.evaluation.classification import classification_scores, mcc_difference
from gi_lib.evaluation.comparison import (
    against_null,
    by_repeat,
    compare_all,
    element_test,
    fold_scores,
    interval_over_repeats,
    permutation_p,
    property_and_performance,
    resampled_interval,
    resampled_test,
    trait_similarity,
)
from gi_lib.evaluation.correlation import (
    MEAN_OVER_TRAITS,
    as_ranks,
    correlation_differences,
    correlations,
    country_correlations,
    within_folds,
)
from gi_lib.evaluation.paradox import classify_paradox, decompose_correlations, vertical_lines
from gi_lib.evaluation.structure import variance_between_countries
from gi_lib.evaluation.upper_bound import (
    bound_coverage,
    chance_to_exceed,
    measurement_noise,
    percent_of_bound,
    simulate_bounds,
    true_upper_bound,
    upper_bounds,
)

__all__ = [
    "MEAN_OVER_TRAITS",
    "VERDICTS",
    "Claim",
    "Finding",
    "against_null",
    "alike",
    "as_ranks",
    "bound_coverage",
    "by_repeat",
    "chance_to_exceed",
    "classification_scores",
    "classify_paradox",
    "compare_all",
    "correlation_differences",
    "correlations",
    "country_correlations",
    "decompose_correlations",
    "element_test",
    "fold_scores",
    "higher",
    "interval_over_repeats",
    "mcc_difference",
    "measurement_noise",
    "percent_of_bound",
    "permutation_p",
    "property_and_performance",
    "resampled_interval",
    "resampled_test",
    "simulate_bounds",
    "trait_similarity",
    "true_upper_bound",
    "upper_bounds",
    "variance_between_countries",
    "verdict",
    "vertical_lines",
    "within_folds",
]
