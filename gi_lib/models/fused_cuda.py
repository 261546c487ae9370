"""The kernels of `gi_lib.models.fused` for a GPU, in Triton.

A tile is some genes of one accession by all hidden units. It lives in registers from the counts to the value of the
gene. Counts of one byte are exact in bfloat16, so a product with them is as precise as the parts into which the other
factor is split: three for the weights (float32 in full), two for the gradients (16 bits, and then sums over thousands
of genes). Larger counts, and numbers that somebody has scaled already, take three products in TF32.
"""

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

GENES = 32
"""Genes of a tile."""
WARPS = 2
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
    sizes, (n_programs, n_tiles) = _sizes(batch, weight), _shares(batch)
    _forward[(n_programs, n_fits)](
        batch.counts, batch.sample, batch.mean, batch.scale, weight, bias, gamma, beta, out_weight, genes,
        n_genes, n_batch, TILES=n_tiles, **sizes,
    )  # fmt: skip
    return genes


def backward(batch, gradient: Tensor, weight: Tensor, bias, gamma, beta, out_weight) -> tuple[Tensor, ...]:
    """Gradients of weight, bias, gamma, beta and out_weight, each summed in a fixed order."""
    n_fits, n_batch = batch.sample.shape
    n_genes = batch.counts.shape[1]
    sizes, (n_programs, n_tiles) = _sizes(batch, weight), _shares(batch)
    parts = torch.empty((n_fits, n_programs, sizes["TYPES"] + 4, sizes["UNITS"]), device=weight.device)
    _backward[(n_programs, n_fits)](
        batch.counts, batch.sample, batch.mean, batch.scale, weight, bias, gamma, beta, out_weight, gradient, parts,
        n_genes, n_batch, TILES=n_tiles, **sizes,
    )  # fmt: skip
    total = parts.sum(1)
    gradients = tuple(torch.empty_like(parameter) for parameter in (weight, bias, gamma, beta, out_weight))
    del sizes["EXACT"], sizes["GENES"]
    _unfold[(n_fits,)](batch.mean, batch.scale, total, *gradients, **sizes)
    return gradients


def sum_of_genes(gradient: Tensor) -> Tensor:
    """Sum of (fit, batch, gene) over the genes of each fit, (fit, 1)."""
    return gradient.flatten(1).sum(1, keepdim=True)


def _shares(batch) -> tuple[int, int]:
    """Programs for each fit, and how many tiles each takes."""
    n_fits, n_batch = batch.sample.shape
    tiles = n_batch * triton.cdiv(batch.counts.shape[1], GENES)
    n_programs = max(1, min(PROGRAMS // n_fits, tiles))
    return n_programs, triton.cdiv(tiles, n_programs)


def _sizes(batch, weight: Tensor) -> dict:
    hidden, n_types = weight.shape[1:]
    units, types = (max(16, triton.next_power_of_2(n)) for n in (hidden, n_types))
    return {
        "N_TYPES": n_types, "HIDDEN": hidden, "FREQUENCY": batch.frequency,
        "EXACT": EXACT and batch.counts.dtype == torch.uint8,
        "GENES": GENES, "TYPES": types, "UNITS": units, "num_warps": WARPS,
    }  # fmt: skip


def wide_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Products of x (fit, row, input) and weight (fit, output, input), the inputs shared out among many programs."""
    (n_fits, n_rows, n_inputs), n_outputs = x.shape, weight.shape[1]
    n_parts = max(1, min(PROGRAMS // n_fits, triton.cdiv(n_inputs, INPUTS)))
    rows, outputs = (max(16, triton.next_power_of_2(n)) for n in (n_rows, n_outputs))
    parts = torch.empty((n_fits, n_parts, rows, outputs), device=x.device)
    _wide[(n_parts, n_fits)](
        x, weight, parts, n_rows, n_inputs, n_outputs,
        STEPS=triton.cdiv(triton.cdiv(n_inputs, INPUTS), n_parts),
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
def _tile(counts, accession, first, n_genes, N_TYPES: tl.constexpr, GENES: tl.constexpr, TYPES: tl.constexpr):
    """Counts of some genes of an accession, (GENES, TYPES), zero outside."""
    gene = first + tl.arange(0, GENES)
    kind = tl.arange(0, TYPES)
    place = (accession * n_genes + gene[:, None]) * N_TYPES + kind[None, :]
    inside = (gene[:, None] < n_genes) & (kind[None, :] < N_TYPES)
    return tl.load(counts + place, mask=inside, other=0).to(tl.float32)


@triton.jit
def _folded(
    weight, bias, mean, scale, fit,
    N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    """The first layer with the scaling of the counts and the mean over the units folded in."""
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
    return w, c


@triton.jit
def _units(x, w, c, gamma, beta, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, EXACT: tl.constexpr):
    """Inverse sum of the counts, normalised units, their inverse deviation, and activations."""
    if EXACT:
        short = x.to(tl.bfloat16)
        high = w.to(tl.bfloat16)
        rest = w - high.to(tl.float32)
        middle = rest.to(tl.bfloat16)
        low = (rest - middle.to(tl.float32)).to(tl.bfloat16)
        u = tl.dot(short, high, tl.dot(short, middle, tl.dot(short, low)))
    else:
        u = tl.dot(x, w, input_precision="tf32x3")
    share = tl.full((x.shape[0],), 1.0, tl.float32)
    if FREQUENCY:
        share = 1.0 / tl.maximum(tl.sum(x, 1), 1.0)
        u = u * share[:, None]
    u = u + c[None, :]
    inverse = tl.rsqrt(tl.sum(u * u, 1) / HIDDEN + 1e-5)
    u = u * inverse[:, None]
    z = u * gamma[None, :] + beta[None, :]
    t = 1.0 - 2.0 / (1.0 + tl.exp(2.0 * z))
    return share, u, inverse, t


@triton.jit
def _forward(
    counts, sample, mean, scale, weight, bias, gamma, beta, out_weight, genes, n_genes, n_batch,
    TILES: tl.constexpr, N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, EXACT: tl.constexpr,
    GENES: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    program, fit = tl.program_id(0), tl.program_id(1)
    unit = tl.arange(0, UNITS)
    real = unit < HIDDEN
    w, c = _folded(weight, bias, mean, scale, fit, N_TYPES, HIDDEN, FREQUENCY, TYPES, UNITS)
    g = tl.load(gamma + fit * HIDDEN + unit, mask=real, other=0.0)
    b = tl.load(beta + fit * HIDDEN + unit, mask=real, other=0.0)
    out = tl.load(out_weight + fit * HIDDEN + unit, mask=real, other=0.0)
    tiles = tl.cdiv(n_genes, GENES)
    for step in range(TILES):
        tile = program + step * tl.num_programs(0)
        row, first = tile // tiles, (tile % tiles) * GENES
        exists = row < n_batch
        accession = tl.load(sample + fit * n_batch + row, mask=exists, other=0)
        x = _tile(counts, accession, first, n_genes, N_TYPES, GENES, TYPES)
        _, _, _, t = _units(x, w, c, g, b, HIDDEN, FREQUENCY, EXACT)
        gene = first + tl.arange(0, GENES)
        place = (fit * n_batch + row) * n_genes + gene
        tl.store(genes + place, tl.sum(t * out[None, :], 1), mask=exists & (gene < n_genes))


@triton.jit
def _backward(
    counts, sample, mean, scale, weight, bias, gamma, beta, out_weight, gradient, parts, n_genes, n_batch,
    TILES: tl.constexpr, N_TYPES: tl.constexpr, HIDDEN: tl.constexpr, FREQUENCY: tl.constexpr, EXACT: tl.constexpr,
    GENES: tl.constexpr, TYPES: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    program, fit = tl.program_id(0), tl.program_id(1)
    n_programs = tl.num_programs(0)
    unit, kind = tl.arange(0, UNITS), tl.arange(0, TYPES)
    real = unit < HIDDEN
    w, c = _folded(weight, bias, mean, scale, fit, N_TYPES, HIDDEN, FREQUENCY, TYPES, UNITS)
    g = tl.load(gamma + fit * HIDDEN + unit, mask=real, other=0.0)
    b = tl.load(beta + fit * HIDDEN + unit, mask=real, other=0.0)
    out = tl.load(out_weight + fit * HIDDEN + unit, mask=real, other=0.0)
    of_w = tl.zeros((TYPES, UNITS), tl.float32)
    of_c = tl.zeros((UNITS,), tl.float32)
    of_g = tl.zeros((UNITS,), tl.float32)
    of_b = tl.zeros((UNITS,), tl.float32)
    of_out = tl.zeros((UNITS,), tl.float32)
    tiles = tl.cdiv(n_genes, GENES)
    for step in range(TILES):
        tile = program + step * n_programs
        row, first = tile // tiles, (tile % tiles) * GENES
        exists = row < n_batch
        accession = tl.load(sample + fit * n_batch + row, mask=exists, other=0)
        x = _tile(counts, accession, first, n_genes, N_TYPES, GENES, TYPES)
        gene = first + tl.arange(0, GENES)
        place = (fit * n_batch + row) * n_genes + gene
        of_gene = tl.load(gradient + place, mask=exists & (gene < n_genes), other=0.0)
        share, u, inverse, t = _units(x, w, c, g, b, HIDDEN, FREQUENCY, EXACT)
        of_out += tl.sum(of_gene[:, None] * t, 0)
        of_z = of_gene[:, None] * out[None, :] * (1.0 - t * t)
        of_g += tl.sum(of_z * u, 0)
        of_b += tl.sum(of_z, 0)
        of_u = of_z * g[None, :]
        of_u = inverse[:, None] * (of_u - u * (tl.sum(of_u * u, 1) / HIDDEN)[:, None])
        of_c += tl.sum(of_u, 0)
        if FREQUENCY:
            of_u = of_u * share[:, None]
        if EXACT:
            turned = tl.trans(x.to(tl.bfloat16))
            high = of_u.to(tl.bfloat16)
            of_w = tl.dot(turned, high, of_w)
            of_w = tl.dot(turned, (of_u - high.to(tl.float32)).to(tl.bfloat16), of_w)
        else:
            of_w += tl.dot(tl.trans(x), of_u, input_precision="tf32x3")
    place = (fit * n_programs + program) * (TYPES + 4) * UNITS
    tl.store(parts + place + kind[:, None] * UNITS + unit[None, :], of_w)
    place += TYPES * UNITS
    tl.store(parts + place + unit, of_c)
    tl.store(parts + place + UNITS + unit, of_g)
    tl.store(parts + place + 2 * UNITS + unit, of_b)
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


@triton.jit
def _wide(
    x, weight, parts, n_rows, n_inputs, n_outputs,
    STEPS: tl.constexpr, INPUTS: tl.constexpr, ROWS: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    part, fit = tl.program_id(0), tl.program_id(1)
    n_parts = tl.num_programs(0)
    row, output = tl.arange(0, ROWS), tl.arange(0, OUTPUTS)
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for step in range(STEPS):
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


@triton.jit
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


@triton.jit
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


@triton.jit
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
