"""The models to beat, against pandas and scikit-learn."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler

from gi_lib.models import (
    GBLUP,
    CountryMean,
    PerTrait,
    gblup_with_gps,
    map_neighbours,
    ridge,
    ridge_on_components,
)
from gi_lib.models.baselines import LastColumns, UnitSphere

COUNTRIES = np.array([["SWE"], ["SWE"], ["ESP"], ["ESP"], ["ITA"]])


def test_country_mean_predicts_the_mean_of_the_country():
    model = CountryMean().fit(COUNTRIES, np.array([1.0, 3, 10, 20, 6]))
    assert model.predict(np.array([["ESP"], ["SWE"], ["ITA"]])).tolist() == [15, 2, 6]


def test_unseen_country_gets_the_mean_over_all():
    model = CountryMean().fit(COUNTRIES, np.array([1.0, 3, 10, 20, 6]))
    assert model.predict(np.array([["RUS"], ["SWE"]])).tolist() == [8, 2]


def test_missing_labels_do_not_enter_and_a_country_without_labels_gets_the_mean_over_all():
    labels = np.array([[1.0, np.nan], [np.nan, np.nan], [10, 4], [20, 8], [6, 3]])
    predicted = CountryMean().fit(COUNTRIES, labels).predict(np.array([["SWE"], ["ESP"]]))
    assert predicted.tolist() == [[1, 5], [15, 6]]


def test_country_mean_keeps_the_dimensions_of_the_labels():
    y = np.arange(5.0)
    assert CountryMean().fit(COUNTRIES, y).predict(COUNTRIES).shape == (5,)
    assert CountryMean().fit(COUNTRIES, y[:, None]).predict(COUNTRIES).shape == (5, 1)


# --------------------------------------------------------------------------------------------- per trait


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    X, new = random.normal(size=(30, 4)), random.normal(size=(8, 4))
    y = X @ random.normal(size=(4, 5)) + random.normal(size=(30, 5))
    return X, y, new


def test_each_trait_is_fitted_on_its_own_labelled_accessions(data):
    X, y, new = data
    y[:10, 0] = np.nan
    y[:10, 3] = np.nan  # the same accessions as trait 0
    y[5:9, 2] = np.nan
    predicted = PerTrait(LinearRegression()).fit(X, y).predict(new)
    for trait in range(5):
        known = ~np.isnan(y[:, trait])
        expected = LinearRegression().fit(X[known], y[known, trait]).predict(new)
        np.testing.assert_allclose(predicted[:, trait], expected, rtol=1e-9)


class CountingRegressor(RegressorMixin, BaseEstimator):
    fits = 0

    def fit(self, X, y):
        type(self).fits += 1
        self.n_outputs_ = y.shape[1]
        return self

    def predict(self, X):
        return np.zeros((len(X), self.n_outputs_))


def test_traits_with_the_same_labelled_accessions_are_fitted_together(data):
    X, y, _ = data
    y[:10, [0, 3]] = np.nan
    y[5:9, 2] = np.nan
    CountingRegressor.fits = 0
    PerTrait(CountingRegressor()).fit(X, y)
    assert CountingRegressor.fits == 3


def test_a_trait_with_fewer_than_two_labels_is_refused(data):
    X, y, _ = data
    y[1:, 2] = np.nan
    with pytest.raises(ValueError, match="Trait number 2 has fewer than two labels among 30 accessions"):
        PerTrait(LinearRegression()).fit(X, y)


def test_per_trait_keeps_the_dimensions_of_the_labels(data):
    X, y, new = data
    assert PerTrait(LinearRegression()).fit(X, y[:, 0]).predict(new).shape == (8,)
    assert PerTrait(LinearRegression()).fit(X, y[:, :1]).predict(new).shape == (8, 1)


# ------------------------------------------------------------------------------------------------- ridge


@pytest.mark.parametrize(("n", "p"), [(40, 200), (60, 10)], ids=["more features", "more accessions"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("standardise", [True, False])
def test_ridge_equals_scikit_learn_with_the_same_penalty(n, p, dtype, standardise):
    random = np.random.default_rng(0)
    X = random.binomial(2, random.uniform(0.05, 0.5, p), (n + 15, p)).astype(dtype)
    y = X[:, :5] @ random.normal(size=(5, 3)) + random.normal(size=(n + 15, 3))
    y[:6, 1] = np.nan
    model = ridge(standardise).fit(X[:n], y[:n])
    predicted = model.predict(X[n:])
    scaler = StandardScaler(with_std=standardise).fit(X[:n].astype(float))
    train, test = scaler.transform(X[:n].astype(float)), scaler.transform(X[n:].astype(float))
    fitted = model[-1]
    for trait in range(3):
        known = ~np.isnan(y[:n, trait])
        of_pattern = fitted.fitted_[fitted.pattern_[trait]]
        within = np.flatnonzero(fitted.pattern_ == fitted.pattern_[trait]).tolist().index(trait)
        penalty = np.atleast_1d(of_pattern.alpha_)[within]
        expected = Ridge(alpha=penalty).fit(train[known], y[:n][known, trait]).predict(test)
        np.testing.assert_allclose(predicted[:, trait], expected, rtol=1e-4, atol=1e-4)


def test_ridge_chooses_each_traits_penalty_by_its_own_signal():
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 60))
    strong, noise = X[:, 0] * 5 + random.normal(size=80) * 0.1, random.normal(size=80)
    weak, large = np.atleast_1d(ridge().fit(X, np.stack([strong, noise], axis=1))[-1].fitted_[0].alpha_)
    assert large > 10 * weak


def test_ridge_survives_a_feature_that_never_varies_in_training():
    random = np.random.default_rng(0)
    X, new = random.normal(size=(2, 30, 5))
    X[:, 2] = 0
    y = random.normal(size=30)
    model = ridge().fit(X, y)
    shifted = new.copy()
    shifted[:, 2] += 100
    np.testing.assert_allclose(model.predict(shifted), model.predict(new), rtol=1e-9)


# -------------------------------------------------------------------------------------------- components


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("n_components", [1, 7])
def test_ridge_on_components_equals_scikit_learn_step_by_step(n_components, standardise):
    random = np.random.default_rng(0)
    X = random.binomial(2, random.uniform(0.05, 0.5, 120), (70, 120)).astype(np.float32)
    y = X[:, :5] @ random.normal(size=(5, 2)) + random.normal(size=(70, 2))
    model = ridge_on_components(n_components, standardise).fit(X[:50], y[:50])
    scaler = StandardScaler(with_std=standardise).fit(X[:50].astype(float))
    train, test = scaler.transform(X[:50].astype(float)), scaler.transform(X[50:].astype(float))
    components = PCA(n_components, svd_solver="full").fit(train)
    for trait, penalty in enumerate(model[-1].fitted_[0].alpha_):
        expected = Ridge(alpha=penalty).fit(components.transform(train), y[:50, trait])
        expected = expected.predict(components.transform(test))
        np.testing.assert_allclose(model.predict(X[50:])[:, trait], expected, rtol=1e-4, atol=1e-4)


def test_all_components_are_ridge_on_all_features():
    random = np.random.default_rng(0)
    X, new = random.normal(size=(2, 40, 90))
    y = X[:, :3] @ random.normal(size=(3, 2)) + random.normal(size=(40, 2))
    predicted = ridge_on_components(1000).fit(X, y).predict(new)
    np.testing.assert_allclose(predicted, ridge().fit(X, y).predict(new), rtol=1e-6, atol=1e-6)


def test_few_components_know_the_population_and_little_else():
    random = np.random.default_rng(0)
    population = random.integers(3, size=400)
    frequency = random.uniform(0.05, 0.95, (3, 300))
    X = 2.0 * random.binomial(1, frequency[population])
    within = (X - 2 * frequency[population]) @ random.normal(size=300)  # of mean 0 in each population
    between = np.array([-1.0, 0, 1])[population] * within.std()
    train, test = np.arange(300), np.arange(300, 400)

    def correlation(model, trait):
        predicted = model.fit(X[train], trait[train]).predict(X[test])
        return np.corrcoef(predicted, trait[test])[0, 1]

    assert correlation(ridge_on_components(5), between) > 0.95
    assert abs(correlation(ridge_on_components(5), within)) < 0.3
    assert correlation(ridge(), within) > 0.5


def test_components_are_the_same_on_every_fit():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(300, 400)), random.normal(size=300)
    first, second = (ridge_on_components(3).fit(X, y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("n_components", [0, -1, 2.5])
def test_a_bad_number_of_components_is_refused(n_components):
    with pytest.raises(ValueError, match="'n_components' parameter of KernelPCA must be an int in the range"):
        ridge_on_components(n_components).fit(np.eye(5), np.arange(5.0))


# -------------------------------------------------------------------------------------------- neighbours


def test_places_lie_on_the_unit_sphere_and_their_distance_is_the_chord():
    random = np.random.default_rng(0)
    a, b = random.uniform([-90, -180], [90, 180], (2, 50, 2))
    points = UnitSphere().fit_transform(a)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-12)
    # The haversine formula: chord = 2 sqrt(sin²(Δlat/2) + cos lat cos lat' sin²(Δlon/2)).
    (lat, lon), (other_lat, other_lon) = np.radians(a).T, np.radians(b).T
    haversine = np.sin((lat - other_lat) / 2) ** 2
    haversine += np.cos(lat) * np.cos(other_lat) * np.sin((lon - other_lon) / 2) ** 2
    chord = np.linalg.norm(points - UnitSphere().fit_transform(b), axis=1)
    np.testing.assert_allclose(chord, 2 * np.sqrt(haversine), rtol=1e-9)


def test_neighbours_are_the_nearest_over_ground_also_over_the_date_line():
    places = np.array([[60.0, 0], [60, 30], [50, 0], [0, 179]])
    model = map_neighbours(1).fit(places, np.array([1.0, 2, 3, 4]))
    # At 64° North 16 degrees of longitude are shorter than 14 of latitude.
    assert model.predict(np.array([[64.0, 16.0], [52, 3], [0, -179]])).tolist() == [2, 3, 4]


def test_neighbours_without_a_label_are_passed_over():
    places = np.array([[60.0, 0], [59, 0], [50, 0], [40, 0]])
    labels = np.array([[np.nan, 1], [2, 2], [4, 3], [8, 4]])
    predicted = map_neighbours(2).fit(places, labels).predict(np.array([[60.0, 0]]))
    np.testing.assert_allclose(predicted, [[3, 1.5]])


def test_an_unknown_place_is_put_at_the_centre_of_the_training_accessions():
    places = np.array([[60.0, 0], [50, 0], [40, 0], [np.nan, 0]])
    model = map_neighbours(1).fit(places, np.array([1.0, 2, 3, 2]))
    assert model.predict(np.array([[np.nan, np.nan]])).tolist() == [2]


# ---------------------------------------------------------------------------------------- GBLUP with GPS


@pytest.fixture
def placed():
    """Dosages, places and a trait that is half a gradient over the map; the last 30 accessions are new."""
    random = np.random.default_rng(0)
    dosage = random.binomial(2, random.uniform(0.1, 0.9, 80), (150, 80)).astype(np.float32)
    place = random.uniform([36, -8], [65, 40], (150, 2))
    genetic = dosage @ random.normal(size=80)
    trait = genetic + random.normal(size=150) + place[:, 0] / place[:, 0].std() * genetic.std()
    return dosage, place, trait


def on_sphere(place):
    latitude, longitude = np.radians(place).T
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )


def test_gblup_with_gps_is_gblup_with_the_coordinates_as_fixed_effects(placed):
    dosage, place, trait = placed
    X = np.hstack([dosage, place])
    model = gblup_with_gps().fit(X[:120], trait[:120])
    expected = GBLUP(n_covariates=3).fit(np.hstack([dosage, on_sphere(place)])[:120], trait[:120])
    predicted = model.predict(X[120:])
    np.testing.assert_allclose(
        predicted, expected.predict(np.hstack([dosage, on_sphere(place)])[120:]), rtol=1e-9
    )
    without = GBLUP().fit(dosage[:120], trait[:120]).predict(dosage[120:])
    with_place, alone = (((guess - trait[120:]) ** 2).mean() for guess in (predicted, without))
    assert with_place < 0.7 * alone


def test_gblup_with_gps_puts_an_unknown_place_at_the_centre_of_the_training_accessions(placed):
    dosage, place, trait = placed
    place[[3, 130]] = np.nan
    X = np.hstack([dosage, place])
    predicted = gblup_with_gps().fit(X[:120], trait[:120]).predict(X[120:])
    points = on_sphere(place)
    points[[3, 130]] = np.delete(points[:120], 3, axis=0).mean(axis=0)
    expected = GBLUP(n_covariates=3).fit(np.hstack([dosage, points])[:120], trait[:120])
    np.testing.assert_allclose(predicted, expected.predict(np.hstack([dosage, points])[120:]), rtol=1e-9)


def test_gblup_with_gps_without_any_place_is_gblup(placed):
    dosage, place, trait = placed
    X = np.hstack([dosage, np.full_like(place, np.nan)])
    predicted = gblup_with_gps().fit(X[:120], trait[:120]).predict(X[120:])
    np.testing.assert_allclose(
        predicted, GBLUP().fit(dosage[:120], trait[:120]).predict(dosage[120:]), rtol=1e-9
    )


def test_gblup_with_gps_takes_accessions_from_one_place(placed):
    dosage, place, trait = placed
    place[:120] = 48.1, 9.3
    X = np.hstack([dosage, place])
    predicted = gblup_with_gps().fit(X[:120], trait[:120]).predict(X[120:])
    np.testing.assert_allclose(
        predicted, GBLUP().fit(dosage[:120], trait[:120]).predict(dosage[120:]), rtol=1e-9
    )


def test_last_columns_alone_are_transformed():
    random = np.random.default_rng(0)
    X = random.normal(3, 2, (20, 5))
    transformed = LastColumns(StandardScaler(), 2).fit(X).transform(X)
    np.testing.assert_array_equal(transformed[:, :3], X[:, :3])
    np.testing.assert_allclose(transformed[:, 3:], (X[:, 3:] - X[:, 3:].mean(axis=0)) / X[:, 3:].std(axis=0))


@pytest.mark.parametrize("n_columns", [0, 2, 3])
def test_last_columns_must_be_some_but_not_all(n_columns):
    with pytest.raises(
        ValueError, match=f"X has 2 columns and n_columns is {n_columns}; it must be at least 1 and leave"
    ):
        LastColumns(StandardScaler(), n_columns).fit(np.zeros((4, 2)))


MODELS = [
    CountryMean(),
    PerTrait(Ridge(2.0)),
    ridge(),
    ridge(False),
    ridge_on_components(4),
    map_neighbours(3),
    gblup_with_gps(),
]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_baselines_can_be_cloned(model):
    copy = clone(model)
    assert copy is not model
    assert repr(copy) == repr(model)
    assert set(copy.get_params()) == set(model.get_params())


@pytest.mark.parametrize("model", [CountryMean(), PerTrait(Ridge())], ids=repr)
def test_prediction_before_fitting_is_refused(model):
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(np.zeros((1, 1)))
