"""The compiled optimiser takes PyTorch's steps."""

import torch
from torch import nn

from gi_lib.training.optimisers import RMSprop


def trained(optimiser, network: nn.Module, n_steps: int = 60) -> list[torch.Tensor]:
    """Parameters of a copy of the network after some steps on random data."""
    torch.manual_seed(0)
    network.load_state_dict({name: torch.randn_like(value) for name, value in network.state_dict().items()})
    steps = optimiser(network.parameters(), lr=0.01, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.StepLR(steps, step_size=20, gamma=1 / 3)
    inputs, labels = torch.randn(n_steps, 8, 5), torch.randn(n_steps, 8, 2)
    for x, y in zip(inputs, labels, strict=True):
        steps.zero_grad()
        (network(x.to(network[0].weight.dtype)) - y).square().mean().backward()
        steps.step()
        schedule.step()
    return [parameter.detach().clone() for parameter in network.parameters()]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 2))


def test_parameters_after_sixty_steps_equal_those_of_pytorch():
    ours, theirs = trained(RMSprop, network()), trained(torch.optim.RMSprop, network())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert not torch.equal(ours[0], network()[0].weight)


def test_a_parameter_without_gradient_stays():
    frozen = network()
    frozen[0].requires_grad_(False)
    before = frozen[0].weight.detach().clone()
    optimiser = RMSprop(frozen.parameters(), weight_decay=0.1)
    frozen(torch.ones(3, 5)).sum().backward()
    optimiser.step()
    assert torch.equal(frozen[0].weight, before)
    assert set(optimiser.state) == {p for p in frozen.parameters() if p.requires_grad}


def test_double_precision_takes_the_step_of_pytorch():
    ours = trained(RMSprop, network().double())
    for one, other in zip(ours, trained(torch.optim.RMSprop, network().double()), strict=True):
        assert torch.equal(one, other)


def test_gradients_in_another_order_of_memory():
    ours, theirs = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(3, 4))
    gradient = torch.arange(12.0).view(4, 3).t()
    for parameter, optimiser in ((ours, RMSprop), (theirs, torch.optim.RMSprop)):
        parameter.grad = gradient.clone(memory_format=torch.preserve_format)
        assert not parameter.grad.is_contiguous()
        optimiser([parameter], lr=0.1).step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
