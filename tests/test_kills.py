"""Whatever is killed, whenever: the same command goes on, and ends with the same files.

``GI_KILLS=60 pytest -m slow tests/test_kills.py`` kills each command more often than the few times of a usual run.
"""

import hashlib
import http.server
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gi_lib.book import convert, write_notebook
from gi_lib.datasets.small_genome import simulate_small_genome
from gi_lib.process import is_running

SWEEP = {
    "cohorts": ["simulated"],
    "models": ["Galiana", "GBLUP"],
    "n_splits": 3,
    "epochs": 2,
    "min_accessions": 15,
}

TRAINING = """
from gi_lib.cohorts import load_cohort
from gi_lib.lineup import baselines, published_models
from gi_lib.validation import RandomFolds, cross_validate, save_predictions

cohort = load_cohort("simulated").isel(trait=slice(2))
known = (*published_models(cohort, (), epochs=2, device="cpu"), *baselines(cohort))
models = [model for model in known if model.name in ("Galiana", "ridge on counts", "GBLUP")]
save_predictions(cross_validate(cohort, models, RandomFolds(3)), "predictions.parquet")
"""

NOTEBOOK = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Toy

```{code-cell} python
:tags: [parameters]

cohort: str = "simulated"
scale: str = "demo"
seed: int = 1
results_dir: str = "results"
```

```{code-cell} python
from gi_lib import notebook
from gi_lib.lineup import baselines
from gi_lib.validation import RandomFolds, cross_validate

run = notebook.start("toy", globals())
data = run.load_cohort().isel(trait=slice(2))
predictions = cross_validate(data, baselines(data), RandomFolds(3))
```

```{code-cell} python
notebook.show(run.save("means", predictions.groupby("model")["predicted"].mean().reset_index()))
```

```{code-cell} python
run.finish()
```
"""

FETCHED = b"accession,value\n1,0.5\n" * 2000


class Slowly(http.server.BaseHTTPRequestHandler):
    """Serves FETCHED, in pieces, so that there is time to kill who reads it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(FETCHED)))
        self.end_headers()
        try:
            for begin in range(0, len(FETCHED), 2000):
                self.wfile.write(FETCHED[begin : begin + 2000])
                time.sleep(0.03)
        except OSError:  # killed
            pass

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """Of a slow mirror."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slowly) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# ------------------------------------------------------------------------------- commands that are killed


def prepare_sweep(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))


def prepare_training(folder: Path) -> None:
    (folder / "train.py").write_text(TRAINING)


def prepare_encode(folder: Path) -> None:
    simulate_small_genome(folder, n_variants=4000)


def prepare_notebook(folder: Path) -> None:
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "toy.md").write_text(NOTEBOOK)
    (folder / "notebooks" / "runs.yml").write_text("toy: {source: toy.md, demo: {seed: 2}}\n")
    write_notebook(folder / "notebooks" / "toy.ipynb", convert(folder / "notebooks" / "toy.md"))


def prepare_fetch(folder: Path) -> None:
    entry = {"content": "A toy table.", "read": "pandas.read_csv", "licence": "CC0-1.0", "url": "http://localhost/",
             "sha256": hashlib.sha256(FETCHED).hexdigest(), "bytes": len(FETCHED)}  # fmt: skip
    about = {"title": "Toy", "summary": "A toy.", "citation": "Nobody (2026).", "doi": "10.1234/toy"}
    (folder / "manifests").mkdir()
    (folder / "manifests" / "toy.yaml").write_text(
        yaml.safe_dump({"dataset": "toy", **about, "files": {"table.csv": entry}})
    )


@dataclass(frozen=True)
class Command:
    """A command, what it needs in its folder, which of its files must be the same, and how often it is killed."""

    arguments: str
    prepare: Callable[[Path], None]
    results: str
    kills: int = 1


GI = "-m gi_lib.cli"
COMMANDS = {
    "sweep": Command(f"{GI} sweep run sweep.yaml --out out --cores 2", prepare_sweep, "out/*.*"),
    "training": Command("train.py", prepare_training, "predictions.parquet"),
    "encode": Command(
        f"{GI} encode variants.vcf --gff3 genes.gff3 --fasta genome.fa --out cohort.zarr --cores 2 --stretch 30000",
        prepare_encode,
        "cohort.zarr/**/*",
    ),
    "page": Command(f"{GI} book execute toy --root .", prepare_notebook, "_build/*/demo/**/*.[ci]*", 0),
    "papermill": Command(
        "-m papermill notebooks/toy.ipynb out.ipynb -p results_dir results", prepare_notebook, "results/*", 0
    ),
    "fetch": Command(f"{GI} data fetch toy/table.csv", prepare_fetch, "cache/data/toy/*"),
}


def below(pid: int) -> list[int]:
    """A process and all that it has started, directly or not."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents if its_parent == parent]
    return found


def files(folder: Path, pattern: str = "**/*") -> dict[str, bytes]:
    """All files by name, without what Snakemake and the interpreter keep, and notes of hashes of files found whole."""
    apart = {".snakemake", "__pycache__", "hashes"}
    found = (path for path in folder.glob(pattern) if path.is_file() and not apart & set(path.parts))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_is_killed_the_same_command_ends_the_same(name, tmp_path, address, request):
    command = COMMANDS[name]
    kills = int(os.environ.get("GI_KILLS", command.kills))
    if not kills:
        pytest.skip("set GI_KILLS to kill this, too")

    def begin_anew(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command.prepare(folder)

    started: list[subprocess.Popen] = []
    request.addfinalizer(lambda: [run.kill() for run in started])

    def start(folder: Path) -> subprocess.Popen:
        own = {"GI_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
        if name == "fetch":
            own |= {"GI_MANIFEST_DIR": str(folder / "manifests"), "GI_DATA_MIRROR": address, "GI_OFFLINE": ""}
        run = subprocess.Popen(
            [sys.executable, *command.arguments.split()], cwd=folder, env=os.environ | own,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(run)
        return run

    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    begin_anew(undisturbed)
    began = time.monotonic()
    run = start(undisturbed)
    told = run.communicate()[1].decode()
    assert run.returncode == 0, told
    seconds = time.monotonic() - began
    expected = files(undisturbed, command.results)
    assert expected

    def check() -> None:
        assert files(folder, command.results) == expected
        assert files(folder).keys() == files(undisturbed).keys()  # nothing half written is left anywhere

    def wait(run: subprocess.Popen, seconds: float) -> str:
        return run.communicate(timeout=seconds)[1].decode()

    chance, n_kills, n_whole, victims = random.Random(1), 0, 0, {}
    begin_anew(folder)
    while n_kills < kills:
        run = start(folder)
        try:
            wait(run, chance.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            processes = below(run.pid)
            victim = chance.choice(processes)
            os.kill(victim, signal.SIGKILL)
            n_kills += 1
            kind = "the command" if victim == run.pid else "one below it"
            victims[kind] = victims.get(kind, 0) + 1
            if victim != run.pid:
                told = wait(run, 300)  # it notices, and does what else it can
                assert name in ("sweep", "papermill") or "Traceback" not in told, told
            end = time.monotonic() + 60
            while any(map(is_running, processes)):  # nothing outlives the command for long
                assert time.monotonic() < end
                time.sleep(0.2)
            run.communicate()
        if run.returncode == 0:  # all was done: begin anew, from nothing
            check()
            n_whole += 1
            begin_anew(folder)
    run = start(folder)
    told = wait(run, 600)
    assert run.returncode == 0, told
    check()
    print(f"\n{name}: {n_kills} kills ({victims}), {n_whole + 1} times the same files as without any")
