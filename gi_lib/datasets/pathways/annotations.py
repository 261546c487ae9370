"""Annotations: tables of genes and the pathways they belong to, read from the files in which they are published."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from gi_lib.datasets.foreign import listed, shown
from gi_lib.datasets.r_data import data_frame, matrix, read_rda
from gi_lib.datasets.registry import DataUnavailable, fetch

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
    found = matrix(*read_rda(path, "ulg"))
    if found is None or found[0].shape[1] != 2:
        raise ValueError(f"'ulg' in {Path(path).name} is no matrix of two columns, gene and GO term.")
    return _annotation(*found[0].T)


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
    edges = data_frame(*read_rda(path, "validated_edges"))
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
            f"{path.name} has the columns {listed(header)}; needed are BINCODE, NAME, IDENTIFIER and TYPE, or "
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
    code, name = code_and_name[0], code_and_name[1]
    return table.assign(BINCODE=code.astype(str), NAME=name.where(name.notna(), code).astype(str))


def _read_tabbed(path: Path) -> tuple[list[str], pd.DataFrame]:
    """Column names in upper case, and the rows of a table; short rows are filled up, long ones cut.

    Quotes are also part of descriptions, as in 5'-nucleotidase, and not doubled there, so no reader of CSV is safe.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    lines = [[_unquoted(field) for field in line.split("\t")] for line in text.split("\n") if line.strip()]
    if not lines:
        raise ValueError(f"{path.name} is empty.")
    columns, *rows = lines
    columns, width = [name.upper() for name in columns], len(columns)
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise ValueError(f"{path.name} has the column {shown(twice[0])} twice.")
    rows = [(row + [""] * width)[:width] for row in rows]
    return columns, pd.DataFrame(rows, columns=columns, dtype=str)


def _unquoted(field: str) -> str:
    field = field.strip()
    if len(field) > 1 and field[0] == field[-1] and field[0] in "'\"":
        field = field[1:-1].strip()
    return field
