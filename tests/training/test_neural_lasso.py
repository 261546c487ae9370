"""NeuralLasso: many fits in the separable form against the layer as written, the plain pass, and the protocols."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.encoding.markers import DosageImputer
from gi_lib.models import NeuralLasso
from gi_lib.training import PROTOCOLS, NeuralLassoRegressor, fit_together
from gi_lib.training.neural_lasso import HALVINGS, bracketing_search, correlation, highest_penalty
from gi_lib.training.separable import Fit, LassoTraining, train_as_written, train_separable

CPU = torch.device("cpu")


def dosages(n: int, p: int, kind: str, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    X = 2 * random.integers(0, 2, (n, p)) if kind == "inbred" else random.integers(0, 3, (n, p))
    X = X.astype(np.uint8)
    if kind == "with gaps":
        X[random.random((n, p)) < 0.05] = MISSING_DOSAGE
    return X


def fits(n: int, seed: int = 0) -> list[Fit]:
    """Three, on different accessions, with gaps in their labels."""
    random, made = np.random.default_rng(seed), []
    for number, penalty in enumerate((0.0, 1e-3, 1e-2)):
        samples = np.sort(random.permutation(n)[: 3 * n // 4])
        labels = random.normal(size=len(samples))
        labels[number : number + 2] = np.nan
        made.append(Fit(samples, labels, penalty, number))
    return made


def how(X, protocol="sound", n_iterations=60, neighbourhood=2, **options) -> LassoTraining:
    layer = NeuralLasso(X.shape[1], neighbourhood, **options).double()
    return LassoTraining(X, layer, [], PROTOCOLS[protocol], n_iterations, CPU)


def assert_alike(some, others, tolerance):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.predicted, other.predicted, atol=tolerance)
        np.testing.assert_allclose(one.loss, other.loss, rtol=tolerance, atol=tolerance)
        for mine, theirs in zip(one.layer.parameters(), other.layer.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=tolerance, check_dtype=False)


@pytest.mark.parametrize("kind", ["inbred", "heterozygotes", "with gaps"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("neighbourhood", range(6))
def test_many_fits_at_once_are_the_layer_as_written(neighbourhood, protocol, kind):
    # The layer in double precision; training multiplies the rounding of single precision.
    training = how(X := dosages(40, 30, kind), protocol, neighbourhood=neighbourhood)
    assert_alike(train_as_written(training, fits(40)), train_separable(training, fits(40)), 2e-4)
    assert training.separable and (kind != "with gaps" or (X == MISSING_DOSAGE).any())


@pytest.mark.parametrize("window", [("relu",) * 3, ("linear",) * 3, ("relu", "linear", "linear")])
@pytest.mark.parametrize("chromosome", [None, ["1"] * 9 + ["2"] * 20 + ["3"]])
def test_any_window_and_chromosomes(window, chromosome):
    training = how(
        dosages(40, 30, "heterozygotes"), neighbourhood=1, activations=window, chromosome=chromosome
    )
    assert_alike(train_as_written(training, fits(40)), train_separable(training, fits(40)), 1e-4)


@pytest.mark.parametrize("kind", ["inbred", "with gaps"])
def test_the_compiled_pass_is_the_plain_one(kind):
    training = how(dosages(40, 600, kind))  # more than one block of markers
    plain = train_separable(training, fits(40), compiled=False)
    assert_alike(plain, train_separable(training, fits(40)), 1e-4)


def test_a_fit_among_others_is_the_fit_alone():
    training = how(dosages(40, 300, "inbred"))
    together = train_separable(training, fits(40))
    assert_alike(together, [train_separable(training, [fit])[0] for fit in fits(40)], 1e-4)


def test_learning_rates():
    published, coded = PROTOCOLS["as published"].rates(3_000), PROTOCOLS["as coded"].rates(3_001)
    assert published[0] == 1e-3 and published[-1] == pytest.approx(1e-5)
    assert coded[0] == 1e-3
    assert coded[1] == coded[10] == pytest.approx(1e-5 + 1e-3)
    assert coded[11] == coded[20] == pytest.approx(1e-5 + 5e-4 * (1 + np.cos(np.pi * 10 / 3_001)))


def made_trait(seed: int = 0, n: int = 120, p: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = 2 * random.integers(0, 2, (n, p)).astype(np.uint8)
    genetic = X[:, :5] @ np.array([1.0, -1, 1, -1, 1])
    return X, 20 + genetic + random.normal(0, 0.5 * genetic.std(), n)


def test_it_learns_and_chooses_a_penalty_on_training_accessions():
    X, y = made_trait()
    model = NeuralLassoRegressor(inner_folds=3, seed=1).fit(X[:90], y[:90])
    assert model.validation_.shape == (1, len(HALVINGS), 3)
    assert model.penalty_[0] == model.penalties_[0, model.validation_.mean(axis=2)[0].argmax()]
    assert np.corrcoef(model.predict(X[90:]), y[90:])[0, 1] > 0.8
    assert model.predict(X[90:]).mean() == pytest.approx(20, abs=3)


def test_traits_are_fitted_one_by_one():
    X, y = made_trait()
    labels = np.stack([y, -2 * y + 3], axis=1)
    labels[::4, 1] = np.nan
    model = NeuralLassoRegressor(penalty=0.02, n_iterations=300).fit(X, labels)
    alone = NeuralLassoRegressor(penalty=0.02, n_iterations=300)
    np.testing.assert_allclose(model.predict(X)[:, 0], alone.fit(X, y).predict(X), rtol=1e-4)
    there = ~np.isnan(labels[:, 1])
    np.testing.assert_allclose(
        model.predict(X)[:, 1], alone.fit(X[there], labels[there, 1]).predict(X), rtol=1e-4
    )


def test_folds_together_are_folds_one_after_the_other():
    X, y = made_trait()
    parts = [np.arange(0, 80), np.arange(40, 120)]
    models = [NeuralLassoRegressor(inner_folds=2, n_iterations=200, seed=seed) for seed in (1, 2)]
    alone = [clone(model).fit(X[part], y[part]) for model, part in zip(models, parts, strict=True)]
    together = fit_together(models, X, y, parts)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.penalty_, other.penalty_)
        np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-4)


def test_fractions_take_the_layer_as_written_and_agree():
    X, y = made_trait(p=20)
    whole = NeuralLassoRegressor(penalty=0.01, n_iterations=100).fit(X, y)
    almost = X.astype(float)
    almost[0, 0] += 1e-7
    fraction = NeuralLassoRegressor(penalty=0.01, n_iterations=100).fit(almost, y)
    np.testing.assert_allclose(whole.predict(X), fraction.predict(X), rtol=1e-4)


def test_it_works_inside_scikit_learn():
    X, y = made_trait()
    predicted = cross_val_predict(NeuralLassoRegressor(penalty=0.02, n_iterations=300), X, y, cv=3)
    assert np.corrcoef(predicted, y)[0, 1] > 0.6


def test_missing_dosages_do_not_change_the_penalties_that_are_tried():
    """The byte that marks a gap is no dosage: the path is that of the filled panel."""
    X, y = made_trait()
    X[3, 7] = MISSING_DOSAGE
    filled = DosageImputer("most frequent").fit_transform(X)
    paths = [
        NeuralLassoRegressor(inner_folds=2, n_iterations=10).fit(dosage, y).penalties_
        for dosage in (X, filled)
    ]
    np.testing.assert_allclose(*paths)


def test_the_highest_penalty_leaves_nothing_in_the_model():
    X, y = made_trait()
    standard = (y - y.mean()) / y.std()
    highest = highest_penalty(X, standard, PROTOCOLS["sound"])
    spread = [
        np.ptp(NeuralLassoRegressor(penalty=factor * highest, n_iterations=1000).fit(X, y).predict(X))
        for factor in (1.01, 0.5)
    ]
    assert spread[0] < 0.05 * y.std() < spread[1]


def test_the_published_loss_and_the_start_of_the_code_do_not_train():
    """From slopes of 0.1 the first gradients are so large that Adam's steps stay tiny afterwards."""
    X, y = made_trait(p=3000)
    loss = {
        protocol: NeuralLassoRegressor(protocol=protocol, penalty=0.0).fit(X, y).loss_history_[0, -1]
        / y.var()
        for protocol in ("sound", "as published")
    }
    assert loss["as published"] > 10 * loss["sound"] * y.var()


def test_the_variant_finds_local_epistasis_that_neural_lasso_cannot():
    """Two neighbours that matter only together, on inbred lines, where each alone says nothing."""
    random = np.random.default_rng(0)
    X = 2 * random.integers(0, 2, (400, 30)).astype(np.uint8)
    pairs = (X[:, 4] == X[:, 5]).astype(float) - (X[:, 20] == X[:, 21])
    y = pairs + random.normal(0, 0.3, 400)
    reached = {}
    for interactions in (False, True):
        model = NeuralLassoRegressor(interactions=interactions, penalty=0.01, n_iterations=1500)
        predicted = model.fit(X[:300], y[:300]).predict(X[300:])
        reached[interactions] = np.corrcoef(predicted, pairs[300:])[0, 1]
    assert reached[True] > 0.8 > 0.3 > abs(reached[False])


def search(score, **settings) -> tuple[float, list[float]]:
    """Where the search ends, and what it asked for."""
    going, answers, asked = bracketing_search(**settings), None, []
    while True:
        try:
            wanted = going.send(answers)
        except StopIteration as end:
            return end.value, asked
        asked += wanted
        answers = [score(penalty) for penalty in wanted]


def test_the_bracketing_search_shifts_and_halves():
    best, asked = search(lambda penalty: -((penalty - 0.0123) ** 2))
    assert best == pytest.approx(0.0123, abs=2.5e-4)
    assert asked[:5] == pytest.approx([0.007, 0.009, 0.005, 0.011, 0.013])
    assert len(asked) == len(set(asked))


def test_the_bracketing_search_keeps_the_middle_of_equals_and_stays_positive():
    assert search(lambda penalty: 1.0)[0] == 0.007
    best, asked = search(lambda penalty: -penalty, middle=1.0, step=1.0, smallest=0.3)
    assert best == 0 and min(asked) == 0


def test_correlation_without_variation_is_zero():
    assert correlation(np.ones(3), np.arange(3)) == 0
    assert correlation(np.arange(3), 2.0 * np.arange(3)) == pytest.approx(1)


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"protocol": "best"}, "protocol is 'best'; allowed are sound, as published, as coded."),
        ({"penalty": "bic"}, "allowed are 'inner validation' or a number"),
        ({"penalty": -1.0}, "penalty is -1.0"),
        ({"inner_folds": 1}, "inner_folds is 1"),
        ({"n_iterations": 0}, "n_iterations is 0"),
        ({"neighbourhood": -1}, "neighbourhood is -1"),
        ({"activations": ("relu",)}, "1 activations for a window of 5"),
        ({"chromosome": ["1"]}, "1 chromosomes for 60 markers"),
        ({"interactions": True, "activations": ("relu",) * 5}, "leave one of the two out"),
    ],
)
def test_bad_settings(settings, sentence):
    X, y = made_trait()
    with pytest.raises(ValueError, match=sentence):
        NeuralLassoRegressor(**settings).fit(X, y)


def test_bad_input():
    X, y = made_trait()
    with pytest.raises(ValueError, match="no two different labels"):
        NeuralLassoRegressor().fit(X, np.ones(len(X)))
    with pytest.raises(ValueError, match="fractions and others missing"):
        NeuralLassoRegressor().fit(np.where(X == 2, np.nan, 0.5), y)
    with pytest.raises(ValueError, match="shape"):
        NeuralLassoRegressor().fit(X[..., None], y)
    with pytest.raises(ValueError, match="fitted on 60 markers"):
        NeuralLassoRegressor(penalty=0.1, n_iterations=1).fit(X, y).predict(X[:, :5])
