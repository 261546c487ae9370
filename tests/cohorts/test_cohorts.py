"""The named cohorts: made once, kept, never confused; and the real accessions against their source files."""

import csv
import dataclasses
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import rdata
import xarray as xr
from threadpoolctl import threadpool_limits

from gi_lib import cohorts
from gi_lib.cohorts import COHORTS, LARGE_COUNTRIES, DataUnavailable, load_cohort, resolve_cohort
from gi_lib.cohorts.arabidopsis import FILES
from gi_lib.datasets import simulate
from gi_lib.datasets.cohort import DATA_KINDS, EXONIC_UNKNOWN, VARIANT_TYPES, fingerprint, validate_cohort
from gi_lib.datasets.registry import DataError, cache_dir, find


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def simulations(monkeypatch) -> list[tuple]:
    """The arguments of every call of the simulator, which is given little to do."""
    calls, simulate_cohort = [], cohorts.simulate_cohort
    small = dataclasses.replace(simulate.SCALES["demo"], samples=60, genes=200, markers=100)
    monkeypatch.setitem(simulate.SCALES, "demo", small)

    def spy(*arguments):
        calls.append(arguments)
        return simulate_cohort(*arguments)

    monkeypatch.setattr(cohorts, "simulate_cohort", spy)
    return calls


# --------------------------------------------------------------------------------------------- simulated


def test_a_cohort_is_the_same_to_the_bit_whatever_the_cores(monkeypatch, tmp_path):
    found = []
    for threads in (1, 2):
        monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / str(threads)))
        with threadpool_limits(threads):
            found.append(fingerprint(load_cohort("simulated", "demo", 3)))
    assert found[0] == found[1]


def test_a_second_call_reads_what_the_first_has_made(own_cache, simulations):
    first = load_cohort("simulated", "demo", 3)
    second = load_cohort("simulated", "demo", 3)
    assert simulations == [("demo", 3)]
    xr.testing.assert_identical(first, second)
    assert (first.attrs["name"], first.attrs["data_kind"]) == ("simulated", "simulated")
    assert (first.attrs["scale"], first.attrs["seed"]) == ("demo", 3)
    validate_cohort(first)


def test_the_same_seed_gives_the_same_cohort_and_another_does_not(own_cache, simulations, monkeypatch):
    first = load_cohort(seed=3)
    monkeypatch.setenv("GI_CACHE_DIR", str(own_cache / "other"))
    assert fingerprint(load_cohort(seed=3)) == fingerprint(first)
    assert fingerprint(load_cohort(seed=4)) != fingerprint(first)
    assert len(simulations) == 3


def test_a_damaged_cohort_in_the_cache_is_made_anew(own_cache, simulations):
    first = load_cohort(seed=3)
    (store,) = (own_cache / "cohorts").glob("*.zarr")
    next(f for f in (store / "trait_value").iterdir() if not f.name.startswith(".")).write_bytes(b"x")
    xr.testing.assert_identical(load_cohort(seed=3), first)
    assert len(simulations) == 2
    load_cohort(seed=3)
    assert len(simulations) == 2


def test_another_recipe_makes_the_cohort_anew(own_cache, simulations, monkeypatch):
    load_cohort(seed=3)
    monkeypatch.setattr(cohorts, "_recipe", lambda name: "0" * 64)
    load_cohort(seed=3)
    assert len(simulations) == 2


# ----------------------------------------------------------------------------------------------- choices


def test_unknown_name_and_scale_are_refused_with_the_allowed_ones(own_cache):
    sentence = f"cohort is 'maize'; allowed are auto, {', '.join(COHORTS)}, or a folder NAME.zarr"
    for call in (resolve_cohort, load_cohort):
        with pytest.raises(ValueError, match=sentence):
            call("maize")
    with pytest.raises(ValueError, match="scale is 'huge'; allowed are demo, paper"):
        load_cohort("simulated", "huge")
    with pytest.raises(ValueError, match="seed is -1; allowed are whole numbers from 0 upwards"):
        load_cohort("simulated", "demo", -1)
    assert not list(own_cache.rglob("*.zarr"))


def test_without_real_data_auto_is_simulated_and_the_real_cohort_is_refused(own_cache):
    assert resolve_cohort("auto") == "simulated"
    assert resolve_cohort("arabidopsis") == "arabidopsis"
    assert load_cohort("auto", seed=3).attrs["data_kind"] == "simulated"
    for name in ("arabidopsis", "arabidopsis-simulated-traits"):
        with pytest.raises(DataUnavailable) as refusal:
            load_cohort(name)
        assert "arabidopsis/" in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_real_file_that_is_not_the_pinned_one_is_never_replaced_by_a_simulation(own_cache, monkeypatch):
    mirror = own_cache / "mirror"
    for name in FILES:
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_text("wrong")
    monkeypatch.setenv("GI_DATA_MIRROR", str(mirror))
    with pytest.raises(DataError) as refusal:
        resolve_cohort("auto")
    assert not isinstance(refusal.value, DataUnavailable)


# -------------------------------------------------------------------------------------------------- real


def test_every_cohort_names_its_kind_of_data_and_its_files():
    assert list(COHORTS) == list(cohorts.FILES)
    assert set(COHORTS.values()) <= set(DATA_KINDS)
    for name, files in cohorts.FILES.items():
        assert [find(file).key for file in files] == list(files)
        assert bool(files) == (COHORTS[name] != "simulated")


@pytest.fixture(scope="module")
def mirrored(use_mirror):
    with use_mirror(*FILES) as folder:
        yield folder


@pytest.fixture(scope="module")
def real(mirrored) -> xr.Dataset:
    return load_cohort("arabidopsis")


@pytest.fixture(scope="module")
def mixed(real, mirrored) -> xr.Dataset:
    with pytest.MonkeyPatch.context() as patch:  # the real genomes are at hand: half a minute less
        patch.setattr(cohorts._arabidopsis, "arabidopsis", lambda: real.copy())
        return load_cohort("arabidopsis-simulated-traits", "demo", 2)


@pytest.fixture(scope="module")
def source(mirrored) -> dict:
    """SNPs and coding sequence, read anew with as little code as possible."""
    (matrix,) = rdata.read_rda(mirrored / "arabidopsis/X_Mix.rda").values()
    places = [name.split("-") for name in matrix.coords["dim_1"].values]
    with tarfile.open(mirrored / "arabidopsis/TAIR10_GFF3_genes.tar.xz") as archive:
        text = archive.extractfile(next(entry for entry in archive if entry.isfile())).read().decode()
    rows = [line.split("\t") for line in text.splitlines()]
    parents = {kind: [] for kind in ("gene", "mRNA", "CDS", "transcript")}
    for row in rows:
        if len(row) == 9 and row[2] in ("gene", "mRNA", "CDS"):
            parents[row[2]].append((row[0].removeprefix("Chr"), int(row[3]), int(row[4]), row[8]))
    coding = {a.split("Parent=")[1].split(";")[0] for *_, a in parents["mRNA"]}
    return {
        "carried": matrix,
        "chromosome": np.array([place[0] for place in places]),
        "position": np.array([int(place[1]) for place in places]),
        "cds": {(c, a, b, name.split("Parent=")[1].split(".")[0]) for c, a, b, name in parents["CDS"]},
        "coding genes": [
            (c, a, b) for c, a, b, name in parents["gene"] if name.split("ID=")[1].split(";")[0] in coding
        ],
    }


def test_real_accessions_are_the_1135_with_the_published_countries(real):
    assert (real.attrs["name"], real.attrs["data_kind"]) == ("arabidopsis", "real")
    assert real.sizes["sample"] == 1135
    names, counts = np.unique(real["country"], return_counts=True)
    by_country = dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert [by_country[name] for name in LARGE_COUNTRIES] == [243, 180, 123, 118, 73, 69, 60]
    assert sum(n > 50 for n in by_country.values()) == 7
    assert int(real["latitude"].isnull().sum()) == 4


def test_real_cohort_is_the_one_that_the_recorded_results_were_computed_on(real):
    recorded = (
        Path(cohorts.__file__).parents[2] / "results/population-structure/arabidopsis-demo/provenance.json"
    )
    assert fingerprint(real) == json.loads(recorded.read_text())["data_sha256"]["arabidopsis"]


def test_real_places_are_those_of_the_list(real, mirrored):
    with open(mirrored / "arabidopsis/accessions_1001g.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(real["sample"].values.tolist())
    for i in (0, 100, 700, 1134):
        accession = real.isel(sample=i)
        row = rows[str(accession["sample"].values)]
        assert str(accession["country"].values) == row["Country"]
        assert float(accession["latitude"]) == float(row["Lat"])
        assert float(accession["longitude"]) == float(row["Long"])


def test_real_markers_are_the_22000_snps_in_genome_order_with_inbred_dosages(real, source):
    assert real.sizes["marker"] == 22_000
    assert np.unique(real["dosage"]).tolist() == [0, 2]
    order = np.lexsort((source["position"], source["chromosome"]))
    np.testing.assert_array_equal(real["chromosome"], source["chromosome"][order])
    np.testing.assert_array_equal(real["position"], source["position"][order])
    for sample in real["sample"].values[[3, 500, 1100]].tolist():
        raw = source["carried"].sel(dim_0=sample).values[order]
        np.testing.assert_array_equal(real["dosage"].sel(sample=sample), 2 * (raw == 1))


def test_8291_snps_lie_in_coding_genes(real, source):
    inside = np.zeros(22_000, bool)
    for chromosome in np.unique(real["chromosome"]):
        here = (real["chromosome"] == chromosome).values
        start, end = np.array([(a, b) for c, a, b in source["coding genes"] if c == chromosome]).T
        position = real["position"].values[here, None]
        inside[here] = ((start <= position) & (position <= end)).any(axis=1)
    assert len(source["coding genes"]) == 27_416
    assert inside.sum() == 8_291


def test_counts_in_coding_sequence_equal_an_independent_recount(real, source):
    expected = np.zeros((3, real.sizes["gene"]), int)
    row_of_gene = {name: row for row, name in enumerate(real["gene"].values.tolist())}
    chosen = [3, 500, 1100]
    carried = real["dosage"].values[chosen] == 2
    pairs = set()
    chromosome, position = real["chromosome"].values, real["position"].values
    bounds = {c: np.flatnonzero(chromosome == c)[[0, -1]] for c in np.unique(chromosome)}
    for c, start, end, gene in source["cds"]:
        if c in bounds:
            first, last = bounds[c]
            here = position[first : last + 1]
            low, high = np.searchsorted(here, start), np.searchsorted(here, end, side="right")
            pairs |= {(first + snp, gene) for snp in range(low, high)}
    for snp, gene in pairs:
        expected[:, row_of_gene[gene]] += carried[:, snp]
    counted = real["counts"].sel(variant_type=EXONIC_UNKNOWN).values[chosen]
    np.testing.assert_array_equal(counted, expected)
    assert expected.sum() > 100


def test_every_snp_an_accession_carries_counts_somewhere(real):
    carried = (real["dosage"].values == 2).sum(axis=1)
    counted = real["counts"].values.reshape(1135, -1).sum(axis=1, dtype=int)
    assert (counted >= carried).all()  # a SNP in reach of two genes counts in both
    assert (counted <= 1.5 * carried).all()
    # Col-0 is the reference that the others differ from.
    assert real["sample"].values[carried == 0].tolist() == ["6909"]
    assert set(real["variant_type"].values.tolist()) <= {EXONIC_UNKNOWN, *VARIANT_TYPES}
    assert real["counts"].any("sample").any("variant_type").all()


def test_real_traits_are_flowering_time_and_the_107_of_atwell(real, mirrored):
    traits = real["trait"].values.tolist()
    assert len(set(traits)) == 108
    assert not [name for name in traits if "<" in name or " " in name]
    labels = real["trait_value"].notnull().sum("sample")
    assert int(labels.sel(trait="flowering_time_16C")) == 923
    with open(mirrored / "arabidopsis/flowering_time_16.csv", newline="") as file:
        flowering = {row["ecotypeid"]: float(row["flowering_time_16"]) for row in csv.DictReader(file)}
    column = real["trait_value"].sel(trait="flowering_time_16C").to_series().dropna()
    assert column.to_dict() == {name: value for name, value in flowering.items() if name in column.index}
    elements = [
        "Li7", "B11", "Na23", "Mg25", "P31", "S34", "K39", "Ca43", "Mn55", "Fe56", "Co59", "Ni60", "Cu65", "Zn66",
        "As75", "Se82", "Mo98", "Cd114",
    ]  # fmt: skip
    assert set(elements) <= set(traits)
    assert int(real["trait_value"].sel(trait=elements).notnull().any("trait").sum()) == 62


def test_real_traits_come_from_the_row_of_their_accession(real, mirrored):
    with open(mirrored / "arabidopsis/phenotype_published_raw.tsv", encoding="latin-1", newline="") as file:
        rows = {row["ecotype id"]: row for row in csv.DictReader(file, delimiter="\t")}
    known = real["trait_value"].sel(trait="P31").to_series().dropna()
    assert len(known) > 50
    assert known.to_dict() == {name: float(rows[name]["18_P31"]) for name in known.index}


def test_scale_and_seed_do_not_matter_to_the_real_cohort(real, mirrored):
    stores = list((cache_dir() / "cohorts").glob("arabidopsis-paper-*.zarr"))
    assert load_cohort("arabidopsis", "demo", 9).attrs["fingerprint"] == real.attrs["fingerprint"]
    assert list((cache_dir() / "cohorts").glob("arabidopsis-paper-*.zarr")) == stores
    assert len(stores) == 1


# ----------------------------------------------------------------------- real genomes, simulated traits


def test_simulated_traits_keep_the_real_accessions_counts_and_places(real, mixed):
    large = real.isel(sample=np.isin(real["country"], LARGE_COUNTRIES))
    assert mixed.sizes["sample"] == 866
    for name in ("counts", "dosage", "sample", "gene", "country", "latitude", "longitude", "position"):
        np.testing.assert_array_equal(mixed[name], large[name], err_msg=name)


def test_simulated_traits_have_six_replicates_and_a_known_truth(mixed):
    assert mixed["replicate_value"].sizes["replicate"] == 6
    assert mixed.sizes["trait"] == 36
    assert not {"flowering_time_16C", "P31"} & set(mixed["trait"].values.tolist())
    np.testing.assert_allclose(mixed["trait_value"], mixed["replicate_value"].mean("replicate"), rtol=1e-12)
    assert mixed["truth_genetic_value"].dims == ("sample", "trait")
    np.testing.assert_allclose(
        mixed["truth_genetic_value"].var("sample"), mixed["truth_heritability"], rtol=1e-6
    )


def test_the_three_cohorts_cannot_be_confused(real, mixed):
    three = [load_cohort("simulated"), real, mixed]
    assert [c.attrs["name"] for c in three] == list(COHORTS)[:3]
    kinds = [c.attrs["data_kind"] for c in three]
    assert kinds == [COHORTS[c.attrs["name"]] for c in three]
    assert kinds == ["simulated", "real", "real genomes, simulated traits"]
    assert [any(str(v).startswith("truth_") for v in c.data_vars) for c in three] == [True, False, True]
    assert len({c.attrs["fingerprint"] for c in three}) == 3
    assert (mixed.attrs["scale"], mixed.attrs["seed"]) == ("demo", 2)


def test_with_real_data_auto_is_real(mirrored):
    assert resolve_cohort("auto") == "arabidopsis"
    assert resolve_cohort("auto", real="arabidopsis-simulated-traits") == "arabidopsis-simulated-traits"
