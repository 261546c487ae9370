"""NeuralLasso: the layer against a loop over its formula, the separable form against the layer, additivity."""

import numpy as np
import pytest
import torch

from gi_lib.models.interacting_lasso import START, InteractingLasso
from gi_lib.models.neural_lasso import ACTIVATIONS, NeuralLasso, published_activations, separable

PHI = {"relu": lambda x: max(x, 0.0), "linear": lambda x: x}


def random_network(n_markers: int, neighbourhood: int, seed: int = 0, **options) -> NeuralLasso:
    torch.manual_seed(seed)
    network = NeuralLasso(n_markers, neighbourhood, **options).double()
    with torch.no_grad():
        network.slope.normal_()
        network.bias.normal_()
    return network


def dosages(n: int, p: int, highest: int = 2, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, highest + 1, (n, p))
    return torch.as_tensor(values if highest == 2 else 2 * values, dtype=torch.float64)


def by_formula(network: NeuralLasso, z: np.ndarray, chromosome) -> float:
    total, n = 0.0, network.neighbourhood
    for i in range(len(z)):
        for k, name in enumerate(network.names):
            j = i + k - n
            there = 0 <= j < len(z) and (chromosome is None or chromosome[i] == chromosome[j])
            value = network.slope[k, i].item() * (z[j] if there else 0.0) + network.bias[k, i].item()
            total += PHI[name](value)
    return total


@pytest.mark.parametrize("neighbourhood", range(6))
@pytest.mark.parametrize("chromosome", [None, ["1", "1", "1", "2", "2", "5", "5", "5", "5"]])
def test_the_layer_is_the_formula(neighbourhood, chromosome):
    network = random_network(9, neighbourhood, chromosome=chromosome)
    X = dosages(4, 9) + 0.3
    expected = [by_formula(network, row, chromosome) for row in X.numpy()]
    np.testing.assert_allclose(network(X).detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("highest", [2, 1], ids=["heterozygotes", "inbred"])
@pytest.mark.parametrize("n_markers", [1, 3, 40])
@pytest.mark.parametrize("neighbourhood", range(6))
def test_the_separable_form_is_the_layer(neighbourhood, n_markers, highest):
    X = dosages(12, n_markers, highest)
    weights = torch.linspace(-1, 2, 12, dtype=torch.float64)
    gradients, predictions = [], []
    for form in (lambda net: net(X), lambda net: separable(net, (X == 1).double(), (X == 2).double())):
        network = random_network(n_markers, neighbourhood)
        predicted = form(network)
        (predicted * weights).sum().backward()
        predictions.append(predicted.detach())
        gradients.append((network.slope.grad, network.bias.grad))
    torch.testing.assert_close(*predictions, rtol=1e-10, atol=1e-10)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_no_pair_of_markers_interacts():
    network = random_network(30, 2)
    base = dosages(1, 30)[0]
    for j, k in ((4, 5), (4, 6), (10, 20)):
        corners = base.repeat(4, 1)
        corners[:, j], corners[:, k] = torch.tensor([0.0, 2, 0, 2]), torch.tensor([0.0, 0, 2, 2])
        none, first, second, both = network(corners.double())
        assert abs(both - first - second + none) < 1e-10


def test_on_inbred_lines_it_is_linear():
    network = random_network(30, 2)
    X = dosages(50, 30, highest=1)
    predicted = network(X).detach().numpy()
    constant, steps = network.steps()
    line = constant.item() + X.numpy() @ (steps[1] / 2).detach().numpy()
    np.testing.assert_allclose(predicted, line, rtol=1e-10)


def test_every_function_is_convex():
    network = random_network(30, 2)
    added = network.added(torch.tensor([0.0, 0.5, 1, 1.5, 2], dtype=torch.float64)).detach()
    assert (added[0] == 0).all()
    torch.testing.assert_close(added[[2, 4]], network.steps()[1].detach())
    bends = added[2:] + added[:-2] - 2 * added[1:-1]
    assert bends.min() > -1e-12 and bends.max() > 0.1


def test_published_activations():
    assert published_activations(2) == ("linear", "relu", "relu", "relu", "linear")
    assert published_activations(0) == ("linear",)
    assert set(ACTIVATIONS) == set(PHI)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"neighbourhood": -1}, "neighbourhood is -1; it must be at least 0"),
        ({"activations": ["relu"]}, "1 activations for a window of 5"),
        ({"activations": ["relu"] * 4 + ["tanh"]}, "An activation is 'tanh'; allowed are relu, linear"),
        ({"chromosome": [1, 2]}, "2 chromosomes for 6 markers"),
    ],
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        NeuralLasso(6, **options)


def interacting(n_markers: int, neighbourhood: int, **options) -> InteractingLasso:
    torch.manual_seed(0)
    network = InteractingLasso(n_markers, neighbourhood, **options).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


@pytest.mark.parametrize("neighbourhood", [0, 1, 3])
@pytest.mark.parametrize("chromosome", [None, ["1", "1", "1", "2", "2", "5", "5", "5", "5"]])
def test_the_interacting_layer_is_its_formula(neighbourhood, chromosome):
    network = interacting(9, neighbourhood, chromosome=chromosome)
    z = (dosages(1, 9)[0] + 0.3).numpy()
    slope, bias, linear = (p.detach().numpy() for p in (network.slope, network.bias, network.linear))
    total = z @ linear
    for sign, c, b in ((1, slope[0], bias[0]), (-1, slope[1], bias[1])):
        for i in range(9):
            value = b[i]
            for n in range(-neighbourhood, neighbourhood + 1):
                j = i + n
                if 0 <= j < 9 and (chromosome is None or chromosome[i] == chromosome[j]):
                    value += c[n + neighbourhood, i] * z[j]
            total += sign * max(value, 0)
    assert network(torch.as_tensor(z)[None]).item() == pytest.approx(total)


def test_the_interacting_layer_interacts_within_its_window_only():
    network = interacting(30, 2)
    base = dosages(1, 30)[0]

    def contrast(j: int, k: int) -> float:
        corners = base.repeat(4, 1)
        corners[:, j], corners[:, k] = torch.tensor([0.0, 2, 0, 2]), torch.tensor([0.0, 0, 2, 2])
        none, first, second, both = network(corners.double())
        return abs(both - first - second + none).item()

    assert contrast(4, 5) > 0.01 and contrast(4, 6) > 0.01 and contrast(10, 20) < 1e-10


def test_the_interacting_layer_starts_small_and_by_its_seed():
    layer = InteractingLasso(30, 2)
    one, same, other = (
        layer.before_training([1, 2]),
        layer.before_training([1, 2]),
        layer.before_training([1, 3]),
    )
    assert torch.equal(one.slope, same.slope) and not torch.equal(one.slope, other.slope)
    assert 0 < one.slope.abs().max() <= START and not one.linear.any()
