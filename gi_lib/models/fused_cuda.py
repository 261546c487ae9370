"""The kernels of `gi_lib.models.fused` for a GPU, in Triton.

A tile is some genes of one accession by all hidden units. It lives in registers from the counts to the value of the
gene. Counts of one byte are exact in bfloat16, so a product with them is as precise as the parts into which the other
factor is split: three for the weights (float32 in full), two for the gradients (16 bits, and then sums over thousands
of genes). Larger counts, and numbers that somebody has scaled already, take three products in TF32.

The bias of the first layer rides on a variant type of its own that every gene has once, and so does its gradient.
Backward adds up over genes what forward adds up over units. Sums within a thread are cheap and sums between threads are
not, so there the tile lies on its side.
"""

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

FORWARD = {"GENES": 64, "num_warps": 4}
BACKWARD = {"GENES": 16, "num_warps": 1}
"""Genes of a tile, and warps that share one: the fastest of those tried on an H100."""
EXACT = os.environ.get("TRITON_INTERPRET") != "1"
"""Triton's interpreter multiplies no bfloat16."""
INPUTS = 64
"""Inputs of a tile of a wide linear layer."""
PROGRAMS = 1056
"""Programs that share the tiles: eight for each multiprocessor of an H100."""


def forward(batch, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, out_weight: Tensor) -> Tensor:
    """Values of genes without the last bias, (fit, batch, gene)."""
    n_fits, n_batch = batch.sample.shape
    n_genes = batch.counts.shape[1]
    genes = torch.empty((n_fits, n_batch, n_genes), device=weight.device)
    n_programs, n_tiles = _shares(batch, FORWARD["GENES"])
    _forward[(n_programs, n_fits)](
        batch.counts, batch.sample, batch.mean, batch.scale, weight, bias, gamma, beta, out_weight, genes,
        n_genes, n_batch, n_tiles, EXACT=_exact(batch), **_sizes(batch, weight), **FORWARD,
    )  # fmt: skip
    return genes


def backward(batch, gradient: Tensor, weight: Tensor, bias, gamma, beta, out_weight) -> tuple[Tensor, ...]:
    """Gradients of weight, bias, gamma, beta and out_weight, each summed in a fixed order."""
    n_fits, n_batch = batch.sample.shape
    n_genes = batch.counts.shape[1]
    sizes, (n_programs, n_tiles) = _sizes(batch, weight), _shares(batch, BACKWARD["GENES"])
    parts = torch.empty((n_fits, n_programs, sizes["TYPES"] + 4, sizes["UNITS"]), device=weight.device)
    _backward[(n_programs, n_fits)](
        batch.counts, batch.sample, batch.mean, batch.scale, weight, bias, gamma, beta, out_weight, gradient, parts,
        n_genes, n_batch, n_tiles, EXACT=_exact(batch), **sizes, **BACKWARD,
    )  # fmt: skip
    total = parts.sum(1)
    gradients = tuple(torch.empty_like(parameter) for parameter in (weight, bias, gamma, beta, out_weight))
    _unfold[(n_fits,)](batch.mean, batch.scale, total, *gradients, **sizes)
    return gradients


def sum_of_genes(gradient: Tensor) -> Tensor:
    """Sum of (fit, batch, gene) over the genes of each fit, (fit, 1)."""
    return gradient.flatten(1).sum(1, keepdim=True)


def _shares(batch, genes: int) -> tuple[int, int]:
    """Programs for each fit, and how many tiles of so many genes each takes."""
    n_fits, n_batch = batch.sample.shape
    tiles = n_batch * triton.cdiv(batch.counts.shape[1], genes)
    n_programs = max(1, min(PROGRAMS // n_fits, tiles))
    return n_programs, triton.cdiv(tiles, n_programs)


def _exact(batch) -> bool:
    return EXACT and batch.counts.dtype == torch.uint8


def _sizes(batch, weight: Tensor) -> dict:
    hidden, n_types = weight.shape[1:]
    units, types = (max(16, triton.next_power_of_2(n)) for n in (hidden, n_types + 1))
    return {
        "N_TYPES": n_types, "HIDDEN": hidden, "FREQUENCY": batch.frequency, "TYPES": types, "UNITS": units
    }  # fmt: skip


def wide_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Products of x (fit, row, input) and weight (fit, output, input), the inputs shared out among many programs."""
    (n_fits, n_rows, n_inputs), n_outputs = x.shape, weight.shape[1]
    n_parts = max(1, min(PROGRAMS // n_fits, triton.cdiv(n_inputs, INPUTS)))
    rows, outputs = (max(16, triton.next_power_of_2(n)) for n in (n_rows, n_outputs))
    parts = torch.empty((n_fits, n_parts, rows, outputs), device=x.device)
    _wide[(n_parts, n_fits)](
        x, weight, parts, n_rows, n_inputs, n_outputs, triton.cdiv(triton.cdiv(n_inputs, INPUTS), n_parts),
        INPUTS=INPUTS, ROWS=rows, OUTPUTS=outputs, num_warps=4,
    )  # fmt: skip
    return parts.sum(1)[:, :n_rows, :n_outputs]


def norm_tanh(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """tanh of the layer normalisation of x (fit, row, unit); also means and inverse deviations, (fit, row)."""
    n_fits, n_rows, n_units = x.shape
    active = torch.empty_like(x)
    mean, inverse = (torch.empty((n_fits, n_rows), device=x.device) for _ in range(2))
    _norm_tanh[(n_rows, n_fits)](
        x, weight, bias, active, mean, inverse, n_rows, n_units, eps, **_blocks(n_units)
    )  # fmt: skip
    return active, mean, inverse


def norm_tanh_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, active, mean, inverse
) -> tuple[Tensor, ...]:
    """Gradients of x, weight and bias."""
    n_fits, n_rows, n_units = x.shape
    of_x, of_weight, of_bias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
    _norm_tanh_backward[(n_rows, n_fits)](
        gradient, x, weight, active, mean, inverse, of_x, n_rows, n_units, **_blocks(n_units)
    )  # fmt: skip
    block = min(256, triton.next_power_of_2(n_units))
    _norm_tanh_parameters[(triton.cdiv(n_units, block), n_fits)](
        gradient, x, active, mean, inverse, of_weight, of_bias, n_rows, n_units, BLOCK=block, num_warps=2
    )  # fmt: skip
    return of_x, of_weight, of_bias


def _blocks(n_units: int) -> dict:
    block = min(8192, triton.next_power_of_2(n_units))
    return {"BLOCK": block, "BLOCKS": triton.cdiv(n_units, block), "num_warps": max(1, min(16, block // 256))}


@triton.jit
def _tile(
    counts, accession, first, n_genes, N_TYPES: tl.constexpr, FREQUENCY: tl.constexpr, GENES: tl.constexpr,
    TYPES: tl.constexpr,
):  # fmt: skip
    """Counts of some genes of an accession, (GENES, TYPES), zero outside, and a type that every gene has once."""
    gene = first + tl.arange(0, GENES)
    kind = tl.arange(0, TYPES)
    place = (accession * n_genes + gene[:, None]) * N_TYPES + kind[None, :]
    inside = (gene[:, None] < n_genes) & (kind[None, :] < N_TYPES)
    x = tl.load(counts + place, mask=inside, other=0).to(tl.float32)
    return x if FREQUENCY else tl.where(kind[None, :] == N_TYPES, 1.0, x)


@triton.jit
def _folded(
    weight, bias, mean, scale, fit,
    N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    """The first layer with the scaling of the counts and the mean over the units folded in: weights and bias.

    The bias is among the weights too, as that of the type that every gene has once. Frequencies have none: what divides
    the counts of a gene must not divide the bias.
    """
    kind, unit = tl.arange(0, TYPES), tl.arange(0, UNITS)
    real, exists = unit < HIDDEN, kind < N_TYPES
    place = (fit * HIDDEN + unit[None, :]) * N_TYPES + kind[:, None]
    w = tl.load(weight + place, mask=exists[:, None] & real[None, :], other=0.0)
    c = tl.load(bias + fit * HIDDEN + unit, mask=real, other=0.0)
    if not FREQUENCY:
        w = w / tl.load(scale + fit * N_TYPES + kind, mask=exists, other=1.0)[:, None]
        c -= tl.sum(w * tl.load(mean + fit * N_TYPES + kind, mask=exists, other=0.0)[:, None], 0)
    w = tl.where(real[None, :], w - (tl.sum(w, 1) / HIDDEN)[:, None], 0.0)
    c = tl.where(real, c - tl.sum(c, 0) / HIDDEN, 0.0)
    if not FREQUENCY:
        w = tl.where(kind[:, None] == N_TYPES, c[None, :], w)
    return w, c


@triton.jit
def _vectors(gamma, beta, out_weight, fit, HIDDEN: tl.constexpr, UNITS: tl.constexpr):
    """Scale and shift below the tanh, and weights above it, zero outside."""
    unit = tl.arange(0, UNITS)
    place, real = fit * HIDDEN + unit, unit < HIDDEN
    g = tl.load(gamma + place, mask=real, other=0.0)
    b = tl.load(beta + place, mask=real, other=0.0)
    return g, b, tl.load(out_weight + place, mask=real, other=0.0)


@triton.jit
def _three(w):
    """Parts in bfloat16 whose sum is w."""
    high = w.to(tl.bfloat16)
    rest = w - high.to(tl.float32)
    middle = rest.to(tl.bfloat16)
    return high, middle, (rest - middle.to(tl.float32)).to(tl.bfloat16)


TWICE_LOG2E = tl.constexpr(2.8853900817779268)
"""exp(2 z) = 2 ** (2 z log2(e)); the factor is multiplied into scale and shift once, not into every unit."""


@triton.jit(do_not_specialize=["n_batch", "n_tiles"])
def _forward(
    counts, sample, mean, scale, weight, bias, gamma, beta, out_weight, genes, n_genes, n_batch, n_tiles,
    N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, EXACT: tl.constexpr,
    GENES: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    program, fit = tl.program_id(0), tl.program_id(1)
    w, c = _folded(weight, bias, mean, scale, fit, N_TYPES, HIDDEN, FREQUENCY, TYPES, UNITS)
    high, middle, low = _three(w)
    g, b, out = _vectors(gamma, beta, out_weight, fit, HIDDEN, UNITS)
    steep, shift, total = g * TWICE_LOG2E, b * TWICE_LOG2E, tl.sum(out, 0)
    tiles = tl.cdiv(n_genes, GENES)
    for step in range(n_tiles):
        tile = program + step * tl.num_programs(0)
        row, first = tile // tiles, (tile % tiles) * GENES
        exists = row < n_batch
        accession = tl.load(sample + fit * n_batch + row, mask=exists, other=0)
        x = _tile(counts, accession, first, n_genes, N_TYPES, FREQUENCY, GENES, TYPES)
        if EXACT:
            short = x.to(tl.bfloat16)
            u = tl.dot(short, high, tl.dot(short, middle, tl.dot(short, low)))
        else:
            u = tl.dot(x, w, input_precision="tf32x3")
        if FREQUENCY:
            u = u / tl.maximum(tl.sum(x, 1), 1.0)[:, None] + c[None, :]
        inverse = tl.rsqrt(tl.sum(u * u, 1) / HIDDEN + 1e-5)
        power = tl.exp2(u * inverse[:, None] * steep[None, :] + shift[None, :])
        value = total - 2.0 * tl.sum(out[None, :] / (1.0 + power), 1)  # tanh z = 1 - 2 / (1 + exp(2 z))
        gene = first + tl.arange(0, GENES)
        place = (fit * n_batch + row) * n_genes + gene
        tl.store(genes + place, value, mask=exists & (gene < n_genes))


@triton.jit(do_not_specialize=["n_batch", "n_tiles"])
def _backward(
    counts, sample, mean, scale, weight, bias, gamma, beta, out_weight, gradient, parts, n_genes, n_batch, n_tiles,
    N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, EXACT: tl.constexpr,
    GENES: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    program, fit = tl.program_id(0), tl.program_id(1)
    n_programs = tl.num_programs(0)
    unit, kind = tl.arange(0, UNITS), tl.arange(0, TYPES)
    w, c = _folded(weight, bias, mean, scale, fit, N_TYPES, HIDDEN, FREQUENCY, TYPES, UNITS)
    w = tl.trans(w)  # (UNITS, TYPES), and all tiles (UNITS, GENES)
    high, middle, low = _three(w)
    g, b, out = _vectors(gamma, beta, out_weight, fit, HIDDEN, UNITS)
    steep, shift, through = g * TWICE_LOG2E, b * TWICE_LOG2E, g * out
    of_w = tl.zeros((UNITS, TYPES), tl.float32)
    of_c = tl.zeros((UNITS,), tl.float32)
    of_g = tl.zeros((UNITS,), tl.float32)
    of_b = tl.zeros((UNITS,), tl.float32)
    of_out = tl.zeros((UNITS,), tl.float32)
    tiles = tl.cdiv(n_genes, GENES)
    for step in range(n_tiles):
        tile = program + step * n_programs
        row, first = tile // tiles, (tile % tiles) * GENES
        exists = row < n_batch
        accession = tl.load(sample + fit * n_batch + row, mask=exists, other=0)
        x = _tile(counts, accession, first, n_genes, N_TYPES, FREQUENCY, GENES, TYPES)
        gene = first + tl.arange(0, GENES)
        place = (fit * n_batch + row) * n_genes + gene
        of_gene = tl.load(gradient + place, mask=exists & (gene < n_genes), other=0.0)
        if EXACT:
            short = x.to(tl.bfloat16)
            turned = tl.trans(short)
            u = tl.dot(high, turned, tl.dot(middle, turned, tl.dot(low, turned)))
        else:
            u = tl.dot(w, tl.trans(x), input_precision="tf32x3")
        if FREQUENCY:
            share = 1.0 / tl.maximum(tl.sum(x, 1), 1.0)
            u = u * share[None, :] + c[:, None]
        inverse = tl.rsqrt(tl.sum(u * u, 0) / HIDDEN + 1e-5)
        u = u * inverse[None, :]
        t = 1.0 - 2.0 / (1.0 + tl.exp2(u * steep[:, None] + shift[:, None]))
        slope = of_gene[None, :] * (1.0 - t * t)  # below the tanh, but for the weight above it
        tilt = slope * u
        of_out += tl.sum(of_gene[None, :] * t, 1)
        of_b += tl.sum(slope, 1)
        of_g += tl.sum(tilt, 1)
        lean = tl.sum(tilt * through[:, None], 0) / HIDDEN
        of_u = inverse[None, :] * (slope * through[:, None] - u * lean[None, :])
        if FREQUENCY:
            of_c += tl.sum(of_u, 1)
            of_u = of_u * share[None, :]
        if EXACT:
            upper = of_u.to(tl.bfloat16)
            of_w = tl.dot(upper, short, of_w)
            of_w = tl.dot((of_u - upper.to(tl.float32)).to(tl.bfloat16), short, of_w)
        else:
            of_w += tl.dot(of_u, x, input_precision="tf32x3")
    if not FREQUENCY:
        of_c = tl.sum(tl.where(kind[None, :] == N_TYPES, of_w, 0.0), 1)
    place = (fit * n_programs + program) * (TYPES + 4) * UNITS
    tl.store(parts + place + kind[None, :] * UNITS + unit[:, None], of_w)
    place += TYPES * UNITS
    tl.store(parts + place + unit, of_c)
    tl.store(parts + place + UNITS + unit, of_g * out)
    tl.store(parts + place + 2 * UNITS + unit, of_b * out)
    tl.store(parts + place + 3 * UNITS + unit, of_out)


@triton.jit
def _unfold(
    mean, scale, total, of_weight, of_bias, of_gamma, of_beta, of_out,
    N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    """From the gradients of the folded layer to those of the layer as it is written."""
    fit = tl.program_id(0)
    kind, unit = tl.arange(0, TYPES), tl.arange(0, UNITS)
    real, exists = unit < HIDDEN, kind < N_TYPES
    total += fit * (TYPES + 4) * UNITS
    w = tl.load(total + kind[:, None] * UNITS + unit[None, :])
    total += TYPES * UNITS
    c = tl.load(total + unit)
    w = w - (tl.sum(w, 1) / HIDDEN)[:, None]
    c = c - tl.sum(c, 0) / HIDDEN
    if not FREQUENCY:
        w -= c[None, :] * tl.load(mean + fit * N_TYPES + kind, mask=exists, other=0.0)[:, None]
        w = w / tl.load(scale + fit * N_TYPES + kind, mask=exists, other=1.0)[:, None]
    place = (fit * HIDDEN + unit[None, :]) * N_TYPES + kind[:, None]
    tl.store(of_weight + place, w, mask=exists[:, None] & real[None, :])
    tl.store(of_bias + fit * HIDDEN + unit, c, mask=real)
    tl.store(of_gamma + fit * HIDDEN + unit, tl.load(total + UNITS + unit), mask=real)
    tl.store(of_beta + fit * HIDDEN + unit, tl.load(total + 2 * UNITS + unit), mask=real)
    tl.store(of_out + fit * HIDDEN + unit, tl.load(total + 3 * UNITS + unit), mask=real)


@triton.jit(do_not_specialize=["n_rows", "n_steps"])
def _wide(
    x, weight, parts, n_rows, n_inputs, n_outputs, n_steps,
    INPUTS: tl.constexpr, ROWS: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    part, fit = tl.program_id(0), tl.program_id(1)
    n_parts = tl.num_programs(0)
    row, output = tl.arange(0, ROWS), tl.arange(0, OUTPUTS)
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for step in range(n_steps):
        source = (part + step * n_parts) * INPUTS + tl.arange(0, INPUTS)
        inside = source < n_inputs
        left = tl.load(
            x + (fit * n_rows + row[:, None]) * n_inputs + source[None, :],
            mask=(row[:, None] < n_rows) & inside[None, :], other=0.0,
        )  # fmt: skip
        right = tl.load(
            weight + (fit * n_outputs + output[None, :]) * n_inputs + source[:, None],
            mask=(output[None, :] < n_outputs) & inside[:, None], other=0.0,
        )  # fmt: skip
        total += tl.dot(left, right, input_precision="tf32x3")
    place = (fit * n_parts + part) * ROWS * OUTPUTS
    tl.store(parts + place + row[:, None] * OUTPUTS + output[None, :], total)


@triton.jit(do_not_specialize=["n_rows"])
def _norm_tanh(
    x, weight, bias, active, mean, inverse, n_rows, n_units, eps, BLOCK: tl.constexpr, BLOCKS: tl.constexpr
):
    row = tl.program_id(1) * n_rows + tl.program_id(0)
    offset = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for block in range(BLOCKS):
        unit = block * BLOCK + offset
        total += tl.load(x + row * n_units + unit, mask=unit < n_units, other=0.0)
    centre = tl.sum(total, 0) / n_units
    square = tl.zeros((BLOCK,), tl.float32)
    for block in range(BLOCKS):
        unit = block * BLOCK + offset
        value = tl.load(x + row * n_units + unit, mask=unit < n_units, other=0.0)
        value = tl.where(unit < n_units, value - centre, 0.0)
        square += value * value
    steep = tl.rsqrt(tl.sum(square, 0) / n_units + eps)
    tl.store(mean + row, centre)
    tl.store(inverse + row, steep)
    for block in range(BLOCKS):
        unit = block * BLOCK + offset
        inside = unit < n_units
        place = tl.program_id(1) * n_units + unit
        value = (tl.load(x + row * n_units + unit, mask=inside, other=0.0) - centre) * steep
        value = value * tl.load(weight + place, mask=inside, other=0.0) + tl.load(
            bias + place, mask=inside, other=0.0
        )
        tl.store(active + row * n_units + unit, 1.0 - 2.0 / (1.0 + tl.exp(2.0 * value)), mask=inside)


@triton.jit
def _slope(gradient, active, place, inside):
    """Gradient below the tanh."""
    t = tl.load(active + place, mask=inside, other=0.0)
    return tl.load(gradient + place, mask=inside, other=0.0) * (1.0 - t * t)


@triton.jit(do_not_specialize=["n_rows"])
def _norm_tanh_backward(
    gradient,
    x,
    weight,
    active,
    mean,
    inverse,
    of_x,
    n_rows,
    n_units,
    BLOCK: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    row = tl.program_id(1) * n_rows + tl.program_id(0)
    offset = tl.arange(0, BLOCK)
    centre, steep = tl.load(mean + row), tl.load(inverse + row)
    first = tl.zeros((BLOCK,), tl.float32)
    second = tl.zeros((BLOCK,), tl.float32)
    for block in range(BLOCKS):
        unit = block * BLOCK + offset
        inside = unit < n_units
        slope = _slope(gradient, active, row * n_units + unit, inside)
        slope *= tl.load(weight + tl.program_id(1) * n_units + unit, mask=inside, other=0.0)
        first += slope
        second += slope * (tl.load(x + row * n_units + unit, mask=inside, other=0.0) - centre) * steep
    shift, tilt = tl.sum(first, 0) / n_units, tl.sum(second, 0) / n_units
    for block in range(BLOCKS):
        unit = block * BLOCK + offset
        inside = unit < n_units
        slope = _slope(gradient, active, row * n_units + unit, inside)
        slope *= tl.load(weight + tl.program_id(1) * n_units + unit, mask=inside, other=0.0)
        normal = (tl.load(x + row * n_units + unit, mask=inside, other=0.0) - centre) * steep
        tl.store(of_x + row * n_units + unit, steep * (slope - shift - normal * tilt), mask=inside)


@triton.jit(do_not_specialize=["n_rows"])
def _norm_tanh_parameters(
    gradient, x, active, mean, inverse, of_weight, of_bias, n_rows, n_units, BLOCK: tl.constexpr
):
    fit = tl.program_id(1)
    unit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = unit < n_units
    weight = tl.zeros((BLOCK,), tl.float32)
    bias = tl.zeros((BLOCK,), tl.float32)
    row = fit * n_rows
    while row < (fit + 1) * n_rows:
        slope = _slope(gradient, active, row * n_units + unit, inside)
        bias += slope
        normal = tl.load(x + row * n_units + unit, mask=inside, other=0.0) - tl.load(mean + row)
        weight += slope * normal * tl.load(inverse + row)
        row += 1
    tl.store(of_weight + fit * n_units + unit, weight, mask=inside)
    tl.store(of_bias + fit * n_units + unit, bias, mask=inside)
