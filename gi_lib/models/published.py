"""Every model of Raimondi et al. 2024, Table 1: parameters and scores as printed, and a network to compare with."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from torch import nn

from gi_lib.datasets.pathways import Edges
from gi_lib.models.bmsnn import BMSNN
from gi_lib.models.galiana import Galiana
from gi_lib.models.gpsnn import GPSNN
from gi_lib.models.transfer import FrozenGaliana

N_GENES, N_TRAITS, N_PATHWAYS = 27_655, 36, 1_273


class Published(NamedTuple):
    """A row of Table 1.

    ``seed`` and ``leaf`` are mean and standard deviation over 18 elements of the Pearson correlation within countries.
    """

    build: Callable[[], nn.Module]
    parameters: int
    seed: tuple[float, float]
    leaf: tuple[float, float]
    remark: str = ""


def one_pathway_per_gene(n_genes: int = N_GENES, n_pathways: int = N_PATHWAYS) -> Edges:
    """Each gene in one pathway: as many edges as the paper's text states, 27,655."""
    genes = np.arange(n_genes)
    target = genes * n_pathways // n_genes  # ascending, every pathway used
    names = (
        np.char.mod(f"{kind}%d", np.arange(n)) for kind, n in (("gene", n_genes), ("pathway", n_pathways))
    )
    return Edges(genes, target, *names)


def _galiana() -> Galiana:
    return Galiana(N_GENES, N_TRAITS)


UNEXPLAINED = (
    "one edge per gene, as the text says; the printed number implies 27,890 edges, 235 more, so some genes would be in "
    "two pathways"
)

PUBLISHED = {
    "Galiana": Published(_galiana, 1_443_747, (0.202, 0.079), (0.196, 0.090)),
    "transf50": Published(_galiana, 1_443_747, (0.202, 0.085), (0.217, 0.093)),
    "transf30": Published(_galiana, 1_443_747, (0.180, 0.070), (0.225, 0.091)),
    "frozen200": Published(
        lambda: FrozenGaliana(_galiana(), N_TRAITS, 200), 17_836, (0.095, 0.069), (0.100, 0.055)
    ),
    "frozen500": Published(
        lambda: FrozenGaliana(_galiana(), N_TRAITS, 500), 44_536, (0.105, 0.065), (0.138, 0.057)
    ),
    "BMSNN100": Published(
        lambda: BMSNN([one_pathway_per_gene()], N_TRAITS, hidden=100),
        163_996, (0.173, 0.084), (0.216, 0.083), UNEXPLAINED,
    ),
    "BMSNN50": Published(
        lambda: BMSNN([one_pathway_per_gene()], N_TRAITS, hidden=50),
        98_396, (0.172, 0.083), (0.182, 0.097), UNEXPLAINED,
    ),
    "GPSNN": Published(lambda: GPSNN(N_TRAITS), 21_036, (-0.012, 0.075), (0.021, 0.051)),
}  # fmt: skip


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters of a network.

    Examples
    --------
    >>> count_parameters(GPSNN(n_outputs=36))
    21036
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
