"""Two tasks learned at once: the alternative to learning one after the other (Caruana 1997, Machine Learning 28, 41).

Raimondi et al. 2024 train on a source task T1 first and on the traits of interest, T2, afterwards. Their network is a
multi-task network, so the labels of T1 could as well be further outputs of it. The paper does not try that.
"""

import numpy as np

from gi_lib.models.checks import different_labels
from gi_lib.training.estimators import AfterEpoch, GalianaRegressor, SourceTask
from gi_lib.training.inputs import Held
from gi_lib.training.together import Fitting


class JointGalianaRegressor(SourceTask, GalianaRegressor):
    """Galiana with the traits of T1 as further outputs, trained once on all labels of both tasks.

    Parameters are those of `GalianaRegressor`. Every label counts the same in the loss, so a source task with many
    traits has the larger say. All layers but the head are shared.
    """

    def fitting(
        self,
        X: Held,
        samples: np.ndarray,
        y: np.ndarray,
        source: np.ndarray | None = None,
        after_epoch: AfterEpoch | None = None,
    ) -> Fitting:
        """As for the other regressors, on the labels of both tasks.

        Parameters
        ----------
        X
            Counts (accession, gene, variant_type) of all accessions.
        samples : shape (sample,)
            Which of them to learn from.
        y : shape (sample,) or (sample, trait)
            Labels of T2, NaN for missing.
        source : shape (sample, source_trait)
            Labels of T1, NaN for missing. A trait without two different labels is left out. An accession takes part
            if it has a label of either task.
        after_epoch
            As for the other regressors.

        Raises
        ------
        ValueError
            If `source` is missing; if a trait of T2 has no two different labels.
        """
        targets = different_labels(y, len(samples))
        if source is None:
            raise ValueError(
                "Joint training needs `source`, the labels of the source task, one row per accession."
            )
        differs = np.nanmax(source, axis=0, initial=-np.inf) > np.nanmin(source, axis=0, initial=np.inf)
        both = np.column_stack([targets, source[:, differs]])
        known = ~np.isnan(both).all(axis=1)
        self.n_targets_, self.single_target_ = targets.shape[1], np.ndim(y) == 1
        yield from super().fitting(X, samples[known], both[known], after_epoch)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions of the traits of T2 in the units of their labels, shape (sample,) or (sample, trait)."""
        predicted = super().predict(X)[:, : self.n_targets_]
        return predicted[:, 0] if self.single_target_ else predicted
