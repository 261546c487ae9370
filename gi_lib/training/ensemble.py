"""Several fits of one network that differ in their seeds, trained at once; the prediction is their mean."""

from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from gi_lib.training.estimators import fit_together


class SeedEnsemble(RegressorMixin, BaseEstimator):
    """The mean of networks that differ in their seeds.

    Parameters
    ----------
    estimator
        A regressor of this package with a parameter ``seed`` and a method ``fitting``.
    n_members
        How many.
    seed
        Decides the members' seeds.

    Attributes
    ----------
    members_ : list
        Fitted clones of `estimator`.
    """

    def __init__(self, estimator: BaseEstimator, n_members: int = 10, seed: int = 0):
        self.estimator = estimator
        self.n_members = n_members
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray, entities: np.ndarray | None = None) -> "SeedEnsemble":
        """Train all members together.

        Raises
        ------
        ValueError
            If there is no member; and what a member's ``fit`` refuses.
        """
        if self.n_members < 1:
            raise ValueError(f"n_members is {self.n_members}; it must be at least 1.")
        seeds = np.random.SeedSequence(self.seed).generate_state(self.n_members)
        members = [clone(self.estimator).set_params(seed=int(seed)) for seed in seeds]
        self.members_ = fit_together(members, X, y, entities=entities)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Mean prediction of the members, in the units of the labels."""
        return self.average(lambda member: member.predict(X))

    def average(self, compute: Callable[[BaseEstimator], np.ndarray]) -> np.ndarray:
        """Mean over the members of what `compute` gives for each."""
        check_is_fitted(self, "members_")
        return np.mean([compute(member) for member in self.members_], axis=0)
