"""Prior knowledge of biology as edge lists: which genes form a pathway, or are bound by one regulator.

An *annotation* is a table with the columns ``gene`` and ``pathway``, one row per pair, whatever its source: MapMan
bins, Gene Ontology terms, the targets of a transcription factor, or the pathways of a simulation. `connect` turns it
into the `Edges` between the genes of a cohort and the pathways, from which the sparse layer of the networks is made
(Raimondi et al. 2024, *Biologically meaningful sparse layers for genome interpretation*). `rewire`, `random_pathways`
and `dense` are the controls: the same layer with knowledge that is wrong, or none.
"""

from gi_lib.datasets.pathways.annotations import (
    GO_FILE,
    MAPMAN_FILE,
    PATHWAYS,
    REGULATORS_FILE,
    load_pathways,
    read_go,
    read_mapman,
    read_regulators,
    resolve_pathways,
    simulated_pathways,
)
from gi_lib.datasets.pathways.edges import (
    THIN_GO,
    UNANNOTATED,
    Edges,
    chain,
    connect,
    dense,
    random_pathways,
    rewire,
)

__all__ = [
    "GO_FILE",
    "MAPMAN_FILE",
    "PATHWAYS",
    "REGULATORS_FILE",
    "THIN_GO",
    "UNANNOTATED",
    "Edges",
    "chain",
    "connect",
    "dense",
    "load_pathways",
    "random_pathways",
    "read_go",
    "read_mapman",
    "read_regulators",
    "resolve_pathways",
    "rewire",
    "simulated_pathways",
]
