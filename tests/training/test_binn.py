"""BINN and its rivals as estimators: losses, early stopping, priors inside the training accessions, ensembles."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from gi_lib.datasets.pathways import Edges
from gi_lib.datasets.simulate.shoot_branching import SIGNALS, signal_edges, simulate_shoot_branching
from gi_lib.models import ExpressionPrior
from gi_lib.training import (
    CONTROLS,
    BINNRegressor,
    ControlPrior,
    DenseNetworkRegressor,
    Features,
    Schedule,
    SeedEnsemble,
    SoftConstraint,
    Training,
    fit_together,
    masked_mse,
    prior_edges,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"hidden": 8, "device": "cpu", "epochs": 15}
LEARNED = ExpressionPrior(markers_per_entity=10, l1_ratio=None)


@pytest.fixture(scope="module")
def plants():
    return simulate_shoot_branching("F2 of mixed parents", 300, seed=1)


@pytest.fixture(scope="module")
def task(plants):
    return plants["dosage"].values, plants["trait_value"].values[:, 0], plants["entity_value"].values


# ------------------------------------------------------------------------------------------------ the loss


def test_the_soft_constraint_equals_plain_correlations():
    random = np.random.default_rng(0)
    outputs, labels = random.normal(size=(2, 30, 2 + 3)), random.normal(size=(2, 30, 2 + 3))
    labels[0, :10, 0] = labels[0, 5:20, 2] = labels[1, :, 4] = np.nan  # the last was never measured in fit 1
    labels[1, 2:, 3] = np.nan  # two measurements say nothing
    found = SoftConstraint(0.7, 2)(torch.as_tensor(outputs), torch.as_tensor(labels))
    for fit in range(2):
        error = np.nanmean((outputs[fit, :, :2] - labels[fit, :, :2]) ** 2)
        distances = []
        for entity in (2, 3, 4):
            known = ~np.isnan(labels[fit, :, entity])
            if known.sum() > 2:
                r = np.corrcoef(outputs[fit, known, entity], labels[fit, known, entity])[0, 1]
                distances.append(1 - r)
        assert found[fit] == pytest.approx(error + 0.7 * np.mean(distances), rel=1e-9)


def test_the_soft_constraint_has_finite_gradients_where_nothing_was_measured_or_varies():
    outputs = torch.zeros(1, 6, 3, requires_grad=True)
    labels = torch.full((1, 6, 3), torch.nan)
    labels[0, :, 0], labels[0, :, 1] = torch.arange(6.0), 1.0
    loss = SoftConstraint(1.0, 1)(outputs, labels)
    loss.sum().backward()
    assert loss.item() == pytest.approx(np.mean(np.arange(6) ** 2))
    assert torch.isfinite(outputs.grad).all()


# ------------------------------------------------------------------------------------------- early stopping


def tasks_for_stopping(n_fits: int, **schedule):
    """Linear networks on noise: the held-out loss soon rises."""
    random = torch.Generator().manual_seed(0)
    features = torch.randn(40, 30, generator=random)
    labels = features[:, :1] + torch.randn(40, 1, generator=random)
    trainings = []
    for fit in range(n_fits):
        torch.manual_seed(fit)
        trainings.append(
            Training(
                torch.nn.Linear(30, 1),
                Features(features, torch.device("cpu")),
                labels,
                Schedule(batch_size=8, optimiser="adam", decay=1.0, weight_decay=0.0, **schedule),
                seed=fit,
                held_out=10 + fit,
            )
        )
    return features, labels, trainings


def test_training_stops_and_the_best_epoch_is_kept():
    features, labels, trainings = tasks_for_stopping(3, epochs=300, stop_after=6, learning_rate=0.02)
    histories = train(trainings)
    for fit, (one, history) in enumerate(zip(trainings, histories, strict=True)):
        assert 6 < len(history) < 300

        def held_out_loss(epochs: int, fit=fit) -> tuple[float, torch.Tensor]:
            """Trained alone for so many epochs, without stopping."""
            _, _, again = tasks_for_stopping(fit + 1, epochs=epochs, learning_rate=0.02)
            (alone,) = again[fit:]
            train([alone])
            places = slice(40 - alone.held_out, None)
            with torch.no_grad():
                return float(
                    masked_mse(alone.network(features[places]), labels[places])
                ), alone.network.weight

        losses = [held_out_loss(epochs)[0] for epochs in range(1, len(history) + 1)]
        best = int(np.argmin(losses)) + 1
        assert len(history) == best + 6
        torch.testing.assert_close(one.network.weight, held_out_loss(best)[1], rtol=1e-4, atol=1e-6)


def test_each_waits_as_long_as_it_was_told():
    def task(fit: int, stop_after: int) -> Training:
        return tasks_for_stopping(2, epochs=300, stop_after=stop_after, learning_rate=0.02)[2][fit]

    together = train([task(0, 3), task(1, 9)])
    assert together == [train([task(0, 3)])[0], train([task(1, 9)])[0]]
    assert len(together[0]) < len(together[1]) < 300


def test_accessions_that_are_held_out_are_not_trained_on():
    _, _, trainings = tasks_for_stopping(1, epochs=3)
    train(trainings)
    _, other_labels, changed = tasks_for_stopping(1, epochs=3)
    other_labels[30:] = 1e6
    train(changed)
    assert torch.equal(trainings[0].network.weight, changed[0].network.weight)


def test_stopping_without_held_out_accessions_is_refused():
    _, _, trainings = tasks_for_stopping(1, epochs=3, stop_after=2)
    trainings[0].held_out = 0
    with pytest.raises(ValueError, match="stop_after needs accessions that are held out"):
        train(trainings)


# ---------------------------------------------------------------------------------------------- estimators


def test_binn_learns_what_a_straight_line_cannot(plants, task):
    X, y, _ = task
    true = plants["truth_trait"].values
    binn = BINNRegressor(signal_edges(plants), hidden=32, device="cpu").fit(X[:220], y[:220])
    line = np.linalg.lstsq(np.c_[np.ones(220), X[:220]], y[:220], rcond=None)[0]
    of_line = np.c_[np.ones(80), X[220:]] @ line
    error, of_line = (np.mean((p - true[220:]) ** 2) for p in (binn.predict(X[220:]), of_line))
    assert error < 0.7 * of_line


def test_soft_latents_follow_the_measurements_and_predictions_pass_through_them(plants, task):
    X, y, entities = task
    soft = BINNRegressor(signal_edges(plants), 10.0, hidden=16, device="cpu").fit(
        X[:220], y[:220], entities[:220]
    )
    latents = soft.latents(X[220:])
    r = [np.corrcoef(latents[:, j], entities[220:, j])[0, 1] for j in range(4)]
    assert r[0] > 0.9 and r[2] > 0.9 and min(r) > 0.3  # auxin and sucrose depend on their own loci alone
    np.testing.assert_allclose(soft.from_latents(latents)[:, 0], soft.predict(X[220:]), rtol=1e-4, atol=1e-4)


def test_entities_of_a_learned_prior_are_columns_of_the_measurements(plants, task):
    X, y, entities = task
    wide = np.hstack(
        [np.random.default_rng(0).normal(size=(300, 3)) * 0 + 1, entities]
    )  # three constant columns
    fitted = BINNRegressor(LEARNED, **SMALL).fit(X, y, wide)
    assert fitted.entities_.tolist() == [3, 4, 5, 6]
    true = signal_edges(plants)
    for number in range(4):
        own = fitted.edges_.source[fitted.edges_.target == number]
        assert len(np.intersect1d(own, true.source[true.target == number])) >= 2


def test_gaps_in_dosages_and_entities_are_allowed(task):
    X, y, entities = (values.copy() for values in task)
    X[::7, 3], entities[::5] = 255, np.nan
    fitted = BINNRegressor(LEARNED, 1.0, **SMALL).fit(X, y, entities)
    assert np.isfinite(fitted.predict(X)).all()


def test_same_seed_same_result_and_another_seed_another(task):
    X, y, entities = task
    one, other, third = (
        BINNRegressor(LEARNED, seed=seed, **SMALL).fit(X, y, entities).predict(X) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, other)
    assert not np.allclose(one, third)


def test_networks_with_other_markers_are_trained_together_as_alone(plants, task):
    X, y, _ = task
    settings = SMALL | {"stop_after": 50}
    priors = [signal_edges(plants), ControlPrior(signal_edges(plants), "random", seed=3)]
    samples = [np.arange(200), np.arange(50, 290)]
    together = fit_together([BINNRegressor(prior, **settings) for prior in priors], X, y, samples)
    for prior, mine, fitted in zip(priors, samples, together, strict=True):
        alone = BINNRegressor(prior, **settings).fit(X[mine], y[mine])
        assert fitted.edges_ == alone.edges_
        assert fitted.loss_history_ == alone.loss_history_


def test_an_ensemble_is_the_mean_of_its_members(task):
    X, y, entities = task
    ensemble = SeedEnsemble(BINNRegressor(LEARNED, 0.5, **SMALL), n_members=3, seed=4).fit(X, y, entities)
    members = [member.predict(X) for member in ensemble.members_]
    np.testing.assert_allclose(ensemble.predict(X), np.mean(members, axis=0))
    assert np.std(members, axis=0).min() > 0
    assert len({member.seed for member in ensemble.members_}) == 3
    alone = clone(ensemble.members_[1]).fit(X, y, entities)
    assert ensemble.members_[1].loss_history_ == alone.loss_history_
    with pytest.raises(ValueError, match="n_members is 0"):
        SeedEnsemble(BINNRegressor(LEARNED), n_members=0).fit(X, y, entities)


def test_a_dense_network_is_trained_in_the_same_way(task):
    X, y, _ = task
    fitted = DenseNetworkRegressor(12, device="cpu").fit(X[:220], y[:220])
    assert np.corrcoef(fitted.predict(X[220:]), y[220:])[0, 1] > 0.5
    assert len(fitted.loss_history_) < 300


# -------------------------------------------------------------------------------------------------- priors


@pytest.mark.parametrize("how", CONTROLS)
def test_a_control_has_the_same_size_and_other_edges(task, how):
    X, y, entities = task
    true = prior_edges(LEARNED, X.astype(float), y, entities)
    wrong = prior_edges(ControlPrior(LEARNED, how, seed=1), X.astype(float), y, entities)
    assert wrong.sizes().tolist() == true.sizes().tolist()
    assert wrong != true


def test_a_share_of_the_edges_can_be_rewired(plants):
    true = signal_edges(plants)
    X = plants["dosage"].values.astype(float)
    for share in (0.25, 1.0):
        wrong = ControlPrior(true, "rewired", share, seed=2).edges(X, X[:, 0], None)
        kept = set(zip(true.source, true.target, strict=True)) & set(
            zip(wrong.source, wrong.target, strict=True)
        )
        assert len(kept) == round((1 - share) * len(true))


@pytest.mark.parametrize(
    ("estimator", "entities", "message"),
    [
        (BINNRegressor(LEARNED), False, "prior is learned from measured entities"),
        (BINNRegressor(Edges([0], [0], ["a"], ["b"])), True, "edges from 1 markers, but there are 40"),
        (BINNRegressor(LEARNED, -1.0), True, "entity_weight is -1.0"),
        (BINNRegressor(LEARNED, held_out=1.0), True, "held_out is 1.0; it must lie between 0 and 1"),
        (
            BINNRegressor(ControlPrior(LEARNED, "upside down")),
            True,
            "how is 'upside down'; allowed are rewired",
        ),
    ],
)
def test_what_cannot_be_is_refused(task, estimator, entities, message):
    X, y, measured = task
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y, measured if entities else None)


def test_known_edges_need_as_many_entities_as_were_measured(plants, task):
    X, y, entities = task
    with pytest.raises(ValueError, match="prior has 4 entities, but 3 were measured"):
        BINNRegressor(signal_edges(plants), 1.0).fit(X, y, entities[:, :3])
    with pytest.raises(ValueError, match="fit needs measured entities"):
        BINNRegressor(signal_edges(plants), 1.0).fit(X, y)
    with pytest.raises(ValueError, match="Known edges are not learned from measurements"):
        BINNRegressor(ControlPrior(signal_edges(plants), "shuffled")).fit(X, y, entities)
    assert list(SIGNALS) == plants["entity"].values.tolist()
