"""RKHS regression against a Gaussian process with the same variances, and the choice of its bandwidth."""

import numpy as np
import pytest
from sklearn.gaussian_process.kernels import RBF

from gi_lib.models import GBLUP, RKHS


def made_data(n: int = 150, p: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.binomial(2, 0.5, (n, p))
    pairs = (X[:, :6:2] - 1) * (X[:, 1:6:2] - 1)
    return X, 10 + 2 * pairs.sum(axis=1) + random.normal(0, 0.5, n)


def test_it_is_the_posterior_mean_of_a_gaussian_process():
    X, y = made_data()
    y = y + X[:, 7]
    model = RKHS().fit(X[:100], y[:100])
    h, share = model.bandwidth_[0], model.variance_explained_[0]
    # σ² (h K / scale + 1 - h): any common factor cancels in the prediction.
    kernel = RBF(np.sqrt(model.mean_square_ / (2 * h)))
    K = kernel(X[:100])
    centred = K - K.mean(0) - K.mean(1)[:, None] + K.mean()
    scale = np.trace(centred) / 99
    V = np.linalg.inv(share / scale * K + (1 - share) * np.eye(100))
    intercept = (V @ y[:100]).sum() / V.sum()
    expected = intercept + share / scale * kernel(X[100:], X[:100]) @ V @ (y[:100] - intercept)
    np.testing.assert_allclose(model.predict(X[100:]), expected, rtol=1e-6)


def test_it_sees_pairs_that_gblup_cannot():
    X, y = made_data(n=600, p=8)
    score = {
        type(model): np.corrcoef(model.fit(X[:500], y[:500]).predict(X[500:]), y[500:])[0, 1]
        for model in (RKHS(), GBLUP())
    }
    assert score[RKHS] > 0.8 > 0.3 > score[GBLUP]


def test_each_trait_has_its_own_bandwidth_and_gaps():
    X, y = made_data()
    labels = np.stack([y, X[:, 3] + 0.1 * y], axis=1)
    labels[::3, 0] = np.nan
    model = RKHS().fit(X, labels)
    single = {h: RKHS((h,)).fit(X, labels[:, 1]) for h in model.bandwidths}
    np.testing.assert_allclose(model.predict(X)[:, 1], single[model.bandwidth_[1]].predict(X))
    assert model.predict(X).shape == labels.shape


def test_bad_input():
    X, y = made_data()
    with pytest.raises(ValueError, match="they must be above 0"):
        RKHS((0.0,)).fit(X, y)
    with pytest.raises(ValueError, match="finite numbers"):
        RKHS().fit(np.where(X == 2, np.nan, X), y)
    with pytest.raises(ValueError, match="fitted on 40 markers"):
        RKHS().fit(X, y).predict(X[:, :3])
