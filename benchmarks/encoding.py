"""How fast `gi encode` is, beside reading the file once with bcftools and beside a plain loop over cyvcf2.

    python benchmarks/encoding.py --variants 500000 --small 100000 --cores 2

It makes two VCF files like that of the 1001 Genomes (see `large_vcf.py`), encodes both, and prints a table: seconds,
their ratios, and the peak memory at two sizes. ``--record`` writes the table to ``results/benchmarks/encoding.csv``.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from large_vcf import write_large_vcf

from gi_lib.datasets.cohort import VARIANT_TYPES, open_cohort

REPOSITORY = Path(__file__).parents[1]
GENOMES_1001 = 12_000_000  # variants of the 1001 Genomes VCF, about


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def encode(path: Path, out: Path, cores: int) -> tuple[float, float]:
    """Seconds and peak memory (MB) of ``gi encode``: the highest resident size of each process, added up.

    Pages that processes share are counted more than once, so the true peak is lower.
    """
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "gi_lib.cli", "encode", str(path), "--out", str(out), "--simulated"]
    begin = time.perf_counter()
    process = subprocess.Popen([*command, "--cores", str(cores), "--no-progress"], stdout=subprocess.DEVNULL)
    peaks: dict[int, float] = {}
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            for member in (parent, *parent.children(recursive=True)):
                status = Path(f"/proc/{member.pid}/status").read_text()
                peaks[member.pid] = int(status.split("VmHWM:")[1].split()[0]) / 1e3
        except (psutil.Error, OSError, IndexError):  # one of them ended between two looks
            pass
        time.sleep(0.1)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"gi encode failed with exit code {process.returncode}.")
    return seconds, sum(peaks.values())


def read_once(path: Path) -> None:
    """Decompress and parse the file once: ``bcftools view -O u``, its output thrown away."""
    program = shutil.which("bcftools")
    bundled = "import sys, pysam.bcftools as b; b.view('-O', 'u', '-o', '/dev/null', sys.argv[1], catch_stdout=False)"
    command = [program, "view", "-O", "u", "-o", "/dev/null"] if program else [sys.executable, "-c", bundled]
    subprocess.run([*command, str(path)], check=True)


PLAIN_TYPES = {
    "missense_variant": "nonsynonymous", "start_lost": "nonsynonymous", "stop_gained": "stopgain",
    "stop_lost": "stoploss", "3_prime_UTR_variant": "UTR3", "5_prime_UTR_variant": "UTR5",
    "intron_variant": "intronic", "upstream_gene_variant": "upstream", "downstream_gene_variant": "downstream",
    "splice_acceptor_variant": "splicing", "splice_donor_variant": "splicing", "synonymous_variant": "",
    "conservative_inframe_insertion": "nonframeshift insertion", "intergenic_region": "intergenic",
    "conservative_inframe_deletion": "nonframeshift deletion", "frameshift_variant": "frame",
}  # fmt: skip
REGION_RANK = {
    "ncRNA exonic": 1,
    "UTR5": 2,
    "UTR3": 2,
    "intronic": 3,
    "upstream": 4,
    "downstream": 4,
    "intergenic": 5,
}
EXONIC = ("frameshift insertion", "frameshift deletion", "stopgain", "stoploss", "nonframeshift insertion",
          "nonframeshift deletion", "nonsynonymous", "")  # fmt: skip


def plain_loop(path: Path, limit: int | None = None) -> tuple[dict[tuple[str, str], np.ndarray], int]:
    """The same counts as anyone would write them first: record by record over cyvcf2."""
    from cyvcf2 import VCF

    counts: dict[tuple[str, str], np.ndarray] = {}
    reader, n = VCF(str(path)), 0
    for record in reader:
        calls = record.genotype.array()[:, :2]
        by_allele: dict[str, list[tuple[str, str, int]]] = {}
        for entry in record.INFO["ANN"].split(","):
            fields = entry.split("|")
            term = next(t for t in fields[1].split("&") if t in PLAIN_TYPES)
            kind, distance = PLAIN_TYPES[term], int(fields[14] or 0)
            if kind == "frame":
                kind = "frameshift insertion" if len(fields[0]) > len(record.REF) else "frameshift deletion"
            if kind in ("upstream", "downstream") and distance > 1000:
                kind = "intergenic"
            by_allele.setdefault(fields[0], []).append((fields[4], kind, distance))
        for number, alt in enumerate(record.ALT, start=1):
            effects = by_allele[alt]
            best = min(REGION_RANK.get(kind, 0) for _, kind, _ in effects)
            effects = [e for e in effects if REGION_RANK.get(e[1], 0) == best]
            if best == 0:
                first = min(EXONIC.index(kind) for _, kind, _ in effects if kind != "splicing") if any(
                    kind != "splicing" for _, kind, _ in effects) else None  # fmt: skip
                effects = [e for e in effects if e[1] == "splicing" or e[1] == EXONIC[first]]
            if best == 5:
                named = [e for e in effects if "-" not in e[0]]
                effects = [min(named, key=lambda e: e[2])] if named else []
            carried = (calls == number).any(axis=1)
            for gene, kind in {(gene, kind) for gene, kind, _ in effects if kind}:
                if (gene, kind) not in counts:
                    counts[gene, kind] = np.zeros(len(carried), np.int64)
                counts[gene, kind] += carried
        n += 1
        if n == limit:
            break
    return counts, n


def check(counts: dict[tuple[str, str], np.ndarray], out: Path) -> int:
    """Compare the loop's counts with the cohort's; returns how many cells were compared."""
    cohort = open_cohort(out)
    gene = {name: i for i, name in enumerate(cohort["gene"].values.tolist())}
    values = cohort["counts"].values
    for (name, kind), expected in counts.items():
        if expected.any():
            np.testing.assert_array_equal(
                values[:, gene[name], VARIANT_TYPES.index(kind)], expected, err_msg=name
            )
    assert values.sum(dtype=np.int64) == sum(int(column.sum()) for column in counts.values())
    return len(counts)


def main() -> None:
    """Run everything and print the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--variants", type=int, default=500_000)
    options.add_argument("--small", type=int, default=100_000)
    options.add_argument("--samples", type=int, default=1135)
    options.add_argument("--cores", type=int, default=psutil.cpu_count())
    options.add_argument(
        "--folder", type=Path, help="where the files are made and kept; a temporary one by default"
    )
    options.add_argument("--record", action="store_true", help="write results/benchmarks/encoding.csv")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for n in (chosen.small, chosen.variants):
            path = folder / f"{n}x{chosen.samples}.vcf.gz"
            if not path.exists():
                write_large_vcf(path, n, chosen.samples, threads=chosen.cores)
            out = folder / f"{n}.zarr"
            seconds, peak = encode(path, out, chosen.cores)
            once = timed(lambda path=path: read_once(path))
            begin = time.perf_counter()
            counts, _ = plain_loop(path)
            loop = time.perf_counter() - begin
            cells = check(counts, out)
            rows.append(
                {
                    "variants": n,
                    "samples": chosen.samples,
                    "cores": chosen.cores,
                    "megabytes": path.stat().st_size / 1e6,
                    "encode_seconds": seconds,
                    "bcftools_view_seconds": once,
                    "plain_loop_seconds": loop,
                    "encode_over_bcftools": seconds / once,
                    "loop_over_encode": loop / seconds,
                    "peak_megabytes": peak,
                    "cells_compared": cells,
                }
            )
            print(pd.DataFrame(rows).T.to_string(header=False, float_format="{:,.2f}".format), flush=True)
    table = pd.DataFrame(rows)
    small, large = rows
    rate = (large["encode_seconds"] - small["encode_seconds"]) / (large["variants"] - small["variants"])
    projected = large["encode_seconds"] + rate * (GENOMES_1001 - large["variants"])
    table["projected_minutes_12_million"] = projected / 60
    table["processor"] = platform.processor() or platform.machine()
    table["recorded"] = datetime.now(UTC).date().isoformat()
    print(f"\nProjected to {GENOMES_1001:,} variants: {projected / 60:.0f} minutes on {chosen.cores} cores.")
    if chosen.record:
        target = REPOSITORY / "results" / "benchmarks" / "encoding.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(target, index=False, float_format="%.4g", lineterminator="\n")
        print(f"Written to {target.relative_to(REPOSITORY)}.")


if __name__ == "__main__":
    main()
