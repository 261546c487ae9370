"""GBLUP against glimix-core, scikit-learn's ridge, the textbook's formulas written plainly, and simulations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold, cross_val_predict

from gi_lib.models import GBLUP

VARIANCES = ("genetic_variance_", "residual_variance_", "heritability_", "variance_explained_")


def example(n=90, p=200, n_new=25, n_traits=4, seed=0):
    """Two related populations, and traits of heritability 0.2 to 0.8."""
    random = np.random.default_rng(seed)
    frequency = random.uniform(0.1, 0.9, p)
    shifted = np.clip(frequency + random.normal(0, 0.15, p), 0.02, 0.98)
    both = np.where(np.arange(n + n_new)[:, None] % 2, frequency, shifted)
    X = random.binomial(2, both).astype(float)
    genetic = X @ random.normal(size=(p, n_traits))
    noise = np.sqrt(1 / np.linspace(0.2, 0.8, n_traits) - 1) * genetic.std(axis=0)
    y = genetic + noise * random.normal(size=genetic.shape) + 50
    return X[:n], y[:n], X[n:]


def relationships(X, new):
    """VanRaden 2008, method 1, marker by marker: among the training accessions, and of new ones with them."""
    K, K_new, scale = np.zeros((len(X), len(X))), np.zeros((len(new), len(X))), 0.0
    for marker in range(X.shape[1]):
        p = X[:, marker].sum() / (2 * len(X))
        K += np.outer(X[:, marker] - 2 * p, X[:, marker] - 2 * p)
        K_new += np.outer(new[:, marker] - 2 * p, X[:, marker] - 2 * p)
        scale += 2 * p * (1 - p)
    return K / scale, K_new / scale, scale


def restricted_likelihood(delta, K, F, y):
    """Log-likelihood at the best genetic variance, with that variance, effects and V⁻¹(y − Fb); V = K + δI."""
    n, q = F.shape
    inverse = np.linalg.inv(K + delta * np.eye(n))
    information = F.T @ inverse @ F
    effects = np.linalg.solve(information, F.T @ inverse @ y)
    weights = inverse @ (y - F @ effects)
    variance = y @ weights / (n - q)
    determinant = sum(
        sign * np.linalg.slogdet(a)[1] for sign, a in [(-1, inverse), (1, information), (-1, F.T @ F)]
    )
    value = -((n - q) * (np.log(2 * np.pi * variance) + 1) + determinant) / 2
    return value, variance, effects, weights


def restricted_score(delta, K, F, y):
    """Derivative of the log-likelihood in the residual variance, times a positive number: yᵀPPy / σ² − tr P."""
    inverse = np.linalg.inv(K + delta * np.eye(len(y)))
    P = inverse - inverse @ F @ np.linalg.solve(F.T @ inverse @ F, F.T @ inverse)
    return (P @ y) @ (P @ y) * (len(y) - F.shape[1]) / (y @ P @ y) - np.trace(P)


def textbook(K, F, y):
    """REML with every matrix inverted as it stands: δ, and what `restricted_likelihood` returns there."""
    grid = np.exp(np.linspace(-12, 12, 97))
    best = np.argmax([restricted_likelihood(delta, K, F, y)[0] for delta in grid])
    # The likelihood itself is too flat at its top to tell δ to more than seven digits.
    delta = brentq(restricted_score, grid[best - 1], grid[best + 1], args=(K, F, y), xtol=1e-14, rtol=1e-13)
    return delta, *restricted_likelihood(delta, K, F, y)


# ---------------------------------------------------------------------------------------------------- oracles


@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize(("n", "p"), [(90, 200), (90, 40)], ids=["more markers", "more accessions"])
def test_estimates_and_predictions_equal_the_textbook(n, p, n_covariates):
    X, y, new = example(n, p)
    random = np.random.default_rng(1)
    covariates = random.normal(5, 3, (len(X) + len(new), n_covariates))
    y += (covariates @ random.normal(0, 5, (n_covariates, 4)))[: len(X)]
    model = GBLUP(n_covariates).fit(np.hstack([X, covariates[: len(X)]]), y)
    predicted = model.predict(np.hstack([new, covariates[len(X) :]]))
    K, K_new, _ = relationships(X, new)
    F, F_new = np.split(np.column_stack([np.ones(len(covariates)), covariates]), [len(X)])
    for trait in range(4):
        delta, likelihood, variance, effects, weights = textbook(K, F, y[:, trait])
        assert 0.02 < delta < 50  # not at an end, so the comparison means something
        assert_allclose(model.genetic_variance_[trait], variance, rtol=1e-6)
        assert_allclose(model.residual_variance_[trait], delta * variance, rtol=1e-6)
        assert_allclose(model.heritability_[trait], 1 / (1 + delta), rtol=1e-6)
        assert_allclose(model.log_likelihood_[trait], likelihood, rtol=1e-10)
        assert_allclose(model.fixed_effects_[:, trait], effects, rtol=1e-6)
        assert_allclose(predicted[:, trait], F_new @ effects + K_new @ weights, rtol=1e-6)


@pytest.mark.parametrize("n_covariates", [0, 2])
def test_variances_and_likelihood_equal_glimix(n_covariates):
    lmm = pytest.importorskip("glimix_core.lmm")
    linalg = pytest.importorskip("numpy_sugar.linalg")
    X, y, new = example(120, 300)
    covariates = np.random.default_rng(1).normal(size=(len(X), n_covariates))
    model = GBLUP(n_covariates).fit(np.hstack([X, covariates]), y)
    K, *_ = relationships(X, new)
    F = np.column_stack([np.ones(len(X)), covariates])
    for trait in range(4):
        other = lmm.LMM(y[:, trait], F, linalg.economic_qs(K), restricted=True)
        other.fit(verbose=False)
        assert_allclose(model.genetic_variance_[trait], other.v0, rtol=1e-3)
        assert_allclose(model.residual_variance_[trait], other.v1, rtol=1e-3)
        assert_allclose(model.log_likelihood_[trait], other.lml(), rtol=1e-7)
        assert_allclose(model.fixed_effects_[:, trait], other.beta, rtol=1e-3)


def test_equals_ridge_on_the_dosages_with_the_penalty_of_the_variances():
    X, y, new = example()
    model = GBLUP().fit(X, y)
    *_, scale = relationships(X, new)
    penalty = scale * model.residual_variance_ / model.genetic_variance_
    ridge = Ridge(alpha=penalty).fit(X, y)
    assert_allclose(model.predict(new), ridge.predict(new), rtol=1e-9)
    assert_allclose(model.marker_effects(), ridge.coef_.T, rtol=1e-7, atol=1e-9)


def test_marker_effects_predict_without_the_training_accessions():
    X, y, new = example()
    covariate = np.random.default_rng(1).normal(size=(len(X) + len(new), 1))
    y[:9, 1] = np.nan
    model = GBLUP(1).fit(np.hstack([X, covariate[: len(X)]]), y)
    genetic = (new - 2 * model.allele_frequency_) @ model.marker_effects()
    fixed = model.fixed_effects_[0] + covariate[len(X) :] * model.fixed_effects_[1]
    assert_allclose(fixed + genetic, model.predict(np.hstack([new, covariate[len(X) :]])), rtol=1e-12)
    assert model.marker_effects().shape == (200, 4)


def test_no_other_variance_has_a_higher_likelihood():
    # Few accessions: likelihoods with maxima at the ends, two maxima, or none.
    ends = 0
    for seed in range(12):
        X, _, new = example(9, 12, 2, seed=seed)
        y = np.random.default_rng(seed).normal(size=(len(X), 15))
        y[1] = y[0]  # an accession's double, as alike as its genome
        X[1] = X[0]
        model = GBLUP().fit(X, y)
        K, *_ = relationships(X, new)
        F = np.ones((len(X), 1))
        for trait in range(15):
            grid = np.logspace(-5, 5, 100)
            highest = max(restricted_likelihood(delta, K, F, y[:, trait])[0] for delta in grid)
            assert model.log_likelihood_[trait] > highest - 1e-6
            if 0 < model.heritability_[trait] < 0.999:
                delta = 1 / model.heritability_[trait] - 1
                reached = restricted_likelihood(delta, K, F, y[:, trait])[0]
                assert_allclose(model.log_likelihood_[trait], reached, rtol=1e-8, atol=1e-8)
            else:
                ends += 1
    assert ends > 10


# ----------------------------------------------------------------------------------------------- simulations


@pytest.mark.parametrize("inbred", [False, True])
@pytest.mark.parametrize("heritability", [0.2, 0.5, 0.8])
def test_known_variances_are_recovered(inbred, heritability):
    random = np.random.default_rng(0)
    n, p, replicates = 250, 60, 300
    frequency = random.uniform(0.1, 0.5, p)
    X = 2.0 * random.binomial(1, frequency, (n, p)) if inbred else random.binomial(2, frequency, (n, p))
    Z = X - X.mean(axis=0)
    scale = (X.mean(axis=0) * (1 - X.mean(axis=0) / 2)).sum()
    # One trait for each replicate; the genetic values have variance K, so the model is exactly true.
    genetic = Z @ random.normal(0, np.sqrt(heritability / scale), (p, replicates))
    y = 10 + genetic + random.normal(0, np.sqrt(1 - heritability), (n, replicates))
    model = GBLUP().fit(X, y)
    # K has a mean diagonal of 1 when outbred, of 2 when inbred.
    k = 2 if inbred else 1
    explained = k * heritability / (k * heritability + 1 - heritability)
    expected = (heritability, 1 - heritability, heritability, explained)
    for name, truth in zip(VARIANCES, expected, strict=True):
        estimates = getattr(model, name)
        # Four Monte Carlo errors, and 0.01 for what is biased: ratios, and k of a finite sample.
        error = 4 * estimates.std() / np.sqrt(replicates)
        assert error < 0.05
        assert abs(estimates.mean() - truth) < error + 0.01, name


def test_predicts_as_well_as_the_true_variances_allow():
    random = np.random.default_rng(0)
    X = random.binomial(2, random.uniform(0.1, 0.9, 100), (400, 100))
    genetic = X @ random.normal(size=(100, 30))
    y = genetic + random.normal(size=genetic.shape) * genetic[:300].std(axis=0)
    predicted = GBLUP().fit(X[:300], y[:300]).predict(X[300:])
    *_, scale = relationships(X[:300], X[300:])
    right = genetic[:300].var(axis=0, ddof=1)  # both variances, by construction
    best = Ridge(alpha=np.full(30, scale)).fit(X[:300], y[:300] / np.sqrt(right)).predict(X[300:]) * np.sqrt(
        right
    )
    errors, least = (((guess - genetic[300:]) ** 2).mean() for guess in (predicted, best))
    assert least < 0.4 * genetic[300:].var(axis=0).mean()
    assert errors < 1.02 * least


# ------------------------------------------------------------------------------------------------------- ends


def test_without_genetic_variance_the_prediction_is_the_mean():
    X, _, new = example(60, 100)
    y = np.random.default_rng(0).normal(7, 2, (len(X), 60))
    model = GBLUP().fit(X, y)
    none = model.heritability_ == 0
    assert 0.3 < none.mean() < 0.8  # a boundary of a fair estimator: about half
    assert (model.marker_effects()[:, none] == 0).all()
    assert_allclose(
        model.predict(new)[:, none], np.broadcast_to(y.mean(axis=0), (25, 60))[:, none], rtol=1e-12
    )
    assert_allclose(model.residual_variance_[none], y.var(axis=0, ddof=1)[none], rtol=1e-9)
    assert (model.genetic_variance_[none] == 0).all()


def test_without_genetic_variance_covariates_remain_as_in_least_squares():
    X, _, new = example(60, 100)
    random = np.random.default_rng(0)
    covariates = random.normal(size=(len(X) + len(new), 2))
    y = random.normal(7, 2, (len(X), 40)) + covariates[:60] @ np.ones((2, 40))
    model = GBLUP(2).fit(np.hstack([X, covariates[:60]]), y)
    none = model.heritability_ == 0
    assert none.sum() > 10
    expected = LinearRegression().fit(covariates[:60], y).predict(covariates[60:])
    assert_allclose(model.predict(np.hstack([new, covariates[60:]]))[:, none], expected[:, none], rtol=1e-9)


def test_without_noise_all_variance_is_genetic():
    X, _, new = example(90, 30)
    effects = np.random.default_rng(0).normal(size=30)
    model = GBLUP().fit(X, X @ effects)
    assert 1 - model.heritability_[0] < 1e-5
    assert_allclose(model.predict(new), new @ effects, atol=1e-3 * (X @ effects).std())


@pytest.mark.parametrize("value", [0.0, 3.7, 1e6])
def test_a_trait_without_variance_is_predicted_as_it_is(value):
    X, y, new = example()
    y[:, 2] = value
    model = GBLUP().fit(X, y)
    assert_allclose(model.predict(new)[:, 2], value, rtol=1e-9)
    assert np.isnan([model.heritability_[2], model.variance_explained_[2], model.log_likelihood_[2]]).all()
    assert model.genetic_variance_[2] == model.residual_variance_[2] == 0
    others = [0, 1, 3]
    assert_allclose(model.heritability_[others], GBLUP().fit(X, y[:, others]).heritability_, rtol=1e-9)


@pytest.mark.parametrize("dosage", [0, 1, 2, 0.3])
def test_without_any_difference_between_genomes_the_prediction_is_the_mean(dosage):
    _, y, _ = example()
    model = GBLUP().fit(np.full((90, 7), dosage), y)
    assert_allclose(model.predict(np.ones((2, 7))), [y.mean(axis=0)] * 2, rtol=1e-9)
    assert model.heritability_.tolist() == [0] * 4


@pytest.mark.parametrize("n", [3, 10, 40])
def test_genomes_that_are_all_equally_unlike_say_nothing_about_the_variances(n):
    y = np.random.default_rng(0).normal(size=(n, 50))
    model = GBLUP().fit(2 * np.eye(n), y)  # each accession has a variant of its own
    assert (model.heritability_ == 0).all()
    assert_allclose(model.predict(np.zeros((1, n))), [y.mean(axis=0)], rtol=1e-9, atol=1e-12)


def test_two_labels_say_nothing_about_the_variances():
    X, y, new = example()
    y[2:, 0] = np.nan
    model = GBLUP().fit(X, y)
    assert model.heritability_[0] == 0
    assert_allclose(model.predict(new)[:, 0], y[:2, 0].mean(), rtol=1e-9)


# ------------------------------------------------------------------------------------------- what is the same


def test_markers_that_do_not_vary_are_harmless():
    X, y, new = example()
    same, other = np.full((len(X), 3), [0, 2, 2]), np.random.default_rng(0).uniform(0, 2, (len(new), 3))
    with_them = GBLUP().fit(np.hstack([X[:, :50], same, X[:, 50:]]), y)
    without = GBLUP().fit(X, y)
    for name in VARIANCES:
        assert_allclose(getattr(with_them, name), getattr(without, name), rtol=1e-9)
    predicted = with_them.predict(np.hstack([new[:, :50], other, new[:, 50:]]))
    assert_allclose(predicted, without.predict(new), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_every_numeric_type_gives_the_same(dtype):
    X, y, new = example()
    plain, typed = GBLUP().fit(X, y), GBLUP().fit(X.astype(dtype), y)
    assert_allclose(typed.heritability_, plain.heritability_, rtol=1e-12)
    assert_allclose(typed.predict(new.astype(dtype)), plain.predict(new), rtol=1e-12)


def test_neither_dosages_nor_labels_are_changed():
    X, y, new = example()
    before = X.copy(), y.copy(), new.copy()
    GBLUP().fit(X, y).predict(new)
    for array, copy in zip((X, y, new), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_units_of_the_trait_do_not_matter():
    X, y, new = example()
    plain, moved = GBLUP().fit(X, y), GBLUP().fit(X, 1e4 + 1e-3 * y)
    assert_allclose(moved.heritability_, plain.heritability_, rtol=1e-6)
    assert_allclose(moved.genetic_variance_, 1e-6 * plain.genetic_variance_, rtol=1e-6)
    assert_allclose(moved.predict(new), 1e4 + 1e-3 * plain.predict(new), rtol=1e-9)


def test_traits_with_missing_labels_equal_each_trait_alone():
    X, y, new = example(n_traits=6)
    y[:20, [0, 3]] = np.nan
    y[10:40, 4] = np.nan
    y[50:, 5] = np.nan
    model = GBLUP().fit(X, y)
    for trait in range(6):
        alone = GBLUP().fit(X, y[:, trait])
        for name in (*VARIANCES, "log_likelihood_"):
            assert_allclose(getattr(model, name)[trait], getattr(alone, name)[0], rtol=1e-7)
        assert_allclose(model.predict(new)[:, trait], alone.predict(new), rtol=1e-9)


def test_accessions_without_a_label_change_no_prediction():
    X, y, new = example()
    y[:30] = np.nan
    model, without = GBLUP().fit(X, y), GBLUP().fit(X[30:], y[30:])
    assert_allclose(model.predict(new), without.predict(new), rtol=1e-9)
    for name in ("residual_variance_", "variance_explained_", "log_likelihood_"):
        assert_allclose(getattr(model, name), getattr(without, name), rtol=1e-7)
    # The scale of K is that of the frequencies among all.
    ratio = [(f * (1 - f)).sum() for f in (X.mean(axis=0) / 2, X[30:].mean(axis=0) / 2)]
    expected = without.genetic_variance_ * ratio[0] / ratio[1]
    assert_allclose(model.genetic_variance_, expected, rtol=1e-7)


# ------------------------------------------------------------------------------------------------- covariates


@pytest.fixture
def with_covariates():
    X, y, new = example()
    random = np.random.default_rng(2)
    covariates = random.normal(100, 5, (len(X) + len(new), 2))
    y = y + covariates[: len(X)] @ np.array([[3.0, -2, 1, 0], [0, 1, 2, 3]])
    return X, y, new, covariates


def fit_predict(X, y, new, covariates):
    model = GBLUP(covariates.shape[1]).fit(np.hstack([X, covariates[: len(X)]]), y)
    return model, model.predict(np.hstack([new, covariates[len(X) :]]))


@pytest.mark.parametrize(
    "redundant",
    [
        lambda c: np.hstack([c, c[:, :1]]),
        lambda c: np.hstack([c, c @ [[2.0], [-1]] + 7]),
        lambda c: np.hstack([c, np.full((len(c), 1), 0.1)]),
        lambda c: np.hstack([c, np.zeros((len(c), 2))]),
    ],
    ids=["twice", "linear combination", "constant", "zeros"],
)
def test_redundant_covariates_change_nothing(with_covariates, redundant):
    X, y, new, covariates = with_covariates
    expected, predicted = fit_predict(X, y, new, covariates)
    model, again = fit_predict(X, y, new, redundant(covariates))
    for name in (*VARIANCES, "log_likelihood_"):
        assert_allclose(getattr(model, name), getattr(expected, name), rtol=1e-6)
    assert_allclose(again, predicted, rtol=1e-8)


def test_a_covariate_constant_in_training_has_no_effect_elsewhere(with_covariates):
    X, y, new, covariates = with_covariates
    expected, predicted = fit_predict(X, y, new, covariates)
    third = np.where(np.arange(len(covariates)) < len(X), 0.1, 99.0)[:, None]
    model, again = fit_predict(X, y, new, np.hstack([covariates, third]))
    assert_allclose(again, predicted, rtol=1e-8)
    assert (model.fixed_effects_[3] == 0).all()
    assert_allclose(model.fixed_effects_[:3], expected.fixed_effects_, rtol=1e-6)


def test_units_of_a_covariate_do_not_matter(with_covariates):
    X, y, new, covariates = with_covariates
    expected, predicted = fit_predict(X, y, new, covariates)
    model, again = fit_predict(X, y, new, covariates * [1e-6, 1e6] + [0, 1e7])
    assert_allclose(again, predicted, rtol=1e-7)
    assert_allclose(model.heritability_, expected.heritability_, rtol=1e-6)
    assert_allclose(model.fixed_effects_[1:], expected.fixed_effects_[1:] / [[1e-6], [1e6]], rtol=1e-6)


def test_a_trait_that_the_covariates_explain_leaves_nothing_to_the_genome(with_covariates):
    X, _, new, covariates = with_covariates
    model, predicted = fit_predict(X, 5 + covariates[: len(X), 0], new, covariates)
    assert np.isnan(model.heritability_).all()
    assert_allclose(predicted, 5 + covariates[len(X) :, 0], rtol=1e-9)


# -------------------------------------------------------------------------------------------- as an estimator


def test_dimensions_follow_the_labels():
    X, y, new = example()
    assert GBLUP().fit(X, y[:, 0]).predict(new).shape == (25,)
    assert GBLUP().fit(X, y[:, :1]).predict(new).shape == (25, 1)
    assert GBLUP().fit(X, y).predict(new[:1]).shape == (1, 4)
    assert GBLUP().fit(X, y[:, 0]).heritability_.shape == (1,)


def test_works_inside_scikit_learn():
    X, y, _ = example()
    folds = KFold(3, shuffle=True, random_state=0)
    predicted = cross_val_predict(GBLUP(), X, y, cv=folds)
    train, test = next(folds.split(X))
    assert_allclose(predicted[test], GBLUP().fit(X[train], y[train]).predict(X[test]), rtol=1e-12)


def test_can_be_cloned_and_fitted_again():
    X, y, new = example()
    model = GBLUP(1).fit(X, y)
    copy = clone(model)
    assert copy.get_params() == {"n_covariates": 1}
    assert not hasattr(copy, "heritability_")
    model.fit(X[:, :50], y[:, 0])
    assert_allclose(model.predict(new[:, :50]), copy.fit(X[:, :50], y[:, 0]).predict(new[:, :50]), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X, y: (put(X, np.nan), y),
            r"marker number 5 in accession number 3 is missing \(nan\)",
        ),
        (
            lambda X, y: (put(X.astype(np.uint8), 255), y),
            r"marker number 5 in accession number 3 is missing \(255\)",
        ),
        (
            lambda X, y: (put(X, -1.0), y),
            "marker number 5 in accession number 3 is -1; dosages lie between 0 and 2",
        ),
        (lambda X, y: (X[:, 0], y), "X must be numbers of shape"),
        (lambda X, y: (X.astype(str), y), "X must be numbers of shape"),
        (
            lambda X, y: (X, y[:-1]),
            r"y has shape \(89, 4\); for 90 accessions it must be \(90,\) or \(90, trait\)",
        ),
        (lambda X, y: (X[:0], y[:0]), "There is no accession"),
        (lambda X, y: (X, put(y, np.inf, 3, 2)), "label of trait number 2 in accession number 3 is infinite"),
        (
            lambda X, y: (X, put(y, np.nan, slice(1, None), 1)),
            "Trait number 1 has 1 labels among 90 accessions; 1 fixed",
        ),
        (lambda X, y: (X, put(y, np.nan, slice(None), 3)), "Trait number 3 has 0 labels"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(change, message):
    X, y, _ = example()
    with pytest.raises(ValueError, match=message):
        GBLUP().fit(*change(X, y))


def put(array, value, row=3, column=5):
    array[row, column] = value
    return array


def test_bad_covariates_are_refused_with_a_sentence():
    X, y, _ = example()
    with pytest.raises(
        ValueError, match="Covariate number 1 of accession number 3 is nan; covariates must be finite"
    ):
        GBLUP(2).fit(np.hstack([X, put(np.ones((90, 2)), np.nan, 3, 1)]), y)
    y[3:, 0] = np.nan
    with pytest.raises(
        ValueError, match=r"Trait number 0 has 3 labels among 90 accessions; 3 fixed effects .* at least 4"
    ):
        GBLUP(2).fit(X, y)


@pytest.mark.parametrize("n_covariates", [-1, 200, 1.0, "2"])
def test_a_bad_number_of_covariates_is_refused(n_covariates):
    X, y, _ = example()
    with pytest.raises(ValueError, match="with 200 columns it must be a whole number between 0 and 199"):
        GBLUP(n_covariates).fit(X, y)


def test_prediction_is_refused_before_fitting_and_for_other_columns():
    X, y, new = example()
    with pytest.raises(ValueError, match="not fitted"):
        GBLUP().predict(new)
    with pytest.raises(ValueError, match="not fitted"):
        GBLUP().marker_effects()
    with pytest.raises(ValueError, match="X has 199 columns; the model was fitted on 200"):
        GBLUP().fit(X, y).predict(new[:, 1:])


# -------------------------------------------------------------------------------------------------- real data


@pytest.mark.slow
@pytest.mark.needs("arabidopsis/X_Mix.rda", "arabidopsis/flowering_time_16.csv")
def test_flowering_time_of_real_accessions(mirror):
    from gi_lib.cohorts import load_cohort
    from gi_lib.evaluation import correlations
    from gi_lib.validation import Model, RandomFolds, cross_validate

    cohort = load_cohort("arabidopsis").sel(trait=["flowering_time_16C"])
    predictions = cross_validate(cohort, [Model("GBLUP", GBLUP(), "dosage")], RandomFolds(5), cached=False)
    scores = correlations(predictions, n_bootstrap=2).set_index("score")["estimate"]
    assert scores["pooled"] == pytest.approx(0.80, abs=0.02)
    assert scores["within country"] == pytest.approx(0.62, abs=0.03)
