"""Module G in one pass over the counts: no 50-wide activations in memory, in forward or backward.

`gi_lib.models.galiana.GeneEncoder` is the readable form and the reference. Written as four layers, it stores the
activations of every gene of every accession of a batch and walks over them about ten times. Here each gene is read as
the few integers that it is, its value is computed in registers, and the backward pass computes it a second time instead
of remembering it. Compiled loops do so on the CPU (`gi_lib.models.fused_cpu`), Triton on a GPU
(`gi_lib.models.fused_cuda`).

Two things are folded into the first layer, exactly: the scaling of the counts, and the mean that layer normalisation
subtracts. What remains for each gene is, with x its counts,

    u = s W x + c,    z = γ u / sqrt(mean(u²) + ε) + β,    g = w · tanh(z) + b
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gi_lib.models import fused_cpu

EPSILON = 1e-5
"""Of layer normalisation, as in `torch.nn.LayerNorm`."""


class CountBatch(NamedTuple):
    """The counts that several fits read in one step, as they are stored, and how each fit scales them.

    Attributes
    ----------
    counts : (accession, gene, variant_type), unsigned integers
        Of all accessions.
    sample : (fit, batch)
        Which accessions each fit reads.
    mean, scale : (fit, variant_type)
        Subtracted and divided by.
    frequency
        Divide the counts of a gene by their sum instead.
    """

    counts: Tensor
    sample: Tensor
    mean: Tensor
    scale: Tensor
    frequency: bool


def encode_genes(
    batch: CountBatch,
    weight: Tensor,
    bias: Tensor,
    gamma: Tensor,
    beta: Tensor,
    out_weight: Tensor,
    out_bias: Tensor,
) -> Tensor:
    """Values of genes, one encoder per fit.

    Parameters
    ----------
    batch
        On the device of the parameters.
    weight, bias : (fit, hidden, variant_type), (fit, hidden)
        First linear layer.
    gamma, beta : (fit, hidden)
        Layer normalisation.
    out_weight, out_bias : (fit, 1, hidden), (fit, 1)
        Second linear layer.

    Returns
    -------
    Tensor of shape (fit, batch, gene)
        Differentiable in the parameters, not in the counts.
    """
    return _Fused.apply(batch, out_bias, weight, bias, gamma, beta, out_weight.squeeze(1))


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, batch: CountBatch, out_bias: Tensor, *parameters: Tensor) -> Tensor:
        ctx.batch = batch
        ctx.save_for_backward(*parameters)
        return _kernels(batch.counts).forward(batch, *parameters).add_(out_bias[:, :, None])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradient.contiguous()
        kernels = _kernels(ctx.batch.counts)
        gradients = kernels.backward(ctx.batch, gradient, *ctx.saved_tensors)
        return (None, kernels.sum_of_genes(gradient), *gradients)


def _kernels(counts: Tensor):
    if counts.device.type == "cpu":
        return fused_cpu
    from gi_lib.models import fused_cuda  # Triton comes with PyTorch's CUDA builds only

    return fused_cuda


def wide_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer per fit.

    Parameters
    ----------
    x : (fit, row, input)
    weight, bias : (fit, output, input), (fit, output)

    Returns
    -------
    Tensor of shape (fit, row, output)
    """
    if x.device.type == "cuda" and x.shape[1] <= 16 and x.shape[2] >= 2048 and weight.shape[1] <= 128:
        return _Wide.apply(x, weight) + bias[:, None]
    if x.is_cpu:
        return _Reproducible.apply(x, weight, bias)
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))


class _Reproducible(torch.autograd.Function):
    """On the CPU: the last bits of a fit depend neither on the cores nor on whether it is trained among others.

    BLAS adds up a product that stands alone in another order if it is one of a matrix and a vector, or if there are
    threads to cut it into parts; PyTorch adds up rows in an order that depends on where in memory they are.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight.transpose(1, 2)).add_(bias[:, None])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_x = _product(gradient, weight) if ctx.needs_input_grad[0] else None
        of_weight = _product(gradient.transpose(1, 2), x) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, torch.from_numpy(gradient.numpy().sum(axis=1))


def _product(left: Tensor, right: Tensor) -> Tensor:
    """A batched product; one that stands alone is computed on one thread, and twice if a factor is a vector."""
    n_fits = len(left)
    if 1 in (left.shape[1], right.shape[2]):
        if n_fits == 1:
            left, right = left.expand(2, -1, -1), right.expand(2, -1, -1)
        # How a matrix of one row or column is laid out can be told in two ways, and BLAS listens.
        left, right = (
            factor.clone(memory_format=torch.contiguous_format) if 1 in factor.shape[1:] else factor
            for factor in (left, right)
        )
    if n_fits > 1:
        return torch.bmm(left, right)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return torch.bmm(left, right)[:1]
    finally:
        torch.set_num_threads(threads)


class _Wide(torch.autograd.Function):
    """Few rows and thousands of inputs: a batched product would keep one multiprocessor per fit busy."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _kernels(x).wide_linear(x.contiguous(), weight)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.transpose(1, 2) @ x


def norm_tanh(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """tanh of a layer normalisation per fit.

    Parameters
    ----------
    x : (fit, row, unit)
    weight, bias : (fit, unit)
    """
    if x.device.type == "cuda":
        return _NormTanh.apply(x.contiguous(), weight, bias, eps)
    return normalised(x, weight, bias, eps).tanh()


def normalised(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """A layer normalisation per fit; shapes as for `norm_tanh`."""
    normal = torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps)
    return torch.addcmul(bias[:, None], normal, weight[:, None])


class _NormTanh(torch.autograd.Function):
    """Three kernels instead of a dozen: a step of a stacked network waits for launches as much as for memory."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        active, *statistics = _kernels(x).norm_tanh(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, active, *statistics)
        return active

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *_kernels(gradient).norm_tanh_backward(gradient.contiguous(), *ctx.saved_tensors), None
