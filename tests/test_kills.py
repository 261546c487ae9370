"""Whatever is killed, whenever: the same command goes on, and ends with the same bytes.

``GI_KILLS=60 pytest -m slow tests/test_kills.py`` kills more often than the few times of a usual run.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from gi_lib.sweep import gather, read_sweep, run_job

KILLS = int(os.environ.get("GI_KILLS", "3"))
SWEEP = {
    "cohorts": ["simulated"],
    "models": ["Galiana", "GBLUP"],
    "n_splits": 3,
    "epochs": 2,
    "min_accessions": 15,
}
TABLES = ("predictions.parquet", "scores.csv", "summary.html")


def below(pid: int) -> list[int]:
    """A process and all that it has started, directly or not."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents if its_parent == parent]
    return found


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")
def test_a_sweep_of_which_anything_is_killed_at_any_moment_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    file, out = tmp_path / "sweep.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(SWEEP))
    sweep = read_sweep(file)
    for name in sweep.jobs():
        run_job(sweep, name, tmp_path / "undisturbed")
    gather(sweep, tmp_path / "undisturbed")

    def matches() -> bool:
        return all((out / n).read_bytes() == (tmp_path / "undisturbed" / n).read_bytes() for n in TABLES)

    def start() -> subprocess.Popen:
        command = [sys.executable, "-m", "gi_lib.cli", "sweep", "run", file, "--out", out, "--cores", "2"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    chance, n_kills, victims, seconds = random.Random(1), 0, set(), 20.0
    while n_kills < KILLS:
        begin = time.monotonic()
        run = start()
        try:
            run.wait(chance.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            processes = below(run.pid)
            victim = chance.choice(processes)
            victims.add(processes.index(victim))
            os.kill(victim, signal.SIGKILL)
            n_kills += 1
            if victim != run.pid:
                run.wait(300)  # the graph notices, and does what else it can
            end = time.monotonic() + 60
            while any(is_running(pid) for pid in processes):  # nothing outlives the graph for long
                assert time.monotonic() < end
                time.sleep(0.2)
            run.wait()
        if run.returncode == 0:  # all was done: begin anew, from nothing
            assert matches()
            seconds = 1.2 * (time.monotonic() - begin)
            shutil.rmtree(out)
            shutil.rmtree(tmp_path / "cache")
    assert start().wait(600) == 0
    assert matches()
    assert not list(out.rglob("*.tmp"))
    assert len(victims) > 1 or KILLS < 10
