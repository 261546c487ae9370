"""Transfer learning: what a network learned on one task (T1) is put to use on another (T2).

Raimondi et al. 2024, *Transfer learning experiments*, Figure 1B and 1D. In *frozen200* and *frozen500* the body of a
Galiana trained on T1 computes 50 features and only module I on top of them is trained on T2. In *transf30* and
*transf50* the body is where the training of a whole Galiana on T2 begins.
"""

from torch import Tensor, nn

from gi_lib.models.galiana import Galiana


class TransferHead(nn.Module):
    """Module I: one hidden layer between the features of a trained body and the traits of T2.

    Parameters
    ----------
    n_outputs
        Traits of T2; 36 in the paper.
    n_features
        Width of the last hidden layer of the body; 50 in the paper.
    hidden
        200 or 500 in the paper: 17,836 or 44,536 trainable parameters.
    """

    def __init__(self, n_outputs: int, n_features: int = 50, hidden: int = 200):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, hidden),
            nn.LayerNorm(hidden),
            nn.Tanh(),
            nn.Linear(hidden, n_outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (batch, feature) to (batch, output)."""
        return self.layers(features)


class FrozenGaliana(nn.Module):
    """The body of a trained Galiana, which learns no more, and module I on top of it."""

    def __init__(self, body: Galiana, n_outputs: int, hidden: int = 200):
        super().__init__()
        self.body = body.requires_grad_(False)
        self.head = TransferHead(n_outputs, body.head.in_features, hidden)

    def forward(self, counts: Tensor, row: Tensor | None = None) -> Tensor:
        """Predict (batch, output) from scaled counts, as `Galiana` does."""
        return self.head(self.body.features(counts, row))
