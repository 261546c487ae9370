"""Which accessions are predicted from which others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xarray as xr
from sklearn.cluster import KMeans
from sklearn.model_selection import GroupKFold, KFold

from gi_lib.models.baselines import UnitSphere


@dataclass(frozen=True)
class Fold:
    """One division of the accessions: indices of those to learn from and those to predict."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray


class Split(Protocol):
    """A way to divide a cohort; see `RandomFolds`, `CountryFolds` and `RegionFolds`."""

    name: str

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        ...


@dataclass(frozen=True)
class RandomFolds:
    """Accessions go to folds at random; each repeat shuffles anew."""

    n_splits: int = 5
    n_repeats: int = 1
    seed: int = 1
    name: str = "random"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        _check_splits(self.n_splits, cohort.sizes["sample"], "accessions")
        for repeat in range(self.n_repeats):
            splitter = KFold(self.n_splits, shuffle=True, random_state=derived_seed(self.seed, repeat))
            for fold, (train, test) in enumerate(splitter.split(cohort["sample"].values)):
                yield Fold(repeat, fold, train, test)


@dataclass(frozen=True)
class CountryFolds:
    """A country is wholly in the training or wholly in the test part of every fold.

    Accessions of unknown country (an empty name) count as one country of their own.
    """

    n_splits: int = 5
    n_repeats: int = 1
    seed: int = 1
    name: str = "by country"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        country = cohort["country"].values
        _check_splits(self.n_splits, len(np.unique(country)), "countries")
        yield from _grouped(country, self.n_splits, self.n_repeats, self.seed)


@dataclass(frozen=True)
class RegionFolds:
    """Accessions that grow near each other go to the same fold, whatever their country.

    The places are clustered on the sphere (k-means) into regions, and a region is wholly in the training or wholly in
    the test part of every fold, as Roberts et al. 2017 (doi 10.1111/ecog.02881) advise for data with spatial structure.
    Accessions of unknown place are one region of their own.
    """

    n_splits: int = 5
    n_repeats: int = 1
    seed: int = 1
    n_regions: int = 30
    name: str = "by region"

    def regions(self, cohort: xr.Dataset) -> np.ndarray:
        """Number of the region of each accession, shape (sample,); -1 where the place is unknown.

        Raises
        ------
        ValueError
            If there are fewer different places than regions.
        """
        degrees = np.stack([cohort["latitude"].values, cohort["longitude"].values], axis=1)
        known = ~np.isnan(degrees).any(axis=1)
        n_places = len(np.unique(degrees[known], axis=0))
        if not 1 <= self.n_regions <= n_places:
            raise ValueError(
                f"n_regions is {self.n_regions}; with {n_places} places it must lie between 1 and {n_places}."
            )
        clusters = KMeans(self.n_regions, n_init=10, random_state=self.seed)
        regions = np.full(len(degrees), -1)
        regions[known] = clusters.fit_predict(UnitSphere().fit_transform(degrees[known]))
        return regions

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        regions = self.regions(cohort)
        _check_splits(self.n_splits, len(np.unique(regions)), "regions")
        yield from _grouped(regions, self.n_splits, self.n_repeats, self.seed)


def _grouped(groups: np.ndarray, n_splits: int, n_repeats: int, seed: int) -> Iterator[Fold]:
    for repeat in range(n_repeats):
        splitter = GroupKFold(n_splits, shuffle=True, random_state=derived_seed(seed, repeat))
        for fold, (train, test) in enumerate(splitter.split(groups, groups=groups)):
            yield Fold(repeat, fold, train, test)


def _check_splits(n_splits: int, n_units: int, units: str) -> None:
    if not 2 <= n_splits <= n_units:
        raise ValueError(
            f"n_splits is {n_splits}; with {n_units} {units} it must lie between 2 and {n_units}."
        )


def derived_seed(*parts: int) -> int:
    """One seed from several numbers, such as the seed of a run, a repeat and a fold."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
