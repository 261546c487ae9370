"""How much of a trait the country of origin explains, and how alike accessions of one country are."""

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
import xarray as xr
from sklearn.neighbors import NearestNeighbors


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
        If the lengths differ, a label is infinite, all labels are the same, or fewer than two countries have a labelled
        accession.
    """
    if len(trait) != len(country):
        raise ValueError(f"There are {len(trait)} labels and {len(country)} countries; they must match.")
    if np.isinf(trait).any():
        raise ValueError("A label is infinite; use NaN where one is missing.")
    table = pd.DataFrame({"trait": trait, "country": country}).replace({"country": {"": None}}).dropna()
    if table["country"].nunique() < 2:
        raise ValueError("The labelled accessions come from fewer than two countries.")
    if table["trait"].nunique() < 2:
        raise ValueError("The trait has no two different labels, so there is no variance to share out.")
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


def shares_between_countries(cohort: xr.Dataset, n_permutations: int = 999, seed: int = 1) -> pd.DataFrame:
    """`variance_between_countries` of every trait of a cohort.

    Returns
    -------
    pandas.DataFrame
        One row per trait: ``trait``, ``r2``, ``adjusted_r2``, ``p``, ``n``, ``countries``.

    Raises
    ------
    ValueError
        As `variance_between_countries`, after the name of the trait.
    """
    country = cohort["country"].values
    rows = []
    for trait, values in zip(cohort["trait"].values, cohort["trait_value"].values.T, strict=True):
        try:
            found = variance_between_countries(values, country, n_permutations, seed)
        except ValueError as error:
            raise ValueError(f"{trait}: {error}") from None
        rows.append({"trait": trait, **found})
    return pd.DataFrame(rows).astype({"n": int, "countries": int})


def same_country_neighbours(points: np.ndarray, country: np.ndarray, n_neighbours: int = 10) -> pd.Series:
    """How many of the nearest neighbours of an accession come from its own country.

    What one sees as clusters in a picture of two dimensions, measured in all of them and without a picture.

    Parameters
    ----------
    points : shape (sample, feature)
        Distances are Euclidean.
    country : shape (sample,)
        Names; accessions of unknown country (an empty name) are left out.
    n_neighbours
        Of each accession.

    Returns
    -------
    pandas.Series
        ``share`` of the neighbours, ``expected`` if places among the points were handed out at random, ``n``.

    Raises
    ------
    ValueError
        If there are not more accessions than neighbours, or a point has a missing value.
    """
    points, country = np.asarray(points, float), np.asarray(country)
    if len(points) != len(country):
        raise ValueError(
            f"There are {len(points)} points but {len(country)} countries; they must be the same."
        )
    points, country = points[country != ""], country[country != ""]
    if not 1 <= n_neighbours < len(points):
        raise ValueError(
            f"n_neighbours is {n_neighbours}; with {len(points)} accessions of known country it must lie between 1 and "
            f"{len(points) - 1}."
        )
    if np.isnan(points).any():
        raise ValueError("A point has a missing value; leave such accessions out or fill the values in.")
    # Asked about no point in particular, the search leaves each point out of its own neighbours.
    neighbours = NearestNeighbors(n_neighbors=n_neighbours).fit(points).kneighbors(return_distance=False)
    sizes = pd.Series(country).value_counts().to_numpy()
    n = len(country)
    return pd.Series(
        {
            "share": (country[neighbours] == country[:, None]).mean(),
            "expected": (sizes * (sizes - 1)).sum() / (n * (n - 1)),
            "n": n,
        }
    )


ALL_PAIRS, WITHIN_COUNTRIES = "all pairs", "pairs within a country"
OVER_ALL, INSIDE_COUNTRIES = "over all accessions", "inside countries"


def distance_correlations(
    distance: np.ndarray,
    other: np.ndarray,
    country: np.ndarray,
    min_accessions: int = 50,
    n_permutations: int = 199,
    seed: int = 1,
) -> pd.DataFrame:
    """Are accessions that are alike in one respect alike in another? Mantel's test, with countries set apart.

    The correlation is over pairs of accessions (Mantel 1967, *Cancer Research* 27, 209-220). Pairs share accessions, so
    what chance does is found by handing out the rows and columns of `other` anew: over all accessions, or only inside
    each country, which leaves in place what is due to the countries.

    Parameters
    ----------
    distance, other : shape (sample, sample)
        Symmetric; the diagonal does not count.
    country : shape (sample,)
        Names. Accessions of unknown country (an empty name) take part in the pairs of all; inside countries they keep
        their place.
    min_accessions
        A country counts, for the pairs within a country, if it has more than this many accessions.
    n_permutations, seed
        How many permutations, and what decides them.

    Returns
    -------
    pandas.DataFrame
        Columns ``pairs``, ``permuted``, ``correlation``, ``null_mean``, ``null_low``, ``null_high`` (the middle 95 % of
        the permutations), ``p`` (share of the permutations with a correlation at least as high, the data itself
        counted among them), ``n_pairs``. Rows: all pairs, permuted in both ways; pairs within a country, the
        correlation of each country averaged over countries, permuted inside countries. It is NaN if no country counts.

    Raises
    ------
    ValueError
        If a matrix is not square and symmetric, sizes differ, or a distance is missing.
    """
    distance, other, country = _matrix("distance", distance), _matrix("other", other), np.asarray(country)
    n = len(country)
    if not len(distance) == len(other) == n:
        raise ValueError(
            f"There are {len(distance)} and {len(other)} rows of distances but {n} countries; they must be the same."
        )
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(country == name) for name in np.unique(country[country != ""])]
    blocks = [
        (at, _standardised(distance[np.ix_(at, at)]), _standardised(other[np.ix_(at, at)]))
        for at in members
        if len(at) > max(min_accessions, 2)
    ]
    x, y = _standardised(distance), _standardised(other)

    def all_pairs(order: np.ndarray) -> float:
        return _mean_product(x, y[np.ix_(order, order)])

    def within(order: np.ndarray) -> float:
        if not blocks:
            return np.nan
        places = np.empty(n, int)
        values = []
        for at, a, b in blocks:
            places[at] = np.arange(len(at))
            local = places[order[at]]
            values.append(_mean_product(a, b[np.ix_(local, local)]))
        return float(np.mean(values))

    def inside() -> np.ndarray:
        order = np.arange(n)
        for at in members:
            order[at] = random.permutation(at)
        return order

    unmoved = np.arange(n)
    over_all = [all_pairs(random.permutation(n)) for _ in range(n_permutations)]
    orders = [inside() for _ in range(n_permutations)]
    n_within = sum(len(at) * (len(at) - 1) // 2 for at, _, _ in blocks)
    rows = [
        (ALL_PAIRS, OVER_ALL, all_pairs(unmoved), over_all, n * (n - 1) // 2),
        (ALL_PAIRS, INSIDE_COUNTRIES, all_pairs(unmoved), [all_pairs(o) for o in orders], n * (n - 1) // 2),
        (WITHIN_COUNTRIES, INSIDE_COUNTRIES, within(unmoved), [within(o) for o in orders], n_within),
    ]
    return pd.DataFrame(
        [
            {
                "pairs": pairs,
                "permuted": permuted,
                "correlation": found,
                "null_mean": np.mean(null) if null else np.nan,
                "null_low": np.quantile(null, 0.025) if null else np.nan,
                "null_high": np.quantile(null, 0.975) if null else np.nan,
                # Sums in another order differ in the last digits: ties count as reached.
                "p": (1 + (np.array(null) >= found - 1e-12).sum()) / (1 + len(null))
                if found == found
                else np.nan,
                "n_pairs": n_pairs,
            }
            for pairs, permuted, found, null, n_pairs in rows
        ]
    )


def _matrix(name: str, values: np.ndarray) -> np.ndarray:
    values = np.array(values, float)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 3:
        raise ValueError(f"{name} has shape {values.shape}; needed is a square of at least 3 accessions.")
    np.fill_diagonal(values, 0)
    if np.isnan(values).any():
        raise ValueError(f"{name} lacks the distance of some pair; leave such accessions out.")
    if not np.allclose(values, values.T):
        raise ValueError(f"{name} is not symmetric.")
    return values


def _standardised(distance: np.ndarray) -> np.ndarray:
    """Distances with mean 0 and variance 1 over pairs, the diagonal 0; all 0 if they are all equal."""
    pairs = distance[np.triu_indices(len(distance), 1)]
    scale = pairs.std()
    scaled = (
        (distance - pairs.mean()) / scale if scale > 1e-12 * np.abs(pairs).max() else np.zeros_like(distance)
    )
    np.fill_diagonal(scaled, 0)
    return scaled


def _mean_product(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation over pairs of two standardised matrices."""
    n = len(x)
    return float(np.vdot(x, y) / (n * (n - 1)))
