"""What scores come from nothing: the same analysis on shuffled labels."""

import numpy as np
import xarray as xr


def shuffle_labels(cohort: xr.Dataset, seed: int, within_countries: bool = True) -> xr.Dataset:
    """Hand every accession the labels of another one, so that genome and traits have no more to do with each other.

    The traits of an accession, those of a source task too, stay together: correlations between traits remain.

    Parameters
    ----------
    cohort
        Its truth and its replicates do not fit the shuffled labels and are dropped.
    seed
        Decides the permutation.
    within_countries
        Shuffle inside each country, so that countries keep their means: what is left for a model to find is the
        country. Otherwise over all accessions: nothing is left.
    """
    random = np.random.default_rng(seed)
    groups = cohort["country"].values if within_countries else np.zeros(cohort.sizes["sample"])
    order = np.arange(cohort.sizes["sample"])
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order[members] = random.permutation(members)
    known = [name for name in map(str, cohort.data_vars) if name.startswith("truth_")]
    shuffled = cohort.drop_vars([*known, "replicate_value"], errors="ignore").copy()
    for name in ("trait_value", "source_trait_value"):
        if name in shuffled:
            shuffled[name] = (cohort[name].dims, cohort[name].values[order])
    return shuffled
