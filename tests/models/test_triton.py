"""The kernels for a GPU in Triton's interpreter, on the CPU, against the compiled loops: arithmetic, not speed.

``TRITON_INTERPRET=1 pytest tests/models/test_triton.py`` with ``pip install "triton<3.8"``; skipped otherwise.
"""

import os

import numpy as np
import pytest
import torch

from gi_lib.models import fused_cpu
from gi_lib.models.fused import normalised
from gi_lib.training.optimisers import Adam, RMSprop

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("Triton's interpreter is off: set TRITON_INTERPRET=1.", allow_module_level=True)
pytest.importorskip("triton")

from gi_lib.models import fused_cuda, sparse_cuda
from gi_lib.training import optimisers_cuda
from tests.models.test_fused import encoders, problem, stacked

SIZES = [(2, 3, 40, 17, 50), (1, 2, 33, 5, 7)]
"""Fits, accessions of a batch, genes, types, hidden units."""


@pytest.mark.parametrize("frequency", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("sizes", SIZES)
def test_module_g(sizes, dtype, frequency):
    *shape, hidden = sizes
    batch = problem(*shape, dtype, frequency)
    *parameters, _ = (p.detach() for p in stacked(encoders(shape[0], shape[3], hidden)))
    parameters[-1] = parameters[-1].squeeze(1)
    slopes = torch.randn(shape[0], shape[1], shape[2])
    torch.testing.assert_close(
        fused_cuda.forward(batch, *parameters),
        fused_cpu.forward(batch, *parameters),
        rtol=1e-4,
        atol=1e-5,
    )
    theirs = fused_cpu.backward(batch, slopes, *parameters)
    for mine, expected in zip(fused_cuda.backward(batch, slopes, *parameters), theirs, strict=True):
        assert (mine - expected).norm() <= 1e-4 * expected.norm() + 1e-5
    torch.testing.assert_close(fused_cuda.sum_of_genes(slopes), fused_cpu.sum_of_genes(slopes))


@pytest.mark.parametrize("n_units", [1, 50, 9000])
def test_normalisation_with_tanh(n_units):
    torch.manual_seed(0)
    x, weight, bias = (
        2 * torch.randn(2, 3, n_units) + 1,
        torch.rand(2, n_units) + 0.5,
        torch.randn(2, n_units),
    )
    slopes = torch.randn_like(x)
    plain = [value.clone().requires_grad_() for value in (x, weight, bias)]
    expected = normalised(*plain, 1e-5).tanh()
    expected.backward(slopes)
    active, mean, inverse = fused_cuda.norm_tanh(x, weight, bias, 1e-5)
    torch.testing.assert_close(active, expected, rtol=1e-4, atol=1e-5)
    found = fused_cuda.norm_tanh_backward(slopes, x, weight, active, mean, inverse)
    for mine, parameter in zip(found, plain, strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-3, atol=1e-4)


def test_a_wide_linear_layer():
    torch.manual_seed(0)
    x, weight = torch.randn(2, 10, 2100), torch.randn(2, 36, 2100)
    torch.testing.assert_close(
        fused_cuda.wide_linear(x, weight), x @ weight.transpose(1, 2), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("longest", [0, 3, 700])
def test_sums_along_edges(longest, batch):
    """The number of edges of a bag is 0 to 8, and that of one as asked for: nothing, a few, more than two pieces."""
    torch.manual_seed(0)
    length = torch.randint(0, 9, (40,))
    length[17] = longest
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), length.cumsum(0)])
    rows, bag = torch.randint(0, 50, (int(starts[-1]),)), torch.arange(40).repeat_interleave(length)
    table, weight = torch.randn(50, batch), torch.randn(len(rows))
    cut = sparse_cuda.pieces(starts)
    assert (cut is None) == (longest < 700)
    expected = torch.zeros(40, batch).index_add(0, bag, table[rows] * weight[:, None])
    torch.testing.assert_close(
        sparse_cuda.bags(rows, table, starts, weight, cut), expected, rtol=1e-4, atol=1e-4
    )
    other = torch.randn(40, batch)
    torch.testing.assert_close(
        sparse_cuda.edge_products(table, other, rows, bag),
        (table[rows] * other[bag]).sum(1),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize("kind", [RMSprop, Adam])
def test_optimisers(kind, l1):
    """Five steps; the second fit sits the third out."""
    torch.manual_seed(0)
    start, rates = torch.randn(2, 1500), torch.tensor([0.01, 0.002])
    weights = torch.nn.Parameter(start.clone())
    plain = kind([weights], rates.clone(), weight_decay=0.02, l1=l1)
    update = getattr(optimisers_cuda, kind.__name__.lower())
    parameter, moments = start.clone(), [torch.zeros_like(start) for _ in range(kind.n_moments)]
    n_steps = torch.zeros(2)
    for step in range(5):
        active = torch.tensor([1.0, float(step != 2)])
        gradient = torch.randn(2, 1500)
        weights.grad = gradient.clone()
        plain.step(active)
        n_steps += active
        update(rates, active, n_steps, 0.02, l1, parameter, gradient, *moments)
    assert (parameter - start).abs().mean(dim=1).min() > 1e-4
    torch.testing.assert_close(parameter, weights.detach(), rtol=1e-4, atol=1e-6)
