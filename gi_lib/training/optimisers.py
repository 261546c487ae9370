"""RMSprop and Adam for stacked parameters: a learning rate per fit, and fits that sit a step out.

The rules are those of `torch.optim.RMSprop` and `torch.optim.Adam`. PyTorch walks over each parameter about eight times
in a step, once for each operation. With a weight for every gene and hidden unit this is memory traffic: two fifths of
a training step of Galiana on 13,183 genes. In float32 one compiled pass does it all, by Numba on the CPU and by Triton
on a GPU (`gi_lib.training.optimisers_cuda`); anything else goes the plain way.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

EPSILON = 1e-8


class Optimiser:
    """What the two rules share.

    Parameters
    ----------
    parameters
        Of shape (fit, ...); those without gradient stay.
    lr : (fit,)
        Learning rates, on the device of the parameters; the caller may change them in place.
    weight_decay
        L2 penalty; its gradient is added to that of the loss.
    l1
        L1 penalty, likewise.
    """

    n_moments: int

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: Tensor, weight_decay: float = 0.0, l1: float = 0.0
    ):
        self.parameters = list(parameters)
        self.lr = lr
        self.penalties = weight_decay, l1
        self.n_steps = torch.zeros_like(lr)
        self.moments: dict[nn.Parameter, tuple[Tensor, ...]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def forget(self) -> None:
        """Begin anew, in the same memory."""
        self.n_steps.zero_()
        for moments in self.moments.values():
            for moment in moments:
                moment.zero_()

    @torch.no_grad()
    def step(self, active: Tensor) -> None:
        """Take one step; `active` (fit,) is 1 for the fits that take part and 0 for those that stay as they are."""
        self.n_steps += active
        numbers = tuple(tensor.numpy() for tensor in (self.lr, active, self.n_steps)) if active.is_cpu else ()
        for parameter in self.parameters:
            if parameter.grad is None:
                continue
            if parameter not in self.moments:
                self.moments[parameter] = tuple(torch.zeros_like(parameter) for _ in range(self.n_moments))
            tensors = parameter.detach(), parameter.grad.contiguous(), *self.moments[parameter]
            tensors = [tensor.view(len(self.lr), -1) for tensor in tensors]
            if parameter.dtype == torch.float32 and parameter.is_cpu:
                arrays = (tensor.numpy() for tensor in tensors)
                self._compiled(*numbers, *map(np.float32, self.penalties), *arrays)
            elif parameter.dtype == torch.float32 and parameter.is_cuda:
                from gi_lib.training import optimisers_cuda  # Triton comes with PyTorch's CUDA builds only

                update = getattr(optimisers_cuda, type(self).__name__.lower())
                update(self.lr, active, self.n_steps, *self.penalties, *tensors)
            else:
                parameter, gradient, *moments = tensors  # as the rule is written in books
                weight_decay, l1 = self.penalties
                slope = gradient + weight_decay * parameter + l1 * parameter.sign()
                self._plain(active[:, None], parameter, slope, *moments)


class RMSprop(Optimiser):
    """RMSprop without momentum, smoothing 0.99."""

    n_moments = 1

    def _plain(self, active: Tensor, parameter: Tensor, gradient: Tensor, square: Tensor) -> None:
        square += active * 0.01 * (gradient.square() - square)
        parameter -= active * self.lr[:, None] * gradient / (square.sqrt() + EPSILON)

    @staticmethod
    def _compiled(*arguments: np.ndarray) -> None:
        _rmsprop(*arguments)


class Adam(Optimiser):
    """Adam, with β₁ = 0.9 and β₂ = 0.999."""

    n_moments = 2

    def _plain(
        self, active: Tensor, parameter: Tensor, gradient: Tensor, mean: Tensor, square: Tensor
    ) -> None:
        mean += active * 0.1 * (gradient - mean)
        square += active * 0.001 * (gradient.square() - square)
        n = self.n_steps.clamp(min=1)[:, None]
        deviation = (square / (1 - 0.999**n)).sqrt() + EPSILON
        parameter -= active * self.lr[:, None] * mean / (1 - 0.9**n) / deviation

    @staticmethod
    def _compiled(*arguments: np.ndarray) -> None:
        _adam(*arguments)


_fast = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**_fast)
def _rmsprop(lr, active, n_steps, weight_decay, l1, parameter, gradient, square):
    keep, rest, eps = np.float32(0.99), np.float32(0.01), np.float32(EPSILON)
    for fit in range(len(lr)):
        if active[fit] == 0:
            continue
        p, g, s, rate = parameter[fit], gradient[fit], square[fit], lr[fit]
        for i in range(len(p)):
            slope = g[i] + weight_decay * p[i] + l1 * np.sign(p[i])
            s[i] = keep * s[i] + rest * slope * slope
            p[i] -= rate * slope / (np.sqrt(s[i]) + eps)


@njit(**_fast)
def _adam(lr, active, n_steps, weight_decay, l1, parameter, gradient, mean, square):
    eps = np.float32(EPSILON)
    for fit in range(len(lr)):
        if active[fit] == 0:
            continue
        p, g, m, s = parameter[fit], gradient[fit], mean[fit], square[fit]
        rate = np.float32(lr[fit] / (1 - 0.9 ** n_steps[fit]))
        widen = np.float32(1 / (1 - 0.999 ** n_steps[fit]))
        for i in range(len(p)):
            slope = g[i] + weight_decay * p[i] + l1 * np.sign(p[i])
            m[i] += np.float32(0.1) * (slope - m[i])
            s[i] += np.float32(0.001) * (slope * slope - s[i])
            p[i] -= rate * m[i] / (np.sqrt(s[i] * widen) + eps)
