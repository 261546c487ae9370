"""Galiana: one value per gene from a shared encoder, then a dense network over all genes.

Raimondi et al. 2022 (Nucleic Acids Research 50, e16), as adapted to the ionome in Raimondi et al. 2024
(Scientific Reports 14, 13188), Figure 1A and 1D. The layers are decoded from the published number of
parameters, 1,443,747; the text names neither the activations inside G nor the place of each Tanh.
"""

from torch import Tensor, nn


class GeneEncoder(nn.Module):
    """Module G: the counts of one gene to one number, with the same weights for all."""

    def __init__(self, n_variant_types: int = 17, hidden: int = 50):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_variant_types, hidden),
            nn.LayerNorm(hidden),
            nn.Tanh(),
            nn.Linear(hidden, 1),
        )

    def forward(self, counts: Tensor, row: Tensor | None = None) -> Tensor:
        """Map scaled counts (batch, gene, variant_type) to (batch, gene).

        Many genes of many accessions have the same counts. If `row` (batch, gene) is
        given, `counts` are the distinct ones (row, variant_type), each encoded once,
        and `row` says which of them each gene has.
        """
        genes = self.layers(counts).squeeze(-1)  # (batch, gene), or (row,)
        if row is not None:
            genes = genes.gather(0, row.flatten()).view_as(row)  # (batch, gene)
        return genes


class Galiana(nn.Module):
    """Gene encoder G, dense module P, and a linear head.

    Parameters
    ----------
    n_genes, n_variant_types
        Size of the input; 27,655 and 17 in the paper.
    n_outputs
        Traits, or classes for a classifier; 36 in the paper.
    hidden
        Width of every hidden layer; 50 in the paper.
    """

    def __init__(self, n_genes: int, n_outputs: int, n_variant_types: int = 17, hidden: int = 50):
        super().__init__()
        self.encoder = GeneEncoder(n_variant_types, hidden)
        self.gene_activation = nn.Sequential(nn.LayerNorm(n_genes), nn.Tanh())
        self.dense = nn.Sequential(
            nn.Linear(n_genes, hidden),
            nn.LayerNorm(hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.Tanh(),
        )
        self.head = nn.Linear(hidden, n_outputs)

    def features(self, counts: Tensor, row: Tensor | None = None) -> Tensor:
        """The last hidden layer (batch, hidden): the body without its head."""
        genes = self.gene_activation(self.encoder(counts, row))  # (batch, gene)
        return self.dense(genes)  # (batch, hidden)

    def forward(self, counts: Tensor, row: Tensor | None = None) -> Tensor:
        """Predict (batch, output) from scaled counts; see `GeneEncoder` for the two forms of input."""
        return self.head(self.features(counts, row))  # (batch, output)
