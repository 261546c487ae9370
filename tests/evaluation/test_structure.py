"""Variance between countries against plain sums of squares and the behaviour of a permutation test."""

import numpy as np
import pytest

from gi_lib.evaluation import variance_between_countries

COUNTRY = np.repeat(["SWE", "ESP", "USA", "ITA"], [30, 20, 15, 5])


def plain_r2(trait, country):
    within = sum(((trait[country == c] - trait[country == c].mean()) ** 2).sum() for c in np.unique(country))
    return 1 - within / ((trait - trait.mean()) ** 2).sum()


def test_shares_equal_plain_sums_of_squares():
    random = np.random.default_rng(0)
    trait = random.normal(100, 5, len(COUNTRY)) + 4 * (COUNTRY == "ESP")
    result = variance_between_countries(trait, COUNTRY, 9)
    r2, n, k = plain_r2(trait, COUNTRY), len(trait), 4
    assert result["r2"] == pytest.approx(r2, rel=1e-9)
    assert result["adjusted_r2"] == pytest.approx(1 - (1 - r2) * (n - 1) / (n - k), rel=1e-9)
    assert (result["n"], result["countries"]) == (70, 4)


def test_missing_labels_are_left_out():
    trait = np.random.default_rng(0).normal(size=len(COUNTRY))
    trait[::7] = np.nan
    trait[COUNTRY == "ITA"] = np.nan
    result = variance_between_countries(trait, COUNTRY, 9)
    there = ~np.isnan(trait)
    assert result["r2"] == pytest.approx(plain_r2(trait[there], COUNTRY[there]), rel=1e-9)
    assert (result["n"], result["countries"]) == (there.sum(), 3)


def test_trait_that_follows_the_country_has_the_smallest_possible_p():
    trait = (COUNTRY == "SWE") * 10 + np.random.default_rng(0).normal(size=len(COUNTRY))
    result = variance_between_countries(trait, COUNTRY, n_permutations=99)
    assert result["p"] == pytest.approx(1 / 100)
    assert result["r2"] > 0.9


def test_p_of_a_trait_without_country_effect_is_uniform():
    random = np.random.default_rng(1)
    p = [
        variance_between_countries(random.normal(size=len(COUNTRY)), COUNTRY, 39, seed=i)["p"]
        for i in range(60)
    ]
    # Mean 0.51 with standard error 0.037; P(p <= 0.2) = 0.2 with standard error 0.05.
    assert np.mean(p) == pytest.approx(0.51, abs=0.13)
    assert np.mean(np.array(p) <= 0.2) < 0.4


def test_adjusted_share_of_a_trait_without_country_effect_is_zero_on_average():
    random = np.random.default_rng(2)
    adjusted = [
        variance_between_countries(random.normal(size=len(COUNTRY)), COUNTRY, 0)["adjusted_r2"]
        for _ in range(80)
    ]
    assert np.mean(adjusted) == pytest.approx(0, abs=0.02)  # standard error 0.004


def test_permutations_that_tie_with_the_trait_count_as_reaching_it():
    # One of two accessions in each country: every permutation has the same share or less, and r2 is 1 in
    # all that keep equal values together.
    trait = np.array([0.0, 0, 1, 1])
    p = variance_between_countries(trait, np.array(["a", "a", "b", "b"]), 999)["p"]
    assert p == pytest.approx(1 / 3, abs=0.06)


def test_seed_decides_p_alone():
    trait = np.random.default_rng(0).normal(size=len(COUNTRY))
    one, again, other = (variance_between_countries(trait, COUNTRY, 199, seed=s) for s in (1, 1, 2))
    assert one.equals(again)
    assert one["p"] != other["p"]
    assert one.drop("p").equals(other.drop("p"))


@pytest.mark.parametrize("trait", [[1.0, 2, np.nan], [np.nan] * 3])
def test_fewer_than_two_countries_are_refused(trait):
    with pytest.raises(ValueError, match="come from fewer than two countries"):
        variance_between_countries(np.array(trait), np.array(["SWE", "SWE", "ESP"]))
