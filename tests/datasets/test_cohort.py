"""The cohort's schema, its fingerprint and its storage."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gi_lib.datasets.cohort import (
    DATA_KINDS,
    EXONIC_UNKNOWN,
    VARIANT_TYPES,
    CohortError,
    fingerprint,
    open_cohort,
    save_cohort,
    validate_cohort,
)


def make_cohort() -> xr.Dataset:
    random = np.random.default_rng(0)
    trait = random.normal(size=(4, 2))
    trait[1, 0] = np.nan
    source = random.normal(size=(4, 3))
    source[:3, 1] = np.nan
    return xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), random.integers(1, 9, (4, 3, 2)).astype("uint8")),
            "trait_value": (("sample", "trait"), trait),
            "replicate_value": (("sample", "trait", "replicate"), np.stack([trait, trait + 1], axis=2)),
            "source_trait_value": (("sample", "source_trait"), source),
            "dosage": (("sample", "marker"), np.array([[0, 2, 1, 255, 0]] * 4, "uint8")),
            "truth_effect": (("gene", "trait"), random.normal(size=(3, 2)).astype("float32")),
            "truth_edge_gene": ("pathway_edge", np.array(["AT1", "AT3"])),
            "truth_causal": ("trait", np.array([True, False])),
        },
        coords={
            "sample": ["88", "108", "Röd-1", "x"],
            "gene": ["AT1", "AT2", "AT3"],
            "variant_type": ["nonsynonymous", EXONIC_UNKNOWN],
            "trait": ["Na23_leaf", "P31_seed"],
            "source_trait": ["phenotype_001", "phenotype_002", "FT16"],
            "country": ("sample", ["SWE", "", "Österreich", "UK"]),
            "latitude": ("sample", [55.0, np.nan, -90.0, 90.0]),
            "longitude": ("sample", [13.0, np.nan, -180.0, 180.0]),
            "gene_chromosome": ("gene", ["1", "1", "C"]),
            "gene_start": ("gene", [10, 20, 5]),
            "gene_end": ("gene", [15, 40, 9]),
            "chromosome": ("marker", ["1", "1", "2", "2", "3"]),
            "position": ("marker", [1, 5, 2, 9, 4]),
        },
        attrs={"name": "tiny", "data_kind": "real", "source": "made by hand", "seed": 3},
    )


@pytest.fixture
def cohort() -> xr.Dataset:
    return make_cohort()


# ---------------------------------------------------------------------------------------------- validity


def test_a_good_cohort_is_returned_as_it_is(cohort):
    before = cohort.copy(deep=True)
    assert validate_cohort(cohort) is cohort
    xr.testing.assert_identical(cohort, before)


@pytest.mark.parametrize("kind", DATA_KINDS)
def test_a_cohort_needs_no_optional_variable(cohort, kind):
    least = cohort[["counts", "trait_value"]].drop_vars(["chromosome", "position"], errors="ignore")
    validate_cohort(least.assign_attrs(data_kind=kind))


def test_all_seventeen_types_of_the_paper_are_known(cohort):
    assert len(set(VARIANT_TYPES)) == 17
    wide = cohort.isel(variant_type=[0] * 17).assign_coords(variant_type=list(VARIANT_TYPES))
    validate_cohort(wide)


def put(name, value, index=0):
    """Change one value of a variable or coordinate."""

    def change(cohort):
        values = cohort[name].values.astype(object if isinstance(value, str) else cohort[name].dtype)
        values.flat[index] = value
        values = values.astype(str) if isinstance(value, str) else values
        assign = cohort.assign_coords if name in cohort.coords else cohort.assign
        return assign({name: (cohort[name].dims, values)})

    return change


BROKEN = {
    "no counts": (
        lambda c: c.drop_vars(["counts", "dosage"]),
        "neither a variable 'counts' nor a variable 'dosage'",
    ),
    "no traits": (lambda c: c.drop_vars("trait_value"), "no variable 'trait_value' with dimensions"),
    "counts turned": (lambda c: c.assign(counts=c["counts"].T), "'counts' has dimensions"),
    "traits turned": (lambda c: c.assign(trait_value=c["trait_value"].T), "'trait_value' has dimensions"),
    "flat replicates": (
        lambda c: c.assign(replicate_value=c["trait_value"]),
        "'replicate_value' has dimensions",
    ),
    "dosage turned": (lambda c: c.assign(dosage=c["dosage"].T), "'dosage' has dimensions"),
    **{
        f"no {name}": (lambda c, name=name: c.drop_vars(name), f"no coordinate '{name}' along {dim}")
        for dim, names in {
            "sample": ("country", "latitude", "longitude"),
            "gene": ("gene_chromosome", "gene_start", "gene_end"),
            "marker": ("chromosome", "position"),
        }.items()
        for name in names
    },
    "country of genes": (
        lambda c: c.drop_vars("country").assign_coords(country=("gene", ["a", "b", "c"])),
        "Coordinate 'country' has dimensions",
    ),
    **{
        f"{dim} without names": (lambda c, dim=dim: c.drop_vars(dim), f"The dimension '{dim}' has no names")
        for dim in ("sample", "gene", "variant_type", "trait", "source_trait")
    },
    "sample twice": (put("sample", "108"), "'108' occurs more than once along 'sample'"),
    "gene twice": (put("gene", "AT3"), "'AT3' occurs more than once along 'gene'"),
    "type twice": (put("variant_type", EXONIC_UNKNOWN), "'exonic unknown' occurs more than once"),
    "trait twice": (put("trait", "P31_seed"), "'P31_seed' occurs more than once along 'trait'"),
    "source trait twice": (put("source_trait", "FT16"), "'FT16' occurs more than once along 'source_trait'"),
    "signed counts": (lambda c: c.assign(counts=c["counts"].astype("int16")), "'counts' has type int16"),
    "float counts": (lambda c: c.assign(counts=c["counts"].astype(float)), "'counts' has type float64"),
    "unknown type": (
        put("variant_type", "synonymous"),
        "Unknown variant type 'synonymous'; allowed are nons",
    ),
    "whole traits": (
        lambda c: c.assign(trait_value=c["trait_value"].fillna(0).astype(int)),
        "'trait_value' has type int64; allowed is float",
    ),
    "infinite trait": (put("trait_value", np.inf), "'trait_value' holds an infinite value"),
    "infinite replicate": (put("replicate_value", -np.inf), "'replicate_value' holds an infinite value"),
    "source traits turned": (
        lambda c: c.assign(source_trait_value=c["source_trait_value"].T),
        "'source_trait_value' has dimensions",
    ),
    "source traits that are the traits": (
        lambda c: c.assign(source_trait_value=c["trait_value"]),
        "'source_trait_value' has dimensions ('sample', 'trait'); a cohort needs ('sample', 'source_trait')",
    ),
    "whole source traits": (
        lambda c: c.assign(source_trait_value=c["source_trait_value"].fillna(0).astype(int)),
        "'source_trait_value' has type int64; allowed is float",
    ),
    "infinite source trait": (
        put("source_trait_value", np.inf),
        "'source_trait_value' holds an infinite value",
    ),
    "dosage of three": (put("dosage", 3), "'dosage' must be of type uint8 with values 0, 1, 2, or 255"),
    "wide dosage": (lambda c: c.assign(dosage=c["dosage"].astype("int16")), "'dosage' must be of type uint8"),
    "beyond the pole": (put("latitude", 90.1, 2), "Latitude of sample Röd-1 is outside ±90 degrees"),
    "beyond the date line": (put("longitude", -181.0), "Longitude of sample 88 is outside ±180 degrees"),
    "no kind": (lambda c: c.assign_attrs(data_kind=None), "attribute data_kind is None; allowed are"),
    "unknown kind": (
        lambda c: c.assign_attrs(data_kind="fake"),
        "attribute data_kind is 'fake'; allowed are",
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_refused_by_name(cohort, tmp_path, rule):
    breaking, sentence = BROKEN[rule]
    broken = breaking(cohort)
    with pytest.raises(CohortError) as refusal:
        validate_cohort(broken)
    assert sentence in str(refusal.value)
    with pytest.raises(CohortError):
        save_cohort(broken, tmp_path / "c.zarr")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------- fingerprint


def test_fingerprint_of_equal_content_is_equal(cohort):
    assert fingerprint(cohort) == fingerprint(make_cohort())
    assert len(fingerprint(cohort)) == 64


@pytest.mark.parametrize("name", sorted(map(str, make_cohort().variables)))
def test_fingerprint_changes_with_any_single_value(cohort, name):
    kind = cohort[name].dtype.kind
    last = cohort[name].values.flat[-1]
    value = {"U": "zzz", "b": not last, "u": 7, "i": 7, "f": 0.5}[kind]
    assert value != last
    assert fingerprint(put(name, value, -1)(cohort)) != fingerprint(cohort)


OTHER = {
    "a variable's name": lambda c: c.rename(truth_effect="truth_effects"),
    "a dimension's name": lambda c: c.rename(pathway_edge="edge"),
    "a variable less": lambda c: c.drop_vars("truth_effect"),
    "type of counts": lambda c: c.assign(counts=c["counts"].astype("uint16")),
    "precision of traits": lambda c: c.assign(trait_value=c["trait_value"].astype("float32")),
    "a missing label": lambda c: put("trait_value", np.nan)(c),
    "order of samples": lambda c: c.isel(sample=[1, 0, 2, 3]),
    "fewer samples": lambda c: c.isel(sample=[0, 1, 2]),
    "letters that move between names": lambda c: c.assign_coords(gene=["AT1A", "T2", "AT3"]),
}


@pytest.mark.parametrize("change", OTHER)
def test_fingerprint_changes_with_names_types_and_order(cohort, change):
    assert fingerprint(OTHER[change](cohort)) != fingerprint(cohort)


SAME = {
    "attributes": lambda c: c.assign_attrs(source="elsewhere", extra=1),
    "order of variables": lambda c: c[list(c.data_vars)[::-1]],
    "memory layout": lambda c: c.assign(counts=(c["counts"].dims, np.asfortranarray(c["counts"].values))),
    "width of strings": lambda c: c.assign_coords(country=c["country"].astype("<U40")),
    "strings as objects": lambda c: c.assign_coords(country=c["country"].astype(object)),
}


@pytest.mark.parametrize("change", SAME)
def test_fingerprint_does_not_change_with_what_is_not_content(cohort, change):
    assert fingerprint(SAME[change](cohort)) == fingerprint(cohort)


# ----------------------------------------------------------------------------------------------- storage


def test_round_trip_gives_back_every_value_name_type_and_attribute(cohort, tmp_path):
    path = save_cohort(cohort, tmp_path / "new" / "c.zarr")
    found = open_cohort(path)
    assert found.attrs.pop("fingerprint") == fingerprint(cohort)
    xr.testing.assert_identical(found, cohort)
    assert fingerprint(found) == fingerprint(cohort)
    for name in cohort.variables:
        assert found[name].dtype == cohort[name].dtype, name
    assert [entry.name for entry in path.parent.iterdir()] == ["c.zarr"]


def test_a_cohort_read_from_disk_can_be_saved_again_and_cut(cohort, tmp_path):
    found = open_cohort(save_cohort(cohort, tmp_path / "one.zarr"))
    again = open_cohort(save_cohort(found, tmp_path / "two.zarr"))
    xr.testing.assert_identical(again, found)
    part = found.isel(sample=[0, 3])
    assert open_cohort(save_cohort(part, tmp_path / "part.zarr")).attrs["fingerprint"] == fingerprint(part)


def test_saving_leaves_the_given_cohort_alone(cohort, tmp_path):
    save_cohort(cohort, tmp_path / "c.zarr")
    xr.testing.assert_identical(cohort, make_cohort())


def test_an_existing_path_is_refused_and_kept(cohort, tmp_path):
    path = save_cohort(cohort, tmp_path / "c.zarr")
    with pytest.raises(FileExistsError, match=r"c\.zarr exists already; remove it or choose another name"):
        save_cohort(put("counts", 9)(cohort), path)
    assert open_cohort(path).attrs["fingerprint"] == fingerprint(cohort)


def test_saving_that_fails_leaves_nothing(cohort, tmp_path, monkeypatch):
    def full(self, store, **options):
        Path(store).mkdir()
        (Path(store) / "half").write_text("x")
        raise OSError("No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", full)
    with pytest.raises(OSError, match="No space"):
        save_cohort(cohort, tmp_path / "c.zarr")
    assert not list(tmp_path.iterdir())


def chunk_of(path: Path, name: str) -> Path:
    return next(f for f in sorted((path / name).iterdir()) if not f.name.startswith("."))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


DAMAGE = {
    "a chunk is gone": lambda path: chunk_of(path, "counts").unlink(),
    "a bit has flipped": lambda path: flip(chunk_of(path, "trait_value")),
    "a chunk is cut short": lambda path: chunk_of(path, "counts").write_bytes(b"\x02"),
    "a variable is gone": lambda path: shutil.rmtree(path / "truth_effect"),
    "metadata are rubbish": lambda path: (path / ".zmetadata").write_text("{"),
    "the folder is empty": lambda path: [shutil.rmtree(path), path.mkdir()],
    "it is a file": lambda path: [shutil.rmtree(path), path.write_text("x")],
    "it is gone": lambda path: shutil.rmtree(path),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store_is_refused_by_name(cohort, tmp_path, damage):
    path = save_cohort(cohort, tmp_path / "c.zarr")
    DAMAGE[damage](path)
    with pytest.raises(CohortError, match=r"c\.zarr"):
        open_cohort(path)


def test_a_store_that_was_written_by_somebody_else_is_refused(cohort, tmp_path):
    cohort.to_zarr(tmp_path / "c.zarr", zarr_format=2)
    with pytest.raises(CohortError, match="does not have the content it was written with"):
        open_cohort(tmp_path / "c.zarr")
