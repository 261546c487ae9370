"""Several networks of one shape as one network whose parameters and activations have a leading dimension ``fit``.

The networks of `gi_lib.models` are put together from a few kinds of layers. Here each kind has a stacked form, so that
their ``forward`` serves any number of fits at once and stays as it is written.
"""

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gi_lib.models.binn import EntityEncoder, encode_entities
from gi_lib.models.fused import CountBatch, encode_genes, norm_tanh, normalised, wide_linear
from gi_lib.models.galiana import GeneEncoder
from gi_lib.models.sparse import SparseLinear, edge_sum


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """One network for all; its parameters are copies with a leading dimension ``fit``.

    Raises
    ------
    TypeError
        If a layer with parameters has no stacked form.
    """
    kind = type(networks[0])
    if kind in STACKED:
        return STACKED[kind](networks)
    if next(networks[0].parameters(recurse=False), None) is not None:
        raise TypeError(f"{kind.__name__} has no stacked form; add one to STACKED in {__name__}.")
    stacked = copy.copy(networks[0])
    stacked._modules = {
        name: stack([network._modules[name] for network in networks]) for name in networks[0]._modules
    }
    return stacked


@torch.no_grad()
def unstack(stacked: nn.Module, networks: Sequence[nn.Module]) -> None:
    """Copy the parameters of each fit back into its network."""
    for name, parameter in stacked.named_parameters():
        for network, values in zip(networks, parameter, strict=True):
            network.get_parameter(name).copy_(values)


@torch.no_grad()
def restack(stacked: nn.Module, networks: Sequence[nn.Module]) -> None:
    """Copy the parameters of each network into its place of the stacked one."""
    for name, parameter in stacked.named_parameters():
        for network, values in zip(networks, parameter, strict=True):
            values.copy_(network.get_parameter(name))


def _parameter(modules: Sequence[nn.Module], name: str) -> nn.Parameter:
    """The parameters of this name, (fit, ...)."""
    parameters = [getattr(module, name) for module in modules]
    return nn.Parameter(torch.stack([p.detach() for p in parameters]), parameters[0].requires_grad)


class _Linear(nn.Module):
    """`torch.nn.Linear`: (fit, ..., input) to (fit, ..., output)."""

    def __init__(self, layers: Sequence[nn.Linear]):
        super().__init__()
        self.weight, self.bias = _parameter(layers, "weight"), _parameter(layers, "bias")

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1, -2)
        return wide_linear(rows, self.weight, self.bias).view(*x.shape[:-1], -1)


class _LayerNorm(nn.Module):
    """`torch.nn.LayerNorm` over the last dimension; with the tanh above it, if one follows."""

    def __init__(self, layers: Sequence[nn.LayerNorm]):
        super().__init__()
        self.eps, self.before_tanh = layers[0].eps, False
        self.weight, self.bias = _parameter(layers, "weight"), _parameter(layers, "bias")

    def forward(self, x: Tensor) -> Tensor:
        form = norm_tanh if self.before_tanh else normalised
        return form(x.flatten(1, -2), self.weight, self.bias, self.eps).view(x.shape)


def _sequential(sequences: Sequence[nn.Sequential]) -> nn.Sequential:
    """`torch.nn.Sequential`; a tanh that follows a layer normalisation becomes part of it."""
    layers = [stack(layers) for layers in zip(*sequences, strict=True)]
    for i, (layer, above) in enumerate(itertools.pairwise(layers)):
        if isinstance(layer, _LayerNorm) and isinstance(above, nn.Tanh):
            layer.before_tanh, layers[i + 1] = True, nn.Identity()
    return nn.Sequential(*layers)


class _GeneEncoder(nn.Module):
    """`gi_lib.models.galiana.GeneEncoder`, in one pass if it reads a `CountBatch`."""

    def __init__(self, encoders: Sequence[GeneEncoder]):
        super().__init__()
        self.layers = stack([encoder.layers for encoder in encoders])

    def forward(self, counts: Tensor | CountBatch, row: Tensor | None = None) -> Tensor:
        first, normal, _, last = self.layers
        if isinstance(counts, CountBatch):
            genes = encode_genes(
                counts, first.weight, first.bias, normal.weight, normal.bias, last.weight, last.bias
            )
        else:
            genes = self.layers(counts).squeeze(-1)
        if row is not None:  # so far one value for each distinct row
            genes = genes.flatten(1).gather(1, row.flatten(1)).view_as(row)
        return genes  # (fit, batch, gene)


class _SparseLinear(nn.Module):
    """`gi_lib.models.sparse.SparseLinear`: one layer whose edges are those of all fits side by side."""

    def __init__(self, layers: Sequence[SparseLinear]):
        super().__init__()
        self.weight, self.bias = _parameter(layers, "weight"), _parameter(layers, "bias")
        for name, value in layers[0].side_by_side(len(layers)).items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n_fits, n_batch, _ = x.shape
        sums = edge_sum(x.transpose(0, 1).reshape(n_batch, -1), self.weight.flatten(), self)
        return sums.view(n_batch, n_fits, -1).transpose(0, 1) + self.bias[:, None]


class _EntityEncoder(nn.Module):
    """`gi_lib.models.binn.EntityEncoder`: the networks of the entities of all fits, each fit with its own markers."""

    def __init__(self, encoders: Sequence[EntityEncoder]):
        super().__init__()
        for name, _ in encoders[0].named_parameters():
            setattr(self, name, _parameter(encoders, name))
        self.register_buffer("marker", torch.stack([one.marker for one in encoders]), persistent=False)
        self.register_buffer("place", encoders[0].place, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return encode_entities(x, *self.parameters(), self.marker, self.place)


STACKED = {
    nn.Sequential: _sequential,
    nn.Linear: _Linear,
    nn.LayerNorm: _LayerNorm,
    GeneEncoder: _GeneEncoder,
    SparseLinear: _SparseLinear,
    EntityEncoder: _EntityEncoder,
}
"""The stacked form of each layer that has parameters, and of a sequence."""
