"""The encoder as a whole: awkward cases counted by hand, in every format, and what must not change the counts."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pysam.bcftools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gi_lib.datasets.cohort import VARIANT_TYPES, open_cohort
from gi_lib.encoding import EncodingError, Settings, count_variants, encode, list_variants

MISSENSE = ("G1", "nonsynonymous")


def cases(v: SimpleNamespace) -> dict[str, tuple]:
    """Name -> (records, settings, counts by hand, part of the report by hand); samples s1, s2, s3."""
    a, r = v.ann, v.record

    def one(term="missense_variant", alt="T", **more):
        return f"DP=9;ANN={a(alt, term, **more)}"

    silent_and_upstream = f"ANN={a('T', 'synonymous_variant')},{a('T', 'upstream_gene_variant', 'G2')}"
    return {
        "an inbred's homozygous variant counts once": (
            [r(100, "A", "T", one(), "1|1 0|0 1/1")],
            {},
            {MISSENSE: [1, 0, 1]},
            {"records": 1, "alleles": 1, "used": 1, "calls": 3},
        ),
        "variants of a type in a gene add up": (
            [r(100, "A", "T", one(), "1|1 0|0 1|1"), r(107, "C", "T", one(), "1|1 1|1 0|0")],
            {},
            {MISSENSE: [2, 1, 1]},
            {"used": 2},
        ),
        "a heterozygote counts once, whatever its phase": (
            [r(100, "A", "T", one(), "0|1 1|0 1/0")],
            {},
            {MISSENSE: [1, 1, 1]},
            {},
        ),
        "dosage adds copies": (
            [r(100, "A", "T", one(), "0|1 1|1 0|0"), r(109, "C", "T", one(), "1/1 ./1 .")],
            {"counting": "dosage"},
            {MISSENSE: [3, 3, 0]},
            {"missing_calls": 1, "half_calls": 1},
        ),
        "a missing call carries nothing, half a call what it shows": (
            [r(100, "A", "T", one(), "./. ./1 0/."), r(101, "A", "T", one(), "1|1 .|. .")],
            {},
            {MISSENSE: [1, 1, 0]},
            {"missing_calls": 3, "half_calls": 2, "calls": 6},
        ),
        "haploid and diploid calls stand side by side": (
            [r(100, "A", "T", one(), "1 0 0|1"), r(101, "A", "T", one(), "1|1 1 .")],
            {},
            {MISSENSE: [2, 1, 1]},
            {"missing_calls": 1, "half_calls": 0},
        ),
        "four copies": (
            [r(100, "A", "T", one(), "0/0/0/1 0/0/0/0 1/1/1/1"), r(101, "A", "T", one(), "0/1/1/. 0/0/0/0 0/0/0/0")],
            {"counting": "dosage"},
            {MISSENSE: [3, 0, 4]},
            {"half_calls": 1},
        ),
        "further fields of a sample are passed over": (
            [r(100, "A", "T", one(), "1|1:9 0|0:. 0|1:12", form="GT:DP")],
            {},
            {MISSENSE: [1, 0, 1]},
            {},
        ),
        "each allele of a site is a variant of its own": (
            [r(100, "A", "T,C", f"ANN={a('T', 'missense_variant')},{a('C', 'stop_gained')}", "1|1 1|2 2|2")],
            {},
            {MISSENSE: [1, 1, 0], ("G1", "stopgain"): [0, 1, 1]},
            {"records": 1, "alleles": 2, "used": 2},
        ),
        "two alleles of one type count twice in who carries both": (
            [r(100, "A", "T,C", f"ANN={a('T', 'missense_variant')},{a('C', 'missense_variant')}", "1|1 1|2 0|0")],
            {},
            {MISSENSE: [1, 2, 0]},
            {},
        ),
        "more than nine alleles": (
            [
                r(100, "A", ",".join(f"A{'T' * n}" for n in range(1, 12)),
                  "ANN=" + ",".join(a(f"A{'T' * n}", "frameshift_variant") for n in range(1, 12)), "10|10 11|2 0|0"),
            ],
            {},
            {("G1", "frameshift insertion"): [1, 2, 0]},
            {"alleles": 11, "used": 3, "alleles_left_out": {"carried by no accession": 8}},
        ),
        "insertions and deletions": (
            [
                r(100, "A", "AT", f"ANN={a('AT', 'frameshift_variant')}", "1|1 0|0 0|0"),
                r(110, "ATC", "A", f"ANN={a('A', 'frameshift_variant')}", "1|1 1|1 0|0"),
                r(120, "A", "ATTT", f"ANN={a('ATTT', 'inframe_insertion')}", "0|0 1|1 0|0"),
                r(130, "ATTT", "A", f"ANN={a('A', 'disruptive_inframe_deletion')}", "0|0 0|0 1|1"),
            ],
            {},
            {
                ("G1", "frameshift insertion"): [1, 0, 0],
                ("G1", "frameshift deletion"): [1, 1, 0],
                ("G1", "nonframeshift insertion"): [0, 1, 0],
                ("G1", "nonframeshift deletion"): [0, 0, 1],
            },
            {},
        ),
        "a variant in two genes counts in both": (
            [r(100, "A", "T", f"ANN={a('T', 'missense_variant')},{a('T', 'missense_variant', 'G2')}", "1|1 0|0 1|1")],
            {},
            {MISSENSE: [1, 0, 1], ("G2", "nonsynonymous"): [1, 0, 1]},
            {"used": 1, "per_type": {"nonsynonymous": 2}},
        ),
        "a synonymous variant is reported, and hides lesser effects as an exon does": (
            [
                r(100, "A", "T", silent_and_upstream, "1|1 1|1 1|1"),
                r(101, "A", "T", one("intron_variant"), "1|1 0|0 0|0"),
            ],
            {},
            {("G1", "intronic"): [1, 0, 0]},
            {
                "used": 1,
                "alleles_left_out": {"no counterpart among the 17 types": 1},
                "without_counterpart": {"synonymous_variant": 1},
            },
        ),
        "all effects count when asked": (
            [
                r(100, "A", "T", silent_and_upstream, "1|1 1|1 1|1"),
                r(101, "A", "T", f"ANN={a('T', 'stop_gained')},{a('T', 'intron_variant')}", "1|1 0|0 0|0"),
            ],
            {"effects": "all"},
            {("G1", "stopgain"): [1, 0, 0], ("G1", "intronic"): [1, 0, 0], ("G2", "upstream"): [1, 1, 1]},
            {"used": 2, "alleles_left_out": {}, "without_counterpart": {"synonymous_variant": 1}},
        ),
        "upstream beyond 1 kb is between genes": (
            [r(100, "A", "T", f"ANN={a('T', 'upstream_gene_variant', 'G2', distance='3000')},"
                              f"{a('T', 'downstream_gene_variant', distance='1001')}", "1|1 0|0 0|0"),
             r(101, "A", "T", one("upstream_gene_variant", distance="1000"), "0|0 1|1 0|0")],
            {},
            {("G1", "intergenic"): [1, 0, 0], ("G1", "upstream"): [0, 1, 0]},
            {},
        ),
        "FILTER and missing FILTER": (
            [
                r(100, "A", "T", one(), "1|1 0|0 0|0", filters="q30"),
                r(101, "A", "T", one(), "0|0 1|1 0|0", filters="."),
                r(102, "A", "T", one(), "0|0 0|0 1|1"),
            ],
            {},
            {MISSENSE: [0, 1, 1]},
            {"records": 3, "alleles": 2, "records_left_out": {"FILTER is not PASS": 1}, "calls": 6},
        ),
        "FILTER can be passed over": (
            [r(100, "A", "T", one(), "1|1 0|0 0|0", filters="q30")],
            {"pass_only": False},
            {MISSENSE: [1, 0, 0]},
            {"records_left_out": {}},
        ),
        "quality": (
            [
                r(100, "A", "T", one(), "1|1 0|0 0|0", quality="29.9"),
                r(101, "A", "T", one(), "0|0 1|1 0|0", quality="30"),
                r(102, "A", "T", one(), "0|0 0|0 1|1", quality="."),
            ],
            {"min_quality": 30.0},
            {MISSENSE: [0, 1, 0]},
            {"records_left_out": {"QUAL too low or missing": 2}},
        ),
        "a duplicated record counts once, and shows what either shows": (
            [
                r(100, "A", "T", one(), "1|1 0|0 ./."),
                r(100, "A", "T", one(), "1|1 1|1 0|0"),
                r(100, "A", "C", one(alt="C"), "0|0 0|0 1|1"),
            ],
            {},
            {MISSENSE: [1, 1, 1]},
            {"records": 3, "alleles": 3, "used": 2, "alleles_left_out": {"duplicate of another record": 1}},
        ),
        "copies of a duplicated record are not added": (
            [r(100, "A", "T", one(), "0|1 0|0 0|0"), r(100, "A", "T", one(), "1|1 0|0 0|0")],
            {"counting": "dosage"},
            {MISSENSE: [2, 0, 0]},
            {},
        ),
        "a star allele is another record's deletion": (
            [
                r(100, "AT", "A", f"ANN={a('A', 'frameshift_variant')}", "1|1 0|0 0|0"),
                r(101, "T", "*,C", f"ANN={a('C', 'missense_variant')}", "1|1 2|2 1|2"),
            ],
            {},
            {("G1", "frameshift deletion"): [1, 0, 0], MISSENSE: [0, 1, 1]},
            {"alleles": 3, "used": 2, "alleles_left_out": {"star allele": 1}},
        ),
        "symbolic alleles and break ends": (
            [
                r(100, "A", "<DEL>", one(alt="<DEL>"), "1|1 0|0 0|0"),
                r(101, "A", "T,<NON_REF>", one(), "1|1 2|2 0|0"),
                r(102, "A", "A[2:300[", one(alt="A[2:300["), "1|1 0|0 0|0"),
            ],
            {},
            {MISSENSE: [1, 0, 0]},
            {"alleles": 4, "used": 1, "alleles_left_out": {"symbolic allele": 3}},
        ),
        "a site without alternative allele": (
            [r(99, "A", ".", "DP=2", "0|0 0|0 0|0"), r(100, "A", "T", one(), "1|1 0|0 0|0")],
            {},
            {MISSENSE: [1, 0, 0]},
            {"records": 2, "alleles": 1, "records_left_out": {"no alternative allele": 1}},
        ),
        "a monomorphic site": (
            [r(99, "A", "T", one(), "0|0 0|0 ./."), r(100, "A", "T", one(), "1|1 0|0 0|0")],
            {},
            {MISSENSE: [1, 0, 0]},
            {"alleles": 2, "used": 1, "alleles_left_out": {"carried by no accession": 1}},
        ),
        "chromosome names are one with and without chr": (
            [
                r(100, "A", "T", one(), "1|1 0|0 0|0", chromosome="2"),
                r(50, "A", "T", one(gene="G3"), "1|1 0|0 0|0", chromosome="10"),
            ],
            {},
            {MISSENSE: [1, 0, 0], ("G3", "nonsynonymous"): [1, 0, 0]},
            {"per_chromosome": {"2": 1, "10": 1}},
        ),
        "minor allele frequency, over what is called": (
            [
                r(100, "A", "T", one(), "0|1 0|0 0|0"),  # 1 of 6
                r(101, "A", "T", one(), "1|1 0|0 0|0"),  # 2 of 6
                r(102, "A", "T", one(), "0|1 0|0 ./."),  # 1 of 4
                r(103, "A", "T", one(), "1|1 1|1 0|1"),  # 5 of 6: the other allele is the rare one
            ],
            {"min_maf": 0.2},
            {MISSENSE: [2, 0, 0]},
            {"alleles_left_out": {"minor allele frequency": 2}},
        ),
        "a frequency that equals the limit is left out": (
            [r(100, "A", "T", one(), "1|1 0|0 0|0 0|0")],
            {"min_maf": 0.25},
            {},
            {"alleles_left_out": {"minor allele frequency": 1}},
        ),
    }  # fmt: skip


NAMES = list(cases(SimpleNamespace(ann=lambda *a, **k: "", record=lambda *a, **k: "")))


@pytest.mark.parametrize("form", ["plain", "gzip", "bgzip", "bcf", "zarr"])
@pytest.mark.parametrize("name", NAMES)
def test_case_by_hand(vcf, nonzero, tmp_path, name, form):
    records, chosen, expected, report = cases(vcf)[name]
    samples = [f"s{i}" for i in range(1, len(records[0].split("\t")) - 8)]
    path = vcf.write(tmp_path, records, samples, form)
    counts, found = count_variants(path, Settings(**chosen))
    assert nonzero(counts) == expected
    assert counts["variant_type"].values.tolist() == list(VARIANT_TYPES)
    assert counts["sample"].values.tolist() == samples
    told = found.to_dict()
    assert {key: told[key] for key in report} == report
    assert told["alleles"] == told["used"] + sum(told["alleles_left_out"].values())


def test_genes_stand_in_the_order_of_the_genome_with_the_reach_of_their_variants(vcf, tmp_path):
    def at(position, gene, chromosome):
        info = f"ANN={vcf.ann('T', 'missense_variant', gene)}"
        return vcf.record(position, "A", "T", info, "1|1", chromosome=chromosome)

    records = [
        at(900, "B", "chr2"),
        at(5, "A", "Chr10"),
        at(100, "C", "chr2"),
        at(950, "C", "2"),
        at(7, "D", "1"),
    ]
    counts, _ = count_variants(
        vcf.write(tmp_path, records, ["s"], header=vcf.header.replace("<ID=2,", "<ID=chr2,"))
    )
    assert counts["gene"].values.tolist() == ["D", "C", "B", "A"]
    assert counts["gene_chromosome"].values.tolist() == ["1", "2", "2", "10"]
    assert counts["gene_start"].values.tolist() == [7, 100, 900, 5]
    assert counts["gene_end"].values.tolist() == [7, 950, 900, 5]


# ------------------------------------------------------------------------- what must not change the counts

GENES = {"G1": 0, "G2": 400, "G3": 900}
TERMS = ["missense_variant", "synonymous_variant", "intron_variant", "stop_gained", "upstream_gene_variant"]


@st.composite
def variant_sets(draw):
    """Records as (position, ref, alts, term per alt, gene, genotypes) at distinct positions, and sample names."""
    n = draw(st.integers(1, 4))
    positions = draw(st.lists(st.integers(1, 1300), min_size=1, max_size=12, unique=True))
    rows = []
    for position in positions:
        alts = draw(st.sampled_from([["T"], ["T", "C"], ["AT"], ["T", "AGG", "G"]]))
        terms = [draw(st.sampled_from(TERMS)) for _ in alts]
        copy = st.sampled_from([".", *"000", *(str(i) for i in range(1, len(alts) + 1))])
        calls = [[draw(copy) for _ in range(draw(st.sampled_from([1, 2, 2, 2])))] for _ in range(n)]
        rows.append((position, "A", alts, terms, draw(st.sampled_from(list(GENES))), calls))
    return rows, [f"s{i}" for i in range(n)]


def lines(vcf, rows, bar="|", swap=False):
    found = []
    for position, ref, alts, terms, gene, calls in rows:
        info = "ANN=" + ",".join(vcf.ann(alt, term, gene) for alt, term in zip(alts, terms, strict=True))
        texts = [bar.join(call[::-1] if swap else call) for call in calls]
        found.append(vcf.record(position, ref, ",".join(alts), info, texts))
    return found


def counts_of(path, **chosen):
    counts, report = count_variants(path, Settings(**chosen))
    return counts.drop_attrs(), report


PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PROPERTY
@given(variant_sets(), st.randoms(use_true_random=False))
def test_order_of_samples(vcf, tmp_path, data, rng):
    rows, samples = data
    order = list(range(len(samples)))
    rng.shuffle(order)
    mixed = [(*row[:5], [row[5][i] for i in order]) for row in rows]
    plain, _ = counts_of(vcf.write(tmp_path, lines(vcf, sorted(rows)), samples))
    other, _ = counts_of(vcf.write(tmp_path, lines(vcf, sorted(mixed)), [samples[i] for i in order]))
    pd.testing.assert_index_equal(plain.indexes["gene"], other.indexes["gene"])
    assert other.sel(sample=samples).equals(plain)


@PROPERTY
@given(variant_sets(), st.randoms(use_true_random=False))
def test_order_of_records(vcf, tmp_path, data, rng):
    rows, samples = data
    plain, report = counts_of(vcf.write(tmp_path, lines(vcf, sorted(rows)), samples))
    mixed = rows.copy()
    rng.shuffle(mixed)
    other, told = counts_of(vcf.write(tmp_path, lines(vcf, mixed), samples))
    assert other.equals(plain)
    assert told == report


@PROPERTY
@given(variant_sets(), st.integers(1, 1300))
def test_splitting_the_file(vcf, tmp_path, data, at):
    rows, samples = data
    rows = sorted(rows)
    parts = [[r for r in rows if r[0] < at], [r for r in rows if r[0] >= at]]
    paths = [
        vcf.write(tmp_path, lines(vcf, part), samples, name=f"p{i}") for i, part in enumerate(parts) if part
    ]
    plain, report = counts_of(vcf.write(tmp_path, lines(vcf, rows), samples))
    other, told = counts_of(paths)
    assert other.equals(plain)
    assert told == report


@PROPERTY
@given(variant_sets(), st.integers(1301, 2000))
def test_adding_a_monomorphic_site(vcf, tmp_path, data, position):
    rows, samples = data
    silent = (position, "A", ["T"], ["stop_gained"], "G9", [["0", "0"] for _ in samples])
    plain, _ = counts_of(vcf.write(tmp_path, lines(vcf, sorted(rows)), samples))
    other, _ = counts_of(vcf.write(tmp_path, lines(vcf, sorted([*rows, silent])), samples))
    assert other.equals(plain)


@PROPERTY
@given(variant_sets())
def test_phase(vcf, tmp_path, data):
    rows, samples = data
    plain, report = counts_of(vcf.write(tmp_path, lines(vcf, sorted(rows)), samples))
    for bar, swap in (("/", False), ("|", True)):
        other, told = counts_of(vcf.write(tmp_path, lines(vcf, sorted(rows), bar, swap), samples))
        assert other.equals(plain)
        assert told == report


@PROPERTY
@given(variant_sets())
def test_splitting_multi_allelic_sites_with_bcftools_norm(vcf, tmp_path, data):
    rows, samples = data
    path = vcf.write(tmp_path, lines(vcf, sorted(rows)), samples)
    split = tmp_path / "split.vcf"
    pysam.bcftools.norm("-m", "-", "-o", str(split), str(path), catch_stdout=False)
    plain, _ = counts_of(path)
    other, _ = counts_of(split)
    assert other.equals(plain)


@PROPERTY
@given(
    variant_sets(),
    st.lists(st.sampled_from([0, 3, 40, 177, 400]), min_size=1, max_size=4).filter(any),
    st.integers(1, 500),
)
def test_where_the_file_is_cut(vcf, tmp_path, data, blocks, stretch):
    rows, samples = data
    plain = vcf.write(tmp_path, lines(vcf, sorted(rows)), samples)
    path = tmp_path / "blocks.vcf.gz"
    path.write_bytes(vcf.bgzip_in_blocks(plain.read_bytes(), blocks))
    whole, report = counts_of(plain)
    cut, told = count_variants(path, stretch=stretch)
    assert cut.drop_attrs().equals(whole)
    assert told == report


@PROPERTY
@given(variant_sets(), st.integers(1, 300))
def test_where_plain_text_is_cut(vcf, tmp_path, data, stretch):
    rows, samples = data
    path = vcf.write(tmp_path, lines(vcf, sorted(rows)), samples)
    whole, report = counts_of(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gi_lib.encoding.textfile.PLAIN_BLOCK", 128)
        cut, told = count_variants(path, stretch=stretch)
    assert cut.drop_attrs().equals(whole)
    assert told == report


def slow_counts(rows, samples):
    """Counts from the rows themselves, without any file."""
    types = {"missense_variant": "nonsynonymous", "intron_variant": "intronic", "stop_gained": "stopgain",
             "upstream_gene_variant": "upstream"}  # fmt: skip
    found = {}
    for _, _, alts, terms, gene, calls in rows:
        for number, (_, term) in enumerate(zip(alts, terms, strict=True), start=1):
            for s, call in enumerate(calls):
                if str(number) in call and term in types:
                    found.setdefault((gene, types[term]), [0] * len(samples))[s] += 1
    return found


@PROPERTY
@given(variant_sets())
def test_counts_equal_a_plain_loop_over_the_records(vcf, nonzero, tmp_path, data):
    rows, samples = data
    counts, _ = count_variants(vcf.write(tmp_path, lines(vcf, sorted(rows)), samples))
    assert nonzero(counts) == slow_counts(rows, samples)


# ------------------------------------------------------------------------------- several files, one result


def test_one_file_per_accession_stands_side_by_side(vcf, nonzero, tmp_path):
    def one(position):
        info = f"ANN={vcf.ann('T', 'missense_variant')}"
        return vcf.record(position, "A", "T", info, "1|1")

    a = vcf.write(tmp_path, [one(100), one(200)], ["plant_a"], name="a")
    b = vcf.write(tmp_path, [one(200)], ["plant_b"], name="b")
    counts, report = count_variants([b, a])
    assert counts["sample"].values.tolist() == ["plant_b", "plant_a"]
    assert nonzero(counts) == {MISSENSE: [1, 2]}
    assert report.records == 3
    with pytest.raises(EncodingError, match="min_maf needs all accessions in one file"):
        count_variants([a, b], Settings(min_maf=0.05))


def test_files_of_chromosomes_add_up_even_with_samples_in_another_order(vcf, nonzero, tmp_path):
    info = f"ANN={vcf.ann('T', 'missense_variant')}"
    a = vcf.write(tmp_path, [vcf.record(100, "A", "T", info, "1|1 0|0")], ["x", "y"], name="a")
    b = vcf.write(tmp_path, [vcf.record(9, "A", "T", info, "1|1 0|0", chromosome="2")], ["y", "x"], name="b")
    counts, _ = count_variants([a, b])
    assert counts["sample"].values.tolist() == ["x", "y"]
    assert nonzero(counts) == {MISSENSE: [1, 1]}


def test_files_that_share_some_samples_are_refused(vcf, tmp_path):
    info = f"ANN={vcf.ann('T', 'missense_variant')}"
    a = vcf.write(tmp_path, [vcf.record(100, "A", "T", info, "1|1 0|0")], ["x", "y"], name="a")
    b = vcf.write(tmp_path, [vcf.record(100, "A", "T", info, "1|1 0|0")], ["y", "z"], name="b")
    with pytest.raises(EncodingError, match=r"Sample 'y' stands in a\.vcf and in b\.vcf"):
        count_variants([a, b])


def test_a_file_given_twice_is_refused(vcf, tmp_path):
    info = f"ANN={vcf.ann('T', 'missense_variant')}"
    path = vcf.write(tmp_path, [vcf.record(100, "A", "T", info, "1|1 0|0 0|0")])
    with pytest.raises(EncodingError, match="position 100 stands twice"):
        count_variants([path, path])


def test_duplicates_that_stand_apart_are_refused(vcf, tmp_path):
    info = f"ANN={vcf.ann('T', 'missense_variant')}"
    records = [vcf.record(position, "A", "T", info, "1|1 0|0 0|0") for position in (100, 90, 100)]
    with pytest.raises(EncodingError, match=r"position 100 stands twice.*bcftools sort"):
        count_variants(vcf.write(tmp_path, records))


# ------------------------------------------------------------------------------------------- large counts


@pytest.mark.parametrize(("n", "dtype"), [(255, np.uint8), (256, np.uint16), (65_536, np.uint32)])
@pytest.mark.parametrize("stretch", [None, 4096])
def test_the_largest_count_decides_the_type_wherever_the_file_is_cut(vcf, tmp_path, n, dtype, stretch):
    info = f"ANN={vcf.ann('T', 'missense_variant')}"
    records = [vcf.record(position, "A", "T", info, "1 0") for position in range(1, n + 1)]
    counts, _ = count_variants(vcf.write(tmp_path, records, ["s", "t"], "bgzip"), stretch=stretch)
    assert counts["counts"].dtype == dtype
    assert counts["counts"].sel(gene="G1", variant_type="nonsynonymous").values.tolist() == [n, 0]


# ----------------------------------------------------------------------------- the cohort, kills, shares


@pytest.fixture
def long_file(vcf, tmp_path):
    """3,000 records of random genotypes in three genes on two chromosomes: a dozen blocks of bgzip."""
    rng = random.Random(5)
    records = []
    for i in range(3000):
        info = f"ANN={vcf.ann('T', rng.choice(TERMS), rng.choice(list(GENES)))}"
        calls = [rng.choice(["0|0", "1|1", "./.", "0|1"]) for _ in range(40)]
        records.append(vcf.record(100 + 7 * (i % 1500), "A", "T", info, calls, chromosome=str(1 + i // 1500)))
    return vcf.write(tmp_path, records, [f"s{i}" for i in range(40)], "bgzip")


def test_encode_writes_a_cohort_and_cleans_up(long_file, tmp_path):
    counts, report = count_variants(long_file)
    out = tmp_path / "cohort.zarr"
    result = encode(long_file, out, cores=1)
    cohort = open_cohort(out)
    np.testing.assert_array_equal(cohort["counts"].values, counts["counts"].values)
    assert result.report == report
    assert json.loads(cohort.attrs["report"]) == report.to_dict()
    assert cohort["counts"].dtype.kind == "u"
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == [
        "cohort.zarr",
        "small.vcf",
        "small.vcf.gz",
    ]
    with pytest.raises(FileExistsError, match="exists already"):
        encode(long_file, out)


def test_several_processes_give_the_same_cohort(long_file, tmp_path):
    encode(long_file, tmp_path / "one.zarr", cores=1)
    encode(long_file, tmp_path / "two.zarr", cores=2, stretch=500)
    one, two = open_cohort(tmp_path / "one.zarr"), open_cohort(tmp_path / "two.zarr")
    assert one.identical(two)


def test_shares_of_a_run_are_merged_at_the_end(long_file, tmp_path):
    encode(long_file, tmp_path / "whole.zarr", cores=1)
    out = tmp_path / "shared.zarr"
    for k in (3, 1, 2):
        result = encode(long_file, out, cores=1, share=(k, 3), stretch=500)
        assert result.report is None
        assert not out.exists()
    assert result.waiting == 0
    assert encode(long_file, out, cores=1, stretch=500).counted == 0
    assert open_cohort(out).identical(open_cohort(tmp_path / "whole.zarr"))


def test_a_run_goes_on_where_it_was_and_counts_damaged_stretches_again(long_file, tmp_path):
    out = tmp_path / "cohort.zarr"
    encode(long_file, out, cores=1, share=(1, 2), stretch=500)
    parts = sorted((tmp_path / "cohort.zarr.work").glob("part-*.npz"))
    assert len(parts) > 3
    parts[0].unlink()
    parts[1].write_bytes(parts[1].read_bytes()[:100])
    (parts[0].parent / f".{parts[0].name}.123").write_bytes(b"left by a killed process")
    rest = encode(long_file, out, cores=1, stretch=500)
    fresh = encode(long_file, tmp_path / "fresh.zarr", cores=1, stretch=500)
    assert rest.counted == fresh.counted - len(parts) + 2
    assert open_cohort(out).identical(open_cohort(tmp_path / "fresh.zarr"))


def test_other_settings_do_not_take_up_what_was_counted_with_the_old_ones(long_file, tmp_path):
    out = tmp_path / "cohort.zarr"
    encode(long_file, out, cores=1, share=(1, 2), stretch=500)
    encode(long_file, out, Settings(counting="dosage"), cores=1, stretch=500)
    expected, _ = count_variants(long_file, Settings(counting="dosage"))
    np.testing.assert_array_equal(open_cohort(out)["counts"].values, expected["counts"].values)


def test_a_folder_with_other_files_is_not_taken_as_work_folder(long_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(EncodingError, match=r"holds other files \(thesis\.txt\)"):
        encode(long_file, tmp_path / "c.zarr", work=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_the_list_of_variants_takes_the_cells_apart(long_file):
    counts, report = count_variants(long_file)
    table = list_variants(long_file)
    assert len(table) == sum(report.per_type.values())
    total = table.groupby(["gene", "variant_type"])["carriers"].sum()
    cells = counts["counts"].sum("sample").to_series()
    pd.testing.assert_series_equal(
        total, cells[cells > 0].reindex(total.index), check_names=False, check_dtype=False
    )
    assert table["position"].is_monotonic_increasing is False  # two chromosomes, each ascending
    assert table.groupby("chromosome")["position"].is_monotonic_increasing.all()
