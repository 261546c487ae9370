"""A model in a cross-validation: an estimator, its name in tables, and what it reads of a cohort."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator

from gi_lib.datasets.cohort import MISSING_DOSAGE

INPUTS = (
    "counts",
    "flat counts",
    "dosage",
    "calls",
    "dosage and place",
    "place",
    "country",
    "traits",
    "entities",
)


@dataclass(frozen=True)
class Model:
    """An estimator, the name it has in tables, and which part of the cohort it reads.

    Parameters
    ----------
    name
        Shown in tables and figures.
    estimator
        Follows scikit-learn's conventions; if it has a parameter ``seed``, it is set anew for each fold.
    inputs
        ``counts`` (sample, gene, variant_type); ``flat counts``, the same as (sample, feature); ``dosage``
        (sample, marker); ``calls``, dosages as bytes, 255 where one is missing; ``place``, latitude and longitude in
        degrees; ``dosage and place``, both side by side (sample, marker + 2); ``country``, its name; ``traits``
        (sample, trait) with NaN, to classify by; ``entities``, measurements between genome and trait (sample, entity),
        which no accession to be predicted has in practice.
    """

    name: str
    estimator: BaseEstimator
    inputs: str

    def __post_init__(self):
        if isinstance(self.estimator, type) or not hasattr(self.estimator, "get_params"):
            raise ValueError(
                f"estimator of {self.name} is {self.estimator!r}; it must be an estimator by scikit-learn's "
                "conventions, such as GBLUP()."
            )
        if self.inputs not in INPUTS:
            raise ValueError(f"inputs of {self.name} is {self.inputs!r}; allowed are {', '.join(INPUTS)}.")


def model_inputs(cohort: xr.Dataset, inputs: str) -> np.ndarray:
    """The part of a cohort that a model reads, one row per accession.

    Raises
    ------
    ValueError
        If the cohort lacks it, dosages are missing (impute them on the training accessions first), or entities are.
    """
    if inputs in ("counts", "flat counts") and "counts" not in cohort:
        raise ValueError(f"The cohort '{cohort.attrs.get('name')}' has no counts.")
    if inputs == "counts":
        return cohort["counts"].values
    if inputs == "flat counts":
        flat = cohort["counts"].values.reshape(cohort.sizes["sample"], -1)
        # A column without any variant cannot weigh in; leaving it out changes no prediction.
        return flat[:, flat.any(axis=0)].astype(np.float32)
    if inputs == "dosage":
        dosage = _dosages(cohort)
        if (dosage == MISSING_DOSAGE).any():
            raise ValueError("Some dosages are missing; impute them inside each training fold first.")
        return dosage.astype(np.float32)
    if inputs == "calls":
        return _dosages(cohort)
    if inputs == "dosage and place":
        return np.hstack([model_inputs(cohort, "dosage"), model_inputs(cohort, "place")])
    if inputs == "place":
        return np.stack([cohort["latitude"].values, cohort["longitude"].values], axis=1)
    if inputs == "entities":
        if "entity_value" not in cohort or cohort["entity_value"].isnull().any():
            raise ValueError(
                f"The cohort '{cohort.attrs.get('name')}' lacks measured entities, at least of some accessions."
            )
        return cohort["entity_value"].values
    if inputs == "traits":
        return cohort["trait_value"].values
    return cohort["country"].values[:, None]


def _dosages(cohort: xr.Dataset) -> np.ndarray:
    if "dosage" not in cohort:
        raise ValueError(f"The cohort '{cohort.attrs.get('name')}' has no dosages.")
    return cohort["dosage"].values
