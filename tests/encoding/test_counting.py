"""Counting per gene and type, and scaling the counts, against plain loops and plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from gi_lib.encoding import REGIONS, Placement, count_per_gene, unknown_consequences
from gi_lib.encoding.scaling import SCALINGS, CountScaler, Flatten, GeneCounts


def count_slowly(carried, variant, gene, variant_type, n_genes, n_types):
    counts = np.zeros((len(carried), n_genes, n_types), int)
    for sample in range(len(carried)):
        for v, g, t in zip(variant, gene, variant_type, strict=True):
            counts[sample, g, t] += bool(carried[sample, v])
    return counts


@st.composite
def problems(draw):
    n_samples, n_variants = draw(st.integers(0, 4)), draw(st.integers(1, 6))
    n_genes, n_types, n_pairs = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 25))
    return (
        draw(arrays(bool, (n_samples, n_variants))),
        *(draw(arrays(np.int64, n_pairs, elements=st.integers(0, n - 1))) for n in (n_variants, n_genes, n_types)),
        n_genes,
        n_types,
    )  # fmt: skip


@given(problems())
@settings(deadline=None)
def test_counts_equal_a_plain_loop(problem):
    counts = count_per_gene(*problem)
    assert counts.dtype.kind == "u"
    np.testing.assert_array_equal(counts, count_slowly(*problem))


@pytest.mark.parametrize(("n", "dtype"), [(255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
def test_counts_get_as_wide_a_type_as_the_largest_needs(n, dtype):
    zeros = np.zeros(n, int)
    counts = count_per_gene(np.ones((2, n), bool), np.arange(n), zeros, zeros, 1, 1)
    assert counts.dtype == dtype
    assert counts.ravel().tolist() == [n, n]


def test_without_variants_all_counts_are_zero():
    none = np.array([], int)
    counts = count_per_gene(np.zeros((3, 0), bool), none, none, none, 2, 5)
    assert counts.shape == (3, 2, 5)
    assert counts.dtype.kind == "u"
    assert not counts.any()


def test_unknown_consequences_keep_the_regions_but_not_what_an_exon_variant_does():
    names = list(REGIONS)
    asked = ["intergenic", "exonic", "UTR3", "exonic"]
    placement = Placement(np.arange(4), np.zeros(4, int), np.array([names.index(name) for name in asked]))
    codes, types = unknown_consequences(placement)
    assert types == ["exonic unknown", "UTR3", "intergenic"]
    assert [types[code] for code in codes] == ["intergenic", "exonic unknown", "UTR3", "exonic unknown"]


# ----------------------------------------------------------------------------------------------- scaling

count_arrays = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


@given(count_arrays)
@settings(deadline=None)
def test_standardising_equals_plain_numpy(counts):
    scaled = CountScaler().fit_transform(counts)
    mean, deviation = counts.mean(axis=(0, 1)), counts.std(axis=(0, 1))
    expected = (counts - mean) / np.where(deviation > 0, deviation, 1)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, rtol=1e-3, atol=1e-4)  # float32, counts up to 255


def test_standardising_a_cohort_is_accurate():
    counts = np.random.default_rng(0).poisson([0.01, 1, 30], (200, 50, 3)).astype(np.uint8)
    scaled = CountScaler().fit_transform(counts)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1), dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=(0, 1), dtype=float), 1, rtol=1e-5)


def test_type_that_never_varies_becomes_zero_and_stays_finite_elsewhere():
    counts = np.full((3, 4, 2), 7, np.uint8)
    counts[0, 0, 1] = 8
    scaler = CountScaler().fit(counts)
    assert (scaler.transform(counts)[..., 0] == 0).all()
    assert scaler.scale_[0] == 1
    other = counts.copy()
    other[0, 0, 0] = 9
    assert scaler.transform(other)[0, 0, 0] == 2


def test_scaler_uses_what_it_was_fitted_on():
    train, test = np.random.default_rng(0).poisson(2, (2, 10, 6, 3)).astype(np.uint8)
    scaled = CountScaler().fit(train).transform(test)
    expected = (test - train.mean(axis=(0, 1))) / train.std(axis=(0, 1))
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-6)


@given(count_arrays)
@settings(deadline=None)
def test_frequencies_of_a_gene_sum_to_one_or_to_zero(counts):
    scaled = CountScaler("frequency").fit_transform(counts)
    np.testing.assert_allclose(scaled.sum(axis=-1), counts.any(axis=-1), rtol=1e-5)
    assert ((scaled == 0) == (counts == 0)).all()


def test_raw_counts_stay_as_they_are():
    counts = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    scaled = CountScaler("raw").fit_transform(counts)
    assert scaled.dtype == np.uint8
    np.testing.assert_array_equal(scaled, counts)


# ---------------------------------------------------------------------------------------- frequency filter

# Four accessions, three markers: frequencies 1/8, 4/6 (one call is missing) and 8/8.
DOSAGE = np.array([[0, 2, 2], [1, 2, 2], [0, 255, 2], [0, 0, 2]], np.uint8)
PLACES = (np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0]))  # marker, gene, type


def gene_counts(min_maf):
    return GeneCounts(*PLACES, n_genes=2, n_types=2, min_maf=min_maf)


def test_gene_counts_by_hand():
    counts = gene_counts(0.0).fit_transform(DOSAGE)
    assert counts.dtype.kind == "u"
    assert counts.tolist() == [[[0, 1], [2, 0]], [[1, 1], [2, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 0]]]


@pytest.mark.parametrize(
    ("min_maf", "kept"), [(0.0, [1, 1, 1]), (0.1, [1, 1, 0]), (0.125, [0, 1, 0]), (0.34, [0, 0, 0])]
)
def test_markers_whose_rarer_allele_is_not_frequent_enough_are_left_out(min_maf, kept):
    encoder = gene_counts(min_maf).fit(DOSAGE)
    np.testing.assert_allclose(encoder.frequency_, [1 / 8, 4 / 6, 1])
    assert encoder.kept_.tolist() == [bool(k) for k in kept]
    expected = gene_counts(0.0).fit(DOSAGE).transform(np.where(kept, DOSAGE, 0).astype(np.uint8))
    np.testing.assert_array_equal(encoder.transform(DOSAGE), expected)


def test_the_frequency_is_that_of_the_training_accessions():
    encoder = gene_counts(0.1).fit(DOSAGE[:2])
    assert encoder.kept_.tolist() == [True, False, False]
    assert encoder.transform(DOSAGE).tolist() == [[[c, 0], [0, 0]] for c in (0, 1, 0, 0)]


@pytest.mark.parametrize("min_maf", [-0.1, 0.5])
def test_frequency_limits_out_of_range_are_refused(min_maf):
    with pytest.raises(ValueError, match=r"allowed are values from 0 to below 0\.5"):
        gene_counts(min_maf).fit(DOSAGE)


def test_gene_counts_inside_a_pipeline_of_scikit_learn():
    encoder = clone(gene_counts(0.1))
    assert encoder.min_maf == 0.1
    flat = make_pipeline(encoder, CountScaler("raw"), Flatten()).fit_transform(DOSAGE)
    assert flat.dtype.kind == "u"
    assert flat.tolist() == [[0, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_unknown_scaling_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="scaling is 'log'; allowed are standardise, raw, frequency"):
        CountScaler("log").fit(np.zeros((1, 1, 1)))


def test_flat_counts_are_refused():
    with pytest.raises(ValueError, match="2 dimensions; needed are"):
        CountScaler().fit(np.zeros((3, 4)))


@pytest.mark.parametrize("estimator", [*map(CountScaler, SCALINGS), Flatten()], ids=repr)
def test_scalers_can_be_cloned(estimator):
    assert clone(estimator).get_params() == estimator.get_params()


# ---------------------------------------------------------------------------------------------- flatten


def test_flatten_keeps_the_features_that_vary_in_training_in_their_order():
    train = np.array([[[1, 2], [0, 5]], [[1, 3], [0, 4]]])
    test = np.array([[[9, 7], [8, 6]]])
    flatten = Flatten().fit(train)
    assert flatten.transform(train).tolist() == [[2, 5], [3, 4]]
    assert flatten.transform(test).tolist() == [[7, 6]]


def test_flatten_leaves_flat_features_flat():
    features = np.array([[1.0, 2, 3], [1, 5, 3]])
    assert Flatten().fit_transform(features).tolist() == [[2], [5]]
