"""BMSNN: Galiana with the dense module P replaced by layers whose units are biological.

Raimondi et al. 2024, *Biologically meaningful sparse layers for genome interpretation*, Figure 1C and 1D. The published
numbers of parameters leave no room for a layer normalisation over the genes.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from gi_lib.datasets.pathways import Edges, chain
from gi_lib.models.galiana import GeneEncoder
from gi_lib.models.sparse import SparseLinear


class BMSNN(nn.Module):
    """Gene encoder G, sparse layers from genes to pathways, one dense layer, and a linear head.

    Parameters
    ----------
    layers
        Edge lists from the bottom up; the targets of one are the sources of the next. In the paper there is one, from
        27,655 genes to 1,273 pathways, of which one collects the genes without annotation.
    n_outputs
        Traits; 36 in the paper.
    n_variant_types
        17 in the paper.
    hidden
        Width H of the dense layer: 50 in BMSNN50, 100 in BMSNN100.
    encoder_hidden
        Width inside G, 50 in the paper.

    Raises
    ------
    ValueError
        If two layers do not fit on each other.
    """

    def __init__(
        self,
        layers: Sequence[Edges],
        n_outputs: int,
        n_variant_types: int = 17,
        hidden: int = 50,
        encoder_hidden: int = 50,
    ):
        super().__init__()
        chain(*layers)  # refuses layers that do not fit on each other
        self.encoder = GeneEncoder(n_variant_types, encoder_hidden)
        self.sparse = nn.ModuleList(
            nn.Sequential(SparseLinear(edges), nn.LayerNorm(edges.n_targets), nn.Tanh()) for edges in layers
        )
        self.dense = nn.Sequential(nn.Linear(layers[-1].n_targets, hidden), nn.LayerNorm(hidden), nn.Tanh())
        self.head = nn.Linear(hidden, n_outputs)

    def pathways(self, counts: Tensor, row: Tensor | None = None) -> Tensor:
        """Activations of the topmost sparse layer, (batch, pathway), each between -1 and 1."""
        units = self.encoder(counts, row).tanh()  # (batch, gene)
        for layer in self.sparse:
            units = layer(units)  # (batch, unit of this layer)
        return units

    def forward(self, counts: Tensor, row: Tensor | None = None) -> Tensor:
        """Predict (batch, output) from scaled counts; see `GeneEncoder` for the two forms of input."""
        return self.head(self.dense(self.pathways(counts, row)))
