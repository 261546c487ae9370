# The job graph of a sweep: one job per cohort, split, seed and model, then one table and one page.
#
#   gi sweep run workflow/sweep.yaml --out sweep --cores 4      writes sweep/plan.json and calls this file
#
# A job runs again when its settings in the sweep file or the version of the package change, not when jobs are added.

import json
import os
import sys
from pathlib import Path

from gi_lib.process import in_shell, refuse_wildcards

os.environ["GI_GRAPH"] = str(os.getpid())  # jobs end soon after this process
FILE = refuse_wildcards(config["sweep"])
PLAN = json.loads(Path("plan.json").read_text())
NEEDS = PLAN["resources"]
GI = in_shell(sys.executable, "-m", "gi_lib.cli", "sweep")


localrules:
    gathered,


rule gathered:
    input:
        expand("jobs/{name}.parquet", name=PLAN["jobs"]),
        "plan.json",
        FILE,
    output:
        "predictions.parquet",
        "scores.csv",
        "summary.html",
    shell:
        f"{GI} gather {in_shell(FILE)} --out ."


rule job:
    output:
        "jobs/{name}.parquet",
    params:
        settings=json.dumps(PLAN["settings"]),
    threads: NEEDS["cores"]
    resources:
        mem_mb=NEEDS["megabytes"],
        runtime=NEEDS["minutes"],
        **({"gpu": NEEDS["gpus"]} if NEEDS["gpus"] else {}),
    # `exec`: there is no shell between this process and the job, which could die alone.
    shell:
        f"exec {GI} job {in_shell(FILE)} {{wildcards.name:q}} --out ."
