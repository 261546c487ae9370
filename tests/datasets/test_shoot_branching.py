"""The shoot-branching benchmark against its published maxima and against plain counting."""

import numpy as np
import pytest

from gi_lib.datasets.simulate.shoot_branching import (
    LOCI_PER_SIGNAL,
    POPULATIONS,
    SIGNALS,
    SUM_OF_EFFECTS,
    extremes,
    integrated_signal,
    signal_edges,
    signal_levels,
    simulate_shoot_branching,
    time_to_outgrowth,
)


def test_extremes_are_the_published_ones():
    found = extremes()
    assert (round(found["CK"], 3), round(found["SL"], 3), round(found["I"], 3)) == (1.356, 1.764, 0.491)


def test_no_genome_reaches_beyond_the_extremes():
    random = np.random.default_rng(0)
    high = 2 * np.array([SUM_OF_EFFECTS[name] for name in SIGNALS])
    levels = signal_levels(random.random((20_000, 4)) ** 0.3 * high)
    most = extremes()
    assert levels[:, 1].max() <= most["CK"]
    assert levels[:, 3].max() <= most["SL"]
    assert integrated_signal(levels).min() >= most["I"]


def test_one_plant_by_hand():
    (ck, sl) = signal_levels(np.array([[1.0, 0.5, 1.0, 0.4]]))[0, [1, 3]]
    assert ck == pytest.approx((0.5 / 1.96 + 0.25 / 1.19) / 0.99)
    assert sl == pytest.approx((0.4 + 24.89 / 295.58) / 0.86)
    levels = np.array([[1.0, 0.8, 1.0, 0.5]])
    i = (0.33 + 5.64 * 0.25 / (1 + (4.8e-13 + 7.1) * 0.25) + 287.53 / (1 + 1000 * 0.64)) / 0.99
    assert integrated_signal(levels)[0] == pytest.approx(i)
    assert time_to_outgrowth(levels)[0] == pytest.approx(3.5 * i - 2.2)


@pytest.mark.parametrize("population", POPULATIONS)
def test_a_population_is_what_it_says(population):
    plants = simulate_shoot_branching(population, 400, n_neutral=15, seed=3)
    effects = plants["truth_marker_effect"].values
    np.testing.assert_allclose(effects.sum(axis=0), [SUM_OF_EFFECTS[name] for name in SIGNALS])
    assert ((effects > 0).sum(axis=0) == LOCI_PER_SIGNAL).all()
    assert (effects > 0).sum(axis=1).max() == 1
    causal = (effects > 0).any(axis=1)
    assert (~causal).sum() == 15
    chromosome = plants["chromosome"].values
    assert [(chromosome[causal] == name).sum() for name in "1234"] == [10] * 4
    for name in "1234":
        assert (np.diff(plants["position"].values[chromosome == name]) >= 0).all()
    additive = plants["dosage"].values @ effects
    np.testing.assert_allclose(plants["truth_additive"], additive)
    # Without noise the trait is a function of the signals alone.
    levels = signal_levels(additive)
    np.testing.assert_allclose(plants["truth_level"], levels)
    np.testing.assert_allclose(plants["truth_trait"], time_to_outgrowth(levels))
    noise = plants["trait_value"].values[:, 0] - plants["truth_trait"].values
    assert noise.std() / plants["truth_trait"].values.std() == pytest.approx(0.1, abs=0.015)
    shares = (plants["entity_value"].values - levels).std(axis=0) / levels.std(axis=0)
    np.testing.assert_allclose(shares, 0.05, atol=0.008)


def test_an_f2_segregates_and_recombines():
    plants = simulate_shoot_branching("F2", 4000, seed=2)
    dosage = plants["dosage"].values
    shares = np.stack([(dosage == value).mean(axis=0) for value in (0, 1, 2)])
    np.testing.assert_allclose(shares, np.array([[0.25], [0.5], [0.25]]) * np.ones(40), atol=0.04)
    # Two loci of one parent at d Morgan correlate by exp(-2d); of different parents with the other sign.
    morgan, chromosome = plants["position"].values / 1e8, plants["chromosome"].values
    early = plants["truth_marker_effect"].values[:, [1, 2]].any(axis=1)
    sign = np.where(early, 1, -1)
    expected = np.exp(-2 * np.abs(morgan[:, None] - morgan)) * (chromosome[:, None] == chromosome)
    np.testing.assert_allclose(np.corrcoef(dosage.T), expected * np.outer(sign, sign), atol=0.07)


def test_signals_in_which_the_early_parent_is_ahead_go_together_only_in_a_plain_f2():
    def likeness(population):
        found = [
            np.corrcoef(simulate_shoot_branching(population, 500, seed=seed)["truth_additive"].values.T)[1, 2]
            for seed in range(6)
        ]
        return np.mean(found)

    assert likeness("F2") > 0.5
    assert abs(likeness("F2 of mixed parents")) < 0.3


def test_edges_are_the_loci_of_each_signal():
    plants = simulate_shoot_branching(n_samples=30, n_neutral=5, seed=4)
    edges = signal_edges(plants)
    assert edges.target_names.tolist() == list(SIGNALS)
    assert edges.n_sources == 45
    for signal in range(4):
        loci = edges.source[edges.target == signal]
        assert loci.tolist() == np.flatnonzero(plants["truth_marker_effect"].values[:, signal]).tolist()


def test_the_same_seed_gives_the_same_plants():
    one, other, third = (simulate_shoot_branching(n_samples=20, seed=seed) for seed in (5, 5, 6))
    assert one.identical(other)
    assert not np.array_equal(one["dosage"], third["dosage"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": "F3"}, "population is 'F3'; allowed are F2, F2 of mixed parents, diversity"),
        ({"n_samples": 0}, "n_samples is 0"),
        ({"n_neutral": -1}, "n_neutral is -1; allowed are whole numbers from 0"),
        ({"trait_noise": -0.1}, "trait_noise is -0.1; it must be at least 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        simulate_shoot_branching(**options)
