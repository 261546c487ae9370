"""BINN's batched product against one small network after the other, as the paper draws them."""

import numpy as np
import pytest
import torch
from torch import nn

from gi_lib.datasets.pathways import Edges
from gi_lib.models import BINN, DenseNetwork, EntityEncoder, width_for
from gi_lib.models.published import count_parameters

pytestmark = pytest.mark.usefixtures("one_thread")
UNEVEN = Edges([0, 1, 4, 2, 3, 5, 6, 7], [0, 0, 0, 1, 2, 2, 2, 2], [f"m{i}" for i in range(9)], list("abcd"))
"""Three markers, one, four, and an entity without any; marker 8 has no edge."""
EVEN = Edges([0, 3, 1, 2], [0, 0, 1, 1], list("mnop"), list("ab"))


def one_by_one(encoder: EntityEncoder, edges: Edges, x: torch.Tensor) -> torch.Tensor:
    """Latents from a ``nn.Sequential`` per entity with the same weights."""
    latents = []
    for entity in range(edges.n_targets):
        mine = edges.target == entity
        network = nn.Sequential(
            nn.Linear(int(mine.sum()), encoder.weight.shape[1]),
            nn.Sigmoid(),
            nn.Linear(encoder.weight.shape[1], 1),
        ).double()
        with torch.no_grad():
            network[0].weight.copy_(encoder.weight[mine].T)
            network[0].bias.copy_(encoder.bias[entity])
            network[2].weight.copy_(encoder.output_weight[entity][None])
            network[2].bias.copy_(encoder.output_bias[entity][None])
        latents.append(network(x[:, edges.source[mine]]))
    return torch.cat(latents, dim=1)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("edges", [UNEVEN, EVEN])
def test_the_batched_product_equals_one_network_after_the_other(edges):
    torch.manual_seed(0)
    encoder = EntityEncoder(edges, hidden=5).double()
    x = torch.randn(7, edges.n_sources, dtype=torch.float64)
    torch.testing.assert_close(encoder(x), one_by_one(encoder, edges, x), rtol=1e-12, atol=1e-12)


def test_gradients_are_right():
    torch.manual_seed(1)
    encoder = EntityEncoder(UNEVEN, hidden=3).double()
    x = torch.randn(4, 9, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in encoder.named_parameters()]

    def latents(x, *parameters):
        return torch.func.functional_call(encoder, dict(zip(names, parameters, strict=True)), x)

    assert torch.autograd.gradcheck(latents, (x, *encoder.parameters()))


def test_an_entity_sees_its_own_markers_only():
    torch.manual_seed(2)
    network = BINN(UNEVEN, hidden=4, integrator=6)
    x = torch.randn(5, 9)
    before = network.latents(x)
    for marker in range(9):
        changed = x.clone()
        changed[:, marker] += 1
        moved = (network.latents(changed) != before).any(dim=0).numpy()
        expected = np.isin(np.arange(4), UNEVEN.target[UNEVEN.source == marker])
        assert (moved == expected).all()


def test_the_network_of_the_paper_has_so_many_parameters():
    n = 1041
    source = np.sort(
        np.random.default_rng(0).permuted(np.tile(np.arange(2000), (n, 1)), axis=1)[:, :20], axis=1
    )
    edges = Edges(
        source.ravel(), np.repeat(np.arange(n), 20), np.arange(2000).astype(str), np.arange(n).astype(str)
    )
    per_gene = 20 * 128 + 128 + 128 + 1
    assert count_parameters(BINN(edges)) == n * per_gene + (n * 128 + 128) + (128 + 1)


def test_initial_weights_are_as_wide_as_those_of_a_linear_layer():
    torch.manual_seed(3)
    encoder = EntityEncoder(UNEVEN, hidden=4000)
    for entity, size in enumerate(UNEVEN.sizes()[:3]):
        weights = encoder.weight.detach()[UNEVEN.target == entity]
        assert weights.abs().max() == pytest.approx(size**-0.5, rel=1e-2)
        assert weights.std() == pytest.approx((size * 3) ** -0.5, rel=0.05)


@pytest.mark.parametrize("n_inputs", [3, 40, 5000])
@pytest.mark.parametrize("n_parameters", [200, 7000, 100_000])
def test_a_dense_network_gets_nearly_so_many_parameters(n_inputs, n_parameters):
    width = width_for(n_parameters, n_inputs)
    assert width == 1 or count_parameters(DenseNetwork(n_inputs, hidden=width)) <= n_parameters
    assert count_parameters(DenseNetwork(n_inputs, hidden=width + 1)) > n_parameters
