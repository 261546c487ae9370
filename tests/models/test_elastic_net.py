"""Elastic net: its optimality conditions, scikit-learn and glmnet on the same path, and the choice of the penalty."""

import numpy as np
import pytest
import sklearn.linear_model
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from gi_lib.models.elastic_net import ElasticNet, elastic_net_path, highest_penalty


def made_data(n: int = 80, p: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.binomial(2, random.uniform(0.1, 0.5, p), (n, p)).astype(np.uint8)
    genetic = X[:, :10] @ random.normal(size=10)
    return X, 30 + 4 * (genetic + random.normal(0, genetic.std(), n))


@pytest.mark.parametrize("l1_ratio", [0.33, 1.0])
def test_the_path_is_optimal(l1_ratio):
    X, y = made_data()
    penalties = highest_penalty(X, y, l1_ratio) * np.geomspace(1, 0.05, 10)
    effects, intercepts = elastic_net_path(X, y, penalties, l1_ratio, tolerance=1e-8)
    scaler = StandardScaler().fit(X.astype(float))
    scaled = scaler.transform(X.astype(float))
    for penalty, effect, intercept in zip(penalties, effects.T, intercepts, strict=True):
        residual = y - X @ effect - intercept
        beta = effect * scaler.scale_
        gradient = scaled.T @ residual / len(y) - penalty * (1 - l1_ratio) * beta / y.std()
        assert residual.mean() == pytest.approx(0, abs=1e-8)
        assert np.abs(gradient).max() <= penalty * l1_ratio + 1e-6
        inside = beta != 0
        np.testing.assert_allclose(gradient[inside], penalty * l1_ratio * np.sign(beta[inside]), atol=1e-6)
    assert not effects[:, 0].any() and effects[:, -1].any()


def test_the_path_is_that_of_scikit_learn():
    X, y = made_data()
    penalties = highest_penalty(X, y, 0.33) * np.geomspace(0.9, 0.1, 4)
    effects, _ = elastic_net_path(X, y, penalties, 0.33, tolerance=1e-9)
    scaler = StandardScaler()
    scaled = scaler.fit_transform(X.astype(float))
    for penalty, effect in zip(penalties, effects.T, strict=True):
        peer = sklearn.linear_model.ElasticNet(
            alpha=penalty / y.std(), l1_ratio=0.33, tol=1e-10, max_iter=100_000
        ).fit(scaled, (y - y.mean()) / y.std())
        np.testing.assert_allclose(effect, peer.coef_ * y.std() / scaler.scale_, atol=1e-6)


def test_the_path_is_that_of_glmnet(in_r):
    X, y = made_data()
    penalties = highest_penalty(X, y, 0.33) * np.geomspace(0.9, 0.05, 8)
    peer = in_r(
        "glmnet",
        "result <- glmnet(X, y, alpha = 0.33, lambda = penalties[, 1], thresh = 1e-14, maxit = 1e7)$beta",
        X=X,
        y=y,
        penalties=penalties,
    )
    effects, _ = elastic_net_path(X, y, penalties, 0.33, tolerance=1e-9)
    np.testing.assert_allclose(effects, peer, atol=1e-4)


def test_the_penalty_has_the_least_error_on_inner_folds():
    X, y = made_data()
    model = ElasticNet(0.5, n_penalties=8, smallest=0.1, inner_folds=4, seed=3).fit(X, y)
    penalties = highest_penalty(X, y, 0.5) * np.geomspace(1, 0.1, 8)
    errors = np.zeros(8)
    for train, test in KFold(4, shuffle=True, random_state=3).split(X):
        effects, intercepts = elastic_net_path(X[train], y[train], penalties, 0.5)
        errors += ((X[test] @ effects + intercepts - y[test, None]) ** 2).sum(axis=0)
    assert model.penalty_[0] == pytest.approx(penalties[errors.argmin()])
    expected, intercepts = elastic_net_path(X, y, model.penalty_, 0.5, tolerance=1e-9)
    np.testing.assert_allclose(model.effects_, expected, atol=1e-2)


def test_gaps_in_labels_and_markers_that_do_not_vary():
    X, y = made_data()
    X[:, 5] = 2
    labels = np.stack([y, y[::-1]], axis=1)
    labels[::3, 1] = np.nan
    model = ElasticNet(n_penalties=5, inner_folds=2).fit(X, labels)
    there = ~np.isnan(labels[:, 1])
    alone = ElasticNet(n_penalties=5, inner_folds=2).fit(X[there], labels[there, 1])
    np.testing.assert_allclose(model.predict(X)[:, 1], alone.predict(X))
    assert not model.effects_[5].any()


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"l1_ratio": 0.0}, "l1_ratio is 0.0; it must lie between 0.01 and 1"),
        ({"smallest": 2.0}, "smallest is 2.0"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"n_penalties": 1}, "n_penalties is 1; it must be at least 2"),
        ({"inner_folds": 1}, "inner_folds is 1"),
    ],
)
def test_bad_settings(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ElasticNet(**settings).fit(*made_data())


def test_bad_input():
    X, y = made_data()
    with pytest.raises(ValueError, match="for 5 accessions it must be"):
        ElasticNet().fit(X[:5], y)
    with pytest.raises(ValueError, match="Trait number 0 has no two different labels"):
        ElasticNet().fit(X, np.ones(80))
    with pytest.raises(ValueError, match="fitted on 300 markers"):
        ElasticNet(n_penalties=2, inner_folds=2).fit(X, y).predict(X[:, :9])
