"""``gi encode``: from files to a cohort, what it says when it cannot, and what survives a kill."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pysam
import pytest
from typer.testing import CliRunner

import gi_lib
from gi_lib.cli import app
from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES, open_cohort
from gi_lib.datasets.small_genome import simulate_small_genome
from gi_lib.encoding import Settings, count_variants, read_gff3


def gi(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in ("encode", *arguments, "--no-progress")])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return simulate_small_genome(tmp_path_factory.mktemp("small"), n_genes=20, n_samples=12, n_variants=400)


@pytest.fixture
def annotated(vcf, tmp_path):
    info = f"ANN={vcf.ann('T', 'missense_variant')}"
    return vcf.write(tmp_path, [vcf.record(100, "A", "T", info, "1|1 0|0 ./.")])


# ------------------------------------------------------------------------------------------ what it makes


def test_a_whole_cohort_with_accessions_and_traits(annotated, tmp_path):
    (tmp_path / "accessions.csv").write_text(
        "sample,country,latitude,longitude\ns2,SWE,60.5,\ns1,ESP,40,-3\nx,,,\n"
    )
    (tmp_path / "traits.tsv").write_text("sample\tNa23\tK39\ns1\t1.5\t\ns3\t\t-2e3\n")
    out = tmp_path / "c.zarr"
    result = gi(annotated, "--out", out, "--accessions", tmp_path / "accessions.csv", "--traits",
                tmp_path / "traits.tsv", "--report", tmp_path / "report.json", "--cores", 1)  # fmt: skip
    assert result.exit_code == 0, result.output
    cohort = open_cohort(out)
    assert cohort["country"].values.tolist() == ["ESP", "SWE", ""]
    np.testing.assert_array_equal(cohort["latitude"], [40, 60.5, np.nan])
    np.testing.assert_array_equal(cohort["longitude"], [-3, np.nan, np.nan])
    assert cohort["trait"].values.tolist() == ["Na23", "K39"]
    np.testing.assert_array_equal(cohort["trait_value"], [[1.5, np.nan], [np.nan, np.nan], [np.nan, -2000]])
    assert cohort.attrs["data_kind"] == "real"
    assert cohort.attrs["name"] == "c"
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["records"], told["used"], told["missing_calls"]) == (1, 1, 1)
    assert "alternative alleles" in result.stdout and f"Written to {out}." in result.stdout


def test_the_command_counts_what_the_function_counts(small, tmp_path):
    chosen = ("--gff3", small.gff3, "--fasta", small.fasta, "--min-maf", 0.1, "--counting", "dosage")
    result = gi(
        small.vcf, "--out", tmp_path / "c.zarr", *chosen, "--effects", "all", "--simulated", "--cores", 1
    )
    assert result.exit_code == 0, result.output
    expected, _ = count_variants(
        small.vcf,
        Settings(gff3=str(small.gff3), fasta=str(small.fasta), min_maf=0.1, counting="dosage", effects="all"),
    )
    cohort = open_cohort(tmp_path / "c.zarr")
    np.testing.assert_array_equal(cohort["counts"], expected["counts"])
    assert cohort.attrs["data_kind"] == "simulated"
    assert cohort["gene"].values.tolist() == read_gff3(small.gff3).genes["name"].tolist()


def test_without_a_sequence_coding_variants_are_unknown(small):
    counts, report = count_variants(small.vcf, Settings(gff3=str(small.gff3)))
    assert counts["variant_type"].values.tolist() == [*VARIANT_TYPES, EXONIC_UNKNOWN]
    assert report.per_type[EXONIC_UNKNOWN] > 0
    assert not set(report.per_type) & {"nonsynonymous", "stopgain", "frameshift deletion"}
    with_sequence, _ = count_variants(small.vcf, Settings(gff3=str(small.gff3), fasta=str(small.fasta)))
    for kind in ("UTR3", "intronic", "upstream", "intergenic", "ncRNA exonic"):
        a, b = counts["counts"].sel(variant_type=kind), with_sequence["counts"].sel(variant_type=kind)
        np.testing.assert_array_equal(a, b, err_msg=kind)


def test_the_command_says_that_regions_are_all_it_can_tell_without_a_sequence(small, tmp_path):
    result = gi(small.vcf, "--out", tmp_path / "c.zarr", "--gff3", small.gff3, "--cores", 1)
    assert result.exit_code == 0, result.output
    assert "Without a FASTA nothing tells what coding variants do" in result.stdout


def test_all_formats_of_one_genome_give_the_same_counts(small, tmp_path):
    from bed_reader import to_bed
    from bio2zarr import vcf as vcf2zarr

    split = tmp_path / "split.vcf"  # PLINK knows two alleles
    pysam.bcftools.norm("-m", "-", "-o", str(split), str(small.vcf), catch_stdout=False)
    packed = tmp_path / "split.vcf.gz"
    pysam.tabix_compress(str(split), str(packed))
    pysam.tabix_index(str(packed), preset="vcf")
    pysam.bcftools.view("-O", "b", "-o", str(tmp_path / "s.bcf"), str(split), catch_stdout=False)
    vcf2zarr.convert([packed], tmp_path / "s.vcz", worker_processes=0, show_progress=False)
    bed = tmp_path / "s.bed"
    records = list(pysam.VariantFile(str(split)))
    dosage = [[np.nan if None in call["GT"] else sum(a == 1 for a in call["GT"]) for call in r.samples.values()]
              for r in records]  # fmt: skip
    names = {
        "iid": list(records[0].samples), "chromosome": [r.chrom for r in records],
        "bp_position": [r.pos for r in records], "allele_1": [r.alts[0] for r in records],
        "allele_2": [r.ref for r in records],
    }  # fmt: skip
    to_bed(bed, np.array(dosage, float).T, properties=names)
    settings = Settings(gff3=str(small.gff3), fasta=str(small.fasta))
    expected, report = count_variants(split, settings)
    for path in (packed, tmp_path / "s.bcf", tmp_path / "s.vcz"):
        counts, told = count_variants(path, settings)
        assert counts.equals(expected), path.name
        assert told == report
    counts, _ = count_variants(bed, settings)
    half = (
        np.isnan(np.array(dosage, float)).T
        & np.array([[any(a == 1 for a in call["GT"]) for call in r.samples.values()] for r in records]).T
    )
    assert half.sum() > 0  # PLINK has no half calls: they are missing there
    difference = expected["counts"].astype(int) - counts["counts"].astype(int)
    assert (difference >= 0).all()
    assert 0 < int(difference.sum()) <= 2 * half.sum()


# --------------------------------------------------------------------------------------------- what it refuses


def refusals(small, annotated, folder):
    text = annotated.read_text()
    (folder / "bare.vcf").write_text(text.replace("ANN", "XX"))
    (folder / "two.vcf").write_text(text.replace("##INFO=<ID=DP", "##INFO=<ID=CSQ"))
    (folder / "some.vcf").write_text(text + "\n".join(["1\t200\t.\tA\tT\t.\t.\tDP=3\tGT\t1|1\t0|0\t0|0", ""]))
    (folder / "odd.vcf").write_text(text.replace("missense_variant", "mysterious_variant"))
    (folder / "far.vcf").write_text(small.vcf.read_text().replace("Chr2\t", "Chr9\t"))
    (folder / "wrong.fa").write_text(">Chr1\n" + "A" * 400_000 + "\n>Chr2\n" + "A" * 400_000 + "\n")
    (folder / "bad.gff3").write_text("Chr1\tx\tgene\t10\t5\t.\t+\t.\tID=A\n")
    (folder / "none.csv").write_text("sample,country\nplant,SWE\n")
    (folder / "twice.csv").write_text("sample,country\ns1,SWE\ns1,ESP\n")
    (folder / "column.csv").write_text("sample,altitude\ns1,5\n")
    (folder / "text.csv").write_text("sample,height\ns1,tall\n")
    (folder / "nameless.csv").write_text("accession,country\ns1,SWE\n")
    own = ("--gff3", small.gff3)
    return {
        "no annotation and no GFF3": ([folder / "bare.vcf"], "carries no annotation .* and no GFF3 was given"),
        "two annotations": ([folder / "two.vcf"], r"carries several annotations \(ANN, CSQ\); choose one"),
        "a record without annotation": ([folder / "some.vcf"], r"some\.vcf, 1:200: the record has no SnpEff anno"),
        "unknown term": ([folder / "odd.vcf"], r"odd\.vcf, 1:100: SnpEff term 'mysterious_variant' is not known"),
        "annotation not there": ([annotated, "--annotation", "CSQ"], "not declare the annotation CSQ; it declares ANN"),
        "annotation unknown": ([annotated, "--annotation", "X"], "annotation is 'X'; allowed are auto, ANN"),
        "own without GFF3": ([annotated, "--annotation", "own"], "needs a GFF3"),
        "contig not in the GFF3": ([folder / "far.vcf", *own], r"chromosome '9' is not in the GFF3, which has 1, 2"),
        "wrong reference": ([small.vcf, *own, "--fasta", folder / "wrong.fa"], "is this the right reference"),
        "FASTA alone": ([small.vcf, "--fasta", small.fasta], "A FASTA is of use only with a GFF3"),
        "bad GFF3": ([small.vcf, "--gff3", folder / "bad.gff3"], r"bad\.gff3, line 1"),
        "missing GFF3": ([small.vcf, "--gff3", folder / "gone.gff3"], r"There is no file .*gone\.gff3"),
        "missing file": ([folder / "gone.vcf"], r"There is no file .*gone\.vcf"),
        "frequency": ([annotated, "--min-maf", 0.5], "min_maf is 0.5; allowed are values from 0 to below 0.5"),
        "region without index": ([annotated, "--region", "1"], "has no index"),
        "share": ([annotated, "--share", "3/2"], "share is 3/2; allowed are 1/2 to 2/2"),
        "share in words": ([annotated, "--share", "half"], "share is 'half'; needed is K/N"),
        "no sample in common": ([annotated, "--accessions", folder / "none.csv"], "none of the samples of the geno"),
        "sample twice": ([annotated, "--accessions", folder / "twice.csv"], "has the sample 's1' twice"),
        "column": ([annotated, "--accessions", folder / "column.csv"], "has a column 'altitude'; allowed are sample"),
        "no number": ([annotated, "--traits", folder / "text.csv"], "height of sample 's1' is 'tall'; needed is"),
        "no sample column": ([annotated, "--traits", folder / "nameless.csv"], "has no column 'sample'"),
        "missing table": ([annotated, "--traits", folder / "gone.csv"], r"There is no file .*gone\.csv"),
    }  # fmt: skip


REFUSALS = [
    "no annotation and no GFF3", "two annotations", "a record without annotation", "unknown term",
    "annotation not there", "annotation unknown", "own without GFF3", "contig not in the GFF3", "wrong reference",
    "FASTA alone", "bad GFF3", "missing GFF3", "missing file", "frequency", "region without index", "share",
    "share in words", "no sample in common", "sample twice", "column", "no number", "no sample column", "missing table",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_one_sentence_and_leave_no_cohort(small, annotated, tmp_path, name):
    cases = refusals(small, annotated, tmp_path)
    assert list(cases) == REFUSALS
    arguments, sentence = cases[name]
    result = gi(*arguments, "--out", tmp_path / "out.zarr", "--cores", 1)
    assert result.exit_code == 1
    assert result.stderr.startswith("gi: ") and result.stderr.count("\n") == 1
    assert re.search(sentence, result.stderr), result.stderr
    assert not (tmp_path / "out.zarr").exists()


def test_unknown_contigs_can_be_left_out(small, tmp_path):
    path = tmp_path / "far.vcf"
    text = small.vcf.read_text()
    path.write_text(text.replace("Chr2\t", "Chr9\t"))
    settings = Settings(gff3=str(small.gff3), skip_unknown_contigs=True)
    counts, report = count_variants(path, settings)
    on_second = sum(line.startswith("Chr2\t") for line in text.splitlines())
    assert (
        report.alleles_left_out["contig not in the GFF3"]
        >= on_second - report.alleles_left_out["carried by no accession"]
    )
    assert set(report.per_chromosome) == {"1"}
    whole, _ = count_variants(small.vcf, settings)
    first = whole["gene_chromosome"].values == "1"
    np.testing.assert_array_equal(counts["counts"][:, first], whole["counts"][:, first])


def test_what_stands_at_the_target_is_not_touched(annotated, tmp_path):
    out = tmp_path / "out.zarr"
    out.mkdir()
    (out / "thesis.txt").write_text("precious")
    result = gi(annotated, "--out", out)
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert (out / "thesis.txt").read_text() == "precious"


# ------------------------------------------------------------------------------------------ kills and clusters


@pytest.fixture(scope="module")
def long_file(vcf, tmp_path_factory):
    """6,000 records of 60 samples on two chromosomes, bgzip."""
    rng = random.Random(3)
    records = []
    for i in range(6000):
        gene = f"G{(i % 3000) // 40:03d}_{i // 3000}"
        info = f"ANN={vcf.ann('T', rng.choice(['missense_variant', 'intron_variant', 'stop_gained']), gene)}"
        calls = rng.choices(["0|0:30:9", "1|1:28:7", "./.:.:.", "0|1:40:12"], k=60)
        place = {"chromosome": str(1 + i // 3000), "form": "GT:GQ:DP"}
        records.append(vcf.record(100 + 7 * (i % 3000), "A", "T", info, calls, **place))
    header = vcf.header + '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">\n'
    return vcf.write(
        tmp_path_factory.mktemp("long"), records, [f"s{i}" for i in range(60)], "bgzip", header=header
    )


@pytest.mark.slow
def test_kills_in_mid_run_and_a_restart_give_the_identical_cohort(long_file, tmp_path):
    """Killed at ten moments, some before, some while and some after counting; then left to end."""
    program = (
        "import sys; from gi_lib.encoding import encode\n"
        "if __name__ == '__main__': print(encode(sys.argv[1], sys.argv[2], cores=2, stretch=2000).counted)\n"
    )
    (tmp_path / "run.py").write_text(program)
    command = [sys.executable, str(tmp_path / "run.py"), str(long_file)]
    begin = time.perf_counter()
    whole = subprocess.run([*command, str(tmp_path / "a.zarr")], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    survived = 0
    for share in (0.3, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        process = subprocess.Popen(
            [*command, str(tmp_path / "b.zarr")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(share * seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        if (tmp_path / "b.zarr").exists():
            break
        survived = max(survived, len(list((tmp_path / "b.zarr.work").glob("part-*.npz"))))
    if not (tmp_path / "b.zarr").exists():
        rest = subprocess.run(
            [*command, str(tmp_path / "b.zarr")], check=True, capture_output=True, text=True
        )
        # Workers may have written one more while they noticed that their parent was gone.
        assert int(rest.stdout) <= int(whole.stdout) - survived
    assert survived > 0
    assert open_cohort(tmp_path / "a.zarr").identical(open_cohort(tmp_path / "b.zarr"))


@pytest.mark.slow
def test_shares_as_jobs_of_the_job_graph_give_the_identical_cohort(long_file, tmp_path):
    root = Path(gi_lib.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", f"{root}/workflow/encode.smk", "--directory", str(tmp_path),
         "--cores", "2", "--quiet", "all", "--config", f"genotypes={long_file}", "out=cohort.zarr", "shares=3",
         "options=--stretch 20000"],
        check=True,
    )  # fmt: skip
    alone = gi(long_file, "--out", tmp_path / "cohort-alone.zarr", "--cores", 1)
    assert alone.exit_code == 0
    one, other = open_cohort(tmp_path / "cohort.zarr"), open_cohort(tmp_path / "cohort-alone.zarr")
    other.attrs["name"] = one.attrs["name"]
    assert one.identical(other)
