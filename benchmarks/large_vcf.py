"""A large VCF like that of the 1001 Genomes: real sizes and formats, random content.

    python benchmarks/large_vcf.py OUT.vcf.gz --variants 500000 --samples 1135 --seed 1

Genotypes are ``GT:GQ:DP`` of inbred accessions, four in a hundred missing, most variants rare. Every record carries
SnpEff's ``ANN`` for genes 4.3 kb apart, as many as SnpEff would name within 5 kb. The same arguments give the
same bytes, whatever `threads` is.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pysam

CHROMOSOME_LENGTHS = (30_427_671, 19_698_289, 23_459_830, 18_585_056, 26_975_502)  # TAIR10, base pairs
N_GENES = 27_655
RECORDS_PER_PIECE = 10_000
POOL = 500  # rows of sample fields that records are made from
REACH = 5_000  # SnpEff names genes so far away, base pairs
EOF_BLOCK_BYTES = 28

# Parts of a gene of 2,150 bp, forward strand: end of the part, its terms for a SNP and their odds.
PARTS = (
    (150, ("5_prime_UTR_variant",), (1.0,)),
    (750, ("missense_variant", "synonymous_variant", "stop_gained"), (0.62, 0.35, 0.03)),
    (752, ("splice_donor_variant&intron_variant",), (1.0,)),
    (1048, ("intron_variant", "splice_region_variant&intron_variant"), (0.95, 0.05)),
    (1050, ("splice_acceptor_variant&intron_variant",), (1.0,)),
    (1950, ("missense_variant", "synonymous_variant", "stop_lost"), (0.64, 0.35, 0.01)),
    (2150, ("3_prime_UTR_variant",), (1.0,)),
)
PART_ENDS = np.array([end for end, *_ in PARTS])
GENE_LENGTH = int(PART_ENDS[-1])
HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Total depth">
##INFO=<ID=ANN,Number=.,Type=String,Description="Functional annotations: 'Allele | Annotation | Annotation_Impact | \
Gene_Name | Gene_ID | Feature_Type | Feature_ID | Transcript_BioType | Rank | HGVS.c | HGVS.p | cDNA.pos / cDNA.length \
| CDS.pos / CDS.length | AA.pos / AA.length | Distance | ERRORS / WARNINGS / INFO'">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">
"""


def write_large_vcf(
    path: str | Path, n_variants: int, n_samples: int = 1135, seed: int = 1, threads: int = 2
) -> Path:
    """Write a bgzip-compressed VCF and its index.

    Parameters
    ----------
    path
        The file to write, ending with ``.vcf.gz``.
    n_variants, n_samples
        Size of the file: records, accessions.
    seed
        Of all that is random.
    threads
        Processes; without effect on the bytes.

    Raises
    ------
    ValueError
        If a size is smaller than one.
    """
    if n_variants < 1 or n_samples < 1:
        raise ValueError(f"The file has {n_variants} variants and {n_samples} samples; allowed is 1 or more.")
    path = Path(path)
    pieces = -(-n_variants // RECORDS_PER_PIECE)
    jobs = [(path, k, n_variants, n_samples, seed) for k in range(pieces)]
    with ProcessPoolExecutor(threads, get_context("spawn")) as pool:
        written = list(pool.map(_write_piece, jobs))
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with pysam.BGZFile(str(scratch), "wb") as handle:
        contigs = (f"##contig=<ID={i},length={n}>\n" for i, n in enumerate(CHROMOSOME_LENGTHS, start=1))
        columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
        columns += [str(100 + i) for i in range(n_samples)]
        handle.write((HEADER + "".join(contigs) + "\t".join(columns) + "\n").encode())
    end = scratch.read_bytes()[-EOF_BLOCK_BYTES:]
    os.truncate(scratch, scratch.stat().st_size - EOF_BLOCK_BYTES)
    with scratch.open("ab") as target:
        for piece in written:
            target.write(piece.read_bytes()[:-EOF_BLOCK_BYTES])
            piece.unlink()
        target.write(end)
    os.replace(scratch, path)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def _write_piece(job: tuple[Path, int, int, int, int]) -> Path:
    """Records of one stretch, as a bgzip file of its own."""
    path, k, n_variants, n_samples, seed = job
    first, last = k * RECORDS_PER_PIECE, min((k + 1) * RECORDS_PER_PIECE, n_variants)
    rng, pool = np.random.default_rng([seed, k]), _rows(n_samples, seed)
    lengths = np.cumsum(CHROMOSOME_LENGTHS)
    step = lengths[-1] / n_variants  # one variant somewhere in every step, so that positions ascend
    where = ((np.arange(first, last) + rng.random(last - first) * 0.9) * step).astype(np.int64)
    target = path.with_name(f".{path.name}.piece{k:05d}")
    with pysam.BGZFile(str(target), "wb") as handle:
        for place in where.tolist():
            chromosome = int(np.searchsorted(lengths, place, side="right"))
            start = int(lengths[chromosome - 1]) if chromosome else 0
            handle.write(_record(rng, chromosome, place - start + 1, *pool[rng.integers(POOL)]))
    return target


def _rows(n_samples: int, seed: int) -> list[tuple[bytes, np.ndarray]]:
    """Sample fields of reference accessions, some of them missing, and where each called genotype begins."""
    rng, rows = np.random.default_rng([seed, 10**6]), []
    for _ in range(POOL):
        quality = rng.choice([40, 38, 36, 32, 28], n_samples, p=[0.86, 0.08, 0.03, 0.02, 0.01])
        depth = np.maximum(3, rng.gamma(2.2, 10, n_samples)).astype(int)
        missing = rng.random(n_samples) < 0.04
        fields = [
            b"./.:.:." if gone else b"0|0:%d:%d" % (q, d)
            for gone, q, d in zip(missing, quality, depth, strict=True)
        ]
        begin = np.cumsum([0, *(len(field) + 1 for field in fields[:-1])])
        rows.append((b"\t".join(fields) + b"\n", begin[~missing]))
    return rows


def _record(rng: np.random.Generator, chromosome: int, position: int, row: bytes, begin: np.ndarray) -> bytes:
    ref, alts = _alleles(rng)
    fields = np.frombuffer(bytearray(row), np.uint8)
    for number in range(1, len(alts) + 1):
        # As many carriers as a neutral population has: half as often twice as many.
        n = int(np.exp(rng.random() * np.log(max(2, len(begin) // 2))))
        carriers = begin[rng.integers(0, len(begin), n)]
        fields[carriers] = fields[carriers + 2] = ord("0") + number
    ann = ",".join(entry for alt in alts for entry in _entries(rng, chromosome, position, ref, alt))
    site = [str(chromosome + 1), str(position), ".", ref, ",".join(alts), "40", "PASS"]
    site += [f"DP={20_000 + position % 9_000};ANN={ann}", "GT:GQ:DP"]
    return ("\t".join(site) + "\t").encode() + fields.tobytes()


def _alleles(rng: np.random.Generator) -> tuple[str, list[str]]:
    bases = "".join(rng.permutation(list("ACGT")))
    draw = rng.random()
    if draw < 0.06:
        return bases[0], [bases[0] + "ACGTACGTA"[: rng.integers(1, 9)]]
    if draw < 0.13:
        return bases[0] + "TGCATGCAT"[: rng.integers(1, 9)], [bases[0]]
    return bases[0], [bases[1], bases[2]] if draw < 0.16 else [bases[1]]


def _entries(rng: np.random.Generator, chromosome: int, position: int, ref: str, alt: str) -> list[str]:
    """SnpEff's entries of one allele: its gene, neighbours in reach, and the space between genes."""
    spacing = sum(CHROMOSOME_LENGTHS) / N_GENES
    nearest = int(position // spacing)
    entries, is_inside = [], False
    for gene in range(max(0, nearest - 2), nearest + 3):
        name, start = f"AT{chromosome + 1}G{gene:05d}", int(gene * spacing) + 1_000
        before, behind = start - position, position - (start + GENE_LENGTH - 1)
        if before > REACH or behind > REACH:
            continue
        if before > 0 or behind > 0:
            term = "upstream_gene_variant" if before > 0 else "downstream_gene_variant"
            distance = max(before, behind)
            change = f"c.-{distance}{ref}>{alt}" if before > 0 else f"c.*{distance}{ref}>{alt}"
            entries.append(
                f"{alt}|{term}|MODIFIER|{name}|{name}|transcript|{name}.1|protein_coding||{change}|||||{distance}|"
            )
            continue
        is_inside, offset = True, position - start
        entries.insert(0, _inside(rng, name, offset, ref, alt))
    if not is_inside:
        pair = f"AT{chromosome + 1}G{nearest:05d}-AT{chromosome + 1}G{nearest + 1:05d}"
        entries.append(
            f"{alt}|intergenic_region|MODIFIER|{pair}|{pair}|intergenic_region|{pair}|||n.{position}{ref}>{alt}"
            "||||||"
        )
    return entries


def _inside(rng: np.random.Generator, name: str, offset: int, ref: str, alt: str) -> str:
    _, terms, odds = PARTS[int(np.searchsorted(PART_ENDS, offset, side="right"))]
    term = terms[int(rng.choice(len(terms), p=odds))]
    growth = len(alt) - len(ref)
    if growth and "missense_variant" in terms:
        kind = "insertion" if growth > 0 else "deletion"
        term = "frameshift_variant" if growth % 3 else f"conservative_inframe_{kind}"
    impact = "MODERATE" if "missense" in term else "HIGH" if "stop" in term or "frameshift" in term else "LOW"
    place = f"{offset}/{GENE_LENGTH}|{offset}/1500|{offset // 3}/500" if offset < 1_950 else "||"
    change = f"c.{offset}{ref}>{alt}|p.Ala{offset // 3}Val"
    return f"{alt}|{term}|{impact}|{name}|{name}|transcript|{name}.1|protein_coding|1/2|{change}|{place}||"


def main() -> None:
    """Write the file that the command line asks for."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("out", type=Path)
    options.add_argument("--variants", type=int, default=500_000)
    options.add_argument("--samples", type=int, default=1135)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    chosen = options.parse_args()
    write_large_vcf(chosen.out, chosen.variants, chosen.samples, chosen.seed, chosen.threads)
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
