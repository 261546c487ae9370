"""Annotated VCFs: small ones counted by hand, and the real one around TIR1 recounted by string splitting."""

import gzip
import re

import numpy as np
import pytest

from gi_lib.datasets.cohort import VARIANT_TYPES
from gi_lib.encoding import VcfError, encode_vcf, read_effects

TIR1 = "arabidopsis/fullVCF.vcf.gz"


def eff(term: str, gene: str = "G1", allele: int = 1) -> str:
    transcript = f"{gene}.1" if gene else ""
    return f"{term}(MODIFIER|||x|594|name|protein_coding|CODING|{transcript}|1|{allele})"


def write(path, records, samples=("s1", "s2", "s3")):
    lines = [
        "##fileformat=VCFv4.1",
        "##contig=<ID=1>",
        '##INFO=<ID=EFF,Number=.,Type=String,Description="effects">',
        '##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]),
    ]
    for position, (ref, alt, info, *calls) in enumerate(records, start=100):
        lines.append("\t".join(["1", str(position), ".", ref, alt, "40", "PASS", info, "GT", *calls]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def encode(tmp_path):
    """Encode records (ref, alt, info, call of each sample) and return non-zero counts and the report."""

    def run(*records):
        dataset, report = encode_vcf(write(tmp_path / "small.vcf", records))
        counts = {
            (gene, kind): dataset["counts"].sel(gene=gene, variant_type=kind).values.tolist()
            for gene in dataset["gene"].values.tolist()
            for kind in dataset["variant_type"].values.tolist()
        }
        return {key: values for key, values in counts.items() if any(values)}, report

    return run


def test_variants_of_a_type_in_a_gene_add_up(encode):
    missense = f"EFF={eff('missense_variant')}"
    counts, report = encode(
        ("A", "T", missense, "1|1", "0|0", "1|1"), ("C", "G", missense, "1|1", "1|1", "0|0")
    )
    assert counts == {("G1", "nonsynonymous"): [2, 1, 1]}
    assert report == {"records": 2, "alleles": 2, "calls": 6, "missing calls": 0, "half calls": 0, "used": 2}


def test_a_heterozygote_counts_once(encode):
    counts, _ = encode(("A", "T", f"EFF={eff('stop_gained')}", "0|1", "1/0", "1|1"))
    assert counts == {("G1", "stopgain"): [1, 1, 1]}


def test_a_missing_call_carries_nothing_and_half_a_call_what_it_shows(encode):
    counts, report = encode(("A", "T", f"EFF={eff('intron_variant')}", "./.", "./1", "0/."))
    assert counts == {("G1", "intronic"): [0, 1, 0]}
    assert (report["missing calls"], report["half calls"]) == (1, 2)


def test_each_allele_of_a_site_is_a_variant_of_its_own(encode):
    info = f"EFF={eff('missense_variant', allele=1)},{eff('stop_gained', allele=2)}"
    counts, report = encode(("A", "T,C", info, "1|1", "1|2", "2|2"))
    assert counts == {("G1", "nonsynonymous"): [1, 1, 0], ("G1", "stopgain"): [0, 1, 1]}
    assert (report["records"], report["alleles"], report["used"]) == (1, 2, 2)


def test_two_alleles_of_one_type_count_twice_in_who_carries_both(encode):
    info = f"EFF={eff('missense_variant', allele=1)},{eff('missense_variant', allele=2)}"
    counts, _ = encode(("A", "T,C", info, "1|1", "1|2", "0|0"))
    assert counts == {("G1", "nonsynonymous"): [1, 2, 0]}


def test_a_variant_in_two_genes_counts_in_both(encode):
    counts, _ = encode(
        ("A", "T", f"EFF={eff('missense_variant')},{eff('missense_variant', 'G2')}", "1|1", "0|0", "1|1")
    )
    assert counts == {("G1", "nonsynonymous"): [1, 0, 1], ("G2", "nonsynonymous"): [1, 0, 1]}


def test_transcripts_of_one_gene_do_not_multiply_a_variant(encode):
    twice = f"EFF={eff('missense_variant')},{eff('missense_variant').replace('G1.1', 'G1.2')}"
    counts, _ = encode(("A", "T", twice, "1|1", "0|0", "0|0"))
    assert counts == {("G1", "nonsynonymous"): [1, 0, 0]}


def test_synonymous_variants_are_left_out_and_reported(encode):
    counts, report = encode(
        ("A", "T", f"EFF={eff('synonymous_variant')}", "1|1", "1|1", "1|1"),
        ("A", "T", f"EFF={eff('missense_variant')}", "1|1", "0|0", "0|0"),
    )
    assert counts == {("G1", "nonsynonymous"): [1, 0, 0]}
    assert report["left out: no counterpart among the 17 types"] == 1
    assert report["used"] == 1


def test_a_synonymous_variant_hides_lesser_effects_as_an_exon_does(encode):
    info = f"EFF={eff('synonymous_variant')},{eff('upstream_gene_variant', 'G2')}"
    counts, report = encode(
        ("A", "T", info, "1|1", "1|1", "1|1"),
        ("A", "T", f"EFF={eff('intron_variant')}", "1|1", "0|0", "0|0"),
    )
    assert counts == {("G1", "intronic"): [1, 0, 0]}
    assert report["left out: no counterpart among the 17 types"] == 1


def test_intergenic_variants_without_a_gene_are_left_out_and_reported(encode):
    counts, report = encode(
        ("A", "T", f"EFF={eff('intergenic_region', '')}", "1|1", "1|1", "1|1"),
        ("A", "T", f"EFF={eff('upstream_gene_variant')},{eff('intergenic_region', '')}", "1|1", "0|0", "0|0"),
    )
    assert counts == {("G1", "upstream"): [1, 0, 0]}
    assert report["left out: intergenic without a named gene"] == 1


PRECEDENCE = [
    (["intron_variant", "5_prime_UTR_variant"], {"UTR5"}),
    (["intron_variant", "3_prime_UTR_variant"], {"UTR3"}),
    (["upstream_gene_variant", "intron_variant"], {"intronic"}),
    (["upstream_gene_variant", "downstream_gene_variant"], {"upstream", "downstream"}),
    (["non_coding_exon_variant", "3_prime_UTR_variant"], {"ncRNA exonic"}),
    (["missense_variant", "non_coding_exon_variant"], {"nonsynonymous"}),
    (["missense_variant", "splice_donor_variant"], {"nonsynonymous", "splicing"}),
    (["splice_region_variant+intron_variant"], {"intronic"}),
    (["missense_variant&splice_region_variant"], {"nonsynonymous"}),
    (["splice_acceptor_variant+intron_variant"], {"splicing"}),
]


@pytest.mark.parametrize(("terms", "types"), PRECEDENCE, ids=lambda value: " ".join(sorted(value)))
def test_only_the_effects_of_the_first_kind_count(terms, types):
    found = read_effects(",".join(eff(term) for term in terms), "A", ["T"])
    assert {effect.variant_type for effect in found} == types


def test_precedence_is_decided_for_each_allele_apart():
    info = f"{eff('intron_variant', allele=1)},{eff('missense_variant', 'G2', allele=2)}"
    assert [tuple(effect) for effect in read_effects(info, "A", ["T", "C"])] == [
        (1, "G1", "intronic"),
        (2, "G2", "nonsynonymous"),
    ]


@pytest.mark.parametrize(
    ("ref", "alts", "allele", "kind"),
    [
        ("A", ["AT"], 1, "frameshift insertion"),
        ("ATC", ["A"], 1, "frameshift deletion"),
        ("AT", ["A", "ATTT"], 2, "frameshift insertion"),
        ("AT", ["A", "ATTT"], 1, "frameshift deletion"),
    ],
)
def test_alleles_tell_a_frameshift_insertion_from_a_deletion(ref, alts, allele, kind):
    (effect,) = read_effects(eff("frameshift_variant", allele=allele), ref, alts)
    assert effect.variant_type == kind


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ("missense_variant", "malformed"),
        ("missense_variant(a|b)", "malformed"),
        (eff("missense_variant")[:-1], "malformed"),
        (eff("missense_variant", allele="x"), "malformed"),
        (eff("missense_variant", allele=0), "malformed"),
        (eff("missense_variant", allele=3), "malformed"),
        (eff("frameshift_variant", allele=3), "malformed"),
        (eff("exotic_variant"), "SnpEff term 'exotic_variant' is not known; allowed are missense_variant"),
        (eff("missense_variant+exotic_variant"), "'exotic_variant' is not known"),
    ],
)
def test_malformed_annotation_is_refused(info, sentence):
    with pytest.raises(VcfError, match=re.escape(sentence)):
        read_effects(info, "A", ["T"])


def test_record_without_annotation_is_named(tmp_path):
    path = write(tmp_path / "bare.vcf", [("A", "T", "DP=3", "1|1", "0|0", "0|0")])
    with pytest.raises(VcfError, match=r"bare\.vcf, 1:100: the record has no SnpEff annotation"):
        encode_vcf(path)


def test_file_without_samples_is_refused(tmp_path):
    path = write(tmp_path / "nobody.vcf", [], samples=())
    text = path.read_text().replace("\tFORMAT", "")
    path.write_text(text + f"1\t100\t.\tA\tT\t40\tPASS\tEFF={eff('missense_variant')}\n")
    with pytest.raises(VcfError, match=r"nobody\.vcf has no samples"):
        encode_vcf(path)


def test_file_without_variants_is_refused(tmp_path):
    with pytest.raises(VcfError, match=r"empty\.vcf holds no variant"):
        encode_vcf(write(tmp_path / "empty.vcf", []))


def test_file_in_which_nothing_counts_gives_no_gene_but_a_report(tmp_path):
    path = write(
        tmp_path / "silent.vcf", [("A", "T", f"EFF={eff('synonymous_variant')}", "1|1", "0|0", "0|0")]
    )
    dataset, report = encode_vcf(path)
    assert dict(dataset.sizes) == {"sample": 3, "gene": 0, "variant_type": 17}
    assert report["left out: no counterpart among the 17 types"] == 1


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(VcfError, match=r"There is no file .*gone\.vcf"):
        encode_vcf(tmp_path / "gone.vcf")


def test_file_that_is_no_vcf_is_refused(tmp_path):
    path = tmp_path / "notes.vcf"
    path.write_text("hello\n")
    with pytest.raises(VcfError, match=r"notes\.vcf is not a VCF"):
        encode_vcf(path)


def test_file_cut_short_is_refused(tmp_path):
    records = [("A", "T", f"EFF={eff('missense_variant')}", "1|1", "0|0", "0|0")] * 3000
    whole = write(tmp_path / "whole.vcf", records).read_bytes()
    path = tmp_path / "cut.vcf.gz"
    packed = gzip.compress(whole)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(VcfError, match=r"cut\.vcf\.gz"):
        encode_vcf(path)


# ---------------------------------------------------------------------------------------- the real file

SIMPLE = {
    "missense_variant": "nonsynonymous", "initiator_codon_variant": "nonsynonymous", "start_lost": "nonsynonymous",
    "stop_gained": "stopgain", "stop_lost": "stoploss", "3_prime_UTR_variant": "UTR3",
    "5_prime_UTR_variant": "UTR5", "5_prime_UTR_premature_start_codon_gain_variant": "UTR5",
    "intron_variant": "intronic", "upstream_gene_variant": "upstream", "downstream_gene_variant": "downstream",
    "inframe_insertion": "nonframeshift insertion", "disruptive_inframe_insertion": "nonframeshift insertion",
    "inframe_deletion": "nonframeshift deletion", "disruptive_inframe_deletion": "nonframeshift deletion",
    "splice_donor_variant": "splicing", "splice_acceptor_variant": "splicing",
    "synonymous_variant": "silent", "stop_retained_variant": "silent",
}  # fmt: skip
KINDS_IN_ORDER = (
    {"nonsynonymous", "stopgain", "stoploss", "frameshift insertion", "frameshift deletion", "splicing", "silent",
     "nonframeshift insertion", "nonframeshift deletion"},
    {"UTR3", "UTR5"},
    {"intronic"},
    {"upstream", "downstream"},
)  # fmt: skip


def recount(path) -> tuple[dict[tuple[str, str], np.ndarray], list[str], int]:
    """Counts per (gene, type) with nothing but gzip and string splitting."""
    counts, samples, n_records = {}, [], 0
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if line.startswith("##"):
            continue
        fields = line.split("\t")
        if line.startswith("#"):
            samples = fields[9:]
            continue
        n_records += 1
        alts = fields[4].split(",")
        entries = next(item for item in fields[7].split(";") if item.startswith("EFF="))[4:].split(",")
        for allele in range(1, len(alts) + 1):
            found = set()
            for entry in entries:
                terms, parts = entry.rstrip(")").split("(")
                parts = parts.split("|")
                if int(parts[10]) != allele:
                    continue
                for term in terms.split("+"):
                    if term == "frameshift_variant":
                        longer = len(alts[allele - 1]) > len(fields[3])
                        found.add(
                            (parts[8].split(".")[0], f"frameshift {'insertion' if longer else 'deletion'}")
                        )
                    elif term in SIMPLE:
                        found.add((parts[8].split(".")[0], SIMPLE[term]))
            best = next((kinds for kinds in KINDS_IN_ORDER if any(kind in kinds for _, kind in found)), set())
            carriers = np.array([str(allele) in re.split("[|/]", call.split(":")[0]) for call in fields[9:]])
            for key in found:
                if key[1] in best and key[1] != "silent":
                    counts[key] = counts.get(key, 0) + carriers.astype(int)
    return counts, samples, n_records


@pytest.mark.needs(TIR1)
def test_the_real_file_equals_an_independent_recount(mirror):
    dataset, report = encode_vcf(mirror / TIR1)
    expected, samples, n_records = recount(mirror / TIR1)
    assert n_records == report["records"] == 174
    assert dataset["sample"].values.tolist() == samples
    assert len(samples) == 1135
    assert dataset["variant_type"].values.tolist() == list(VARIANT_TYPES)
    assert set(dataset["gene"].values.tolist()) == {gene for gene, _ in expected}
    for gene in dataset["gene"].values.tolist():
        for kind in VARIANT_TYPES:
            counted = dataset["counts"].sel(gene=gene, variant_type=kind).values
            np.testing.assert_array_equal(counted, expected.get((gene, kind), 0), err_msg=f"{gene} {kind}")
    assert int(dataset["counts"].sum()) == sum(int(values.sum()) for values in expected.values()) > 0
