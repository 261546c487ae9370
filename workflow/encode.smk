# Encode a large cohort on several machines: shares of the files side by side, then one merge.
#
#   snakemake --snakefile workflow/encode.smk --directory RUN --cores 4 \
#       --config genotypes=/data/1001genomes.vcf.gz out=cohort.zarr shares=8 options="--gff3 /data/TAIR10.gff3"
#
# genotypes   one or more files, separated by blanks (absolute paths, or relative to RUN), or a list of names that may
#             hold blanks: genotypes="['my genes.vcf', other.vcf]"
# out         the cohort to write
# shares      jobs; each takes a stretch of the genome, as long as the others in bytes, so chromosomes need not be cut by
#             hand. On a cluster add --profile workflow/profiles/slurm
# options     further options of `gi encode`
#
# The result is the same as that of one `gi encode` without shares, byte for byte. A job that was killed goes on where
# it was.

import os
import shlex
import sys

from gi_lib.process import in_shell, refuse_wildcards

os.environ["GI_GRAPH"] = str(os.getpid())  # jobs end soon after this process
GENOTYPES, OPTIONS = (
    given if isinstance(given, list) else shlex.split(str(given))
    for given in (config["genotypes"], config.get("options") or "")
)
OUT = refuse_wildcards(config["out"])
SHARES = int(config.get("shares", 4))
ENCODE = in_shell(
    sys.executable, "-m", "gi_lib.cli", "encode", "--out", OUT, "--no-progress", *OPTIONS, *GENOTYPES
)


rule merge:
    input:
        expand("{out}.shares/{k}", out=OUT, k=range(1, SHARES + 1)),
    output:
        directory(OUT),
    threads: 1
    resources:
        mem_mb=8000,
        runtime=4 * 60,
    # Snakemake makes the folder of an output beforehand, and `gi encode` writes where nothing is.
    shell:
        f"rmdir {in_shell(OUT)} 2>/dev/null || true; {ENCODE} --cores {{threads}}"


rule share:
    output:
        touch("{out}.shares/{k}"),
    threads: 2
    resources:
        mem_mb=4000,
        runtime=12 * 60,
    shell:
        f"{ENCODE} --share {{wildcards.k}}/{SHARES} --cores {{threads}}"
