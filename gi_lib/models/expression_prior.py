"""Prior knowledge learned from measured entities: which matter for a trait, and which markers stand behind each.

arXiv 2510.14970: an elastic net of the trait on expression keeps genes, and a scan for expression quantitative trait
loci (eQTL) gives each kept gene its markers. Everything here looks at training accessions only.
"""

import numpy as np
from numba import njit
from sklearn.base import BaseEstimator

from gi_lib.datasets.pathways import Edges
from gi_lib.models.association import association_tests
from gi_lib.models.checks import labels_of
from gi_lib.models.elastic_net import ElasticNet

CANDIDATES = 25
"""So many times the wanted number of markers are looked at before pruning gives up on an entity."""


class ExpressionPrior(BaseEstimator):
    """From dosages, labels and measured entities to edges between markers and entities.

    Parameters
    ----------
    markers_per_entity
        The strongest eQTL of each entity, 20 in the paper.
    max_r2
        Of two of them with a larger squared correlation the weaker one is left out; 0.5 in the paper.
    min_maf
        Markers whose rarer allele is less frequent in training are left out; 0.05 in the paper.
    l1_ratio
        Of the elastic net that chooses entities; 0.1 in the paper. None keeps all of them.
    inner_folds
        On which its penalty is chosen.
    fewest
        If the elastic net keeps fewer entities, those with the largest correlations with the trait are added.
    n_components
        Principal components of the markers that are covariates of the scan, against population structure.
    seed
        Decides the inner folds.
    """

    def __init__(
        self,
        markers_per_entity: int = 20,
        max_r2: float = 0.5,
        min_maf: float = 0.05,
        l1_ratio: float | None = 0.1,
        inner_folds: int = 5,
        fewest: int = 10,
        n_components: int = 0,
        seed: int = 0,
    ):
        self.markers_per_entity = markers_per_entity
        self.max_r2 = max_r2
        self.min_maf = min_maf
        self.l1_ratio = l1_ratio
        self.inner_folds = inner_folds
        self.fewest = fewest
        self.n_components = n_components
        self.seed = seed

    def edges(self, dosage: np.ndarray, y: np.ndarray, entities: np.ndarray) -> Edges:
        """Edges from all markers to the entities that are kept.

        Parameters
        ----------
        dosage : shape (sample, marker)
            Without gaps.
        y : shape (sample,) or (sample, trait)
            NaN for missing. An entity is kept if it matters for any trait.
        entities : shape (sample, entity)
            NaN for missing.

        Returns
        -------
        Edges
            Units are named by their columns: marker ``"17"``, entity ``"3"``. An entity without a marker that varies
            is left out.

        Raises
        ------
        ValueError
            If a setting is out of its range, shapes differ, or fewer than three accessions have entities.
        """
        self._check_settings()
        labels, entities = labels_of(y, len(dosage)), np.asarray(entities, float)
        if entities.ndim != 2 or len(entities) != len(dosage):
            raise ValueError(
                f"The entities have shape {entities.shape}; needed are {len(dosage)} rows, and a column per entity."
            )
        measured = ~np.isnan(entities).all(axis=1)
        if measured.sum() < 3:
            raise ValueError(f"{measured.sum()} accessions have measured entities; a prior needs at least 3.")
        chosen = self.choose_entities(entities, labels)
        markers = self.choose_markers(dosage[measured], entities[measured][:, chosen])
        kept = [number for number, own in enumerate(markers) if len(own)]
        if not kept:
            raise ValueError(
                "No entity has a marker that varies among the accessions in which it was measured."
            )
        sizes = [len(markers[number]) for number in kept]
        return Edges(
            np.concatenate([np.sort(markers[number]) for number in kept]),
            np.repeat(np.arange(len(kept)), sizes),
            np.arange(dosage.shape[1]).astype(str),
            chosen[kept].astype(str),
        )

    def choose_entities(self, entities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Columns of the entities (sample, entity) that matter for the labels (sample, trait), sorted.

        Missing values of an accession in which others were measured count as the mean of their entity.
        """
        spread = np.nanstd(entities, axis=0)
        varies = np.flatnonzero(spread > 0)
        if self.l1_ratio is None:
            return varies
        scaled = (entities[:, varies] - np.nanmean(entities[:, varies], axis=0)) / spread[varies]
        chosen = np.zeros(len(varies), bool)
        for column in labels.T:
            both = ~np.isnan(column) & ~np.isnan(scaled).all(axis=1)
            x, values = np.nan_to_num(scaled[both]), column[both]
            net = ElasticNet(self.l1_ratio, inner_folds=self.inner_folds, seed=self.seed).fit(x, values)
            kept = net.effects_[:, 0] != 0
            missing = min(self.fewest, len(varies)) - kept.sum()
            if missing > 0:
                strength = np.where(kept, 0, np.abs((values - values.mean()) @ x))
                kept[np.argsort(-strength, kind="stable")[:missing]] = True
            chosen |= kept
        return varies[chosen]

    def choose_markers(self, dosage: np.ndarray, entities: np.ndarray) -> list[np.ndarray]:
        """The eQTL of each entity, the strongest first: columns of dosages (sample, marker) for (sample, entity)."""
        frequency = dosage.mean(axis=0) / 2
        is_common = np.minimum(frequency, 1 - frequency) >= self.min_maf
        common = np.flatnonzero(is_common & (np.ptp(dosage, axis=0) > 0))
        markers = dosage[:, common].astype(float)
        markers -= markers.mean(axis=0)
        covariates = np.ones((len(markers), 1))
        if self.n_components:
            left = np.linalg.svd(markers, full_matrices=False)[0]
            covariates = np.hstack([covariates, left[:, : self.n_components]])
        strength = np.abs(association_tests(markers, entities, covariates).t)
        scaled = np.ascontiguousarray((markers / np.sqrt(np.square(markers).sum(axis=0))).T)
        n_looked_at = min(CANDIDATES * self.markers_per_entity, len(common))
        found = []
        for column in strength.T:
            column = np.where(np.isnan(column), -1, column)
            order = np.argsort(-column, kind="stable")[:n_looked_at]
            order = order[column[order] >= 0]
            found.append(common[_prune(scaled, order, self.markers_per_entity, self.max_r2)])
        return found

    def _check_settings(self) -> None:
        for name, lowest in (
            ("markers_per_entity", 1),
            ("inner_folds", 2),
            ("fewest", 1),
            ("n_components", 0),
        ):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {lowest}.")
        for name, highest in (("max_r2", 1), ("min_maf", 0.5)):
            if not 0 <= getattr(self, name) <= highest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and {highest}.")


@njit(cache=True)
def _prune(markers, order, wanted, max_r2):
    """The first of `order` that are no copies of an earlier one; markers (marker, sample) have length 1 and mean 0."""
    kept = np.empty(wanted, np.int64)
    n = 0
    for candidate in order:
        is_new = True
        for other in kept[:n]:
            product = 0.0
            for sample in range(markers.shape[1]):
                product += markers[candidate, sample] * markers[other, sample]
            if product * product > max_r2:
                is_new = False
                break
        if is_new:
            kept[n] = candidate
            n += 1
            if n == wanted:
                break
    return kept[:n]
