"""Algorithm 1 against its formula on functions that are known, and integrated gradients against their sum."""

import numpy as np
import pytest

from gi_lib.datasets.simulate.shoot_branching import signal_edges, simulate_shoot_branching
from gi_lib.evaluation.sensitivity import clamped_sensitivity, latent_attributions
from gi_lib.training import BINNRegressor

pytestmark = pytest.mark.usefixtures("one_thread")


def test_of_a_straight_line_it_is_slope_times_deviation():
    values = np.random.default_rng(0).normal(3, [1, 2, 5], (400, 3))
    slopes = np.array([[2.0, 0.0], [-1.0, 1.0], [0.0, 4.0]])
    found = clamped_sensitivity(lambda z: z @ slopes + 7, values, width=1.5)
    np.testing.assert_allclose(found, np.abs(slopes) * 1.5 * values.std(axis=0)[:, None], rtol=1e-9)


def test_of_a_curve_it_is_the_mean_of_both_sides():
    values = np.random.default_rng(1).gamma(2.0, size=(300, 2))
    found = clamped_sensitivity(lambda z: np.exp(z[:, 0]) * z[:, 1], values)
    usual = (np.exp(values[:, 0]) * values[:, 1]).mean()
    middle, deviation = values[:, 0].mean(), values[:, 0].std()
    sides = [np.exp(middle + sign * deviation) * values[:, 1].mean() - usual for sign in (1, -1)]
    assert found[0] == pytest.approx(np.abs(sides).mean())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"the shape is \(3,\)"):
        clamped_sensitivity(np.sum, np.ones(3))
    with pytest.raises(ValueError, match="width is 0"):
        clamped_sensitivity(np.sum, np.ones((3, 2)), width=0)


def test_attributions_add_up_to_the_difference_from_the_mean_latents():
    plants = simulate_shoot_branching("diversity", 200, seed=1)
    X, y = plants["dosage"].values, plants["trait_value"].values
    fitted = BINNRegressor(signal_edges(plants), hidden=8, epochs=20, device="cpu").fit(X, y)
    found = latent_attributions(fitted, X, n_steps=200)
    assert found.shape == (200, 4, 1)
    middle = fitted.from_latents(fitted.latents(X).mean(axis=0, keepdims=True))
    difference = fitted.predict(X) - middle
    np.testing.assert_allclose(found.sum(axis=1), difference, atol=0.02 * difference.std())
