# The job graph of a sweep: one job per cohort, split, seed and model, then one table and one page.
#
#   gi sweep run workflow/sweep.yaml --out sweep --cores 4      calls this file
#
# A job runs again when its settings in the sweep file change, not when others do.

import json
import sys
from dataclasses import asdict

from gi_lib import book, sweep

FILE = config["sweep"]
SWEEP = sweep.read_sweep(FILE)
JOBS = SWEEP.jobs()
NEEDS = SWEEP.resources
GI = f'"{sys.executable}" -m gi_lib.cli sweep'
THREADS = " ".join(f"{variable}={{threads}}" for variable in book.THREAD_VARIABLES)
SETTINGS = {name: value for name, value in asdict(SWEEP).items() if name in ("scale", "n_splits", "n_repeats", "epochs", "source_epochs")}


localrules:
    gathered,


rule gathered:
    input:
        expand("jobs/{name}.parquet", name=JOBS),
        FILE,
    output:
        "predictions.parquet",
        "scores.csv",
        "summary.html",
    shell:
        GI + f' gather "{FILE}" --out .'


rule job:
    output:
        "jobs/{name}.parquet",
    params:
        settings=json.dumps(SETTINGS, sort_keys=True),
    threads: NEEDS.cores
    resources:
        mem_mb=NEEDS.megabytes,
        runtime=NEEDS.minutes,
        **({"gpu": NEEDS.gpus} if NEEDS.gpus else {}),
    # `exec` makes the job a direct child of this process, so that it ends with it.
    shell:
        "exec env " + THREADS + " " + GI + f' job "{FILE}" {{wildcards.name}} --out .'
