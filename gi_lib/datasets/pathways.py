"""Prior knowledge of biology as edge lists: which genes form a pathway, or are bound by one regulator.

An *annotation* is a table with the columns ``gene`` and ``pathway``, one row per pair, whatever its source: MapMan
bins, Gene Ontology terms, the targets of a transcription factor, or the pathways of a simulation. `connect` turns it
into the `Edges` between the genes of a cohort and the pathways, from which the sparse layer of the networks is made
(Raimondi et al. 2024, *Biologically meaningful sparse layers for genome interpretation*). `rewire`, `random_pathways`
and `dense` are the controls: the same layer with knowledge that is wrong, or none.
"""

import bz2
import gzip
import itertools
import lzma
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr
from numpy.typing import ArrayLike

from gi_lib.datasets.registry import DataUnavailable, fetch

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
SWAP_CHANCE = (
    0.5  # of an edge in one round; below 1, so that the number of swaps is not always even, or always odd
)
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


# --- Annotations ------------------------------------------------------------------------------------

GO_FILE = "arabidopsis/ulg.rda"
MAPMAN_FILE = "mapman/Ath_AGI_LOCUS_TAIR10_Aug2012.txt"
REGULATORS_FILE = "arabidopsis/validated_edges.rda"

PATHWAYS = {"simulated": "simulated", "GO": "real", "MapMan": "real", "regulators": "real"}
"""Name and kind of data of every annotation of `load_pathways`."""


def resolve_pathways(name: str, cohort: xr.Dataset) -> str:
    """The annotation that ``auto`` stands for: the simulated one if the cohort knows its truth, else GO.

    Raises
    ------
    ValueError
        If the name is unknown.
    DataUnavailable
        If the cohort knows no pathways and GO cannot be had.
    """
    if name != "auto":
        if name not in PATHWAYS:
            raise ValueError(f"pathways is {name!r}; allowed are auto, {', '.join(PATHWAYS)}.")
        return name
    if "truth_edge_gene" in cohort:
        return "simulated"
    try:
        fetch(GO_FILE)
    except DataUnavailable as error:
        raise DataUnavailable(
            f"The cohort knows no pathways of its own, and GO, which stands in, cannot be had: {error}"
        ) from None
    return "GO"


def load_pathways(name: str, cohort: xr.Dataset) -> pd.DataFrame:
    """Load an annotation by its name, one of `PATHWAYS` or ``auto`` (see `resolve_pathways`).

    Returns
    -------
    pandas.DataFrame
        Columns ``gene`` and ``pathway``, for `connect`. Real annotations are of all genes, in the cohort or not.

    Raises
    ------
    ValueError
        If the name is unknown, or ``simulated`` and the cohort is not.
    DataUnavailable
        If the file of a real annotation cannot be had.
    DataError
        If it is at hand but is not the pinned one.
    """
    name = resolve_pathways(name, cohort)
    if name == "simulated":
        return simulated_pathways(cohort)
    read, file = {
        "GO": (read_go, GO_FILE),
        "MapMan": (read_mapman, MAPMAN_FILE),
        "regulators": (read_regulators, REGULATORS_FILE),
    }[name]
    return read(fetch(file))


def simulated_pathways(cohort: xr.Dataset) -> pd.DataFrame:
    """The pathways that a simulated cohort was made with.

    Raises
    ------
    ValueError
        If the cohort does not know them.
    """
    if "truth_edge_gene" not in cohort or "truth_edge_pathway" not in cohort:
        raise ValueError("The cohort knows no pathways; only those with simulated traits do.")
    return _annotation(cohort["truth_edge_gene"].values, cohort["truth_edge_pathway"].values)


def read_go(path: str | Path) -> pd.DataFrame:
    """Read Gene Ontology terms of genes, ancestors included, from the ``ulg.rda`` of the R package GOfisher.

    Returns
    -------
    pandas.DataFrame
        Columns ``gene`` and ``pathway``, which is a term such as ``GO:0006351``; the roots of the three ontologies
        are among them. 1,261,119 pairs of 31,028 genes, some of which have a symbol and no AGI code, and 10,404 terms.

    Raises
    ------
    ValueError
        If there is no such file or it holds something else.
    """
    matrix, attributes = _read_rda(path, "ulg")
    shape, _ = attributes.get("dim", (None, {}))
    if not (isinstance(matrix, np.ndarray) and isinstance(shape, list) and shape == [len(matrix) / 2, 2]):
        raise ValueError(f"'ulg' in {Path(path).name} is no matrix of two columns, gene and GO term.")
    return _annotation(matrix[: shape[0]], matrix[shape[0] :])


def read_regulators(path: str | Path, evidence: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Read which genes each transcription factor regulates, from ``validated_edges.rda`` of the R package AraNetBench.

    Parameters
    ----------
    evidence
        One or several of the kinds in the file, spelt as there, by default all: ``DAPSeq`` and ``CHIPSeq`` (binding to
        naked DNA and to chromatin), ``TARGET`` (response of expression), ``Litterature``.

    Returns
    -------
    pandas.DataFrame
        Columns ``gene``, which is bound or regulated, and ``pathway``, its regulator, also an AGI code. The file has
        2,276,586 edges; 34,344 repeat another with a second kind of evidence. For a layer from regulators to the genes
        they regulate, exchange the names of the columns.

    Raises
    ------
    ValueError
        If there is no such file, it holds something else, or a kind of evidence is not in it.
    """
    edges = _data_frame(*_read_rda(path, "validated_edges"))
    if edges is None or not {"from", "to", "type"} <= {*edges}:
        raise ValueError(
            f"'validated_edges' in {Path(path).name} has not the columns 'from', 'to' and 'type'."
        )
    if evidence is not None:
        evidence = [evidence] if isinstance(evidence, str) else list(evidence)
        known = edges["type"].unique().tolist()
        for kind in evidence:
            if kind not in known:
                raise ValueError(f"evidence is {kind!r}; allowed are {', '.join(known)}.")
        edges = edges[edges["type"].isin(evidence)]
    return _annotation(edges["to"], edges["from"])


def _annotation(gene: Any, pathway: Any) -> pd.DataFrame:
    table = pd.DataFrame({"gene": gene, "pathway": pathway}, dtype=str)
    return table.drop_duplicates(ignore_index=True)


# --- MapMan -----------------------------------------------------------------------------------------

NOT_ASSIGNED = "35"  # the bin of genes without a known function


def read_mapman(path: str | Path, *, level: int | None = None, not_assigned: bool = False) -> pd.DataFrame:
    """Read MapMan bins of genes (Thimm et al. 2004, *The Plant Journal* 37, 914-939).

    Two formats are told apart by their header: the public mapping (tab-separated, single quotes, columns BINCODE, NAME,
    IDENTIFIER, DESCRIPTION and TYPE), and the node table of DiNAR (columns geneID and MapManBin, several bins of a gene
    separated by a vertical bar).

    Parameters
    ----------
    level
        Cut the hierarchy at so many levels: with 2, genes of ``PS.lightreaction.photosystem II`` are in
        ``PS.lightreaction``. By default a gene is in its own bin and not in those above.
    not_assigned
        Keep bin 35, *not assigned*. It holds every gene whose function is not known, so that with it all genes are
        annotated; the 72 % of the paper cannot have counted it.

    Returns
    -------
    pandas.DataFrame
        Columns ``gene``, in upper case and without the suffix of a transcript, and ``pathway``, the full name of a bin
        such as ``PS.lightreaction.photosystem II.LHC-II``. Metabolites and bins without genes are left out.

    Raises
    ------
    ValueError
        If there is no such file, it has another format or no genes, or the level is out of its range.
    """
    if level is not None and (isinstance(level, bool) or not isinstance(level, int) or level < 1):
        raise ValueError(f"level is {level!r}; allowed are whole numbers from 1 upwards.")
    path = Path(path)
    header, rows = _read_tabbed(path)
    if {"GENEID", "MAPMANBIN"} <= set(header):
        bins = _dinar_bins(rows)
    elif {"BINCODE", "NAME", "IDENTIFIER", "TYPE"} <= set(header):
        bins = rows[["BINCODE", "NAME", "IDENTIFIER", "TYPE"]]
    else:
        raise ValueError(
            f"{path.name} has the columns {', '.join(header)}; needed are BINCODE, NAME, IDENTIFIER and TYPE, or "
            "GENEID and MAPMANBIN."
        )
    genes = bins[(bins["TYPE"].str.upper() == "T") & (bins["IDENTIFIER"] != "")]
    if not not_assigned:
        genes = genes[genes["BINCODE"].str.split(".").str[0] != NOT_ASSIGNED]
    if genes.empty:
        raise ValueError(f"{path.name} has no row of a gene (an identifier, and the type T) in a bin.")
    name = genes["NAME"] if level is None else _ancestors(genes, bins, level)
    return _annotation(genes["IDENTIFIER"].str.upper().str.replace(r"\.\d+$", "", regex=True), name)


def _ancestors(genes: pd.DataFrame, bins: pd.DataFrame, level: int) -> pd.Series:
    """Names of the bins `level` levels deep above those of the genes."""
    above = genes["BINCODE"].str.split(".").str[:level].str.join(".")
    # Names have as many levels as codes, unless one contains a dot: the bin's own row is safer, where it has one.
    known = bins.drop_duplicates("BINCODE").set_index("BINCODE")["NAME"]
    return above.map(known).fillna(genes["NAME"].str.split(".").str[:level].str.join("."))


def _dinar_bins(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of a mapping from DiNAR's; a bin is written ``1.1.3_PS.lightreaction.cytochrome b6/f``."""
    kind = rows["ORGANISM"] if "ORGANISM" in rows else pd.Series("", index=rows.index)
    table = pd.DataFrame(
        {
            "bin": rows["MAPMANBIN"].str.split(" | ", regex=False),
            "IDENTIFIER": rows["GENEID"],
            "TYPE": kind.map(lambda value: "M" if value == "metabolite" else "T"),
        }
    ).explode("bin", ignore_index=True)
    table = table[table["bin"] != "-"]  # no bin
    code_and_name = table["bin"].str.split("_", n=1, expand=True).reindex(columns=[0, 1])
    code, name = code_and_name[0], code_and_name[1].fillna(code_and_name[0])
    return table.assign(BINCODE=code.astype(str), NAME=name.astype(str))


def _read_tabbed(path: Path) -> tuple[list[str], pd.DataFrame]:
    """Column names in upper case, and the rows of a table; short rows are filled up, long ones cut.

    Quotes are also part of descriptions, as in 5'-nucleotidase, and not doubled there, so no reader of CSV is safe.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    lines = [[_unquoted(field) for field in line.split("\t")] for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path.name} is empty.")
    columns, *rows = lines
    columns, width = [name.upper() for name in columns], len(columns)
    rows = [(row + [""] * width)[:width] for row in rows]
    return columns, pd.DataFrame(rows, columns=columns, dtype=str)


def _unquoted(field: str) -> str:
    field = field.strip()
    if len(field) > 1 and field[0] == field[-1] and field[0] in "'\"":
        field = field[1:-1].strip()
    return field


# --- R's own format ---------------------------------------------------------------------------------

_OPEN = {b"BZh": bz2.decompress, b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ": lzma.decompress}
_HAS_ATTRIBUTES, _HAS_TAG = 0x200, 0x400


def _read_rda(path: str | Path, name: str) -> tuple[Any, dict[str, Any]]:
    """Read one object of an ``.rda`` file: its value, and its attributes by name, each again with its own.

    Only what annotations consist of: lists, whole and real numbers, and above all character vectors. The package rdata
    reads all of R, but makes several objects of every string, and takes a minute or more and gigabytes of memory for
    files like these; this takes seconds.

    Raises
    ------
    ValueError
        If there is no such file, it is damaged or holds other kinds of objects, or none of that name.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        for start, decompress in _OPEN.items():
            if data.startswith(start):
                data = decompress(data)
        objects, _ = _RReader(data).read()
    except Exception as error:  # there is no end of ways in which bytes can be wrong
        raise ValueError(f"{path.name} is damaged, or no .rda file of tables of text.") from error
    if not isinstance(objects, dict) or name not in objects:
        raise ValueError(f"{path.name} holds no object {name!r}.")
    return objects[name]


def _data_frame(columns: Any, attributes: dict[str, Any]) -> pd.DataFrame | None:
    """A data frame of R whose columns are text; None if it is something else."""
    names, _ = attributes.get("names", (None, {}))
    if not (isinstance(columns, list) and isinstance(names, np.ndarray) and len(names) == len(columns)):
        return None
    texts = [values for values, _ in columns]
    if not all(isinstance(values, np.ndarray) and len(values) == len(texts[0]) for values in texts):
        return None
    return pd.DataFrame(dict(zip(names, texts, strict=True)))


class _RReader:
    """R's serialisation, big-endian (R Internals, section 1.8)."""

    def __init__(self, data: bytes):
        if data[:7] not in (b"RDX2\nX\n", b"RDX3\nX\n"):
            raise ValueError("not in R's binary format")
        self.data, self.at = data, 7
        self.symbols: list[str | None] = []
        version = self.integers(3)[0]
        if version == 3:
            self.text()  # name of the encoding

    def integers(self, n: int) -> list[int]:
        values = struct.unpack_from(f">{n}i", self.data, self.at)
        self.at += 4 * n
        return list(values)

    def text(self) -> str | None:
        (length,) = self.integers(1)
        if length == -1:  # missing
            return None
        if not 0 <= length <= len(self.data) - self.at:
            raise ValueError("a string has no such length")
        start, self.at = self.at, self.at + length
        return self.data[start : self.at].decode()

    def read(self) -> tuple[Any, dict[str, Any]]:
        """Read the object that begins here."""
        (flags,) = self.integers(1)
        kind, value = flags & 0xFF, None
        if kind == 2:  # pairs of tag and value: the objects of a file, or attributes
            return self.pairs(flags), {}
        if kind == 1:  # symbol
            value, _ = self.read()
            self.symbols.append(value)
        elif kind == 255:  # a symbol met before
            value = self.symbols[(flags >> 8) - 1]
        elif kind == 9:
            return self.text(), {}
        elif kind in (10, 13):  # logical, integer
            value = self.integers(*self.integers(1))
        elif kind == 14:  # real
            (n,) = self.integers(1)
            value = list(struct.unpack_from(f">{n}d", self.data, self.at))
            self.at += 8 * n
        elif kind == 16:
            value = self.texts(*self.integers(1))
        elif kind == 19:
            value = [self.read() for _ in range(*self.integers(1))]
        elif kind not in (0, 254):  # NULL
            raise ValueError(f"objects of type {kind} are not read")
        attributes = self.read()[0] if flags & _HAS_ATTRIBUTES else {}
        if not isinstance(attributes, dict):
            raise ValueError("attributes are pairs")
        return value, attributes

    def pairs(self, flags: int) -> dict[str, Any]:
        found = {}
        while flags & 0xFF == 2:
            if flags & _HAS_ATTRIBUTES or not flags & _HAS_TAG:
                raise ValueError("lists of another kind are not read")
            tag, _ = self.read()
            found[tag] = self.read()
            (flags,) = self.integers(1)
        return found

    def texts(self, n: int) -> np.ndarray:
        """Read a character vector, shape (n,) of str or None: every string is its flags, its length and its bytes."""
        parts, done, block = [pa.array([], pa.string())], 0, 1
        while done < n:
            _, length = struct.unpack_from(">2i", self.data, self.at)
            if length <= 0:  # missing or empty
                self.at += 4
                parts.append(pa.array([self.text()], pa.string()))
                done += 1
                continue
            # Neighbours mostly are of one length, and a run of such strings is an array.
            count = min(block, n - done, (len(self.data) - self.at) // (8 + length))
            record = [("flags", ">i4"), ("length", ">i4"), ("text", f"S{length}")]
            records = np.frombuffer(self.data, record, count, self.at)
            differs = records["length"] != length
            run = int(differs.argmax()) if differs.any() else count
            if not run:
                raise ValueError("the file ends inside a string")
            parts.append(pa.array(np.ascontiguousarray(records["text"][:run])).cast(pa.string()))
            self.at, done = self.at + run * (8 + length), done + run
            block = 2 * block if run == count else run
        return pa.chunked_array(parts).to_numpy()
