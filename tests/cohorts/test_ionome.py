"""The cohort of the ionome paper from small files in the published formats, against a plain recount of these files."""

import csv
import gzip
import importlib
import io
import itertools
import math
import re
import shutil
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path
from statistics import fmean

import numpy as np
import pysam
import pytest
import xarray as xr
import yaml

from gi_lib.cohorts import FILES, ionome, load_cohort, resolve_cohort
from gi_lib.cohorts.arapheno import read_arapheno
from gi_lib.cohorts.ionome import FASTA, GENOMES, GFF3, read_tissue
from gi_lib.datasets import registry
from gi_lib.datasets.cohort import VARIANT_TYPES, fingerprint, validate_cohort
from gi_lib.datasets.registry import DataError, DataUnavailable, cache_dir
from gi_lib.datasets.small_genome import simulate_small_genome
from gi_lib.encoding import Settings, count_variants

MANIFESTS = Path(ionome.__file__).parents[2] / "data_manifest"
SAMPLES = [str(n) for n in (88, 108, 139, 159, 265, 350, 6909, 6911, 7000, 10_012)]

LEAF = """Ecotype_ID,CS_number,Ecotype_name,Country,Latitude,Longitude,Li7_leaf_ionome,Na23_leaf_ionome,Fe57_leaf_ionome
88,CS76790,CYR,FRA,47.4,0.683333,1.5,100,3
108,CS77013,LDV-18,France,48.5167,-4.06667,2.0,110,NA
88,CS76790,CYR,FRA,47.4,0.683333,2.5,130,5
139,,Öst,Sweden,,,0.5,90,4
88,CS76790,CYR,FRA,47.4,0.683333,2.0,,4
6909,CS76778,Col-0,US,38.3,-92.3,3.25,80,2
9999,,no genome,GER,50,10,9,9,9
6911,,,UNK,,,7,70,
7000,,nothing measured,GER,51,9,,NA,
"""
SEED = """"",Ecotype_ID,Country,Latitude,Longitude,Na23_seed_ionome,Li7_seed_ionome
1,108,FRA,48.5167,-4.06667,10.5,0.25
2,139,SWE,62.88,18.18,11.5,0.5
3,6909.0,USA,38.3,-92.3,12.5,NaN
4,10012,Spain,40.1,-3.4,13.5,1.0
5,6909.0,USA,38.3,-92.3,14.5,NaN
6,350,NED,52.1,5.2,15.0,2.0
"""
STUDIES = {
    "study_list.csv": "id,name,description,phenotype_count\n1,Many traits,\"Flowering, and more\",4\n"
    "12,Replicates,,2\n76,The ionome of everything,,1\n77,Concentrations,,3\n",
    "1/study_1_values.csv": "accession_id,replicate_id,FT10,Li7,Days to bolting,Absent\n"
    "88,1,50.5,1.0,20,\n139,2,,2.0,30,\n6909,3,40,,25,\n31337,4,99,9,99,5\n",
    "12/study_12_values.csv": "accession_id,replicate_id,FT10, width\n6909,1,   24.5, 100.2\n6909,2, 23.2, 101.5\n"
    "108,3,,11.2\n108,4,4.2,\n350,5,7,8\n",
    "76/study_76_values.csv": "accession_id,replicate_id,total\n88,1,5\n",
    "77/study_77_values.csv": "accession_id,replicate_id,Mo98,Rb85_seed,weight\n88,1,1,2,3\n",
    "12/study_12_values.plink": "FID IID FT10 width\n6909 1 0 0\n",
    "__MACOSX/1/._study_1_values.csv": "rubbish",
}  # fmt: skip


def write_zip(path: Path, entries: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A mirror with the seven files, and the project's manifests but for the small gene models."""
    folder = tmp_path_factory.mktemp("original")
    small = simulate_small_genome(
        folder / "small", n_genes=30, n_samples=len(SAMPLES), n_variants=1_500, seed=3
    )
    mirror = folder / "mirror"
    for name in FILES["ionome"]:
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
    # As they are published: gene models with "Chr", variants and sequence without; the sequence in plain gzip.
    with tarfile.open(mirror / GFF3, "w:xz") as archive:
        archive.add(small.gff3, "TAIR10_GFF3_genes.gff")
    (mirror / FASTA).write_bytes(gzip.compress(small.fasta.read_bytes().replace(b">Chr", b">")))
    text = small.vcf.read_text().replace("ID=Chr", "ID=").replace("\nChr", "\n")
    for number, sample in enumerate(SAMPLES, start=1):
        text = text.replace(f"plant_{number:02d}", sample)
    plain = folder / "variants.vcf"
    plain.write_text(text)
    pysam.tabix_compress(str(plain), str(mirror / GENOMES))
    (mirror / "ionome/leaf_ionome.csv").write_text(LEAF, encoding="latin-1")  # as a spreadsheet may save it
    (mirror / "ionome/seed_ionome.csv").write_text(SEED, encoding="utf-8-sig")
    write_zip(mirror / "arapheno/database.zip", STUDIES)
    manifests = folder / "manifests"
    manifests.mkdir()
    for name in ("ionome", "arapheno", "genomes-1001"):
        shutil.copy(MANIFESTS / f"{name}.yaml", manifests)
    raw = yaml.safe_load((MANIFESTS / "arabidopsis.yaml").read_text())
    content = (mirror / GFF3).read_bytes()
    entry = raw["files"][Path(GFF3).name] | {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    raw["files"] = {Path(GFF3).name: entry}
    (manifests / "arabidopsis.yaml").write_text(yaml.safe_dump(raw))
    return folder


@pytest.fixture(scope="module")
def cache(source, tmp_path_factory) -> Path:
    """The cache in which the cohort was made."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cohort(source, cache) -> xr.Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GI_DATA_MIRROR", str(source / "mirror"))
        patch.setenv("GI_MANIFEST_DIR", str(source / "manifests"))
        patch.setenv("GI_CACHE_DIR", str(cache))
        return load_cohort("ionome")


@pytest.fixture
def mirror(source, tmp_path, monkeypatch) -> Path:
    """A mirror of one's own, to change, and an empty cache."""
    folder = shutil.copytree(source / "mirror", tmp_path / "mirror")
    monkeypatch.setenv("GI_DATA_MIRROR", str(folder))
    monkeypatch.setenv("GI_MANIFEST_DIR", str(source / "manifests"))
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def made(mirror, cohort, cache, monkeypatch) -> Path:
    """The same with the cache in which the cohort stands already, copied."""
    monkeypatch.setenv("GI_CACHE_DIR", str(shutil.copytree(cache, mirror.parent / "made")))
    return mirror


def refusal_of(call, kind=DataError) -> str:
    with pytest.raises(kind) as refusal:
        call()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


# ------------------------------------------------------------------------------------------------- labels


def test_accessions_have_a_genome_and_a_label_in_leaf_or_seed(cohort):
    # 9999 has no genome; of 159 and 265 nothing is known, and of 7000 nothing was measured.
    assert cohort["sample"].values.tolist() == ["88", "108", "139", "350", "6909", "6911", "10012"]
    assert (cohort.attrs["name"], cohort.attrs["data_kind"]) == ("ionome", "real")
    assert "7 accessions" in cohort.attrs["source"]
    assert "1 more have no genome" in cohort.attrs["source"]
    validate_cohort(cohort)


def cells(text: str) -> dict[str, list[dict[str, str]]]:
    """Rows by ecotype number."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        rows.setdefault(row["Ecotype_ID"].removesuffix(".0"), []).append(row)
    return rows


def test_labels_are_means_of_the_rows_of_an_accession_and_the_rows_are_kept(cohort):
    assert cohort["trait"].values.tolist() == ["Li7_leaf", "Na23_leaf", "Fe57_leaf", "Na23_seed", "Li7_seed"]
    assert cohort["replicate_value"].sizes["replicate"] == 3
    tables = {"leaf": cells(LEAF), "seed": cells(SEED)}
    n_known = 0
    for trait in cohort["trait"].values.tolist():
        tissue = trait.partition("_")[2]
        for sample in cohort["sample"].values.tolist():
            rows = [row[f"{trait}_ionome"] for row in tables[tissue].get(sample, [])]
            values = [float(cell) if cell not in ("", "NA", "NaN") else math.nan for cell in rows]
            known = [value for value in values if not math.isnan(value)]
            here = cohort.sel(sample=sample, trait=trait)
            padded = values + [math.nan] * (3 - len(values))
            np.testing.assert_array_equal(here["replicate_value"], padded, err_msg=f"{trait} of {sample}")
            label = fmean(known) if known else math.nan
            np.testing.assert_allclose(here["trait_value"], label, rtol=1e-15, err_msg=f"{trait} of {sample}")
            n_known += len(known)
    assert n_known == 12 + 9 + 8 - 6 + 5  # by hand: 7 Li7, 6 Na23 and 5 Fe57 in leaves, 6 and 4 in seeds


def test_an_accession_that_one_table_lacks_has_no_label_of_that_tissue(cohort):
    known = cohort["trait_value"].notnull().to_pandas()
    leaf = known[["Li7_leaf", "Na23_leaf", "Fe57_leaf"]].any(axis=1)
    seed = known[["Na23_seed", "Li7_seed"]].any(axis=1)
    assert leaf.index[leaf].tolist() == ["88", "108", "139", "6909", "6911"]
    assert seed.index[seed].tolist() == ["108", "139", "350", "6909", "10012"]


def test_countries_have_one_spelling_and_places_come_from_the_table_that_has_them(cohort):
    country = cohort["country"].to_series().to_dict()
    assert country == {
        "88": "FRA", "108": "FRA", "139": "SWE", "350": "NED", "6909": "USA", "6911": "", "10012": "ESP",
    }  # fmt: skip
    place = {
        s: (float(cohort["latitude"].sel(sample=s)), float(cohort["longitude"].sel(sample=s)))
        for s in country
    }
    assert place["88"] == (47.4, 0.683333)
    assert place["139"] == (62.88, 18.18)  # not in the leaf's table
    assert np.isnan(place["6911"]).all()


def test_without_replicates_there_are_none(made):
    # The recorded hash of a file changes with the file; see `registry`.
    shutil.rmtree(cache_dir() / "recorded")
    for tissue, text in (("leaf", LEAF), ("seed", SEED)):
        lines = text.splitlines(keepends=True)
        first = {}
        for line in lines[1:]:
            first.setdefault(line.split(",")[0 if tissue == "leaf" else 1], line)
        (made / f"ionome/{tissue}_ionome.csv").write_text(lines[0] + "".join(first.values()))
    cohort = load_cohort("ionome")
    assert "replicate_value" not in cohort
    assert float(cohort["trait_value"].sel(sample="88", trait="Li7_leaf")) == 1.5
    assert float(cohort["trait_value"].sel(sample="6909", trait="Na23_seed")) == 12.5


# -------------------------------------------------------------------------------------------- source task


def test_the_source_task_is_all_of_arapheno_but_the_ionome_studies(cohort):
    source = cohort["source_trait_value"].to_pandas()
    nan = math.nan
    expected = {
        "FT10_study1": [50.5, nan, nan, nan, 40, nan, nan],
        "Li7_study1": [1, nan, 2, nan, nan, nan, nan],  # an element among other traits stays
        "Days_to_bolting_study1": [20, nan, 30, nan, 25, nan, nan],
        "FT10_study12": [nan, 4.2, nan, 7, (24.5 + 23.2) / 2, nan, nan],
        "width_study12": [nan, 11.2, nan, 8, (100.2 + 101.5) / 2, nan, nan],
    }  # "Absent" is known of no accession of the cohort
    assert source.columns.tolist() == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(source[name], values, rtol=1e-15, err_msg=name)
    assert "all studies but The ionome of everything, Concentrations." in cohort.attrs["source"]


def test_arapheno_names_the_studies_left_out_even_without_a_list(tmp_path):
    entries = {name: text for name, text in STUDIES.items() if name != "study_list.csv"}
    traits, left_out = read_arapheno(write_zip(tmp_path / "database.zip", entries))
    assert left_out == ["study 77"]  # 76 is known by its name only
    assert "total_study76" in traits
    assert traits.loc["31337"].dropna().to_dict() == {
        "FT10_study1": 99, "Li7_study1": 9, "Days_to_bolting_study1": 99, "Absent_study1": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"readme.txt": "nothing"}, "has no table study_<number>_values.csv"),
        (
            {"1/study_1_values.csv": "id,FT10\n1,2\n"},
            "study_1_values.csv has no column 'accession_id'; it has id, FT10",
        ),
        (
            {"1/study_1_values.csv": "accession_id,replicate_id,FT10\n88,1,late\n"},
            "study_1_values.csv: FT10 of accession 88 is 'late'; needed is a number",
        ),
        (
            {"1/study_1_values.csv": "accession_id,FT10\n88,1,2\n"},
            "line 2: 3 cells; the first line names 2 columns",
        ),
        ({"1/study_1_values.csv": "accession_id,Zn66\n88,1\n"}, "has no study but those of the ionome"),
        (
            {
                "a/study_1_values.csv": "accession_id,x\n88,1\n",
                "b/study_1_values.csv": "accession_id,x\n88,1\n",
            },
            "has the values of study 1 twice",
        ),
        (
            {"1/study_1_values.csv": "accession_id,FT 10,FT_10\n88,1,2\n"},
            "two traits of one study are called 'FT_10_study1'",
        ),
    ],
)
def test_an_archive_that_is_not_arapheno_is_refused(tmp_path, entries, sentence):
    path = write_zip(tmp_path / "database.zip", entries)
    assert sentence in refusal_of(lambda: read_arapheno(path))


def test_a_damaged_archive_is_refused(tmp_path):
    path = write_zip(tmp_path / "database.zip", STUDIES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "database.zip is no archive, or damaged" in refusal_of(lambda: read_arapheno(path))


# ----------------------------------------------------------------------------------------------- genomes


def test_counts_are_those_of_the_encoder_for_the_labelled_accessions(cohort, source):
    files = [source / "small" / name for name in ("genome.fa", "genes.gff3", "variants.vcf")]
    settings = Settings(fasta=str(files[0]), gff3=str(files[1]))
    expected, _ = count_variants(files[2], settings)
    rows = [SAMPLES.index(sample) for sample in cohort["sample"].values.tolist()]
    np.testing.assert_array_equal(cohort["counts"], expected["counts"].values[rows])
    assert cohort["counts"].dtype == np.uint8
    assert cohort["gene"].values.tolist() == expected["gene"].values.tolist()
    assert cohort["variant_type"].values.tolist() == list(
        VARIANT_TYPES
    )  # consequences are known: the sequence is used


def test_intronic_counts_equal_a_plain_recount(cohort, source):
    """Genes with one transcript that no other gene overlaps, SNPs more than two bases inside an intron."""
    genes, transcripts, exons = {}, {}, {}
    for line in (source / "small/genes.gff3").read_text().splitlines():
        chromosome, _, kind, start, end, *_, attributes = line.split("\t")
        span = int(start), int(end)
        if kind == "gene":
            genes[attributes.split("ID=")[1].split(";")[0]] = (chromosome.removeprefix("Chr"), *span)
        elif kind == "mRNA":
            parent = attributes.split("Parent=")[1].split(";")[0]
            transcripts.setdefault(parent, []).append(attributes.split("ID=")[1].split(";")[0])
        elif kind == "exon":
            exons.setdefault(attributes.split("Parent=")[1].split(";")[0], []).append(span)
    alone = [
        gene
        for gene, (c, a, b) in genes.items()
        if len(transcripts.get(gene, ())) == 1
        and not any(n != gene and d == c and x <= b and a <= y for n, (d, x, y) in genes.items())
    ]
    with gzip.open(source / "mirror" / GENOMES, "rt") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("##")]
    header, *records = lines
    counted = n_variants = 0
    for gene in alone:
        chromosome, *_ = genes[gene]
        parts = sorted(exons[transcripts[gene][0]])
        introns = [(left + 1, right - 1) for (_, left), (right, _) in itertools.pairwise(parts)]
        here = [r for r in records if r[0] == chromosome and any(a <= int(r[1]) <= b for a, b in introns)]
        if any(len(r[3]) > 1 or len(r[4].split(",")[0]) > 1 for r in here):
            continue  # a deletion may reach out of the intron
        expected = dict.fromkeys(header[9:], 0)
        for r in here:
            if not any(a + 2 <= int(r[1]) <= b - 2 for a, b in introns):
                continue
            n_variants += 1
            for number in range(1, len(r[4].split(",")) + 1):
                for sample, call in zip(header[9:], r[9:], strict=True):
                    expected[sample] += str(number) in call.split(":")[0].split("|")
        found = cohort["counts"].sel(gene=gene, variant_type="intronic").to_series()
        assert found.to_dict() == {sample: expected[sample] for sample in found.index}
        counted += int(found.sum())
    assert n_variants > 10
    assert counted > 20


def test_an_annotation_of_the_file_is_taken_before_the_own(mirror):
    header = (
        '##fileformat=VCFv4.2\n##INFO=<ID=ANN,Number=.,Type=String,Description="SnpEff">\n##contig=<ID=1>\n'
    )
    genes = [line.split("ID=")[1].split(";")[0] for line in _lines(mirror, "gene")]
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT 88 139 31337".replace(" ", "\t")
    effect = (
        "T|missense_variant|MODERATE|{0}|{0}|transcript|{0}.1|protein_coding|1/1|c.1A>T|p.A1B|1/9|1/9|1/3||"
    )
    records = [
        f"1\t{position}\t.\tA\tT\t40\tPASS\tANN={effect.format(genes[gene])}\tGT\t{calls}"
        for position, gene, calls in (
            (10, 0, "1|1\t0|0\t1|1"),
            (20, 0, "1|1\t1|1\t0|0"),
            (30, 1, "0|0\t1|1\t0|0"),
        )
    ]
    (mirror / GENOMES).write_text("\n".join([header + columns, *records]) + "\n")
    cohort = load_cohort("ionome")
    assert cohort["sample"].values.tolist() == ["88", "139"]
    assert cohort["gene"].values.tolist()[:2] == genes[:2]  # all genes of the gene models are there
    assert cohort.sizes["gene"] == len(genes)
    nonsynonymous = cohort["counts"].sel(variant_type="nonsynonymous").values
    assert nonsynonymous[:, :2].tolist() == [[2, 0], [1, 1]]
    assert int(cohort["counts"].sum()) == 4


def _lines(mirror: Path, kind: str) -> list[str]:
    with tarfile.open(mirror / GFF3) as archive:
        text = archive.extractfile(archive.next()).read().decode()
    return [line for line in text.splitlines() if line.split("\t")[2] == kind]


def test_the_sequence_may_be_uncompressed(mirror, cohort):
    (mirror / FASTA).write_bytes(gzip.decompress((mirror / FASTA).read_bytes()))
    assert fingerprint(load_cohort("ionome")) == fingerprint(cohort)


# ------------------------------------------------------------------------------------------ kept, resumed


def spy_on_encode(monkeypatch) -> list:
    calls, encode = [], ionome.encode

    def spy(*args, **options):
        calls.append(encode(*args, **options))
        return calls[-1]

    monkeypatch.setattr(ionome, "encode", spy)
    return calls


def test_a_new_table_does_not_mean_a_new_encoding(made, cohort, monkeypatch):
    calls = spy_on_encode(monkeypatch)
    assert fingerprint(load_cohort("ionome", "demo", 7)) == fingerprint(cohort)
    table = made / "ionome/leaf_ionome.csv"
    table.write_text(table.read_text(encoding="latin-1").replace("3.25", "4.75"))
    assert "at the first fetch its sha256 was" in refusal_of(lambda: load_cohort("ionome"))
    (cache_dir() / "recorded/ionome/leaf_ionome.csv.sha256").unlink()  # as the sentence says
    again = load_cohort("ionome")
    assert float(again["trait_value"].sel(sample="6909", trait="Li7_leaf")) == 4.75
    np.testing.assert_array_equal(again["counts"], cohort["counts"])
    assert calls == []


def test_what_was_made_can_be_read_when_the_large_file_is_gone(made, cohort):
    (made / GENOMES).unlink()
    assert fingerprint(load_cohort("ionome")) == fingerprint(cohort)
    (made / "ionome/seed_ionome.csv").unlink()
    assert fingerprint(load_cohort("ionome")) == fingerprint(cohort)


def test_a_run_that_was_killed_goes_on_where_it_was(mirror, cohort, monkeypatch):
    calls = spy_on_encode(monkeypatch)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("gi_lib.encoding.encode"), "merge_stretches", killed)
        with pytest.raises(KeyboardInterrupt):
            load_cohort("ionome")
    (work,) = (cache_dir() / "cohorts").glob("genomes-1001-*.work")
    assert list(work.glob("part-*.npz"))
    assert fingerprint(load_cohort("ionome")) == fingerprint(cohort)
    assert [call.counted for call in calls] == [0]  # all had been counted
    assert not work.exists()


# ----------------------------------------------------------------------------------------- files missing


@pytest.mark.parametrize("name", FILES["ionome"])
def test_a_missing_file_is_named_with_where_to_get_it_and_where_to_put_it(mirror, name):
    (mirror / name).unlink()
    sentence = refusal_of(lambda: load_cohort("ionome"), DataUnavailable)
    assert name in sentence
    assert registry.find(name).url in sentence
    assert f"<mirror>/{name} (GI_DATA_MIRROR)" in sentence
    assert str(cache_dir() / "data" / name) in sentence
    assert resolve_cohort("auto", real="ionome") == "simulated"


def test_auto_takes_the_real_cohort_when_its_files_are_at_hand(mirror):
    assert resolve_cohort("auto", real="ionome") == "ionome"


def test_auto_never_begins_to_download_the_whole_genomes(mirror, monkeypatch):
    (mirror / GENOMES).unlink()

    def download(entry, *_):
        raise AssertionError(f"{entry.key} was to be downloaded")

    monkeypatch.setattr(registry, "_download", download)
    assert resolve_cohort("auto", real="ionome") == "simulated"


# ------------------------------------------------------------------------------------------- faulty files


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("Ecotype_ID", "Ecotype", "leaf_ionome.csv has no column 'Ecotype_ID'; it has Ecotype, CS_number"),
        ("Country", "Nation", "leaf_ionome.csv has no column 'Country'; it has"),
        ("Latitude,Longitude", "Lat,Long", "leaf_ionome.csv has no column 'Latitude' and none 'Longitude'; it has"),
        ("_leaf_ionome", "_seed_ionome", "leaf_ionome.csv has no column of an element, such as Li7_leaf_ionome; its"),
        ("Na23_leaf", "Li7_leaf", "leaf_ionome.csv has 2 columns 'Li7_leaf_ionome'; the names of columns must be"),
        (",2.5,130,5", ",2.5,130", "leaf_ionome.csv, line 4: 8 cells; the first line names 9 columns"),
        (",2.5,130,5", ',"2,5",130,5', "leaf_ionome.csv: Li7_leaf_ionome of accession 88 is '2,5'; needed is a number"),
        (",2.5,130,5", ",inf,130,5", "Li7_leaf_ionome of accession 88 is 'inf'; needed is a number"),
        (",0.5,90,4", ",true,90,4", "Li7_leaf_ionome of accession 139 is 'true'; needed is a number"),
        ("\n6909,", "\n,", "leaf_ionome.csv, line 7: no Ecotype_ID"),
        ("Sweden", "Swedn", "leaf_ionome.csv, accession 139: 'Swedn' is no known country; allowed are English names"),
        ("47.4,", "47.4N,", "leaf_ionome.csv: Latitude of accession 88 is '47.4N'; needed is a number"),
    ],
)  # fmt: skip
def test_a_fault_in_a_table_is_one_sentence(tmp_path, old, new, sentence):
    path = tmp_path / "leaf_ionome.csv"
    assert old in LEAF
    path.write_text(LEAF.replace(old, new))
    assert sentence in refusal_of(lambda: read_tissue(path, "leaf"))


def test_an_empty_table_is_one_sentence(tmp_path):
    (tmp_path / "leaf_ionome.csv").write_text("\n,,\n")
    assert (
        refusal_of(lambda: read_tissue(tmp_path / "leaf_ionome.csv", "leaf")) == "leaf_ionome.csv is empty."
    )


@pytest.fixture
def no_encoding(monkeypatch):
    """What can be known before hours of encoding is said before."""
    monkeypatch.setattr(ionome, "encode", lambda *_, **__: pytest.fail("the genomes were encoded"))


def test_two_countries_of_one_accession_are_refused(mirror, no_encoding):
    table = mirror / "ionome/seed_ionome.csv"
    table.write_text(table.read_text().replace("2,139,SWE", "2,139,NOR"))
    assert refusal_of(lambda: load_cohort("ionome")) == (
        "leaf_ionome.csv and seed_ionome.csv say that accession 139 comes from SWE and from NOR; an accession has one "
        "country."
    )


def test_arapheno_without_an_accession_of_the_ionome_is_refused(mirror, no_encoding):
    write_zip(mirror / "arapheno/database.zip", {"1/study_1_values.csv": "accession_id,FT10\n1,2\n"})
    assert "arapheno/database.zip has no trait of the accessions" in refusal_of(lambda: load_cohort("ionome"))


def test_genomes_of_other_accessions_are_refused(mirror, no_encoding):
    text = gzip.decompress((mirror / GENOMES).read_bytes()).decode()
    for sample in SAMPLES:
        text = re.sub(rf"\t{sample}(?=[\t\n])", rf"\tx{sample}", text, count=1)
    (mirror / GENOMES).write_text(text)
    sentence = (
        "ACGTN.vcf.gz has none of the accessions of the ionome; its first is 'x88', that of the ionome '88'."
    )
    assert sentence in refusal_of(lambda: load_cohort("ionome"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (FASTA, b"\x1f\x8bnonsense", "is no FASTA file, or damaged"),
        (FASTA, gzip.compress(b"no sequence at all\n", mtime=0), "is no FASTA file, or damaged"),
        (FASTA, gzip.compress(b">1\nACGT\n>2\nACGT\n", mtime=0), "is this the right reference?"),
        (GENOMES, b"no variants", "is not a VCF"),
    ],
)
def test_a_damaged_file_of_the_genome_is_one_sentence(mirror, name, content, sentence):
    (mirror / name).write_bytes(content)
    assert sentence in refusal_of(lambda: load_cohort("ionome"))
    assert not list((cache_dir() / "cohorts").glob(".TAIR10*"))


def test_a_reference_cut_short_is_refused(mirror):
    whole = (mirror / FASTA).read_bytes()
    (mirror / FASTA).write_bytes(whole[: len(whole) // 2])
    assert "is no FASTA file, or damaged" in refusal_of(lambda: load_cohort("ionome"))
