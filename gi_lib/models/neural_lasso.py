r"""NeuralLasso: one layer of free functions of single markers under an L1 penalty.

Mathew et al. 2022 (Frontiers in Plant Science, doi 10.3389/fpls.2022.800161), equations 8 to 10. Around every locus i
lies a window of 2N + 1 markers; each marker of the window is scaled, shifted and passed through an activation, and all
is summed:

.. math:: \Lambda(z) = \sum_i \sum_{n=-N}^{N} \varphi_n(c_{n,i}\, z_{i+n} + b_{n,i}), \qquad z_j = 0 \text{ outside}

Every term reads one marker, or none beyond the ends, so :math:`\Lambda(z) = a + \sum_j g_j(z_j)`: no prediction depends
on a pair of markers. With dosages 0, 1 and 2 each :math:`g_j` is three numbers, and

.. math:: \Lambda(z) = a + \sum_j g_j(0) + \sum_{j: z_j = 1} [g_j(1) - g_j(0)] + \sum_{j: z_j = 2} [g_j(2) - g_j(0)],

two products of indicator matrices with vectors, for any number of fits at once. `NeuralLasso` is the layer as written,
`separable` the second form; a test holds them together.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

ACTIVATIONS = {"relu": torch.relu, "linear": lambda value: value}


def published_activations(neighbourhood: int) -> tuple[str, ...]:
    """ReLU inside the window and none at its two ends; without neighbours none at all, as in equation 7."""
    if neighbourhood == 0:
        return ("linear",)
    return ("linear", *["relu"] * (2 * neighbourhood - 1), "linear")


class NeuralLasso(nn.Module):
    """The layer as equations 8 and 9 have it.

    Parameters
    ----------
    n_markers
        Columns of the input.
    neighbourhood
        N: how many markers the window reaches to either side; 2 in the paper.
    activations
        One name of `ACTIVATIONS` for each place of the window, from left to right; `published_activations` if None.
    chromosome : sequence of shape (marker,), optional
        If given, a window ends where the chromosome does. The paper has one array of all.

    Raises
    ------
    ValueError
        If the neighbourhood is negative, an activation unknown, or a length wrong.
    """

    def __init__(
        self,
        n_markers: int,
        neighbourhood: int = 2,
        activations: Sequence[str] | None = None,
        chromosome: Sequence | None = None,
    ):
        super().__init__()
        if neighbourhood < 0:
            raise ValueError(f"neighbourhood is {neighbourhood}; it must be at least 0.")
        names = published_activations(neighbourhood) if activations is None else tuple(activations)
        if len(names) != 2 * neighbourhood + 1:
            raise ValueError(
                f"There are {len(names)} activations for a window of {2 * neighbourhood + 1} markers."
            )
        for name in names:
            if name not in ACTIVATIONS:
                raise ValueError(f"An activation is {name!r}; allowed are {', '.join(ACTIVATIONS)}.")
        self.names, self.neighbourhood = names, neighbourhood
        # c and b of the paper; [k, i] is what locus i does with marker i + k - N.
        self.slope = nn.Parameter(torch.zeros(len(names), n_markers))
        self.bias = nn.Parameter(torch.zeros(len(names), n_markers))
        self.register_buffer("inside", window(n_markers, neighbourhood, chromosome))

    def forward(self, dosage: Tensor) -> Tensor:
        """Predict (batch,) from dosages (batch, marker) of any value."""
        total = torch.zeros(len(dosage), dtype=dosage.dtype, device=dosage.device)
        for k, name in enumerate(self.names):
            neighbour = dosage.roll(self.neighbourhood - k, dims=-1) * self.inside[k]
            total = total + ACTIVATIONS[name](self.slope[k] * neighbour + self.bias[k]).sum(dim=-1)
        return total

    def before_training(self, start: float = 0.1) -> "NeuralLasso":
        """Another layer of the same window and number type, its rectified slopes at `start`, all else at zero.

        A rectifier whose slope and bias are zero would never move; 0.1 is what the authors' code begins with.
        """
        layer = NeuralLasso(self.slope.shape[1], self.neighbourhood, self.names)
        layer.inside = self.inside.clone()
        with torch.no_grad():
            layer.slope[[name == "relu" for name in self.names]] = start
        return layer.to(self.slope.dtype)

    def steps(self) -> tuple[Tensor, Tensor]:
        """The constant, shape (), and what one and two copies of each allele add to none, shape (2, marker)."""
        constant = torch.zeros((), dtype=self.slope.dtype, device=self.slope.device)
        for k, name in enumerate(self.names):
            constant = constant + ACTIVATIONS[name](self.bias[k]).sum()
        return constant, self.added(torch.tensor([1, 2], dtype=self.slope.dtype, device=self.slope.device))

    def added(self, dosages: Tensor) -> Tensor:
        """What dosages (point,) of any value add to none at each marker, g_j(x) - g_j(0), shape (point, marker)."""
        total = torch.zeros(
            len(dosages), self.slope.shape[1], dtype=self.slope.dtype, device=self.slope.device
        )
        for k, name in enumerate(self.names):
            activation, slope, bias = ACTIVATIONS[name], self.slope[k] * self.inside[k], self.bias[k]
            added = activation(dosages[:, None] * slope + bias) - activation(bias)
            total = total + added.roll(k - self.neighbourhood, dims=-1)  # from locus to marker
        return total


def separable(network: NeuralLasso, one: Tensor, two: Tensor) -> Tensor:
    """The same predictions (batch,) from the indicators of dosage 1 and of dosage 2, each (batch, marker)."""
    constant, steps = network.steps()
    return constant + one @ steps[0] + two @ steps[1]


def window(n_markers: int, neighbourhood: int, chromosome: Sequence | None = None) -> Tensor:
    """Whether the window of locus i has a marker at place k, shape (window, marker).

    Raises
    ------
    ValueError
        If the neighbourhood is negative, or there is not one chromosome for each marker.
    """
    if neighbourhood < 0:
        raise ValueError(f"neighbourhood is {neighbourhood}; it must be at least 0.")
    place = torch.arange(n_markers) + torch.arange(-neighbourhood, neighbourhood + 1)[:, None]
    inside = (place >= 0) & (place < n_markers)
    if chromosome is None:
        return inside
    if len(chromosome) != n_markers:
        raise ValueError(f"There are {len(chromosome)} chromosomes for {n_markers} markers.")
    names = {name: i for i, name in enumerate(dict.fromkeys(chromosome))}
    number = torch.tensor([names[name] for name in chromosome])
    return inside & (number[place.clamp(0, n_markers - 1)] == number)
