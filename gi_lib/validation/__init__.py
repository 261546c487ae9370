"""Splits, cross-validation, and the cache of predictions: (models, cohort, split) to one table."""

from gi_lib.validation.audit import find_leaks
from gi_lib.validation.cross_validation import (
    COLUMNS,
    classify_countries,
    cross_validate,
    fit_fold,
    fit_side_by_side,
    save_predictions,
)
from gi_lib.validation.model import INPUTS, Model, model_inputs
from gi_lib.validation.null import shuffle_labels
from gi_lib.validation.splits import (
    CountryFolds,
    Fold,
    ParentFolds,
    RandomFolds,
    RegionFolds,
    SameSizes,
    Split,
    WithoutRelatives,
    identity_by_state,
    training_sizes,
)

__all__ = [
    "COLUMNS",
    "INPUTS",
    "CountryFolds",
    "Fold",
    "Model",
    "ParentFolds",
    "RandomFolds",
    "RegionFolds",
    "SameSizes",
    "Split",
    "WithoutRelatives",
    "classify_countries",
    "cross_validate",
    "find_leaks",
    "fit_fold",
    "fit_side_by_side",
    "identity_by_state",
    "model_inputs",
    "save_predictions",
    "shuffle_labels",
    "training_sizes",
]
