"""The sparse layer: the same values and gradients as plain forms of it, and memory in proportion to edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gi_lib.datasets.pathways import Edges
from gi_lib.models import SparseLinear, count_parameters
from tests.models.test_fused import DEVICES

pytestmark = pytest.mark.usefixtures("one_thread")


def names(kind: str, n: int) -> np.ndarray:
    return np.char.mod(f"{kind}%d", np.arange(n))


def random_edges(n_sources: int, n_targets: int, n_edges: int, seed: int = 0) -> Edges:
    pairs = np.random.default_rng(seed).choice(n_sources * n_targets, n_edges, replace=False)
    target, source = np.divmod(np.sort(pairs), n_sources)
    return Edges(source, target, names("g", n_sources), names("p", n_targets))


def masked_dense(layer: SparseLinear, edges: Edges) -> torch.Tensor:
    """The weight matrix (target, source) that the layer stands for."""
    matrix = layer.weight.new_zeros(edges.n_targets, edges.n_sources)
    return matrix.index_put((layer.target, layer.source), layer.weight)


def with_gradients(layer: SparseLinear, x: torch.Tensor, output: torch.Tensor) -> list[torch.Tensor]:
    # Weights of the outputs differ, so that mixed-up rows or columns show.
    weights = torch.linspace(-1, 2, output.numel(), dtype=output.dtype, device=output.device).view_as(output)
    gradients = torch.autograd.grad((output * weights).sum(), [x, layer.weight, layer.bias])
    return [output.detach(), *gradients]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 5), st.floats(0, 1), st.integers(0, 2**16))
def test_equals_a_dense_layer_times_its_mask(n_sources, n_targets, batch, share, seed):
    edges = random_edges(n_sources, n_targets, round(share * n_sources * n_targets), seed)
    torch.manual_seed(seed)
    layer = SparseLinear(edges).double()
    x = torch.randn(batch, n_sources, dtype=torch.double, requires_grad=True)
    dense = torch.nn.functional.linear(x, masked_dense(layer, edges), layer.bias)
    for ours, plain in zip(with_gradients(layer, x, layer(x)), with_gradients(layer, x, dense), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("largest", [0, 9_000])
def test_equals_gathering_and_adding_at_the_size_of_the_paper(largest, device):
    """Also if one pathway has many genes, as the one of those without annotation."""
    source, target = np.arange(27_655), np.random.default_rng(0).integers(0, 1_273, 27_655)
    target[:largest] = 5
    order = np.lexsort((source, target))
    layer = SparseLinear(Edges(source[order], target[order], names("g", 27_655), names("p", 1_273))).to(
        device
    )
    x = torch.randn(10, 27_655, device=device, requires_grad=True)
    gathered = x[:, layer.source] * layer.weight
    plain = x.new_zeros(10, 1_273).index_add(1, layer.target, gathered) + layer.bias
    for ours, reference in zip(
        with_gradients(layer, x, layer(x)), with_gradients(layer, x, plain), strict=True
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-4)


def test_numerical_gradients():
    layer = SparseLinear(random_edges(7, 4, 11)).double()
    x = torch.randn(3, 7, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_inputs_that_need_no_gradient_get_none():
    layer = SparseLinear(random_edges(7, 4, 11))
    layer(torch.randn(3, 7)).sum().backward()
    assert layer.weight.grad is not None


def test_a_target_without_edges_gives_its_bias():
    edges = Edges(np.array([0, 1]), np.array([0, 2]), names("g", 2), names("p", 4))
    layer = SparseLinear(edges)
    output = layer(torch.randn(5, 2))
    for target in (1, 3):
        torch.testing.assert_close(output[:, target], layer.bias[target].expand(5))


def test_weights_are_drawn_by_the_number_of_edges_into_the_target():
    edges = random_edges(400, 20, 2_000)
    torch.manual_seed(0)
    layer = SparseLinear(edges)
    bound = 1 / np.sqrt(np.bincount(edges.target))[edges.target]
    share = layer.weight.detach().numpy() / bound
    assert np.abs(share).max() <= 1
    # Uniform between -1 and 1: standard deviation 0.577, of 2,000 draws to within 0.03.
    assert share.std() == pytest.approx(1 / np.sqrt(3), abs=0.03)


def test_parameters_and_state_grow_with_edges_not_with_sources_times_targets():
    edges = random_edges(20_000, 2_000, 25_000)
    layer = SparseLinear(edges)
    assert count_parameters(layer) == 25_000 + 2_000
    held = sum(tensor.numel() for tensor in (*layer.parameters(), *layer.buffers()))
    assert held < 5 * (25_000 + 20_000 + 2_000)
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_a_network_with_the_layer_can_be_copied_and_moved_between_types():
    import copy

    layer = SparseLinear(random_edges(7, 4, 11))
    twin = copy.deepcopy(layer).double()
    x = torch.randn(2, 7)
    torch.testing.assert_close(twin(x.double()).float(), layer(x))
