"""Splits and cross-validation: a model, a cohort and a split give a table of predictions.

Every score, table and figure is computed from that table, so any number can be traced to the prediction it came from.
"""

import hashlib
import inspect
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import sklearn
import torch
import xarray as xr
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold, KFold
from tqdm import tqdm

from gi_lib.datasets.cohort import MISSING_DOSAGE, fingerprint
from gi_lib.datasets.registry import cache_dir
from gi_lib.training import resolve_device

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

INPUTS = ("counts", "flat counts", "dosage", "place", "country", "traits")


@dataclass(frozen=True)
class Fold:
    """One division of the accessions: indices of those to learn from and those to predict."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class RandomFolds:
    """Accessions go to folds at random; each repeat shuffles anew."""

    n_splits: int = 5
    n_repeats: int = 1
    seed: int = 1
    name: str = "random"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        _check_splits(self.n_splits, cohort.sizes["sample"], "accessions")
        for repeat in range(self.n_repeats):
            splitter = KFold(self.n_splits, shuffle=True, random_state=_seed(self.seed, repeat))
            for fold, (train, test) in enumerate(splitter.split(cohort["sample"].values)):
                yield Fold(repeat, fold, train, test)


@dataclass(frozen=True)
class CountryFolds:
    """A country is wholly in the training or wholly in the test part of every fold.

    Accessions of unknown country (an empty name) count as one country of their own.
    """

    n_splits: int = 5
    n_repeats: int = 1
    seed: int = 1
    name: str = "by country"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        country = cohort["country"].values
        _check_splits(self.n_splits, len(np.unique(country)), "countries")
        for repeat in range(self.n_repeats):
            splitter = GroupKFold(self.n_splits, shuffle=True, random_state=_seed(self.seed, repeat))
            for fold, (train, test) in enumerate(splitter.split(country, groups=country)):
                yield Fold(repeat, fold, train, test)


def _check_splits(n_splits: int, n_units: int, units: str) -> None:
    if not 2 <= n_splits <= n_units:
        raise ValueError(
            f"n_splits is {n_splits}; with {n_units} {units} it must lie between 2 and {n_units}."
        )


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@dataclass(frozen=True)
class Model:
    """An estimator, the name it has in tables, and which part of the cohort it reads.

    Parameters
    ----------
    name
        Shown in tables and figures.
    estimator
        Follows scikit-learn's conventions; if it has a parameter ``seed``, it is set anew for each fold.
    inputs
        ``counts`` (sample, gene, variant_type); ``flat counts``, the same as (sample, feature); ``dosage``
        (sample, marker); ``place``, latitude and longitude in degrees; ``country``, its name; ``traits``
        (sample, trait) with NaN, to classify by.
    """

    name: str
    estimator: BaseEstimator
    inputs: str

    def __post_init__(self):
        if self.inputs not in INPUTS:
            raise ValueError(f"inputs of {self.name} is {self.inputs!r}; allowed are {', '.join(INPUTS)}.")


def model_inputs(cohort: xr.Dataset, inputs: str) -> np.ndarray:
    """The part of a cohort that a model reads, one row per accession.

    Raises
    ------
    ValueError
        If the cohort lacks it, or dosages are missing (impute them on the training accessions first).
    """
    if inputs == "counts":
        return cohort["counts"].values
    if inputs == "flat counts":
        flat = cohort["counts"].values.reshape(cohort.sizes["sample"], -1)
        # A column without any variant cannot weigh in; leaving it out changes no prediction.
        return flat[:, flat.any(axis=0)].astype(np.float32)
    if inputs == "dosage":
        if "dosage" not in cohort:
            raise ValueError(f"The cohort '{cohort.attrs.get('name')}' has no dosages.")
        dosage = cohort["dosage"].values
        if (dosage == MISSING_DOSAGE).any():
            raise ValueError("Some dosages are missing; impute them inside each training fold first.")
        return dosage.astype(np.float32)
    if inputs == "place":
        return np.stack([cohort["latitude"].values, cohort["longitude"].values], axis=1)
    if inputs == "traits":
        return cohort["trait_value"].values
    return cohort["country"].values[:, None]


def cross_validate(
    cohort: xr.Dataset,
    models: list[Model],
    split: RandomFolds | CountryFolds,
    seed: int = 1,
    cached: bool = True,
    progress: bool = False,
) -> pd.DataFrame:
    """Predict every accession by models that have not seen it.

    Parameters
    ----------
    cohort
        All its traits are labels of one multi-task fit. Accessions without any label are left out.
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
    cohort = cohort.isel(sample=np.flatnonzero(cohort["trait_value"].notnull().any("trait").values))
    labels = cohort["trait_value"].values
    tables = [
        _table(cohort, fold, predicted).assign(model=model.name, split=split.name, seed=seed)
        for model, fold, predicted in _predictions(cohort, labels, models, split, seed, cached, progress)
    ]
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)


def classify_countries(
    cohort: xr.Dataset,
    models: list[Model],
    split: RandomFolds,
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


def _predictions(
    cohort: xr.Dataset,
    labels: np.ndarray,
    models: list[Model],
    split: RandomFolds | CountryFolds,
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
            X = model_inputs(cohort, model.inputs)
            for fold in folds:
                bar.set_postfix_str(f"{model.name}, fold {fold.fold + 1}")
                estimator = clone(model.estimator)
                if "seed" in estimator.get_params():
                    estimator.set_params(seed=_seed(seed, fold.repeat, fold.fold))
                if cached:
                    key = _key(content, model.inputs, estimator, fold)
                    predicted = _cached_predictions(key, X, labels, estimator, fold)
                else:
                    predicted = _fit_predict(X, labels, estimator, fold)
                yield model, fold, predicted
                bar.update()


def _fit_predict(X: np.ndarray, labels: np.ndarray, estimator: BaseEstimator, fold: Fold) -> np.ndarray:
    return np.asarray(estimator.fit(X[fold.train], labels[fold.train]).predict(X[fold.test]))


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


# ------------------------------------------------------------------------------------------------ cache


def _key(content: str, inputs: str, estimator: BaseEstimator, fold: Fold) -> str:
    settings = {
        "cohort": content,
        "inputs": inputs,
        "estimator": _describe(estimator),
        "train": hashlib.sha256(fold.train.tobytes()).hexdigest(),
        "test": hashlib.sha256(fold.test.tobytes()).hexdigest(),
        "code": _code_version(),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


def _describe(value: object) -> object:
    """Class and settings of an estimator as plain JSON, the device as the one that would be used."""
    if isinstance(value, BaseEstimator):
        settings = {name: _describe(item) for name, item in value.get_params(deep=False).items()}
        settings.pop("progress", None)
        if "device" in settings:
            settings["device"] = resolve_device(settings["device"]).type
        kind = type(value)
        if kind.__module__.split(".")[0] not in ("gi_lib", "sklearn"):
            settings["source"] = inspect.getsource(kind)  # our versions and hashes do not cover it
        return {kind.__qualname__: settings}
    if isinstance(value, list | tuple):
        return [_describe(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, int | float | str | bool | None):
        return value
    raise ValueError(
        f"A model's setting is {value!r}, which has no lasting name to cache by; use cached=False."
    )


@cache
def _code_version() -> str:
    """Hash of the sources and package versions that predictions depend on, up to this floor."""
    root = Path(__file__).parent
    sources = [*root.glob("models/*.py"), root / "training.py", root / "encoding/scaling.py", Path(__file__)]
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(source.read_bytes())
    for package in (np, sklearn, torch):
        digest.update(package.__version__.encode())
    return digest.hexdigest()


def _cached_predictions(
    key: str, X: np.ndarray, labels: np.ndarray, estimator: BaseEstimator, fold: Fold
) -> np.ndarray:
    folder = cache_dir() / "predictions" / key[:2]
    path = folder / f"{key}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    # Whoever asks second for the same fit waits here and then reads what the first has written.
    with filelock.FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return np.load(path, allow_pickle=False)
            except (ValueError, EOFError, OSError):
                path.unlink(missing_ok=True)  # damaged on disk: fit again
        predicted = _fit_predict(X, labels, estimator, fold)
        scratch = path.with_suffix(".tmp")
        try:
            with scratch.open("wb") as file:
                np.save(file, predicted)
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        return predicted


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
