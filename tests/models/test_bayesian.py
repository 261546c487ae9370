"""Bayesian regression: draws against a plain sampler, posteriors against closed forms, refusals."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.base import clone

from gi_lib.models.bayesian import PRIORS, TRACES, BayesianRegression

QUICK = {"n_iterations": 40, "burn_in": 10, "thin": 3}


def lines(n: int = 40, p: int = 25, inbred: bool = False, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dosages and the labels of a trait with five causal markers and heritability 0.6."""
    rng = np.random.default_rng(seed)
    dosage = rng.binomial(1 if inbred else 2, rng.uniform(0.1, 0.9, p), (n, p)).astype(np.uint8) * (
        1 + inbred
    )
    genetic = dosage[:, :5] @ rng.normal(size=5)
    return dosage, genetic + rng.normal(size=n) * genetic.std() * np.sqrt(0.4 / 0.6)


def plain_sampler(
    prior: str, X: np.ndarray, y: np.ndarray, n_iterations: int, rng: np.random.Generator
) -> np.ndarray:
    """The conditional distributions one below the other, with centred dosages; a row of traces per iteration."""
    X = X - X.mean(axis=0)
    n, p = X.shape
    squares, spread, variance, nu = (X**2).sum(axis=0), X.var(axis=0).sum(), y.var(ddof=1), 5
    s0 = variance * 0.5 / spread * (nu + 2) / (0.5 if prior == "BayesB" else 1)
    lambda0 = 2 * spread
    s, lambda2, noise, pi = s0, lambda0, variance / 2, 0.5
    b, mu = np.zeros(p), y.mean()
    d = rng.random(p) < pi if prior == "BayesB" else np.ones(p, bool)
    var = np.full(p, s0 / (nu + 2))
    tau2 = np.full(p, variance / 2 / spread / noise)
    rows = []
    for _ in range(n_iterations):
        mu = (y - X @ (b * d)).mean() + np.sqrt(noise / n) * rng.standard_normal()
        for j in range(p):
            without = y - mu - X @ (b * d) + X[:, j] * b[j] * d[j]
            if prior == "BayesB":
                density = stats.norm(scale=np.sqrt(noise)).logpdf
                odds = np.log(pi / (1 - pi)) + (density(without - X[:, j] * b[j]) - density(without)).sum()
                d[j] = rng.random() < expit(odds)
            own = noise * tau2[j] if prior == "Bayesian Lasso" else var[j]
            if d[j]:
                precision = squares[j] / noise + 1 / own
                b[j] = X[:, j] @ without / noise / precision + rng.standard_normal() / np.sqrt(precision)
            else:
                b[j] = np.sqrt(own) * rng.standard_normal()
        error = y - mu - X @ (b * d)
        if prior == "Bayesian Lasso":
            before = tau2.copy()
            for j in range(p):
                tau2[j] = 1 / rng.wald(np.sqrt(noise * lambda2) / abs(b[j]), lambda2)
            lambda2 = rng.gamma(p + 1.1, 1 / (tau2.sum() / 2 + 0.1 / lambda0))
            total = error @ error + (b**2 / before).sum() + variance * 0.5 * (nu + 2)
            noise = total / rng.chisquare(n + p + nu)
        else:
            for j in range(p):
                var[j] = (s + b[j] ** 2) / rng.chisquare(nu + 1)
            s = rng.gamma(p * nu / 2 + 1.1, 1 / ((1 / var).sum() / 2 + 0.1 / s0))
            noise = (error @ error + variance * 0.5 * (nu + 2)) / rng.chisquare(n + nu)
            if prior == "BayesB":
                pi = rng.beta(d.sum() + 6, p - d.sum() + 6)
        scale = np.sqrt(lambda2) if prior == "Bayesian Lasso" else s
        rows.append([mu, noise, (X @ (b * d)).var(), scale, pi if prior == "BayesB" else 1, *(b * d)])
    return np.array(rows)


@pytest.mark.parametrize("inbred", [False, True])
@pytest.mark.parametrize("prior", PRIORS)
def test_draws_equal_those_of_a_plain_sampler(prior, inbred):
    X, y = lines(inbred=inbred)
    model = BayesianRegression(prior, **QUICK, seed=3).fit(X, y)
    (child,) = np.random.SeedSequence([3, 0]).spawn(1)
    rows = plain_sampler(prior, X, y, 40, np.random.default_rng(child))[12::3]
    np.testing.assert_allclose(model.traces_[0, 0], rows[:, : len(TRACES)], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        model.effects_[:, 0], rows[:, len(TRACES) :].mean(axis=0), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("prior", PRIORS)
def test_dosages_that_are_no_whole_numbers(prior):
    X, y = lines()
    fractions = X + 0.25 * (X == 1)
    model = BayesianRegression(prior, **QUICK).fit(fractions, y)
    (child,) = np.random.SeedSequence([1, 0]).spawn(1)
    rows = plain_sampler(prior, fractions, y, 40, np.random.default_rng(child))[12::3]
    np.testing.assert_allclose(model.traces_[0, 0], rows[:, : len(TRACES)], rtol=1e-5, atol=1e-8)


def test_shifted_dosages_change_nothing():
    X, y = lines()
    one = BayesianRegression(**QUICK).fit(X, y).predict(X)
    other = BayesianRegression(**QUICK).fit(X.astype(int) - 1, y).predict(X.astype(int) - 1)
    np.testing.assert_allclose(one, other, rtol=1e-8)


@pytest.mark.parametrize("prior", PRIORS)
def test_causal_markers_are_found_and_variances_are_near_the_truth(prior):
    X, y = lines(300, 200, seed=1)
    model = BayesianRegression(prior, 3000, 1000, 5, n_chains=2).fit(X[:200], y[:200])
    effects = np.abs(model.effects_[:, 0])
    assert effects[:5].mean() > 5 * effects[5:].mean()
    assert np.corrcoef(model.predict(X[200:]), y[200:])[0, 1] > 0.6
    genetic, noise = model.traces_[0, ..., 2].mean(), model.traces_[0, ..., 1].mean()
    assert genetic / (genetic + noise) == pytest.approx(0.6, abs=0.15)


def test_bayes_b_leaves_out_more_markers_when_fewer_matter():
    X, y = lines(300, 200, seed=1)
    share = TRACES.index("share in the model")
    few = BayesianRegression("BayesB", 2000, 500).fit(X, y).traces_[..., share].mean()
    many = BayesianRegression("BayesB", 2000, 500).fit(X, X @ np.random.default_rng(0).normal(size=200))
    assert few < 0.3 < many.traces_[..., share].mean()


def test_same_seed_same_result_with_any_number_of_jobs_and_traits_alone():
    X, y = lines()
    both = np.column_stack([y, -2 * y])
    both[3, 1] = np.nan
    settings = {"n_chains": 2, **QUICK}
    one = BayesianRegression(**settings, n_jobs=1).fit(X, both)
    other = BayesianRegression(**settings, n_jobs=3).fit(X, both)
    np.testing.assert_array_equal(one.traces_, other.traces_)
    alone = BayesianRegression(**settings).fit(X, y)
    np.testing.assert_array_equal(one.effects_[:, 0], alone.effects_[:, 0])
    assert one.traces_.shape == (2, 2, 10, len(TRACES))
    assert not np.array_equal(one.traces_[0, 0], one.traces_[0, 1])
    assert one.predict(X).shape == both.shape and alone.predict(X).shape == y.shape


def test_a_missing_label_is_an_accession_less():
    X, y = lines()
    gap = y.copy()
    gap[[0, 7]] = np.nan
    one = BayesianRegression(**QUICK).fit(X, gap)
    other = BayesianRegression(**QUICK).fit(X[~np.isnan(gap)], gap[~np.isnan(gap)])
    np.testing.assert_array_equal(one.effects_, other.effects_)


def test_a_marker_that_does_not_vary_has_no_say():
    X, y = lines()
    X[:, 7] = 2
    model = BayesianRegression(**QUICK).fit(X, y)
    changed = X.copy()
    changed[:, 7] = 0
    assert np.isfinite(model.predict(X)).all()
    assert model.effects_[7, 0] * model.mean_dosage_[7, 0] < np.abs(y).max()
    assert np.ptp(model.predict(changed) - model.predict(X)) < 1e-9


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"prior": "BayesC"}, "prior is 'BayesC'; allowed are BayesA, BayesB, Bayesian Lasso."),
        ({"n_chains": 0}, "n_chains is 0; it must be a whole number, at least 1."),
        ({"n_jobs": 0}, "n_jobs is 0; it must be a whole number, at least 1, or -1."),
        ({"thin": 2.5}, "thin is 2.5; it must be a whole number, at least 1."),
        ({"burn_in": 40}, "no draw is left of n_iterations 40"),
    ],
)
def test_wrong_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        BayesianRegression(**{**QUICK, **settings}).fit(*lines())


def test_wrong_data_are_refused():
    X, y = lines()
    model = BayesianRegression(**QUICK)
    with pytest.raises(ValueError, match="for 40 accessions it must be"):
        model.fit(X, y[1:])
    with pytest.raises(ValueError, match="no two different labels"):
        model.fit(X, np.ones(40))
    with pytest.raises(ValueError, match="Trait number 1 has no two different labels"):
        model.fit(X, np.column_stack([y, np.full(40, np.nan)]))
    with pytest.raises(ValueError, match="needed are finite numbers"):
        model.fit(np.where(X == 1, np.nan, X), y)
    with pytest.raises(ValueError, match=r"X is 255 for marker number .* fill the gaps first"):
        model.fit(np.where(X == 1, 255, X).astype(np.uint8), y)
    with pytest.raises(ValueError, match=r"The label of trait number 0 in accession number \d+ is infinite"):
        model.fit(X, np.where(y == y.max(), np.inf, y))
    with pytest.raises(ValueError, match="X is 255 for marker"):
        model.fit(X, y).predict(np.full((1, 25), 255, np.uint8))
    with pytest.raises(ValueError, match="fitted on 25 markers"):
        model.fit(X, y).predict(X[:, 1:])


def test_it_can_be_cloned():
    model = BayesianRegression("BayesB", n_chains=3)
    assert clone(model).get_params() == model.get_params()


def test_diagnostics_tell_good_chains_from_bad():
    """Independent draws are all effective; a chain that creeps is not, and chains apart do not agree."""
    X, y = lines()
    model = BayesianRegression(**QUICK, n_chains=2).fit(X, y)
    random = np.random.default_rng(1)
    good = random.normal(size=(2, 1000))
    creeping = np.cumsum(random.normal(size=(2, 1000)), axis=1)
    apart = good + np.array([[0.0], [3.0]])
    fixed = np.ones((2, 1000))
    model.traces_ = np.stack([good, creeping, apart, fixed, good], axis=-1)[None]
    table = model.diagnostics().set_index("quantity")
    effective, r_hat = table["effective"].to_numpy(), table["r_hat"].to_numpy()
    assert effective[0] > 1500 and r_hat[0] < 1.01
    assert effective[1] < 50 and r_hat[1] > 1.1
    assert r_hat[2] > 1.5
    assert np.isnan(effective[3]) and np.isnan(r_hat[3])
    assert table["error"].iloc[0] == pytest.approx(good.std() / np.sqrt(effective[0]))


def test_a_single_chain_is_compared_with_itself():
    X, y = lines()
    model = BayesianRegression(**QUICK).fit(X, y)
    model.traces_ = np.repeat(np.linspace(0, 1, 500)[None, None, :, None], len(TRACES), axis=3)
    assert (model.diagnostics()["r_hat"] > 1.5).all()


@pytest.mark.slow
@pytest.mark.parametrize("prior", PRIORS)
def test_it_is_bglr(prior, in_r):
    """Marker effects and residual variance of the R package on the same data."""
    X, y = lines(150, 60)
    name = {"BayesA": "BayesA", "BayesB": "BayesB", "Bayesian Lasso": "BL"}[prior]
    peer = in_r(
        "BGLR",
        f"""set.seed(1)
        fit <- BGLR(y[, 1], ETA = list(list(X = X, model = "{name}")), nIter = 30000, burnIn = 5000, verbose = FALSE)
        result <- c(fit$varE, fit$ETA[[1]]$b)""",
        X=X,
        y=y,
    )
    model = BayesianRegression(prior, 30_000, 5_000, n_chains=2, n_jobs=2).fit(X, y)
    assert np.corrcoef(X @ model.effects_[:, 0], X @ peer[1:])[0, 1] > 0.995
    assert model.traces_[..., 1].mean() == pytest.approx(peer[0], rel=0.03)
