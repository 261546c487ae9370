"""Predictions on disk, named by a hash of everything that they depend on."""

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from gi_lib.datasets.registry import cache_dir, cache_or_elsewhere
from gi_lib.process import locked, make_folder, make_room, written_whole
from gi_lib.training import resolve_device
from gi_lib.validation.splits import Fold


def prediction_key(content: str, inputs: str, estimator: BaseEstimator, fold: Fold) -> str:
    """Name of one fit's predictions.

    Parameters
    ----------
    content
        Fingerprint of the cohort and of the kind of labels.
    inputs
        What the model reads of it.
    estimator, fold
        Settings (the seed among them), and who is predicted from whom.
    """
    settings = {
        "cohort": content,
        "inputs": inputs,
        "estimator": describe(estimator),
        "train": hashlib.sha256(fold.train.tobytes()).hexdigest(),
        "test": hashlib.sha256(fold.test.tobytes()).hexdigest(),
        "code": _code_version(),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


WITHOUT_EFFECT = ("progress", "storage", "n_jobs")
"""Settings that change how a fit runs, not what it predicts."""


def describe(value: object) -> object:
    """Class and settings of an estimator as plain JSON, the device as the one that would be used.

    Raises
    ------
    ValueError
        If a setting is of a kind that has no lasting name.
    """
    if isinstance(value, BaseEstimator):
        settings = {
            name: describe(item)
            for name, item in value.get_params(deep=False).items()
            if name not in WITHOUT_EFFECT
        }
        if "device" in settings:
            settings["device"] = resolve_device(settings["device"]).type
        kind = type(value)
        if kind.__module__.split(".")[0] not in ("gi_lib", "sklearn"):
            settings["source"] = _source(kind)  # our versions and hashes do not cover it
        return {kind.__qualname__: settings}
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__qualname__: {f.name: describe(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, dict):
        return {str(name): describe(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, np.ndarray):
        content = "\0".join(value.ravel()).encode() if value.dtype.kind == "U" else value.tobytes()
        return f"{value.dtype.kind}{value.shape} {hashlib.sha256(content).hexdigest()}"
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, int | float | str | bool | None):
        return value
    raise ValueError(
        f"A model's setting is {value!r}, which has no lasting name to cache by; use cached=False."
    )


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        raise ValueError(
            f"The source of the class {kind.__name__} cannot be read, so nothing says when it has changed; define it "
            "in a file, or use cached=False."
        ) from None


CODE = (
    "models/*.py",
    "training/*.py",
    "validation/*.py",
    "datasets/pathways/edges.py",
    "encoding/counting.py",
    "encoding/scaling.py",
    "encoding/markers.py",
    "tuning.py",
)
"""Sources, below the folder of the package, that predictions depend on."""


@cache
def _code_version() -> str:
    """Hash of the sources and package versions that predictions depend on, up to this floor."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for source in sorted(path for pattern in CODE for path in root.glob(pattern)):
        digest.update(source.read_bytes())
    for package in ("numba", "numpy", "scikit-learn", "scipy", "skglm", "torch", "optuna"):
        digest.update(version(package).encode())
    return digest.hexdigest()


def cached_predictions(
    keys: Sequence[str], compute: Callable[[list[int]], list[np.ndarray]]
) -> list[np.ndarray]:
    """What equal fits have left under these names; `compute` gives those of the numbers that are missing.

    What is computed is kept for the next. Whoever asks second for the same fit waits and then reads what the first has
    written.

    Raises
    ------
    DataError
        If the cache cannot be written, or its disk is full: before anything is computed, if it is so by then.
    """
    with cache_or_elsewhere(), ExitStack() as locks:
        paths = [_path(key) for key in keys]
        for path in sorted(set(paths)):  # in one order everywhere, so that no two wait for each other
            locks.enter_context(locked(path.with_suffix(".lock")))
        found = [_read(path) for path in paths]
        missing = [number for number, predicted in enumerate(found) if predicted is None]
        if missing:
            make_room(paths[missing[0]].parent)
        for number, predicted in zip(missing, compute(missing) if missing else [], strict=True):
            found[number] = predicted
            _write(paths[number], predicted)
    return found


def _path(key: str) -> Path:
    return make_folder(cache_dir() / "predictions" / key[:2]) / f"{key}.npy"


def _read(path: Path) -> np.ndarray | None:
    if path.exists():
        try:
            return np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError):
            path.unlink(missing_ok=True)  # damaged on disk: fit again
    return None


def _write(path: Path, predicted: np.ndarray) -> None:
    with written_whole(path) as scratch, scratch.open("wb") as file:
        np.save(file, predicted, allow_pickle=False)
