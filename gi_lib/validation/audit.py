"""Look for leaks: does a prediction depend on what a model must not know?

An analysis has a leak if the predictions of the test accessions move when something moves that is unknown at the time
of prediction. So move it and look, which finds a leak wherever in the analysis it hides.
"""

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from gi_lib.validation.cross_validation import fit_fold
from gi_lib.validation.model import Model
from gi_lib.validation.splits import Fold, Split

Prepare = Callable[[xr.Dataset], tuple[xr.Dataset, Model]]
"""An analysis up to the cross-validation: from a raw cohort to what is cross-validated, and by which model."""


def find_leaks(
    cohort: xr.Dataset,
    prepare: Prepare,
    split: Split,
    group: np.ndarray | None = None,
    seed: int = 1,
    tolerance: float = 1e-4,
) -> list[str]:
    """Sentences on what leaks from test to training in the first fold of a split; an empty list if nothing does.

    Parameters
    ----------
    cohort
        Raw, before any scaling or selection.
    prepare
        All that is done with it before the cross-validation.
    split
        Gives the folds. All of them are checked for accessions on both sides.
    group
        Shape (sample,): accessions of one group, such as a country, must not be on both sides.
    seed
        Of the noise that replaces what a model must not know.
    tolerance
        Largest allowed change of a prediction, in units of the standard deviation of the predictions of a trait.
        Rounding alone moves those of a ridge on 32-bit counts by more than 1e-6.

    Notes
    -----
    Five things are replaced by noise in the test accessions, one at a time: their labels, their labels of the source
    task, their measured entities, and the genomes and the places of all but one of them (which is predicted with the
    rest).
    """
    folds = list(split.folds(cohort))
    found = list(_shared(folds, group))
    first = folds[0]
    before = _predict(cohort, prepare, first, seed)
    random = np.random.default_rng(seed)
    for what, changed, watched in _changes(cohort, first.test, random):
        after = _predict(changed, prepare, first, seed)
        spread = np.where(before.std(axis=0) > 0, before.std(axis=0), 1)
        if (np.abs(after - before)[watched] / spread > tolerance).any():
            found.append(f"The predictions depend on the {what}.")
    return found


def _shared(folds: list[Fold], group: np.ndarray | None) -> Iterator[str]:
    for fold in folds:
        where = f"fold {fold.fold + 1} of repeat {fold.repeat + 1}"
        both = np.intersect1d(fold.train, fold.test)
        if len(both):
            yield f"{len(both)} accessions are both in the training and in the test part of {where}."
        if group is not None:
            both = np.intersect1d(group[fold.train], group[fold.test])
            if len(both):
                yield f"{both[0]} is both in the training and in the test part of {where}."


def _changes(
    cohort: xr.Dataset, test: np.ndarray, random: np.random.Generator
) -> Iterator[tuple[str, xr.Dataset, np.ndarray]]:
    """What is replaced by noise, the cohort with it, and which of the test accessions must not notice."""
    everybody, first = np.arange(len(test)), np.array([0])
    for name, what in (
        ("trait_value", "labels of the accessions to be predicted"),
        ("source_trait_value", "source labels of the accessions to be predicted"),
        ("entity_value", "measured entities of the accessions to be predicted"),
    ):
        if name in cohort:
            values = cohort[name].values.copy()
            scale = np.nan_to_num(np.nanstd(values, axis=0), nan=1) + 1
            values[test] = 10 * scale * random.normal(size=values[test].shape)
            yield what, _replaced(cohort, name, values), everybody
    others = test[1:]
    changed = cohort
    for name in ("counts", "dosage"):
        if name in cohort:
            values = cohort[name].values.copy()
            values[others] = random.choice(np.array([0, 2], values.dtype), values[others].shape)
            changed = _replaced(changed, name, values)
    yield "genomes of other accessions to be predicted", changed, first
    changed = cohort
    for name, limit in (("latitude", 90), ("longitude", 180)):
        values = cohort[name].values.copy()
        values[others] = random.uniform(-limit, limit, len(others))
        changed = changed.assign_coords({name: ("sample", values)})
    yield "places of other accessions to be predicted", changed, first


def _replaced(cohort: xr.Dataset, name: str, values: np.ndarray) -> xr.Dataset:
    return cohort.assign({name: (cohort[name].dims, values)})


def _predict(cohort: xr.Dataset, prepare: Prepare, fold: Fold, seed: int) -> np.ndarray:
    prepared, model = prepare(cohort)
    return fit_fold(prepared, model, fold, seed)[1]
