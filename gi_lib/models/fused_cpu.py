"""The kernels of `gi_lib.models.fused` for the CPU, compiled by Numba.

Some genes at a time, so few that all their hidden units fit the first cache. What is computed for a block stands in
flat arrays (hidden, GENES), and most loops run along one of them from end to end: so processors compute several numbers
at once, and no time is lost in entering short loops. Types of variants that a gene does not have are skipped, and most
genes have few.
"""

import numba
import numpy as np
import torch
from numba import njit, prange
from numpy.polynomial import Polynomial
from torch import Tensor, from_numpy

GENES = 16
"""Genes of a block: 16 genes × 50 units × 4 bytes is 3 kB, and ten such arrays are in use."""
CHUNKS = 8
"""Parts of the work that are summed on their own; not the number of threads, so that it changes no result."""


def forward(batch, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, out_weight: Tensor) -> Tensor:
    """Values of genes without the last bias, (fit, batch, gene)."""
    counts, sample = batch.counts.numpy(), batch.sample.numpy()
    genes = np.empty((*sample.shape, counts.shape[1]), np.float32)
    weight, bias = _fold(batch, weight, bias)
    parameters = weight, *(_repeated(vector) for vector in (bias, gamma, beta, out_weight))
    _share_threads()
    _forward(counts, sample, batch.frequency, gamma.shape[1], *parameters, genes.reshape(len(genes), -1))
    return from_numpy(genes)


def backward(batch, gradient: Tensor, weight: Tensor, bias, gamma, beta, out_weight) -> tuple[Tensor, ...]:
    """Gradients of weight, bias, gamma, beta and out_weight, each summed in a fixed order."""
    counts, sample = batch.counts.numpy(), batch.sample.numpy()
    n_fits, hidden = gamma.shape
    n_types = counts.shape[2]
    weight, bias = _fold(batch, weight, bias)
    parameters = weight, *(_repeated(vector) for vector in (bias, gamma, beta, out_weight))
    parts = np.zeros((n_fits, CHUNKS, n_types + 4, hidden), np.float32)
    _share_threads()
    _backward(counts, sample, batch.frequency, hidden, *parameters, gradient.flatten(1).numpy(), parts)
    total = from_numpy(parts.sum(1))
    return *_unfold(batch, total[:, :n_types], total[:, n_types]), *total[:, -3:].unbind(1)


def _share_threads() -> None:
    """As many threads as PyTorch has: beside other work both must know that there is one core."""
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))


def _repeated(vector: Tensor) -> np.ndarray:
    """A vector (fit, hidden) with every number once for each gene of a block."""
    return vector.detach().repeat_interleave(GENES, dim=1).numpy()


def _fold(batch, weight: Tensor, bias: Tensor) -> tuple[np.ndarray, Tensor]:
    """The first layer (fit, variant_type, hidden) with the scaling and the mean over the units folded in, and its c."""
    if not batch.frequency:
        weight = weight / batch.scale[:, None]
        bias = bias - torch.einsum("fht,ft->fh", weight, batch.mean)
    weight = (weight - weight.mean(1, keepdim=True)).transpose(1, 2)
    return weight.detach().contiguous().numpy(), bias - bias.mean(1, keepdim=True)


def _unfold(batch, of_weight: Tensor, of_bias: Tensor) -> tuple[Tensor, Tensor]:
    """From the gradients of the folded layer to those of the layer as it is written."""
    of_weight = (of_weight - of_weight.mean(2, keepdim=True)).transpose(1, 2)  # (fit, hidden, variant_type)
    of_bias = of_bias - of_bias.mean(1, keepdim=True)
    if not batch.frequency:
        of_weight = (of_weight - of_bias[:, :, None] * batch.mean[:, None]) / batch.scale[:, None]
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
def _fold_units(values, hidden):
    """Sum over the units of (hidden, GENES), flat, into the first GENES; overwrites the rest."""
    rows = np.uint64(hidden)
    while rows > 1:
        upper = (rows + np.uint64(1)) // np.uint64(2)
        shift = upper * np.uint64(GENES)
        for i in range((rows - upper) * np.uint64(GENES)):
            values[i] += values[i + shift]
        rows = upper


@njit(inline="always", **_fast)
def _spread(values, hidden):
    """The first GENES of (hidden, GENES), flat, repeated for all units."""
    rows = np.uint64(1)
    while rows < hidden:
        shift = rows * np.uint64(GENES)
        for i in range(min(rows, np.uint64(hidden) - rows) * np.uint64(GENES)):
            values[i + shift] = values[i]
        rows += min(rows, np.uint64(hidden) - rows)


@njit(inline="always", **_fast)
def _units(
    counts, sample, fit, first, here, frequency, hidden, w, c, gamma, beta, line, share, inverse, u, t
):
    """Normalised units and activations of the genes from the first one on, and what they were multiplied with."""
    n = np.uint64(hidden * GENES)
    n_genes, n_types = counts.shape[1:]
    row, gene = first // n_genes, first % n_genes
    for i in range(here):
        total = np.float32(0)
        for unit in range(hidden):
            line[unit] = 0
        for kind in range(n_types):
            if counts[sample[fit, row], gene, kind] != 0:
                count = np.float32(counts[sample[fit, row], gene, kind])
                total += count
                for unit in range(hidden):
                    line[unit] += count * w[fit, kind, unit]
        for unit in range(hidden):
            u[unit * GENES + i] = line[unit]
        share[i] = np.float32(1) / max(total, np.float32(1)) if frequency else np.float32(1)
        gene += 1
        if gene == n_genes:
            row, gene = row + 1, 0
    if frequency:
        _spread(share, hidden)
        for i in range(n):
            u[i] *= share[i]
    for i in range(n):
        u[i] += c[fit, i]
        inverse[i] = u[i] * u[i]
    _fold_units(inverse, hidden)
    for i in range(GENES):
        inverse[i] = np.float32(1) / np.sqrt(inverse[i] / np.float32(hidden) + np.float32(1e-5))
    _spread(inverse, hidden)
    for i in range(n):
        u[i] *= inverse[i]
        t[i] = _tanh(u[i] * gamma[fit, i] + beta[fit, i])


@njit(parallel=True, **_fast)
def _forward(counts, sample, frequency, hidden, w, c, gamma, beta, out, genes):
    n_fits, n_items = genes.shape
    n = np.uint64(hidden * GENES)
    size = (n_items + CHUNKS - 1) // CHUNKS
    for task in prange(n_fits * CHUNKS):
        fit, begin = task // CHUNKS, (task % CHUNKS) * size
        line, share, inverse = np.empty(hidden, np.float32), np.ones(n, np.float32), np.empty(n, np.float32)
        u, t = np.zeros(n, np.float32), np.empty(n, np.float32)
        end = min(begin + size, n_items)
        for first in range(begin, end, GENES):
            here = min(GENES, end - first)
            _units(
                counts,
                sample,
                fit,
                first,
                here,
                frequency,
                hidden,
                w,
                c,
                gamma,
                beta,
                line,
                share,
                inverse,
                u,
                t,
            )
            for i in range(n):
                t[i] *= out[fit, i]
            _fold_units(t, hidden)
            for i in range(here):
                genes[fit, first + i] = t[i]


@njit(parallel=True, **_fast)
def _backward(counts, sample, frequency, hidden, w, c, gamma, beta, out, gradient, parts):
    n_fits, n_items = gradient.shape
    n_genes, n_types = counts.shape[1:]
    n = np.uint64(hidden * GENES)
    size = (n_items + CHUNKS - 1) // CHUNKS
    for task in prange(n_fits * CHUNKS):
        fit, chunk = task // CHUNKS, task % CHUNKS
        begin = chunk * size
        line, share, inverse = np.empty(hidden, np.float32), np.ones(n, np.float32), np.empty(n, np.float32)
        u, t, v = np.zeros(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        of_gene = np.zeros(n, np.float32)
        of_c, of_gamma, of_beta, of_out = (
            np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32),
        )  # fmt: skip
        end = min(begin + size, n_items)
        for first in range(begin, end, GENES):
            here = min(GENES, end - first)
            _units(
                counts,
                sample,
                fit,
                first,
                here,
                frequency,
                hidden,
                w,
                c,
                gamma,
                beta,
                line,
                share,
                inverse,
                u,
                t,
            )
            for i in range(GENES):
                of_gene[i] = gradient[fit, first + i] if i < here else np.float32(0)
            _spread(of_gene, hidden)
            for i in range(n):
                of_out[i] += of_gene[i] * t[i]
                of_z = of_gene[i] * out[fit, i] * (np.float32(1) - t[i] * t[i])
                of_beta[i] += of_z
                of_gamma[i] += of_z * u[i]
                t[i] = of_z * gamma[fit, i]
                v[i] = t[i] * u[i]
            _fold_units(v, hidden)
            for i in range(GENES):
                v[i] /= np.float32(hidden)
            _spread(v, hidden)
            for i in range(n):
                t[i] = inverse[i] * (t[i] - u[i] * v[i])
                of_c[i] += t[i]
            row, gene = first // n_genes, first % n_genes
            for i in range(here):
                for unit in range(hidden):
                    line[unit] = t[unit * GENES + i]
                for kind in range(n_types):
                    if counts[sample[fit, row], gene, kind] != 0:
                        count = np.float32(counts[sample[fit, row], gene, kind]) * share[i]
                        for unit in range(hidden):
                            parts[fit, chunk, kind, unit] += count * line[unit]
                gene += 1
                if gene == n_genes:
                    row, gene = row + 1, 0
        for unit in range(hidden):
            for i in range(unit * GENES, (unit + 1) * GENES):
                parts[fit, chunk, n_types, unit] += of_c[i]
                parts[fit, chunk, n_types + 1, unit] += of_gamma[i]
                parts[fit, chunk, n_types + 2, unit] += of_beta[i]
                parts[fit, chunk, n_types + 3, unit] += of_out[i]
