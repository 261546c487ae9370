"""The training loop and its estimators: loss, schedule, seeds, signal, refusals, scikit-learn's conventions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from gi_lib import training
from gi_lib.encoding.scaling import SCALINGS, CountScaler
from gi_lib.models import GPSNN, sphere
from gi_lib.training import (
    Counts,
    Features,
    GalianaClassifier,
    GalianaRegressor,
    GPSNNRegressor,
    Held,
    Schedule,
    SharedCounts,
    Training,
    count_inputs,
    distinct_rows,
    masked_mse,
    predict,
    resolve_device,
    train,
)

CPU = torch.device("cpu")
ESTIMATORS = [GalianaRegressor, GalianaClassifier, GPSNNRegressor]


pytestmark = pytest.mark.usefixtures("one_thread")


def genomes(n: int = 60, n_genes: int = 8, n_types: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.7, (n, n_genes, n_types)).astype(np.uint8)


def quick(**options) -> GalianaRegressor:
    return GalianaRegressor(**{"epochs": 2, "hidden": 6, "device": "cpu", **options})


def train_one(network, features, labels, schedule, loss) -> list[float]:
    """Losses of the epochs of one training alone."""
    return train([Training(network, Features(features, CPU), labels, schedule, loss)])[0]


# -------------------------------------------------------------------------------------------------- loss


def test_masked_mse_equals_numpy_over_the_labels_that_are_there():
    random = np.random.default_rng(0)
    outputs, labels = random.normal(size=(2, 20, 4))
    labels[random.random(labels.shape) < 0.3] = np.nan
    loss = masked_mse(torch.tensor(outputs), torch.tensor(labels))
    assert loss.item() == pytest.approx(np.nanmean((outputs - labels) ** 2), rel=1e-12)


def test_gradient_of_masked_mse_is_zero_where_labels_are_missing():
    labels = torch.tensor([[1.0, torch.nan], [torch.nan, 0.5]])
    outputs = torch.tensor([[3.0, 7.0], [1e6, 0.0]], requires_grad=True)
    masked_mse(outputs, labels).backward()
    assert outputs.grad.tolist() == [[2.0, 0.0], [0.0, -0.5]]  # 2 (output - label) / 2 labels


def test_masked_mse_of_a_batch_without_labels_is_zero_and_has_no_gradient():
    outputs = torch.ones(3, 2, requires_grad=True)
    loss = masked_mse(outputs, torch.full((3, 2), torch.nan))
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()


# ---------------------------------------------------------------------------------------------- schedule


def learning_rates(monkeypatch, losses: list[float], **options) -> list[float]:
    """The learning rate of each epoch when the epochs have these losses."""
    rates = []

    class Spy(training.OPTIMISERS["rmsprop"]):
        def step(self, active):
            rates.append(self.lr.item())
            super().step(active)

    monkeypatch.setitem(training.OPTIMISERS, "spy", Spy)
    script = iter(losses)
    network = torch.nn.Linear(1, 1)
    schedule = Schedule(epochs=len(losses), batch_size=4, learning_rate=0.9, optimiser="spy", **options)
    history = train_one(
        network,
        np.zeros((4, 1)),
        torch.zeros(4, 1),
        schedule,
        lambda outputs, labels: outputs.sum((1, 2)) * 0 + next(script),
    )
    assert history == pytest.approx(losses, rel=1e-6)
    return rates


def test_learning_rate_falls_to_a_third_after_exactly_three_epochs_without_decrease(monkeypatch):
    # Epochs 3, 4 and 5 are no better than epoch 2; epochs 6, 7 and 8 no better than epoch 2 either.
    rates = learning_rates(monkeypatch, [5, 4, 4, 5, 4, 4, 6, 4, 9, 9])
    assert rates == pytest.approx([0.9] * 5 + [0.3] * 3 + [0.1] * 2)


def test_a_decrease_however_small_starts_the_count_of_epochs_anew(monkeypatch):
    rates = learning_rates(monkeypatch, [5, 5, 5, 4.9999, 5, 5, 4.9998, 3])
    assert rates == pytest.approx([0.9] * 8)


def test_patience_and_decay_can_be_set(monkeypatch):
    assert learning_rates(monkeypatch, [1, 1, 1], patience=1, decay=0.5) == pytest.approx([0.9, 0.9, 0.45])


def test_default_schedule_is_the_published_one():
    schedule = Schedule()
    assert (schedule.epochs, schedule.batch_size, schedule.learning_rate) == (50, 10, 1e-2)
    assert (schedule.weight_decay, schedule.decay, schedule.patience) == (1e-6, 1 / 3, 3)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "patience"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_schedule_refuses_what_is_not_above_zero(name, value):
    with pytest.raises(ValueError, match=rf"{name} is {value}; it must be greater than zero\."):
        Schedule(**{name: value})


def test_schedule_refuses_an_unknown_optimiser():
    with pytest.raises(ValueError, match="optimiser is 'sgd'; allowed are rmsprop, adam"):
        Schedule(optimiser="sgd")


def test_every_accession_is_seen_once_an_epoch_in_an_order_that_changes():
    seen = []

    def loss(outputs, labels):
        seen.append(labels[labels.isfinite()].tolist())
        return masked_mse(outputs, labels)

    labels = torch.arange(7.0)[:, None]
    train_one(torch.nn.Linear(1, 1), labels, labels, Schedule(2, 3), loss)
    assert [len(batch) for batch in seen] == [3, 3, 1] * 2
    first, second = ([label for batch in epoch for label in batch] for epoch in (seen[:3], seen[3:]))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_history_is_the_mean_over_accessions_also_with_a_small_last_batch():
    labels = torch.tensor([[0.0], [0.0], [9.0]])
    history = train_one(
        torch.nn.Linear(1, 1),
        labels,
        labels,
        Schedule(1, 2),
        lambda outputs, batch: outputs.sum((1, 2)) * 0 + batch.nanmean((1, 2)),
    )
    assert history == pytest.approx([3.0])


# ------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_same_seed_gives_the_same_bits_and_another_seed_does_not(kind):
    random = np.random.default_rng(0)
    X = random.uniform(-60, 60, (30, 2)) if kind is GPSNNRegressor else genomes(30)
    y = random.choice(["a", "b"], 30) if kind is GalianaClassifier else random.normal(size=(30, 2))

    def outputs(seed):
        estimator = kind(epochs=2, seed=seed, device="cpu").fit(X, y)
        weights = [p.detach().numpy() for p in estimator.network_.parameters()]
        return np.concatenate([w.ravel() for w in weights]), estimator.predict(X)

    one, again, other = outputs(1), outputs(1), outputs(2)
    np.testing.assert_array_equal(one[0], again[0])
    np.testing.assert_array_equal(one[1], again[1])
    assert not np.array_equal(one[0], other[0])


def test_the_callers_random_numbers_are_not_disturbed():
    def draws():
        return torch.rand(3).tolist() + np.random.random(3).tolist()

    torch.manual_seed(3)
    np.random.seed(3)
    expected = draws()
    torch.manual_seed(3)
    np.random.seed(3)
    quick(seed=8).fit(genomes(), np.arange(60.0)).predict(genomes())
    assert draws() == expected


# ---------------------------------------------------------------------------------------------- learning


def test_a_planted_signal_is_learned():
    X, new = genomes(200, seed=1), genomes(100, seed=2)

    def truth(counts):
        return counts[:, 2, 0].astype(float) - counts[:, 5, 0]

    estimator = quick(epochs=40, learning_rate=3e-3, hidden=10).fit(X, truth(X))
    assert np.corrcoef(estimator.predict(new), truth(new))[0, 1] > 0.8
    assert len(estimator.loss_history_) == 40
    assert estimator.loss_history_[-1] < 0.3 * estimator.loss_history_[0]


def test_missing_labels_do_not_stop_a_trait_from_being_learned():
    X, new = genomes(200, seed=1), genomes(100, seed=2)
    y = np.stack([X[:, 2, 0], X[:, 5, 0]], axis=1).astype(float)
    y[np.random.default_rng(0).random(y.shape) < 0.3] = np.nan
    predicted = quick(epochs=40, learning_rate=3e-3, hidden=10).fit(X, y).predict(new)
    assert predicted.shape == (100, 2)
    assert np.corrcoef(predicted[:, 0], new[:, 2, 0])[0, 1] > 0.7
    assert np.corrcoef(predicted[:, 1], new[:, 5, 0])[0, 1] > 0.7


def test_predictions_come_in_the_units_of_the_labels():
    X, y = genomes(), np.random.default_rng(0).normal(size=60)
    plain = quick().fit(X, y).predict(X)
    # A power of two scales without rounding, so that the network sees the very same labels.
    np.testing.assert_allclose(quick().fit(X, 1024 * y).predict(X), 1024 * plain, rtol=1e-6)
    shifted = quick(epochs=30).fit(X, y + 5000).predict(X)
    assert abs(shifted.mean() - 5000) < 1


def test_one_dimension_in_gives_one_dimension_out():
    X, y = genomes(), np.random.default_rng(0).normal(size=60)
    assert quick().fit(X, y).predict(X[:7]).shape == (7,)
    assert quick().fit(X, y[:, None]).predict(X[:7]).shape == (7, 1)
    np.testing.assert_array_equal(quick().fit(X, y).predict(X), quick().fit(X, y[:, None]).predict(X)[:, 0])


def test_prediction_does_not_depend_on_the_batch_an_accession_is_in():
    X = genomes(230)
    estimator = quick().fit(X, np.random.default_rng(0).normal(size=230))
    inputs = Counts(Held(X), estimator.scaler_, CPU)
    one_by_one = predict(estimator.network_, inputs, batch_size=1)
    np.testing.assert_allclose(predict(estimator.network_, inputs, batch_size=100), one_by_one, atol=1e-5)


# ---------------------------------------------------------------------------------------------- refusals


def test_a_trait_without_two_different_labels_is_refused():
    y = np.random.default_rng(0).normal(size=(60, 3))
    y[:, 1] = 4.0
    y[:5, 1] = np.nan
    with pytest.raises(ValueError, match="Trait number 1 has no two different labels"):
        quick().fit(genomes(), y)
    with pytest.raises(ValueError, match="Trait number 0 has no two different labels"):
        quick().fit(genomes(), np.full(60, np.nan))


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="X has 60 accessions but y has 59; they must be the same"):
        quick().fit(genomes(), np.arange(59.0))


def test_a_bad_setting_is_refused_when_fitting():
    with pytest.raises(ValueError, match="epochs is 0"):
        quick(epochs=0).fit(genomes(), np.arange(60.0))
    with pytest.raises(ValueError, match="scaling is 'log'"):
        quick(scaling="log").fit(genomes(), np.arange(60.0))


def test_unknown_device_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="device is 'tpu'; allowed are auto, cpu, cuda"):
        quick(device="tpu").fit(genomes(), np.arange(60.0))


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="PyTorch finds no CUDA GPU here; use 'auto' or 'cpu'"):
        resolve_device("cuda")
    assert resolve_device("auto") == CPU


def test_a_loss_that_is_not_finite_is_refused_with_advice():
    with pytest.raises(FloatingPointError, match=r"became (nan|inf) in epoch \d+; try a learning rate below"):
        quick(learning_rate=1e25).fit(genomes(), np.random.default_rng(0).normal(size=60))


def test_prediction_before_fitting_is_refused():
    with pytest.raises(ValueError, match="not fitted"):
        quick().predict(genomes())


# ------------------------------------------------------------------------------------------------- place


def test_accessions_of_unknown_place_are_predicted_from_the_mean_place():
    random = np.random.default_rng(0)
    X = random.uniform(-60, 60, (40, 2))
    X[:3] = np.nan
    X[3, 0] = np.nan  # only the latitude is missing
    y = random.normal(size=40)
    estimator = GPSNNRegressor(epochs=3, device="cpu").fit(X, y)
    predicted = estimator.predict(X)
    assert np.isfinite(predicted).all()
    place = np.nanmean(sphere(X), axis=0)
    with torch.no_grad():
        output = estimator.network_(torch.tensor(place[None], dtype=torch.float32)).numpy()
    expected = (output * estimator.label_scale_ + estimator.label_mean_).item()
    np.testing.assert_allclose(predicted[:3], expected, rtol=1e-5)


def test_gpsnn_learns_a_trait_that_follows_latitude():
    random = np.random.default_rng(0)
    X, new = random.uniform([35, -10], [65, 40], (2, 150, 2))
    estimator = GPSNNRegressor(epochs=20, learning_rate=1e-3, device="cpu").fit(X, X[:, 0])
    assert np.corrcoef(estimator.predict(new), new[:, 0])[0, 1] > 0.95


# -------------------------------------------------------------------------------------------- classifier


def test_classifier_learns_names_and_returns_names():
    X, new = genomes(150, seed=1), genomes(100, seed=2)

    def country(counts):
        return np.where(counts[:, 2, 0] > 0, "SWE", "ESP")

    classifier = GalianaClassifier(epochs=30, learning_rate=3e-3, hidden=10, device="cpu").fit(X, country(X))
    assert classifier.classes_.tolist() == ["ESP", "SWE"]
    assert (classifier.predict(new) == country(new)).mean() > 0.9


def test_classifier_refuses_a_single_class():
    with pytest.raises(ValueError, match=r"There is one class only \('SWE'\)"):
        GalianaClassifier(epochs=1, device="cpu").fit(genomes(), np.full(60, "SWE"))


# ------------------------------------------------------------------------------------------- shared rows

any_counts = st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(1, 4)).flatmap(
    lambda shape: st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda dtype: arrays(dtype, shape, elements=st.sampled_from([0, 0, 0, 1, 2, 255]))
    )
)


@given(any_counts)
@settings(deadline=None)
def test_distinct_rows_give_the_counts_back_and_are_distinct(counts):
    rows, row = distinct_rows(counts)
    assert row.shape == counts.shape[:2]
    assert row.dtype == np.int32
    assert rows.dtype == counts.dtype
    np.testing.assert_array_equal(rows[row], counts)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert not rows[0].any()


@pytest.mark.parametrize("dtype", [float, int])
def test_only_counts_have_distinct_rows(dtype):
    with pytest.raises(ValueError, match=r"counts are of type \w+64; they must be unsigned integers"):
        distinct_rows(np.zeros((2, 3, 4), dtype))


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("mean", [0.05, 3.0], ids=["few kinds of rows", "many kinds of rows"])
def test_every_scaling_can_be_trained_on_in_both_forms_of_the_counts(scaling, mean):
    counts = np.random.default_rng(0).poisson(mean, (60, 30, 3)).astype(np.uint8)
    inputs = count_inputs(Held(counts), CountScaler(scaling).fit(counts), CPU, batch_size=10)
    assert isinstance(inputs, SharedCounts if mean < 1 else Counts)
    fitted = quick(scaling=scaling).fit(counts, np.random.default_rng(1).normal(size=(60, 2)))
    assert np.isfinite(fitted.predict(counts)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shared_rows_hold_the_same_counts(scaling, dtype):
    counts = genomes().astype(dtype)
    scaler = CountScaler(scaling).fit(counts)
    batch = torch.tensor([5, 0, 59])
    held, (row,) = SharedCounts.join([SharedCounts(Held(counts), scaler, CPU)])(batch[None])
    rows = held.counts[held.sample[0], 0].numpy()
    np.testing.assert_array_equal(rows[row], counts[batch])
    assert len(rows) == len(np.unique(counts[batch].reshape(-1, counts.shape[2]), axis=0))  # no others


def test_rows_are_shared_only_where_that_is_less_work():
    few, scaler = np.zeros((20, 30, 2), np.uint8), CountScaler("raw").fit(np.zeros((1, 1, 2)))
    many = np.random.default_rng(0).integers(0, 255, (20, 30, 2)).astype(np.uint8)
    assert isinstance(count_inputs(Held(few), scaler, CPU, batch_size=10), SharedCounts)
    assert isinstance(count_inputs(Held(many), scaler, CPU, batch_size=10), Counts)


# ------------------------------------------------------------------------------------------ scikit-learn


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_estimators_can_be_cloned_and_their_settings_read_and_set(kind):
    estimator = kind(epochs=7, learning_rate=0.5, seed=3, device="cpu")
    assert clone(estimator).get_params() == estimator.get_params()
    assert estimator.get_params()["epochs"] == 7
    assert estimator.set_params(seed=4, optimiser="adam").get_params()["seed"] == 4
    with pytest.raises(ValueError, match="Invalid parameter"):
        estimator.set_params(sead=4)


def test_settings_reach_the_network():
    estimator = quick(hidden=4, epochs=3).fit(genomes(), np.arange(60.0))
    assert estimator.network_.head.in_features == 4
    assert len(estimator.loss_history_) == 3


def test_regressor_works_in_scikit_learns_cross_validation():
    X, y = genomes(), np.random.default_rng(0).normal(size=(60, 2))
    predicted = cross_val_predict(quick(), X, y, cv=3)
    assert predicted.shape == (60, 2)
    np.testing.assert_array_equal(predicted[:20], quick().fit(X[20:], y[20:]).predict(X[:20]))


def test_classifier_works_in_scikit_learns_cross_validation():
    y = np.tile(["a", "b", "c"], 20)
    classifier = GalianaClassifier(epochs=1, hidden=4, device="cpu")
    assert set(cross_val_predict(classifier, genomes(), y, cv=3)) <= {"a", "b", "c"}


def test_gpsnn_has_three_inputs_and_as_many_outputs_as_traits():
    y = np.random.default_rng(0).normal(size=(40, 5))
    estimator = GPSNNRegressor(epochs=1, device="cpu").fit(np.zeros((40, 2)) + 50, y)
    assert isinstance(estimator.network_, GPSNN)
    assert estimator.predict(np.full((3, 2), 50.0)).shape == (3, 5)
