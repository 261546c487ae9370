"""Shuffled labels: what stays together and what is torn apart."""

import numpy as np
import pytest
import xarray as xr

from gi_lib.validation import shuffle_labels


@pytest.fixture
def cohort() -> xr.Dataset:
    n, random = 60, np.random.default_rng(0)
    value = random.normal(size=(n, 3))
    return xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), random.poisson(1, (n, 2, 2)).astype(np.uint8)),
            "trait_value": (("sample", "trait"), value),
            "source_trait_value": (("sample", "source_trait"), 100 + value),
            "replicate_value": (("sample", "trait", "replicate"), value[:, :, None]),
            "truth_genetic_value": (("sample", "trait"), value),
        },
        coords={"country": ("sample", np.array(["SWE", "ESP", ""])[random.integers(3, size=n)])},
    )


@pytest.mark.parametrize("within_countries", [True, False])
def test_labels_of_an_accession_stay_together_and_change_owner(cohort, within_countries):
    shuffled = shuffle_labels(cohort, 1, within_countries)
    value, before = shuffled["trait_value"].values, cohort["trait_value"].values
    assert sorted(map(tuple, value)) == sorted(map(tuple, before))
    assert (value != before).any(axis=1).mean() > 0.8
    np.testing.assert_allclose(shuffled["source_trait_value"].values, 100 + value)
    xr.testing.assert_equal(shuffled["counts"], cohort["counts"])
    assert not {"replicate_value", "truth_genetic_value"} & set(shuffled.data_vars)
    assert "truth_genetic_value" in cohort  # the argument is left alone


def test_countries_keep_their_labels_if_asked(cohort):
    def by_country(data):
        return {
            c: sorted(data["trait_value"].values[data["country"].values == c, 0]) for c in ("SWE", "ESP", "")
        }

    assert by_country(shuffle_labels(cohort, 1, True)) == by_country(cohort)
    assert by_country(shuffle_labels(cohort, 1, False)) != by_country(cohort)


def test_the_seed_decides(cohort):
    one, again, other = (shuffle_labels(cohort, seed)["trait_value"] for seed in (1, 1, 2))
    xr.testing.assert_equal(one, again)
    assert not one.equals(other)
