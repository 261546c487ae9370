"""Divisions by parents, and fits of several cohorts side by side."""

import numpy as np
import pytest

from gi_lib.datasets.simulate.shoot_branching import signal_edges, simulate_shoot_branching
from gi_lib.evaluation import fold_scores
from gi_lib.models import GBLUP
from gi_lib.training import BINNRegressor
from gi_lib.validation import (
    Fold,
    Model,
    ParentFolds,
    cross_validate,
    fit_fold,
    fit_side_by_side,
    training_sizes,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def hybrids():
    """Not every mother was crossed with every father."""
    plants = simulate_shoot_branching(n_samples=90, seed=1)
    random = np.random.default_rng(0)
    return plants.assign_coords(
        mother=("sample", [f"m{i}" for i in random.integers(9, size=90)]),
        father=("sample", [f"f{i}" for i in random.integers(7, size=90)]),
    )


def test_no_parent_of_a_test_hybrid_has_a_hybrid_in_training(hybrids):
    folds = list(ParentFolds(3, 2, seed=4).folds(hybrids))
    for repeat in (0, 1):
        mine = [fold for fold in folds if fold.repeat == repeat]
        tested = np.concatenate([fold.test for fold in mine])
        assert sorted(tested.tolist()) == list(range(90))
        for fold in mine:
            for parent in ("mother", "father"):
                names = hybrids[parent].values
                assert not set(names[fold.train]) & set(names[fold.test])
    assert not np.array_equal(folds[0].test, folds[9].test)
    again = list(ParentFolds(3, 2, seed=4).folds(hybrids))
    assert all(np.array_equal(one.train, other.train) for one, other in zip(folds, again, strict=True))


def test_parents_that_cannot_be_divided_are_refused(hybrids):
    with pytest.raises(ValueError, match="has no coordinate 'father'"):
        list(ParentFolds().folds(hybrids.drop_vars("father")))
    with pytest.raises(
        ValueError, match="n_splits is 8; with 7 fathers it must be a whole number between 2 and 7"
    ):
        list(ParentFolds(8).folds(hybrids))
    pair = hybrids.isel(sample=[0, 1]).assign_coords(
        mother=("sample", ["a", "b"]), father=("sample", ["c", "c"])
    )
    with pytest.raises(ValueError, match="The cohort has 1 fathers; to learn from some"):
        list(ParentFolds(2).folds(pair))
    odd = hybrids.isel(sample=[0, 1, 2]).assign_coords(
        mother=("sample", ["a", "b", "a"]), father=("sample", ["c", "c", "d"])
    )
    with pytest.raises(ValueError, match="no hybrid is left to learn from"):
        list(ParentFolds(2).folds(odd))


def test_intervals_know_how_few_hybrids_were_learned_from(hybrids):
    split = ParentFolds(2, seed=1)
    table = cross_validate(hybrids, [Model("GBLUP", GBLUP(), "dosage")], split, cached=False)
    sized = training_sizes(table, hybrids, split)
    folds = {fold.fold: fold for fold in split.folds(hybrids)}
    assert {row.fold: row.n_train for row in sized.itertuples()} == {
        number: len(fold.train) for number, fold in folds.items()
    }
    scores = fold_scores(sized)
    scores = scores[scores["score"] == "pooled"]
    assert scores["n_train"].tolist() == [len(fold.train) for fold in folds.values()]
    assert scores["n_test"].tolist() == [len(fold.test) for fold in folds.values()]
    assert (fold_scores(table)["n_train"].max()) > scores["n_train"].max()


def test_worlds_side_by_side_are_fitted_as_one_by_one():
    worlds = [simulate_shoot_branching(n_samples=80, seed=seed) for seed in (1, 2)]
    quick = {"hidden": 4, "epochs": 8, "stop_after": 50, "device": "cpu"}
    tasks = []
    for number, world in enumerate(worlds):
        fold = Fold(number, 0, np.arange(10 * number, 50), np.arange(60, 80))
        tasks += [
            (world, Model("BINN", BINNRegressor(signal_edges(world), 1.0, **quick), "calls"), fold),
            (world, Model("GBLUP", GBLUP(), "dosage"), fold),
        ]
    for task, (estimator, predicted) in zip(tasks, fit_side_by_side(tasks, seed=3), strict=True):
        alone, expected = fit_fold(*task, seed=3)
        np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=1e-3)
        assert predicted.shape == (20, 1)
        assert type(estimator) is type(alone)
        if hasattr(alone, "edges_"):
            assert estimator.edges_ == alone.edges_ == signal_edges(task[0])
