"""How much of a trait the country of origin explains."""

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf


def variance_between_countries(
    trait: np.ndarray, country: np.ndarray, n_permutations: int = 999, seed: int = 1
) -> pd.Series:
    """Share of a trait's variance between countries, by one-way analysis of variance.

    Parameters
    ----------
    trait : shape (sample,)
        NaN where missing.
    country : shape (sample,)
        Names; accessions of unknown country (an empty name) are left out.

    Returns
    -------
    pandas.Series
        ``r2``, the share in this sample; ``adjusted_r2``, corrected for the number of countries;
        ``p``, the share of permutations of the trait with an r2 at least as large; ``n``, ``countries``.

    Raises
    ------
    ValueError
        If fewer than two countries have a labelled accession.
    """
    table = pd.DataFrame({"trait": trait, "country": country}).replace({"country": {"": None}}).dropna()
    if table["country"].nunique() < 2:
        raise ValueError("The labelled accessions come from fewer than two countries.")
    fit = smf.ols("trait ~ C(country)", data=table).fit()
    random = np.random.default_rng(seed)
    codes = pd.factorize(table["country"])[0]
    sizes = np.bincount(codes)
    centred = (table["trait"] - table["trait"].mean()).to_numpy()
    total = np.square(centred).sum()
    reached = sum(
        (np.bincount(codes, random.permutation(centred)) ** 2 / sizes).sum() / total >= fit.rsquared - 1e-12
        for _ in range(n_permutations)
    )
    return pd.Series(
        {
            "r2": fit.rsquared,
            "adjusted_r2": fit.rsquared_adj,
            "p": (reached + 1) / (n_permutations + 1),
            "n": len(table),
            "countries": len(sizes),
        }
    )
