"""Hyper-parameters chosen on a part of the training accessions (Raimondi et al. 2024, *Implementation and validation*).

The paper repeats its cross-validation nested, with Optuna: in every outer fold the settings are those that do best on
20 % of the training accessions, so 80 % × 20 % = 16 % of all accessions judge them. A `Tuned` estimator does the inner
part in its `fit`; an outer cross-validation of it is the nested one.
"""

import inspect
import math
import numbers
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from gi_lib.process import locked, make_folder, or_elsewhere, writing

KINDS = ("log", "uniform", "int", "choice")
MIN_LABELS = 3
"""A trait with fewer labels has no correlation worth the name: two points always lie on a line."""

FULL_TRIALS = 5
FIRST_EPOCH = 5
"""Nothing is ended before so many trials ran to their end, nor a trial before this epoch: a low rate starts slowly."""


def mean_correlation(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation of each trait over its labelled accessions, averaged over the traits.

    Parameters
    ----------
    observed : shape (sample,) or (sample, trait)
        NaN where a label is missing. Traits with fewer than three labels, or all labels equal, do not count.
    predicted : same shape
        A trait whose predictions are all equal has a correlation of 0: they tell nothing.

    Raises
    ------
    ValueError
        If no trait counts.
    FloatingPointError
        If a prediction is not a finite number.

    Examples
    --------
    >>> predicted = np.array([[1.0, 5.0], [2.0, 8.0], [3.0, 6.0], [4.0, 4.0]])
    >>> observed = np.array([[10.0, -5.0], [20.0, np.nan], [30.0, -6.0], [40.0, -4.0]])
    >>> round(mean_correlation(observed, predicted), 6)  # 1 and -1; the 8 meets no label
    0.0
    """
    observed = np.asarray(observed, float).reshape(len(observed), -1)
    predicted = np.asarray(predicted, float).reshape(observed.shape)
    if not np.isfinite(predicted).all():
        raise FloatingPointError("Some predictions are not finite numbers.")
    counted = _counted_traits(observed)
    observed, predicted = observed[:, counted], predicted[:, counted]
    there = ~np.isnan(observed)

    def deviation(values: np.ndarray) -> np.ndarray:
        mean = np.mean(values, axis=0, where=there)
        return np.where(there, values - mean, 0)

    x, y = deviation(observed), deviation(predicted)
    norm_x, norm_y = np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0)
    flat = norm_y <= 1e-12 * np.abs(predicted).max(axis=0)  # equal but for rounding
    return float(np.mean(np.where(flat, 0, (x * y).sum(axis=0) / (norm_x * np.where(flat, 1, norm_y)))))


def _counted_traits(labels: np.ndarray) -> np.ndarray:
    """Which traits have a correlation at all."""
    there = ~np.isnan(labels)
    lowest, highest = (np.where(there, labels, end) for end in (np.inf, -np.inf))
    counted = (there.sum(axis=0) >= MIN_LABELS) & (highest.max(axis=0) > lowest.min(axis=0))
    if not counted.any():
        raise ValueError(
            f"None of {labels.shape[1]} traits has {MIN_LABELS} labels, not all equal, among the "
            f"{len(labels)} accessions that judge; take a larger share of them."
        )
    return counted


class _Part(NamedTuple):
    """Some accessions: inputs, labels, and what else ``fit`` takes one row of per accession."""

    X: np.ndarray
    y: np.ndarray
    more: dict[str, np.ndarray]

    def rows(self, index: np.ndarray) -> "_Part":
        return _Part(self.X[index], self.y[index], {name: rows[index] for name, rows in self.more.items()})


class Tuned(RegressorMixin, BaseEstimator):
    """An estimator whose settings are chosen on a part of the training accessions, then fitted on all of them.

    Parameters
    ----------
    estimator
        A regressor by scikit-learn's conventions. Its own settings, the published ones, are trial 0 if they lie in
        the space, so that on the judging accessions the choice is never worse than they are.
    space
        For each setting to choose, its name (as in ``get_params``, so ``step__setting`` reaches into a pipeline) and
        where to look: ``("log", low, high)`` or ``("uniform", low, high)`` for real numbers, ``("int", low, high)``
        with both ends allowed, or ``("choice", value, value, ...)``.
    n_trials
        How many settings are tried.
    validation_share
        Share of the training accessions that judge the settings; a fifth in the paper.
    pruning
        How many epochs lie between two looks at the score during training, after which a trial that does worse than
        the median of the earlier ones is ended; True is 1, False is never. Only for estimators whose ``fit`` takes
        ``after_epoch``.
    seed
        Decides who judges, what is tried, and every setting of the estimator that is called ``seed``.
    storage
        Folder where the trials of each fit are kept. A fit with the same data and settings goes on where an earlier
        one was stopped, and ends as if it had not been; `n_trials` may have grown since. None keeps nothing.

    Attributes
    ----------
    best_params_ : dict
        The chosen settings.
    best_score_ : float
        Their score on the judging accessions, which is too good: it is the highest of many. See `optimism`.
    trials_ : pandas.DataFrame
        One row per trial: ``number``; ``state``, which is ``complete``, ``pruned`` (ended early) or ``diverged`` (no
        finite loss or prediction); ``score``, that at the last look if pruned; ``epochs`` trained, missing if the
        estimator does not tell, 0 if an earlier trial had the same settings; ``params``, and each setting as
        ``param_NAME``.
    estimator_
        Fitted with the chosen settings on all training accessions.

    Notes
    -----
    The paper does not say what Optuna maximised. Here it is `mean_correlation`: the models are compared by a
    correlation, which unlike the squared error does not mind a prediction that is shrunken as a whole, as those of
    strongly regularised models rightly are. It is the correlation over all judging accessions, since `fit` is not told
    their countries; so it also rewards telling countries apart, which the paper's score within countries does not.

    Settings are proposed by Optuna's tree-structured Parzen estimator, the first ten at random, with a seed for each
    trial; trials are ended by its median rule.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> random = np.random.default_rng(0)
    >>> X = random.normal(size=(60, 30))
    >>> y = X[:, 0] + random.normal(size=60)
    >>> tuned = Tuned(Ridge(alpha=1.0), {"alpha": ("log", 1e-2, 1e4)}, n_trials=5).fit(X, y)
    >>> tuned.trials_.loc[0, "params"]
    {'alpha': 1.0}
    >>> bool(tuned.best_score_ == tuned.trials_["score"].max())
    True
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        space: dict[str, tuple | list],
        n_trials: int = 20,
        validation_share: float = 0.2,
        pruning: bool | int = True,
        seed: int = 0,
        storage: str | None = None,
    ):
        self.estimator = estimator
        self.space = space
        self.n_trials = n_trials
        self.validation_share = validation_share
        self.pruning = pruning
        self.seed = seed
        self.storage = storage

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Tuned":
        """Choose the settings and fit with them.

        Parameters
        ----------
        X : shape (sample, ...)
        y : shape (sample,) or (sample, trait)
            NaN for missing, if the estimator allows it.

        Raises
        ------
        ValueError
            If the space or another setting is malformed, X and y differ in length, y is not numeric, the judging
            accessions have too few labels, no trial has a score, or the kept study is damaged.
        WriteError
            If the folder `storage` cannot be written; finished trials are kept.
        """
        return self._fit(np.asarray(X), _numeric(y), {})

    def _fit(self, X: np.ndarray, y: np.ndarray, more: dict[str, np.ndarray]) -> "Tuned":
        distributions = self._check()
        for name, rows in {"y": y, **more}.items():
            if len(rows) != len(X):
                raise ValueError(
                    f"X has {len(X)} accessions but {name} has {len(rows)}; they must be the same."
                )
        learning, judging = self._split(_Part(X, y, more))
        with self._study(X, y, more) as study:
            while len(finished := _finished(study)) < self.n_trials:
                trial = self._propose(study, distributions, len(finished))
                self._judge(study, trial, finished, learning, judging)
        finished = finished[: self.n_trials]
        self.trials_ = _table(finished)
        scores = self.trials_["score"].where(self.trials_["state"] == "complete")
        if scores.isna().all():
            raise ValueError(
                f"None of {self.n_trials} trials gave finite predictions; narrow the space of {', '.join(self.space)}."
            )
        best = int(scores.idxmax())  # the first of equals
        self.best_params_, self.best_score_ = dict(finished[best].params), float(scores[best])
        self.estimator_ = self._with(self.best_params_).fit(X, y, **more)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions of the estimator with the chosen settings."""
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict(X)

    # ------------------------------------------------------------------------------------------ settings

    def _check(self) -> dict[str, BaseDistribution]:
        """The space as Optuna wants it, in an order that does not depend on the caller's."""
        if not _is_whole(self.n_trials) or self.n_trials < 1:
            raise ValueError(f"n_trials is {self.n_trials!r}; it must be a whole number from 1.")
        if not _is_whole(self.seed) or self.seed < 0:
            raise ValueError(f"seed is {self.seed!r}; it must be a whole number from 0.")
        if not isinstance(self.pruning, bool) and (not _is_whole(self.pruning) or self.pruning < 0):
            raise ValueError(
                f"pruning is {self.pruning!r}; allowed are True, False and whole numbers from 0."
            )
        if not _is_number(self.validation_share) or not 0 < self.validation_share < 1:
            raise ValueError(
                f"validation_share is {self.validation_share!r}; it must lie between 0 and 1, both excluded."
            )
        if not isinstance(self.space, dict) or not self.space:
            raise ValueError(
                f"space is {self.space!r}; it must be a dictionary such as {{'learning_rate': ('log', 1e-4, 1e-2)}}."
            )
        if isinstance(self.estimator, type) or not hasattr(self.estimator, "get_params"):
            raise ValueError(
                f"estimator is {self.estimator!r}; it must be an estimator by scikit-learn's conventions."
            )
        settings = self.estimator.get_params()
        for name in self.space:
            if name not in settings:
                raise ValueError(
                    f"{type(self.estimator).__name__} has no setting {name!r} to choose; "
                    f"it has {', '.join(sorted(settings))}."
                )
            if _is_seed(name):
                raise ValueError(
                    f"{name!r} is set by the seed of Tuned and cannot be chosen; leave it out of space."
                )
        return {name: _distribution(name, self.space[name]) for name in sorted(self.space)}

    def _with(self, params: dict) -> BaseEstimator:
        """A fresh estimator with these settings and our seed."""
        estimator = clone(self.estimator).set_params(**params)
        return estimator.set_params(**{name: self.seed for name in estimator.get_params() if _is_seed(name)})

    def _published(self) -> dict | None:
        """The estimator's own settings, or None if one lies outside the space."""
        settings = self.estimator.get_params()
        if not all(_lies_in(settings[name], where) for name, where in self.space.items()):
            return None
        return {name: _plain(settings[name]) for name in self.space}

    def _split(self, training: _Part) -> tuple[_Part, _Part]:
        """Who learns and who judges; an accession without any label cannot judge."""
        labelled = np.flatnonzero(~np.isnan(training.y).reshape(len(training.y), -1).all(axis=1))
        n_judging = math.ceil(len(labelled) * self.validation_share)
        if not MIN_LABELS <= n_judging <= len(labelled) - 2:
            raise ValueError(
                f"validation_share {self.validation_share:g} of {len(labelled)} labelled accessions leaves "
                f"{len(labelled) - n_judging} to learn from and {n_judging} to judge; needed are 2 and {MIN_LABELS}."
            )
        _, judging = train_test_split(labelled, test_size=n_judging, random_state=_seed(self.seed, 0))
        learning = np.setdiff1d(np.arange(len(training.y)), judging)
        _counted_traits(training.y[judging].reshape(n_judging, -1))
        return training.rows(learning), training.rows(judging)

    # --------------------------------------------------------------------------------------------- trials

    def _propose(self, study: optuna.Study, distributions: dict[str, BaseDistribution], number: int) -> Trial:
        """Begin a trial. What it tries depends on the finished ones, their number and the seed, on nothing else."""
        published = self._published()
        if number == 0 and published is not None and not study.get_trials(states=(TrialState.WAITING,)):
            study.enqueue_trial(published)
        study.sampler = optuna.samplers.TPESampler(seed=_seed(self.seed, 1 + number), constant_liar=False)
        return study.ask(distributions)

    def _judge(
        self,
        study: optuna.Study,
        trial: Trial,
        finished: list[FrozenTrial],
        learning: _Part,
        judging: _Part,
    ) -> None:
        """Fit with the trial's settings and tell the study how well that predicts the judging accessions."""
        for earlier in finished:
            if earlier.params == trial.params:
                _repeat(study, trial, earlier)
                return
        estimator = self._with(trial.params)
        epochs = None

        def after_epoch(epoch: int, fitted: BaseEstimator) -> None:
            nonlocal epochs
            epochs = epoch
            if self.pruning and epoch % self.pruning == 0:
                trial.report(mean_correlation(judging.y, fitted.predict(judging.X)), epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        tells_epochs = "after_epoch" in inspect.signature(estimator.fit).parameters
        options = {"after_epoch": after_epoch} if tells_epochs else {}
        score, diverged = None, False
        try:
            estimator.fit(learning.X, learning.y, **learning.more, **options)
            score = mean_correlation(judging.y, estimator.predict(judging.X))
        except optuna.TrialPruned:
            pass
        except FloatingPointError:
            diverged = True
        _tell(study, trial, score, epochs, diverged)

    # --------------------------------------------------------------------------------------------- storage

    @contextmanager
    def _study(self, X: np.ndarray, y: np.ndarray, more: dict[str, np.ndarray]) -> Iterator[optuna.Study]:
        """The study of this fit: a new one, or what an interrupted fit has left, held by us alone."""
        if self.storage is None:
            yield _open_study(optuna.storages.InMemoryStorage())
            return
        path = Path(self.storage) / f"{self._key(X, y, more)}.journal"
        with or_elsewhere("choose another folder by storage"), _held(path):
            try:
                study = _open_study(JournalStorage(_Journal(str(path), _HeldAlready())))
            except (ValueError, KeyError, TypeError, AssertionError) as error:
                raise ValueError(f"The kept study {path} is damaged; delete it to begin anew.") from error
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                study.tell(trial.number, state=TrialState.FAIL)  # its fit was stopped
            yield study

    def _key(self, X: np.ndarray, y: np.ndarray, more: dict[str, np.ndarray]) -> str:
        """Name of a study: everything that its trials depend on but their number."""
        estimator = clone(self.estimator)
        quiet = {name: False for name in estimator.get_params() if name.split("__")[-1] == "progress"}
        settings = estimator.set_params(**quiet).get_params()
        space = [(name, list(self.space[name])) for name in sorted(self.space)]
        own = (self.validation_share, int(self.pruning), int(self.seed))
        try:
            code = [_code_version(), *map(_foreign_source, (estimator, *settings.values()))]
            return joblib.hash([X, y, more, type(estimator), settings, space, own, code], "sha1")
        except (pickle.PicklingError, AttributeError, OSError, TypeError) as error:
            raise ValueError(
                f"{type(estimator).__name__} or one of its settings has no lasting name to keep trials by; "
                "use storage=None."
            ) from error


class TunedTransfer(Tuned):
    """`Tuned` for an estimator that learns a source task first; parameters and attributes are the same.

    The accessions that judge are kept from the source task too while settings are chosen.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, source: np.ndarray) -> "TunedTransfer":
        """Choose the settings and fit with them.

        Parameters
        ----------
        X : shape (sample, ...)
        y : shape (sample,) or (sample, trait)
            NaN for missing. An accession without any label judges no settings.
        source : shape (sample, source_trait)
            Labels of the source task, as the estimator's ``fit`` takes them.

        Raises
        ------
        ValueError
            As `Tuned.fit`, and if X and `source` differ in length.
        """
        return self._fit(np.asarray(X), _numeric(y), {"source": np.asarray(source)})


def optimism(tuned: Tuned, X: np.ndarray, y: np.ndarray) -> pd.Series:
    """How much of the score that chose the settings is left on accessions that nobody has seen.

    Parameters
    ----------
    tuned
        Fitted on the training part of an outer fold.
    X, y
        Its test part.

    Returns
    -------
    pandas.Series
        ``published``: score of the published settings on the judging accessions, NaN if they were not tried;
        ``validation``: that of the chosen ones; ``test``: theirs on the test part, after the fit on all training
        accessions; ``optimism``: validation less test. All are `mean_correlation`.

    Examples
    --------
    Where nothing can be learned, the best of many trials still looks as if something were:

    >>> from sklearn.linear_model import Ridge
    >>> random = np.random.default_rng(1)
    >>> X, y = random.normal(size=(2000, 20)), random.normal(size=2000)
    >>> tuned = Tuned(Ridge(), {"alpha": ("log", 1e-2, 1e6)}, n_trials=5).fit(X[:100], y[:100])
    >>> optimism(tuned, X[100:], y[100:]).index.tolist()
    ['published', 'validation', 'test', 'optimism']
    """
    check_is_fitted(tuned, "estimator_")
    own = tuned.estimator.get_params()
    first = tuned.trials_.iloc[0]
    is_published = first["state"] == "complete" and all(own[k] == v for k, v in first["params"].items())
    test = mean_correlation(_numeric(y), tuned.predict(np.asarray(X)))
    return pd.Series(
        {
            "published": first["score"] if is_published else np.nan,
            "validation": tuned.best_score_,
            "test": test,
            "optimism": tuned.best_score_ - test,
        }
    )


# ------------------------------------------------------------------------------------------------ the space


def _distribution(name: str, where: tuple | list) -> BaseDistribution:
    """Where to look for one setting, in Optuna's terms."""
    if not isinstance(where, tuple | list) or not where or where[0] not in KINDS:
        raise ValueError(f"space of {name!r} is {where!r}; it must begin with one of {', '.join(KINDS)}.")
    kind, *values = where
    if kind == "choice":
        if not values or not all(isinstance(value, str | int | float | None) for value in values):
            raise ValueError(
                f"space of {name!r} is {where!r}; after 'choice' come texts, numbers, True, False or None."
            )
        if any(value == other for i, value in enumerate(values) for other in values[:i]):
            raise ValueError(f"space of {name!r} is {where!r}; the values of a choice must differ.")
        return CategoricalDistribution(values)
    is_valid = _is_whole if kind == "int" else _is_number
    if len(values) != 2 or not all(map(is_valid, values)) or not values[0] < values[1]:
        wanted = "whole numbers" if kind == "int" else "finite numbers"
        raise ValueError(
            f"space of {name!r} is {where!r}; after {kind!r} come two {wanted}, the lower first."
        )
    low, high = values
    if kind == "log" and low <= 0:
        raise ValueError(f"space of {name!r} is {where!r}; both ends of 'log' must be greater than zero.")
    if kind == "int":
        return IntDistribution(int(low), int(high))
    return FloatDistribution(float(low), float(high), log=kind == "log")


def _lies_in(value: object, where: tuple | list) -> bool:
    kind, *values = where
    if kind == "choice":
        return any(value == other and type(value) is type(other) for other in values)
    return (_is_whole if kind == "int" else _is_number)(value) and values[0] <= value <= values[1]


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_seed(name: str) -> bool:
    return name.split("__")[-1] == "seed"


def _numeric(labels: np.ndarray) -> np.ndarray:
    try:
        labels = np.asarray(labels, float)
    except (TypeError, ValueError):
        raise ValueError("Labels must be numbers: settings are judged by a correlation.") from None
    if np.isinf(labels).any():
        raise ValueError("Some labels are infinite; a missing label is NaN.")
    return labels


def _plain(value: object) -> object:
    """NumPy's numbers as Python's, which a file of JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence([int(part) for part in parts]).generate_state(1)[0])


# ------------------------------------------------------------------------------------------------ the study


def _open_study(storage: optuna.storages.BaseStorage) -> optuna.Study:
    """Create or load the study, without the line that Optuna logs to stderr."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.create_study(
            storage=storage,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=FULL_TRIALS, n_warmup_steps=FIRST_EPOCH),
            study_name="study",
            direction="maximize",
            load_if_exists=True,
        )
    finally:
        optuna.logging.set_verbosity(level)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials with an outcome, in the order in which they began; those that were stopped count for nothing."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _tell(study: optuna.Study, trial: Trial, score: float | None, epochs: int | None, diverged: bool) -> None:
    """End a trial. To the sampler one that diverged is as one that was pruned: bad, and worth keeping away from."""
    trial.set_user_attr("end", {"epochs": epochs, "diverged": diverged})
    if score is None:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, score)


def _repeat(study: optuna.Study, trial: Trial, earlier: FrozenTrial) -> None:
    """Give a trial the outcome of an earlier one with the same settings, which it would have again."""
    for epoch, score in earlier.intermediate_values.items():
        trial.report(score, epoch)
    end = earlier.user_attrs["end"]
    score = earlier.value if earlier.state == TrialState.COMPLETE else None
    _tell(study, trial, score, None if end["epochs"] is None else 0, end["diverged"])


def _table(trials: list[FrozenTrial]) -> pd.DataFrame:
    rows = []
    for number, trial in enumerate(trials):
        end = trial.user_attrs["end"]
        rows.append(
            {
                "number": number,
                "state": "diverged" if end["diverged"] else trial.state.name.lower(),
                "score": np.nan if end["diverged"] or trial.value is None else trial.value,
                "epochs": end["epochs"],
                "params": dict(trial.params),
                **{f"param_{name}": value for name, value in trial.params.items()},
            }
        )
    return pd.DataFrame(rows).astype({"score": float, "epochs": "Int64"})


# ------------------------------------------------------------------------------------------------- on disk


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """The journal of a study in our hands alone, and without a torn last line."""
    with locked(make_folder(path.parent) / f"{path.stem}.lock"):
        _drop_torn_line(path)
        yield


class _Journal(JournalFileBackend):
    """A journal that says in one sentence that it cannot be written."""

    def append_logs(self, logs: list[dict]) -> None:
        with writing(Path(self._file_path).parent):
            super().append_logs(logs)


class _HeldAlready:
    """No lock: the caller holds one, which unlike Optuna's ends with a killed process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


def _drop_torn_line(path: Path) -> None:
    """Cut off what a process killed while writing has left after the last whole line."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)


def _foreign_source(value: object) -> str:
    """The code of an estimator that no version of ours covers."""
    kind = type(value)
    is_ours = kind.__module__.split(".")[0] in ("gi_lib", "sklearn")
    return inspect.getsource(kind) if isinstance(value, BaseEstimator) and not is_ours else ""


@cache
def _code_version() -> str:
    """Hash of the sources and package versions that the outcome of a trial depends on."""
    root = Path(__file__).parent
    patterns = ("models/*.py", "training/*.py", "encoding/scaling.py", "tuning.py")
    digest = sha256()
    for source in sorted(path for pattern in patterns for path in root.glob(pattern)):
        digest.update(source.read_bytes())
    for package in ("numpy", "scikit-learn", "torch", "optuna"):
        digest.update(version(package).encode())
    return digest.hexdigest()
