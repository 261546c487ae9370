"""The sparse layer: a linear layer with weights only where two biological units are known to be connected.

Raimondi et al. 2024, *Biologically meaningful sparse layers for genome interpretation*. The layer is held as a list of
edges, so that memory and time grow with the number of edges and not with sources times targets.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from gi_lib.datasets.pathways import Edges


class SparseLinear(nn.Module):
    """``y_t = b_t + sum over edges (s, t) of w_st x_s``.

    Parameters
    ----------
    edges
        From the units of the layer below (sources) to those above (targets).

    Attributes
    ----------
    weight : (edge,)
        In the order of `edges`, which is by target. Like `torch.nn.Linear`, drawn uniformly within one over the
        square root of the number of edges into the target, and so is the bias.
    bias : (target,)

    Notes
    -----
    The forward pass gathers the sources of each target and sums them; the gradient of the input does the same along the
    edges turned round, so neither pass scatters, and results do not depend on the order of threads.
    """

    def __init__(self, edges: Edges):
        super().__init__()
        source, target = torch.from_numpy(edges.source), torch.from_numpy(edges.target)
        backward = torch.argsort(source, stable=True)
        for name, value in (
            ("source", source),
            ("target", target),
            ("first", _starts(target, edges.n_targets)),
            ("backward_order", backward),
            ("backward_target", target[backward]),
            ("backward_first", _starts(source[backward], edges.n_sources)),
        ):
            self.register_buffer(name, value, persistent=False)
        fan_in = torch.bincount(target, minlength=edges.n_targets).clamp(min=1)
        bound = fan_in.rsqrt()
        self.weight = nn.Parameter((2 * torch.rand(len(source)) - 1) * bound[target])
        self.bias = nn.Parameter((2 * torch.rand(edges.n_targets) - 1) * bound)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, source) to (batch, target)."""
        return edge_sum(x, self.weight, self) + self.bias

    def side_by_side(self, n: int) -> dict[str, Tensor]:
        """The buffers of a layer that holds this one n times, each on sources and targets of its own."""
        sizes = {"source": len(self.backward_first) - 1, "target": len(self.bias), "edge": len(self.weight)}
        counted = {
            "source": "source", "target": "target", "first": "edge",
            "backward_order": "edge", "backward_target": "target", "backward_first": "edge",
        }  # fmt: skip
        buffers = {}
        for name, unit in counted.items():
            value = getattr(self, name)
            starts = torch.arange(n, device=value.device)[:, None] * sizes[unit]
            if name.endswith("first"):  # where the last edges end, only once
                buffers[name] = torch.cat([(value[:-1] + starts).flatten(), value[-1:] * n])
            else:
                buffers[name] = (value + starts).flatten()
        return buffers

    def extra_repr(self) -> str:
        """Sizes, for the printed network."""
        n_sources, n_targets = len(self.backward_first) - 1, len(self.bias)
        return f"sources={n_sources}, targets={n_targets}, edges={len(self.weight)}"


def _starts(sorted_units: Tensor, n_units: int) -> Tensor:
    """Where each unit's edges begin in a list sorted by unit, and where the last ends: shape (unit + 1,)."""
    return torch.searchsorted(sorted_units.contiguous(), torch.arange(n_units + 1))


def edge_sum(x: Tensor, weight: Tensor, layer: nn.Module) -> Tensor:
    """Weighted sums of x (batch, source) along the edges of a layer, (batch, target)."""
    return _EdgeSum.apply(x, weight, layer)


class _EdgeSum(torch.autograd.Function):
    """Weighted sums along edges; both passes are bags of rows."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, layer: nn.Module) -> Tensor:
        by_source = x.T.contiguous()  # (source, batch): one edge reads one row
        ctx.save_for_backward(by_source, weight)
        ctx.layer = layer
        return _bags(layer, "source", "first", by_source, weight).T

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        layer, (by_source, weight) = ctx.layer, ctx.saved_tensors
        by_target = gradient.T.contiguous()  # (target, batch)
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            turned = weight[layer.backward_order]
            of_x = _bags(layer, "backward_target", "backward_first", by_target, turned).T
        if ctx.needs_input_grad[1]:
            of_weight = _edge_products(by_source, by_target, layer.source, layer.target)
        return of_x, of_weight, None


def _bags(layer: nn.Module, rows: str, starts: str, table: Tensor, weight: Tensor) -> Tensor:
    """Sums of weighted rows of a table, (unit, batch), along edges that are sorted by unit."""
    edges = getattr(layer, rows), getattr(layer, starts)
    if _in_triton(table):
        from gi_lib.models import sparse_cuda  # Triton comes with PyTorch's CUDA builds only

        pieces, key = layer.__dict__.setdefault("pieces", {}), (starts, table.device)
        if key not in pieces:  # the same in every step
            pieces[key] = sparse_cuda.pieces(edges[1])
        return sparse_cuda.bags(edges[0], table, edges[1], weight, pieces[key])
    return embedding_bag(
        edges[0], table, edges[1], mode="sum", per_sample_weights=weight, include_last_offset=True
    )


def _edge_products(by_source: Tensor, by_target: Tensor, source: Tensor, target: Tensor) -> Tensor:
    if _in_triton(by_source):
        from gi_lib.models import sparse_cuda

        return sparse_cuda.edge_products(by_source, by_target, source, target)
    return torch.einsum("eb,eb->e", by_source.index_select(0, source), by_target.index_select(0, target))


def _in_triton(table: Tensor) -> bool:
    """A program holds all columns of a row at once, so batches are not too large; numbers are float32."""
    return table.is_cuda and table.dtype == torch.float32 and table.shape[1] <= 128
