"""Both tasks at once: the same network on the labels side by side, scored on T2."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_predict

from gi_lib.training import GalianaRegressor
from gi_lib.training.joint import JointGalianaRegressor

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = {"epochs": 3, "hidden": 6, "device": "cpu"}


def data(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.poisson(0.7, (n, 8, 3)).astype(np.uint8)
    return X, random.normal(3, 2, size=(n, 2)), random.normal(5, 3, (n, 4))


def test_it_is_galiana_on_the_labels_side_by_side():
    X, y, source = data()
    y[:7], source[3:5] = np.nan, np.nan  # accessions 3 and 4 have no label at all
    joint = JointGalianaRegressor(**QUICK, seed=2).fit(X, y, source=source)
    known = np.r_[0:3, 5:40]
    plain = GalianaRegressor(**QUICK, seed=2).fit(X[known], np.column_stack([y, source])[known])
    np.testing.assert_array_equal(joint.predict(X), plain.predict(X)[:, :2])
    assert joint.loss_history_ == plain.loss_history_


def test_a_single_trait_keeps_its_shape():
    X, y, source = data()
    one = JointGalianaRegressor(**QUICK).fit(X, y[:, 0], source=source).predict(X)
    two = JointGalianaRegressor(**QUICK).fit(X, y[:, :1], source=source).predict(X)
    assert one.shape == (40,) and two.shape == (40, 1)
    np.testing.assert_array_equal(one, two[:, 0])


def test_source_traits_without_two_different_labels_are_left_out():
    X, y, source = data()
    wider = np.column_stack([source, np.full(len(X), np.nan), np.full(len(X), 2.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = JointGalianaRegressor(**QUICK).fit(X, y, source=wider)
        nothing = JointGalianaRegressor(**QUICK).fit(X, y, source=wider[:, 4:])
    plain = JointGalianaRegressor(**QUICK).fit(X, y, source=source)
    np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))
    alone = GalianaRegressor(**QUICK).fit(X, y)  # a source task that says nothing changes nothing
    np.testing.assert_array_equal(nothing.predict(X), alone.predict(X))


def test_it_predicts_while_it_is_trained():
    X, y, source = data()
    shapes = []
    JointGalianaRegressor(**QUICK).fit(
        X, y, source, lambda epoch, model: shapes.append(model.predict(X).shape)
    )
    assert shapes == [(40, 2)] * 3


def test_scikit_learn_splits_the_source_labels_along():
    X, y, source = data()
    model = JointGalianaRegressor(**QUICK)
    predicted = cross_val_predict(model, X, y, cv=KFold(4), params={"source": source})
    train, test = next(KFold(4).split(X))
    alone = clone(model).fit(X[train], y[train], source=source[train]).predict(X[test])
    np.testing.assert_allclose(predicted[test], alone, rtol=1e-6)


def test_what_the_source_task_shows_helps():
    """Few accessions of T2, many of T1, and the same genes behind both."""
    random = np.random.default_rng(0)
    X = random.poisson(0.5, (400, 30, 3)).astype(np.uint8)
    value = (X[..., 0] @ random.normal(size=(30, 3))).astype(float)
    source = value @ random.normal(size=(3, 8)) + random.normal(size=(400, 8))
    y = value @ random.normal(size=(3, 2))
    labels = y.copy()
    labels[30:] = np.nan
    options = {"epochs": 30, "hidden": 12, "learning_rate": 3e-3, "device": "cpu"}
    joint = JointGalianaRegressor(**options).fit(X[:300], labels[:300], source=source[:300])
    alone = GalianaRegressor(**options).fit(X[:30], labels[:30])
    scores = [
        np.mean([np.corrcoef(model.predict(X[300:])[:, t], y[300:, t])[0, 1] for t in range(2)])
        for model in (joint, alone)
    ]
    assert scores[0] > scores[1] + 0.1


@pytest.mark.parametrize(
    ("source", "n", "sentence"),
    [
        (None, 40, "Joint training needs `source`, the labels of the source task"),
        (np.zeros((3, 2)), 40, r"source has shape \(3, 2\); needed are 40 rows, one per accession of X"),
        (np.zeros(40), 40, r"source has shape \(40,\)"),
        (np.zeros((40, 2)), 39, "X has 39 accessions but y has 40"),
    ],
)
def test_labels_that_do_not_fit_are_refused(source, n, sentence):
    X, y, _ = data()
    with pytest.raises(ValueError, match=sentence):
        JointGalianaRegressor(**QUICK).fit(X[:n], y, source=source)


def test_a_trait_of_t2_without_two_different_labels_is_refused():
    X, y, source = data()
    y[:, 1] = 4
    with pytest.raises(ValueError, match="Trait number 1 has no two different labels"):
        JointGalianaRegressor(**QUICK).fit(X, y, source=source)
