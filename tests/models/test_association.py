"""Association tests against statsmodels, one predictor and one trait after the other."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from gi_lib.models import association_tests


@pytest.fixture(scope="module")
def panel():
    random = np.random.default_rng(1)
    country = np.repeat(["SWE", "ESP", "USA", "ITA"], [25, 20, 14, 1])
    n = len(country)
    burden = random.poisson(2, (n, 9)).astype(float)
    burden[:, 3] = 4  # does not vary
    burden[:, 5] = country == "ESP"  # is a country
    labels = burden[:, :4] @ random.normal(size=(4, 5)) + 3 * (country == "SWE")[:, None]
    labels += random.normal(size=labels.shape) + 100
    labels[random.random(labels.shape) < 0.1] = np.nan
    labels[country == "ITA", 2] = np.nan
    return burden, labels, pd.get_dummies(country).to_numpy(float)


@pytest.mark.parametrize("correction", ["none", "country"])
def test_tests_equal_least_squares_of_statsmodels(panel, correction):
    burden, labels, dummies = panel
    covariates = np.ones((len(burden), 1)) if correction == "none" else dummies
    found = association_tests(burden, labels, covariates)
    untestable = {"none": [3], "country": [3, 5]}[correction]
    for gene in range(burden.shape[1]):
        for trait in range(labels.shape[1]):
            got = [values[gene, trait] for values in (found.effect, found.t, found.p)]
            if gene in untestable:
                assert np.isnan(got).all()
                continue
            known = ~np.isnan(labels[:, trait])
            design = covariates[known]
            design = np.column_stack([burden[known, gene], design[:, design.any(axis=0)]])
            fit = sm.OLS(labels[known, trait], design).fit()
            np.testing.assert_allclose(got, [fit.params[0], fit.tvalues[0], fit.pvalues[0]], rtol=1e-7)


def test_dependent_and_unscaled_covariates_change_nothing(panel):
    burden, labels, dummies = panel
    one = association_tests(burden, labels, dummies)
    more = np.column_stack([np.ones(len(burden)), 1e6 * dummies, dummies[:, 0] - dummies[:, 1], 0 * dummies])
    other = association_tests(burden, labels, more)
    for name in ("effect", "t", "p"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)


def test_p_of_genes_without_effect_is_uniform_only_if_structure_is_accounted_for():
    random = np.random.default_rng(2)
    country = np.repeat(np.arange(5), 40)
    burden = random.poisson(2 + 4 * random.random((5, 300)))[country].astype(float)
    burden = random.poisson(burden).astype(float)
    trait = random.normal(size=(5, 4))[country] + random.normal(size=(200, 4))
    dummies = np.eye(5)[country]
    raw, corrected = (association_tests(burden, trait, C).p for C in (None, dummies))
    assert (raw < 0.05).mean() > 0.15
    # 1,200 tests, 300 in each trait, nearly independent: standard error of the share 0.006.
    assert (corrected < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert stats.kstest(corrected[:, 0], "uniform").pvalue > 1e-3


def test_constant_and_unlabelled_traits_cannot_be_tested():
    burden = np.random.default_rng(0).normal(size=(8, 2))
    labels = np.full((8, 3), np.nan)
    labels[:, 0] = 7.0
    labels[:2, 1] = [1, 2]  # two labels, and an intercept and a slope
    found = association_tests(burden, labels)
    assert all(np.isnan(values).all() for values in (found.effect, found.t, found.p))


def test_a_perfect_fit_has_a_small_p_and_no_infinity():
    burden = np.random.default_rng(0).normal(size=(20, 1))
    found = association_tests(burden, 3 * burden + 1)
    assert found.effect[0, 0] == pytest.approx(3)
    assert np.isfinite(found.t).all()
    assert found.p[0, 0] < 1e-30


def test_tables_that_do_not_fit_are_refused(panel):
    burden, labels, dummies = panel
    with pytest.raises(ValueError, match=r"labels have shape \(10, 5\); needed are 60 rows"):
        association_tests(burden, labels[:10], dummies)
    with pytest.raises(ValueError, match="covariates hold a value that is not finite"):
        association_tests(burden, labels, np.where(dummies == 0, np.nan, 1))
