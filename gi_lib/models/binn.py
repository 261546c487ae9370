r"""BINN: one small network for each biological entity, on its own markers, and one above them (arXiv 2510.14970).

An entity is a gene whose expression, or a metabolite whose level, was measured in training. Its network sees
the markers that prior knowledge connects with it and ends in one number, its latent. The integrator maps latents to
traits. So a prediction needs the genome alone.
"""

import torch
from torch import Tensor, nn

from gi_lib.datasets.pathways import Edges


class EntityEncoder(nn.Module):
    r"""The networks of all entities at once: for each, Linear, sigmoid, and Linear to one latent.

    With :math:`x_{em}` the markers m of entity e,

    .. math:: z_e = c_e + \sum_h v_{eh}\, \sigma\Big(b_{eh} + \sum_m W_{emh}\, x_{em}\Big)

    Weights are held by edge, so their number grows with the edges and not with markers times entities. In the product
    all entities are as wide as the widest.

    Parameters
    ----------
    edges
        From markers to entities; an entity without any has a constant latent.
    hidden
        Width of each network, 128 in the paper.

    Attributes
    ----------
    weight : (edge, hidden)
        In the order of `edges`. Like `torch.nn.Linear`, drawn uniformly within one over the square root of the number
        of inputs, and so are the others.
    bias : (entity, hidden)
    output_weight : (entity, hidden)
    output_bias : (entity,)
    """

    def __init__(self, edges: Edges, hidden: int = 128):
        super().__init__()
        marker, place = _rectangle(edges)
        for name, value in (
            ("source", torch.from_numpy(edges.source)),
            ("target", torch.from_numpy(edges.target)),
            ("marker", marker),
            ("place", place),
        ):
            self.register_buffer(name, value, persistent=False)
        inputs = torch.from_numpy(edges.sizes()).clamp(min=1).rsqrt()[:, None]  # (entity, 1)
        outputs = hidden**-0.5

        def uniform(*shape: int) -> Tensor:
            return 2 * torch.rand(shape) - 1

        self.weight = nn.Parameter(uniform(len(edges), hidden) * inputs[self.target].float())
        self.bias = nn.Parameter(uniform(edges.n_targets, hidden) * inputs.float())
        self.output_weight = nn.Parameter(uniform(edges.n_targets, hidden) * outputs)
        self.output_bias = nn.Parameter(uniform(edges.n_targets) * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map markers (batch, marker) to latents (batch, entity)."""
        parameters = (p[None] for p in self.parameters())
        return encode_entities(x[None], *parameters, self.marker[None], self.place)[0]

    def extra_repr(self) -> str:
        """Sizes, for the printed network."""
        return f"entities={len(self.bias)}, edges={len(self.weight)}, hidden={self.weight.shape[1]}"


def _rectangle(edges: Edges) -> tuple[Tensor, Tensor]:
    """Markers and edges of each entity, (entity, widest) each; filled up with marker 0 and the edge after the last."""
    target, source = torch.from_numpy(edges.target), torch.from_numpy(edges.source)
    sizes = torch.from_numpy(edges.sizes())
    column = torch.arange(len(edges)) - (sizes.cumsum(0) - sizes)[target]
    marker = torch.zeros((edges.n_targets, int(sizes.max())), dtype=torch.int64)
    place = torch.full_like(marker, len(edges))
    marker[target, column], place[target, column] = source, torch.arange(len(edges))
    return marker, place


def encode_entities(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    output_weight: Tensor,
    output_bias: Tensor,
    marker: Tensor,
    place: Tensor,
) -> Tensor:
    """Latents (fit, batch, entity) from markers (fit, batch, marker), all parameters with a leading dimension fit.

    `marker` (fit, entity, widest) says which markers an entity has in each fit, `place` (entity, widest) which edges
    these are.
    """
    n_fits, n_entities, hidden = bias.shape
    fit = torch.arange(n_fits, device=x.device)[:, None, None]
    own = x.transpose(1, 2)[fit, marker].flatten(0, 1)  # (fit × entity, widest, batch)
    if len(weight[0]) == place.numel():  # every entity is as wide: edges are in this order already
        rows = weight.view(n_fits, *place.shape, hidden)
    else:
        rows = nn.functional.pad(weight, (0, 0, 0, 1))[:, place]
    units = torch.baddbmm(
        bias.reshape(-1, hidden, 1), rows.flatten(0, 1).transpose(1, 2), own
    ).sigmoid()  # (fit × entity, hidden, batch)
    latents = torch.bmm(output_weight.reshape(-1, 1, hidden), units).view(n_fits, n_entities, -1)
    return (latents + output_bias[:, :, None]).transpose(1, 2)


class BINN(nn.Module):
    """The networks of the entities, and the integrator: Linear, ReLU, Linear.

    Parameters
    ----------
    edges
        From markers to entities.
    n_outputs
        Traits; 1 in the paper.
    hidden
        Width of the network of an entity.
    integrator
        Width of the integrator; 128 in the paper, as `hidden`.
    """

    def __init__(self, edges: Edges, n_outputs: int = 1, hidden: int = 128, integrator: int = 128):
        super().__init__()
        self.entities = EntityEncoder(edges, hidden)
        self.integrator = nn.Sequential(
            nn.Linear(edges.n_targets, integrator), nn.ReLU(), nn.Linear(integrator, n_outputs)
        )

    def latents(self, x: Tensor) -> Tensor:
        """What stands for the entities, (batch, entity), from markers (batch, marker)."""
        return self.entities(x)

    def forward(self, x: Tensor) -> Tensor:
        """Predict (batch, output) from markers (batch, marker)."""
        return self.integrator(self.latents(x))


class DenseNetwork(nn.Module):
    """What BINN is compared with: two hidden layers with ReLU on all markers.

    Parameters
    ----------
    n_inputs, n_outputs
        Markers and traits.
    hidden
        Width of both layers; see `width_for`.
    """

    def __init__(self, n_inputs: int, n_outputs: int = 1, hidden: int = 64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, n_outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Predict (batch, output) from markers (batch, marker)."""
        return self.layers(x)


def width_for(n_parameters: int, n_inputs: int, n_outputs: int = 1) -> int:
    """The width with which a `DenseNetwork` has nearly so many parameters, and no more; at least 1.

    Examples
    --------
    >>> width_for(6917, n_inputs=40)
    64
    """
    # h² + (inputs + outputs + 2) h + outputs parameters
    middle = (n_inputs + n_outputs + 2) / 2
    return max(1, int((middle**2 + n_parameters - n_outputs) ** 0.5 - middle))
