"""Module G in one pass against its layers as they are written: values, gradients, bits."""

import numba
import numpy as np
import pytest
import torch

from gi_lib.models.fused import CountBatch, encode_genes, norm_tanh, normalised, wide_linear
from gi_lib.models.fused_cpu import LIMIT, _tanh
from gi_lib.models.galiana import GeneEncoder

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU.")),
]
SIZES = [(1, 1, 1, 1, 1), (2, 3, 150, 17, 50), (3, 2, 33, 5, 7), (2, 4, 16, 3, 64)]
"""Fits, accessions of a batch, genes, types, hidden units."""


def encoders(n: int, n_types: int, hidden: int) -> list[GeneEncoder]:
    made = [GeneEncoder(n_types, hidden) for _ in range(n)]
    for encoder in made:
        torch.nn.init.normal_(encoder.layers[1].weight, 1, 0.3)
        torch.nn.init.normal_(encoder.layers[1].bias, 0, 0.3)
    return made


def stacked(made: list[GeneEncoder], device: str = "cpu") -> list[torch.Tensor]:
    parameters = zip(*(encoder.parameters() for encoder in made), strict=True)
    return [torch.stack([p.detach() for p in each]).to(device).requires_grad_() for each in parameters]


def problem(n_fits, n_batch, n_genes, n_types, dtype=np.uint8, frequency=False, device="cpu") -> CountBatch:
    torch.manual_seed(0)
    counts = np.random.default_rng(0).poisson(0.5, (9, n_genes, n_types)).astype(dtype)
    return CountBatch(
        torch.as_tensor(counts, device=device),
        torch.randint(0, 9, (n_fits, n_batch)).to(device),
        torch.rand(n_fits, n_types).to(device),
        torch.rand(n_fits, n_types).to(device) + 0.5,
        frequency,
    )


def as_written(batch: CountBatch, made: list[GeneEncoder]) -> torch.Tensor:
    """In double precision, each fit alone, from scaled counts."""
    values = []
    for fit, encoder in enumerate(made):
        x = torch.as_tensor(batch.counts.cpu().numpy().astype(float))[batch.sample[fit].cpu()]
        if batch.frequency:
            x = x / x.sum(-1, keepdim=True).clamp(min=1)
        else:
            x = (x - batch.mean[fit].cpu().double()) / batch.scale[fit].cpu().double()
        values.append(encoder.double()(x))
    return torch.stack(values)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("frequency", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("sizes", SIZES)
def test_values_and_gradients_equal_those_of_the_layers(sizes, dtype, frequency, device):
    *shape, hidden = sizes
    batch = problem(*shape, dtype, frequency, device)
    made = encoders(shape[0], shape[3], hidden)
    ours = stacked(made, device)
    expected = as_written(batch, made)
    slopes = torch.randn_like(expected)
    expected.backward(slopes)
    found = encode_genes(batch, *ours)
    found.backward(slopes.float().to(device))
    torch.testing.assert_close(found.cpu().double(), expected.detach(), rtol=1e-5, atol=2e-6)
    for parameter, each in zip(ours, zip(*(e.parameters() for e in made), strict=True), strict=True):
        truth = torch.stack([p.grad for p in each])
        # One unit alone is normalised to nothing, so some gradients are nothing but rounding.
        assert (parameter.grad.cpu() - truth).norm() <= 1e-5 * truth.norm() + 1e-5


def test_the_number_of_fits_and_of_threads_changes_no_bit():
    batch, made = problem(4, 3, 90, 6), encoders(4, 6, 20)
    slopes = torch.randn(4, 3, 90)

    def run(chosen: list[int]) -> list[torch.Tensor]:
        some = batch._replace(sample=batch.sample[chosen], mean=batch.mean[chosen], scale=batch.scale[chosen])
        parameters = stacked([made[fit] for fit in chosen])
        values = encode_genes(some, *parameters)
        values.backward(slopes[chosen])
        return [values.detach(), *(parameter.grad for parameter in parameters)]

    together = run([0, 1, 2, 3])
    for fit in range(4):
        for all_of_them, alone in zip(together, run([fit]), strict=True):
            assert torch.equal(all_of_them[fit], alone[0])
    threads = torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            assert all(torch.equal(a, b) for a, b in zip(together, run([0, 1, 2, 3]), strict=True))
            assert numba.get_num_threads() == min(n, numba.config.NUMBA_NUM_THREADS)
    finally:
        torch.set_num_threads(threads)


def test_tanh_is_close_everywhere_and_lets_what_is_not_a_number_through():
    tanh = numba.vectorize(lambda x: _tanh(x))
    x = np.concatenate([np.linspace(-12, 12, 100_001), [-1e30, 1e30, 0]]).astype(np.float32)
    assert np.abs(tanh(x) - np.tanh(x.astype(float))).max() < 5e-7
    assert np.abs(tanh(np.float32([-LIMIT, LIMIT]))).max() <= 1 + 1e-6
    with np.errstate(invalid="ignore"):
        assert np.isnan(tanh(np.float32(np.nan)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n_units", [1, 50, 9000])
def test_normalisation_with_tanh_equals_one_after_the_other(n_units, device):
    torch.manual_seed(0)
    values = [2 * torch.randn(2, 3, n_units) + 1, torch.rand(2, n_units) + 0.5, torch.randn(2, n_units)]
    plain = [value.double().requires_grad_() for value in values]
    ours = [value.to(device).requires_grad_() for value in values]
    expected, found = normalised(*plain, 1e-5).tanh(), norm_tanh(*ours, 1e-5)
    for fit in range(2):
        layer = torch.nn.functional.layer_norm(plain[0][fit], (n_units,), plain[1][fit], plain[2][fit])
        torch.testing.assert_close(expected[fit], layer.tanh())
    slopes = torch.randn(2, 3, n_units)
    expected.backward(slopes.double())
    found.backward(slopes.to(device))
    torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-6)
    for parameter, truth in zip(ours, plain, strict=True):
        torch.testing.assert_close(parameter.grad.cpu().double(), truth.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", [(2, 3, 5, 4), (2, 10, 3000, 50), (1, 40, 3000, 50)])
def test_linear_layers_side_by_side_equal_each_alone(sizes, device):
    n_fits, n_rows, n_inputs, n_outputs = sizes
    torch.manual_seed(0)
    values = [
        torch.randn(n_fits, *shape) for shape in ((n_rows, n_inputs), (n_outputs, n_inputs), (n_outputs,))
    ]
    plain = [value.double().requires_grad_() for value in values]
    ours = [value.to(device).requires_grad_() for value in values]
    expected = torch.stack([torch.nn.functional.linear(*each) for each in zip(*plain, strict=True)])
    slopes = torch.randn_like(expected)
    expected.backward(slopes)
    found = wide_linear(*ours)
    found.backward(slopes.float().to(device))
    torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-4)
    for parameter, truth in zip(ours, plain, strict=True):
        torch.testing.assert_close(parameter.grad.cpu().double(), truth.grad, rtol=1e-4, atol=1e-4)
