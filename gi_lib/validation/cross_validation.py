"""Cross-validation: a model, a cohort and a split give a table of predictions.

Every score, table and figure is computed from that table, so any number can be traced to the prediction it came from.
"""

import inspect
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from gi_lib.datasets.cohort import fingerprint
from gi_lib.process import make_folder, written_whole
from gi_lib.training import Held, fit_together, learns_together, predict_together
from gi_lib.validation.cache import cached_predictions, prediction_key
from gi_lib.validation.model import Model, model_inputs
from gi_lib.validation.splits import Fold, Split, derived_seed

COLUMNS = {
    "sample": "str",
    "trait": "str",
    "model": "str",
    "split": "str",
    "fold": "int64",
    "repeat": "int64",
    "seed": "int64",
    "observed": "float64",
    "predicted": "float64",
    "country": "str",
}
"""The predictions table: one row per accession, trait, model and repeat."""


def cross_validate(
    cohort: xr.Dataset,
    models: Sequence[Model],
    split: Split,
    seed: int = 1,
    cached: bool = True,
    progress: bool = False,
) -> pd.DataFrame:
    """Predict every accession by models that have not seen it.

    Parameters
    ----------
    cohort
        All its traits are labels of one multi-task fit. Accessions without any label, also of the source task,
        or measured entity are left out.
    models
        Fitted one after the other on each fold, each from a fresh clone.
    split
        Which accessions are predicted from which.
    seed
        With repeat and fold, decides the seed of each fit.
    cached
        Keep the predictions of each fit, named by a hash of everything that they depend on: cohort,
        model, split, seed, device and code. A second call, also from another process, reads them.
    progress
        Show a bar over fits.

    Returns
    -------
    pandas.DataFrame
        Columns as `COLUMNS`; rows only where there is an observed label. The same to the bit on any number of cores.

    Raises
    ------
    ValueError
        If there is no model, or two have one name; if the cohort has no label or a name twice; what a split or an
        estimator refuses, after the model's name.
    FloatingPointError
        If a training diverges, or a prediction is not a finite number.
    """
    for dim in ("sample", "trait"):
        names = pd.Index(cohort[dim].values)
        if not names.is_unique:
            raise ValueError(
                f"'{names[names.duplicated()][0]}' occurs more than once along '{dim}'; names must be unique."
            )
    labelled = _labelled(cohort)
    if not labelled.any():
        raise ValueError(f"No accession of the cohort '{cohort.attrs.get('name')}' has a label.")
    if not labelled.all():  # a whole cohort is not copied
        cohort = cohort.isel(sample=np.flatnonzero(labelled))
    labels = cohort["trait_value"].values
    tables = [
        _table(cohort, fold, predicted).assign(model=model.name, split=split.name, seed=seed)
        for model, fold, predicted in _predictions(cohort, labels, models, split, seed, cached, progress)
    ]
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)


def classify_countries(
    cohort: xr.Dataset,
    models: Sequence[Model],
    split: Split,
    seed: int = 1,
    cached: bool = True,
    progress: bool = False,
) -> pd.DataFrame:
    """Predict the country of every accession by classifiers that have not seen it.

    Parameters are those of `cross_validate`; the label is the country, so models must not read it.
    Accessions of unknown country (an empty name) count as one country of their own.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample``, ``model``, ``repeat``, ``fold``, ``observed``, ``predicted``: names of countries.

    Raises
    ------
    ValueError, FloatingPointError
        As `cross_validate`.
    """
    labels = cohort["country"].values
    tables = [
        pd.DataFrame(
            {
                "sample": cohort["sample"].values[fold.test],
                "model": model.name,
                "repeat": fold.repeat,
                "fold": fold.fold,
                "observed": labels[fold.test],
                "predicted": predicted,
            }
        )
        for model, fold, predicted in _predictions(cohort, labels, models, split, seed, cached, progress)
    ]
    return pd.concat(tables, ignore_index=True)


def _labelled(cohort: xr.Dataset) -> np.ndarray:
    """Accessions with a label of any trait, or with anything else that a model may learn from."""
    labelled = cohort["trait_value"].notnull().any("trait").values
    for name in ("source_trait_value", "entity_value"):
        if name in cohort:
            labelled = labelled | cohort[name].notnull().any(cohort[name].dims[1]).values
    return labelled


def _predictions(
    cohort: xr.Dataset,
    labels: np.ndarray,
    models: Sequence[Model],
    split: Split,
    seed: int,
    cached: bool,
    progress: bool,
) -> Iterator[tuple[Model, Fold, np.ndarray]]:
    """Fit each model on each fold, or read what an equal fit has left."""
    names = pd.Index([model.name for model in models])
    if names.empty or not names.is_unique:
        raise ValueError(
            f"The models are {', '.join(names) or 'none'}; needed is at least one, each with a name of its own."
        )
    # One cohort has two kinds of labels: traits and countries.
    content = f"{fingerprint(cohort)} {labels.dtype.kind}" if cached else ""
    folds = list(split.folds(cohort))
    if not folds:
        raise ValueError(f"The split {split.name!r} has no folds; n_repeats must be at least 1.")
    with tqdm(total=len(models) * len(folds), unit="fit", disable=not progress) as bar:
        for model in models:
            X, besides = model_inputs(cohort, model.inputs), besides_labels(cohort, model)
            at_once = _folds_at_once(model.estimator, len(folds))
            for part in (folds[start : start + at_once] for start in range(0, len(folds), at_once)):
                bar.set_postfix_str(
                    f"{model.name}, fold {part[0].fold + 1}" + " and others" * (len(part) > 1)
                )
                estimators = [seeded(model.estimator, seed, fold) for fold in part]

                def compute(
                    numbers, X=X, estimators=estimators, part=part, besides=besides
                ) -> list[np.ndarray]:
                    chosen = [estimators[number] for number in numbers], [part[number] for number in numbers]
                    return fit_predict(X, labels, *chosen, besides)

                try:
                    if cached:
                        keys = [
                            prediction_key(content, model.inputs, estimator, fold)
                            for estimator, fold in zip(estimators, part, strict=True)
                        ]
                        predictions = cached_predictions(keys, compute)
                    else:
                        predictions = compute(range(len(part)))
                except (ValueError, FloatingPointError) as error:
                    where = "one of its folds" if len(part) > 1 else f"fold {part[0].fold + 1}"
                    # Not the error's own class: another package's may not be made from a sentence.
                    kind = FloatingPointError if isinstance(error, FloatingPointError) else ValueError
                    raise kind(f"{model.name}, {where}: {error}") from error
                for fold, predicted in zip(part, predictions, strict=True):
                    _refuse_no_numbers(predicted, model, fold)
                    yield model, fold, predicted
                bar.update(len(part))


def _folds_at_once(estimator: BaseEstimator, n_folds: int) -> int:
    """Networks are trained on all folds at once, samplers on one fold for each core, other models fold by fold."""
    if learns_together(estimator):
        return n_folds
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return torch.get_num_threads() if getattr(last, "in_threads", False) else 1


def _refuse_no_numbers(predicted: np.ndarray, model: Model, fold: Fold) -> None:
    """A score would leave out what is NaN, and so praise a model for what it does not predict."""
    if predicted.dtype.kind == "f" and not np.isfinite(predicted).all():
        raise FloatingPointError(
            f"{model.name}, fold {fold.fold + 1}: {(~np.isfinite(predicted)).sum()} of {predicted.size} predictions "
            "are not finite numbers."
        )


def seeded(estimator: BaseEstimator, seed: int, fold: Fold) -> BaseEstimator:
    """A fresh clone for one fold; if it or a part of it has a parameter ``seed``, seed, repeat and fold decide it."""
    estimator = clone(estimator)
    seeds = [name for name in estimator.get_params() if name.split("__")[-1] == "seed"]
    return estimator.set_params(**dict.fromkeys(seeds, derived_seed(seed, fold.repeat, fold.fold)))


def besides_labels(cohort: xr.Dataset, model: Model) -> dict[str, np.ndarray]:
    """What a model's ``fit`` takes besides the labels, by the names of its arguments.

    ``source``: labels of the source task, shape (sample, source_trait). ``entities``: measurements between genome and
    trait, shape (sample, entity), if the cohort has them; a model that cannot do without says so itself.

    Raises
    ------
    ValueError
        If the model takes a source task and the cohort has none.
    """
    estimator = model.estimator
    while hasattr(estimator, "estimator"):  # an ensemble passes on what its members take
        estimator = estimator.estimator
    taken = inspect.signature(estimator.fit).parameters
    besides = {}
    if "source" in taken:
        if "source_trait_value" not in cohort:
            raise ValueError(
                f"{model.name} first learns a source task, but the cohort '{cohort.attrs.get('name')}' has no "
                "'source_trait_value'."
            )
        besides["source"] = cohort["source_trait_value"].values
    if "entities" in taken and "entity_value" in cohort:
        besides["entities"] = cohort["entity_value"].values
    return besides


# Sums of BLAS depend on the number of threads in their last digits. On one, predictions are the same to the bit on any
# number of cores; networks and samplers have threads of their own and are the same on any number of them.
_on_one_thread_of_blas = threadpool_limits.wrap(limits=1, user_api="blas")


@_on_one_thread_of_blas
def fit_predict(
    X: np.ndarray,
    labels: np.ndarray,
    estimators: Sequence[BaseEstimator],
    folds: Sequence[Fold],
    besides: dict[str, np.ndarray],
) -> list[np.ndarray]:
    """Fit each estimator on the training part of its fold and predict the test part; of that only X is seen.

    `besides` is that of `besides_labels`; with it a training accession without any label takes part. Networks are
    fitted together, all else in threads side by side.
    """
    samples = [fold.train for fold in folds]
    if not besides and labels.dtype.kind == "f":
        samples = [train[~np.isnan(labels[train]).all(axis=1)] for train in samples]
    if all(map(learns_together, estimators)):
        held = Held(X)
        fit_together(estimators, held, labels, samples, **besides)
        return predict_together(estimators, held, [fold.test for fold in folds])

    def fit(estimator: BaseEstimator, train: np.ndarray) -> None:
        estimator.fit(X[train], labels[train], **{name: values[train] for name, values in besides.items()})

    # One alone stays in this thread: how many threads PyTorch may use, each thread is told for itself.
    if len(estimators) == 1:
        fit(estimators[0], samples[0])
    else:
        with ThreadPoolExecutor(len(estimators)) as pool:
            list(pool.map(fit, estimators, samples))
    return [
        np.asarray(estimator.predict(X[fold.test])) for estimator, fold in zip(estimators, folds, strict=True)
    ]


def fit_fold(cohort: xr.Dataset, model: Model, fold: Fold, seed: int = 1) -> tuple[BaseEstimator, np.ndarray]:
    """Fit a model to the training part of one fold, for a look into what was fitted; nothing is cached.

    Returns
    -------
    estimator
        A fitted clone.
    predicted : shape (sample, trait)
        Of the test part.
    """
    return fit_side_by_side([(cohort, model, fold)], seed)[0]


@_on_one_thread_of_blas
def fit_side_by_side(
    tasks: Sequence[tuple[xr.Dataset, Model, Fold]], seed: int = 1
) -> list[tuple[BaseEstimator, np.ndarray]]:
    """`fit_fold` for several tasks, also of several cohorts; networks with inputs of one size are trained together."""
    estimators = [seeded(model.estimator, seed, fold) for _, model, fold in tasks]
    together: dict[tuple, list[int]] = {}
    for number, (cohort, model, _) in enumerate(tasks):
        if learns_together(estimators[number]):
            size = model_inputs(cohort, model.inputs).shape[1:]
            kind = model.inputs, size, cohort.sizes["trait"], tuple(besides_labels(cohort, model))
            together.setdefault(kind, []).append(number)
        else:
            X, labels = model_inputs(cohort, model.inputs), cohort["trait_value"].values
            fit_predict(X, labels, [estimators[number]], [tasks[number][2]], besides_labels(cohort, model))
    for (inputs, *_), numbers in together.items():
        cohorts = {id(tasks[number][0]): tasks[number][0] for number in numbers}
        first = dict(
            zip(cohorts, np.cumsum([0, *(c.sizes["sample"] for c in cohorts.values())]), strict=False)
        )
        besides = [besides_labels(cohort, tasks[numbers[0]][1]) for cohort in cohorts.values()]
        fit_together(
            [estimators[number] for number in numbers],
            np.concatenate([model_inputs(cohort, inputs) for cohort in cohorts.values()]),
            np.concatenate([cohort["trait_value"].values for cohort in cohorts.values()]),
            [first[id(tasks[number][0])] + tasks[number][2].train for number in numbers],
            **{name: np.concatenate([one[name] for one in besides]) for name in besides[0]},
        )
    found = []
    for estimator, (cohort, model, fold) in zip(estimators, tasks, strict=True):
        predicted = np.asarray(estimator.predict(model_inputs(cohort, model.inputs)[fold.test]))
        found.append((estimator, predicted.reshape(len(fold.test), -1)))
    return found


def _table(cohort: xr.Dataset, fold: Fold, predicted: np.ndarray) -> pd.DataFrame:
    test = cohort.isel(sample=fold.test)
    n_traits = cohort.sizes["trait"]
    n_samples = len(fold.test)
    table = pd.DataFrame(
        {
            "sample": np.repeat(test["sample"].values, n_traits),
            "trait": np.tile(cohort["trait"].values, n_samples),
            "fold": fold.fold,
            "repeat": fold.repeat,
            "observed": test["trait_value"].values.ravel(),
            "predicted": predicted.ravel(),
            "country": np.repeat(test["country"].values, n_traits),
        }
    )
    return table[table["observed"].notna()]


def save_predictions(predictions: pd.DataFrame, path: str | Path) -> Path:
    """Write a predictions table as Parquet, whole or not at all.

    Raises
    ------
    ValueError
        If a column of `COLUMNS` is missing.
    WriteError
        If the folder cannot be written.
    """
    missing = [name for name in COLUMNS if name not in predictions]
    if missing:
        raise ValueError(
            f"The predictions table has no column {missing[0]!r}; needed are {', '.join(COLUMNS)}."
        )
    path = Path(path)
    make_folder(path.parent)
    with written_whole(path) as scratch:
        predictions[list(COLUMNS)].to_parquet(scratch, index=False)
    return path
