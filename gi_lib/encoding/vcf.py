"""Read a VCF annotated by SnpEff into gene × variant-type counts."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from gi_lib.datasets.cohort import VARIANT_TYPES
from gi_lib.encoding.counting import count_per_gene

if TYPE_CHECKING:
    from cyvcf2 import VCF, Variant

SNPEFF_TYPES = {
    "missense_variant": "nonsynonymous",
    "initiator_codon_variant": "nonsynonymous",
    "start_lost": "nonsynonymous",
    "inframe_insertion": "nonframeshift insertion",
    "disruptive_inframe_insertion": "nonframeshift insertion",
    "inframe_deletion": "nonframeshift deletion",
    "disruptive_inframe_deletion": "nonframeshift deletion",
    "stop_lost": "stoploss",
    "frameshift_variant": "frameshift",  # insertion or deletion: decided by the alleles
    "stop_gained": "stopgain",
    "3_prime_UTR_variant": "UTR3",
    "5_prime_UTR_variant": "UTR5",
    "5_prime_UTR_premature_start_codon_gain_variant": "UTR5",
    "non_coding_exon_variant": "ncRNA exonic",
    "non_coding_transcript_exon_variant": "ncRNA exonic",
    "upstream_gene_variant": "upstream",
    "downstream_gene_variant": "downstream",
    "intergenic_region": "intergenic",
    "intron_variant": "intronic",
    "splice_acceptor_variant": "splicing",
    "splice_donor_variant": "splicing",
    "synonymous_variant": None,
    "stop_retained_variant": None,
    "splice_region_variant": None,  # wider than Annovar's two bases; its companion term says the region
}
"""SnpEff's words for the 17 variant types; None where a term has no counterpart among them."""

# Annovar's order: where one variant has several effects, only those of the first kind count.
_PRECEDENCE = (
    ("stopgain", "stoploss", "frameshift insertion", "frameshift deletion", "nonframeshift insertion",
     "nonframeshift deletion", "nonsynonymous", "no counterpart", "splicing"),
    ("ncRNA exonic", "ncRNA splicing", "ncRNA intronic"),
    ("UTR5", "UTR3"),
    ("intronic",),
    ("upstream", "downstream"),
    ("intergenic",),
)  # fmt: skip
_RANK = {name: rank for rank, names in enumerate(_PRECEDENCE) for name in names}


class VcfError(ValueError):
    """A VCF cannot be encoded; the message says why and where."""


class Effect(NamedTuple):
    """What one allele does to one gene."""

    allele: int  # 1 for the first alternative allele
    gene: str
    variant_type: str  # one of VARIANT_TYPES, or "no counterpart"


def read_effects(info: str, ref: str, alts: list[str]) -> list[Effect]:
    """Effects in a SnpEff ``EFF`` field, one per allele and gene, by Annovar's precedence.

    Parameters
    ----------
    info
        The field's value: ``term(impact|class|…|gene|…|allele),term(…)``.
    ref, alts
        The record's alleles; they tell an insertion from a deletion.

    Raises
    ------
    VcfError
        If an entry is malformed or names a term that is not in `SNPEFF_TYPES`.

    Examples
    --------
    >>> read_effects("missense_variant(MODERATE|MISSENSE|gCt/gTt|A5V|594|TIR1|protein_coding|CODING|AT3G62980.1|1|1)",
    ...              "C", ["T"])
    [Effect(allele=1, gene='AT3G62980', variant_type='nonsynonymous')]
    """
    found: dict[int, list[Effect]] = {}
    allele_numbers = {str(number) for number in range(1, len(alts) + 1)}
    for entry in info.split(","):
        match = re.fullmatch(r"([^(]+)\((.*)\)", entry)
        fields = match.group(2).split("|") if match else []
        if len(fields) < 11 or fields[10] not in allele_numbers:
            raise VcfError(f"SnpEff entry {entry!r} is malformed: expected term(10 or more fields, allele).")
        allele, transcript = int(fields[10]), fields[8]
        gene = transcript.rsplit(".", 1)[0] or "intergenic"
        terms = re.split(r"[+&]", match.group(1))
        unknown = [term for term in terms if term not in SNPEFF_TYPES]
        if unknown:
            raise VcfError(f"SnpEff term {unknown[0]!r} is not known; allowed are {', '.join(SNPEFF_TYPES)}.")
        types = [SNPEFF_TYPES[term] for term in terms]
        types = [_frameshift(ref, alts[allele - 1]) if t == "frameshift" else t for t in types if t]
        for variant_type in types or ["no counterpart"]:
            found.setdefault(allele, []).append(Effect(allele, gene, variant_type))
    chosen = []
    for effects in found.values():
        best = min(_RANK[effect.variant_type] for effect in effects)
        chosen += dict.fromkeys(effect for effect in effects if _RANK[effect.variant_type] == best)
    return chosen


def _frameshift(ref: str, alt: str) -> str:
    return "frameshift insertion" if len(alt) > len(ref) else "frameshift deletion"


def _records(reader: "VCF", name: str) -> Iterator["Variant"]:
    try:
        yield from reader
    except Exception as error:  # cyvcf2 has no exception of its own for a file that ends too early
        raise VcfError(f"{name} is damaged or cut short: {error}") from error


def encode_vcf(path: str | Path) -> tuple[xr.Dataset, dict[str, int]]:
    """Count variants per gene and type in a VCF that carries SnpEff's ``EFF`` annotation.

    An accession carries an allele if either of its called copies is that allele; a missing call
    carries nothing. Each allele of a multi-allelic site is a variant of its own.

    Returns
    -------
    counts : xarray.Dataset
        ``counts (sample, gene, variant_type)`` with all 17 types.
    report : dict
        Records, alleles, calls, missing and half calls, and pairs of allele and gene used or left out, by reason.

    Raises
    ------
    VcfError
        If the file is missing or cut short, has no samples, or a record has no ``EFF``.
    """
    path = Path(path)
    if not path.is_file():
        raise VcfError(f"There is no file {path}.")
    settings = np.geterr()
    from cyvcf2 import VCF

    np.seterr(**settings)  # importing cyvcf2 silences NumPy for the whole process
    try:
        reader = VCF(str(path))
    except OSError as error:
        raise VcfError(f"{path.name} is not a VCF file: {error}") from error
    if not reader.samples:
        raise VcfError(f"{path.name} has no samples.")
    report: Counter[str] = Counter()
    carried, pairs, genes = [], [], {}
    for record in _records(reader, path.name):
        where = f"{path.name}, {record.CHROM}:{record.POS}"
        annotation = record.INFO.get("EFF")
        if annotation is None:
            raise VcfError(f"{where}: the record has no SnpEff annotation (EFF=).")
        report["records"] += 1
        report["alleles"] += len(record.ALT)
        calls = record.genotype.array()[:, :-1]
        report["calls"] += len(calls)
        called = calls >= 0
        report["missing calls"] += int((~called.any(axis=1)).sum())
        report["half calls"] += int((called.any(axis=1) & (calls == -1).any(axis=1)).sum())
        for effect in read_effects(annotation, record.REF, record.ALT):
            if effect.variant_type == "no counterpart":
                report["left out: no counterpart among the 17 types"] += 1
            elif effect.gene == "intergenic":
                report["left out: intergenic without a named gene"] += 1
            else:
                report["used"] += 1
                gene = genes.setdefault(effect.gene, len(genes))
                pairs.append((len(carried), gene, VARIANT_TYPES.index(effect.variant_type)))
                carried.append((calls == effect.allele).any(axis=1))
    if not report["records"]:
        raise VcfError(f"{path.name} holds no variant.")
    variant, gene, variant_type = np.array(pairs, int).reshape(-1, 3).T
    counts = count_per_gene(
        np.array(carried, bool).reshape(-1, len(reader.samples)).T,
        variant,
        gene,
        variant_type,
        n_genes=len(genes),
        n_types=len(VARIANT_TYPES),
    )
    dataset = xr.Dataset(
        {"counts": (("sample", "gene", "variant_type"), counts)},
        coords={"sample": list(reader.samples), "gene": list(genes), "variant_type": list(VARIANT_TYPES)},
    )
    return dataset, dict(report)
