"""The panels of rice, mouse, wheat and maize against their files, read a second way."""

import bz2
import csv
import re
import warnings
from collections import Counter

import numpy as np
import pytest
import rdata

from gi_lib.cohorts import load_cohort
from gi_lib.cohorts.panels import FILES, MAIZE_TRAITS, _copies, load_panel
from gi_lib.datasets.cohort import MISSING_DOSAGE, CohortError, save_cohort
from gi_lib.encoding.markers import filter_markers


@pytest.fixture(scope="module")
def load(use_mirror):
    def panel(name):
        with use_mirror(*FILES[name]):
            return load_panel(name)

    return panel


def test_rice_is_the_panel_of_the_paper(load):
    rice = load("rice")
    assert dict(rice.sizes) == {"sample": 413, "marker": 36_901, "trait": 36}
    assert set(np.unique(rice["dosage"])) == {0, 2}
    kept, steps = filter_markers(rice, min_maf=0.05)
    assert kept.sizes["marker"] == 34_287
    assert steps["markers"].tolist() == [36_901, 36_901, 34_287]
    populations = Counter(rice["population"].values.tolist())
    assert populations == {"TRJ": 97, "TEJ": 96, "IND": 87, "ADMIX": 62, "AUS": 57, "AROMATIC": 14}
    labels = rice["trait_value"].notnull().sum("sample")
    for trait, n in (
        ("Flowering_time_at_Arkansas", 374),
        ("Flowering_time_at_Aberdeen", 359),
        ("Flowering_time_at_Faridpur", 305),
        ("Amylose_content", 401),
        ("Protein_content", 393),
    ):
        assert labels.sel(trait=trait) == n


def test_rice_traits_and_places_belong_to_their_accessions(load, use_mirror):
    rice = load("rice")
    with use_mirror(*FILES["rice"]) as folder:
        with open(folder / FILES["rice"][1], newline="") as file:
            published = {row["NSFTVID"]: row for row in csv.DictReader(file, delimiter="\t")}
        with open(folder / FILES["rice"][2], newline="", encoding="latin-1") as file:
            listed = {row["NSFTV.ID"]: row for row in csv.DictReader(file)}
    for sample in rice["sample"].values[::7]:
        number = sample.removeprefix("NSFTV_")
        one = rice.sel(sample=sample)
        height = published[number]["Plant height"]
        assert np.isnan(one["trait_value"].sel(trait="Plant_height")) == (height == "NA")
        if height != "NA":
            assert one["trait_value"].sel(trait="Plant_height") == float(height)
        assert one["population"] == listed[number]["Sub-population"]
        assert one["country"] == listed[number]["Country.of.origin"]


@pytest.mark.slow
def test_mouse_calls_are_all_the_calls_in_the_file(load, use_mirror):
    mouse = load("mouse")
    assert (mouse.sizes["sample"], mouse.sizes["marker"]) == (1_940, 12_545)
    assert int(mouse["trait_value"].sel(trait="weight").notnull().sum()) == 1_928
    with use_mirror(*FILES["mouse"]) as folder:
        raw = bz2.decompress((folder / FILES["mouse"][0]).read_bytes())
    calls = Counter(re.findall(rb"\x00\x00\x00\x03([ACGT]/[ACGT])", raw))
    dosage = mouse["dosage"].values
    assert sum(calls.values()) == (dosage != MISSING_DOSAGE).sum()
    mixed = sum(n for call, n in calls.items() if call[:1] != call[2:])
    assert mixed == (dosage == 1).sum()
    assert 0.004 < (dosage == MISSING_DOSAGE).mean() < 0.005
    kept, _ = filter_markers(mouse, min_maf=0.05, max_missing=1)
    assert abs(kept.sizes["marker"] - 10_346) <= 1
    assert mouse["chromosome"].values[-1] == "X"


def test_mouse_weight_within_sex(load):
    """Two numbers are taken away, and the heavier sex is the one without heterozygotes on X."""
    mouse = load("mouse")
    weight, within = (mouse["trait_value"].sel(trait=name).values for name in ("weight", "weight_within_sex"))
    known = ~np.isnan(weight)
    means = (weight - within)[known].round(9)
    light, heavy = np.unique(means)
    assert heavy - light > 3
    for mean in (light, heavy):
        assert within[known][means == mean].mean() == pytest.approx(0, abs=1e-9)
    mixed = (mouse["dosage"].values[:, mouse["chromosome"].values == "X"] == 1).mean(axis=1)[known]
    assert mixed[means == heavy].mean() < 0.01 < 0.1 < mixed[means == light].mean()


def test_wheat(load):
    wheat = load("wheat")
    assert dict(wheat.sizes) == {"sample": 599, "marker": 1_279, "trait": 4}
    assert not wheat["trait_value"].isnull().any()
    np.testing.assert_allclose(wheat["trait_value"].std("sample", ddof=1), 1, rtol=1e-6)
    assert set(np.unique(wheat["dosage"])) == {0, 2}


def test_maize_hybrids_are_the_sum_of_their_parents(load, use_mirror):
    maize = load("maize")
    assert dict(maize.sizes) == {"sample": 685, "marker": 15_318, "trait": 7, "entity": 1_323}
    assert len(np.unique(maize["mother"])) == 60
    assert len(np.unique(maize["father"])) == 43
    with use_mirror(*FILES["maize"]) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snps, expression, field = (rdata.read_rds(folder / name) for name in FILES["maize"])
    # Markers were put in the order of the genome, those of unknown place last: compare what order leaves alone.
    for number in (0, 300, 684):
        hybrid = maize.isel(sample=number)
        _, mother, father = str(hybrid["sample"].values).split("_")
        assert (mother, father) == (hybrid["mother"].item(), hybrid["father"].item())
        both = snps.sel(dim_0=mother) + snps.sel(dim_0=father)
        assert Counter(both.values.tolist()) == Counter(hybrid["dosage"].values.tolist())
        level = (expression.sel(dim_0=mother) + expression.sel(dim_0=father)) / 2
        np.testing.assert_allclose(hybrid["entity_value"], level.sel(dim_1=maize["entity"].values))
        rows = field[field["Genotype"] == hybrid["sample"].item()].set_index("Trait")["Value"]
        for ours, theirs in MAIZE_TRAITS.items():
            assert hybrid["trait_value"].sel(trait=theirs) == pytest.approx(rows[ours])
    first = [name for name in snps["dim_1"].values.tolist() if name.startswith("PZE_101")]
    on_first = maize["chromosome"].values == "1"
    assert on_first.sum() == len(first)
    positions = maize["position"].values[on_first]
    assert (np.diff(positions) > 0).all()
    name = f"PZE_101{positions[5]:06d}"
    column = np.flatnonzero(on_first)[5]
    both = sum(snps.sel(dim_0=maize[parent].values, dim_1=name).values for parent in ("mother", "father"))
    assert np.array_equal(maize["dosage"].values[:, column], both)


def test_shoot_branching_is_a_simulated_panel_of_any_seed():
    one, other = load_panel("shoot-branching", seed=1), load_panel("shoot-branching", seed=2)
    assert one.attrs["data_kind"] == "simulated"
    assert one.sizes["sample"] == 1000
    assert not np.array_equal(one["dosage"], other["dosage"])


def test_copies_of_the_second_allele():
    kinds = np.array(["A/G", "G/G", "A/A", "C/C", "G/A", "T/C"])
    codes = np.array([[0, 3, 2], [1, 5, 2], [2, -1, 2], [4, 3, -1]])
    assert _copies(codes, kinds).tolist() == [
        [1, 0, 2],
        [2, 1, 2],
        [0, MISSING_DOSAGE, 2],
        [1, 0, MISSING_DOSAGE],
    ]
    with pytest.raises(ValueError, match="Marker number 1 has more than two alleles"):
        _copies(np.array([[0, 0], [1, 3]]), kinds)
    with pytest.raises(ValueError, match="needed are two of A, C, G and T"):
        _copies(codes, np.array(["A/G", "?"]))


def test_a_panel_is_no_cohort_of_counts(load, tmp_path):
    with pytest.raises(
        ValueError,
        match=r"panel is 'rise'; allowed are simulated, shoot-branching, rice, mouse, wheat, maize, or a folder",
    ):
        load_panel("rise")
    own = str(tmp_path / "own.zarr")
    save_cohort(load("wheat"), own)
    assert load_panel(own).sizes["marker"] == 1_279
    with pytest.raises(CohortError, match="has no variable 'counts', which is needed here"):
        load_cohort(own)
