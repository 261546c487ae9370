"""A sweep on a real Slurm of two nodes, one drained and a job killed meanwhile, against the same jobs run here."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import yaml

from gi_lib.notebook import REPOSITORY
from gi_lib.sweep import gather, read_sweep, run_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("slurmctld") and shutil.which("munged") and os.geteuid() == 0)
        or find_spec("snakemake_executor_plugin_slurm") is None
        or Path("/etc/slurm/slurm.conf").exists(),
        reason="needs root, Debian's slurm-wlm and munge, not yet configured, and the executor plugin",
    ),
]
SCRIPT = REPOSITORY / "tests" / "slurm.sh"
SWEEP = {
    "cohorts": ["simulated"],
    "seeds": list(range(1, 11)),
    "splits": ["random", "by country"],
    "models": ["GBLUP", "country mean"],
    "n_splits": 3,
    "min_accessions": 15,
    "resources": {"megabytes": 1500, "minutes": 30},
}
N_JOBS = 40


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([SCRIPT, "start", folder], check=True, stdin=subprocess.DEVNULL)
    yield folder
    subprocess.run([SCRIPT, "stop", folder], check=True)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(1)


def test_the_table_is_the_same_though_a_node_is_drained_and_a_job_killed(slurm, tmp_path, monkeypatch):
    profile = yaml.safe_load((REPOSITORY / "workflow" / "profiles" / "slurm" / "config.yaml").read_text())
    # There is no database of accounts here, and no reason to wait between two looks at the queue.
    profile |= {"slurm-status-command": "squeue", "slurm-init-seconds-before-status-checks": 5, "jobs": 10}
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))
    file, out = tmp_path / "sweep.yaml", tmp_path / "cluster"
    file.write_text(yaml.safe_dump(SWEEP))
    sweep = read_sweep(file)
    assert len(sweep.jobs()) == N_JOBS

    command = [sys.executable, "-m", "gi_lib.cli", "sweep", "run", file, "--out", out]
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen([*command, "--profile", tmp_path / "profile"], stdout=log, stderr=log)

    def n_done() -> int:
        return len(list((out / "jobs").glob("*.parquet")))

    wait_for(lambda: n_done() >= 5, 900)
    output("scontrol", "update", "nodename=two", "state=drain", "reason=test")
    wait_for(lambda: output("squeue", "-h", "-t", "running", "-w", "one", "-o", "%A"), 300)
    killed = output("squeue", "-h", "-t", "running", "-w", "one", "-o", "%A").split()[0]
    output("scancel", "--signal=KILL", "--full", killed)
    wait_for(lambda: n_done() >= 20, 1800)
    output("scontrol", "update", "nodename=two", "state=resume")
    assert run.wait(1800) == 0, (tmp_path / "log").read_text()

    record = output("scontrol", "show", "job", killed)
    assert "JobState=FAILED" in record or "JobState=CANCELLED" in record
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))  # nothing is taken from what the cluster left
    for name in sweep.jobs():
        run_job(sweep, name, tmp_path / "here")
    gather(sweep, tmp_path / "here")
    for name in ("predictions.parquet", "scores.csv", "summary.html"):
        assert (out / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name
    assert pd.read_parquet(out / "predictions.parquet")["seed"].nunique() == 10
    print((tmp_path / "log").read_text())  # with pytest -s: what Snakemake told, and the table of either run
    for place in (out, tmp_path / "here"):
        print(hashlib.sha256((place / "predictions.parquet").read_bytes()).hexdigest(), place.name)
