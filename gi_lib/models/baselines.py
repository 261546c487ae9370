"""The models to beat: no genome at all, or the genome through a straight line."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.decomposition import KernelPCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from gi_lib.models.checks import complete_markers, labels_of, places_of, same_markers
from gi_lib.models.gblup import GBLUP


class CountryMean(RegressorMixin, BaseEstimator):
    """Predict the mean trait of the accession's country among the training accessions.

    A country without a training label gets the mean over all.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> "CountryMean":
        """Fit on country names of shape (sample, 1) and labels of shape (sample, trait), NaN allowed.

        Raises
        ------
        ValueError
            If X and y differ in length, a label is infinite, or a trait has no label.
        """
        labels = pd.DataFrame(labels_of(y, len(X)))
        if labels.isna().all().any():
            trait = int(labels.isna().all().argmax())
            raise ValueError(f"Trait number {trait} has no label among {len(labels)} accessions.")
        self.single_trait_ = np.ndim(y) == 1
        self.mean_ = labels.groupby(np.ravel(X)).mean()
        self.overall_ = labels.mean()
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Mean labels, of shape (sample, trait)."""
        check_is_fitted(self, "mean_")
        predicted = self.mean_.reindex(np.ravel(X)).fillna(self.overall_).to_numpy()
        return predicted[:, 0] if self.single_trait_ else predicted


class PerTrait(RegressorMixin, BaseEstimator):
    """Fit an estimator that knows no missing labels on each trait's labelled accessions.

    Traits with the same missing accessions are fitted together, so that an estimator that handles
    several targets does the shared work once.

    Parameters
    ----------
    estimator
        Any scikit-learn regressor for several targets.
    """

    def __init__(self, estimator: BaseEstimator):
        self.estimator = estimator

    def fit(self, X: np.ndarray, y: np.ndarray) -> "PerTrait":
        """Fit on X of shape (sample, feature) and y of shape (sample, trait), NaN allowed.

        Raises
        ------
        ValueError
            If X and y differ in length, a label is infinite, or a trait has fewer than two labels.
        """
        labels = labels_of(y, len(X))
        self.single_trait_ = np.ndim(y) == 1
        observed = ~np.isnan(labels)
        if (observed.sum(axis=0) < 2).any():
            trait = int(np.argmin(observed.sum(axis=0)))
            raise ValueError(f"Trait number {trait} has fewer than two labels among {len(X)} accessions.")
        patterns, self.pattern_ = np.unique(observed, axis=1, return_inverse=True)
        self.fitted_ = [
            clone(self.estimator).fit(X[pattern], labels[np.ix_(pattern, self.pattern_ == i)])
            for i, pattern in enumerate(patterns.T)
        ]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions of shape (sample, trait)."""
        check_is_fitted(self, "fitted_")
        predicted = np.empty((len(X), len(self.pattern_)))
        for i, fitted in enumerate(self.fitted_):
            predicted[:, self.pattern_ == i] = np.asarray(fitted.predict(X)).reshape(len(X), -1)
        return predicted[:, 0] if self.single_trait_ else predicted


class UnitSphere(TransformerMixin, BaseEstimator):
    """Latitude and longitude in degrees, shape (sample, 2), to points on the unit sphere, shape (sample, 3).

    Straight distances between these points grow with the distance over ground.
    """

    def fit(self, X: np.ndarray, y=None) -> "UnitSphere":
        """Nothing to learn."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Turn degrees into coordinates; an unknown place stays NaN.

        Raises
        ------
        ValueError
            If the shape is another one, or a place is not on the globe.
        """
        latitude, longitude = np.radians(places_of(X)).T
        level = np.cos(latitude)
        return np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=1)


class Complete(TransformerMixin, BaseEstimator):
    """Let numbers of shape (sample, feature) pass unless one is missing or infinite."""

    def fit(self, X: np.ndarray, y=None) -> "Complete":
        """Learn how many features there are.

        Raises
        ------
        ValueError
            If there is no accession, or as `complete_markers`.
        """
        if not len(X):
            raise ValueError("There is no accession to learn from.")
        self.n_features_in_ = complete_markers(X).shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """X as it is.

        Raises
        ------
        ValueError
            If it has another number of features than in training, or as `complete_markers`.
        """
        check_is_fitted(self, "n_features_in_")
        return same_markers(complete_markers(X), self.n_features_in_)


class LastColumns(TransformerMixin, BaseEstimator):
    """Transform the last columns and leave the others as they are.

    Parameters
    ----------
    transformer
        Any scikit-learn transformer; what it returns takes the place of the columns.
    n_columns
        How many of the last columns it gets.
    """

    def __init__(self, transformer: BaseEstimator, n_columns: int):
        self.transformer = transformer
        self.n_columns = n_columns

    def fit(self, X: np.ndarray, y=None) -> "LastColumns":
        """Fit the transformer on the last columns of X, shape (sample, feature).

        Raises
        ------
        ValueError
            If X has no rows, or no columns before the last ones.
        """
        if X.ndim != 2 or not len(X):
            raise ValueError(f"X has the shape {X.shape}; needed are accessions, and columns.")
        if not 0 < self.n_columns < X.shape[1]:
            raise ValueError(
                f"X has {X.shape[1]} columns and n_columns is {self.n_columns}; it must be at least 1 and leave one."
            )
        self.transformer_ = clone(self.transformer).fit(X[:, -self.n_columns :], y)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The first columns of X, then what the transformer makes of the last."""
        check_is_fitted(self, "transformer_")
        last = self.transformer_.transform(X[:, -self.n_columns :])
        return np.hstack([X[:, : -self.n_columns], last])


def map_neighbours(n_neighbours: int = 10) -> PerTrait:
    """Mean trait of the nearest labelled training accessions on the map; no genome at all.

    An accession of unknown place is put at the centre of gravity of the training accessions.
    """
    neighbours = KNeighborsRegressor(n_neighbours)
    return PerTrait(make_pipeline(UnitSphere(), SimpleImputer(), neighbours))


def ridge(standardise: bool = True) -> Pipeline:
    """Ridge regression, the penalty chosen by leave-one-out on the training accessions.

    The features are first rotated to all their principal components, which changes no prediction and makes
    the fits of many traits as cheap as the number of accessions, not of features.

    Parameters
    ----------
    standardise
        Scale every feature to unit variance over the training accessions, so that rare variants get as much
        of the penalty's patience as common ones.
    """
    components = KernelPCA(kernel="linear")
    return make_pipeline(Complete(), StandardScaler(with_std=standardise), components, _penalised())


def ridge_on_components(n_components: int = 10, standardise: bool = True) -> Pipeline:
    """Ridge regression on the leading principal components of the features: population structure and little else.

    The components tell populations apart (Patterson et al. 2006, doi 10.1371/journal.pgen.0020190) but hardly say which
    variants an accession carries, so what whole genomes predict better than this is more than structure.

    Parameters
    ----------
    n_components
        How many components, at most one for each training accession. One number and no search: with all of them
        this is `ridge`, and a search for the best prediction would move there.
    standardise
        Scale every feature to unit variance over the training accessions before, as is usual for structure.
    """
    # The dense solver starts from nothing random.
    components = KernelPCA(n_components, kernel="linear", eigen_solver="dense")
    return make_pipeline(Complete(), StandardScaler(with_std=standardise), components, _penalised())


def _penalised() -> PerTrait:
    # The other mode takes several times as long for as many components as accessions.
    return PerTrait(RidgeCV(np.logspace(-2, 8, 41), alpha_per_target=True, gcv_mode="svd"))


def gblup_with_gps() -> Pipeline:
    """GBLUP with the place of origin as a fixed effect: what a genome adds to a gradient over the map.

    The input is of shape (sample, marker + 2): dosages, then latitude and longitude in degrees. The fixed effects
    are linear in the coordinates on the unit sphere. An accession of unknown place is put at the centre of
    gravity of the training accessions.
    """
    place = make_pipeline(UnitSphere(), SimpleImputer(keep_empty_features=True))
    return make_pipeline(LastColumns(place, n_columns=2), GBLUP(n_covariates=3))


def gradient_boosting(seed: int = 0) -> Pipeline:
    """Boosted regression trees on dosages: small trees, each split among a random fiftieth of the markers.

    Trees of four leaves can hold interactions of up to three markers; the learning rate and the number of trees are
    not tuned.
    """
    trees = HistGradientBoostingRegressor(
        learning_rate=0.1, max_iter=100, max_leaf_nodes=4, min_samples_leaf=5, max_features=0.02, max_bins=3,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    return make_pipeline(Complete(), PerTrait(MultiOutputRegressor(trees)))
