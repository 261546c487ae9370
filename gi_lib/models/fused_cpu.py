"""The kernels of `gi_lib.models.fused` for the CPU, compiled by Numba.

Some hundred genes at a time, a block. Its hidden units stand in an array (hidden, WIDTH) that fits the first cache, and
every loop runs along genes from end to end, so that processors compute several at once.

No sum depends on how many threads, fits or blocks there are: a block is summed on its own, blocks one after the other.
"""

import numba
import numpy as np
import torch
from numba import njit, prange
from numpy.polynomial import Polynomial
from torch import Tensor, from_numpy

WIDTH = 128
"""Genes of a block: 128 genes × 50 units × 4 bytes is 26 kB."""
LANES = 16
"""Partial sums of a sum along genes, of which a processor computes as many at once as it can."""


def forward(batch, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, out_weight: Tensor) -> Tensor:
    """Values of genes without the last bias, (fit, batch, gene)."""
    genes = np.empty((*batch.sample.shape, batch.counts.shape[1]), np.float32)
    _forward(*_arrays(batch, weight, bias, gamma, beta, out_weight), genes.reshape(len(genes), -1))
    return from_numpy(genes)


def backward(batch, gradient: Tensor, weight: Tensor, bias, gamma, beta, out_weight) -> tuple[Tensor, ...]:
    """Gradients of weight, bias, gamma, beta and out_weight."""
    of_genes = gradient.flatten(1).numpy()
    (n_fits, n_items), (hidden, n_types) = of_genes.shape, weight.shape[1:]
    n_blocks = -(-n_items // WIDTH)
    of_folded = np.empty((n_fits, n_blocks, hidden, n_types + 1), np.float32)
    of_vectors = np.empty((n_fits, n_blocks, 3, hidden), np.float32)
    _backward(*_arrays(batch, weight, bias, gamma, beta, out_weight), of_genes, of_folded, of_vectors)
    # Along a dimension that is not the last, NumPy adds one by one.
    gradients = *_unfold(batch, of_folded.sum(axis=1)), *of_vectors.sum(axis=1).swapaxes(0, 1)
    return tuple(from_numpy(np.ascontiguousarray(gradient)) for gradient in gradients)


def sum_of_genes(gradient: Tensor) -> Tensor:
    """Sum of (fit, batch, gene) over the genes of each fit, (fit, 1), in one order whatever zeros follow the last."""
    flat = gradient.flatten(1).numpy()
    blocks = np.pad(flat, ((0, 0), (0, -flat.shape[1] % WIDTH))).reshape(len(flat), -1, WIDTH)
    return from_numpy(blocks.sum(axis=1).sum(axis=1, keepdims=True))


def _arrays(batch, weight: Tensor, bias: Tensor, *vectors: Tensor) -> tuple[np.ndarray | bool, ...]:
    """What both kernels read."""
    # As many threads as PyTorch has: beside other work both must know that there is one core.
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
    weight, bias, *vectors = (tensor.detach().numpy() for tensor in (weight, bias, *vectors))
    counts, sample, mean, scale = (tensor.numpy() for tensor in batch[:4])
    return counts, sample, batch.frequency, _fold(batch.frequency, mean, scale, weight, bias), *vectors


def _fold(frequency: bool, mean, scale, weight, bias) -> np.ndarray:
    """The first layer with the scaling and the mean over the units folded in, (fit, hidden, variant_type + 1).

    The last column is c, to be multiplied with one.
    """
    if not frequency:
        weight = weight / scale[:, None]
        bias = bias - (weight @ mean[:, :, None])[:, :, 0]
    folded = np.concatenate([weight, bias[:, :, None]], axis=2)
    return folded - folded.mean(axis=1, keepdims=True)


def _unfold(batch, of_folded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From the gradient of the folded layer to those of weight and bias as they are written."""
    of_folded = of_folded - of_folded.mean(axis=1, keepdims=True)
    of_weight, of_bias = of_folded[:, :, :-1], of_folded[:, :, -1]
    if not batch.frequency:
        mean, scale = batch.mean.numpy(), batch.scale.numpy()
        of_weight = (of_weight - of_bias[:, :, None] * mean[:, None]) / scale[:, None]
    return of_weight, of_bias


_fast = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "nogil": True, "cache": True}
"""Sums are never reordered by the compiler: it would do so or not depending on where in memory the arrays are."""


def _lambert(n: int) -> tuple[tuple[np.float32, ...], tuple[np.float32, ...]]:
    """tanh x as x P(x²) / Q(x²): Lambert's continued fraction x / (1 + x² / (3 + x² / (5 + ...))) cut after n terms."""
    square, below, above = Polynomial([0, 1]), Polynomial([1]), Polynomial([2 * n - 1])
    for odd in range(2 * n - 3, 0, -2):
        below, above = above, odd * above + square * below
    return tuple(tuple(np.float32(c / above.coef[0]) for c in p.coef) for p in (below, above))


P, Q = _lambert(12)
LIMIT = np.float32(8.5)
"""Where tanh is one, to within 1e-7."""


@njit(inline="always", **_fast)
def _tanh(x):
    """Within 5e-7 of tanh; unlike the library's, it can be computed for several numbers at once."""
    x = min(max(x, -LIMIT), LIMIT)
    s = x * x
    above = ((((P[5] * s + P[4]) * s + P[3]) * s + P[2]) * s + P[1]) * s + P[0]
    below = (((((Q[6] * s + Q[5]) * s + Q[4]) * s + Q[3]) * s + Q[2]) * s + Q[1]) * s + Q[0]
    return x * above / below


@njit(inline="always", **_fast)
def _read(counts, sample, frequency, begin, rows):
    """Counts of the genes of a block (WIDTH, variant_type + 1), each followed by a one; zeros after the last gene."""
    n_genes, n_types = counts.shape[1:]
    n_items = len(sample) * n_genes
    row, gene = begin // n_genes, begin % n_genes
    for i in range(WIDTH):
        if begin + i < n_items:
            accession = sample[row]
            total = np.float32(0)
            for kind in range(n_types):
                rows[i, kind] = counts[accession, gene, kind]
                total += rows[i, kind]
            if frequency:
                for kind in range(n_types):
                    rows[i, kind] /= max(total, np.float32(1))
            gene += 1
            if gene == n_genes:
                row, gene = row + 1, 0
        else:
            rows[i] = 0
        rows[i, n_types] = 1


@njit(inline="always", **_fast)
def _inverse_spread(units, inverse):
    """One over the standard deviation of the units of each gene; their mean is zero."""
    hidden = np.float32(len(units))
    inverse[:] = 0
    for unit in units:
        for i in range(WIDTH):
            inverse[i] += unit[i] * unit[i]
    for i in range(WIDTH):
        inverse[i] = np.float32(1) / np.sqrt(inverse[i] / hidden + np.float32(1e-5))


@njit(parallel=True, **_fast)
def _forward(counts, sample, frequency, folded, gamma, beta, out, genes):
    n_fits, n_items = genes.shape
    hidden, n_columns = folded.shape[1:]
    n_blocks = (n_items + WIDTH - 1) // WIDTH
    for task in prange(n_fits * n_blocks):
        fit, begin = task // n_blocks, task % n_blocks * WIDTH
        rows, units = np.empty((WIDTH, n_columns), np.float32), np.empty((hidden, WIDTH), np.float32)
        inverse, value = np.empty(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
        _read(counts, sample[fit], frequency, begin, rows)
        np.dot(folded[fit], rows.T, units)
        _inverse_spread(units, inverse)
        for unit in range(hidden):
            g, b, w, u = gamma[fit, unit], beta[fit, unit], out[fit, unit], units[unit]
            for i in range(WIDTH):
                value[i] += w * _tanh(u[i] * inverse[i] * g + b)
        for i in range(min(WIDTH, n_items - begin)):
            genes[fit, begin + i] = value[i]


@njit(parallel=True, **_fast)
def _backward(counts, sample, frequency, folded, gamma, beta, out, of_genes, of_folded, of_vectors):
    n_fits, n_items = of_genes.shape
    hidden, n_columns = folded.shape[1:]
    n_blocks = (n_items + WIDTH - 1) // WIDTH
    for task in prange(n_fits * n_blocks):
        fit, block = task // n_blocks, task % n_blocks
        begin = block * WIDTH
        rows, units = np.empty((WIDTH, n_columns), np.float32), np.empty((hidden, WIDTH), np.float32)
        of_normal, lanes = np.empty((hidden, WIDTH), np.float32), np.empty((3, LANES), np.float32)
        inverse, mean, of_gene = (
            np.empty(WIDTH, np.float32),
            np.zeros(WIDTH, np.float32),
            np.zeros(WIDTH, np.float32),
        )
        _read(counts, sample[fit], frequency, begin, rows)
        np.dot(folded[fit], rows.T, units)
        _inverse_spread(units, inverse)
        for i in range(min(WIDTH, n_items - begin)):
            of_gene[i] = of_genes[fit, begin + i]
        for unit in range(hidden):
            g, b, w, u, v = gamma[fit, unit], beta[fit, unit], out[fit, unit], units[unit], of_normal[unit]
            of_g, of_b, of_w = lanes
            lanes[:] = 0
            for first in range(0, WIDTH, LANES):
                for lane in range(LANES):
                    i = first + lane
                    normal = u[i] * inverse[i]
                    t = _tanh(normal * g + b)
                    of_z = of_gene[i] * w * (np.float32(1) - t * t)
                    of_w[lane] += of_gene[i] * t
                    of_b[lane] += of_z
                    of_g[lane] += of_z * normal
                    u[i] = normal
                    v[i] = of_z * g
                    mean[i] += v[i] * normal
            for vector in range(3):
                total = np.float32(0)
                for lane in range(LANES):
                    total += lanes[vector, lane]
                of_vectors[fit, block, vector, unit] = total
        for i in range(WIDTH):
            mean[i] /= np.float32(hidden)
        for unit in range(hidden):
            u, v = units[unit], of_normal[unit]
            for i in range(WIDTH):
                u[i] = inverse[i] * (v[i] - u[i] * mean[i])
        np.dot(units, rows, of_folded[fit, block])
