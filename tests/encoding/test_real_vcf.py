"""The real VCF around TIR1 (174 variants × 1,135 accessions, SnpEff's EFF), recounted by string splitting."""

import gzip
import re
from collections import Counter

import numpy as np
import pytest

from gi_lib.datasets.cohort import EXONIC_UNKNOWN, VARIANT_TYPES
from gi_lib.encoding import Settings, count_variants, encode

TIR1 = "arabidopsis/fullVCF.vcf.gz"
TAIR10 = "arabidopsis/TAIR10_GFF3_genes.tar.xz"

SIMPLE = {
    "missense_variant": "nonsynonymous", "initiator_codon_variant": "nonsynonymous", "start_lost": "nonsynonymous",
    "stop_gained": "stopgain", "stop_lost": "stoploss", "3_prime_UTR_variant": "UTR3",
    "5_prime_UTR_variant": "UTR5", "5_prime_UTR_premature_start_codon_gain_variant": "UTR5",
    "intron_variant": "intronic", "upstream_gene_variant": "upstream", "downstream_gene_variant": "downstream",
    "inframe_insertion": "nonframeshift insertion", "disruptive_inframe_insertion": "nonframeshift insertion",
    "inframe_deletion": "nonframeshift deletion", "disruptive_inframe_deletion": "nonframeshift deletion",
    "splice_donor_variant": "splicing", "splice_acceptor_variant": "splicing", "intergenic_region": "intergenic",
    "synonymous_variant": "silent", "stop_retained_variant": "silent",
}  # fmt: skip
CODING = ("frameshift insertion", "frameshift deletion", "stopgain", "stoploss", "nonframeshift insertion",
          "nonframeshift deletion", "nonsynonymous", "silent")  # fmt: skip
LESSER = ({"UTR3", "UTR5"}, {"intronic"}, {"upstream", "downstream"}, {"intergenic"})


def effects_of(entries: list[str], ref: str, alts: list[str], allele: int) -> set[tuple[str, str]]:
    """(gene, type) of one allele by Annovar's precedence."""
    found = []
    for entry in entries:
        terms, parts = entry.rstrip(")").split("(")
        parts = parts.split("|")
        if int(parts[10]) != allele:
            continue
        for term in terms.split("+"):
            kind = SIMPLE.get(term)
            if term == "frameshift_variant":
                kind = f"frameshift {'insertion' if len(alts[allele - 1]) > len(ref) else 'deletion'}"
            if kind in ("upstream", "downstream") and int(parts[2]) > 1000:
                kind = "intergenic"
            if kind:
                found.append(
                    (parts[8].split(".")[0], kind, int(parts[2] or 0) if kind == "intergenic" else 0)
                )
    kinds = {kind for _, kind, _ in found}
    coding = [kind for kind in CODING if kind in kinds]
    if coding or "splicing" in kinds:
        return {(gene, kind) for gene, kind, _ in found if kind in (coding[:1] or [""]) or kind == "splicing"}
    best = next((kinds & group for group in LESSER if kinds & group), set())
    if best == {"intergenic"}:
        named = sorted(
            (distance, i) for i, (gene, kind, distance) in enumerate(found) if gene and kind == "intergenic"
        )
        return {(found[named[0][1]][0], "intergenic")} if named else set()
    return {(gene, kind) for gene, kind, _ in found if kind in best}


def recount(path) -> tuple[dict[tuple[str, str], np.ndarray], list[str], Counter]:
    """Counts per (gene, type) with nothing but gzip and string splitting."""
    counts, samples, tally = {}, [], Counter()
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if line.startswith("##"):
            continue
        fields = line.split("\t")
        if line.startswith("#"):
            samples = fields[9:]
            continue
        alts = fields[4].split(",")
        tally["records"] += 1
        tally["alleles"] += len(alts)
        entries = next(item for item in fields[7].split(";") if item.startswith("EFF="))[4:].split(",")
        for allele in range(1, len(alts) + 1):
            carriers = np.array([str(allele) in re.split("[|/]", call.split(":")[0]) for call in fields[9:]])
            if not carriers.any():
                tally["carried by no accession"] += 1
                continue
            pairs = effects_of(entries, fields[3], alts, allele)
            tally["used"] += any(kind != "silent" for _, kind in pairs)
            for key in pairs:
                if key[1] != "silent":
                    counts[key] = counts.get(key, 0) + carriers.astype(int)
    return counts, samples, tally


@pytest.mark.needs(TIR1)
def test_counts_equal_an_independent_recount(mirror):
    dataset, report = count_variants(mirror / TIR1)
    expected, samples, tally = recount(mirror / TIR1)
    assert (report.records, report.alleles, report.used) == (174, tally["alleles"], tally["used"])
    assert report.alleles_left_out["carried by no accession"] == tally["carried by no accession"]
    assert dataset["sample"].values.tolist() == samples
    assert len(samples) == 1135
    assert dataset["variant_type"].values.tolist() == list(VARIANT_TYPES)
    assert set(dataset["gene"].values.tolist()) == {gene for gene, _ in expected}
    for gene in dataset["gene"].values.tolist():
        for kind in VARIANT_TYPES:
            counted = dataset["counts"].sel(gene=gene, variant_type=kind).values
            np.testing.assert_array_equal(counted, expected.get((gene, kind), 0), err_msg=f"{gene} {kind}")
    assert int(dataset["counts"].sum()) == sum(int(values.sum()) for values in expected.values()) > 0


@pytest.mark.needs(TIR1, TAIR10)
def test_regions_from_the_gff3_agree_with_snpeff(mirror):
    """Without a genome sequence the own annotation tells regions; SnpEff's coding types are then all one."""
    path, gff3 = mirror / TIR1, str(mirror / TAIR10)
    snpeff, _ = count_variants(path, Settings(gff3=gff3, annotation="EFF"))
    own, _ = count_variants(path, Settings(gff3=gff3, annotation="own"))
    assert own["gene"].equals(snpeff["gene"])
    coding = [kind for kind in VARIANT_TYPES if kind in CODING]

    def total(counts, kinds):
        here = [kind for kind in kinds if kind in counts["variant_type"].values]
        return counts["counts"].sel(variant_type=here).sum("variant_type", dtype=np.int64)

    for region in ("UTR3", "UTR5", "intronic", "splicing"):
        np.testing.assert_array_equal(total(own, [region]), total(snpeff, [region]), err_msg=region)
    # SnpEff's synonymous variants have no counterpart; by region alone they cannot be told from the others.
    assert (total(own, [EXONIC_UNKNOWN]) >= total(snpeff, coding)).all()


@pytest.mark.needs(TIR1)
def test_the_stored_cohort_holds_the_same(mirror, tmp_path):
    dataset, _ = count_variants(mirror / TIR1)
    from gi_lib.datasets.cohort import open_cohort

    encode(mirror / TIR1, tmp_path / "tir1.zarr", cores=2)
    np.testing.assert_array_equal(open_cohort(tmp_path / "tir1.zarr")["counts"], dataset["counts"])
