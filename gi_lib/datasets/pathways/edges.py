"""Edge lists: which unit of one layer feeds which unit of the next, and controls with other edges."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

UNANNOTATED = "unannotated"
"""Name of the dummy pathway of all genes without another one."""


THIN_GO = {"min_genes": 25, "max_genes": 400, "distinct": True}
"""Options of `connect` that leave about as many GO terms as the paper has pathways.

On the 13,183 genes of the real Arabidopsis cohort: 1,260 of 8,751 terms and the dummy, with 74 % of the genes in a term
of these limits (98 % in any, such as *biological process*). The paper has 1,272 MapMan pathways and 72 %. A gene in a
term is in its ancestors too, so an annotated gene has 12 terms, where in the paper it has about one bin.
"""


# --- Edges ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Edges:
    """A bipartite graph: which unit of the layer below feeds which unit above.

    Two are equal if their arrays are.

    Attributes
    ----------
    source : (edge,) int64
        Index into `source_names`.
    target : (edge,) int64
        Index into `target_names`. The edges are sorted by target, then source, and none occurs twice.
    source_names : (n_sources,) str
        For example the genes of a cohort, in its order.
    target_names : (n_targets,) str
        For example pathways.

    Raises
    ------
    ValueError
        If lengths differ, an index is out of range, the edges are not sorted, or an edge or a name occurs twice.

    Examples
    --------
    >>> edges = Edges([0, 1, 1], [0, 0, 1], ["AT1G01010", "AT1G01020"], ["respiration", "growth"])
    >>> edges
    Edges(2 sources, 2 targets, 3 edges)
    >>> edges.sizes()
    array([2, 1])
    """

    source: np.ndarray
    target: np.ndarray
    source_names: np.ndarray
    target_names: np.ndarray

    def __post_init__(self) -> None:
        for end in ("source", "target"):
            names, index = _names(end, getattr(self, f"{end}_names")), _index(end, getattr(self, end))
            outside = (index < 0) | (index >= len(names))
            if outside.any():
                at = np.flatnonzero(outside)[0]
                raise ValueError(
                    f"The {end} of edge {at} is {index[at]}; with {len(names)} {end} names, allowed are 0 to "
                    f"{len(names) - 1}."
                )
            object.__setattr__(self, end, index)
            object.__setattr__(self, f"{end}_names", names)
        if len(self.source) != len(self.target):
            raise ValueError(f"There are {len(self.source)} sources of edges but {len(self.target)} targets.")
        step = np.diff(_keys(self.source, self.target, self.n_sources))
        if (step <= 0).any():
            at = np.flatnonzero(step <= 0)[0] + 1
            how = (
                "is out of order: edges are sorted by target, then source" if step[at - 1] else "occurs twice"
            )
            raise ValueError(f"Edge {at}, from {self.source[at]} to {self.target[at]}, {how}.")

    @property
    def n_sources(self) -> int:
        """Number of units below, connected or not."""
        return len(self.source_names)

    @property
    def n_targets(self) -> int:
        """Number of units above, connected or not."""
        return len(self.target_names)

    def __len__(self) -> int:
        """Number of edges."""
        return len(self.source)

    def sizes(self) -> np.ndarray:
        """Sources of each target, shape (n_targets,): the genes of each pathway."""
        return np.bincount(self.target, minlength=self.n_targets)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Edges):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("source", "target", "source_names", "target_names")
        )

    __hash__ = None

    def __repr__(self) -> str:
        return f"Edges({self.n_sources:,} sources, {self.n_targets:,} targets, {len(self):,} edges)"


def _names(end: str, names: ArrayLike) -> np.ndarray:
    names = np.array(names, dtype=str)
    if names.ndim != 1:
        raise ValueError(f"The {end} names have shape {names.shape}; needed is one dimension.")
    unique, count = np.unique(names, return_counts=True)
    if len(unique) < len(names):
        raise ValueError(f"The {end} name {str(unique[count > 1][0])!r} occurs more than once.")
    return names


def _index(end: str, index: ArrayLike) -> np.ndarray:
    index = np.asarray(index)
    if index.ndim != 1 or (index.dtype.kind not in "iu" and index.size):
        raise ValueError(
            f"The {end} of the edges has shape {index.shape} and type {index.dtype}; needed are whole numbers in one "
            "dimension."
        )
    return index.astype(np.int64)  # a copy: the caller's array may change


def _keys(source: np.ndarray, target: np.ndarray, n_sources: int) -> np.ndarray:
    """One number for each edge, in the order in which edges are sorted."""
    return target * n_sources + source


def _edges_of(keys: np.ndarray, like: Edges) -> Edges:
    """Edges of the units of `like` from keys in any order."""
    target, source = np.divmod(np.sort(keys), max(like.n_sources, 1))
    return Edges(source, target, like.source_names, like.target_names)


def chain(*layers: Edges) -> tuple[Edges, ...]:
    """Check that layers can be stacked, from the bottom up, and return them.

    The targets of a layer must be the sources of the next, in the same order. From genes over their regulators, which
    are genes too, to pathways::

        regulators = connect(genes, load_pathways("regulators", cohort))
        layers = chain(regulators, connect(regulators.target_names, load_pathways("GO", cohort)))

    The dummy of a layer is a unit without annotation to the next, and so is connected to the dummy there.

    Raises
    ------
    ValueError
        If two layers do not fit; the sentence says which, and where they differ.
    """
    if not layers:
        raise ValueError("There is no layer; give at least one.")
    for number, (below, above) in enumerate(itertools.pairwise(layers), start=1):
        fault = f"Layers {number} and {number + 1} do not fit: layer {number}"
        if below.n_targets != above.n_sources:
            raise ValueError(
                f"{fault} ends in {below.n_targets} units, but the next begins with {above.n_sources}."
            )
        differs = below.target_names != above.source_names
        if differs.any():
            at = np.flatnonzero(differs)[0]
            raise ValueError(
                f"{fault} ends in {str(below.target_names[at])!r} at place {at}, where the next begins with "
                f"{str(above.source_names[at])!r}."
            )
    return layers


def connect(
    genes: ArrayLike,
    annotation: pd.DataFrame,
    *,
    min_genes: int = 1,
    max_genes: int | None = None,
    distinct: bool = False,
    dummy: bool = True,
) -> Edges:
    """Connect the genes of a cohort with their pathways.

    Parameters
    ----------
    genes
        Names, in the order of the cohort: the sources.
    annotation
        Columns ``gene`` and ``pathway``; rows of other genes are ignored.
    min_genes, max_genes
        Pathways with fewer or more of the given genes are left out.
    distinct
        Of the pathways with the same set of the given genes, keep one: the one with the fewest genes in the whole
        annotation, so the most specific, and of these the first by name. In an ontology whose terms include the genes
        of their descendants, many terms repeat each other.
    dummy
        Connect the genes that end without a pathway to one dummy pathway, `UNANNOTATED`, the last target, whatever its
        size. Without it they are connected to nothing, and the layer above does not see them.

    Returns
    -------
    Edges
        From all given genes to the pathways that are left, sorted by name.

    Raises
    ------
    ValueError
        If a gene occurs twice, no gene is annotated, no pathway is within the limits, or an option is out of its range.

    Notes
    -----
    The paper has 27,655 genes, of which 72 % are in at least one of 1,272 MapMan pathways, and one dummy pathway.

    `THIN_GO` brings the Gene Ontology to about that size.

    Examples
    --------
    >>> annotation = pd.DataFrame({"gene": ["a", "b", "b"], "pathway": ["growth", "growth", "respiration"]})
    >>> edges = connect(["a", "b", "c"], annotation)
    >>> edges.target_names.tolist(), edges.sizes().tolist()
    (['growth', 'respiration', 'unannotated'], [2, 1, 1])
    """
    genes = _names("gene", genes)
    _check_limits(min_genes, max_genes)
    _check_annotation(annotation)
    code = pd.Index(genes).get_indexer(annotation["gene"])
    is_given = code >= 0
    if not is_given.any():
        raise ValueError(
            f"None of the {len(genes):,} genes ({', '.join(genes[:2])}, ...) is in the annotation "
            f"({', '.join(map(str, annotation['gene'][:2]))}, ...); compare the names."
        )
    pathway, pathways = pd.factorize(annotation["pathway"].to_numpy(object)[is_given], sort=True)
    pathways = pathways.astype(str)
    keys = np.unique(_keys(code[is_given], pathway, len(genes)))

    sizes = np.bincount(keys // len(genes), minlength=len(pathways))
    kept = (sizes >= min_genes) & (sizes <= (max_genes or len(genes)))
    if not kept.any():
        raise ValueError(
            f"No pathway has {min_genes} to {max_genes or len(genes)} of the given genes; they have {sizes.min()} to "
            f"{sizes.max()}."
        )
    if distinct:
        kept &= _is_first_of_its_kind(keys, pathways, len(genes), annotation)
    target, source = np.divmod(keys, len(genes))
    source, target = source[kept[target]], (np.cumsum(kept) - 1)[target[kept[target]]]
    pathways = pathways[kept]
    left_over = np.setdiff1d(np.arange(len(genes)), source)
    if dummy and len(left_over):
        if UNANNOTATED in pathways:
            raise ValueError(
                f"A pathway is called {UNANNOTATED!r} as the dummy pathway is; rename it, or use dummy=False."
            )
        source = np.append(source, left_over)
        target = np.append(target, np.full(len(left_over), len(pathways)))
        pathways = np.append(pathways, UNANNOTATED)
    return Edges(source, target, genes, pathways)


def _check_limits(min_genes: int, max_genes: int | None) -> None:
    for name, value in (("min_genes", min_genes), ("max_genes", max_genes)):
        if value is None and name == "max_genes":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} is {value!r}; allowed are whole numbers from 1 upwards.")
    if max_genes is not None and max_genes < min_genes:
        raise ValueError(f"max_genes is {max_genes}, below min_genes, which is {min_genes}.")


def _check_annotation(annotation: pd.DataFrame) -> None:
    for name in ("gene", "pathway"):
        if name not in annotation:
            raise ValueError(
                f"The annotation has no column {name!r}; it has {', '.join(map(str, annotation))}."
            )
        if annotation[name].isna().any():
            raise ValueError(f"The annotation has a row without a {name}; drop such rows.")
    if annotation.empty:
        raise ValueError("The annotation has no rows.")


def _is_first_of_its_kind(
    keys: np.ndarray, pathways: np.ndarray, n_genes: int, annotation: pd.DataFrame
) -> np.ndarray:
    """Whether no pathway with the same genes is smaller in the whole annotation, or as small and before it by name."""
    target, source = np.divmod(keys, n_genes)
    members = np.split(source, np.flatnonzero(np.diff(target)) + 1)
    whole = annotation.drop_duplicates(["gene", "pathway"]).groupby("pathway").size()
    seen: set[bytes] = set()
    is_first = np.zeros(len(pathways), dtype=bool)
    for at in np.argsort(whole[pathways].to_numpy(), kind="stable"):  # pathways are sorted by name already
        content = members[at].tobytes()
        is_first[at] = content not in seen
        seen.add(content)
    return is_first


# --- Controls ---------------------------------------------------------------------------------------

MIXING_ROUNDS = 30
SWAP_CHANCE = 0.5  # per round; below 1, so that the number of swaps is not always even, or always odd
MAX_ROUNDS = 200
STALE_ROUNDS = 20  # in which no further edge has found its first partner, after which none is expected to


def rewire(edges: Edges, share: float = 1.0, seed: int = 1) -> Edges:
    """Make prior knowledge wrong: swap the targets of random pairs of edges.

    Every source keeps its number of targets and every target its number of sources (Maslov & Sneppen 2002, *Science*
    296, 910-913), so the layer has the same shape and the same number of weights.

    Parameters
    ----------
    share
        Share of the edges that are replaced, in [0, 1]: that many, rounded, are drawn at random and exchange targets
        among each other, again and again; the others stay. A swap is made only if both new edges are neither present
        nor among the original ones, so the share of original edges that are left is 1 - share. It is more where a
        chosen edge finds no partner: where the graph is nearly full, where one target has more than half of the edges,
        or where fewer than two edges are drawn.
    seed
        The same seed gives the same edges.

    Returns
    -------
    Edges
        Between the same units; equal to `edges` if the share is 0.

    Raises
    ------
    ValueError
        If share or seed is out of its range.

    Examples
    --------
    >>> edges = Edges([0, 1], [0, 1], ["a", "b"], ["growth", "respiration"])
    >>> rewire(edges).source.tolist()
    [1, 0]
    """
    if isinstance(share, bool) or not isinstance(share, int | float | np.number) or not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}; allowed are numbers from 0 to 1.")
    rng = _generator(seed)
    original = _keys(edges.source, edges.target, edges.n_sources)
    chosen = rng.permutation(len(edges))[: round(share * len(edges))]
    source, target = edges.source[chosen], edges.target[chosen]  # copies
    moved = np.zeros(len(chosen), dtype=bool)
    n_pairs, stale = len(chosen) // 2, 0
    for done in range(MAX_ROUNDS if n_pairs else 0):
        if done >= MIXING_ROUNDS and (moved.all() or stale >= STALE_ROUNDS):
            break
        pairs = rng.permutation(len(chosen))[: 2 * n_pairs].reshape(2, n_pairs)
        wanted = _keys(source[pairs], target[pairs[::-1]], edges.n_sources)
        present = _keys(source, target, edges.n_sources)
        _, which, count = np.unique(
            np.concatenate([wanted.ravel(), present, original]), return_inverse=True, return_counts=True
        )
        is_free = (count[which[: wanted.size]] == 1).reshape(wanted.shape).all(axis=0)
        swapped = pairs[:, is_free & (rng.random(n_pairs) < SWAP_CHANCE)]
        target[swapped] = target[swapped[::-1]]
        stale = 0 if not moved[swapped].all() else stale + 1
        moved[swapped] = True
    keys = original.copy()
    keys[chosen] = _keys(source, target, edges.n_sources)
    return _edges_of(keys, edges)


def random_pathways(edges: Edges, seed: int = 1) -> Edges:
    """Give every target as many sources as it has, drawn at random from all sources.

    Unlike after `rewire`, sources do not keep their number of targets, and some may end without any.

    Raises
    ------
    ValueError
        If the seed is not a non-negative integer.
    """
    rng = _generator(seed)
    sources = [rng.choice(edges.n_sources, size, replace=False, shuffle=False) for size in edges.sizes()]
    source = np.concatenate([np.empty(0, np.int64), *sources])
    return _edges_of(_keys(source, edges.target, edges.n_sources), edges)


def dense(edges: Edges) -> Edges:
    """Connect every source to every target: no knowledge at all, and n_sources x n_targets edges of 16 bytes."""
    return _edges_of(np.arange(edges.n_sources * edges.n_targets, dtype=np.int64), edges)


def _generator(seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}; allowed are whole numbers from 0 upwards.")
    return np.random.default_rng(seed)
