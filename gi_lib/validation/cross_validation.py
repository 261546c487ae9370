"""Cross-validation: a model, a cohort and a split give a table of predictions.

Every score, table and figure is computed from that table, so any number can be traced to the prediction it came from.
"""

import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator, clone
from tqdm import tqdm

from gi_lib.datasets.cohort import fingerprint
from gi_lib.training import fit_together
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
        are left out.
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
        Columns as `COLUMNS`; rows only where there is an observed label.
    """
    cohort = cohort.isel(sample=np.flatnonzero(_labelled(cohort)))
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

    Returns
    -------
    pandas.DataFrame
        Columns ``sample``, ``model``, ``repeat``, ``fold``, ``observed``, ``predicted``: names of countries.
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
    """Accessions with a label of any trait, of the source task too if there is one."""
    labelled = cohort["trait_value"].notnull().any("trait").values
    if "source_trait_value" in cohort:
        labelled = labelled | cohort["source_trait_value"].notnull().any("source_trait").values
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
    # One cohort has two kinds of labels: traits and countries.
    content = f"{fingerprint(cohort)} {labels.dtype.kind}" if cached else ""
    folds = list(split.folds(cohort))
    with tqdm(total=len(models) * len(folds), unit="fit", disable=not progress) as bar:
        for model in models:
            X, source = model_inputs(cohort, model.inputs), source_labels(cohort, model)
            # Networks are trained on all folds at once, other models fold by fold.
            together = hasattr(model.estimator, "fitting")
            for part in [folds] if together else [[fold] for fold in folds]:
                bar.set_postfix_str(
                    f"{model.name}, fold {part[0].fold + 1}" + " and others" * (len(part) > 1)
                )
                estimators = [seeded(model.estimator, seed, fold) for fold in part]

                def compute(
                    numbers, X=X, estimators=estimators, part=part, source=source
                ) -> list[np.ndarray]:
                    chosen = [estimators[number] for number in numbers], [part[number] for number in numbers]
                    return fit_predict(X, labels, *chosen, source)

                if cached:
                    keys = [
                        prediction_key(content, model.inputs, estimator, fold)
                        for estimator, fold in zip(estimators, part, strict=True)
                    ]
                    predictions = cached_predictions(keys, compute)
                else:
                    predictions = compute(range(len(part)))
                for fold, predicted in zip(part, predictions, strict=True):
                    yield model, fold, predicted
                bar.update(len(part))


def seeded(estimator: BaseEstimator, seed: int, fold: Fold) -> BaseEstimator:
    """A fresh clone for one fold; if it or a part of it has a parameter ``seed``, seed, repeat and fold decide it."""
    estimator = clone(estimator)
    seeds = [name for name in estimator.get_params() if name.split("__")[-1] == "seed"]
    return estimator.set_params(**dict.fromkeys(seeds, derived_seed(seed, fold.repeat, fold.fold)))


def source_labels(cohort: xr.Dataset, model: Model) -> np.ndarray | None:
    """Labels of the source task, shape (sample, source_trait), for a model whose ``fit`` takes them.

    Raises
    ------
    ValueError
        If the model takes them and the cohort has none.
    """
    if "source" not in inspect.signature(model.estimator.fit).parameters:
        return None
    if "source_trait_value" not in cohort:
        raise ValueError(
            f"{model.name} first learns a source task, but the cohort '{cohort.attrs.get('name')}' has no "
            "'source_trait_value'."
        )
    return cohort["source_trait_value"].values


def fit_predict(
    X: np.ndarray,
    labels: np.ndarray,
    estimators: Sequence[BaseEstimator],
    folds: Sequence[Fold],
    source: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Fit each estimator on the training part of its fold and predict the test part; of that only X is seen.

    A training accession without any label takes part only if it has labels of the source task. Networks are fitted
    together.
    """
    samples = [fold.train for fold in folds]
    if source is None and labels.dtype.kind == "f":
        samples = [train[~np.isnan(labels[train]).all(axis=1)] for train in samples]
    if all(hasattr(estimator, "fitting") for estimator in estimators):
        fit_together(estimators, X, labels, samples, source)
    else:
        for estimator, train in zip(estimators, samples, strict=True):
            options = {} if source is None else {"source": source[train]}
            estimator.fit(X[train], labels[train], **options)
    return [
        np.asarray(estimator.predict(X[fold.test])) for estimator, fold in zip(estimators, folds, strict=True)
    ]


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
    """
    missing = [name for name in COLUMNS if name not in predictions]
    if missing:
        raise ValueError(
            f"The predictions table has no column {missing[0]!r}; needed are {', '.join(COLUMNS)}."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        predictions[list(COLUMNS)].to_parquet(scratch, index=False)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return path
