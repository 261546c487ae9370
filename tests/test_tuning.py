"""Settings chosen on a part of the training accessions: the right ones, by the right accessions, resumable."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import pearsonr
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gi_lib.datasets.cohort import validate_cohort
from gi_lib.models import PerTrait
from gi_lib.training import FrozenGalianaRegressor, GalianaRegressor
from gi_lib.tuning import Tuned, TunedTransfer, mean_correlation, optimism
from gi_lib.validation import Model, RandomFolds, cross_validate

pytestmark = pytest.mark.usefixtures("one_thread")


class Toy(RegressorMixin, BaseEstimator):
    """Predicts column 0, the label, plus noise that grows with the distance of its settings from the best ones."""

    log: list = []  # noqa: RUF012 - one for all, so that clones are seen too
    fail_at: int | None = None

    def __init__(self, rate=1.0, width=10, kind="bad", seed=0, file=None, both=False):
        self.rate = rate
        self.width = width
        self.kind = kind
        self.seed = seed
        self.file = file
        self.both = both

    def fit(self, X, y):
        if self.file:
            with open(self.file, "a") as file:
                file.write(f"{self.rate}\n")
            time.sleep(0.01)
        Toy.log.append({"X": X, "y": y, "seed": self.seed, **self.get_params()})
        if len(Toy.log) == Toy.fail_at:
            raise KeyboardInterrupt
        self.fitted_ = True
        return self

    def distance(self) -> float:
        return abs(np.log10(self.rate) + 3) + abs(self.width - 40) / 10 + (self.kind != "good")

    def predict(self, X):
        predicted = X[:, 0] + self.distance() * X[:, 1]
        return np.stack([predicted, 2 - predicted], axis=1) if self.both else predicted


class Learner(RegressorMixin, BaseEstimator):
    """Tells of its epochs; better with each, and better the nearer `rate` is to 0.3. Diverges above `limit`."""

    def __init__(self, rate=0.9, epochs=12, limit=2.0):
        self.rate = rate
        self.epochs = epochs
        self.limit = limit

    def at(self, epoch: int) -> "Learner":
        self.noise_ = abs(self.rate - 0.3) + 1 / epoch
        return self

    def fit(self, X, y, after_epoch=None):
        for epoch in range(1, self.epochs + 1):
            if self.rate > self.limit and epoch == 3:
                raise FloatingPointError("no")
            self.at(epoch)
            if after_epoch is not None:
                after_epoch(epoch, self)
        return self

    def predict(self, X):
        return X[:, 0] + self.noise_ * X[:, 1]


TOY_SPACE = {
    "rate": ("log", 1e-6, 1.0),
    "width": ("int", 10, 100),
    "kind": ("choice", "bad", "good", "worse"),
}
RATE = {"rate": ("uniform", 0.0, 1.0)}


@pytest.fixture(autouse=True)
def forget():
    Toy.log = []
    Toy.fail_at = None


def data(n: int = 100, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Column 0 is the label, column 1 noise, column 2 the number of the accession."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    X[:, 2] = np.arange(n)
    return X, X[:, 0].copy()


def toy(**options) -> Tuned:
    return Tuned(Toy(), **{"space": TOY_SPACE, "n_trials": 6, **options})


# ------------------------------------------------------------------------------------------------- score


def test_score_is_the_mean_of_scipys_correlations_over_labelled_accessions():
    random = np.random.default_rng(0)
    for _ in range(20):
        observed, predicted = random.normal(50, 3, size=(2, 15, 6))
        observed[random.random(observed.shape) < 0.4] = np.nan
        observed[:, 4] = np.where(np.isnan(observed[:, 4]), np.nan, 7.0)  # no two different labels
        observed[2:, 5] = np.nan  # two labels
        expected = []
        for trait in range(4):
            there = ~np.isnan(observed[:, trait])
            expected.append(pearsonr(observed[there, trait], predicted[there, trait]).statistic)
        assert mean_correlation(observed, predicted) == pytest.approx(np.mean(expected), abs=1e-12)
        there = ~np.isnan(observed[:, 0])
        assert mean_correlation(observed[:, 0], predicted[:, 0]) == pytest.approx(expected[0], abs=1e-12)


def test_equal_predictions_have_no_correlation_rather_than_that_of_their_rounding_errors():
    observed = np.arange(6.0)
    assert mean_correlation(observed, np.full(6, 0.1)) == 0
    assert mean_correlation(observed, 0.1 + 1e-16 * observed) == 0
    both = np.stack([observed, observed], axis=1)
    assert mean_correlation(both, np.stack([observed, np.full(6, 3.3)], axis=1)) == pytest.approx(0.5)


def test_score_refuses_what_has_none():
    with pytest.raises(ValueError, match="None of 2 traits has 3 labels, not all equal, among the 4 acc"):
        mean_correlation([[1, 2], [1, np.nan], [1, np.nan], [1, 3]], np.ones((4, 2)))
    with pytest.raises(FloatingPointError, match="not finite"):
        mean_correlation([1.0, 2, 3], [1, np.inf, 2])


# ------------------------------------------------------------------------------------------------ choice


@pytest.mark.parametrize("seed", range(3))
def test_a_known_optimum_is_found(seed):
    tuned = Tuned(Toy(), TOY_SPACE, n_trials=80, seed=seed).fit(*data(200))
    assert tuned.best_params_["kind"] == "good"
    assert Toy(**tuned.best_params_).distance() < 0.5  # a random one of the space is at 4.4 on average
    assert tuned.best_score_ == tuned.trials_["score"].max() > 0.9
    # The later trials have learned from the earlier ones; at random both halves would be alike.
    distances = [Toy(**params).distance() for params in tuned.trials_["params"]]
    assert np.median(distances[40:]) < 0.7 * np.median(distances[:20])


def test_the_chosen_settings_are_those_of_the_fit_on_all_training_accessions():
    X, y = data()
    tuned = toy().fit(X, y)
    best = tuned.trials_.loc[tuned.trials_["score"].idxmax()]
    assert tuned.best_params_ == best["params"] == {name: best[f"param_{name}"] for name in TOY_SPACE}
    assert {name: tuned.estimator_.get_params()[name] for name in TOY_SPACE} == tuned.best_params_
    np.testing.assert_array_equal(Toy.log[-1]["X"], X)
    np.testing.assert_array_equal(Toy.log[-1]["y"], y)
    np.testing.assert_array_equal(tuned.predict(X), Toy(**tuned.best_params_).predict(X))
    assert not hasattr(tuned.estimator, "fitted_")
    assert tuned.estimator.get_params() == Toy().get_params()


def test_a_fifth_of_the_labelled_accessions_judges_and_never_learns():
    X, y = data(103)
    y = np.stack([y, y], axis=1)
    y[::2, 1] = np.nan
    y[40:50] = np.nan  # without any label
    tuned = toy(seed=5).set_params(estimator__both=True).fit(X, y)
    trials, everybody = Toy.log[:-1], set(range(103))
    assert len(trials) == 6
    judging = everybody - set(trials[0]["X"][:, 2])
    assert len(judging) == 19  # a fifth of 93
    assert not judging & set(range(40, 50))
    for trial, score in zip(trials, tuned.trials_["score"], strict=True):
        assert set(trial["X"][:, 2]) == everybody - judging
        np.testing.assert_array_equal(trial["y"], y[trial["X"][:, 2].astype(int)])
        there = sorted(judging)
        predicted = Toy(**{name: trial[name] for name in TOY_SPACE}, both=True).predict(X)
        second = [i for i in there if i % 2]
        expected = [
            pearsonr(y[rows, trait], predicted[rows, trait])[0] for trait, rows in ((0, there), (1, second))
        ]
        assert score == pytest.approx(np.mean(expected), abs=1e-12)
    assert not judging & set(Toy.log[0]["X"][:, 2]) and len(Toy.log[-1]["X"]) == 103


def test_the_share_that_judges_is_the_callers_and_who_judges_the_seeds():
    X, y = data()
    learners = []
    for share, seed in ((0.2, 0), (0.35, 0), (0.2, 1)):
        Toy.log = []
        toy(validation_share=share, seed=seed, n_trials=1).fit(X, y)
        learners.append(set(Toy.log[0]["X"][:, 2]))
    assert [len(some) for some in learners] == [80, 65, 80]
    assert learners[0] != learners[2]


def test_the_estimators_own_settings_are_the_first_trial():
    X, y = data()
    tuned = Tuned(Toy(rate=1e-3, width=np.int64(40), kind="good"), TOY_SPACE, n_trials=12).fit(X, y)
    assert tuned.trials_.loc[0, "params"] == {"rate": 1e-3, "width": 40, "kind": "good"}
    assert tuned.best_score_ == pytest.approx(1)
    assert tuned.best_params_ == tuned.trials_.loc[0, "params"]


def test_of_equal_scores_the_published_settings_win():
    # Ridge on few features is solved directly, so its limit of iterations changes nothing.
    tuned = Tuned(Ridge(max_iter=77), {"max_iter": ("int", 10, 1000)}, n_trials=4).fit(*data())
    assert tuned.trials_["score"].nunique() == 1
    assert tuned.best_params_ == {"max_iter": 77}


@pytest.mark.parametrize("own", [{"rate": 2.0}, {"width": 10.5}, {"kind": "unheard of"}, {"rate": None}])
def test_settings_outside_the_space_are_not_tried(own):
    tuned = Tuned(Toy(**own), TOY_SPACE, n_trials=2).fit(*data())
    name = next(iter(own))
    assert own[name] not in list(tuned.trials_[f"param_{name}"])
    assert np.isnan(optimism(tuned, *data(seed=1))["published"])


def test_only_listed_values_are_tried_with_their_types():
    space = {"width": ("int", 3, 5), "kind": ["choice", True, None, 0.5, "x"], "rate": ("uniform", 1, 2)}
    tuned = Tuned(Toy(width=3), space, n_trials=60).fit(*data())
    assert set(tuned.trials_["param_width"]) == {3, 4, 5}
    assert all(type(params["width"]) is int for params in tuned.trials_["params"])
    assert {str(params["kind"]) for params in tuned.trials_["params"]} == {"True", "None", "0.5", "x"}
    assert tuned.trials_["param_rate"].between(1, 2).all()


def test_settings_tried_before_are_not_fitted_again():
    tuned = Tuned(Toy(), {"kind": ("choice", "bad", "good")}, n_trials=15).fit(*data())
    assert len(Toy.log) == 2 + 1
    assert len(tuned.trials_) == 15
    assert tuned.trials_.groupby("param_kind")["score"].nunique().tolist() == [1, 1]


def test_settings_inside_a_pipeline_are_reached():
    X, y = data()
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    tuned = Tuned(pipeline, {"ridge__alpha": ("log", 0.01, 100)}, n_trials=3).fit(X, y)
    assert tuned.estimator_[-1].alpha == tuned.best_params_["ridge__alpha"]
    plain = make_pipeline(StandardScaler(), Ridge(alpha=tuned.best_params_["ridge__alpha"])).fit(X, y)
    np.testing.assert_array_equal(tuned.predict(X), plain.predict(X))


def test_missing_labels_are_passed_on():
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 5))
    y = X @ random.normal(size=(5, 3)) + random.normal(size=(80, 3))
    y[random.random(y.shape) < 0.3] = np.nan
    tuned = Tuned(PerTrait(Ridge(1.0)), {"estimator__alpha": ("log", 1e-2, 1e3)}, n_trials=4).fit(X, y)
    assert tuned.predict(X).shape == (80, 3)
    assert 0.5 < tuned.best_score_ < 1


# ------------------------------------------------------------------------------------------------- seeds


def test_same_seed_same_trials_other_seed_other_trials():
    X, y = data()
    first, again, other = (toy(n_trials=14, seed=seed).fit(X, y).trials_ for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not set(first["param_rate"][1:]) & set(other["param_rate"][1:])
    assert first["param_rate"][1:].is_unique  # each trial has a seed of its own


def test_neither_the_global_state_nor_the_order_of_the_space_matters():
    X, y = data()
    np.random.seed(1)
    first = toy(n_trials=14).fit(X, y).trials_
    np.random.seed(2)
    turned = dict(reversed(TOY_SPACE.items()))
    pd.testing.assert_frame_equal(toy(n_trials=14, space=turned).fit(X, y).trials_, first, check_exact=True)


def test_more_trials_leave_the_first_alone():
    X, y = data()
    few, many = (toy(n_trials=n).fit(X, y).trials_ for n in (5, 15))
    pd.testing.assert_frame_equal(many.head(5), few, check_exact=True)


def test_every_seed_of_the_estimator_is_ours():
    toy(seed=11).fit(*data())
    assert {entry["seed"] for entry in Toy.log} == {11}
    pipeline = make_pipeline(StandardScaler(), Toy())
    tuned = Tuned(pipeline, {"toy__rate": TOY_SPACE["rate"]}, n_trials=2, seed=12).fit(*data())
    assert tuned.estimator_[-1].seed == 12


# ------------------------------------------------------------------------------------------ scikit-learn


def test_clones_and_unfitted_ones_behave():
    tuned = toy(seed=2, storage="somewhere")
    copy = clone(tuned)
    assert copy.space == TOY_SPACE and copy.storage == "somewhere" and copy.estimator is not tuned.estimator
    assert tuned.set_params(estimator__width=33).estimator.width == 33
    with pytest.raises(NotFittedError):
        tuned.predict(data()[0])
    json.dumps(tuned.space)


def test_it_works_in_scikit_learns_own_cross_validation():
    X, y = data(60)
    folds = KFold(3)
    predicted = cross_val_predict(toy(n_trials=2), X, y, cv=folds)
    for train, test in folds.split(X):
        expected = toy(n_trials=2).fit(X[train], y[train]).predict(X[test])
        np.testing.assert_array_equal(predicted[test], expected)


# ----------------------------------------------------------------------------------------------- nested


def make_cohort(seed: int = 0, n: int = 60) -> xr.Dataset:
    random = np.random.default_rng(seed)
    dosage = random.choice([0, 2], (n, 40)).astype(np.uint8)
    traits = dosage[:, :12] @ random.normal(size=(12, 2)) + random.normal(size=(n, 2))
    traits[random.random(traits.shape) < 0.1] = np.nan
    dataset = xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), random.poisson(1, (n, 4, 2)).astype(np.uint8)),
            "trait_value": (("sample", "trait"), traits),
            "dosage": (("sample", "marker"), dosage),
        },
        coords={
            "sample": [f"s{i:02d}" for i in range(n)],
            "gene": [f"g{i}" for i in range(4)],
            "variant_type": ["nonsynonymous", "upstream"],
            "trait": ["a", "b"],
            "country": ("sample", np.array(["SWE", "ESP"])[np.arange(n) % 2]),
            "latitude": ("sample", random.uniform(30, 65, n)),
            "longitude": ("sample", random.uniform(-10, 40, n)),
            "gene_chromosome": ("gene", ["1"] * 4),
            "gene_start": ("gene", np.arange(4) * 100),
            "gene_end": ("gene", np.arange(4) * 100 + 50),
            "chromosome": ("marker", ["1"] * 40),
            "position": ("marker", np.arange(40)),
        },
        attrs={"name": "tiny", "data_kind": "simulated"},
    )
    return validate_cohort(dataset)


class Recording(Tuned):
    """Keeps what each outer fold gave and what was chosen from it."""

    log: list = []  # noqa: RUF012

    def fit(self, X, y):
        super().fit(X, y)
        Recording.log.append({"X": X, "y": y, "seed": self.seed, "best": self.best_params_})
        return self


def nested() -> Model:
    Recording.log = []
    tuned = Recording(PerTrait(Ridge(1.0)), {"estimator__alpha": ("log", 1e-2, 1e4)}, n_trials=4)
    return Model("tuned ridge", tuned, "dosage")


def test_nested_cross_validation_is_a_tuned_fit_in_each_outer_fold():
    cohort = make_cohort()
    split = RandomFolds(3)
    table = cross_validate(cohort, [nested()], split, cached=False)
    assert len(table) == int(cohort["trait_value"].notnull().sum())
    scores = table.groupby("trait").apply(lambda part: pearsonr(part["observed"], part["predicted"])[0])
    assert (scores > 0.3).all()
    assert len({fit["seed"] for fit in Recording.log}) == 3
    labels, X = cohort["trait_value"].values, cohort["dosage"].values.astype(np.float32)
    for fold, fit in zip(split.folds(cohort), Recording.log, strict=True):
        train = fold.train[~np.isnan(labels[fold.train]).all(axis=1)]
        np.testing.assert_array_equal(fit["X"], X[train])
        np.testing.assert_array_equal(fit["y"], labels[train])
        plain = PerTrait(Ridge(fit["best"]["estimator__alpha"])).fit(X[train], labels[train])
        expected = plain.predict(X[fold.test])[~np.isnan(labels[fold.test])]
        np.testing.assert_array_equal(table.loc[table["fold"] == fold.fold, "predicted"], expected)


def test_labels_of_test_accessions_move_neither_choice_nor_predictions():
    cohort = make_cohort()
    changed = cohort.copy(deep=True)
    test = next(iter(RandomFolds(3).folds(cohort))).test
    changed["trait_value"][test] = changed["trait_value"][test] * -3 + 100

    def by_sample(data: xr.Dataset) -> pd.Series:
        table = cross_validate(data, [nested()], RandomFolds(3), cached=False)
        return table.set_index(["fold", "sample", "trait"])["predicted"]

    before = by_sample(cohort)
    chosen = Recording.log
    after = by_sample(changed)
    assert Recording.log[0]["best"] == chosen[0]["best"]
    pd.testing.assert_series_equal(after[0], before[0], check_exact=True)
    assert not np.allclose(after[1], before[1])


# ----------------------------------------------------------------------------------------------- pruning


def curve(rate: float, X: np.ndarray, y: np.ndarray, epochs: int = 12) -> list[float]:
    return [pearsonr(y, Learner(rate).at(epoch).predict(X))[0] for epoch in range(1, epochs + 1)]


def by_median_rule(rates: list[float], X: np.ndarray, y: np.ndarray, every: int = 1) -> list[int]:
    """Epochs done by trials at these rates: five full ones first, none ended before epoch 5."""
    full, done = [], []
    for rate in rates:
        scores = curve(rate, X, y)
        end = 12
        for epoch in range(every, 13, every):
            if len(full) < 5 or epoch < 5:
                continue
            median = np.median([other[epoch - 1] for other in full])
            if max(scores[every - 1 : epoch : every]) < median:
                end = epoch
                break
        else:
            full.append(scores)
        done.append(end)
    return done


def judges(X: np.ndarray, y: np.ndarray, **options) -> np.ndarray:
    """Rows that judge, seen from outside."""
    Toy.log = []
    toy(n_trials=1, **options).fit(X, y)
    return np.setdiff1d(np.arange(len(X)), Toy.log[0]["X"][:, 2].astype(int))


@pytest.mark.parametrize("every", [True, 4])
def test_hopeless_trials_end_when_the_median_rule_says_so(every):
    X, y = data()
    judging = judges(X, y)
    tuned = Tuned(Learner(), RATE, n_trials=30, pruning=every).fit(X, y)
    trials = tuned.trials_
    expected = by_median_rule(list(trials["param_rate"]), X[judging], y[judging], int(every))
    assert trials["epochs"].tolist() == expected
    assert 30 * 12 - sum(expected) > 30
    assert ((trials["state"] == "pruned") <= (trials["epochs"] >= 5)).all()
    assert set(trials["state"]) == {"complete", "pruned"}
    for _, trial in trials.iterrows():
        scores = curve(trial["param_rate"], X[judging], y[judging])
        assert trial["score"] == pytest.approx(scores[trial["epochs"] - 1], abs=1e-12)
    assert trials.loc[trials["score"].idxmax(), "state"] == "complete"


def test_without_pruning_every_epoch_is_done():
    trials = Tuned(Learner(), RATE, n_trials=12, pruning=False).fit(*data()).trials_
    assert trials["epochs"].tolist() == [12] * 12
    assert set(trials["state"]) == {"complete"}


def test_a_pruned_trial_is_never_chosen():
    """A trial may be best at its last look and yet be ended: then it has no score to be chosen by."""

    class Falling(Learner):
        def at(self, epoch):
            self.noise_ = abs(self.rate - 0.3) + (5 if epoch == self.epochs else 0)
            return self

    tuned = Tuned(Falling(), RATE, n_trials=25).fit(*data())
    pruned = tuned.trials_["state"] == "pruned"
    assert tuned.trials_["score"][pruned].max() > tuned.trials_["score"][~pruned].max()
    assert tuned.best_score_ == tuned.trials_["score"][~pruned].max()


def test_estimators_that_tell_of_no_epochs_are_not_pruned():
    trials = toy(n_trials=12).fit(*data()).trials_
    assert set(trials["state"]) == {"complete"}
    assert trials["epochs"].isna().all()


def test_trials_that_diverge_are_told_and_kept_away_from():
    tuned = Tuned(Learner(rate=0.9, limit=0.5), RATE, n_trials=25).fit(*data())
    trials = tuned.trials_
    assert ((trials["state"] == "diverged") == (trials["param_rate"] > 0.5)).all()
    diverged = trials[trials["state"] == "diverged"]
    assert len(diverged) and diverged["score"].isna().all() and (diverged["epochs"] == 2).all()
    assert (trials["param_rate"][10:] > 0.5).mean() < 0.4
    assert tuned.best_params_["rate"] < 0.5


def test_without_any_finite_trial_there_is_one_sentence():
    with pytest.raises(
        ValueError, match="None of 3 trials gave finite predictions; narrow the space of rate"
    ):
        Tuned(Learner(limit=-1), RATE, n_trials=3).fit(*data())


# ------------------------------------------------------------------------------------------- resumption


def stopped(at: int, X, y, **options) -> None:
    """A fit that stops in its fit number `at`."""
    Toy.log, Toy.fail_at = [], at
    with pytest.raises(KeyboardInterrupt):
        toy(**options).fit(X, y)
    Toy.log, Toy.fail_at = [], None


@pytest.mark.parametrize("at", [[1], [2], [7, 3], [14], [15]])
def test_a_stopped_study_goes_on_as_if_it_had_not_been(tmp_path, at):
    X, y = data()
    whole = toy(n_trials=14).fit(X, y)
    options = {"n_trials": 14, "storage": str(tmp_path / "new" / "folder")}
    for number in at:
        stopped(number, X, y, **options)
    resumed = toy(**options).fit(X, y)
    assert len(Toy.log) == 14 + 1 - sum(at) + len(at)  # nothing twice but what was stopped, and the last fit
    pd.testing.assert_frame_equal(resumed.trials_, whole.trials_, check_exact=True)
    assert resumed.best_params_ == whole.best_params_
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))


def test_a_stopped_study_prunes_as_if_it_had_not_been(tmp_path, monkeypatch):
    X, y = data()
    space = {"rate": ("uniform", 0.0, 1.0)}
    whole = Tuned(Learner(), space, n_trials=25).fit(X, y).trials_
    assert (whole["state"] == "pruned").any()
    calls = []
    at = Learner.at

    def interrupted(self, epoch):
        calls.append(epoch)
        if len(calls) in (50, 120):
            raise KeyboardInterrupt
        return at(self, epoch)

    monkeypatch.setattr(Learner, "at", interrupted)
    tuned = Tuned(Learner(), space, n_trials=25, storage=str(tmp_path))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tuned.fit(X, y)
    pd.testing.assert_frame_equal(tuned.fit(X, y).trials_, whole, check_exact=True)


def test_a_finished_study_is_not_done_again_but_may_be_continued_or_cut_short(tmp_path):
    X, y = data()
    toy(storage=str(tmp_path)).fit(X, y)
    Toy.log = []
    toy(storage=str(tmp_path)).fit(X, y)
    assert len(Toy.log) == 1
    longer = toy(storage=str(tmp_path), n_trials=12).fit(X, y)
    assert len(Toy.log) == 1 + 6 + 1
    pd.testing.assert_frame_equal(longer.trials_, toy(n_trials=12).fit(X, y).trials_, check_exact=True)
    Toy.log = []
    shorter = toy(storage=str(tmp_path), n_trials=3).fit(X, y)
    assert len(Toy.log) == 1
    assert shorter.best_score_ == longer.trials_["score"][:3].max()


X0, Y0 = data()
CHANGES = {
    "inputs": lambda folder: toy(storage=folder).fit(X0 + 1e-12, Y0),
    "labels": lambda folder: toy(storage=folder).fit(X0, Y0 * 2),
    "kind of number": lambda folder: toy(storage=folder).fit(X0.astype(np.float32), Y0),
    "seed": lambda folder: toy(storage=folder, seed=1).fit(X0, Y0),
    "share": lambda folder: toy(storage=folder, validation_share=0.3).fit(X0, Y0),
    "pruning": lambda folder: toy(storage=folder, pruning=False).fit(X0, Y0),
    "space": lambda folder: toy(storage=folder, space={**TOY_SPACE, "width": ("int", 10, 99)}).fit(X0, Y0),
    "setting of the estimator": lambda folder: (
        toy(storage=folder).set_params(estimator__width=11).fit(X0, Y0)
    ),
    "estimator": lambda folder: Tuned(OtherToy(), TOY_SPACE, 6, storage=folder).fit(X0, Y0),
}


class OtherToy(Toy):
    pass


@pytest.mark.parametrize("change", CHANGES)
def test_another_fit_has_a_study_of_its_own(tmp_path, change):
    toy(storage=str(tmp_path)).fit(X0, Y0)
    Toy.log = []
    CHANGES[change](str(tmp_path))
    assert len(Toy.log) == 7
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_progress_and_order_of_the_space_are_no_other_fit(tmp_path):
    X = np.random.default_rng(0).poisson(1, (30, 4, 3)).astype(np.uint8)
    y = X[:, 0, 0] + np.arange(30) / 30
    for progress, turn in ((True, list), (False, reversed)):
        network = GalianaRegressor(epochs=1, hidden=2, device="cpu", progress=progress)
        space = dict(turn([("learning_rate", ("log", 1e-3, 1e-2)), ("hidden", ("int", 2, 3))]))
        Tuned(network, space, n_trials=1, storage=str(tmp_path)).fit(X, y)
    assert len(list(tmp_path.glob("*.journal"))) == 1


def test_a_torn_last_line_is_the_end_of_what_was_done(tmp_path):
    whole = toy().fit(X0, Y0).trials_
    toy(storage=str(tmp_path)).fit(X0, Y0)
    path = next(tmp_path.glob("*.journal"))
    content = path.read_bytes()
    lines = [i + 1 for i, character in enumerate(content) if character == ord("\n")]
    # A process may be killed anywhere: between any two of the first writes, and in the middle of one.
    for cut in (*lines[:5], *range(1, len(content), len(content) // 8)):
        path.write_bytes(content[:cut])
        pd.testing.assert_frame_equal(toy(storage=str(tmp_path)).fit(X0, Y0).trials_, whole, check_exact=True)


@pytest.mark.parametrize("damage", [b"rubbish\n", b"\0" * 50 + b"\n", b"{}\n", b"3\n"])
def test_a_damaged_study_is_refused_in_one_sentence(tmp_path, damage):
    toy(storage=str(tmp_path)).fit(X0, Y0)
    path = next(tmp_path.glob("*.journal"))
    path.write_bytes(damage + path.read_bytes())
    with pytest.raises(ValueError, match=r"The kept study .*\.journal is damaged; delete it to begin anew"):
        toy(storage=str(tmp_path)).fit(X0, Y0)


def test_what_has_no_lasting_name_cannot_be_kept(tmp_path):
    tuned = Tuned(Toy(seed=lambda: 0), {"rate": TOY_SPACE["rate"]}, n_trials=1)
    tuned.estimator.file = lambda: 0
    with pytest.raises(ValueError, match="Toy or one of its settings has no lasting name to keep trials by"):
        tuned.set_params(storage=str(tmp_path)).fit(X0, Y0)


def _fit_in_another_process(barrier, storage: str, log: str) -> None:
    barrier.wait(timeout=20)
    Tuned(Toy(file=log), TOY_SPACE, n_trials=5, storage=storage).fit(X0, Y0)


def test_two_processes_at_once_do_the_trials_once(tmp_path):
    log = tmp_path / "fits.txt"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    arguments = (barrier, str(tmp_path / "studies"), str(log))
    workers = [context.Process(target=_fit_in_another_process, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(log.read_text().splitlines()) == 5 + 2


SCRIPT = """
import sys, time
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from gi_lib.tuning import Tuned

class Slow(RegressorMixin, BaseEstimator):
    def __init__(self, rate=0.9, log=""):
        self.rate, self.log = rate, log
    def fit(self, X, y, after_epoch=None):
        with open(self.log, "a") as file:
            file.write("fit\\n")
        for epoch in range(1, 11):
            time.sleep(0.02)
            self.noise_ = abs(self.rate - 0.3) + 1 / epoch
            if after_epoch is not None:
                after_epoch(epoch, self)
        return self
    def predict(self, X):
        return X[:, 0] + self.noise_ * X[:, 1]

if __name__ == "__main__":
    log, out, storage = sys.argv[1:]
    X = np.random.default_rng(0).normal(size=(100, 2))
    tuned = Tuned(Slow(log=log), {"rate": ("uniform", 0.0, 1.0)}, n_trials=25, storage=storage or None)
    tuned.fit(X, X[:, 0]).trials_.to_json(out, orient="records", double_precision=15)
"""


@pytest.mark.slow
def test_a_study_killed_in_the_middle_ends_as_the_undisturbed_one(tmp_path):
    script, log = tmp_path / "study.py", tmp_path / "log.txt"
    script.write_text(SCRIPT)

    def start(out: Path, storage: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, str(script), str(log), str(out), storage])

    assert start(tmp_path / "whole.json", "").wait(timeout=120) == 0
    assert len(log.read_text().splitlines()) == 26
    log.write_text("")
    storage = str(tmp_path / "studies")
    for fits in (4, 13, 22):
        process = start(tmp_path / "resumed.json", storage)
        while len(log.read_text().splitlines()) < fits:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(0.07)  # some epochs into the trial
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=20) == -signal.SIGKILL
    assert not (tmp_path / "resumed.json").exists()
    assert start(tmp_path / "resumed.json", storage).wait(timeout=120) == 0
    whole, resumed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "resumed"))
    assert resumed == whole
    assert {trial["state"] for trial in whole} == {"complete", "pruned"}
    assert len(log.read_text().splitlines()) == 26 + 3  # each kill cost the one trial that was running


# ---------------------------------------------------------------------------------------------- refusals

BAD_SPACES = {
    "no dictionary": ([("rate", "log")], r"space is \[\('rate', 'log'\)\]; it must be a dictionary such as"),
    "empty": ({}, r"space is \{\}; it must be a dictionary"),
    "unknown name": (
        {"speed": ("log", 1, 2)},
        "Toy has no setting 'speed' to choose; it has both, file, kind",
    ),
    "seed": ({"seed": ("int", 1, 9)}, "'seed' is set by the seed of Tuned and cannot be chosen"),
    "unknown kind": ({"rate": ("normal", 0, 1)}, "it must begin with one of log, uniform, int, choice"),
    "bare text": ({"rate": "log"}, "space of 'rate' is 'log'; it must begin with one of log"),
    "nothing": ({"rate": ()}, r"space of 'rate' is \(\); it must begin with one of"),
    "one end": ({"rate": ("log", 1e-3)}, "after 'log' come two finite numbers, the lower first"),
    "turned": ({"rate": ("uniform", 2, 1)}, "after 'uniform' come two finite numbers, the lower first"),
    "equal": ({"rate": ("uniform", 2, 2)}, "after 'uniform' come two finite numbers, the lower first"),
    "infinite": ({"rate": ("uniform", 0, np.inf)}, "after 'uniform' come two finite numbers"),
    "text": ({"rate": ("uniform", "0", "1")}, "after 'uniform' come two finite numbers"),
    "zero": ({"rate": ("log", 0, 1)}, "both ends of 'log' must be greater than zero"),
    "fraction": ({"width": ("int", 1, 2.5)}, "after 'int' come two whole numbers"),
    "truth": ({"width": ("int", False, True)}, "after 'int' come two whole numbers"),
    "no choice": ({"kind": ("choice",)}, "after 'choice' come texts, numbers, True, False or None"),
    "object": ({"kind": ("choice", "a", [1])}, "after 'choice' come texts, numbers, True, False or None"),
    "twice": ({"kind": ("choice", "a", "b", "a")}, "the values of a choice must differ"),
}


@pytest.mark.parametrize("case", BAD_SPACES)
def test_malformed_spaces_are_refused_in_one_sentence(case):
    space, sentence = BAD_SPACES[case]
    with pytest.raises(ValueError, match=sentence):
        Tuned(Toy(), space).fit(*data())
    assert Toy.log == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_trials": 0}, "n_trials is 0; it must be a whole number from 1"),
        ({"n_trials": 2.0}, "n_trials is 2.0; it must be a whole number from 1"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0"),
        ({"pruning": -2}, "pruning is -2; allowed are True, False and whole numbers from 0"),
        ({"pruning": "median"}, "pruning is 'median'; allowed are True, False"),
        ({"validation_share": 0}, "validation_share is 0; it must lie between 0 and 1"),
        ({"validation_share": 1.0}, "validation_share is 1.0; it must lie between 0 and 1"),
        (
            {"validation_share": 0.02},
            "0.02 of 100 labelled accessions leaves 98 to learn from and 2 to judge",
        ),
        (
            {"validation_share": 0.99},
            "0.99 of 100 labelled accessions leaves 1 to learn from and 99 to judge",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        toy(**options).fit(*data())
    assert Toy.log == []


def test_bad_data_are_refused_in_one_sentence():
    X, y = data()
    with pytest.raises(ValueError, match="X has 100 accessions but y has 99; they must be the same"):
        toy().fit(X, y[:-1])
    with pytest.raises(ValueError, match="Labels must be numbers: settings are judged by a correlation"):
        toy().fit(X, np.full(100, "SWE"))
    with pytest.raises(ValueError, match="Some labels are infinite; a missing label is NaN"):
        toy().fit(X, np.where(y > 2, np.inf, y))
    with pytest.raises(ValueError, match="None of 1 traits has 3 labels, not all equal, among the 20 acc"):
        toy().fit(X, np.ones(100))
    for estimator in (Ridge, 3):
        with pytest.raises(ValueError, match="it must be an estimator by scikit-learn's conventions"):
            Tuned(estimator, RATE).fit(X, y)


# ---------------------------------------------------------------------------------------------- networks


def genomes(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.poisson(0.7, (n, 8, 3)).astype(np.uint8)
    return X, X[:, :2, 0] * [1.0, -2.0] + 0.1 * random.normal(size=(n, 2))


def test_networks_are_pruned_by_their_own_epochs():
    X, y = genomes()
    network = GalianaRegressor(epochs=8, hidden=4, device="cpu")
    space = {"learning_rate": ("log", 1e-7, 3e-2), "scaling": ("choice", "standardise", "frequency", "raw")}
    tuned = Tuned(network, space, n_trials=14, pruning=True, seed=3).fit(X, y)
    assert tuned.trials_["epochs"].max() == 8
    assert (tuned.trials_["state"] == "pruned").any()
    assert (tuned.trials_["epochs"] >= 5).all()
    plain = clone(network).set_params(seed=3, **tuned.best_params_).fit(X, y)
    np.testing.assert_array_equal(tuned.predict(X), plain.predict(X))
    # The looks during training leave no trace in the fit.
    looked = tuned.trials_["state"] == "complete"
    blind = Tuned(network, space, n_trials=5, pruning=False, seed=3).fit(X, y)
    assert looked[:5].all()
    pd.testing.assert_frame_equal(blind.trials_, tuned.trials_.head(5), check_exact=True)


class Source(Toy):
    def fit(self, X, y, source):
        super().fit(X, y)
        Toy.log[-1]["source"] = source
        return self


def test_the_source_task_is_split_with_the_rest():
    X, y = data()
    y[:30] = np.nan
    source = np.stack([X[:, 2], -X[:, 2]], axis=1)
    tuned = TunedTransfer(Source(), TOY_SPACE, n_trials=3).fit(X, y, source=source)
    assert len(Toy.log) == 4
    for entry in Toy.log:
        np.testing.assert_array_equal(entry["source"][:, 0], entry["X"][:, 2])
        assert set(range(30)) <= set(entry["X"][:, 2])
    assert [len(entry["X"]) for entry in Toy.log] == [86, 86, 86, 100]
    assert tuned.predict(X).shape == (100,)
    with pytest.raises(ValueError, match="X has 100 accessions but source has 99; they must be the same"):
        tuned.fit(X, y, source=source[1:])


def test_transfer_learning_can_be_tuned(tmp_path):
    X, y = genomes()
    network = FrozenGalianaRegressor(head_hidden=3, hidden=4, epochs=6, source_epochs=2, device="cpu")
    space = {"learning_rate": ("log", 1e-4, 1e-1)}
    tuned = TunedTransfer(network, space, n_trials=3, seed=1, storage=str(tmp_path))
    tuned.fit(X, y[:, 0], source=y)
    plain = clone(network).set_params(seed=1, **tuned.best_params_).fit(X, y[:, 0], source=y)
    np.testing.assert_array_equal(tuned.predict(X), plain.predict(X))
    tuned.fit(X, y[:, 0], source=y + 1)
    assert len(list(tmp_path.glob("*.journal"))) == 2


# ---------------------------------------------------------------------------------------------- optimism


class Lottery(RegressorMixin, BaseEstimator):
    """Each ticket predicts other noise, which has nothing to do with the label."""

    def __init__(self, ticket=0):
        self.ticket = ticket

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        seeds = np.random.SeedSequence([self.ticket, int(X[0, 2] * 1e6)])
        return np.random.default_rng(seeds).normal(size=len(X))


def test_the_best_of_many_draws_is_too_good_by_as_much_as_theory_says():
    rows = []
    for seed in range(60):
        X = np.random.default_rng(seed).random((1200, 3))
        y = np.random.default_rng(1000 + seed).normal(size=1200)
        tuned = Tuned(Lottery(), {"ticket": ("int", 0, 10**9)}, n_trials=10, validation_share=0.25, seed=seed)
        rows.append(optimism(tuned.fit(X[:200], y[:200]), X[200:], y[200:]))
    table = pd.DataFrame(rows)
    # r of 50 pairs of noise has standard deviation 1 / 7; the highest of ten normal draws is at 1.539 of them on
    # average, with standard deviation 0.587.
    error = 0.587 / 7 / np.sqrt(60)
    assert table["validation"].mean() == pytest.approx(1.539 / 7, abs=4 * error)
    assert table["published"].mean() == pytest.approx(0, abs=4 / 7 / np.sqrt(60))
    assert table["test"].mean() == pytest.approx(0, abs=4 / np.sqrt(999 * 60))
    np.testing.assert_allclose(table["optimism"], table["validation"] - table["test"])


def test_optimism_reads_the_test_part_with_the_final_fit():
    X, y = data(100)
    X_test, y_test = data(50, seed=1)
    y_test = y_test + X_test[:, 1]
    tuned = toy().fit(X, y)
    row = optimism(tuned, X_test, y_test)
    assert row["test"] == pytest.approx(pearsonr(y_test, tuned.predict(X_test))[0], abs=1e-12)
    assert row["published"] == tuned.trials_.loc[0, "score"]
    assert row["validation"] == tuned.best_score_
    with pytest.raises(NotFittedError):
        optimism(toy(), X_test, y_test)


# ----------------------------------------------------------------------------------------------- silence

LOUD = """
import sys, tempfile
import numpy as np, optuna
from sklearn.linear_model import Ridge
from gi_lib.tuning import Tuned
X = np.random.default_rng(0).normal(size=(50, 3))
for storage in (None, tempfile.mkdtemp()):
    Tuned(Ridge(), {"alpha": ("log", 0.1, 10)}, n_trials=12, storage=storage).fit(X, X[:, 0])
print("quiet so far", file=sys.stderr, flush=True)
optuna.create_study()
"""


def test_nothing_is_written_and_optunas_logging_is_left_to_others():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOUD], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == "quiet so far"
    assert "A new study created in memory" in second
