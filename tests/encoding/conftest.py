"""Small annotated VCF files, in every format that is read."""

import gzip
import itertools
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pysam.bcftools
import pytest

FORMATS = ("plain", "gzip", "bgzip", "bcf", "zarr")

HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=q30,Description="poor">
##INFO=<ID=ANN,Number=.,Type=String,Description="Functional annotations">
##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">
##ALT=<ID=DEL,Description="deletion">
##ALT=<ID=NON_REF,Description="any">
##contig=<ID=1,length=1000000>
##contig=<ID=2,length=1000000>
##contig=<ID=10,length=1000000>
"""


def ann(alt: str, term: str, gene: str = "G1", distance: str = "", biotype: str = "protein_coding") -> str:
    """One entry of SnpEff's ANN."""
    return f"{alt}|{term}|MODIFIER|{gene}|{gene}|transcript|{gene}.1|{biotype}|1/1|c.1A>T|p.A1B|1/9|1/9|1/3|{distance}|"


def record(
    position: int,
    ref: str,
    alt: str,
    info: str,
    calls: str | Sequence[str],
    *,
    chromosome: str = "1",
    quality: str = "40",
    filters: str = "PASS",
    form: str = "GT",
) -> str:
    """One line of a VCF; `calls` as words in one string or as a list."""
    calls = calls.split() if isinstance(calls, str) else calls
    return "\t".join([chromosome, str(position), ".", ref, alt, quality, filters, info, form, *calls])


def write_text(path: Path, records: Sequence[str], samples: Sequence[str], header: str = HEADER) -> Path:
    columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples])
    path.write_text(header + "\n".join([columns, *records]) + "\n")
    return path


def write(
    folder: Path, records: Sequence[str], samples: Sequence[str] = ("s1", "s2", "s3"), form: str = "plain",
    name: str = "small", header: str = HEADER,
) -> Path:  # fmt: skip
    """Write a VCF in one of `FORMATS`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = write_text(folder / f"{name}.vcf", records, samples, header)
    if form == "plain":
        return text
    if form == "gzip":
        path = folder / f"{name}.gz.vcf.gz"
        path.write_bytes(gzip.compress(text.read_bytes(), mtime=0))
        return path
    path = folder / f"{name}.vcf.gz"
    pysam.tabix_compress(str(text), str(path), force=True)
    if form == "bgzip":
        return path
    if form == "bcf":
        target = folder / f"{name}.bcf"
        pysam.bcftools.view("-O", "b", "-o", str(target), str(text), catch_stdout=False)
        return target
    from bio2zarr import vcf as vcf2zarr

    pysam.tabix_index(str(path), preset="vcf", force=True)
    target = folder / f"{name}.vcz"
    vcf2zarr.convert([path], target, worker_processes=0, show_progress=False)
    return target


def bgzip_in_blocks(text: bytes, sizes: Sequence[int]) -> bytes:
    """Compress as bgzip does, in blocks of these many bytes, over and over; an empty block among them is allowed."""
    blocks, at = [], 0
    for size in itertools.cycle(sizes):
        piece = text[at : at + size]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        data = packer.compress(piece) + packer.flush()
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(data) + 25)
        blocks.append(head + data + struct.pack("<II", zlib.crc32(piece), len(piece)))
        at += size
        if at >= len(text):
            break
    return b"".join(blocks) + bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@pytest.fixture(scope="session")
def vcf() -> SimpleNamespace:
    """Functions that write small VCF files; see this module."""
    return SimpleNamespace(
        ann=ann, record=record, write=write, bgzip_in_blocks=bgzip_in_blocks, header=HEADER, formats=FORMATS
    )


@pytest.fixture(scope="session")
def nonzero() -> Callable:
    """Counts of a dataset that are not zero, by gene and type."""

    def collect(dataset) -> dict[tuple[str, str], list[int]]:
        found = {}
        for g, gene in enumerate(dataset["gene"].values.tolist()):
            for t, kind in enumerate(dataset["variant_type"].values.tolist()):
                values = dataset["counts"].values[:, g, t].tolist()
                if any(values):
                    found[gene, kind] = values
        return found

    return collect
