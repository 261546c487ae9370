"""The prior learned from measured entities: known causes are found, copies left out, everything in place."""

import numpy as np
import pytest

from gi_lib.models import ElasticNet, ExpressionPrior, association_tests

N, MARKERS, ENTITIES = 150, 60, 12


@pytest.fixture(scope="module")
def measured():
    """Markers 2k and 2k+1 are near copies, entity e comes from marker 4e, the trait from entities 1 and 3."""
    random = np.random.default_rng(0)
    single = random.integers(0, 3, (N, MARKERS // 2))
    dosage = np.repeat(single, 2, axis=1).astype(float)
    flipped = random.random(dosage.shape) < 0.03
    dosage[:, 1::2] = np.where(flipped, random.integers(0, 3, dosage.shape), dosage)[:, 1::2]
    entities = dosage[:, 4 * np.arange(ENTITIES)] + 0.5 * random.normal(size=(N, ENTITIES))
    labels = 3 * entities[:, 1] - 2 * entities[:, 3] + 0.5 * random.normal(size=N)
    return dosage, labels, entities


def test_the_entities_and_markers_behind_a_trait_are_found(measured):
    prior = ExpressionPrior(markers_per_entity=3, fewest=2)
    edges = prior.edges(*measured)
    kept = edges.target_names.astype(int)
    assert {1, 3} <= set(kept.tolist())
    assert edges.n_sources == MARKERS
    for number, entity in enumerate(kept):
        own = edges.source[edges.target == number]
        assert len(own) == 3
        assert 4 * entity in own or 4 * entity + 1 in own


def test_entities_are_those_of_the_elastic_net(measured):
    _, labels, entities = measured
    scaled = (entities - entities.mean(axis=0)) / entities.std(axis=0)
    net = ElasticNet(0.1, inner_folds=5).fit(scaled, labels)
    chosen = ExpressionPrior(fewest=1).choose_entities(entities, labels[:, None])
    assert chosen.tolist() == np.flatnonzero(net.effects_[:, 0]).tolist()


def test_markers_are_the_strongest_that_are_no_copies(measured):
    dosage, _, entities = measured
    found = ExpressionPrior(markers_per_entity=6, max_r2=0.3).choose_markers(dosage, entities)
    t = np.abs(association_tests(dosage, entities).t)
    r2 = np.corrcoef(dosage.T) ** 2
    for entity, own in enumerate(found):
        expected = []
        for marker in np.argsort(-t[:, entity], kind="stable"):
            if len(expected) < 6 and all(r2[marker, other] <= 0.3 for other in expected):
                expected.append(marker)
        assert own.tolist() == expected


def test_fewest_adds_the_entities_that_go_along_most(measured):
    _, _, entities = measured
    noise = np.random.default_rng(1).normal(size=(N, 1))  # nothing goes along with it
    chosen = ExpressionPrior(fewest=7).choose_entities(entities, noise)
    assert len(chosen) >= 7
    assert (np.diff(chosen) > 0).all()


def test_rare_and_constant_markers_have_no_edges(measured):
    dosage, labels, entities = measured
    dosage = dosage.copy()
    dosage[:, :30], dosage[:2, :15] = 0, 1  # rare, then constant
    dosage[:, 30:40] = 1  # as frequent as can be, and the same in all
    edges = ExpressionPrior(l1_ratio=None, markers_per_entity=5).edges(dosage, labels, entities)
    assert edges.source.min() >= 40


def test_missing_measurements_and_labels_are_left_out(measured):
    dosage, labels, entities = (values.copy() for values in measured)
    prior = ExpressionPrior(markers_per_entity=3, fewest=2)
    entities[100:] = np.nan
    same = prior.edges(dosage[:100], labels[:100], entities[:100])
    assert prior.edges(dosage, labels, entities) == same
    gaps = entities.copy()
    gaps[3, 5] = np.nan
    labels[7] = np.nan
    assert {"1", "3"} <= set(prior.edges(dosage, labels, gaps).target_names.tolist())


def test_components_take_out_what_structure_explains(measured):
    dosage, _, _ = measured
    random = np.random.default_rng(2)
    group = np.repeat([0.0, 1.0], N // 2)
    apart = np.hstack([dosage, (2 * group[:, None] * np.ones(20)).astype(float)])
    apart[:, -20:] += random.integers(0, 2, (N, 20)) * (random.random((N, 20)) < 0.2)
    apart = np.minimum(apart, 2)
    entity = (group + 0.5 * dosage[:, 8] + 0.3 * random.normal(size=N))[:, None]
    raw, corrected = (
        ExpressionPrior(markers_per_entity=1, n_components=n).choose_markers(apart, entity)[0][0]
        for n in (0, 1)
    )
    assert raw >= MARKERS
    assert corrected in (8, 9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"markers_per_entity": 0}, "markers_per_entity is 0; it must be at least 1"),
        ({"max_r2": 1.5}, "max_r2 is 1.5; it must lie between 0 and 1"),
        ({"min_maf": 0.7}, "min_maf is 0.7; it must lie between 0 and 0.5"),
        ({"inner_folds": 1}, "inner_folds is 1"),
    ],
)
def test_bad_settings_are_refused(measured, settings, message):
    with pytest.raises(ValueError, match=message):
        ExpressionPrior(**settings).edges(*measured)


def test_what_does_not_fit_is_refused(measured):
    dosage, labels, entities = measured
    with pytest.raises(ValueError, match=r"entities have shape \(10, 12\); needed are 150 rows"):
        ExpressionPrior().edges(dosage, labels, entities[:10])
    with pytest.raises(ValueError, match="2 accessions have measured entities; a prior needs at least 3"):
        ExpressionPrior().edges(dosage, labels, np.where(np.arange(N)[:, None] < 2, entities, np.nan))
    with pytest.raises(ValueError, match="No entity has a marker that varies"):
        ExpressionPrior(l1_ratio=None).edges(np.ones_like(dosage), labels, entities)
