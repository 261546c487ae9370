"""The networks: sizes as published, equations as written, and the shared-row form of Galiana."""

import numpy as np
import pytest
import torch

from gi_lib.datasets.pathways import Edges
from gi_lib.models import (
    BMSNN,
    GPSNN,
    PUBLISHED,
    FrozenGaliana,
    Galiana,
    GeneEncoder,
    SparseLinear,
    count_parameters,
    sphere,
)
from gi_lib.training import distinct_rows


@pytest.fixture(scope="module")
def published_galiana() -> Galiana:
    return PUBLISHED["Galiana"].build()


EXACT = [name for name in PUBLISHED if not name.startswith("BMSNN")]


@pytest.mark.parametrize("name", EXACT)
def test_network_has_the_published_number_of_parameters(name):
    model = PUBLISHED[name]
    assert count_parameters(model.build()) == model.parameters


@pytest.mark.parametrize(("name", "decoded"), [("BMSNN50", 98_161), ("BMSNN100", 163_761)])
def test_bmsnn_lacks_the_235_edges_that_the_paper_does_not_explain(name, decoded):
    model = PUBLISHED[name]
    assert count_parameters(model.build()) == decoded
    assert model.parameters - decoded == 27_890 - 27_655 == 235
    assert "235" in model.remark


def test_published_numbers_are_those_of_table_1():
    assert {name: model.parameters for name, model in PUBLISHED.items()} == {
        "Galiana": 1_443_747,
        "transf50": 1_443_747,
        "transf30": 1_443_747,
        "frozen200": 17_836,
        "frozen500": 44_536,
        "BMSNN100": 163_996,
        "BMSNN50": 98_396,
        "GPSNN": 21_036,
    }


def test_parts_of_galiana_have_the_decoded_numbers_of_parameters(published_galiana):
    dense = published_galiana.dense
    parts = {
        "G": published_galiana.encoder,
        "norm over genes": published_galiana.gene_activation,
        "P, first layer": dense[:2],
        "P, second layer": dense[2:],
        "head": published_galiana.head,
    }
    assert {name: count_parameters(part) for name, part in parts.items()} == {
        "G": 1_051,
        "norm over genes": 55_310,
        "P, first layer": 1_382_900,
        "P, second layer": 2_650,
        "head": 1_836,
    }


def test_frozen_parameters_are_not_counted():
    network = GPSNN(2, hidden=4)
    network.layers[0].requires_grad_(False)
    assert count_parameters(network) == 4 + 4 + 4 * 2 + 2


# --------------------------------------------------------------------------------- equations, in NumPy


def randomised(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Every weight random, also those of LayerNorm, which start at one and zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7)
    return network


def linear(layer, x):
    return x @ layer.weight.detach().numpy().T.astype(float) + layer.bias.detach().numpy()


def layer_norm(layer, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return centred / deviation * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def names(kind: str, n: int) -> np.ndarray:
    return np.char.mod(f"{kind}%d", np.arange(n))


def galiana_in_numpy(network: Galiana, counts: np.ndarray, head: bool = True) -> np.ndarray:
    g, p = network.encoder.layers, network.dense
    gene = linear(g[3], np.tanh(layer_norm(g[1], linear(g[0], counts))))[..., 0]
    gene = np.tanh(layer_norm(network.gene_activation[0], gene))
    hidden = np.tanh(layer_norm(p[1], linear(p[0], gene)))
    hidden = np.tanh(layer_norm(p[4], linear(p[3], hidden)))
    return linear(network.head, hidden) if head else hidden


def test_galiana_computes_its_equations():
    network = randomised(Galiana(n_genes=9, n_outputs=4, n_variant_types=5, hidden=6))
    counts = np.random.default_rng(0).normal(size=(3, 9, 5)).astype(np.float32)
    output = network(torch.tensor(counts)).detach().numpy()
    assert output.shape == (3, 4)
    np.testing.assert_allclose(output, galiana_in_numpy(network, counts), rtol=1e-4, atol=1e-4)


def test_frozen_galiana_computes_its_equations():
    body = randomised(Galiana(n_genes=9, n_outputs=7, n_variant_types=5, hidden=6))
    network = randomised(FrozenGaliana(body, n_outputs=3, hidden=4), seed=1)
    counts = np.random.default_rng(0).normal(size=(3, 9, 5)).astype(np.float32)
    features = galiana_in_numpy(body, counts, head=False)
    first, norm, _, last = network.head.layers
    expected = linear(last, np.tanh(layer_norm(norm, linear(first, features))))
    np.testing.assert_allclose(network(torch.tensor(counts)).detach(), expected, rtol=1e-4, atol=1e-4)


def sparse_in_numpy(layer: SparseLinear, edges: Edges, x: np.ndarray) -> np.ndarray:
    y = np.tile(layer.bias.detach().numpy().astype(float), (len(x), 1))
    for source, target, weight in zip(edges.source, edges.target, layer.weight.detach().numpy(), strict=True):
        y[:, target] += weight * x[:, source]
    return y


def test_bmsnn_computes_its_equations_through_two_sparse_layers():
    lower = Edges(np.array([0, 3, 1, 2, 3]), np.array([0, 0, 1, 2, 2]), names("g", 4), names("h", 3))
    upper = Edges(np.array([0, 1, 2]), np.array([0, 0, 1]), names("h", 3), names("p", 2))
    network = randomised(BMSNN([lower, upper], n_outputs=3, n_variant_types=5, hidden=6, encoder_hidden=7))
    counts = np.random.default_rng(0).normal(size=(4, 4, 5)).astype(np.float32)
    g = network.encoder.layers
    units = np.tanh(linear(g[3], np.tanh(layer_norm(g[1], linear(g[0], counts))))[..., 0])
    for edges, (layer, norm, _) in zip((lower, upper), network.sparse, strict=True):
        units = np.tanh(layer_norm(norm, sparse_in_numpy(layer, edges, units)))
    np.testing.assert_allclose(network.pathways(torch.tensor(counts)).detach(), units, rtol=1e-4, atol=1e-4)
    dense, norm, _ = network.dense
    expected = linear(network.head, np.tanh(layer_norm(norm, linear(dense, units))))
    np.testing.assert_allclose(network(torch.tensor(counts)).detach(), expected, rtol=1e-4, atol=1e-4)


def test_layers_that_do_not_fit_on_each_other_are_refused():
    lower = Edges(np.array([0]), np.array([0]), names("g", 4), names("h", 3))
    upper = Edges(np.array([0]), np.array([0]), names("other", 3), names("p", 2))
    with pytest.raises(ValueError, match="Layers 1 and 2 do not fit"):
        BMSNN([lower, upper], n_outputs=1)


def test_gpsnn_computes_its_equations():
    network = randomised(GPSNN(n_outputs=2, hidden=6))
    place = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    first, norm, _, last = network.layers
    expected = linear(last, np.tanh(layer_norm(norm, linear(first, place))))
    np.testing.assert_allclose(network(torch.tensor(place)).detach(), expected, rtol=1e-4, atol=1e-4)


def test_gene_encoder_treats_every_gene_alike():
    encoder = randomised(GeneEncoder(n_variant_types=4, hidden=5))
    counts = torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 1, 0, 6, 5, 2, 4])
    values = encoder(counts)
    assert values.shape == (2, 7)
    torch.testing.assert_close(encoder(counts[:, order]), values[:, order])


def test_shared_rows_give_the_same_outputs_and_gradients():
    counts = np.random.default_rng(0).poisson(0.4, (6, 30, 3)).astype(np.uint8)
    rows, row = distinct_rows(counts)
    assert len(rows) < counts.shape[0] * counts.shape[1] / 4  # else the test shows nothing
    results = []
    for arguments in (
        (torch.tensor(counts).float(),),
        (torch.tensor(rows).float(), torch.tensor(row).long()),
    ):
        network = randomised(Galiana(n_genes=30, n_outputs=2, n_variant_types=3, hidden=8))
        output = network(*arguments)
        (output.square().sum() + output.sum()).backward()
        results.append((output.detach(), [parameter.grad for parameter in network.parameters()]))
    (plain, plain_gradients), (shared, shared_gradients) = results
    torch.testing.assert_close(shared, plain, rtol=1e-4, atol=1e-5)
    for one, other in zip(shared_gradients, plain_gradients, strict=True):
        assert one.any()
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------------------------------------ places


def test_sphere_gives_the_three_published_coordinates():
    places = np.array([[0, 0], [90, 90], [30, 180], [-90, -90]])
    expected = [[0, 0, 1], [1, 1, 0], [0.5, 0, -1], [-1, -1, 0]]
    np.testing.assert_allclose(sphere(places), expected, atol=1e-12)


def test_sphere_is_continuous_over_the_date_line_and_keeps_nan():
    east, west = sphere(np.array([[10.0, 179.9999], [10.0, -179.9999]]))
    np.testing.assert_allclose(east, west, atol=1e-5)
    unknown = sphere(np.array([[np.nan, 0.0]]))[0]
    np.testing.assert_array_equal(np.isnan(unknown), [True, False, False])
