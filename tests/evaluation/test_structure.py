"""Structure against plain sums of squares, plain loops over pairs, and the behaviour of permutation tests."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr

from gi_lib.evaluation import variance_between_countries
from gi_lib.evaluation.structure import (
    distance_correlations,
    same_country_neighbours,
    shares_between_countries,
)

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


# ------------------------------------------------------------------------------------------ all traits


def cohort_of(values, country):
    return xr.Dataset(
        {"trait_value": (("sample", "trait"), values)},
        coords={"trait": [f"t{i}" for i in range(values.shape[1])], "country": ("sample", country)},
    )


def test_shares_of_all_traits_are_those_of_each():
    values = np.random.default_rng(0).normal(size=(len(COUNTRY), 3))
    values[::5, 1] = np.nan
    table = shares_between_countries(cohort_of(values, COUNTRY), 19, seed=3)
    assert list(table["trait"]) == ["t0", "t1", "t2"]
    for i, row in table.iterrows():
        one = variance_between_countries(values[:, i], COUNTRY, 19, seed=3)
        assert row[one.index].tolist() == pytest.approx(one.tolist(), rel=1e-12)
    assert table["n"].tolist() == [70, 56, 70]


def test_a_trait_of_one_country_is_named():
    values = np.random.default_rng(0).normal(size=(len(COUNTRY), 2))
    values[COUNTRY != "SWE", 1] = np.nan
    with pytest.raises(ValueError, match=r"^t1: The labelled accessions come from fewer than two countries"):
        shares_between_countries(cohort_of(values, COUNTRY), 0)


# ------------------------------------------------------------------------------------------ neighbours


def test_neighbours_equal_a_plain_search():
    random = np.random.default_rng(5)
    points, country = random.normal(size=(30, 4)), random.choice(["a", "b", ""], 30)
    found = same_country_neighbours(points, country, 3)
    known = np.flatnonzero(country != "")
    hits = []
    for i in known:
        others = [j for j in known if j != i]
        nearest = sorted(others, key=lambda j: np.linalg.norm(points[i] - points[j]))[:3]
        hits += [country[i] == country[j] for j in nearest]
    pairs = [country[i] == country[j] for i, j in itertools.permutations(known, 2)]
    assert found["share"] == pytest.approx(np.mean(hits))
    assert found["expected"] == pytest.approx(np.mean(pairs))
    assert found["n"] == len(known)


def test_share_of_unrelated_points_is_what_is_expected():
    random = np.random.default_rng(6)
    found = [same_country_neighbours(random.normal(size=(70, 5)), COUNTRY, 10) for _ in range(30)]
    # Standard error of the mean 0.004.
    assert np.mean([f["share"] for f in found]) == pytest.approx(found[0]["expected"], abs=0.015)


def test_equal_points_are_not_their_own_neighbours():
    found = same_country_neighbours(np.zeros((4, 2)), np.array(["a", "b", "c", "d"]), 2)
    assert found["share"] == 0


@pytest.mark.parametrize(
    ("points", "country", "k", "sentence"),
    [
        (np.zeros((3, 1)), ["a", "b"], 1, "3 points but 2 countries"),
        (np.zeros((3, 1)), ["a", "b", ""], 2, "n_neighbours is 2; with 2 accessions"),
        (np.full((3, 1), np.nan), ["a", "b", "c"], 1, "missing value"),
    ],
)
def test_neighbours_refuse(points, country, k, sentence):
    with pytest.raises(ValueError, match=sentence):
        same_country_neighbours(points, np.array(country), k)


# ------------------------------------------------------------------------------------------- distances


def distances(points):
    return squareform(pdist(points))


def plain_correlation(x, y, members):
    pairs = list(itertools.combinations(members, 2))
    return pearsonr([x[p] for p in pairs], [y[p] for p in pairs]).statistic


def related(random, country, weight=0.6):
    """Two sets of points of which the second follows the first."""
    first = random.normal(size=(len(country), 3)) + 2 * (country == "ESP")[:, None]
    return distances(first), distances(weight * first + random.normal(size=first.shape))


def test_correlations_over_pairs_equal_plain_ones():
    x, y = related(np.random.default_rng(0), COUNTRY)
    x[np.diag_indices(70)] = 7  # the diagonal does not count
    table = distance_correlations(x, y, COUNTRY, min_accessions=15, n_permutations=3)
    assert table["pairs"].tolist() == ["all pairs", "all pairs", "pairs within a country"]
    assert table["permuted"].tolist() == ["over all accessions", "inside countries", "inside countries"]
    assert table["correlation"][:2].tolist() == pytest.approx(
        [plain_correlation(x, y, range(70))] * 2, rel=1e-9
    )
    each = [plain_correlation(x, y, np.flatnonzero(name == COUNTRY)) for name in ("SWE", "ESP")]
    assert table["correlation"][2] == pytest.approx(np.mean(each), rel=1e-9)
    assert table["n_pairs"].tolist() == [70 * 69 / 2] * 2 + [30 * 29 / 2 + 20 * 19 / 2]


def test_null_is_that_of_all_permutations():
    random = np.random.default_rng(1)
    country = np.array(["a"] * 3 + ["b"] * 3)
    x, y = distances(random.normal(size=(6, 2))), distances(random.normal(size=(6, 2)))

    def null(orders):
        return np.array([plain_correlation(x, y[np.ix_(o, o)], range(6)) for o in orders])

    over_all = null([list(o) for o in itertools.permutations(range(6))])
    inside = null(
        [[*a, *b] for a in itertools.permutations(range(3)) for b in itertools.permutations(range(3, 6))]
    )
    table = distance_correlations(x, y, country, 2, n_permutations=4000)
    for row, exact in ((table.iloc[0], over_all), (table.iloc[1], inside)):
        assert row["null_mean"] == pytest.approx(exact.mean(), abs=4 * exact.std() / np.sqrt(4000))
        p = (exact >= row["correlation"] - 1e-9).mean()
        assert row["p"] == pytest.approx(p, abs=0.03)  # four standard errors are at most 0.032
    assert table["null_low"][0] == pytest.approx(np.quantile(over_all, 0.025), abs=0.05)


def test_what_is_due_to_countries_stays_when_permuted_inside_them():
    # Both differ between countries and in nothing else: related over all pairs, but not inside countries.
    random = np.random.default_rng(2)
    level = 4.0 * np.unique(COUNTRY, return_inverse=True)[1][:, None]
    x, y = (distances(level + random.normal(size=(70, 2))) for _ in range(2))
    table = distance_correlations(x, y, COUNTRY, 15, 99)
    assert table["correlation"][0] > 0.5
    assert table["p"][0] == pytest.approx(0.01)
    assert table["null_mean"][0] == pytest.approx(0, abs=0.03)
    assert table["null_mean"][1] == pytest.approx(table["correlation"][1], abs=0.03)
    assert abs(table["correlation"][2]) < 0.15


def test_relation_inside_countries_is_found():
    table = distance_correlations(*related(np.random.default_rng(3), COUNTRY), COUNTRY, 15, 99)
    assert table["p"].tolist() == pytest.approx([0.01] * 3)


def test_p_without_relation_is_uniform():
    random = np.random.default_rng(4)
    p = []
    for i in range(60):
        x, y = (distances(random.normal(size=(24, 2))) for _ in range(2))
        p.append(distance_correlations(x, y, np.repeat(["a", "b"], 12), 5, 39, seed=i)["p"])
    # Mean 0.51 with standard error 0.037 in each row.
    assert np.mean(p, axis=0) == pytest.approx([0.51] * 3, abs=0.13)


def test_accessions_of_unknown_country_keep_their_place_inside_countries():
    random = np.random.default_rng(7)
    country = np.array([""] * 20 + ["a"])
    x, y = (distances(random.normal(size=(21, 2))) for _ in range(2))
    table = distance_correlations(x, y, country, 5, 9)
    assert table["null_low"][1] == table["null_high"][1] == pytest.approx(table["correlation"][1])
    assert table["p"][1] == 1
    assert np.isnan(table["correlation"][2]) and table["n_pairs"][2] == 0


def test_same_seed_same_table():
    x, y = related(np.random.default_rng(8), COUNTRY)
    one, again, other = (distance_correlations(x, y, COUNTRY, 15, 19, seed=s) for s in (1, 1, 2))
    assert one.equals(again)
    assert one["null_mean"].tolist() != other["null_mean"].tolist()
    assert one["correlation"].tolist() == other["correlation"].tolist()


def test_equal_distances_correlate_with_nothing():
    flat = np.ones((6, 6)) - np.eye(6)
    table = distance_correlations(flat, distances(np.arange(6.0)[:, None]), np.array(["a"] * 6), 2, 9)
    assert table["correlation"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("x", "n", "sentence"),
    [
        (np.zeros((4, 3)), 4, r"distance has shape \(4, 3\)"),
        (np.zeros((2, 2)), 2, "at least 3 accessions"),
        (np.arange(16.0).reshape(4, 4), 4, "not symmetric"),
        (np.full((4, 4), np.nan), 4, "lacks the distance"),
        (np.zeros((4, 4)), 5, "4 and 5 rows of distances but 5 countries"),
    ],
)
def test_wrong_distances_are_refused(x, n, sentence):
    with pytest.raises(ValueError, match=sentence):
        distance_correlations(x, np.zeros((max(n, 3), max(n, 3))), np.array(["a"] * n))
