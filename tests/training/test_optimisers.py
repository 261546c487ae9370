"""The stacked optimisers take PyTorch's steps, each fit on its own."""

import pytest
import torch
from torch import nn

from gi_lib.training.optimisers import Adam, RMSprop

KINDS = {RMSprop: torch.optim.RMSprop, Adam: torch.optim.Adam}
RATES = (0.03, 0.01, 0.002)
N_STEPS = 60


def problem(dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights to begin with, and features and labels for each step, of three fits."""
    random = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(shape, generator=random, dtype=dtype)
        for shape in ((3, 5, 2), (N_STEPS, 3, 8, 5), (N_STEPS, 3, 8, 2))
    )


def gradient_step(weights, x, y) -> None:
    (torch.tanh(x @ weights) - y).square().mean((-2, -1)).sum().backward()


def one_by_one(kind, active: torch.Tensor, dtype=torch.float32, l1: float = 0.0) -> torch.Tensor:
    """PyTorch's steps, each fit alone and only where it is active; each rate is cut on the way.

    PyTorch's rules have no L1 penalty; here it is part of the loss.
    """
    start, features, labels = problem(dtype)
    finished = []
    for fit, rate in enumerate(RATES):
        weights = nn.Parameter(start[fit].clone())
        optimiser = kind([weights], lr=rate, weight_decay=0.02)
        for step in range(N_STEPS):
            if step == 30:
                optimiser.param_groups[0]["lr"] = rate / 3
            optimiser.zero_grad()
            gradient_step(weights, features[step, fit], labels[step, fit])
            if l1:
                (l1 * weights.abs().sum()).backward()
            if active[step, fit]:
                optimiser.step()
        finished.append(weights.detach())
    return torch.stack(finished)


def together(kind, active: torch.Tensor, dtype=torch.float32, l1: float = 0.0) -> torch.Tensor:
    start, features, labels = problem(dtype)
    weights, rates = nn.Parameter(start.clone()), torch.tensor(RATES, dtype=dtype)
    optimiser = kind([weights], rates, weight_decay=0.02, l1=l1)
    for step in range(N_STEPS):
        if step == 30:
            rates /= 3
        optimiser.zero_grad()
        gradient_step(weights, features[step], labels[step])
        optimiser.step(active[step])
    return weights.detach()


@pytest.mark.parametrize("kind", KINDS)
def test_sixty_steps_at_three_rates_equal_those_of_pytorch(kind):
    everybody = torch.ones(N_STEPS, 3)
    theirs = one_by_one(KINDS[kind], everybody)
    torch.testing.assert_close(together(kind, everybody), theirs, rtol=1e-4, atol=1e-5)
    assert (theirs - problem()[0]).abs().min(dim=1).values.max() > 0.01  # they have gone somewhere


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_the_l1_penalty_equals_that_of_a_loss(kind, dtype):
    everybody = torch.ones(N_STEPS, 3, dtype=dtype)
    penalised = together(kind, everybody, dtype, l1=0.05)
    theirs = one_by_one(KINDS[kind], everybody, dtype, l1=0.05)
    torch.testing.assert_close(penalised, theirs, rtol=1e-4, atol=1e-5)
    assert (penalised - together(kind, everybody, dtype)).abs().max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_sits_steps_out_is_as_if_they_had_not_been(kind):
    active = (torch.rand((N_STEPS, 3), generator=torch.Generator().manual_seed(1)) < 0.7).float()
    assert not active[0].all()
    torch.testing.assert_close(together(kind, active), one_by_one(KINDS[kind], active), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_plain_rule_in_double_precision_equals_pytorch(kind):
    active = (torch.rand((N_STEPS, 3), generator=torch.Generator().manual_seed(1)) < 0.7).double()
    plain = together(kind, active, torch.float64)
    torch.testing.assert_close(plain, one_by_one(KINDS[kind], active, torch.float64), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_without_gradient_stays(kind):
    moving, still = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))
    optimiser = kind([moving, still], torch.tensor([0.1, 0.1]), weight_decay=0.1)
    moving.sum().backward()
    optimiser.step(torch.ones(2))
    assert torch.equal(still, torch.ones(2, 3))
    assert (moving < 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_in_another_order_of_memory(kind):
    gradient = torch.arange(24.0).view(2, 4, 3).transpose(1, 2)
    results = []
    for value in (gradient, gradient.contiguous()):
        parameter = nn.Parameter(torch.ones(2, 3, 4))
        parameter.grad = value
        kind([parameter], torch.tensor([0.1, 0.2])).step(torch.ones(2))
        results.append(parameter.detach())
    assert torch.equal(*results)


@pytest.mark.parametrize("kind", KINDS)
def test_forgetting_begins_anew(kind):
    ones = torch.ones(1)
    parameter = nn.Parameter(torch.ones(1, 3))
    optimiser = kind([parameter], torch.tensor([0.1]))
    results = []
    for _ in range(2):
        for scale in (1.0, 5.0):
            parameter.grad = torch.full((1, 3), scale)
            optimiser.step(ones)
        results.append(parameter.detach().clone())
        with torch.no_grad():
            parameter.fill_(1)
        optimiser.forget()
    assert torch.equal(*results)
