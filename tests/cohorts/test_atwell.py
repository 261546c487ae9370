"""The real cohort for transfer learning against its source files, read anew with as little code as possible."""

import csv

import numpy as np
import pytest
import rdata
import xarray as xr

from gi_lib.cohorts import load_cohort, resolve_cohort
from gi_lib.cohorts.atwell import ELEMENTS, FILES
from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES, validate_cohort
from gi_lib.datasets.registry import DataUnavailable, cache_dir


@pytest.fixture(scope="module")
def mirrored(use_mirror):
    with use_mirror(*FILES) as folder:
        yield folder


@pytest.fixture(scope="module")
def cohort(mirrored) -> xr.Dataset:
    return load_cohort("atwell")


@pytest.fixture(scope="module")
def panel(mirrored) -> xr.DataArray:
    (matrix,) = rdata.read_rda(mirrored / "arabidopsis/X_Mix.rda").values()
    return matrix


@pytest.fixture(scope="module")
def published(mirrored) -> dict[str, dict[str, str]]:
    with open(mirrored / "arabidopsis/phenotype_published_raw.tsv", encoding="latin-1", newline="") as file:
        return {row["ecotype id"]: row for row in csv.DictReader(file, delimiter="\t")}


@pytest.fixture(scope="module")
def listed(mirrored) -> dict[str, dict[str, str]]:
    with open(mirrored / "arabidopsis/accessions_1001g.csv", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def numbers(cells) -> np.ndarray:
    return np.array([np.nan if cell == "NA" else float(cell) for cell in cells])


def test_all_199_accessions_have_genomes_in_the_panel(cohort, panel, published):
    assert len(published) == 199
    assert set(published) <= set(panel.coords["dim_0"].values.tolist())
    assert cohort["sample"].values.tolist() == list(published)
    assert (cohort.attrs["name"], cohort.attrs["data_kind"]) == ("atwell", "real")
    validate_cohort(cohort)


def test_the_leaf_ionome_is_known_of_93_accessions_62_of_them_among_the_1135(cohort, published, listed):
    assert cohort["trait"].values.tolist() == [f"{element}_leaf" for element in ELEMENTS]
    assert len(ELEMENTS) == 18
    known = cohort["trait_value"].notnull()
    labelled = cohort["sample"].values[known.any("trait").values].tolist()
    assert len(labelled) == 93
    assert bool((known.all("trait") == known.any("trait")).all())  # all elements or none
    assert len(set(labelled) & set(listed)) == 62
    for column, trait in enumerate(ELEMENTS):
        name = f"{14 + column}_{trait}"
        expected = numbers(row[name] for row in published.values())
        np.testing.assert_array_equal(cohort["trait_value"].values[:, column], expected, err_msg=trait)


def test_the_source_task_is_every_other_trait_and_flowering_time(cohort, published, mirrored):
    columns = list(next(iter(published.values())))[2:]
    others = [c for c in columns if c.partition("_")[2] not in ELEMENTS]
    assert (len(columns), len(others)) == (107, 89)
    source = cohort["source_trait_value"]
    assert source.sizes["source_trait"] == 90
    for position, column in enumerate(others):
        expected = numbers(row[column] for row in published.values())
        np.testing.assert_array_equal(source.values[:, position], expected, err_msg=column)
    names = source["source_trait"].values.tolist()
    assert names[:6] == ["LD", "LDV", "SD", "SDV", "FT10", "FT16"]
    assert len(set(names)) == 90
    assert not {name.removesuffix("_leaf") for name in cohort["trait"].values.tolist()} & set(names)
    assert bool(source.notnull().any("sample").all())
    with open(mirrored / "arabidopsis/flowering_time_16.csv", newline="") as file:
        flowering = {row["ecotypeid"]: float(row["flowering_time_16"]) for row in csv.DictReader(file)}
    assert names[-1] == "flowering_time_16C"
    found = source.sel(source_trait="flowering_time_16C").to_series().dropna().to_dict()
    assert found == {name: flowering[name] for name in published if name in flowering}
    assert len(found) == 99


def test_places_are_those_of_the_1135_or_else_of_the_panel(cohort, listed, mirrored):
    with open(mirrored / "arabidopsis/lat_long_2029.csv", newline="") as file:
        panel = {row["accession_id"]: row for row in csv.DictReader(file)}
    in_list = 0
    for sample in cohort["sample"].values.tolist():
        here = cohort.sel(sample=sample)
        if sample in listed:
            in_list += 1
            row = listed[sample]
            assert str(here["country"].values) == row["Country"]
            place = row["Lat"], row["Long"]
        else:
            place = panel[sample]["latitude"], panel[sample]["longitude"]
        expected = [float(value) if value not in ("", "NA") else np.nan for value in place]
        np.testing.assert_array_equal([float(here["latitude"]), float(here["longitude"])], expected)
    assert in_list == 137
    # Read off the list of the panel by eye: its label, and the same country as the 1,135 would have it.
    by_hand = {
        "6709": "USA", "6899": "GER", "6906": "POR", "6910": "ITA", "6914": "UK", "6936": "FRA",
        "6939": "LBY", "6964": "SWE", "8270": "SUI", "8430": "NED", "8265": "CZE", "100000": "LTU",
    }  # fmt: skip
    for sample, country in by_hand.items():
        assert sample not in listed
        assert str(cohort["country"].sel(sample=sample).values) == country
    assert "" not in cohort["country"].values.tolist()
    assert {len(label) for label in cohort["country"].values.tolist()} == {2, 3}


def test_genomes_are_those_of_the_panel(cohort, panel):
    place = [tuple(map(int, name.split("-"))) for name in panel.coords["dim_1"].values]
    order = sorted(range(len(place)), key=place.__getitem__)
    assert cohort.sizes["marker"] == 22_000
    np.testing.assert_array_equal(cohort["position"], [place[i][1] for i in order])
    for sample in ("5837", "6939", "100000"):
        carried = panel.sel(dim_0=sample).values[order] == 1
        assert carried.any()
        np.testing.assert_array_equal(cohort["dosage"].sel(sample=sample), 2 * carried)
    # Every SNP that is carried counts near a gene, in reach of two genes in both.
    carried = (cohort["dosage"].values == 2).sum(axis=1)
    counted = cohort["counts"].values.reshape(199, -1).sum(axis=1, dtype=int)
    assert (counted >= carried).all()
    assert (counted <= 1.5 * carried).all()
    assert set(cohort["variant_type"].values.tolist()) <= {EXONIC_UNKNOWN, *VARIANT_TYPES}


@pytest.mark.slow
def test_genomes_are_encoded_as_in_the_cohort_arabidopsis(cohort):
    real = load_cohort("arabidopsis")
    both = [name for name in cohort["sample"].values.tolist() if name in set(real["sample"].values.tolist())]
    assert len(both) == 137
    for name in ("counts", "dosage"):
        np.testing.assert_array_equal(cohort[name].sel(sample=both), real[name].sel(sample=both))
    for name in (
        "gene",
        "variant_type",
        "gene_start",
        "gene_end",
        "gene_chromosome",
        "chromosome",
        "position",
    ):
        np.testing.assert_array_equal(cohort[name], real[name])


def test_scale_and_seed_do_not_matter(cohort):
    assert load_cohort("atwell", "demo", 9).attrs["fingerprint"] == cohort.attrs["fingerprint"]
    assert load_cohort("atwell", "paper", 1).attrs["fingerprint"] == cohort.attrs["fingerprint"]
    assert len(list((cache_dir() / "cohorts").glob("atwell-paper-0-*.zarr"))) == 1


def test_auto_prefers_the_cohort_that_a_notebook_names(mirrored, tmp_path, monkeypatch):
    assert resolve_cohort("auto", real="atwell") == "atwell"
    partial = tmp_path / "mirror"
    for name in FILES:
        if not name.endswith("lat_long_2029.csv"):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).symlink_to(mirrored / name)
    monkeypatch.setenv("GI_DATA_MIRROR", str(partial))
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    # Only this cohort lacks a file.
    assert resolve_cohort("auto", real="atwell") == "simulated"
    assert resolve_cohort("auto") == "arabidopsis"
    with pytest.raises(DataUnavailable, match="lat_long_2029"):
        load_cohort("atwell")


def test_auto_refuses_an_unknown_cohort():
    with pytest.raises(ValueError, match="real is 'rice'; allowed are simulated, arabidopsis"):
        resolve_cohort("auto", real="rice")
