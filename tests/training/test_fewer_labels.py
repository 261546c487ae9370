"""Labels that are forgotten: how many, whose, and that nothing else changes."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from gi_lib.models import ridge
from gi_lib.training import FineTunedGalianaRegressor, GalianaRegressor
from gi_lib.training.fewer_labels import FewerLabels

pytestmark = pytest.mark.usefixtures("one_thread")


class Plain(BaseEstimator):
    """Remembers what it was given."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        return X[:, 0]


class WithSource(Plain):
    def fit(self, X, y, source=None):
        self.source_ = source
        return super().fit(X, y)


def data(n: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = random.normal(size=(n, 2))
    y[:10] = np.nan  # no label of T2
    y[10, 0] = np.nan
    return np.arange(2.0 * n).reshape(n, 2), y, random.normal(size=(n, 3))


@pytest.mark.parametrize(("share", "n"), [(1.0, 40), (0.5, 20), (0.13, 5), (0.01, 2)])
def test_so_many_labelled_accessions_remain(share, n):
    X, y, source = data()
    plain = FewerLabels(Plain(), share, seed=3).fit(X, y, source)
    assert plain.n_kept_ == n == len(plain.estimator_.X_)
    rows = (plain.estimator_.X_[:, 0] / 2).astype(int)
    assert (rows >= 10).all() and len(set(rows)) == n
    np.testing.assert_array_equal(plain.estimator_.y_, y[rows])

    transfer = FewerLabels(WithSource(), share, seed=3).fit(X, y, source).estimator_
    np.testing.assert_array_equal(transfer.X_, X)  # the source task sees everybody
    np.testing.assert_array_equal(transfer.source_, source)
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(transfer.y_).all(axis=1)), rows)
    np.testing.assert_array_equal(transfer.y_[rows], y[rows])


def test_a_smaller_share_keeps_some_of_the_larger():
    X, y, _ = data()
    kept = [
        set(FewerLabels(Plain(), share, seed=1).fit(X, y).estimator_.X_[:, 0]) for share in (0.1, 0.4, 0.9)
    ]
    assert kept[0] < kept[1] < kept[2]
    other = set(FewerLabels(Plain(), 0.4, seed=2).fit(X, y).estimator_.X_[:, 0])
    assert other != kept[1]


def test_one_seed_decides_labels_and_training():
    X, y, _ = data()
    assert FewerLabels(Plain(), seed=7).fit(X, y).estimator_.seed == 7
    assert FewerLabels(ridge(), seed=7).fit(X[10:], y[10:, 1]).predict(X).shape == (50,)  # has none


@pytest.mark.parametrize("kind", [GalianaRegressor, FineTunedGalianaRegressor])
def test_with_all_labels_it_is_the_estimator_itself(kind):
    random = np.random.default_rng(0)
    X = random.poisson(0.7, (30, 6, 3)).astype(np.uint8)
    y, source = random.normal(size=(30, 2)), random.normal(size=(30, 3))
    model = kind(epochs=2, hidden=5, device="cpu")
    given = {"source": source} if kind is FineTunedGalianaRegressor else {}
    plain = clone(model).set_params(seed=5).fit(X, y, **given)
    wrapped = FewerLabels(model, 1.0, seed=5).fit(X, y, source)
    np.testing.assert_array_equal(wrapped.predict(X), plain.predict(X))


def test_what_it_cannot_do_is_refused():
    X, y, _ = data()
    for share in (0, -0.1, 1.2, np.nan):
        with pytest.raises(ValueError, match=r"share is .*; it must be greater than 0 and at most 1\."):
            FewerLabels(Plain(), share).fit(X, y)
    with pytest.raises(ValueError, match="X has 50 accessions but y has 49"):
        FewerLabels(Plain()).fit(X, y[1:])
    with pytest.raises(ValueError, match="1 accessions have a label; at least two are needed"):
        FewerLabels(Plain()).fit(X[:11], y[:11])
