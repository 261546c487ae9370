"""Networks trained together: as if each were alone, also where they differ in size, fail, or learn two tasks."""

import numpy as np
import pytest
import torch
from torch import nn

from gi_lib.datasets.pathways import Edges
from gi_lib.models import BMSNN, GPSNN, FrozenGaliana, Galiana
from gi_lib.models.transfer import TransferHead
from gi_lib.training import (
    BMSNNRegressor,
    Features,
    FineTunedGalianaRegressor,
    FrozenGalianaRegressor,
    GalianaClassifier,
    GalianaRegressor,
    GPSNNRegressor,
    Held,
    Schedule,
    Training,
    fit_together,
    predict_together,
    train,
    transfer,
)
from gi_lib.training.stacked import restack, stack, unstack
from gi_lib.training.together import complete

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")


def edges(n_sources: int, n_targets: int, name: str) -> Edges:
    """Every source in one target, some in two."""
    source = np.concatenate([np.arange(n_sources), np.arange(0, n_sources, 3)])
    target = np.concatenate([np.arange(n_sources) % n_targets, (np.arange(0, n_sources, 3) + 1) % n_targets])
    order = np.lexsort((source, target))
    names = [
        np.char.mod(f"{kind}%d", np.arange(n))
        for kind, n in ((f"{name}s", n_sources), (f"{name}t", n_targets))
    ]
    return Edges(source[order], target[order], *names)


LOWER = edges(8, 4, "a")
ABOVE = edges(4, 2, "b")
UPPER = Edges(ABOVE.source, ABOVE.target, LOWER.target_names, ABOVE.target_names)
NETWORKS = {
    "Galiana": (lambda: Galiana(8, 3, 2, 6), (5, 8, 2)),
    "BMSNN": (lambda: BMSNN([LOWER], 3, 2, 5, 6), (5, 8, 2)),
    "BMSNN of two layers": (lambda: BMSNN([LOWER, UPPER], 3, 2, 5, 6), (5, 8, 2)),
    "GPSNN": (lambda: GPSNN(3), (5, 3)),
    "module I": (lambda: TransferHead(3, 6, 7), (5, 6)),
    "frozen": (lambda: FrozenGaliana(Galiana(8, 3, 2, 6), 3, 7), (5, 8, 2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stacked_network_computes_what_each_computes_alone(name):
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    networks = [build() for _ in range(3)]
    inputs, slopes = torch.randn(3, *shape), torch.randn(3, 5, 3)
    together = stack(networks)
    outputs = together(inputs)
    outputs.backward(slopes)
    for fit, network in enumerate(networks):
        expected = network(inputs[fit])
        expected.backward(slopes[fit])
        torch.testing.assert_close(outputs[fit], expected)
        for parameter_name, parameter in together.named_parameters():
            alone = network.get_parameter(parameter_name)
            assert parameter.requires_grad == alone.requires_grad
            if alone.requires_grad:
                torch.testing.assert_close(parameter.grad[fit], alone.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_go_into_the_stack_and_back(name):
    build, _ = NETWORKS[name]
    networks, others = [build() for _ in range(2)], [build() for _ in range(2)]
    together = stack(networks)
    unstack(together, others)
    for network, other in zip(networks, others, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    fresh = [build() for _ in range(2)]
    restack(together, fresh)
    unstack(together, others)
    for network, other in zip(fresh, others, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_a_layer_without_a_stacked_form_is_refused():
    with pytest.raises(TypeError, match="Bilinear has no stacked form; add one to STACKED"):
        stack([nn.Sequential(nn.Bilinear(2, 2, 2))])


# ------------------------------------------------------------------------------------------------ fits


def data(n: int = 47, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    counts = random.poisson(0.7, (n, 8, 3)).astype(np.uint8)
    y = random.normal(size=(n, 2))
    y[random.random(y.shape) < 0.2] = np.nan
    return counts, y, random.normal(size=(n, 4)), random.uniform(-60, 60, (n, 2))


QUICK = {"epochs": 3, "hidden": 6, "device": "cpu"}
SAMPLES = [np.arange(40), np.arange(9, 47), np.arange(0, 46, 2)]
"""Of different sizes: 4, 4 and 3 batches of an epoch, most of them with a small last one."""
KINDS = {
    "Galiana": lambda **o: GalianaRegressor(**QUICK, **o),
    "Galiana, raw": lambda **o: GalianaRegressor(scaling="raw", **QUICK, **o),
    "Galiana, Adam": lambda **o: GalianaRegressor(optimiser="adam", **QUICK, **o),
    "BMSNN": lambda **o: BMSNNRegressor((LOWER,), **QUICK, **o),
    "fine-tuned": lambda **o: FineTunedGalianaRegressor(source_epochs=2, **QUICK, **o),
    "frozen": lambda **o: FrozenGalianaRegressor(7, source_epochs=2, **QUICK, **o),
}


def known(samples: np.ndarray, y: np.ndarray) -> np.ndarray:
    return samples[~np.isnan(y[samples]).all(axis=1)]


@pytest.mark.parametrize("kind", KINDS)
def test_fits_together_equal_fits_alone(kind):
    counts, y, source, _ = data()
    takes_source = kind in ("fine-tuned", "frozen")
    samples = SAMPLES if takes_source else [known(each, y) for each in SAMPLES]
    options = {"source": source} if takes_source else {}
    transfer._trained.clear()
    together = fit_together([KINDS[kind](seed=seed) for seed in range(3)], counts, y, samples, **options)
    transfer._trained.clear()
    for seed, (mine, fitted) in enumerate(zip(samples, together, strict=True)):
        options = {"source": source[mine]} if takes_source else {}
        alone = KINDS[kind](seed=seed).fit(counts[mine], y[mine], **options)
        assert fitted.loss_history_ == alone.loss_history_
        assert np.array_equal(fitted.predict(counts), alone.predict(counts))


def test_neither_cores_nor_other_fits_move_a_bit():
    """On many genes, where BLAS would share out one product among threads."""
    random = np.random.default_rng(0)
    counts = random.poisson(0.3, (60, 3000, 4)).astype(np.uint8)
    y, samples = random.normal(size=(60, 2)), [np.arange(50), np.arange(5, 60)]
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        models = [GalianaRegressor(**QUICK, seed=seed) for seed in (1, 2)]
        found += [model.predict(counts) for model in fit_together(models, counts, y, samples)[:1]]
        found.append(GalianaRegressor(**QUICK, seed=1).fit(counts[:50], y[:50]).predict(counts))
    torch.set_num_threads(1)
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_different_kinds_can_be_fitted_together():
    counts, y, _, _ = data()
    models = [KINDS["Galiana"](seed=1), KINDS["BMSNN"](seed=2), KINDS["Galiana"](seed=3)]
    mine = known(np.arange(47), y)
    fit_together(models, counts, y, [mine] * 3)
    alone = [KINDS["Galiana"](seed=1), KINDS["BMSNN"](seed=2), KINDS["Galiana"](seed=3)]
    for model, other in zip(models, alone, strict=True):
        other.fit(counts[mine], y[mine])
        assert np.array_equal(model.predict(counts), other.predict(counts))


def test_classifiers_and_places_too():
    counts, _, _, place = data()
    names = np.where(counts[:, 0, 0] > 0, "a", "b")
    for kind, X, labels in ((GalianaClassifier, counts, names), (GPSNNRegressor, place, place[:, 0])):
        together = fit_together(
            [kind(epochs=2, device="cpu", seed=s) for s in (1, 2)], X, labels, SAMPLES[:2]
        )
        for seed, mine, fitted in zip((1, 2), SAMPLES, together, strict=False):
            alone = kind(epochs=2, device="cpu", seed=seed).fit(X[mine], labels[mine])
            assert fitted.loss_history_ == alone.loss_history_


def test_one_that_fails_leaves_the_others_as_they_are():
    counts, y, _, _ = data()
    mine = known(np.arange(47), y)
    held = Held(counts)
    broken = np.where(np.isnan(y), np.nan, 1.0)  # nothing to learn from

    def fitting(model, labels):
        return model.fitting(held, mine, labels[mine])

    good, bad, alone = (KINDS["Galiana"](seed=s) for s in (1, 2, 1))
    outcome = complete([fitting(good, y), fitting(bad, broken)])
    alone.fit(counts[mine], y[mine])
    assert outcome[0] is None and isinstance(outcome[1], ValueError)
    assert good.loss_history_ == alone.loss_history_


def test_one_that_diverges_ends_alone():
    labels = torch.randn(12, 1, generator=torch.Generator().manual_seed(0))
    schedule = Schedule(epochs=3, batch_size=4, learning_rate=0.01)

    def training(features, seed):
        torch.manual_seed(seed)
        return Training(nn.Linear(1, 1), Features(features, CPU), labels, schedule, seed=seed)

    wild = labels.numpy() * np.float32(1e30)
    good, bad = train([training(labels, 1), training(wild, 2)])
    (alone,) = train([training(labels, 1)])
    assert good == pytest.approx(alone, rel=1e-6)
    assert isinstance(bad, FloatingPointError) and "epoch 1" in str(bad)


def test_each_hears_of_its_own_epochs_and_can_end():
    labels = torch.randn(12, 1, generator=torch.Generator().manual_seed(0))
    heard = {1: [], 2: []}

    class Enough(Exception):
        pass

    def training(seed):
        def after_epoch(epoch):
            heard[seed].append((epoch, network.weight.item()))
            if seed == 2 and epoch == 2:
                raise Enough

        torch.manual_seed(seed)
        network = nn.Linear(1, 1)
        features = Features(labels, CPU)
        return Training(network, features, labels, Schedule(4, 4), seed=seed, after_epoch=after_epoch)

    first, second = train([training(1), training(2)])
    assert len(first) == 4 and isinstance(second, Enough)
    assert [epoch for epoch, _ in heard[1]] == [1, 2, 3, 4] and [epoch for epoch, _ in heard[2]] == [1, 2]
    assert len({weight for _, weight in heard[1]}) == 4  # the network has learned by then


def test_the_first_error_is_raised():
    counts, y, _, _ = data()
    with pytest.raises(ValueError, match="X has 47 accessions but y has 46"):
        fit_together([KINDS["Galiana"]()], counts, y[:46])
    with pytest.raises(ValueError, match=r"source has shape \(46, 4\); needed are 47 rows"):
        fit_together([KINDS["frozen"]()], counts, y, source=np.zeros((46, 4)))


def test_fits_with_learning_rates_of_their_own_are_one_training(monkeypatch):
    counts, y, _, _ = data()
    at_once = []

    def together(trainings):
        at_once.append(len(trainings))
        return train(trainings)

    monkeypatch.setattr(Training, "together", staticmethod(together))
    rates = (1e-3, 1e-2, 3e-2)
    samples = [known(each, y) for each in SAMPLES]
    models = [GalianaRegressor(**QUICK, learning_rate=rate, seed=seed) for seed, rate in enumerate(rates)]
    fit_together(models, counts, y, samples)
    assert at_once == [3]
    for seed, (rate, mine, fitted) in enumerate(zip(rates, samples, models, strict=True)):
        alone = GalianaRegressor(**QUICK, learning_rate=rate, seed=seed).fit(counts[mine], y[mine])
        assert fitted.loss_history_ == alone.loss_history_
    assert models[0].loss_history_ != pytest.approx(models[1].loss_history_, rel=1e-2)


class Doubled(GalianaRegressor):
    """Expects an array."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return 2 * super().predict(X * 1)


@pytest.mark.parametrize("kind", [GalianaRegressor, Doubled])
def test_accessions_of_a_held_array_are_predicted_as_if_they_were_alone(kind):
    X = np.random.default_rng(0).poisson(0.2, (30, 12, 4)).astype(np.uint8)
    y = np.random.default_rng(1).normal(size=(30, 2))
    held, parts = Held(X), [np.arange(20, 30), np.array([3, 1, 17])]
    fitted = fit_together([kind(epochs=2, seed=seed, device="cpu") for seed in range(2)], held, y)
    for model, part, found in zip(fitted, parts, predict_together(fitted, held, parts), strict=True):
        np.testing.assert_array_equal(found, model.predict(X[part]))
