"""Which accessions are predicted from which others."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.cluster import KMeans
from sklearn.model_selection import GroupKFold, KFold

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.models.baselines import UnitSphere


@dataclass(frozen=True)
class Fold:
    """One division of the accessions: indices of those to learn from and those to predict."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray


class Split(Protocol):
    """A way to divide a cohort; see `RandomFolds`, `CountryFolds`, `RegionFolds` and `ParentFolds`."""

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
            If there are fewer different places than regions, or none.
        """
        degrees = np.stack([cohort["latitude"].values, cohort["longitude"].values], axis=1)
        known = ~np.isnan(degrees).any(axis=1)
        n_places = len(np.unique(degrees[known], axis=0))
        if not n_places:
            raise ValueError(f"No accession of the cohort '{cohort.attrs.get('name')}' has a known place.")
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


@dataclass(frozen=True)
class ParentFolds:
    """Hybrids whose two parents are both new: neither has another hybrid in the training part.

    The mothers go to `n_splits` groups at random, and so do the fathers; hybrids between one group of each are
    predicted from the hybrids of parents in none of the two, so the training part shrinks to about (1 - 1/n)² of the
    hybrids, and every hybrid is predicted once per repeat.

    Parameters
    ----------
    n_splits
        Groups of mothers, and of fathers; there are as many folds as this squared.
    """

    n_splits: int = 3
    n_repeats: int = 1
    seed: int = 1
    name: str = "new parents"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats.

        Raises
        ------
        ValueError
            If the cohort has no coordinates ``mother`` and ``father``, one has fewer kinds than groups, or nobody is
            left to learn from.
        """
        for name in ("mother", "father"):
            if name not in cohort.coords:
                raise ValueError(f"The cohort '{cohort.attrs.get('name')}' has no coordinate '{name}'.")
        for repeat in range(self.n_repeats):
            rng = np.random.default_rng([self.seed, repeat])
            groups = []
            for name in ("mother", "father"):
                parents, code = np.unique(cohort[name].values, return_inverse=True)
                _check_splits(self.n_splits, len(parents), f"{name}s")
                groups.append((rng.permutation(len(parents)) % self.n_splits)[code])
            for number, (one, other) in enumerate(itertools.product(range(self.n_splits), repeat=2)):
                of_mother, of_father = groups[0] == one, groups[1] == other
                train, test = np.flatnonzero(~of_mother & ~of_father), np.flatnonzero(of_mother & of_father)
                if not len(test):
                    continue  # no two parents of these groups were crossed
                if not len(train):
                    raise ValueError(
                        f"n_splits is {self.n_splits}; without the parents of fold {number + 1} no hybrid is left to "
                        "learn from."
                    )
                yield Fold(repeat, number, train, test)


@dataclass(frozen=True)
class SameSizes:
    """Random folds as large as those of another split: what is left of a difference that its sizes explain.

    Parameters
    ----------
    like
        The other split.
    """

    like: Split
    seed: int = 1
    name: str = "random, same sizes"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; every accession is in the test part once per repeat."""
        everybody = np.arange(cohort.sizes["sample"])
        for repeat, folds in itertools.groupby(self.like.folds(cohort), lambda fold: fold.repeat):
            ends = np.cumsum([len(fold.test) for fold in folds])[:-1]
            order = np.random.default_rng([self.seed, repeat]).permutation(everybody)
            for number, test in enumerate(np.split(order, ends)):
                yield Fold(repeat, number, np.setdiff1d(everybody, test), np.sort(test))


@dataclass(frozen=True)
class WithoutRelatives:
    """Folds whose training parts lack the nearest relatives of the accessions to be predicted.

    Parameters
    ----------
    of
        The split whose folds are thinned.
    n_relatives
        How many of the most similar training accessions are taken away for each accession of the test part.
    at_random
        Take away as many others instead, drawn at random: the control.
    """

    of: Split
    n_relatives: int = 1
    at_random: bool = False
    seed: int = 1

    @property
    def name(self) -> str:
        """``without relatives``, or ``as many at random``."""
        return "as many at random" if self.at_random else "without relatives"

    def folds(self, cohort: xr.Dataset) -> Iterator[Fold]:
        """All folds of all repeats; training accessions without labels are left out.

        Raises
        ------
        ValueError
            If the cohort has no dosages, or nobody is left to learn from.
        """
        alike = identity_by_state(cohort)
        labelled = cohort["trait_value"].notnull().any("trait").values
        for fold in self.of.folds(cohort):
            train = fold.train[labelled[fold.train]]
            nearest = np.argsort(-alike[np.ix_(fold.test, train)], axis=1, kind="stable")[
                :, : self.n_relatives
            ]
            gone = train[np.unique(nearest)]
            if len(gone) == len(train):
                raise ValueError(
                    f"n_relatives is {self.n_relatives}; without them nobody is left to learn from in fold "
                    f"{fold.fold + 1}."
                )
            if self.at_random:
                random = np.random.default_rng([self.seed, fold.repeat, fold.fold])
                gone = random.choice(train, len(gone), replace=False)
            yield Fold(fold.repeat, fold.fold, np.setdiff1d(train, gone), fold.test)


def training_sizes(predictions: pd.DataFrame, cohort: xr.Dataset, split: Split) -> pd.DataFrame:
    """The predictions table with a column ``n_train``: accessions with a label that each fold was learned from.

    Parameters
    ----------
    predictions
        Of one trait and this split.
    cohort
        As it was cross-validated, with that trait alone.
    """
    labelled = cohort["trait_value"].notnull().any("trait").values
    cohort = cohort.isel(sample=np.flatnonzero(labelled))
    sizes = {(fold.repeat, fold.fold): len(fold.train) for fold in split.folds(cohort)}
    return predictions.assign(
        n_train=[sizes[key] for key in zip(predictions["repeat"], predictions["fold"], strict=True)]
    )


def identity_by_state(cohort: xr.Dataset) -> np.ndarray:
    """Share of alleles that two accessions have in common, shape (sample, sample).

    For inbred accessions it is the share of variants at which they are alike.

    Raises
    ------
    ValueError
        If the cohort has no dosages, or some are missing.
    """
    if "dosage" not in cohort or (cohort["dosage"].values == MISSING_DOSAGE).any():
        raise ValueError(
            "Identity by state needs a cohort with the dosage of every variant in every accession."
        )
    allele = cohort["dosage"].values.astype(np.float32) / 2
    return (allele @ allele.T + (1 - allele) @ (1 - allele).T) / allele.shape[1]


def _grouped(groups: np.ndarray, n_splits: int, n_repeats: int, seed: int) -> Iterator[Fold]:
    for repeat in range(n_repeats):
        splitter = GroupKFold(n_splits, shuffle=True, random_state=derived_seed(seed, repeat))
        for fold, (train, test) in enumerate(splitter.split(groups, groups=groups)):
            yield Fold(repeat, fold, train, test)


def _check_splits(n_splits: int, n_units: int, units: str) -> None:
    if n_units < 2:
        raise ValueError(f"The cohort has {n_units} {units}; to learn from some and predict others takes 2.")
    if not isinstance(n_splits, Integral) or not 2 <= n_splits <= n_units:
        raise ValueError(
            f"n_splits is {n_splits!r}; with {n_units} {units} it must be a whole number between 2 and {n_units}."
        )


def derived_seed(*parts: int) -> int:
    """One seed from several numbers, such as the seed of a run, a repeat and a fold.

    Raises
    ------
    ValueError
        If one is not a whole number from 0.
    """
    for part in parts:
        if not isinstance(part, Integral) or part < 0:
            raise ValueError(f"A seed is {part!r}; it must be a whole number from 0.")
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
