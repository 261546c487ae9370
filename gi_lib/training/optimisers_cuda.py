"""The steps of `gi_lib.training.optimisers` in one pass over each parameter on a GPU, in Triton."""

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


def rmsprop(
    lr: Tensor, active: Tensor, n_steps: Tensor, weight_decay: float, l1: float, parameter, gradient, square
) -> None:
    """One step of RMSprop; parameter, gradient and square of shape (fit, number)."""
    n_fits, n = parameter.shape
    _rmsprop[(triton.cdiv(n, BLOCK), n_fits)](
        lr, active, weight_decay, l1, parameter, gradient, square, n, BLOCK=BLOCK, num_warps=4
    )


def adam(
    lr: Tensor,
    active: Tensor,
    n_steps: Tensor,
    weight_decay: float,
    l1: float,
    parameter,
    gradient,
    mean,
    square,
) -> None:
    """One step of Adam; parameter, gradient, mean and square of shape (fit, number)."""
    n_fits, n = parameter.shape
    _adam[(triton.cdiv(n, BLOCK), n_fits)](
        lr, active, n_steps, weight_decay, l1, parameter, gradient, mean, square, n, BLOCK=BLOCK, num_warps=4
    )


@triton.jit
def _rmsprop(lr, active, weight_decay, l1, parameter, gradient, square, n, BLOCK: tl.constexpr):
    fit = tl.program_id(1)
    if tl.load(active + fit) != 0:
        offset = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        place, inside = fit * n + offset, offset < n
        p = tl.load(parameter + place, mask=inside, other=0.0)
        sign = tl.where(p > 0, 1.0, tl.where(p < 0, -1.0, 0.0))
        g = tl.load(gradient + place, mask=inside, other=0.0) + weight_decay * p + l1 * sign
        s = 0.99 * tl.load(square + place, mask=inside, other=0.0) + 0.01 * g * g
        tl.store(square + place, s, mask=inside)
        tl.store(parameter + place, p - tl.load(lr + fit) * g / (tl.sqrt(s) + 1e-8), mask=inside)


@triton.jit
def _adam(lr, active, n_steps, weight_decay, l1, parameter, gradient, mean, square, n, BLOCK: tl.constexpr):
    fit = tl.program_id(1)
    if tl.load(active + fit) != 0:
        offset = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        place, inside = fit * n + offset, offset < n
        t = tl.load(n_steps + fit)
        p = tl.load(parameter + place, mask=inside, other=0.0)
        sign = tl.where(p > 0, 1.0, tl.where(p < 0, -1.0, 0.0))
        g = tl.load(gradient + place, mask=inside, other=0.0) + weight_decay * p + l1 * sign
        m = tl.load(mean + place, mask=inside, other=0.0)
        m += 0.1 * (g - m)
        s = tl.load(square + place, mask=inside, other=0.0)
        s += 0.001 * (g * g - s)
        tl.store(mean + place, m, mask=inside)
        tl.store(square + place, s, mask=inside)
        rate = tl.load(lr + fit) / (1.0 - tl.exp2(t * -0.15200309344504997))  # 0.9 ** t
        widen = 1.0 / (1.0 - tl.exp2(t * -0.0014434168696687186))  # 0.999 ** t
        tl.store(parameter + place, p - rate * m / (tl.sqrt(s * widen) + 1e-8), mask=inside)
