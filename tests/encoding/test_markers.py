"""Filters and imputation of markers, by hand and against plain loops."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.encoding.markers import DosageImputer, filter_markers

M = MISSING_DOSAGE


def panel(dosage) -> xr.Dataset:
    return xr.Dataset(
        {"dosage": (("sample", "marker"), np.asarray(dosage, np.uint8))}, attrs={"name": "small"}
    )


EXAMPLE = [[0, 0, 2, 1, 0, M], [0, 1, 2, M, 1, M], [0, M, 2, M, M, M], [1, 2, 2, 0, 2, M]]


def test_each_filter_and_its_report():
    kept, steps = filter_markers(panel(EXAMPLE), min_maf=0.1, max_missing=0.25, duplicates=False)
    assert kept["dosage"].values.T.tolist() == [[0, 0, 0, 1], [0, 1, M, 2]]
    assert steps.values.tolist() == [
        ["as read", 6],
        ["missing in at most 25%", 4],
        ["minor allele in at least 10%", 3],
        ["equal to no earlier one", 2],
    ]
    everything, _ = filter_markers(panel(EXAMPLE), min_maf=0, max_missing=1)
    assert everything.sizes["marker"] == 5  # one has no call at all


@pytest.mark.parametrize("n", [7, 10, 20, 100])
def test_a_marker_at_a_limit_is_kept(n):
    for k in range(n // 2 + 1):
        for alleles in ([0] * (n - k) + [2] * k, [2] * (n - k) + [0] * k):
            assert filter_markers(panel(np.c_[alleles]), min_maf=k / n)[0].sizes["marker"] == 1
        called = [[0]] * (n - k) + [[M]] * k
        assert filter_markers(panel(called), min_maf=0, max_missing=k / n)[0].sizes["marker"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_maf": 0.6}, "min_maf is 0.6; it must lie between 0 and 0.5"),
        ({"max_missing": -0.1}, "max_missing is -0.1; it must lie between 0 and 1"),
        ({"min_maf": 0.5, "max_missing": 0}, "No marker of 'small' is left"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        filter_markers(panel([[0, 0], [0, 1], [0, M]]), **settings)


def test_no_dosages():
    with pytest.raises(ValueError, match="The cohort 'x' has no dosages"):
        filter_markers(xr.Dataset(attrs={"name": "x"}))


dosages = arrays(
    np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.sampled_from([0, 1, 2, M])
)


@given(dosages)
def test_imputation_by_a_loop(X):
    as_float = np.where(X == M, np.nan, X.astype(float))
    for fill in ("mean", "most frequent"):
        filled = DosageImputer(fill).fit_transform(X)
        np.testing.assert_array_equal(filled, DosageImputer(fill).fit_transform(as_float))
        for marker in range(X.shape[1]):
            seen = [int(value) for value in X[:, marker] if value != M]
            if fill == "mean":
                expected = np.mean(seen) if seen else 0
            else:
                expected = min(seen, key=lambda value: (-seen.count(value), value)) if seen else 0
            for sample in range(len(X)):
                wanted = expected if X[sample, marker] == M else X[sample, marker]
                assert filled[sample, marker] == pytest.approx(wanted, rel=1e-6)


def test_imputation_learns_from_the_training_accessions_alone():
    imputer = DosageImputer().fit(np.array([[0, 2], [2, 2]], np.uint8))
    assert imputer.transform(np.array([[M, M], [M, 0]], np.uint8)).tolist() == [[1, 2], [1, 0]]
    with pytest.raises(ValueError, match="X has 3 markers; the imputer was fitted on 2"):
        imputer.transform(np.zeros((1, 3), np.uint8))
    with pytest.raises(ValueError, match="fill is 'mode'; allowed are mean, most frequent"):
        DosageImputer("mode").fit(np.zeros((1, 3), np.uint8))
