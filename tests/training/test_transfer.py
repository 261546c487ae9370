"""Transfer learning: what is trained when, on whom, and that the short cuts change nothing."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_predict

from gi_lib.models import FrozenGaliana, count_parameters
from gi_lib.training import (
    FineTunedGalianaRegressor,
    FrozenGalianaRegressor,
    GalianaRegressor,
    Held,
    Schedule,
    Training,
    count_inputs,
    train,
    transfer,
)

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = [FrozenGalianaRegressor, FineTunedGalianaRegressor]
QUICK = {"epochs": 3, "source_epochs": 3, "hidden": 6, "device": "cpu"}


@pytest.fixture(autouse=True)
def empty_memory():
    transfer._trained.clear()


def data(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.poisson(0.7, (n, 8, 3)).astype(np.uint8)
    return X, random.normal(size=(n, 2)), random.normal(5, 3, (n, 4))


def weights(network: torch.nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy().copy() for parameter in network.parameters()]


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_source_task_is_galiana_trained_on_it_alone(kind):
    X, y, source = data()
    fitted = kind(**QUICK, seed=4, source_learning_rate=0.003).fit(X, y, source=source)
    alone = GalianaRegressor(epochs=3, hidden=6, device="cpu", seed=4, learning_rate=0.003).fit(X, source)
    assert same(weights(fitted.source_.network_), weights(alone.network_))


def test_a_frozen_body_does_not_change_and_a_fine_tuned_one_does():
    X, y, source = data()
    frozen = FrozenGalianaRegressor(**QUICK, head_hidden=5).fit(X, y, source=source)
    body, trained = frozen.network_.body, frozen.source_.network_
    assert same(weights(body), weights(trained))
    assert count_parameters(frozen.network_) == 6 * 5 + 5 + 10 + 5 * 2 + 2
    tuned = FineTunedGalianaRegressor(**QUICK).fit(X, y, source=source)
    for name, parameter in tuned.network_.named_parameters():
        assert (
            not torch.equal(parameter, dict(trained.named_parameters())[name]) if "head" not in name else True
        )
    assert tuned.network_.head.out_features == 2


def test_fine_tuning_begins_where_the_source_task_ended():
    X, y, source = data()
    # One tiny step away from the beginning.
    options = {**QUICK, "epochs": 1, "batch_size": 40, "optimiser": "adam", "learning_rate": 1e-7}
    tuned = FineTunedGalianaRegressor(**options).fit(X, y, source=source)
    before, after = (model.network_.dense[0].weight for model in (tuned.source_, tuned))
    torch.testing.assert_close(after, before, rtol=0, atol=2e-7)


def test_training_on_kept_features_equals_training_through_the_body():
    X, y, source = data()
    fitted = FrozenGalianaRegressor(**QUICK, head_hidden=5, seed=3).fit(X, y, source=source)
    labels = torch.tensor(((y - y.mean(axis=0)) / y.std(axis=0)).astype(np.float32))
    torch.manual_seed(3)
    through = FrozenGaliana(fitted._body(), 2, 5)
    inputs = count_inputs(Held(X), fitted.scaler_, torch.device("cpu"), 10)
    schedule = Schedule(3, 10, 1e-2, 1e-6, "rmsprop")
    (history,) = train([Training(through, inputs, labels, schedule, seed=3)])
    assert fitted.loss_history_ == pytest.approx(history, rel=1e-4)
    for ours, plain in zip(weights(fitted.network_.head), weights(through.head), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_without_the_other_task_take_part_in_their_own(kind):
    X, y, source = data()
    y[:10], source[30:] = np.nan, np.nan
    fitted = kind(**QUICK).fit(X, y, source=source)
    np.testing.assert_allclose(fitted.label_mean_, y[10:].mean(axis=0))
    np.testing.assert_allclose(fitted.source_.label_mean_, source[:30].mean(axis=0))
    changed = X.copy()
    changed[:10] += 1  # known to the source task alone
    other = kind(**QUICK).fit(changed, y, source=source)
    assert not same(weights(other.source_.network_), weights(fitted.source_.network_))


def test_source_traits_without_two_different_labels_are_left_out():
    X, y, source = data()
    wider = np.column_stack([source, np.full(len(X), np.nan), np.full(len(X), 2.0)])
    plain = FineTunedGalianaRegressor(**QUICK).fit(X, y, source=source)
    fitted = FineTunedGalianaRegressor(**QUICK).fit(X, y, source=wider)
    np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))


def test_models_of_one_fold_share_the_source_task(monkeypatch):
    X, y, source = data()
    fits = []
    plain = GalianaRegressor.fitting
    monkeypatch.setattr(
        GalianaRegressor, "fitting", lambda self, *a, **k: fits.append(1) or plain(self, *a, **k)
    )
    first = FrozenGalianaRegressor(**QUICK, head_hidden=5).fit(X, y, source=source)
    second = FineTunedGalianaRegressor(**QUICK).fit(X, y, source=source)
    assert first.source_ is second.source_ and len(fits) == 1
    before = weights(first.source_.network_)
    FineTunedGalianaRegressor(**{**QUICK, "epochs": 9}).fit(X, y, source=source)
    assert same(weights(first.source_.network_), before)  # fine-tuning works on a copy
    for options in ({"seed": 1}, {"source_epochs": 2}, {"hidden": 5}, {"scaling": "raw"}):
        FineTunedGalianaRegressor(**{**QUICK, **options}).fit(X, y, source=source)
    FineTunedGalianaRegressor(**QUICK).fit(X[1:], y[1:], source=source[1:])
    assert len(fits) == 6


def test_memory_is_bounded(monkeypatch):
    X, y, source = data()
    monkeypatch.setattr(transfer, "MEMORY", 2)
    for seed in range(4):
        FrozenGalianaRegressor(**{**QUICK, "epochs": 1, "source_epochs": 1}, seed=seed).fit(
            X, y, source=source
        )
    assert len(transfer._trained) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_predictions(kind):
    X, y, source = data()
    one, two, other = (kind(**QUICK, seed=seed) for seed in (1, 1, 2))
    predictions = []
    for model in (one, two, other):
        transfer._trained.clear()
        predictions.append(model.fit(X, y, source=source).predict(X))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert not np.allclose(predictions[0], predictions[2])


@pytest.mark.parametrize("kind", KINDS)
def test_scikit_learn_splits_the_source_labels_along(kind):
    X, y, source = data()
    predicted = cross_val_predict(kind(**QUICK), X, y, cv=KFold(4), params={"source": source})
    train, test = next(KFold(4).split(X))
    alone = clone(kind(**QUICK)).fit(X[train], y[train], source=source[train]).predict(X[test])
    np.testing.assert_allclose(predicted[test], alone, rtol=1e-6)


def test_what_is_learned_in_the_source_task_helps():
    """Few accessions of T2, many of T1, and the same genes behind both: frozen features beat a new start."""
    random = np.random.default_rng(0)
    X = random.poisson(0.5, (400, 30, 3)).astype(np.uint8)
    value = (X[..., 0] @ random.normal(size=(30, 3))).astype(float)
    source = value @ random.normal(size=(3, 8)) + random.normal(size=(400, 8))
    y = value @ random.normal(size=(3, 2))
    labels = y.copy()
    labels[30:] = np.nan
    options = {"epochs": 30, "hidden": 12, "learning_rate": 3e-3, "device": "cpu"}
    scores = []
    for model, known in (
        (
            FrozenGalianaRegressor(**options, head_hidden=20, source_epochs=30, source_learning_rate=3e-3),
            True,
        ),
        (GalianaRegressor(**options), False),
    ):
        fitted = (
            model.fit(X[:300], labels[:300], source=source[:300]) if known else model.fit(X[:30], labels[:30])
        )
        predicted = fitted.predict(X[300:])
        scores.append(np.mean([np.corrcoef(predicted[:, t], y[300:, t])[0, 1] for t in range(2)]))
    assert scores[0] > scores[1] + 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (None, "Transfer learning needs `source`, the labels of the source task"),
        (np.zeros((3, 2)), r"source has shape \(3, 2\); needed are 40 rows"),
        (np.zeros(40), r"source has shape \(40,\); needed are 40 rows"),
        (np.full((40, 2), np.nan), "No trait of the source task has two different labels"),
        (np.ones((40, 2)), "No trait of the source task has two different labels"),
    ],
)
def test_a_source_task_that_teaches_nothing_is_refused(kind, source, sentence):
    X, y, _ = data()
    with pytest.raises(ValueError, match=sentence):
        kind(**QUICK).fit(X, y, source=source)
