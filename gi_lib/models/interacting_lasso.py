r"""A variant of NeuralLasso in which neighbouring markers do interact.

Mathew et al. 2022 place the rectifier on each term, so that no term reads two markers. Here it comes after the sum over
the window:

.. math::

    \Lambda(z) = \sum_j a_j z_j + \sum_i \big[(w^+_i)_+ - (w^-_i)_+\big], \qquad
    w^\pm_i = b^\pm_i + \sum_{n=-N}^{N} c^\pm_{n,i} z_{i+n}

with :math:`z_j = 0` outside, and the same L1 penalty on all slopes and biases. Each locus has a unit that raises and
one that lowers the prediction; weights behind them are not needed, because a rectifier passes on positive factors.
There is no separable form.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gi_lib.models.neural_lasso import window

START = 1e-3
"""Largest slope before training; the slopes are random, for units that start alike would stay alike."""


class InteractingLasso(nn.Module):
    """The layer above.

    Parameters
    ----------
    n_markers, neighbourhood, chromosome
        As `gi_lib.models.NeuralLasso`.
    """

    def __init__(self, n_markers: int, neighbourhood: int = 2, chromosome: Sequence | None = None):
        super().__init__()
        self.neighbourhood = neighbourhood
        self.register_buffer("inside", window(n_markers, neighbourhood, chromosome))
        # [0] raises, [1] lowers; [:, k, i] is what locus i does with marker i + k - N.
        self.slope = nn.Parameter(torch.zeros(2, 2 * neighbourhood + 1, n_markers))
        self.bias = nn.Parameter(torch.zeros(2, n_markers))
        self.linear = nn.Parameter(torch.zeros(n_markers))

    def forward(self, dosage: Tensor) -> Tensor:
        """Predict (batch,) from dosages (batch, marker) of any value."""
        up, down = self.bias[:, None]
        for k, there in enumerate(self.inside):
            neighbour = dosage.roll(self.neighbourhood - k, dims=-1) * there
            up, down = up + self.slope[0, k] * neighbour, down + self.slope[1, k] * neighbour
        return dosage @ self.linear + (up.relu() - down.relu()).sum(dim=-1)

    def before_training(self, seed: Sequence[int] | int = 0) -> "InteractingLasso":
        """Another layer of the same window and number type, its slopes small and random, all else at zero."""
        layer = InteractingLasso(self.linear.shape[0], self.neighbourhood)
        layer.inside = self.inside.clone()
        random = torch.Generator().manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        with torch.no_grad():
            layer.slope.copy_(START * (2 * torch.rand(layer.slope.shape, generator=random) - 1))
        return layer.to(self.linear.dtype)
